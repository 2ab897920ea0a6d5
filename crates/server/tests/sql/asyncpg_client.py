import asyncio
import datetime as dt
import decimal
import os

import asyncpg


def check(found, wanted):
    assert found == wanted, f"found {found!r}, wanted {wanted!r}"


async def main():
    c = await asyncpg.connect(
        host="127.0.0.1", port=int(os.environ["PORT"]), user="ana", database="prod")
    row = await c.fetchrow("select * from shop.orders where id = $1", 4)
    check(tuple(row)[:8], (
        4, "c4", decimal.Decimal("2.25"),
        dt.datetime(2026, 1, 1, 0, 0, 6, tzinfo=dt.timezone.utc),
        dt.date(2026, 1, 5), True, 1.0, ["new", "a,b"]))
    check(row["photo"], b"\x00\x04")
    check(row["address"], '{"zip":"00004"}')
    check(await c.fetchval("select count(*) from shop.orders where id = any($1::int[])", [1, 2]), 2)
    check(await c.fetchval("select count(*) from shop.orders where id = any($1)", [1, 2, 3]), 3)
    check(await c.fetchval("select count(*) from shop.orders where amount > $1 and day >= $2",
                           decimal.Decimal("48"), dt.date(2026, 1, 5)), 200)
    check(await c.fetchval("select $1::text || $2::text", "a", "b"), "ab")
    async with c.transaction():
        check([r["id"] async for r in c.cursor("select id from shop.orders order by id", prefetch=50)],
              list(range(1, 5001)))
    check(await c.fetchval("show statement_timeout"), "0")
    await c.reset()
    try:
        await c.fetch(
            "select count(*) from shop.orders a cross join shop.orders b cross join shop.orders c "
            "where a.id * b.id + c.id = 1", timeout=0.5)
    except (asyncio.TimeoutError, asyncpg.QueryCanceledError):
        pass
    else:
        raise AssertionError("was not ended")
    check(await c.fetchval("select 5"), 5)
    await c.close()

asyncio.run(main())
