//! What projects bring along: macros, packages, schema names, queries in templates, hooks.

use super::Desk;

#[test]
fn a_custom_schema_is_appended_unless_the_project_says_otherwise() {
    let models = "-- models/a.sql --\n{{ config(schema='marts', alias='final') }} select 1 as id\n\
                  -- models/b.sql --\nselect id from {{ ref('a') }}\n";
    let desk = Desk::new("duckdb", models);
    let told = desk.good(&["run"]);
    assert_eq!(told.node("a")["table"], "main_marts.final");
    desk.add(
        r#"
-- macros/generate_schema_name.sql --
{% macro generate_schema_name(custom_schema_name, node) -%}
  {%- if custom_schema_name is none -%} {{ target.schema }}
  {%- else -%} {{ custom_schema_name | trim }} {%- endif -%}
{%- endmacro %}
-- macros/generate_alias_name.sql --
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
  {{ (custom_alias_name or node.name) ~ '_v' }}
{%- endmacro %}
"#,
    );
    let told = desk.good(&["run"]);
    assert_eq!(told.node("a")["table"], "marts.final_v");
    assert_eq!(desk.rows("select id from main.b_v"), ["1"]);
}

const PACKAGED: &str = r#"
-- dbt_project.yml --
name: shop
vars: {unit: 100}
models: {shop: {+materialized: table}, helpers: {+schema: helped}}
-- packages.yml --
packages: [{package: someone/helpers, version: 1.0.0}]
-- dbt_packages/helpers/dbt_project.yml --
name: helpers
vars: {helpers: {offset: 7}}
-- dbt_packages/helpers/macros/money.sql --
{% macro cents(column) %}{{ return(adapter.dispatch('cents', 'helpers')(column)) }}{% endmacro %}
{% macro default__cents(column) %}{{ column }} / {{ var('unit') }}.0{% endmacro %}
{% test within(model, column_name, low, high) %}
select {{ column_name }} from {{ model }}
where {{ column_name }} not between {{ low }} and {{ high }}
{% endtest %}
-- dbt_packages/helpers/models/calendar.sql --
{{ config(materialized='table') }}
select {{ var('offset') }} as first_day
-- models/grades.sql --
select * from (values ('gold', 250), ('tin', 50)) as g(grade, cents)
-- models/pivoted.sql --
{% set grades = run_query("select grade from " ~ ref('grades') ~ " order by grade") %}
select
{% for grade in grades.columns[0].values() %}
  max(case when grade = '{{ grade }}' then {{ helpers.cents('cents') }} end) as {{ grade }},
{% endfor %}
  {{ dbt_columns() }} as columns_seen,
  (select first_day from {{ ref('helpers', 'calendar') }}) as first_day
from {{ ref('grades') }}
-- macros/columns.sql --
{% macro dbt_columns() %}
  {% set columns = adapter.get_columns_in_relation(ref('grades')) %}
  '{{ columns | map(attribute="name") | join("+") }}'
{% endmacro %}
-- models/schema.yml --
models:
  - name: pivoted
    columns:
      - {name: gold, tests: [helpers.within: {low: 1, high: 3}]}
"#;

#[test]
fn packages_macros_and_queries_in_templates_work_together() {
    for dialect in ["duckdb", "postgres"] {
        let desk = Desk::new(dialect, PACKAGED);
        let told = desk.good(&["build"]);
        assert_eq!(told.node("calendar")["table"], "main_helped.calendar");
        let sql = "select gold, tin, columns_seen, first_day from pivoted";
        let rows = desk.rows(sql);
        assert!(rows[0].starts_with("2.5"), "{rows:?}");
        assert!(rows[0].ends_with("grade+cents 7"), "{rows:?}");
        assert_eq!(told.tests().len(), 1);
        assert_eq!(desk.good(&["ls", "-s", "package:helpers"]).json.as_array().unwrap().len(), 1);
    }
}

#[test]
fn hooks_without_a_meaning_here_are_passed_over_and_others_refused() {
    let desk = Desk::new(
        "postgres",
        r#"
-- models/quiet.sql --
{{ config(post_hook=["analyze {{ this }}", "grant select on {{ this }} to reader"],
          pre_hook="{{ log('before') }}") }}
select 1 as id
-- models/loud.sql --
{{ config(post_hook="delete from {{ this }} where id = 1") }}
select 1 as id
"#,
    );
    let told = desk.bad(&["run"]);
    assert_eq!(told.statuses(), ["loud failed", "quiet succeeded"]);
    assert!(told.message("loud").contains("hook of \"loud\""), "{}", told.message("loud"));
    assert!(told.node("loud")["help"].as_str().unwrap().contains("Take the hook out"));
}

#[test]
fn hooks_of_a_run_are_not_left_out_silently() {
    let desk = Desk::new(
        "duckdb",
        "-- dbt_project.yml --\nname: shop\non-run-start: [\"create schema if not exists x\"]\n\
         on-run-end: [\"insert into audit values (1)\"]\n-- models/a.sql --\nselect 1 as id\n",
    );
    let told = desk.good(&["run"]);
    assert!(told.stderr.contains("insert into audit"), "{}", told.stderr);
    assert!(!told.stderr.contains("create schema"), "{}", told.stderr);
}

#[test]
fn what_is_known_and_not_built_yet_says_so_and_stops_nothing_else() {
    let desk = Desk::new(
        "duckdb",
        r#"
-- models/a.sql --
{{ config(materialized='table') }} select 1 as id
-- models/m.sql --
{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='id',
          begin='2026-01-01', batch_size='day') }} select 1 as id
-- snapshots/s.sql --
{% snapshot s %}
{{ config(target_schema='main', unique_key='id', strategy='check', check_cols=['id']) }}
select id from {{ ref('a') }}
{% endsnapshot %}
"#,
    );
    let told = desk.bad(&["build"]);
    assert_eq!(told.node("a")["status"], "succeeded");
    assert_eq!(told.node("m")["status"], "failed");
    assert!(told.stderr.contains("snapshot"), "{}", told.stderr);
}
