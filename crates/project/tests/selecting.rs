//! Selection, in dbt's grammar.

use project::{IndirectSelection, Project, Selection};

use crate::fixture::{clean, selected};

fn shop() -> Project {
    clean(
        r#"
//- dbt_project.yml
name: shop
//- ingest/app.yml
connection: {type: files, path: data}
streams: [{name: raw, files: "*.csv"}]
//- seeds/zones.csv
id
1
//- models/staging/stg_a.sql
{{ config(tags=['raw', 'nightly']) }} select * from {{ source('app', 'raw') }}
//- models/staging/stg_b.sql
{{ config(tags='raw', meta={'team': 'core'}) }} select * from {{ ref('zones') }}
//- models/marts/mart.sql
{{ config(materialized='table') }} select * from {{ ref('stg_a') }}, {{ ref('stg_b') }}
//- models/marts/report.sql
select * from {{ ref('mart') }}
//- models/schema.yml
groups: [{name: finance, owner: {name: Fi}}]
models:
  - name: mart
    group: finance
    columns: [{name: id, tests: [not_null, {unique: {config: {tags: slow}}}]}]
  - name: stg_a
    columns: [{name: id, tests: [{relationships: {to: ref('mart'), field: id}}]}]
exposures:
  - {name: board, type: dashboard, owner: {name: Bo}, depends_on: [ref('report')]}
//- tests/whole.sql
select * from {{ ref('mart') }} where id < 0
"#,
    )
}

const NOT_NULL: &str = "not_null_mart_id";
const RELATION: &str = "relationships_stg_a_id__id__ref_mart_";
const UNIQUE: &str = "unique_mart_id";

#[test]
fn names_paths_files_and_tags() {
    let shop = shop();
    let mart = ["mart", NOT_NULL, RELATION, UNIQUE, "whole"];
    let sorted = |select: &[&str]| {
        let mut names = selected(&shop, select, &[]);
        names.sort();
        names
    };
    assert_eq!(sorted(&["mart"]), mart);
    assert_eq!(sorted(&["shop.marts.mart"]), mart);
    assert_eq!(sorted(&["marts.mart"]), mart);
    assert_eq!(sorted(&["path:models/marts,mart"]), mart);
    assert_eq!(sorted(&["models/marts/mart.sql"]), mart);
    assert_eq!(sorted(&["file:mart.sql"]), mart);
    assert_eq!(sorted(&["mart.sql"]), mart);
    assert_eq!(sorted(&["staging"]), [RELATION, "stg_a", "stg_b"]);
    assert_eq!(sorted(&["staging.stg_*"]), [RELATION, "stg_a", "stg_b"]);
    assert_eq!(sorted(&["tag:raw"]), [RELATION, "stg_a", "stg_b"]);
    assert_eq!(sorted(&["tag:raw,tag:nightly"]), [RELATION, "stg_a"]);
    assert_eq!(sorted(&["tag:slow"]), [UNIQUE]);
    assert_eq!(sorted(&["zones report"]), ["report", "zones"]);
    assert_eq!(sorted(&["zones", "report"]), ["report", "zones"]);
}

#[test]
fn methods() {
    let shop = shop();
    let one = |select: &str| selected(&shop, &[select], &[]);
    assert_eq!(one("source:app"), ["raw"]);
    assert_eq!(one("source:app.raw"), ["raw"]);
    assert_eq!(one("resource_type:seed"), ["zones"]);
    assert_eq!(one("exposure:board"), ["board"]);
    assert_eq!(one("test_type:singular"), ["whole"]);
    assert_eq!(one("test_name:unique"), [UNIQUE]);
    assert_eq!(one("config.meta.team:core"), ["stg_b"]);
    assert_eq!(one("config.materialized:table,file:mart.sql,test_name:unique"), [UNIQUE]);
    assert_eq!(one("group:finance,test_name:unique"), [UNIQUE]);
    assert_eq!(one("package:this,resource_type:seed"), ["zones"]);
    assert_eq!(one("test_type:generic,test_name:n*"), [NOT_NULL]);
}

#[test]
fn neighbours() {
    let shop = shop();
    let models = |select: &str, exclude: &[&str]| {
        let exclude: Vec<&str> = exclude.iter().copied().chain(["resource_type:test"]).collect();
        let mut names = selected(&shop, &[select], &exclude);
        names.sort();
        names
    };
    assert_eq!(models("+mart", &[]), ["mart", "raw", "stg_a", "stg_b", "zones"]);
    assert_eq!(models("1+mart", &[]), ["mart", "stg_a", "stg_b"]);
    assert_eq!(models("mart+", &[]), ["board", "mart", "report"]);
    assert_eq!(models("mart+1", &[]), ["mart", "report"]);
    assert_eq!(models("1+mart+1", &[]), ["mart", "report", "stg_a", "stg_b"]);
    assert_eq!(models("source:app+", &[]), ["board", "mart", "raw", "report", "stg_a"]);
    assert_eq!(
        models("@stg_a", &[]),
        ["board", "mart", "raw", "report", "stg_a", "stg_b", "zones"]
    );
    assert_eq!(models("+mart", &["stg_a+"]), ["raw", "stg_b", "zones"]);
    assert_eq!(models("+exposure:board", &["+mart"]), ["board", "report"]);
}

#[test]
fn which_tests_come_along() {
    let shop = shop();
    let with = |indirect| {
        let selection =
            Selection { select: vec!["stg_a".to_owned()], indirect, ..Selection::default() };
        shop.graph.select(&selection).unwrap().len()
    };
    assert_eq!(with(IndirectSelection::Eager), 2);
    assert_eq!(with(IndirectSelection::Cautious), 1);
    assert_eq!(with(IndirectSelection::Buildable), 1);
    assert_eq!(with(IndirectSelection::Empty), 1);
}

#[test]
fn facts_answer_for_what_happened() {
    let shop = shop();
    let mart = shop.graph.nodes.keys().find(|id| id.as_str() == "model.shop.mart").unwrap();
    let selection = Selection {
        select: vec!["result:error+1,resource_type:model".to_owned()],
        facts: [("result:error".to_owned(), [mart.clone()].into())].into(),
        ..Selection::default()
    };
    let found = shop.graph.select(&selection).unwrap();
    assert_eq!(found.len(), 2 + 4);
}

#[test]
fn wrong_selectors_say_what_to_do() {
    let shop = shop();
    let mut text = String::new();
    let wrong = ["marts.mrt", "tagg:raw", "tag:nightli", "@+mart", "tag:", "state:modified", "é+"];
    for select in wrong {
        let selection = Selection { select: vec![select.to_owned()], ..Selection::default() };
        let problem = shop.graph.select(&selection).unwrap_err();
        text.push_str(&crate::fixture::drawn(&[*problem]));
    }
    insta::assert_snapshot!(text);
}
