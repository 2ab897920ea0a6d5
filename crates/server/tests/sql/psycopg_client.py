import datetime as dt
import decimal
import os
import threading
import time
import uuid

import psycopg
from psycopg import pq

where = f"host=127.0.0.1 port={os.environ['PORT']} user=ana dbname=prod"


def check(found, wanted):
    assert found == wanted, f"found {found!r}, wanted {wanted!r}"


def fails(connection, state, statement, parameters=None):
    try:
        connection.execute(statement, parameters)
    except psycopg.Error as error:
        check(error.sqlstate, state)
        return error
    raise AssertionError(f"{statement} did not fail")


with psycopg.connect(where, autocommit=True) as c:
    check(c.execute("select 1").fetchone(), (1,))
    check(c.execute("select count(*) from orders").fetchone(), (5000,))
    # Every type, as text and as binary.
    row = (
        4,
        "c4",
        decimal.Decimal("2.25"),
        dt.datetime(2026, 1, 1, 0, 0, 6, tzinfo=dt.timezone.utc),
        dt.date(2026, 1, 5),
        True,
        1.0,
        ["new", "a,b"],
        {"zip": "00004"},
        b"\x00\x04",
    )
    for binary in (False, True):
        cursor = c.cursor(binary=binary)
        check(cursor.execute("select * from orders where id = 4").fetchone(), row)
        check([d.type_code for d in cursor.description],
              [20, 25, 1700, 1184, 1082, 16, 701, 1009, 114, 17])
    # Twelve mixed parameters: more than nine, so that $10 must not stand before $2.
    mixed = (4, "c4", decimal.Decimal("2.25"), row[3], row[4], True, 1.0, b"\x00\x04", 1, 2, 3, "x")
    found = c.execute(
        "select id, %s::int + 1, %s::text from orders where id = %s and customer = %s "
        "and amount = %s and placed_at = %s and day = %s and paid = %s and score = %s "
        "and photo = %s and %s < %s", (mixed[10], mixed[11], *mixed[:8], 1, 2)).fetchall()
    check(found, [(4, 4, "x")])
    for binary in (False, True):
        cursor = c.cursor(binary=binary)
        values = (1, 2 ** 40, 1.5, decimal.Decimal("-12.340"), "é", True, None, dt.date(2026, 2, 3))
        found = cursor.execute(
            "select " + ", ".join(["%s"] * len(values)) + " from orders limit %s",
            (*values, 1)).fetchone()
        check(found[:6] + found[7:], values[:6] + values[7:])
    check(c.execute("select count(*) from orders where id = any(%s)", ([1, 2, 3],)).fetchone(), (3,))
    check(c.execute("select count(*) from orders where customer = any(%s)", (["c1"],)).fetchone(),
          (428,))
    check(len(c.execute("select id from orders order by id limit %s offset %s", (5, 10)).fetchall()), 5)
    check(c.execute("select %s::uuid::text", (uuid.UUID(int=5),)).fetchone()[0], str(uuid.UUID(int=5)))
    # Reused statements are prepared by the driver.
    for number in range(8):
        check(c.execute("select id from orders where id = %s", (number + 1,)).fetchone(),
              (number + 1,))
    # Errors say what, where and what else.
    error = fails(c, "42703", "select amuont from orders")
    check(error.diag.statement_position, "8")
    assert "amount" in error.diag.message_hint, error.diag.message_hint
    fails(c, "42P01", "select * from ordres")
    fails(c, "42601", "selct 1 from orders")
    fails(c, "22012", "select 1 / (id - id) from orders")
    fails(c, "25006", "delete from orders")
    fails(c, "25006", "create temp table t (a int)")
    check(fails(c, "42883", "select frobnicate(1) from orders").sqlstate, "42883")
    # Copy out.
    with c.cursor().copy("copy (select id, customer, tags from orders order by id limit 7) to stdout") as copy:
        lines = [line for line in copy.rows()]
    check(lines[1], ("2", "c2", "{new,\"a,b\"}"))
    check(lines[6], ("7", None, "{}"))
    with c.cursor().copy("copy orders (id, customer) to stdout (format csv, header)") as copy:
        text = b"".join(bytes(part) for part in copy).decode()
    check(text.splitlines()[:3], ["id,customer", "1,c1", "2,c2"])
    check(len(text.splitlines()), 5001)
    binary_copy = ("copy (select id, amount, day, customer, tags, paid, score, placed_at, photo "
                   "from orders where id <= %d order by id) to stdout (format binary)")
    types = ["int8", "numeric", "date", "text", "text[]", "bool", "float8", "timestamptz", "bytea"]
    for wanted in (7, 5000, 0):
        with c.cursor().copy(binary_copy % wanted) as copy:
            copy.set_types(types)
            found = list(copy.rows())
        check(len(found), wanted)
        if found:
            check(found[3], (4, row[2], row[4], "c4", ["new", "a,b"], True, 1.0, row[3], row[9]))
            check(found[6][3], None)
    with c.cursor().copy("copy crm.contacts to stdout with binary") as copy:
        copy.set_types(["int8", "text"])
        check(list(copy.rows()), [(1, "Ana"), (2, None)])
    # Settings.
    c.execute("set time zone 'Europe/Berlin'")
    check(c.info.timezone.key, "Europe/Berlin")
    check(c.execute("select placed_at from orders where id = 4").fetchone()[0], row[3])
    check(c.execute("show time zone").fetchone(), ("Europe/Berlin",))
    check(c.execute("select current_setting('timezone'), set_config('statement_timeout', '5s', false)")
          .fetchone(), ("Europe/Berlin", "5s"))
    c.execute("reset all")
    check(c.execute("select current_user, current_database(), count(*) from orders").fetchone(),
          ("ana", "prod", 5000))
    # Pipelines.
    with c.pipeline():
        cursors = [c.execute("select id from orders where id = %s", (n,)) for n in range(1, 21)]
    check([cursor.fetchone()[0] for cursor in cursors], list(range(1, 21)))
    with c.pipeline() as pipeline:
        good = c.execute("select 1")
        bad = c.execute("select amuont from orders")
        try:
            pipeline.sync()
        except psycopg.errors.UndefinedColumn:
            pass
    check(c.execute("select 2").fetchone(), (2,))

with psycopg.connect(where) as c:
    # Named cursors, a failed transaction, savepoints.
    with c.cursor("steps") as cursor:
        cursor.itersize = 100
        cursor.execute("select id from orders order by id")
        check([row[0] for row in cursor], list(range(1, 5001)))
    with c.cursor("few", binary=True) as cursor:
        cursor.execute("select id, amount from orders order by id")
        check(cursor.fetchmany(2), [(1, decimal.Decimal("0.75")), (2, decimal.Decimal("1.25"))])
        check(len(cursor.fetchmany(10)), 10)
    check(c.info.transaction_status, pq.TransactionStatus.INTRANS)
    fails(c, "42703", "select amuont from orders")
    check(c.info.transaction_status, pq.TransactionStatus.INERROR)
    fails(c, "25P02", "select 1")
    c.rollback()
    with c.transaction():
        c.execute("set local application_name = 'inner'")
        try:
            with c.transaction():
                c.execute("select amuont from orders")
        except psycopg.errors.UndefinedColumn:
            pass
        check(c.execute("select current_setting('application_name')").fetchone(), ("inner",))
    check(c.execute("select current_setting('application_name')").fetchone(), ("",))

# A statement that runs is cancelled, timed out, terminated.
slow = ("select count(*) from orders a cross join orders b cross join orders c "
        "where a.id * b.id + c.id = 1")


def within(seconds, state, work):
    started = time.monotonic()
    try:
        work()
    except psycopg.Error as error:
        check(error.sqlstate, state)
    else:
        raise AssertionError("was not ended")
    assert time.monotonic() - started < seconds, "took too long"


with psycopg.connect(where, autocommit=True) as c:
    threading.Timer(0.5, c.cancel).start()
    within(20, "57014", lambda: c.execute(slow))
    c.execute("set statement_timeout = '300ms'")
    within(20, "57014", lambda: c.execute(slow))
    within(20, "57014", lambda: c.execute("select pg_sleep(60)"))
    c.execute("reset statement_timeout")
    pid = c.execute("select pg_backend_pid()").fetchone()[0]
    with psycopg.connect(where, autocommit=True) as other:
        def stop(function):
            time.sleep(0.5)
            check(other.execute(f"select {function}(%s)", (pid,)).fetchone(), (True,))
        threading.Thread(target=stop, args=("pg_cancel_backend",)).start()
        within(20, "57014", lambda: c.execute(slow))
        states = other.execute("select pid, state from pg_stat_activity order by pid").fetchall()
        assert (pid, "idle") in states, states
        threading.Thread(target=stop, args=("pg_terminate_backend",)).start()
        within(20, "57P01", lambda: c.execute(slow))
