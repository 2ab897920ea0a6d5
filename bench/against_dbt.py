"""Runs one dbt project twice, with dbt-core 1.12 on DuckDB and with fiveply, and says what differs.

Both run on copies of the project; packages must be laid out already (`dbt_packages/`, or local
packages in packages.yml). Compared are

  - the counts of pass, warn, error and skip, the status and the failures of each node,
  - the rows of every model, seed and snapshot: in any order, numbers to nine significant digits,
  - the manifest: which nodes there are, and what both say of each, field by field.

The exit code is 0 when nothing differs in the first two, 1 otherwise; with --strict the manifest
counts too.

`--dbt` names a dbt executable; without it a venv is made once in the user's cache folder. dbt-core
requires a parser that is no wheel of the registry and is not needed, so everything else it requires
is installed first and dbt-core itself without its requirements.
"""

import argparse
import concurrent.futures
import datetime
import decimal
import importlib.metadata
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

DBT_CORE = "dbt-core==1.12.6"
DBT_DUCKDB = "dbt-duckdb==1.11.1"
NOT_A_WHEEL = "dbt-core-experimental-parser"
LEFT_OUT = {".git", "target", "logs", "lakehouse", ".fiveply", "dbt_internal_packages"}
WITH_ROWS = ("model", "seed", "snapshot")
GROUPS = {"success": "pass", "pass": "pass", "warn": "warn", "error": "error", "fail": "error",
          "runtime error": "error", "skipped": "skip", "partial success": "error",
          "no-op": "no-op"}


EXAMPLES = """examples:
  python bench/against_dbt.py ~/jaffle_shop_duckdb
  python bench/against_dbt.py my_project --command seed --command "run --vars '{day: 2024-01-01}'"
  python bench/against_dbt.py package/integration_tests --base package --keep /tmp/compared
"""

# What both manifests say of a node and must say alike; a dot goes one level down.
FIELDS = ("resource_type", "package_name", "name", "alias", "database", "schema", "relation_name",
          "path", "original_file_path", "fqn", "description", "tags", "meta", "group", "access",
          "version", "latest_version", "language", "patch_path", "raw_code", "compiled_code",
          "checksum.checksum", "columns", "refs", "sources", "depends_on.nodes",
          "depends_on.macros", "config", "contract", "column_name", "attached_node",
          "file_key_name", "test_metadata", "source_name", "loader", "identifier",
          "loaded_at_field", "freshness", "type", "owner", "maturity", "url", "primary_key")
PARTS = ("nodes", "sources", "exposures", "metrics", "groups", "semantic_models", "saved_queries",
         "unit_tests", "macros", "docs")
# dbt names its own runs by the clock.
CLOCKWORK = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*|[0-9a-f]{8}-[0-9a-f-]{27}")


def main():
    options = arguments()
    dbt = options.dbt or venv_dbt()
    with tempfile.TemporaryDirectory(prefix="against-dbt-") as scratch:
        work = Path(options.keep or scratch).resolve()
        report = compare(options, Path(dbt), work)
    if options.json:
        print(json.dumps(report, indent=1, default=str))
    else:
        show(report, options.verbose)
    return 0 if report["equal"] else 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", help="folder with a dbt_project.yml")
    parser.add_argument("--command", action="append", default=[],
                        help="what to run, several in order [default: build]")
    parser.add_argument("--dbt", default=os.environ.get("DBT"), help="dbt executable")
    parser.add_argument("--fiveply", default=os.environ.get("FIVEPLY", "fiveply"))
    parser.add_argument("--base", help="folder to copy, when the project needs more than its own")
    parser.add_argument("--keep", help="folder to run in, kept afterwards")
    parser.add_argument("--without-dbt", action="store_true",
                        help="take dbt's side from an earlier run in --keep")
    parser.add_argument("--schema", default="main", help="the target's schema [default: main]")
    parser.add_argument("--twice", action="store_true",
                        help="run dbt twice; columns that differ between its own two runs, such "
                             "as the time of the run, are left out")
    parser.add_argument("--strict", action="store_true",
                        help="count what differs in the manifest as a difference")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="also print what fiveply said")
    options = parser.parse_args()
    options.command = options.command or ["build"]
    if not (Path(options.project) / "dbt_project.yml").is_file():
        parser.error(f"there is no dbt_project.yml in {options.project}")
    if not shutil.which(options.fiveply):
        parser.error(f"there is no program {options.fiveply}: name it with --fiveply")
    return options


def venv_dbt():
    """An environment with dbt-core and dbt-duckdb, made once."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "fiveply-dbt"
    dbt = folder / "bin" / "dbt"
    if dbt.exists():
        return dbt
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", DBT_CORE, DBT_DUCKDB], check=True)
    script = ("import importlib.metadata as m, json;"
              "print(json.dumps(m.requires('dbt-core') + m.requires('dbt-duckdb')))")
    asked = subprocess.run([folder / "bin" / "python", "-c", script], check=True,
                           capture_output=True, text=True)
    wanted = [line for line in json.loads(asked.stdout)
              if "extra ==" not in line and not re.match(r"dbt[-_]core\b", line)
              and not line.startswith(NOT_A_WHEEL)]
    subprocess.run([*pip, *wanted], check=True)
    return dbt


def compare(options, dbt, work):
    base = Path(options.base or options.project).resolve()
    inside = Path(options.project).resolve().relative_to(base)
    sides = {"dbt": dbt, "fiveply": options.fiveply}
    if options.twice:
        sides["dbt-again"] = dbt
    for side, program in sides.items():
        if program == dbt and options.without_dbt:
            continue
        lay_out(base, inside, work / side, options.schema)
        folder = work / side / inside
        for number, command in enumerate(options.command):
            code = run(program, command, folder)
            keep_results(folder, folder / f"results-{number}.json", code)
    theirs, ours = work / "dbt" / inside, work / "fiveply" / inside
    report = {"project": str(options.project), "commands": []}
    for number, command in enumerate(options.command):
        kept = f"results-{number}.json"
        report["commands"].append(held_together(command, theirs / kept, ours / kept))
    again = work / "dbt-again" / inside if options.twice else None
    report["rows"] = rows_of(options, theirs, ours, again)
    report["manifest"] = manifests(theirs, ours)
    report["equal"] = (all(not one["differing"] for one in report["commands"])
                       and not report["rows"]["differing"]
                       and not (options.strict and report["manifest"]["differing"]))
    return report


def lay_out(base, inside, folder, schema):
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(base, folder, ignore=lambda _, names: [n for n in names if n in LEFT_OUT],
                    symlinks=True)
    project = folder / inside
    text = (project / "dbt_project.yml").read_text()
    profile = re.search(r"^profile:\s*['\"]?([\w-]+)", text, re.M)
    name = profile.group(1) if profile else "default"
    # One file, whatever the project's own profile says. DuckDB names the database after the file
    # and fiveply after the target, so both have one name.
    (project / "profiles.yml").write_text(
        f"{name}:\n  target: against\n  outputs:\n    against:\n      type: duckdb\n"
        f"      path: against.duckdb\n      schema: {schema}\n      threads: 2\n")


def run(program, command, folder):
    fiveply = Path(program).name != "dbt"
    words = shlex.split(command)
    if fiveply and words[0] == "build":
        words.append("--no-audit")
    environment = {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "False", "NO_COLOR": "1",
                   "DBT_PROFILES_DIR": str(folder), "DBT_VERSION_CHECK": "False",
                   "DBT_USE_COLORS": "False"}
    (folder / "target").mkdir(exist_ok=True)
    (folder / "target" / "run_results.json").unlink(missing_ok=True)
    with (folder / "said.txt").open("w") as said:
        done = subprocess.run([program, *words], cwd=folder, env=environment, stdout=said,
                              stderr=subprocess.STDOUT, check=False)
    return done.returncode


def keep_results(folder, kept, code):
    found = folder / "target" / "run_results.json"
    results = json.loads(found.read_text())["results"] if found.exists() else []
    said = (folder / "said.txt").read_text(errors="replace")
    kept.write_text(json.dumps({"code": code, "results": results, "said": said}))


def held_together(command, theirs, ours):
    theirs, ours = (json.loads(path.read_text()) for path in (theirs, ours))
    there, here = ({one["unique_id"]: one for one in side["results"]} for side in (theirs, ours))
    differing = []
    for node in sorted(there.keys() | here.keys()):
        statuses = [side.get(node, {}).get("status", "absent") for side in (there, here)]
        failures = [side.get(node, {}).get("failures") or 0 for side in (there, here)]
        if statuses[0] != statuses[1] or failures[0] != failures[1]:
            differing.append({"node": node, "dbt": shown(statuses[0], failures[0]),
                              "fiveply": shown(statuses[1], failures[1]),
                              "message": here.get(node, {}).get("message"),
                              "dbt_message": there.get(node, {}).get("message")})
    if theirs["code"] != ours["code"]:
        differing.append({"node": "exit code", "dbt": theirs["code"], "fiveply": ours["code"],
                          "message": None, "dbt_message": None})
    return {"command": command, "dbt": counted(there), "fiveply": counted(here),
            "differing": differing, "said": ours["said"], "dbt_said": theirs["said"]}


def shown(status, failures):
    return f"{status} ({failures})" if failures else status


def counted(results):
    counts = dict.fromkeys(("pass", "warn", "error", "skip"), 0)
    for result in results.values():
        group = GROUPS.get(result["status"], result["status"])
        counts[group] = counts.get(group, 0) + 1
    return counts


def manifest_of(folder):
    found = folder / "target" / "manifest.json"
    return json.loads(found.read_text()) if found.exists() else {}


def tables_of(folder, nodes):
    """The rows of each of the nodes that dbt built, and how many it did not build."""
    import duckdb
    if not (folder / "against.duckdb").exists():
        return {}, len(nodes)
    tables, missing = {}, 0
    with duckdb.connect(str(folder / "against.duckdb"), read_only=True) as database:
        known = {(schema.lower(), name.lower()) for schema, name in database.execute(
            "select table_schema, table_name from information_schema.tables").fetchall()}
        for node in nodes:
            if (str(node["schema"]).lower(), str(node["alias"]).lower()) not in known:
                missing += 1
                continue
            tables[node["unique_id"]] = read(database, f"from {relation_of(node)}")
    return tables, missing


def relation_of(node):
    return f'"{node["schema"]}"."{node["alias"]}"'


def rows_of(options, theirs, ours, again):
    nodes = [node for node in manifest_of(theirs).get("nodes", {}).values()
             if node["resource_type"] in WITH_ROWS]
    tables, missing = tables_of(theirs, nodes)
    second = tables_of(again, nodes)[0] if again else {}
    built = [node for node in nodes if node["unique_id"] in tables]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda node: ask(options, ours, relation_of(node)), built))
    equal, differing, unsteady = 0, [], {}
    for node, got in zip(built, answers, strict=True):
        name, wanted = node["unique_id"], tables[node["unique_id"]]
        moving = moving_columns(wanted, second.get(name))
        if moving:
            unsteady[name] = moving
        difference = (got if isinstance(got, str)
                      else difference_of(without(wanted, moving), without(got, moving)))
        if difference:
            differing.append({"node": name, "difference": difference})
        else:
            equal += 1
    return {"equal": equal, "differing": differing, "not_built_by_dbt": missing,
            "unsteady": unsteady}


def moving_columns(first, second):
    """The columns that two runs of dbt fill differently."""
    if second is None or isinstance(first, str) or isinstance(second, str):
        return []
    both = zip(first[0], zip(*first[1], strict=True), zip(*second[1], strict=True), strict=False)
    return [name for name, one, other in both if sorted(map(repr, one)) != sorted(map(repr, other))]


def without(table, columns):
    if not columns or isinstance(table, str):
        return table
    kept = [number for number, name in enumerate(table[0]) if name not in columns]
    return ([table[0][number] for number in kept],
            [tuple(row[number] for number in kept) for row in table[1]])


def manifests(theirs, ours):
    """Which nodes only one side has, and the fields of which both do not say the same."""
    there, here = manifest_of(theirs), manifest_of(ours)
    if not there or not here:
        lacks = "dbt" if not there else "fiveply"
        return {"nodes": 0, "differing": [{"field": "manifest", "nodes": 1,
                                           "example": f"{lacks} wrote none"}]}
    found, number = {}, 0
    for part in PARTS:
        left, right = there.get(part) or {}, here.get(part) or {}
        # The macros that come with dbt and its adapters are no part of the project.
        own = {key for key in left.keys() | right.keys()
               if not key.startswith(("macro.dbt.", "macro.dbt_duckdb.", "doc.dbt."))}
        for key in sorted(own):
            number += 1
            if key not in left or key not in right:
                side = "dbt" if key in left else "fiveply"
                note(found, f"{part} only {side} has", key, "")
                continue
            if part in ("macros", "docs"):
                continue
            for field in FIELDS:
                one, other = told(left[key], field), told(right[key], field)
                if one != other:
                    note(found, field, key, f"dbt {one!s:.150}, fiveply {other!s:.150}")
    return {"nodes": number, "differing": [
        {"field": field, "nodes": len(keys), "example": f"{keys[0][0]} {keys[0][1]}".strip()}
        for field, keys in found.items()]}


def note(found, field, key, example):
    found.setdefault(field, []).append((key, example))


def told(node, field):
    for step in field.split("."):
        node = node.get(step) if isinstance(node, dict) else None
    if field.startswith("depends_on"):
        return sorted(node or [])
    if isinstance(node, str):
        return CLOCKWORK.sub("(clock)", node.strip())
    return node or None


def ask(options, folder, relation):
    import duckdb
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "rows.parquet"
        done = subprocess.run(
            [options.fiveply, "query", "--quiet", "--profiles-dir", str(folder), "--format",
             "parquet", "--file", str(file), f"select * from {relation}"],
            cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            return "not readable: " + " ".join(done.stderr.split())[:300]
        with duckdb.connect() as database:
            return read(database, f"from '{file}'")


def read(database, sql):
    try:
        found = database.execute(sql)
    except Exception as error:  # noqa: BLE001 - whatever the engine says is the answer
        return f"not readable: {error}"
    names = [column[0].lower() for column in found.description]
    return names, [tuple(plain(value) for value in row) for row in found.fetchall()]


def difference_of(wanted, got):
    if isinstance(wanted, str) or isinstance(got, str):
        return None if isinstance(wanted, str) else got
    if wanted[0] != got[0]:
        if sorted(wanted[0]) != sorted(got[0]):
            return f"columns: dbt {wanted[0]}, fiveply {got[0]}"
        return f"order of columns: dbt {wanted[0]}, fiveply {got[0]}"
    left, right = sorted(wanted[1], key=repr), sorted(got[1], key=repr)
    if len(left) != len(right):
        return f"rows: dbt {len(left)}, fiveply {len(right)}"
    for there, here in zip(left, right, strict=True):
        if there != here:
            columns = [name for name, a, b in zip(wanted[0], there, here, strict=True) if a != b]
            return f"values of {columns}: dbt {there}, fiveply {here}"[:600]
    return None


def plain(value):
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float, decimal.Decimal)):
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        return format(float(value), ".9g")
    if isinstance(value, datetime.datetime):
        moment = value.astimezone(datetime.UTC).replace(tzinfo=None) if value.tzinfo else value
        return moment.isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return tuple(plain(one) for one in value)
    if isinstance(value, dict):
        return tuple((name, plain(one)) for name, one in value.items())
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, uuid.UUID):
        return str(value)
    return str(value)


def show(report, verbose):
    print(report["project"])
    for one in report["commands"]:
        print(f"  {one['command']}: dbt {one['dbt']}  fiveply {one['fiveply']}")
        for difference in one["differing"]:
            print(f"    {difference['node']}: dbt {difference['dbt']}, "
                  f"fiveply {difference['fiveply']}")
            for side in ("message", "dbt_message"):
                if difference[side] and "error" in str(difference).lower():
                    print(f"      {side}: " + " ".join(str(difference[side]).split())[:400])
        if verbose or not one["fiveply"]["pass"]:
            print("\n".join(f"    | {line}" for line in one["said"].splitlines()[-40:]))
    rows, manifest = report["rows"], report["manifest"]
    for difference in rows["differing"]:
        print(f"    {difference['node']}: {difference['difference']}")
    for difference in manifest["differing"]:
        print(f"    manifest: {difference['field']} ({difference['nodes']}), such as "
              f"{difference['example']}")
    table(report)


def table(report):
    print(f"\n  {'':24}{'dbt':>28}{'fiveply':>28}")
    for one in report["commands"]:
        for group in sorted(one["dbt"].keys() | one["fiveply"].keys()):
            there, here = one["dbt"].get(group, 0), one["fiveply"].get(group, 0)
            mark = "" if there == here else "  <-"
            print(f"  {one['command'][:16] + ' ' + group:24}{there:>28}{here:>28}{mark}")
    rows, manifest = report["rows"], report["manifest"]
    print(f"  rows: {rows['equal']} tables equal, {len(rows['differing'])} differ, "
          f"{rows['not_built_by_dbt']} not built by dbt")
    if rows["unsteady"]:
        print(f"  left out, since dbt's own two runs differ: {rows['unsteady']}")
    print(f"  manifest: {manifest['nodes']} entries, {len(manifest['differing'])} fields differ "
          f"somewhere")
    print("  EQUAL" if report["equal"] else "  DIFFERENT")


if __name__ == "__main__":
    sys.exit(main())
