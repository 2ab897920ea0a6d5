//! Environments are rows of pointers: made without copying, built apart, compared, planned and
//! promoted at once.

use serde_json::Value;

use super::Desk;

const SHOP: &str = r#"
-- seeds/orders.csv --
id,customer,amount
1,ada,12
2,ben,8
3,cem,5
-- models/stg.sql --
{{ config(materialized='view') }}
select id, customer, amount from {{ ref('orders') }}
-- models/customers.sql --
{{ config(materialized='table') }}
select id, customer, amount from {{ ref('stg') }}
-- models/total.sql --
{{ config(materialized='table') }}
select sum(amount) as amount from {{ ref('customers') }}
-- models/schema.yml --
models:
  - name: customers
    columns: [{name: id, data_tests: [unique]}]
exposures:
  - name: board
    type: dashboard
    owner: {name: Ada}
    depends_on: [ref('total')]
"#;

const CHANGED: &str = r#"
-- models/customers.sql --
{{ config(materialized='table') }}
select id, customer, amount * 2 as amount, 'x' as note from {{ ref('stg') }} where id < 3
"#;

fn shop() -> Desk {
    let desk = Desk::new("duckdb", SHOP);
    desk.good(&["build", "--environment", "prod"]);
    desk
}

fn json(desk: &Desk, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.extend(["--output", "json"]);
    serde_json::from_str(&desk.fiveply.good(&all).unwrap().stdout).unwrap()
}

const DEV: &[&str] = &["--environment", "dev"];
const PROD: &[&str] = &["--environment", "prod"];

fn total(desk: &Desk, environment: &[&str]) -> Vec<String> {
    desk.rows_of(environment, "select amount from main.total")
}

#[test]
fn an_environment_is_made_without_a_copy_and_reuses_what_it_shows() {
    let desk = shop();
    let files = desk.lines(&["environment", "list"]);
    assert!(files[0].starts_with("prod  4 tables"), "{files:?}");
    desk.fiveply.good(&["environment", "create", "dev", "--from", "prod"]).unwrap();
    assert_eq!(total(&desk, DEV), ["25"]);
    let of =
        |environment: &str| desk.versions(environment, "main.total")[0].metadata_location.clone();
    assert_eq!(of("dev"), of("prod"));
    let told = desk.good(&["build", "--changed", "--environment", "dev"]);
    assert_eq!(told.json["reused"].as_array().unwrap().len(), 5, "{:#}", told.json);

    let said = desk.refused(&["environment", "create", "dev", "--from", "prod"]);
    assert!(said.contains("is there already"), "{said}");
    assert!(desk.refused(&["environment", "drop", "dev"]).contains("holds 4 tables"));
    desk.fiveply.good(&["environment", "drop", "dev", "--yes"]).unwrap();
    assert_eq!(total(&desk, PROD), ["25"], "the others keep theirs");
    desk.fiveply.good(&["environment", "create", "dev", "--from", "prod"]).unwrap();
    assert_eq!(total(&desk, DEV), ["25"]);
}

#[test]
fn a_plan_says_what_is_built_whose_columns_change_and_who_reads_them() {
    let desk = shop();
    desk.add(CHANGED);
    let plan = json(&desk, &["plan", "prod"]);
    let built: Vec<&str> =
        plan["build"].as_array().unwrap().iter().map(|one| one["node"].as_str().unwrap()).collect();
    assert!(built.contains(&"model.shop.customers") && built.contains(&"model.shop.total"));
    assert!(!built.contains(&"model.shop.stg"), "{built:?}");
    assert_eq!(plan["columns"].as_array().unwrap().len(), 1, "{plan:#}");
    assert_eq!(plan["columns"][0]["change"], "added");
    assert_eq!(plan["consumers"], serde_json::json!(["exposure.shop.board"]));
    desk.add("-- models/customers.sql --\nselect id, amount from {{ ref('stg') }}\n");
    let text = desk.fiveply.good(&["plan", "prod"]).unwrap().stdout;
    assert!(text.contains("column model.shop.customers.customer is removed (breaking)"), "{text}");
    assert!(text.contains("touches exposure.shop.board"), "{text}");
}

#[test]
fn what_was_built_and_tested_apart_is_published_at_once() {
    let desk = shop();
    desk.fiveply.good(&["environment", "create", "dev", "--from", "prod"]).unwrap();
    desk.add(CHANGED);
    desk.good(&["build", "--changed", "--environment", "dev"]);
    assert_eq!((total(&desk, DEV), total(&desk, PROD)), (vec!["40".into()], vec!["25".into()]));

    let difference = json(&desk, &["diff", "prod", "dev", "customers"]);
    assert_eq!(difference["key"], serde_json::json!(["id"]), "the unique test says so");
    assert_eq!((&difference["removed"], &difference["changed"]), (&1.into(), &2.into()));
    let dry = json(&desk, &["promote", "dev", "prod", "--dry-run"]);
    assert_eq!(dry["moves"].as_array().unwrap().len(), 2, "{dry:#}");
    assert_eq!(total(&desk, PROD), ["25"]);
    let standing = json(&desk, &["plan", "prod"])["standing"].as_i64().unwrap();
    let said = desk.refused(&["promote", "dev", "prod", "--expect", &(standing - 1).to_string()]);
    assert!(said.contains("moved since the plan"), "{said}");
    json(&desk, &["promote", "dev", "prod", "--expect", &standing.to_string()]);
    assert_eq!(total(&desk, PROD), ["40"]);
    let again = json(&desk, &["promote", "dev", "prod"]);
    assert_eq!(again["moves"], serde_json::json!([]), "nothing is left");
    let told = desk.good(&["build", "--changed", "--environment", "prod"]);
    assert_eq!(told.json["nodes"].as_array().unwrap().len(), 0, "{:#}", told.json);
    let same = json(&desk, &["diff", "prod", "dev", "customers", "--check"]);
    assert_eq!(same["same"], true);
}

#[test]
fn untested_versions_and_old_ones_are_not_promoted() {
    let desk = shop();
    desk.fiveply.good(&["environment", "create", "dev", "--from", "prod"]).unwrap();
    desk.add(CHANGED);
    desk.good(&["run", "--environment", "dev"]);
    let said = desk.refused(&["promote", "dev", "prod"]);
    assert!(said.contains("tests did not pass on what dev has of model.shop.customers"), "{said}");
    assert_eq!(total(&desk, PROD), ["25"]);
    desk.good(&["test", "--environment", "dev"]);
    // Meanwhile prod got a newer version of what dev only shows.
    desk.add("-- seeds/orders.csv --\nid,customer,amount\n1,ada,100\n");
    desk.good(&["seed", "--environment", "prod"]);
    let finished = desk.fiveply.good(&["promote", "dev", "prod", "--output", "json"]).unwrap();
    let moved: Value = serde_json::from_str(&finished.stdout).unwrap();
    let nodes: Vec<&str> = moved["moves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["node"].as_str().unwrap())
        .collect();
    assert!(!nodes.contains(&"seed.shop.orders"), "{nodes:?}");
    assert!(finished.stderr.contains("was computed from a version of"), "{}", finished.stderr);
    assert_eq!(desk.rows_of(PROD, "select amount from main.orders"), ["100"]);
}

#[test]
fn parents_that_are_not_built_here_are_read_where_they_are() {
    let desk = shop();
    desk.add(CHANGED);
    let arguments = ["build", "--environment", "dev", "--select", "customers", "total"];
    let mut deferred = arguments.to_vec();
    deferred.extend(["--defer-to", "prod"]);
    desk.good(&deferred);
    assert_eq!(total(&desk, DEV), ["40"]);
    let tables = desk.lines(&["environment", "list"]);
    assert!(tables.iter().any(|line| line.starts_with("dev") && line.contains("2 tables")));
    let again = desk.good(&[&deferred[..], &["--changed"]].concat());
    assert_eq!(again.json["nodes"].as_array().unwrap().len(), 0, "{:#}", again.json);
    let said = desk.refused(&["build", "--defer-to", "nowhere"]);
    assert!(said.contains("environment \"nowhere\" holds no table"), "{said}");
}

#[test]
fn a_difference_names_columns_rows_and_samples() {
    let desk = shop();
    desk.add("-- seeds/orders.csv --\nid,customer,amount\n1,ada,13\n2,ben,\n4,dan,1\n5,eve,2\n");
    desk.good(&["build", "--environment", "prod"]);
    let found = json(&desk, &["diff", "prod@-1", "prod", "customers"]);
    assert_eq!(found["rows"], serde_json::json!({"one": 3, "other": 4}));
    assert_eq!((&found["shared"], &found["removed"]), (&2.into(), &1.into()));
    assert_eq!((&found["added"], &found["changed"]), (&2.into(), &2.into()));
    let column = |name: &str| {
        let columns = found["columns"].as_array().unwrap();
        columns.iter().find(|column| column["name"] == name).unwrap().clone()
    };
    assert_eq!(column("amount")["match"], 0.0, "{found:#}");
    assert_eq!(column("customer")["match"], 1.0);
    assert_eq!(found["samples"]["changed"][0]["columns"]["amount"], serde_json::json!([12, 13]));
    assert_eq!(found["samples"]["changed"][1]["columns"]["amount"], serde_json::json!([8, null]));
    assert_eq!(found["samples"]["removed"][0]["id"], 3);

    let finished = desk.fiveply.run(&["diff", "prod@-1", "prod", "customers", "--check"]).unwrap();
    assert_eq!(finished.code, Some(1));
    for line in
        ["customers: prod@-1 against prod", "keys whose rows differ", "id 1: amount 12 -> 13"]
    {
        assert!(finished.stdout.contains(line), "{}", finished.stdout);
    }
    // The seed has no key: rows are compared whole, as often as they stand.
    let found = json(&desk, &["diff", "prod@-1", "prod", "orders"]);
    assert_eq!((&found["shared"], &found["removed"]), (&0.into(), &3.into()), "{found:#}");
    let said = desk.refused(&["diff", "prod", "prod", "customers", "--key", "nr"]);
    assert!(said.contains("key column \"nr\" is not in both versions"), "{said}");
    let said = desk.refused(&["diff", "prod", "elsewhere", "customers"]);
    assert!(said.contains("is not published in \"elsewhere\""), "{said}");
    let same = json(&desk, &["diff", "prod", "prod", "stg", "--check"]);
    assert_eq!(same["same"], true, "views are compared too");
}
