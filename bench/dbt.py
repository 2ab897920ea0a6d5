"""A dbt project of 1,000 models and 2,000 tests, with dbt-core on DuckDB and with fiveply.

Parse (cold, unchanged, one model changed), compile, build, and build again when nothing changed:
CPU seconds (user and system, all processes) and peak memory. Both sides work on copies of one
generated project, step by step in turn. Each step runs `--runs` times but the builds, once.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from _dbt_project import generate
from _measure import DATA, binary, conditions, median, program, ratio, table
from against_dbt import venv_dbt

CHANGED = "models/layer_01/part_00/l01_0001.sql"
AIMS = {"parse": 0.3, "parse, unchanged": None, "parse, one model changed": 0.05, "compile": 1.0,
        "build": 15.0, "build, nothing changed": 0.3}


def main():
    options = arguments()
    conditions(options.scale)
    folder = DATA / "dbt"
    sizes = [round(size * options.scale) for size in options.models]
    for models in sizes:
        tests = models * 2
        sides = [Ours(folder / "fiveply", options)]
        if not options.without_dbt and models <= options.dbt_models * options.scale:
            sides.append(Theirs(folder / "dbt", options))
        for side in sides:
            generate(side.folder, models, options.layers, tests)
        show(models, tests, options, sides, measure(sides, options))
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--scale", type=float, default=1.0, help="1 is the full size")
    parser.add_argument("--runs", type=int, default=3, help="runs of each step but builds")
    parser.add_argument("--models", type=int, action="append", default=[],
                        help="models, several to see growth [default: 1000 and 10000]")
    parser.add_argument("--layers", type=int, default=10)
    parser.add_argument("--dbt-models", type=int, default=1000,
                        help="most models with which dbt is asked, too")
    parser.add_argument("--without-dbt", action="store_true")
    parser.add_argument("--dbt", default=os.environ.get("DBT"), help="dbt executable")
    parser.add_argument("--only", action="append", help="only these steps")
    parser.add_argument("--keep", action="store_true", help="leave the projects where they are")
    options = parser.parse_args()
    options.models = options.models or [1000, 10_000]
    return options


class Side:
    """One tool on its own copy of the project."""

    def __init__(self, folder):
        self.folder = folder
        self.edits = 0

    def run(self, *words):
        return program([self.program, *words, *self.always], self.folder)

    def cold(self):
        for path in self.remembered:
            path = self.folder / path
            shutil.rmtree(path, ignore_errors=True)

    def change(self):
        """One more column, so that nothing of the file is as it was."""
        self.edits += 1
        path = self.folder / CHANGED
        lines = path.read_text().splitlines(keepends=True)
        at = max(number for number, line in enumerate(lines) if "currency" in line)
        lines.insert(at, f"    {self.edits} as edit_{self.edits},\n")
        path.write_text("".join(lines))


class Ours(Side):
    """fiveply."""

    name = "fiveply"
    remembered = ["target"]

    def __init__(self, folder, options):
        super().__init__(folder)
        self.program = binary("fiveply")
        self.always = []
        said = subprocess.run([self.program, "build", "--help"], capture_output=True, text=True,
                              check=True).stdout
        # Without it, everything is built again.
        self.again = ["--changed"] if "--changed" in said else []

    def unchanged_build(self):
        return self.run("build", *self.again)


class Theirs(Side):
    """dbt-core with dbt-duckdb."""

    name = "dbt"
    remembered = ["target"]

    def __init__(self, folder, options):
        super().__init__(folder)
        self.program = options.dbt or venv_dbt()
        self.always = ["--no-use-colors", "--no-version-check"]
        os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
        os.environ["DBT_PROFILES_DIR"] = "."

    def unchanged_build(self):
        """dbt's nearest: what differs from the manifest of the last build."""
        state = self.folder / "state"
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(self.folder / "target", state, ignore=shutil.ignore_patterns("compiled"))
        return self.run("build", "--select", "state:modified+", "--state", "state")


def measure(sides, options):
    """Costs by step and side."""
    def cold(side):
        side.cold()
        return side.run("parse")

    def changed(side):
        side.change()
        return side.run("parse")

    steps = {
        "parse": cold,
        "parse, unchanged": lambda side: side.run("parse"),
        "parse, one model changed": changed,
        "compile": lambda side: side.run("compile"),
        "build": lambda side: side.run("build"),
        "build, nothing changed": lambda side: side.unchanged_build(),
    }
    costs = {}
    for name, step in steps.items():
        if options.only and name not in options.only:
            continue
        runs = 1 if name == "build" else options.runs
        taken = {side.name: [] for side in sides}
        for turn in range(runs):
            for side in sides if turn % 2 == 0 else reversed(sides):
                taken[side.name].append(step(side))
        costs[name] = {side: median(one) for side, one in taken.items()}
        print(f"  {name}: " + ", ".join(
            f"{side} {cost.cpu:.2f} s" for side, cost in costs[name].items()), file=sys.stderr)
    return costs


def show(models, tests, options, sides, costs):
    print(f"{models:,} models in {options.layers} layers, {tests:,} tests")
    rows = []
    for step, by_side in costs.items():
        ours, theirs = by_side["fiveply"], by_side.get("dbt")
        aim = AIMS[step] if models == 1000 else None
        row = [step, f"{ours.cpu:.3f}", f"{aim:g}" if aim else "", f"{ours.wall:.2f}",
               f"{ours.peak_mib:.0f}"]
        row += [f"{theirs.cpu:.2f}", f"{theirs.wall:.2f}", f"{theirs.peak_mib:.0f}",
                f"{ratio(ours.cpu, theirs.cpu):.4f}"] if theirs else [""] * 4
        rows.append(row)
    table(["step", "CPU s", "aim", "wall s", "MiB", "dbt CPU s", "wall s", "MiB", "ratio"], rows)
    again = getattr(sides[0], "again", None)
    if not again:
        print("this fiveply has no `build --changed`: the last step builds everything again\n")


if __name__ == "__main__":
    main()
