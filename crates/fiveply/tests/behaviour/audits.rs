//! Tests of data: generic, custom and singular ones, their settings, and what they say.

use super::Desk;

const TESTED: &str = r#"
-- dbt_project.yml --
name: shop
models: {shop: {+materialized: table}}
-- models/customers.sql --
select * from (values (1, 'gold'), (2, 'tin'), (2, 'tin'), (null, 'gold')) as c(id, grade)
-- models/orders.sql --
select * from (values (1, 1, 5), (2, 9, -5), (3, null, 7)) as o(id, customer_id, amount)
-- models/schema.yml --
version: 2
models:
  - name: customers
    columns:
      - name: id
        data_tests:
          - unique
          - not_null: {config: {severity: warn}}
      - name: grade
        tests:
          - accepted_values: {values: [gold, silver]}
          - accepted_values: {name: known_grade, arguments: {values: [gold, tin]}}
  - name: orders
    tests:
      - is_positive: {column_name: amount}
      - same_count: {name: own_fail_calc, other: ref('orders')}
      - strict: {name: own_severity}
      - strict: {name: yaml_outranks, config: {severity: error}}
    columns:
      - name: id
        tests: [unique, not_null]
      - name: customer_id
        tests:
          - relationships: {to: ref('customers'), field: id}
          - relationships:
              name: known_customers
              to: ref('customers')
              field: id
              config: {where: "customer_id < 5"}
      - name: amount
        tests:
          - is_positive: {name: few_negative, config: {warn_if: ">= 1", error_if: "> 1"}}
          - is_positive: {name: limited, config: {limit: 1, store_failures: true}}
          - is_positive: {name: counted, fail_calc: "sum(amount * -1)", error_if: "> 4"}
-- tests/generic/is_positive.sql --
{% test is_positive(model, column_name) %}
select id, {{ column_name }} as amount from {{ model }} where {{ column_name }} < 0
{% endtest %}
-- tests/generic/same_count.sql --
{% test same_count(model, other) %}
{{ config(fail_calc='sum(difference)') }}
select (select count(*) from {{ model }}) - (select count(*) from {{ other }}) as difference
{% endtest %}
{% test strict(model) %}
{{ config(severity='warn') }} select 1 as one
{% endtest %}
-- tests/one_order_each.sql --
select customer_id, count(*) as orders from {{ ref('orders') }} group by 1 having count(*) > 1
-- tests/no_big_orders.sql --
{{ config(severity='warn') }}
select * from {{ ref('orders') }} where amount > 6
"#;

#[test]
fn tests_pass_warn_and_fail_as_they_are_set() {
    for dialect in ["duckdb", "postgres"] {
        let desk = Desk::new(dialect, TESTED);
        desk.good(&["run"]);
        let told = desk.bad(&["test"]);
        let expected = [
            "accepted_values_customers_grade__gold__silver failed 1",
            "counted failed 5",
            "few_negative warned 1",
            "is_positive_orders_amount failed 1",
            "known_customers passed 0",
            "known_grade passed 0",
            "limited failed 1",
            "no_big_orders warned 1",
            "not_null_customers_id warned 1",
            "not_null_orders_id passed 0",
            "one_order_each passed 0",
            "own_fail_calc passed 0",
            "own_severity warned 1",
            "relationships_orders_customer_id__id__ref_customers_ failed 1",
            "unique_customers_id failed 1",
            "unique_orders_id passed 0",
            "yaml_outranks failed 1",
        ];
        assert_eq!(told.tests(), expected);
        let message = told.message("is_positive_orders_amount");
        assert_eq!(message, "1 row breaks it, such as id = 2, amount = -5");
        let unique = told.node("unique_customers_id");
        assert_eq!(unique["tests"][0]["sample"][0]["unique_field"], 2);
        assert_eq!(unique["tests"][0]["sample"][0]["n_records"], 2);
    }
}

#[test]
fn warnings_alone_are_no_failure_and_are_shown() {
    let desk = Desk::new("duckdb", TESTED);
    desk.good(&["run"]);
    let chosen = ["no_big_orders", "few_negative", "not_null_customers_id"];
    let told = desk.good(&[&["test", "--select"], chosen.as_slice()].concat());
    assert_eq!(told.json["status"], "succeeded");
    assert!(told.statuses().iter().all(|line| line.ends_with(" warned")), "{:?}", told.statuses());
    let finished = desk.fiveply.good(&[&["test", "--select"], chosen.as_slice()].concat()).unwrap();
    assert!(finished.stderr.contains("3 warned"), "{}", finished.stderr);
    assert!(finished.stderr.contains("such as id = 3"), "{}", finished.stderr);
}

#[test]
fn a_test_of_a_source_holds_back_what_reads_it() {
    let desk = Desk::new(
        "postgres",
        r#"
-- models/loaded/raw.sql --
{{ config(materialized='table', schema='app') }}
select * from (values (1, 'a'), (1, 'b')) as t(id, word)
-- models/reader.sql --
{{ config(materialized='table') }}
select id from {{ source('app', 'raw') }}
-- models/sources.yml --
sources:
  - name: app
    schema: main_app
    tables:
      - name: raw
        columns: [{name: id, tests: [unique]}]
"#,
    );
    desk.good(&["run", "--select", "raw"]);
    let told = desk.bad(&["build", "--exclude", "path:models/loaded"]);
    assert_eq!(told.statuses(), ["reader skipped", "source_unique_app_raw_id failed"]);
    desk.good(&["run", "--select", "reader"]);
    let told = desk.bad(&["test", "--select", "source:app"]);
    assert_eq!(told.tests(), ["source_unique_app_raw_id failed 1"]);
}

#[test]
fn a_test_that_cannot_run_is_an_error_of_its_own() {
    let desk = Desk::new(
        "duckdb",
        r#"
-- models/a.sql --
{{ config(materialized='table') }} select 1 as id
-- models/schema.yml --
models:
  - name: a
    columns: [{name: idd, tests: [not_null]}, {name: id, tests: [unique]}]
"#,
    );
    let told = desk.bad(&["build"]);
    assert_eq!(told.tests(), ["not_null_a_idd errored null", "unique_a_id passed 0"]);
    assert!(told.stderr.contains("idd"), "{}", told.stderr);
    assert_eq!(desk.versions("prod", "main.a").len(), 0, "what could not be tested is held back");
}
