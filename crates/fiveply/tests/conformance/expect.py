"""Makes expected.txt: what dbt-core 1.12 with dbt-duckdb says about the conformance project.

    python crates/fiveply/tests/conformance/expect.py DBT

DBT is a dbt executable whose environment has duckdb too. The project is built three times, the
second and third time with the files of changes/2 and changes/3 laid over it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
RUNS = (1, 2, 3)


def main():
    dbt = sys.argv[1]
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch) / "project"
        shutil.copytree(HERE / "project", project)
        run(dbt, project, "deps")
        for number in RUNS:
            changes = HERE / "changes" / str(number)
            if changes.exists():
                shutil.copytree(changes, project, dirs_exist_ok=True)
            run(dbt, project, "build")
            lines.append(f"# run {number}")
            lines += statuses(project)
            run(dbt, project, "run-operation", "fill", "--args", f"{{count: {number}}}")
            lines += rows(project)
    (HERE / "expected.txt").write_text("\n".join(lines) + "\n")
    return 0


def run(dbt, project, *words):
    environment = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
                   "DBT_PROFILES_DIR": str(project), "DBT_MICROBATCH_NOW": ""}
    done = subprocess.run([dbt, *words], cwd=project, env=environment, capture_output=True,
                          text=True, check=False)
    if "--show" in sys.argv:
        print(done.stdout)


def statuses(project):
    results = json.loads((project / "target" / "run_results.json").read_text())["results"]
    return sorted(f"{one['unique_id']} {one['status']} {one['failures'] or 0}" for one in results)


def rows(project):
    found = []
    with duckdb.connect(str(project / "conformance.duckdb"), read_only=True) as database:
        for line in (HERE / "queries.txt").read_text().splitlines():
            name, sql = line.split(": ", maxsplit=1)
            try:
                answer = sorted(str(row[0]) for row in database.execute(sql).fetchall())
            except duckdb.Error:
                answer = ["(refused)"]
            found += [f"{name}: {row}" for row in answer] or [f"{name}: (no rows)"]
    return found


if __name__ == "__main__":
    sys.exit(main())
