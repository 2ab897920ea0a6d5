//! Choosing nodes, listing, compiling, variables, environments and exit codes.

use serde_json::Value;

use super::Desk;

const GRAPH: &str = r#"
-- dbt_project.yml --
name: shop
models: {shop: {staging: {+tags: [daily]}, marts: {+materialized: table}}}
-- seeds/raw.csv --
id
1
2
-- models/staging/stg.sql --
select id from {{ ref('raw') }}
-- models/staging/loaded.sql --
select id from {{ source('app', 'signups') }}
-- models/marts/a.sql --
select id from {{ ref('stg') }}
-- models/marts/b.sql --
select id from {{ ref('a') }}
-- models/marts/c.sql --
select x.id from {{ ref('b') }} x join {{ ref('side') }} s on x.id = s.id
-- models/marts/side.sql --
{{ config(tags=['weekly', 'heavy']) }}
select 1 as id
-- models/schema.yml --
sources: [{name: app, schema: main, tables: [{name: signups, identifier: raw}]}]
models:
  - name: a
    columns: [{name: id, tests: [unique]}]
"#;

#[test]
fn selectors_choose_what_dbt_chooses() {
    let desk = Desk::new("duckdb", GRAPH);
    let chosen = |arguments: &[&str]| {
        let mut all = vec!["ls", "--resource-type", "model", "seed", "source"];
        all.extend(arguments);
        let last = |line: String| line.rsplit('.').next().unwrap_or_default().to_owned();
        let mut names: Vec<String> = desk.lines(&all).into_iter().map(last).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(chosen(&[]), "a b c loaded raw side signups stg");
    assert_eq!(chosen(&["--select", "+a"]), "a raw stg");
    assert_eq!(chosen(&["--select", "a+"]), "a b c");
    assert_eq!(chosen(&["--select", "1+b+1"]), "a b c");
    assert_eq!(chosen(&["--select", "@b"]), "a b c raw side stg");
    assert_eq!(chosen(&["-s", "tag:daily"]), "loaded stg");
    assert_eq!(chosen(&["-s", "tag:daily", "tag:weekly"]), "loaded side stg");
    assert_eq!(chosen(&["-s", "tag:weekly,tag:heavy"]), "side");
    assert_eq!(chosen(&["-m", "path:models/marts", "--exclude", "b+"]), "a side");
    assert_eq!(chosen(&["-s", "models/staging"]), "loaded stg");
    assert_eq!(chosen(&["-s", "source:app+"]), "loaded signups");
    assert_eq!(chosen(&["-s", "config.materialized:view"]), "loaded stg");
    assert_eq!(chosen(&["-s", "resource_type:seed+", "--exclude", "shop.marts"]), "raw stg");
    assert_eq!(chosen(&["-s", "*.side"]), "side");
}

#[test]
fn listing_shows_paths_or_json() {
    let desk = Desk::new("duckdb", GRAPH);
    let expected = ["shop.marts.a", "shop.raw", "shop.staging.stg", "shop.unique_a_id"];
    assert_eq!(desk.lines(&["ls", "-s", "+a"]), expected);
    assert_eq!(desk.lines(&["list", "--resource-type", "source"]), ["source:shop.app.signups"]);
    let lines = desk.lines(&["ls", "-s", "a", "raw", "--output", "json"]);
    assert_eq!(lines.len(), 3, "one line for each node: {lines:#?}");
    let node: Value = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|node| node["unique_id"] == "model.shop.a")
        .unwrap();
    assert_eq!(node["config"]["materialized"], "table");
    assert_eq!(node["depends_on"]["nodes"][0], "model.shop.stg");
    assert_eq!(desk.lines(&["ls", "-s", "a", "--output", "name"]), ["a", "unique_a_id"]);
    let refused = desk.refused(&["ls", "--resource-type", "modl"]);
    assert!(refused.contains("there is no kind \"modl\""), "{refused}");
}

#[test]
fn exit_codes_tell_a_failed_node_from_a_wrong_command() {
    let desk = Desk::new("duckdb", GRAPH);
    desk.good(&["seed"]);
    desk.good(&["build"]);
    // One way round a selection that means nothing: dbt warns and does nothing.
    let finished = desk.fiveply.run(&["build", "--select", "nobody"]).unwrap();
    assert!(finished.stderr.contains("nobody"), "{finished:#?}");
    desk.refused(&["build", "--no-such-flag"]);
    desk.refused(&["query", "select * from absent"]);
    desk.refused(&["run", "--vars", "7"]);
    desk.add("-- models/broken.sql --\nselect {{ ref('absnt') }\n");
    let refused = desk.refused(&["build"]);
    assert!(refused.contains("models/broken.sql:1"), "{refused}");
    desk.add("-- models/broken.sql --\nselect 1 / 0 as x from {{ ref('absnt') }}\n");
    let refused = desk.refused(&["run"]);
    assert!(refused.contains("absnt"), "{refused}");
    desk.add("-- models/broken.sql --\nselect cast('x' as integer) as x from {{ ref('a') }}\n");
    desk.add(
        "-- models/read.sql --\n{{ config(materialized='table') }}\nselect * from \
              {{ ref('broken') }}\n",
    );
    let told = desk.bad(&["run"]);
    assert_eq!(told.node("read")["status"], "failed");
}

#[test]
fn compile_prints_the_sql_that_would_run() {
    let desk = Desk::new(
        "postgres",
        r#"
-- models/a.sql --
{{ config(materialized='incremental') }}
select {{ var('n', 3) }} as n{% if is_incremental() %} where true{% endif %}
-- models/e.sql --
{{ config(materialized='ephemeral') }} select 1 as one
-- models/b.sql --
select a.n, e.one from {{ ref('a') }} a cross join {{ ref('e') }} e
"#,
    );
    let sql = |arguments: &[&str]| {
        let finished = desk.fiveply.good(arguments).unwrap();
        finished.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(sql(&["compile", "-s", "a"]), "select 3 as n");
    assert_eq!(sql(&["compile", "-s", "a", "--vars", "{n: 4}"]), "select 4 as n");
    let b = sql(&["compile", "-s", "b"]);
    assert!(b.contains("with __dbt__cte__e as ("), "{b}");
    assert!(b.contains(r#"from "prod"."main"."a" a cross join __dbt__cte__e e"#), "{b}");
    desk.good(&["run"]);
    assert_eq!(sql(&["compile", "-s", "a"]), "select 3 as n where true");
    assert_eq!(sql(&["compile", "-s", "a", "--full-refresh"]), "select 3 as n");
    let kept = desk.folder.path().join("target/compiled/shop/models/a.sql");
    assert!(std::fs::read_to_string(kept).unwrap().contains("select 3 as n"));
    assert_eq!(desk.rows("select n from a"), ["3"], "compiling builds nothing");
}

#[test]
fn targets_are_environments_in_one_ledger() {
    let desk = Desk::new(
        "duckdb",
        r#"
-- dbt_project.yml --
name: shop
profile: shop
-- fiveply.yml --
{}
-- profiles.yml --
shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: dev.duckdb, schema: mine, threads: 2}
    prod: {type: duckdb, path: prod.duckdb}
-- models/a.sql --
{{ config(materialized='table') }}
select '{{ target.name }}' as target, '{{ this.schema }}' as space, {{ var('n', 1) }} as n
-- models/reader.sql --
select target, n from {{ ref('a') }}
"#,
    );
    desk.good(&["build"]);
    desk.good(&["build", "--target", "prod"]);
    desk.good(&["build", "--vars", "{n: 2}"]);
    assert_eq!(desk.rows("select target, space, n from mine.a"), ["dev mine 2"]);
    assert_eq!(desk.rows_of(&["-t", "prod"], "select target, n from main.reader"), ["prod 1"]);
    let told = desk.good(&["run", "-t", "prod", "--environment", "copy", "-s", "a"]);
    assert_eq!(told.json["environment"], "copy");
    assert_eq!(desk.rows_of(&["-t", "prod", "--environment", "copy"], "select n from a"), ["1"]);
    assert_eq!(desk.versions("dev", "mine.a").len(), 2);
    assert_eq!(desk.versions("prod", "main.a").len(), 1);
    let told = desk.told(&["debug"]);
    assert_eq!(told.json["environments"], "copy, dev, prod");
    let refused = desk.refused(&["run", "--target", "prd"]);
    assert!(refused.contains("prod"), "the near name is offered: {refused}");
}

#[test]
fn a_builds_json_names_versions_inputs_and_tests() {
    let desk = Desk::new("duckdb", GRAPH);
    desk.good(&["seed"]);
    let told = desk.good(&["build"]);
    assert_eq!(told.json["command"], "build");
    assert_eq!(told.json["status"], "succeeded");
    assert_eq!(told.json["environment"], "prod");
    let a = told.node("a");
    assert_eq!(a["table"], "main.a");
    assert_eq!(a["rows"], 2);
    assert_eq!(a["account"]["after"], 2);
    assert!(a["snapshot_id"].is_i64());
    let inputs: Vec<String> =
        a["inputs"].as_array().unwrap().iter().map(|one| one["table"].to_string()).collect();
    assert!(inputs.iter().any(|table| table.contains("raw")), "{:#}", a["inputs"]);
    assert_eq!(a["tests"][0]["status"], "passed");
    assert_eq!(told.node("raw")["load"]["read"], 2);
}
