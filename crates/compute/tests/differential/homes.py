"""Runs statements at home: DuckDB in this process, PostgreSQL in a cluster that lives as long.

Reads one JSON document from standard input, writes one to standard output. Values are told apart
as numbers ("n"), texts ("t"), truths ("b"), days and moments ("m"), intervals ("i"), lists ("l")
and things with named parts ("o"), so that the test compares what they say and not how a client
shows them.
"""

import datetime
import decimal
import glob
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile


def value(x):
    if x is None:
        return None
    if isinstance(x, bool):
        return {"b": x}
    if isinstance(x, (int, float, decimal.Decimal)):
        return {"n": str(x)}
    if isinstance(x, datetime.datetime):
        if x.tzinfo is not None:
            x = x.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        return {"m": x.isoformat(sep=" ", timespec="microseconds")}
    if isinstance(x, datetime.date):
        return {"m": x.isoformat() + " 00:00:00.000000"}
    if isinstance(x, datetime.time):
        return {"t": x.isoformat(timespec="microseconds")}
    if isinstance(x, datetime.timedelta):
        return {"i": str(x // datetime.timedelta(microseconds=1))}
    if isinstance(x, (list, tuple)):
        return {"l": [value(item) for item in x]}
    if isinstance(x, dict):
        return {"o": [[value(key), value(item)] for key, item in x.items()]}
    if isinstance(x, (bytes, bytearray, memoryview)):
        return {"t": bytes(x).hex()}
    return {"t": str(x)}


def answer(run, sql):
    try:
        names, types, rows = run(sql)
        return {"columns": names, "types": types, "rows": [[value(x) for x in row] for row in rows]}
    except Exception as error:  # every failure at home is an answer
        return {"error": str(error).strip().split("\n")[0]}


def duckdb_home(setup):
    import duckdb

    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    for sql in setup:
        connection.execute(sql)

    def run(sql):
        cursor = connection.execute(sql)
        names, types = zip(*[(column[0], str(column[1])) for column in cursor.description])
        return names, types, cursor.fetchall()

    return run


class Cluster:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="fiveply-pg-")
        self.data = os.path.join(self.folder, "data")
        self.prefix = []
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.prefix = ["runuser", "-u", "postgres", "--"]

    def tool(self, name, *arguments):
        folders = glob.glob("/usr/lib/postgresql/*/bin")
        try:
            folders.append(subprocess.check_output(["pg_config", "--bindir"], text=True).strip())
        except OSError:
            pass
        for folder in sorted(folders, reverse=True):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                command = self.prefix + [path, *arguments]
                done = subprocess.run(
                    command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", text=True
                )
                if done.returncode != 0:
                    raise RuntimeError(f"{name}: {done.stdout}")
                return
        raise RuntimeError(f"{name} was not found: install PostgreSQL's server package")

    def __enter__(self):
        self.tool(
            "initdb", "-D", self.data, "-U", "fiveply", "-A", "trust", "--locale=C.UTF-8",
            "--encoding=UTF8", "--no-sync",
        )
        options = f"-c fsync=off -c listen_addresses='' -c timezone=UTC -k {self.folder}"
        log = os.path.join(self.folder, "log")
        self.tool("pg_ctl", "-D", self.data, "-w", "-l", log, "-o", options, "start")
        return self

    def __exit__(self, *_):
        try:
            self.tool("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def home(self, setup):
        import psycopg

        connection = psycopg.connect(
            host=self.folder, user="fiveply", dbname="postgres", autocommit=True
        )
        for sql in setup:
            connection.execute(sql)

        def run(sql):
            cursor = connection.execute(sql.encode())
            known = connection.adapters.types
            types = [known.get(column.type_code) for column in cursor.description]
            types = [kind.name if kind else "unknown" for kind in types]
            return [column.name for column in cursor.description], types, cursor.fetchall()

        return run


def main():
    order = json.load(sys.stdin)
    duckdb_run = duckdb_home(order["setup"])
    with Cluster() as cluster:
        homes = {"duckdb": duckdb_run, "postgres": cluster.home(order["setup"])}
        answers = [answer(homes[item["home"]], item["sql"]) for item in order["statements"]]
    json.dump(answers, sys.stdout)


main()
