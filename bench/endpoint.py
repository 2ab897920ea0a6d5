"""The SQL endpoint against PostgreSQL: the same tables, the same driver, in turn.

Two questions of a BI tool: what does it cost to connect and ask `select 1`, and what does it cost
to reflect 200 tables with SQLAlchemy. Both sides listen on loopback; wall time, for the client
waits for it.
"""

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import sqlalchemy as sa

from _measure import FIVEPLY, arguments, binary

TABLES = 200
COLUMNS = 10


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait(url, process):
    for _ in range(600):
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.Error:
            if process.poll() is not None:
                sys.exit(f"{process.args[0]} ended before it listened")
            time.sleep(0.05)
    sys.exit(f"nobody listens at {url}")


def fiveply(folder, tables):
    """A project whose seeds are the tables, served."""
    binary("fiveply")
    (folder / "seeds").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: bench\n")
    (folder / "profiles.yml").write_text(
        "bench:\n  target: prod\n  outputs:\n    prod: {type: duckdb, schema: bench}\n")
    header = ",".join(f"c{column}" for column in range(COLUMNS))
    for table in range(tables):
        (folder / "seeds" / f"t{table}.csv").write_text(f"{header}\n{','.join('1' * COLUMNS)}\n")
    subprocess.run([FIVEPLY, "seed"], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    port = free_port()
    process = subprocess.Popen(
        [FIVEPLY, "up", "--no-schedule", "--port", "0", "--sql-port", str(port)],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return process, f"postgresql://ana@127.0.0.1:{port}/prod"


def postgres(folder, tables):
    """A server of PostgreSQL with the same tables."""
    found = os.environ.get("FIVEPLY_POSTGRES") or Path(shutil.which("initdb") or "/").parent
    if not (Path(found) / "initdb").exists():
        found = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    if found is None:
        sys.exit("PostgreSQL's server is not there: `cargo xtask tools` installs it")
    data, port = folder / "data", free_port()
    folder.mkdir()
    drop = []
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        shutil.chown(folder, "postgres")
        drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    initdb = [*drop, Path(found) / "initdb", "-D", data, "-U", "ana", "-A", "trust", "-E", "UTF8"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    words = [*drop, Path(found) / "postgres", "-D", data, "-p", str(port), "-k", folder,
             "-c", "listen_addresses=127.0.0.1"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               cwd=folder)
    url = f"postgresql://ana@127.0.0.1:{port}/postgres"
    wait(url, process)
    columns = ", ".join(f"c{column} bigint" for column in range(COLUMNS))
    with psycopg.connect(url) as connection:
        connection.execute("create schema bench")
        for table in range(tables):
            connection.execute(f"create table bench.t{table} ({columns})")
    return process, url


def connect_and_ask(url):
    with psycopg.connect(url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def reflect(url, tables):
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"),
                              poolclass=sa.NullPool)
    metadata = sa.MetaData()
    metadata.reflect(engine, schema="bench")
    assert len(metadata.tables) == tables, len(metadata.tables)
    assert all(len(table.columns) == COLUMNS for table in metadata.tables.values())
    engine.dispose()


def main():
    options = arguments(__doc__.splitlines()[0], runs=9)
    tables = max(1, int(TABLES * options.scale))
    with tempfile.TemporaryDirectory() as held:
        Path(held).chmod(0o755)
        sides = {}
        processes = []
        try:
            for name, start in (("fiveply", fiveply), ("postgres", postgres)):
                process, url = start(Path(held) / name, tables)
                processes.append(process)
                wait(url, process)
                sides[name] = url
            questions = {
                "connect + select 1": lambda url: connect_and_ask(url),
                f"reflect {tables} tables": lambda url: reflect(url, tables),
            }
            print(f"{'':22}{'fiveply ms':>12}{'PostgreSQL ms':>15}{'ratio':>8}")
            for question, ask in questions.items():
                taken = {name: [] for name in sides}
                for turn in range(options.runs + 1):
                    order = list(sides) if turn % 2 else list(reversed(sides))
                    for name in order:
                        started = time.perf_counter()
                        ask(sides[name])
                        if turn:
                            taken[name].append((time.perf_counter() - started) * 1000)
                own, other = (statistics.median(taken[name]) for name in ("fiveply", "postgres"))
                print(f"{question:22}{own:12.1f}{other:15.1f}{own / other:8.2f}")
        finally:
            for process in processes:
                process.terminate()
                process.wait()


main()
