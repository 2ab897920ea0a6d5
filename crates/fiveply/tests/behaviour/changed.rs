//! `--changed`: what would come out the same is reused, and why something is built is said.

use serde_json::Value;

use super::Desk;

const SHOP: &str = r#"
-- seeds/orders.csv --
id,customer,amount,day
1,ada,12,2026-05-01
2,ben,8,2026-05-02
3,ada,5,2026-05-02
-- macros/money.sql --
{% macro doubled(column) %}{{ column }} * 2{% endmacro %}
-- models/stg_orders.sql --
{{ config(materialized='view') }}
select id, customer, amount, cast(day as date) as day from {{ ref('orders') }}
-- models/customers.sql --
{{ config(materialized='table') }}
with bought as (select customer, amount from {{ ref('stg_orders') }}),
known as (select distinct customer from {{ ref('stg_orders') }})
select known.customer, sum({{ doubled('bought.amount') }}) as amount
from known inner join bought on known.customer = bought.customer
group by 1
-- models/best.sql --
{{ config(materialized='table') }}
select customer from {{ ref('customers') }} where amount > 20
-- models/days.sql --
{{ config(materialized='incremental', unique_key='day') }}
select day, count(*) as orders from {{ ref('stg_orders') }}
{% if is_incremental() %}where day >= (select max(day) from {{ this }}){% endif %}
group by 1
-- models/schema.yml --
models:
  - name: customers
    columns:
      - {name: customer, data_tests: [unique]}
  - name: stg_orders
    columns:
      - {name: id, data_tests: [not_null]}
unit_tests:
  - name: doubles
    model: customers
    given: [{input: ref('stg_orders'), rows: [{customer: x, amount: 2}]}]
    expect: {rows: [{customer: x, amount: 4}]}
"#;

/// Nodes that `build --changed` carried out, by their last name, and how many it reused.
fn built(desk: &Desk) -> (Vec<String>, usize) {
    let told = desk.good(&["build", "--changed"]);
    let mut names: Vec<String> = told.json["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["node"].as_str().unwrap().rsplit('.').next().unwrap().to_owned())
        .collect();
    names.sort();
    (names, told.json["reused"].as_array().unwrap().len())
}

fn reasons(desk: &Desk) -> Vec<String> {
    desk.lines(&["ls", "--changed", "--resource-type", "model", "seed"])
        .iter()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn a_build_without_changes_reuses_everything() {
    let desk = Desk::new("duckdb", SHOP);
    let first = desk.good(&["build", "--changed"]);
    assert_eq!(first.json["reused"].as_array().unwrap().len(), 0);
    assert_eq!(built(&desk), (vec![], 8));
    assert_eq!(desk.lines(&["ls", "--changed"]), Vec::<String>::new());
    let said = desk.fiveply.good(&["build", "--changed"]).unwrap();
    assert!(said.stderr.contains("nothing to do: 8 nodes as published"), "{}", said.stderr);
    assert_eq!(desk.versions("prod", "main.customers").len(), 1);
}

#[test]
fn the_way_a_project_is_written_is_no_change() {
    let desk = Desk::new("duckdb", SHOP);
    desk.good(&["build"]);
    // Another file for the macro, other words for the same SQL, a comment, a description.
    std::fs::remove_file(desk.folder.path().join("macros/money.sql")).unwrap();
    desk.add(
        r#"
-- macros/numbers/all.sql --
{# twice #}
{% macro doubled(column) -%}
  {{ column }} * 2
{%- endmacro %}
-- models/customers.sql --
{{ config(materialized='table', tags=['daily'], meta={'owner': 'ada'}) }}
WITH
  known AS (SELECT DISTINCT customer FROM {{ ref('stg_orders') }}),
  -- what everybody bought
  bought AS (SELECT customer, amount FROM {{ ref('stg_orders') }})
SELECT
  known.customer,
  SUM({{ doubled('bought.amount') }}) AS amount
FROM known
JOIN bought ON known.customer = bought.customer
GROUP BY 1
"#,
    );
    assert_eq!(built(&desk), (vec![], 8));
}

#[test]
fn what_changed_is_built_with_what_reads_it_and_said_why() {
    let desk = Desk::new("duckdb", SHOP);
    desk.good(&["build"]);
    let text = "{% macro doubled(column) %}{{ column }} + {{ column }} + 0{% endmacro %}";
    desk.add(&format!("-- macros/money.sql --\n{text}\n"));
    assert_eq!(
        reasons(&desk),
        ["shop.best reads model.shop.customers", "shop.customers its code changed"]
    );
    let (names, reused) = built(&desk);
    assert_eq!(names, ["best", "customers", "doubles"]);
    assert_eq!(reused, 4, "the seed, the view, the increment and the view's test");

    // Another setting of one model; then rows for all.
    let best = "select customer from {{ ref('customers') }} where amount > 20";
    desk.add(&format!("-- models/best.sql --\n{{{{ config(materialized='view') }}}}\n{best}\n"));
    assert_eq!(reasons(&desk), ["shop.best its configuration changed"]);
    assert_eq!(built(&desk).0, ["best"]);
    desk.add(
        "-- seeds/orders.csv --\nid,customer,amount,day\n1,ada,12,2026-05-01\n4,cem,9,2026-05-03\n",
    );
    let (names, reused) = built(&desk);
    assert!(names.contains(&"customers".to_owned()) && names.contains(&"days".to_owned()));
    assert_eq!(reused, 1, "the unit test: {names:?}");
    assert_eq!(desk.rows("select count(*) from main.days"), ["3"]);
    assert_eq!(built(&desk), (vec![], 8));
}

#[test]
fn rows_that_came_by_themselves_are_a_change_for_tables_and_none_for_views() {
    let desk = Desk::new(
        "postgres",
        r#"
-- ingest/raw.yml --
connection: {type: files, path: data}
streams: [{name: orders, files: "*.ndjson"}]
-- data/a.ndjson --
{"id": 1}
-- models/seen.sql --
{{ config(materialized='view') }}
select id from {{ source('raw', 'orders') }}
-- models/total.sql --
{{ config(materialized='table') }}
select count(*) as n from {{ ref('seen') }}
-- models/stamped.sql --
{{ config(materialized='table') }}
select id, now() as at from {{ ref('seen') }}
"#,
    );
    desk.fiveply.good(&["load", "--quiet"]).unwrap();
    desk.good(&["build"]);
    assert_eq!(reasons(&desk), ["shop.stamped now gives another answer by itself"]);
    desk.folder.write("data/b.ndjson", b"{\"id\": 2}\n").unwrap();
    desk.fiveply.good(&["load", "--quiet"]).unwrap();
    let said = desk.lines(&["ls", "--changed", "--output", "json", "--resource-type", "model"]);
    let kinds = |line: &String| -> (String, Value) {
        let line: Value = serde_json::from_str(line).unwrap();
        (line["name"].as_str().unwrap().to_owned(), line["changed"][0]["kind"].clone())
    };
    let total = ("total".to_owned(), Value::from("input"));
    assert!(said.iter().map(kinds).any(|one| one == total), "{said:?}");
    assert_eq!(built(&desk).0, ["stamped", "total"]);
    assert_eq!(desk.rows("select n from main.total"), ["2"]);
}

#[test]
fn what_was_published_otherwise_or_did_not_pass_is_not_reused() {
    let desk = Desk::new("duckdb", SHOP);
    desk.good(&["build"]);
    assert_eq!(built(&desk), (vec![], 8));
    // A sample is no full table, whatever it was made from.
    desk.good(&["run", "--empty", "--select", "best"]);
    assert_eq!(reasons(&desk), ["shop.best what is published was made otherwise"]);
    assert_eq!(built(&desk).0, ["best"]);
    // A model that its test holds back stays changed until it passes.
    let customers = "select customer, amount from {{ ref('stg_orders') }}";
    desk.add(&format!("-- models/customers.sql --\n{customers}\n"));
    let columns = "columns: [{name: customer, data_tests: [unique]}]";
    desk.add(&format!("-- models/schema.yml --\nmodels:\n  - name: customers\n    {columns}\n"));
    desk.bad(&["build", "--changed"]);
    let twice = desk.bad(&["build", "--changed"]);
    assert_eq!(twice.json["nodes"].as_array().unwrap().len(), 2, "{:#}", twice.json);
}

#[test]
fn compile_and_test_take_only_what_changed() {
    let desk = Desk::new("duckdb", SHOP);
    desk.good(&["run", "--select", "nothing_has_this_name"]);
    desk.good(&["seed"]);
    desk.good(&["run", "--changed"]);
    let again = desk.good(&["run", "--changed"]);
    assert_eq!(again.json["nodes"].as_array().unwrap().len(), 0, "{:#}", again.json);
    let tested = desk.good(&["test", "--changed"]);
    assert_eq!(tested.json["nodes"].as_array().unwrap().len(), 3);
    let tested = desk.good(&["test", "--changed"]);
    assert_eq!(tested.json["reused"].as_array().unwrap().len(), 3, "{:#}", tested.json);
    desk.add("-- models/best.sql --\nselect customer from {{ ref('customers') }}\n");
    let compiled = desk.fiveply.good(&["compile", "--changed", "--output", "json"]).unwrap();
    let compiled: Value = serde_json::from_str(&compiled.stdout).unwrap();
    assert_eq!(compiled.as_array().unwrap().len(), 1, "{compiled:#}");
}
