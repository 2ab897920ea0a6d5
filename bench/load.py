"""Load 5 million NDJSON events into a committed table with `fiveply load`, against Polars and
DuckDB writing a Parquet file from the same files.

All compress with zstd. Only fiveply infers and keeps a schema for the next load, counts and keeps
rejects, records where each row came from, syncs what it wrote and commits it; the others write a
file. Peers are asked after they have started; fiveply's start and end are measured with it.
"""

import shutil

from _measure import (
    DATA, arguments, conditions, interleaved, median, peer, ratio, stop_when_different, table,
)
from _project import Project, ingest, sql_list

EVENTS = 5_000_000
FILES = 10

GENERATE = """copy (
    select
        i as event_id,
        'user-' || (hash(i, 1) % {users}) as user_id,
        'account-' || (hash(i, 2) % {accounts}) as account_id,
        ['page_view', 'click', 'search', 'export', 'invite', 'login', 'logout', 'api_call'][
            (hash(i, 3) % 8 + 1)::int] as event_type,
        ['web', 'ios', 'android'][(hash(i, 4) % 3 + 1)::int] as platform,
        strftime(timestamp '2026-02-25' + to_milliseconds((i * 1555)::bigint),
            '%Y-%m-%dT%H:%M:%S.%gZ') as event_ts,
        case when hash(i, 5) % 5 > 0 then 'session-' || (i // 12) end as session_id,
        (hash(i, 6) % 60000)::int as duration_ms,
        round((hash(i, 7) % 1000000) / 9973.0, 4) as score,
        hash(i, 8) % 10 = 0 as sampled,
        {{'page': '/app/' || (hash(i, 9) % 50), 'items': (hash(i, 10) % 100)::int}} as properties
    from range({first}, {end}) t(i)
) to '{path}' (format json)"""

DUCKDB = """copy (select * from read_json({files}, format = 'newline_delimited'))
to '{to}' (format parquet, compression zstd)"""

# What both sides must agree on; the columns that only fiveply adds are left out.
CHECK = """select count(*), count(distinct user_id), sum(event_id), sum(duration_ms), sum(score),
    count(session_id), count(*) filter (where sampled), left(min(event_ts)::varchar, 19),
    left(max(event_ts)::varchar, 19), min(event_type), max(platform) from read_parquet({files})"""


def generated(events):
    """The folder with the files; made once and used again."""
    folder = DATA / f"events-{events}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        duckdb = peer("duckdb")
        for number in range(FILES):
            duckdb.ask({"execute": GENERATE.format(
                users=max(10, events // 50), accounts=max(2, events // 1000),
                first=events * number // FILES, end=events * (number + 1) // FILES,
                path=folder / f"events-{number:02}.ndjson")})
        duckdb.end()
        (folder / "done").touch()
    return folder


def main():
    options = arguments(__doc__, runs=3)
    conditions(options.scale)
    events = int(EVENTS * options.scale)
    source = generated(events)
    files = [str(path) for path in sorted(source.glob("*.ndjson"))]
    size = sum(path.stat().st_size for path in source.glob("*.ndjson"))
    work = DATA / "load"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    made = {}

    def fiveply():
        text = ingest(source, {"events": '"*.ndjson"'})
        project = Project(work / "fiveply", {"ingest/app.yml": text})
        cost = project.fiveply("load")
        made["fiveply"] = project.data_files("app", "events")
        return cost

    def asked(name, question):
        def ask():
            worker = peer(name)
            _, cost = worker.ask(question)
            worker.end()
            made[name] = [question.get("to", str(work / "duckdb.parquet"))]
            return cost
        return ask

    duckdb_sql = DUCKDB.format(files=sql_list(files), to=work / "duckdb.parquet")
    costs = interleaved({
        "fiveply": fiveply,
        "polars": asked("polars", {"load": files, "to": str(work / "polars.parquet")}),
        "duckdb": asked("duckdb", {"execute": duckdb_sql}),
    }, options.runs)

    checker = peer("duckdb")
    checker.ask({"execute": "set time zone 'UTC'"})
    answers = {}
    for name, paths in made.items():
        checker.run(CHECK.format(files=sql_list(paths)))
        answers[name] = checker.rows()
    checker.end()
    for name in ("polars", "duckdb"):
        stop_when_different(f"fiveply and {name}", answers["fiveply"], answers[name])

    middle = {name: median(of) for name, of in costs.items()}
    ours = middle["fiveply"]
    print(f"load: {events:,} NDJSON events, {size / 1e6:,.0f} MB in {FILES} files; median of "
          f"{options.runs} interleaved runs; the same rows arrive")
    table(["", "cpu s", "fiveply/it", "wall s", "fiveply/it", "peak MiB", "events/s"], [
        [name, f"{cost.cpu:.2f}", f"{ratio(ours.cpu, cost.cpu):.2f}", f"{cost.wall:.2f}",
         f"{ratio(ours.wall, cost.wall):.2f}", f"{cost.peak_mib:.0f}", f"{events / cost.wall:,.0f}"]
        for name, cost in middle.items()
    ])
    shutil.rmtree(work, ignore_errors=True)


main()
