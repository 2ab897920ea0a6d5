//! Incremental models: strategies, what happens when columns change, and building from nothing.

use super::Desk;

const EVENTS: &str = r#"
-- dbt_project.yml --
name: shop
vars: {day: 1, take: 1}
models: {shop: {+materialized: incremental}}
-- models/events.sql --
{{ config(materialized='table') }}
select id, day, word from (values (1, 1, 'a'), (2, 1, 'b'), (2, 2, 'B'), (3, 2, 'c'))
  as e(id, day, word)
where day <= {{ var('day') }}
-- macros/news.sql --
{% macro news() %}
  {% if is_incremental() %} where day > (select max(day) from {{ this }}) {% endif %}
{% endmacro %}
-- models/appended.sql --
select id, day, word from {{ ref('events') }} {{ news() }}
-- models/replaced.sql --
{{ config(unique_key='id') }}
select id, day, word from {{ ref('events') }} {{ news() }}
-- models/delete_insert.sql --
{{ config(unique_key=['id'], incremental_strategy='delete+insert') }}
select id, day, word from {{ ref('events') }} {{ news() }}
-- models/merged.sql --
{{ config(unique_key='id', incremental_strategy='merge') }}
select id, day, word from {{ ref('events') }} {{ news() }}
-- models/by_day.sql --
{{ config(incremental_strategy='insert_overwrite', partition_by=['day']) }}
select id, day, {{ var('take') }} as take from {{ ref('events') }}
{% if is_incremental() %} where day = {{ var('day') }} {% endif %}
-- models/kept.sql --
{{ config(full_refresh=false) }}
select {{ var('take') }} as take
"#;

#[test]
fn each_strategy_brings_new_rows_in_as_dbt_does() {
    for dialect in ["duckdb", "postgres"] {
        let desk = Desk::new(dialect, EVENTS);
        desk.good(&["run"]);
        desk.good(&["run", "--vars", "{day: 2, take: 2}"]);
        let all =
            |table: &str| desk.rows(&format!("select id, day, word from {table} order by id, day"));
        let keyed = ["1 1 a", "2 2 B", "3 2 c"];
        assert_eq!(all("appended"), ["1 1 a", "2 1 b", "2 2 B", "3 2 c"]);
        assert_eq!(all("replaced"), keyed);
        assert_eq!(all("delete_insert"), keyed);
        assert_eq!(all("merged"), keyed);
        let by_day = "select day, take, count(*) from by_day group by 1, 2 order by 1, 2";
        assert_eq!(desk.rows(by_day), ["1 1 2", "2 2 2"]);

        // Nothing is new: nothing changes, except where the model says so.
        desk.good(&["run", "--vars", "{day: 2, take: 3}"]);
        assert_eq!(all("appended").len(), 4);
        assert_eq!(all("replaced"), keyed);
        assert_eq!(all("merged"), keyed);
        assert_eq!(desk.rows(by_day), ["1 1 2", "2 3 2"]);

        desk.good(&["run", "--full-refresh", "--vars", "{day: 2, take: 4}"]);
        assert_eq!(all("replaced"), ["1 1 a", "2 1 b", "2 2 B", "3 2 c"]);
        assert_eq!(desk.rows(by_day), ["1 4 2", "2 4 2"]);
        let kept = desk.rows("select take from kept order by take");
        assert_eq!(kept, ["1", "2", "3", "4"], "full_refresh: false outranks the flag");
    }
}

#[test]
fn rows_of_one_key_in_one_run_are_kept_for_the_test_to_find() {
    let desk = Desk::new(
        "duckdb",
        r#"
-- models/doubled.sql --
{{ config(materialized='incremental', unique_key=['id', 'day']) }}
select 1 as id, 1 as day, n from (values ({{ var('n', 0) }}), ({{ var('n', 0) }} + 1)) as v(n)
-- models/absent.sql --
{{ config(materialized='incremental', unique_key='id') }}
select cast(null as integer) as id, {{ var('n', 0) }} as n
"#,
    );
    desk.good(&["run"]);
    desk.good(&["run", "--vars", "{n: 5}"]);
    assert_eq!(desk.rows("select n from doubled order by n"), ["5", "6"]);
    assert_eq!(desk.rows("select id, n from absent order by n"), ["- 0", "- 5"], "NULL is no key");
}

const CHANGING: &str = r#"
-- dbt_project.yml --
name: shop
vars: {shape: first}
models: {shop: {+materialized: incremental}}
-- macros/rows.sql --
{% macro rows() %}
  {% if var('shape') == 'wide' %} select 2 as id, 'b' as word, 20 as extra
  {% elif var('shape') == 'other' %} select 3 as id, 30 as extra
  {% else %} select 1 as id, 'a' as word {% endif %}
{% endmacro %}
-- models/ignored.sql --
{{ rows() }}
-- models/failing.sql --
{{ config(on_schema_change='fail') }} {{ rows() }}
-- models/appending.sql --
{{ config(on_schema_change='append_new_columns') }} {{ rows() }}
-- models/syncing.sql --
{{ config(on_schema_change='sync_all_columns') }} {{ rows() }}
"#;

#[test]
fn changed_columns_are_treated_as_on_schema_change_says() {
    let desk = Desk::new("duckdb", CHANGING);
    desk.good(&["run"]);
    let told = desk.bad(&["run", "--vars", "{shape: wide}"]);
    assert_eq!(
        told.statuses(),
        ["appending succeeded", "failing failed", "ignored succeeded", "syncing succeeded"]
    );
    let message = told.message("failing");
    assert!(message.contains("\"failing\" has the new columns \"extra\""), "{message}");
    assert!(told.node("failing")["help"].as_str().unwrap().contains("append_new_columns"));
    assert_eq!(desk.rows("select * from ignored order by id"), ["1 a", "2 b"]);
    assert_eq!(desk.rows("select * from failing"), ["1 a"]);
    assert_eq!(desk.rows("select id, word, extra from appending order by id"), ["1 a -", "2 b 20"]);

    let told = desk.bad(&["run", "--vars", "{shape: other}"]);
    let expected = ["appending succeeded", "failing failed", "ignored failed", "syncing succeeded"];
    assert_eq!(told.statuses(), expected);
    assert!(told.message("ignored").contains("no longer gives \"word\""));
    let appending = desk.rows("select id, word, extra from appending order by id");
    assert_eq!(appending, ["1 a -", "2 b 20", "3 - 30"]);
    assert_eq!(desk.rows("select * from syncing order by id"), ["1 -", "2 20", "3 30"]);

    desk.good(&["run", "--full-refresh", "--vars", "{shape: other}"]);
    let all = "select * from ignored union all select * from failing";
    assert_eq!(desk.rows(all), ["3 30", "3 30"]);
}

#[test]
fn values_take_the_tables_types_or_stop_the_run() {
    let desk = Desk::new(
        "duckdb",
        "-- models/typed.sql --\n{{ config(materialized='incremental') }}\n\
         select cast({{ var('value', 1) }} as {{ var('type', 'integer') }}) as v\n",
    );
    desk.good(&["run"]);
    desk.good(&["run", "--vars", "{value: 7, type: bigint}"]);
    let told = desk.bad(&["run", "--vars", "{value: 3000000000, type: bigint}"]);
    assert!(told.message("typed").contains("column \"v\""), "{}", told.message("typed"));
    assert_eq!(desk.rows("select v from typed order by v"), ["1", "7"]);
}
