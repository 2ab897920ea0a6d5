//! `fiveply lineage`: columns followed up to sources and down to what reads them.

use serde_json::Value;

use super::Desk;

const SHOP: &str = r#"
-- seeds/orders.csv --
id,customer,amount,status
1,ada,12,paid
2,ben,8,open
-- models/stg.sql --
{{ config(materialized='view') }}
with raw as (select * from {{ ref('orders') }})
select id, customer, cast(amount as bigint) as cents from raw where status = 'paid'
-- models/inlined.sql --
{{ config(materialized='ephemeral') }}
select customer as who, cents from {{ ref('stg') }}
union all
select 'nobody', 0
-- models/totals.sql --
{{ config(materialized='table') }}
select who, sum(cents) as total, row_number() over (order by who) as place
from {{ ref('inlined') }} group by who
-- models/report.sql --
select t.who, t.total * 2 as twice from {{ ref('totals') }} t
left join {{ ref('stg') }} s on s.customer = t.who
-- models/schema.yml --
models:
  - name: totals
    columns:
      - {name: total, data_tests: [not_null]}
      - {name: who, data_tests: [unique]}
exposures:
  - name: board
    type: dashboard
    owner: {name: Ada}
    depends_on: [ref('report')]
"#;

fn lineage(desk: &Desk, arguments: &[&str]) -> Value {
    let mut all = vec!["lineage"];
    all.extend(arguments);
    all.extend(["--output", "json"]);
    serde_json::from_str(&desk.fiveply.good(&all).unwrap().stdout).unwrap()
}

/// Hops as `from -> to how`, without kinds and packages.
fn hops(edges: &Value) -> Vec<String> {
    let place = |place: &Value| {
        let node = place["node"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
        format!("{node}.{}", place["column"].as_str().unwrap())
    };
    let edge = |edge: &Value| {
        format!(
            "{} -> {} {}",
            place(&edge["from"]),
            place(&edge["to"]),
            edge["how"].as_str().unwrap()
        )
    };
    edges.as_array().unwrap().iter().map(edge).collect()
}

#[test]
fn a_column_is_followed_through_views_ephemeral_models_unions_and_aggregates() {
    let desk = Desk::new("duckdb", SHOP);
    desk.good(&["seed"]);
    // Nothing but the seed is built: the SQL is planned, not run.
    let found = lineage(&desk, &["report.twice"]);
    assert_eq!(
        hops(&found["up"]),
        [
            "stg.cents -> totals.total aggregated",
            "totals.total -> report.twice computed",
            "orders.amount -> stg.cents cast",
        ]
    );
    let decides: Vec<&str> = found["decides"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["from"]["column"].as_str().unwrap())
        .collect();
    assert!(decides.contains(&"status"), "{found:#}");
    assert_eq!(found["readers"][0]["node"], "exposure.shop.board", "{found:#}");
    let down = lineage(&desk, &["orders.amount", "--down"]);
    assert_eq!(hops(&down["up"]), Vec::<String>::new());
    assert_eq!(hops(&down["down"]).len(), 3, "{down:#}");
    let readers: Vec<&str> = down["readers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["node"].as_str().unwrap())
        .collect();
    assert!(readers.iter().any(|one| one.starts_with("test.shop.not_null_totals_total")));
    assert!(!readers.iter().any(|one| one.starts_with("test.shop.unique")), "{readers:?}");
    assert!(readers.contains(&"exposure.shop.board"));
}

#[test]
fn a_whole_model_is_shown_and_hops_are_counted() {
    let desk = Desk::new("duckdb", SHOP);
    desk.good(&["build"]);
    let found = lineage(&desk, &["totals", "--up", "--depth", "1"]);
    assert_eq!(found["columns"].as_array().unwrap().len(), 3);
    let hops = hops(&found["up"]);
    assert!(hops.contains(&"stg.cents -> totals.total aggregated".to_owned()), "{hops:?}");
    assert!(hops.iter().all(|hop| hop.contains("-> totals.")), "{hops:?}");
    let text = desk.fiveply.good(&["lineage", "totals.total"]).unwrap().stdout;
    for line in ["totals.total", "comes from", "stg.cents", "seed orders.amount", "report.twice"] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn a_wrong_name_is_told_with_the_right_one() {
    let desk = Desk::new("duckdb", SHOP);
    desk.good(&["seed"]);
    let said = desk.refused(&["lineage", "total.total"]);
    assert!(said.contains("there is no model or column \"total.total\""), "{said}");
    assert!(said.contains("totals"), "{said}");
    let said = desk.refused(&["lineage", "totals.sum"]);
    assert!(said.contains("Its columns: who, total, place"), "{said}");
}

#[test]
fn the_manifest_of_docs_tells_where_columns_come_from() {
    let desk = Desk::new("duckdb", SHOP);
    desk.good(&["build"]);
    desk.fiveply.good(&["docs", "generate"]).unwrap();
    let path = desk.folder.path().join("target/manifest.json");
    let manifest: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let meta = &manifest["nodes"]["model.shop.totals"]["meta"]["fiveply_column_lineage"];
    assert_eq!(meta["total"][0]["node"], "model.shop.stg", "{meta:#}");
    assert_eq!(meta["total"][0]["column"], "cents");
    assert_eq!(meta["total"][0]["how"], "aggregated");
}
