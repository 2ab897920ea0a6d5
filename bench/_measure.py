"""What every benchmark shares: where things are, how a process is measured, how ratios are printed.

CPU seconds are user + system time of the whole process, all threads, read from outside: of a
program that runs once by wait4, of a worker by its process clock before and after a question.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
RELEASE = Path(os.environ.get("FIVEPLY_RELEASE", TARGET / "release"))
FIVEPLY = RELEASE / "fiveply"
DATA = TARGET / "bench"


def arguments(what, runs):
    """The options every benchmark takes."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is the full size")
    parser.add_argument("--runs", type=int, default=runs, help="interleaved runs of each side")
    return parser.parse_args()


@dataclass
class Cost:
    """What one piece of work took."""

    cpu: float
    wall: float
    peak_mib: float = math.nan


def binary(name):
    """A worker's binary in the release build."""
    path = RELEASE / name
    if not path.exists():
        sys.exit(f"{path} is not there: run `cargo xtask bench`, which builds it")
    return path


def program(words, folder):
    """Runs a program to its end; ends the benchmark when it fails."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        words = [str(word) for word in words]
        child = subprocess.Popen(words, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            output.seek(0)
            text = output.read().decode(errors="replace")
            sys.exit(f"{' '.join(words)} failed ({child.returncode}):\n{text}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


class Worker:
    """A process that answers one JSON line with another, measured while it does."""

    def __init__(self, words):
        words = [str(word) for word in words]
        self.child = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def cpu_seconds(self):
        # Linux: a process's CPU clock has the id of its inverted number, shifted, and a kind.
        return time.clock_gettime((~self.child.pid << 3) | 2)

    def peak_mib(self):
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def ask(self, question):
        """The answer and what it took."""
        cpu, wall = self.cpu_seconds(), time.perf_counter()
        self.child.stdin.write(json.dumps(question) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        wall = time.perf_counter() - wall
        if not line:
            sys.exit(f"{self.child.args} ended at {question}")
        cost = Cost(self.cpu_seconds() - cpu, wall, self.peak_mib())
        answer = json.loads(line)
        if "error" in answer:
            sys.exit(f"{self.child.args[0]} failed at {question}: {answer['error']}")
        return answer, cost

    def run(self, sql):
        """What a query took; its rows stay in the worker."""
        return self.ask({"run": sql})[1]

    def rows(self):
        """The rows of the last query, as text."""
        return self.ask({"answer": True})[0]["values"]

    def end(self):
        self.child.stdin.close()
        self.child.wait()


def peer(name):
    """A worker in Python that has started: one of the engines a user would pick instead."""
    worker = Worker([sys.executable, BENCH / "_peers.py", name])
    worker.ask({})
    return worker


def interleaved(sides, runs, warm=1):
    """Costs by side: each run asks every side once, in turn, so that a busy machine hurts all."""
    costs = {name: [] for name in sides}
    for turn in range(runs + warm):
        order = list(sides) if turn % 2 == 0 else list(reversed(sides))
        for name in order:
            cost = sides[name]()
            if turn >= warm:
                costs[name].append(cost)
    return costs


def median(costs):
    """The middle of several costs, each figure by itself."""
    middle = lambda figure: statistics.median(figure(cost) for cost in costs)  # noqa: E731
    peak = max(cost.peak_mib for cost in costs)
    return Cost(middle(lambda cost: cost.cpu), middle(lambda cost: cost.wall), peak)


def ratio(ours, theirs):
    return ours / theirs if theirs > 0 else math.nan


def conditions(scale):
    """One line that says where the figures come from."""
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}, scale {scale:g}")


def table(header, rows):
    """Prints aligned columns, the first to the left."""
    texts = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in texts) for i in range(len(header))]
    for number, row in enumerate(texts):
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print(flush=True)


def same_rows(left, right):
    """Whether two answers hold the same rows: numbers but for their last digits, any order."""
    return len(left) == len(right) and all(
        len(a) == len(b) and all(same_value(x, y) for x, y in zip(a, b))
        for a, b in zip(sorted(left, key=sort_key), sorted(right, key=sort_key))
    )


def sort_key(row):
    return [canonical(value) for value in row]


def canonical(value):
    number = as_number(value)
    return (1, f"{number:.6e}") if number is not None else (0, str(value))


def as_number(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def same_value(left, right):
    if left == right:
        return True
    a, b = as_number(left), as_number(right)
    if a is None or b is None:
        return str(left).replace("T", " ") == str(right).replace("T", " ")
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def stop_when_different(what, left, right):
    """Ends the benchmark: a fast wrong answer is no answer."""
    if not same_rows(left, right):
        short = lambda rows: sorted(rows, key=sort_key)[:5]  # noqa: E731
        sys.exit(f"{what}: answers differ\n  {len(left)} rows: {short(left)}"
                 f"\n  {len(right)} rows: {short(right)}")

