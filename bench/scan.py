"""Scan and aggregate 10 million rows through our table provider and through DataFusion's
ListingTable over the same files: same engine, same front, same settings, only the reader differs.

Aim: at most 1.05 times the listing's CPU.
"""

import math
import shutil

from _measure import (
    DATA, Worker, arguments, binary, conditions, interleaved, median, program, ratio,
    stop_when_different, table,
)

ROWS = 10_000_000
FILES = 10
# Short queries are asked several times in one turn, so that the clock sees them.
REPEATS_OF_SHORT = 20


def queries(rows):
    low = rows * 3 // 10
    return [
        ("full aggregate", 1, "select count(*), min(id), max(id), min(ts), max(ts), avg(f), "
         "min(f), sum(d), min(lo), max(hi) from rows"),
        ("group by lo", 1, "select lo, count(*), avg(f), max(id) from rows group by lo"),
        ("group by hi, top 5", 1,
         "select hi, count(*) as n, avg(f) as a from rows group by hi order by n desc, hi limit 5"),
        ("id range 2%", REPEATS_OF_SHORT, "select count(*), avg(f), max(d) from rows "
         f"where id >= {low} and id < {low + rows // 50}"),
        ("id point, all columns", REPEATS_OF_SHORT, f"select * from rows where id = {low + 7}"),
        ("lo = 'BE'", 1, "select count(*), avg(f), max(id) from rows where lo = 'BE'"),
        ("hi = constant", 1, "select count(*), avg(f), max(id) from rows "
         "where hi = 'customer-0000077'"),
        ("top 5 by f, all columns", 1, "select * from rows order by f desc, id limit 5"),
        ("top 5 by id desc", REPEATS_OF_SHORT, "select id, lo, f from rows order by id desc "
         "limit 5"),
        ("count(*)", REPEATS_OF_SHORT, "select count(*) from rows"),
        ("min and max of id", REPEATS_OF_SHORT, "select min(id), max(id) from rows"),
    ]


def made(rows):
    """The folder with the table; made once and used again."""
    folder = DATA / f"scan-{rows}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        cost = program([binary("scan_against_listing"), "make", folder, rows, FILES], DATA)
        print(f"made {rows:,} rows in {FILES} commits: {cost.cpu:.1f} CPU seconds")
        (folder / "done").touch()
    return folder


def main():
    options = arguments(__doc__, runs=7)
    conditions(options.scale)
    rows = int(ROWS * options.scale)
    folder = made(rows)
    lake = Worker([binary("scan_against_listing"), "lake", folder, "bench"])
    listing = Worker([binary("scan_against_listing"), "listing", folder, "bench"])
    lines, ratios = [], []
    for name, repeats, sql in queries(rows):
        def asked(worker):
            def ask():
                costs = [worker.run(sql) for _ in range(repeats)]
                mean = median(costs)
                mean.cpu = sum(cost.cpu for cost in costs) / repeats
                return mean
            return ask

        costs = interleaved({"lake": asked(lake), "listing": asked(listing)}, options.runs)
        stop_when_different(name, lake.rows(), listing.rows())
        ours, theirs = median(costs["lake"]), median(costs["listing"])
        ratios.append(ratio(ours.cpu, theirs.cpu))
        lines.append([name, f"{ours.cpu:.4f}", f"{theirs.cpu:.4f}", f"{ratios[-1]:.2f}",
                      f"{ours.wall:.4f}", f"{theirs.wall:.4f}"])
    print(f"scan: {rows:,} rows, {FILES} files, median of {options.runs} interleaved runs; "
          "answers equal")
    table(["query", "ours cpu s", "listing cpu s", "ratio", "ours wall s", "listing wall s"], lines)
    mean = math.exp(sum(math.log(one) for one in ratios) / len(ratios))
    print(f"CPU ratio: geometric mean {mean:.2f}, worst {max(ratios):.2f} (aim: at most 1.05)")
    print(f"peak memory: ours {lake.peak_mib():.0f} MiB, listing {listing.peak_mib():.0f} MiB\n")
    lake.end()
    listing.end()


main()
