"""What online features cost over HTTP, for 100 entities with 10 features each: `fiveply up`
against Feast's own server with its SQLite store. Same values, same questions, answers compared.

Feast is installed into target/bench/feast, a venv of its own: it pins many packages.
"""

import json
import os
import random
import re
import socket
import subprocess
import sys
import time
import urllib.request
import venv

from _measure import DATA, FIVEPLY, Cost, arguments, conditions, interleaved, median, ratio, table
from _project import Project

ENTITIES = 10_000
FEATURES = 10
ASKED = 100
# Requests of one turn.
REQUESTS = 50
FEAST = "feast==0.67.0"
NOW = "2026-11-22T00:00:00"

PROJECT = {
    "fiveply.yml": f'clock: "{NOW}Z"\nenvironment: prod\n',
    "ingest/lake.yml": "connection: {type: files, path: data}\nstreams:\n"
    "  - {name: drivers, files: \"*.parquet\"}\n",
    "features/drivers.yml": "entities: [{name: driver, join_keys: [driver_id]}]\n"
    "feature_views:\n  - name: drivers\n    entities: [driver]\n"
    "    source: source('lake', 'drivers')\n    timestamp: event_timestamp\n    features:\n"
    + "".join(f"      f{number}: double\n" for number in range(FEATURES)),
}

FEAST_SETTINGS = """project: bench
provider: local
registry: registry.db
online_store: {type: sqlite, path: online.db}
offline_store: {type: file}
entity_key_serialization_version: 3
"""

FEAST_OBJECTS = """from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float64

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
source = FileSource(path="PATH", timestamp_field="event_timestamp")
drivers = FeatureView(name="drivers", entities=[driver], source=source, online=True,
                      schema=[Field(name=f"f{n}", dtype=Float64) for n in range(COUNT)])
"""


def feast_program():
    """Feast's command, installed when it is not there."""
    folder = DATA / "feast"
    if not (folder / "bin" / "feast").exists():
        print(f"installing {FEAST} into {folder}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        words = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", FEAST]
        subprocess.run(words, check=True)
    return folder / "bin" / "feast"


def make_rows(path, entities):
    """One row per driver, an hour ago, the same for both."""
    import pandas

    rows = random.Random(1)
    frame = {"driver_id": range(1, entities + 1)}
    for number in range(FEATURES):
        frame[f"f{number}"] = [rows.random() for _ in range(entities)]
    frame["event_timestamp"] = pandas.Timestamp(NOW, tz="UTC") - pandas.Timedelta(hours=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pandas.DataFrame(frame)
    frame["event_timestamp"] = frame["event_timestamp"].astype("datetime64[us, UTC]")
    frame.to_parquet(path)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """A server that runs until it is ended; CPU is that of its process and its children."""

    def __init__(self, words, folder, port):
        self.url = f"http://127.0.0.1:{port}/get-online-features"
        self.child = subprocess.Popen([str(word) for word in words], cwd=folder,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1):
                    return
            except OSError:
                if self.child.poll() is not None:
                    sys.exit(f"{words[0]} ended with {self.child.returncode}")
                time.sleep(0.1)
        sys.exit(f"{words[0]} does not listen on {port}")

    def ask(self, drivers):
        body = json.dumps({"features": [f"drivers:f{n}" for n in range(FEATURES)],
                           "entities": {"driver_id": drivers}}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def processes(self):
        found, known = [self.child.pid], {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat") as stat:
                    known[int(name)] = int(stat.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                pass
        for pid in found:
            found += [child for child, parent in known.items() if parent == pid]
        return found

    def cpu_seconds(self):
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.processes())

    def end(self):
        self.child.terminate()
        self.child.wait()


def turn(server, questions):
    def asked():
        cpu, walls = server.cpu_seconds(), []
        for drivers in questions:
            wall = time.perf_counter()
            server.ask(drivers)
            walls.append(time.perf_counter() - wall)
        cpu = (server.cpu_seconds() - cpu) / len(questions)
        walls.sort()
        turns.setdefault(server.url, []).extend(walls)
        return Cost(cpu, walls[len(walls) // 2])

    return asked


turns = {}


def values(answer):
    """Values by entity and feature; the order of names is the server's own."""
    answer = json.loads(answer)
    columns = dict(zip(answer["metadata"]["feature_names"], answer["results"]))
    names = [f"f{number}" for number in range(FEATURES)]
    for name in names:
        assert len(columns[name]["values"]) == ASKED
    moments = {m for m in columns["f0"]["event_timestamps"]}
    assert all(re.match(r"\d{4}-\d\d-\d\dT", moment) for moment in moments), moments
    return [[columns[name]["values"], columns[name]["statuses"]] for name in names]


def fiveply_server(entities):
    folder = DATA / "features" / "fiveply"
    project = Project(folder, PROJECT)
    make_rows(folder / "data" / "drivers.parquet", entities)
    project.fiveply("load")
    project.fiveply("features", "refresh")
    port = free_port()
    words = [FIVEPLY, "up", "--port", port, "--no-schedule"]
    return Server(words, folder, port)


def feast_server(entities):
    feast = feast_program()
    folder = DATA / "features" / "feast"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("registry.db", "online.db"):
        (folder / name).unlink(missing_ok=True)
    rows = folder / "drivers.parquet"
    make_rows(rows, entities)
    (folder / "feature_store.yaml").write_text(FEAST_SETTINGS)
    objects = FEAST_OBJECTS.replace("PATH", str(rows)).replace("COUNT", str(FEATURES))
    (folder / "objects.py").write_text(objects)
    for words in (["apply"], ["materialize-incremental", NOW]):
        done = subprocess.run([feast, *words], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"feast {words[0]} failed:\n{done.stdout}{done.stderr}")
    port = free_port()
    words = [feast, "serve", "--host", "127.0.0.1", "--port", port, "--no-access-log"]
    return Server(words, folder, port)


def percentile(walls, share):
    walls = sorted(walls)
    return walls[min(len(walls) - 1, int(len(walls) * share))] * 1000


def main():
    options = arguments(__doc__, runs=7)
    conditions(options.scale)
    entities = max(ASKED, int(ENTITIES * options.scale))
    servers = {"fiveply": fiveply_server(entities), "Feast": feast_server(entities)}
    try:
        drawn = random.Random(2)
        known = range(1, entities + 1)
        questions = [drawn.sample(known, ASKED - 1) + [entities + 1] for _ in range(REQUESTS)]
        for drivers in questions[:5]:
            left, right = (values(server.ask(drivers)) for server in servers.values())
            if left != right:
                sys.exit(f"answers differ:\n  {left[0]}\n  {right[0]}")
        sides = {name: turn(server, questions) for name, server in servers.items()}
        costs = interleaved(sides, options.runs)
    finally:
        for server in servers.values():
            server.end()
    middle = {name: median(found) for name, found in costs.items()}
    lines = []
    for name, cost in middle.items():
        walls = turns[servers[name].url]
        lines.append([name, f"{cost.cpu * 1000:.2f}", f"{percentile(walls, 0.5):.2f}",
                      f"{percentile(walls, 0.99):.2f}"])
    print(f"features: {ASKED} of {entities:,} entities, {FEATURES} features, over HTTP; "
          "milliseconds per request")
    table(["", "server's cpu", "p50", "p99"], lines)
    ours, theirs = middle["fiveply"], middle["Feast"]
    print(f"fiveply against Feast: cpu {ratio(ours.cpu, theirs.cpu):.4f}, "
          f"p50 {ratio(ours.wall, theirs.wall):.4f}\n")


main()
