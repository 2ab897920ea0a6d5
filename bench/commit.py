"""How long one commit takes, p50 and p99: as the product does it (every file synced, the ledger's
transaction synced), with table files not synced, and the ledger's transaction alone.
"""

import shutil

from _measure import DATA, Worker, arguments, binary, conditions, table

COMMITS = 400
ROWS = 1_000
# Sides take turns after so many commits.
TURN = 20


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main():
    options = arguments(__doc__, runs=1)
    conditions(options.scale)
    commits = max(TURN, int(COMMITS * options.scale) * options.runs)
    sides = {"with sync": ["synced", ROWS], "without sync": ["unsynced", ROWS],
             "ledger alone": ["ledger"]}
    workers, seconds, ledger, cpu = {}, {}, {}, {}
    base = DATA / "commit"
    shutil.rmtree(base, ignore_errors=True)
    for name, words in sides.items():
        folder = base / words[0]
        folder.mkdir(parents=True)
        workers[name] = Worker([binary("commit_latency"), folder, *words])
        seconds[name], ledger[name], cpu[name] = [], [], 0.0
    for _ in range(commits // TURN):
        for name, worker in workers.items():
            answer, cost = worker.ask({"commits": TURN})
            seconds[name] += answer["seconds"]
            ledger[name] += answer["ledger_seconds"]
            cpu[name] += cost.cpu
    lines = []
    for name, worker in workers.items():
        times = seconds[name]
        fifth = max(1, len(times) // 5)
        first, last = sum(times[:fifth]), sum(times[-fifth:])
        lines.append([name, f"{percentile(times, 0.5) * 1000:.2f}",
                      f"{percentile(times, 0.99) * 1000:.2f}", f"{max(times) * 1000:.1f}",
                      f"{percentile(ledger[name], 0.5) * 1000:.2f}",
                      f"{percentile(ledger[name], 0.99) * 1000:.2f}",
                      f"{cpu[name] / len(times) * 1000:.2f}", f"{last / first:.2f}"])
        worker.end()
    print(f"commit: {commits} commits of {ROWS:,} rows into one table, in turns of {TURN}; "
          "milliseconds")
    table(["", "p50", "p99", "worst", "ledger p50", "ledger p99", "cpu", "last/first fifth"],
          lines)
    synced, unsynced = seconds["with sync"], seconds["without sync"]
    ratios = [percentile(synced, share) / percentile(unsynced, share) for share in (0.5, 0.99)]
    print(f"with sync against without: p50 {ratios[0]:.2f}, p99 {ratios[1]:.2f}\n")
    shutil.rmtree(base, ignore_errors=True)


main()
