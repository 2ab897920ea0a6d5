"""The churn feature table of one day over 10 million events: `fiveply run` of an incremental
model, against DuckDB running the same SQL on the same Parquet files into a Parquet file.

fiveply's figures hold everything that one command does: start, reading the project, rendering,
planning, writing, syncing and publishing the table. DuckDB is asked after it has started.
"""

import shutil

from _measure import (
    DATA, arguments, conditions, interleaved, median, peer, ratio, table,
)
from _project import Project, ingest, sql_list

EVENTS = 10_000_000
TODAY = "2026-05-25"

FACTS = {
    "user_events": """select i as event_id, 'user-' || (hash(i, 1) % {users}) as user_id,
        ['page_view', 'click', 'search', 'export', 'invite', 'login', 'logout', 'api_call'][
            (hash(i, 2) % 8 + 1)::int] as event_type,
        timestamp '2026-02-25' + to_microseconds((i * (90 * 86400 * 1000000.0 / {events}))::bigint)
            as event_ts
        from range({events}) t(i)""",
    "billing_events": """select 'user-' || (hash(i, 3) % {users}) as user_id,
        date '2026-02-25' + (hash(i, 4) % 90)::int as feature_date,
        ((hash(i, 5) % 50000) / 100)::decimal(18, 2) as amount_usd,
        hash(i, 6) % 40 = 0 as payment_failed
        from range({events} // 20) t(i)""",
    "support_tickets": """select i as ticket_id, 'user-' || (hash(i, 7) % {users}) as user_id,
        timestamp '2026-02-25' + to_seconds((hash(i, 8) % (90 * 86400))::bigint) as created_at
        from range({events} // 100) t(i)""",
}

VIEW = "{{{{ config(materialized='view') }}}}\nselect * from {{{{ source('app', '{table}') }}}}\n"

MODEL = """with usage as (
    select
        user_id,
        count(*) as events_28d,
        count(distinct event_type) as distinct_actions_28d,
        max(event_ts) as last_event_ts
    from {{ ref('fact_user_events') }}
    where event_ts >= current_date - interval '28 days'
    group by 1
),
billing as (
    select
        user_id,
        sum(amount_usd) as revenue_28d,
        bool_or(payment_failed) as had_failed_payment_28d
    from {{ ref('fact_billing_events') }}
    where feature_date >= current_date - interval '28 days'
    group by 1
),
support as (
    select
        user_id,
        count(*) as tickets_28d
    from {{ ref('fact_support_tickets') }}
    where created_at >= current_date - interval '28 days'
    group by 1
)
select
    coalesce(u.user_id, b.user_id, s.user_id) as user_id,
    current_date as feature_date,
    coalesce(u.events_28d, 0) as events_28d,
    coalesce(u.distinct_actions_28d, 0) as distinct_actions_28d,
    current_date - u.last_event_ts::date as days_since_last_event,
    coalesce(b.revenue_28d, 0) as revenue_28d,
    coalesce(b.had_failed_payment_28d, false) as had_failed_payment_28d,
    coalesce(s.tickets_28d, 0) as tickets_28d
from usage u
full outer join billing b using (user_id)
full outer join support s using (user_id)
"""

CONFIG = "{{ config(materialized='incremental', unique_key=['user_id', 'feature_date']) }}\n"

DIFFERENT = """select count(*) from (
    (select {columns} from read_parquet({left}) except all
     select {columns} from read_parquet({right}))
    union all
    (select {columns} from read_parquet({right}) except all
     select {columns} from read_parquet({left})))"""


def generated(events):
    """The folder with the facts as Parquet files; made once and used again."""
    folder = DATA / f"facts-{events}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        duckdb = peer("duckdb")
        for name, sql in FACTS.items():
            sql = sql.format(events=events, users=max(10, events // 50))
            path = folder / f"{name}.parquet"
            duckdb.ask({"execute": f"copy ({sql}) to '{path}' (format parquet, compression zstd)"})
        duckdb.end()
        (folder / "done").touch()
    return folder


def main():
    options = arguments(__doc__, runs=5)
    conditions(options.scale)
    events = int(EVENTS * options.scale)
    source = generated(events)
    streams = {name: f"{name}.parquet" for name in FACTS}
    views = {f"models/fact_{name}.sql": VIEW.format(table=name) for name in FACTS}
    project = Project(DATA / "churn", {
        "fiveply.yml": f'dialect: duckdb\nclock: "{TODAY}T12:00:00Z"\n',
        "ingest/app.yml": ingest(source, streams),
        "models/feature_churn_user_daily.sql": CONFIG + MODEL,
        **views,
    })
    cost = project.fiveply("load")
    print(f"loaded the facts: {cost.cpu:.1f} CPU seconds")
    project.fiveply("run", "--select", *(f"fact_{name}" for name in FACTS))

    duckdb = peer("duckdb")
    sql = MODEL.replace("current_date", f"date '{TODAY}'")
    for name in FACTS:
        files = sql_list(project.data_files("app", name))
        duckdb.ask({"execute": f"create view fact_{name} as select * from read_parquet({files})"})
        sql = sql.replace(f"{{{{ ref('fact_{name}') }}}}", f"fact_{name}")
    written = DATA / "churn" / "duckdb.parquet"
    copy = f"copy ({sql}) to '{written}' (format parquet, compression zstd)"
    fresh = ["run", "--select", "feature_churn_user_daily", "--full-refresh"]
    costs = interleaved({
        "fiveply run, table built anew": lambda: project.fiveply(*fresh),
        "duckdb": lambda: duckdb.ask({"execute": copy})[1],
    }, options.runs)

    # Every run made files of its own; the newest version's are those written last.
    ours = newest(project, "main", "feature_churn_user_daily")
    columns = ("user_id, feature_date, events_28d, distinct_actions_28d, days_since_last_event, "
               "revenue_28d, had_failed_payment_28d, tickets_28d")
    theirs = sql_list([str(written)])
    duckdb.run(f"select count(*) from read_parquet({theirs})")
    rows = int(duckdb.rows()[0][0])
    duckdb.run(DIFFERENT.format(columns=columns, left=sql_list(ours), right=theirs))
    different = int(duckdb.rows()[0][0])
    assert different == 0, f"{different} rows differ"
    again = interleaved({
        "fiveply run, the day replaced": lambda: project.fiveply(*fresh[:-1]),
    }, options.runs)
    costs.update(again)
    middle = {name: median(of) for name, of in costs.items()}
    base = middle["duckdb"]
    print(f"churn: {events:,} events, {rows:,} feature rows; median of {options.runs} interleaved "
          "runs; rows equal")
    table(["", "cpu s", "it/duckdb", "wall s", "it/duckdb", "peak MiB"], [
        [name, f"{cost.cpu:.2f}", f"{ratio(cost.cpu, base.cpu):.2f}", f"{cost.wall:.2f}",
         f"{ratio(cost.wall, base.wall):.2f}", f"{cost.peak_mib:.0f}"]
        for name, cost in middle.items()
    ])
    duckdb.end()


def newest(project, namespace, name):
    """The data files of the last commit: they share the commit's id in their names."""
    files = project.data_files(namespace, name)
    last = max(file.rsplit("/", 1)[1] for file in files)
    commit = last.rsplit("-", 2)[0]
    return [file for file in files if file.rsplit("/", 1)[1].startswith(commit)]


main()
