//! dbt's commands, options, logs and files, as other programs use them.

mod artifacts;
mod clone;
mod logs;
mod packages;
mod warnings;

/// A project with a seed, models and tests, one of which warns and one of which fails.
pub(crate) const SHOP: &str = r#"
-- dbt_project.yml --
name: shop
profile: shop
on-run-start: "select 1"
-- profiles.yml --
shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: shop.duckdb, schema: main, threads: 2}
    prod: {type: duckdb, path: shop.duckdb, schema: main, threads: 2}
-- fiveply.yml --
{}
-- seeds/orders.csv --
id,customer,changed_at
1,ada,2026-05-01 08:00:00
2,ben,2026-05-02 09:00:00
-- models/open_orders.sql --
{{ config(materialized='table') }}
{{ log("hello from log", info=True) }}
select * from {{ ref('orders') }}
-- models/after.sql --
select * from {{ ref('open_orders') }}
-- models/broken.sql --
{{ config(materialized='table', enabled=var('with_broken', false)) }}
select cast(customer as integer) as n from {{ ref('open_orders') }}
-- snapshots/kept.sql --
{% snapshot kept %}
{{ config(unique_key='id', strategy='timestamp', updated_at='changed_at') }}
select * from {{ ref('orders') }}
{% endsnapshot %}
-- models/schema.yml --
sources:
  - name: app
    schema: main
    tables:
      - name: orders
        loaded_at_field: changed_at
        freshness: {warn_after: {count: 100000, period: day}}
models:
  - name: open_orders
    columns:
      - name: id
        data_tests: [unique]
      - name: customer
        data_tests:
          - accepted_values: {arguments: {values: [ben]}, config: {severity: warn}}
unit_tests:
  - name: each_order_is_open
    model: open_orders
    given: [{input: ref('orders'), rows: [{id: 1}]}]
    expect: {rows: [{id: 1}]}
exposures:
  - name: board
    type: dashboard
    owner: {name: ana}
    depends_on: [ref('open_orders')]
-- macros/mark.sql --
{% macro mark(word) %}
  {% do print("printed " ~ word) %}
  {% do log("logged " ~ word, info=true) %}
  {% do exceptions.warn("beware of " ~ word) %}
{% endmacro %}
"#;
