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
        assert_eq!(desk.lines(&["ls", "-s", "package:helpers"]).len(), 1);
    }
}

#[test]
fn hooks_run_around_their_node_and_those_without_a_meaning_are_passed_over() {
    let desk = Desk::new(
        "postgres",
        r#"
-- models/quiet.sql --
{{ config(post_hook=["analyze {{ this }}", "grant select on {{ this }} to reader"],
          pre_hook="{{ log('before') }}") }}
select 1 as id
-- models/loud.sql --
{{ config(materialized='table', post_hook="delete from {{ this }} where id = 1") }}
select 1 as id union all select 2
-- models/wrong.sql --
{{ config(materialized='table', pre_hook="delete from nothing_of_that_name") }}
select 1 as id
"#,
    );
    let told = desk.bad(&["run"]);
    assert_eq!(told.statuses(), ["loud succeeded", "quiet succeeded", "wrong failed"]);
    assert_eq!(desk.rows("select id from loud"), ["2"]);
    assert!(told.message("wrong").contains("does not exist"), "{}", told.message("wrong"));
}

#[test]
fn hooks_of_a_run_run_and_one_that_fails_at_its_start_ends_it() {
    let desk = Desk::new(
        "duckdb",
        "-- dbt_project.yml --\nname: shop\non-run-start: [\"create schema if not exists x\", \
         \"create table if not exists main.audit (n bigint)\"]\n\
         on-run-end: [\"insert into main.audit values ({{ results | length }})\"]\n\
         -- models/a.sql --\nselect 1 as id\n",
    );
    desk.good(&["run"]);
    desk.good(&["run"]);
    assert_eq!(desk.rows("select n from audit"), ["1", "1"]);
    desk.add("-- dbt_project.yml --\nname: shop\non-run-start: [\"drop table nowhere\"]\n");
    let told = desk.bad(&["run"]);
    assert_eq!(told.node("a")["status"], "skipped");
}
