"""Heavy statements of several shapes, cancelled and timed out through a real driver; what the
server's process burns afterwards is printed, one JSON line for each."""

import json
import os
import sys
import threading
import time

import psycopg

url, process = sys.argv[1:]
TICKS = os.sysconf("SC_CLK_TCK")
# How long the process is watched after a statement ended.
WATCHED = 3.0

PAIRS = "numbers a cross join numbers b"
SHAPES = {
    "cross join, aggregated": f"select count(*) from {PAIRS} cross join numbers c "
    "where a.n * b.n + c.n = 1",
    "cross join, nothing kept": f"select a.n from {PAIRS} cross join numbers c where a.n + b.n < -c.n",
    "group": f"select a.n * b.n + c.n as k, count(*) from {PAIRS} cross join numbers c group by 1",
    "sort": f"select a.n * 7919 % 10007 as x, b.n as y, c.n as z from {PAIRS} "
    "cross join numbers c order by 1, 2 desc, 3",
    "window": "select max(r) from (select row_number() over (partition by a.n % 3 "
    f"order by a.n * b.n) as r from {PAIRS} cross join numbers c) as q",
    "series": "select sum(n % 7) from generate_series(1, 1000000000000) as s(n)",
    "distinct": f"select count(distinct a.n * b.n * c.n) from {PAIRS} cross join numbers c",
}


def burnt():
    """Seconds of CPU of the server's process."""
    with open(f"/proc/{process}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def settle():
    """Waits until the process has nothing to do."""
    while True:
        before = burnt()
        time.sleep(0.5)
        if burnt() - before <= 0.05:
            return


def end(connection, way, statement):
    if way == "cancelled":
        timer = threading.Timer(1.0, connection.cancel)
        timer.start()
    else:
        connection.execute("set statement_timeout = '1s'")
    try:
        connection.execute(statement)
        return "finished"
    except psycopg.errors.QueryCanceled as error:
        return error.sqlstate
    except psycopg.Error as error:
        return f"{error.sqlstate} {error}"
    finally:
        if way == "cancelled":
            timer.join()
        else:
            connection.execute("reset statement_timeout")


with psycopg.connect(url, autocommit=True) as connection:
    for shape, statement in SHAPES.items():
        for way in ("cancelled", "timed out"):
            settle()
            before = burnt()
            state = end(connection, way, statement)
            ended = burnt()
            time.sleep(WATCHED)
            told = {"shape": shape, "way": way, "state": state,
                    "before": round(ended - before, 2), "after": round(burnt() - ended, 2)}
            print(json.dumps(told), flush=True)
