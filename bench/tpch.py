"""The 22 queries of TPC-H over our tables, loaded by `fiveply load`, against DuckDB: on the same
data files (equal footing), and on the files as the generator wrote them (what its user has).

The generator is tpchgen-cli at scale factor 1. Both sides answer from one process each that has
started and has read each file once.
"""

import math
import shutil
import sys
from pathlib import Path

from _measure import (
    BENCH, DATA, Worker, arguments, binary, conditions, interleaved, median, peer, program,
    ratio, stop_when_different, table,
)
from _project import Project, ingest, sql_list

TABLES = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"]


def generated(scale):
    """The folder with the generator's files; made once and used again."""
    folder = DATA / f"tpch-{scale:g}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        generator = Path(sys.executable).with_name("tpchgen-cli")
        program([generator, "parquet", "-s", f"{scale:g}", "-o", folder], DATA)
        (folder / "done").touch()
    return folder


def duckdb_over(files):
    worker = peer("duckdb")
    for name, paths in files.items():
        read = f"select * from read_parquet({sql_list(paths)})"
        worker.ask({"execute": f"create view {name} as {read}"})
    return worker


def main():
    options = arguments(__doc__, runs=5)
    conditions(options.scale)
    source = generated(options.scale)
    streams = {name: f"{name}.parquet" for name in TABLES}
    project = Project(DATA / "tpch", {
        "fiveply.yml": "dialect: duckdb\n",
        "ingest/tpch.yml": ingest(source, streams),
    })
    cost = project.fiveply("load")
    print(f"loaded by `fiveply load`: {cost.cpu:.1f} CPU seconds, {cost.wall:.1f} s, "
          f"peak {cost.peak_mib:.0f} MiB")
    ours = Worker([binary("scan_against_listing"), "lake", project.state, "tpch"])
    equal = duckdb_over({name: project.data_files("tpch", name) for name in TABLES})
    original = duckdb_over({name: [str(source / f"{name}.parquet")] for name in TABLES})
    lines, totals = [], {"ours": [0.0, 0.0], "equal": [0.0, 0.0], "original": [0.0, 0.0]}
    ratios = []
    for path in sorted((BENCH / "tpch").glob("q*.sql")):
        sql = path.read_text()
        sides = {"ours": ours, "equal": equal, "original": original}
        costs = interleaved(
            {name: lambda worker=worker: worker.run(sql) for name, worker in sides.items()},
            options.runs)
        answer = ours.rows()
        stop_when_different(f"{path.stem}, equal files", answer, equal.rows())
        stop_when_different(f"{path.stem}, generator's files", answer, original.rows())
        middle = {name: median(of) for name, of in costs.items()}
        for name, cost in middle.items():
            totals[name][0] += cost.cpu
            totals[name][1] += cost.wall
        ratios.append((ratio(middle["ours"].cpu, middle["equal"].cpu), path.stem))
        lines.append(line(path.stem, {name: (c.cpu, c.wall) for name, c in middle.items()}))
    lines.append(line("total", totals))
    print(f"tpch: scale factor {options.scale:g}, median of {options.runs} interleaved runs; "
          "answers equal")
    table(["query", "ours cpu s", "duckdb, equal files", "ratio", "duckdb, generator's", "ratio",
           "ours wall s", "duckdb, equal files", "ratio"], lines)
    mean = math.exp(sum(math.log(one) for one, _ in ratios) / len(ratios))
    worst, query = max(ratios)
    print(f"CPU ratio on equal files: geometric mean {mean:.2f}, worst {worst:.2f} ({query})")
    print(f"peak memory: ours {ours.peak_mib():.0f} MiB, duckdb {equal.peak_mib():.0f} MiB\n")
    for worker in (ours, equal, original):
        worker.end()


def line(name, costs):
    (ours, wall), (equal, equal_wall) = costs["ours"], costs["equal"]
    original = costs["original"][0]
    return [name, f"{ours:.3f}", f"{equal:.3f}", f"{ratio(ours, equal):.2f}", f"{original:.3f}",
            f"{ratio(ours, original):.2f}", f"{wall:.3f}", f"{equal_wall:.3f}",
            f"{ratio(wall, equal_wall):.2f}"]


main()
