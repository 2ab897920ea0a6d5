//! The files of `target/`, read by a library that others read them with.

use std::process::Command;

use serde_json::Value;

use super::SHOP;
use crate::behaviour::Desk;
use crate::pages::python;

const METRICS: &str = r#"
-- models/days.sql --
select cast('2026-05-01' as date) as date_day
-- models/metrics.yml --
models:
  - name: days
    time_spine: {standard_granularity_column: date_day}
    columns: [{name: date_day, granularity: day}]
semantic_models:
  - name: orders
    model: ref('open_orders')
    defaults: {agg_time_dimension: changed_at}
    entities: [{name: order, type: primary, expr: id}]
    dimensions:
      - {name: changed_at, type: time, type_params: {time_granularity: day}}
      - {name: customer, type: categorical}
    measures:
      - {name: order_count, agg: count, expr: id}
metrics:
  - name: order_count
    label: Orders
    type: simple
    type_params: {measure: order_count}
  - name: twice
    label: Twice
    type: derived
    type_params: {expr: order_count * 2, metrics: [{name: order_count}]}
    filter: "{{ Dimension('order__customer') }} = 'ada'"
saved_queries:
  - name: weekly
    query_params: {metrics: [order_count], group_by: ["TimeDimension('metric_time', 'week')"]}
"#;

const READ: &str = r#"
import json, sys
from dbt_artifacts_parser import parser
read = lambda name: json.load(open("target/" + name + ".json"))
manifest = parser.parse_manifest_v12(read("manifest"))
results = parser.parse_run_results_v6(read("run_results"))
catalog = parser.parse_catalog_v1(read("catalog"))
sources = parser.parse_sources_v3(read("sources"))
print(json.dumps({
    "models": sorted(key for key in manifest.nodes if key.startswith("model.")),
    "sources": sorted(manifest.sources),
    "exposures": sorted(manifest.exposures),
    "metrics": sorted(manifest.metrics),
    "unit_tests": sorted(manifest.unit_tests),
    "results": sorted(result.unique_id for result in results.results),
    "catalog": sorted(catalog.nodes),
    "fresh": [str(result.status.value) for result in sources.results],
}))
"#;

fn read_back(desk: &Desk) -> Value {
    let output =
        Command::new(python()).args(["-c", READ]).current_dir(desk.folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn dbt_artifacts_parser_reads_what_commands_leave() {
    let desk = Desk::new("duckdb", SHOP);
    desk.add(METRICS);
    desk.good(&["build"]);
    let results = desk.folder.path().join("target/run_results.json");
    let kept = std::fs::read(&results).unwrap();
    desk.fiveply.good(&["docs", "generate"]).unwrap();
    desk.fiveply.good(&["source", "freshness"]).unwrap();
    std::fs::write(&results, kept).unwrap();
    let read = read_back(&desk);
    let models = ["model.shop.after", "model.shop.days", "model.shop.open_orders"];
    assert_eq!(read["models"], serde_json::json!(models));
    assert_eq!(read["sources"], serde_json::json!(["source.shop.app.orders"]));
    assert_eq!(read["exposures"], serde_json::json!(["exposure.shop.board"]));
    assert_eq!(
        read["metrics"],
        serde_json::json!(["metric.shop.order_count", "metric.shop.twice"])
    );
    assert_eq!(read["fresh"], serde_json::json!(["pass"]));
    assert!(read["results"].as_array().unwrap().len() >= 8, "{read:#}");
    assert!(read["catalog"].as_array().unwrap().contains(&"model.shop.after".into()), "{read:#}");
}

#[test]
fn the_semantic_manifest_is_the_one_of_metricflow() {
    let desk = Desk::new("duckdb", SHOP);
    desk.add(METRICS);
    desk.good(&["build"]);
    let text = std::fs::read_to_string(desk.folder.path().join("target/semantic_manifest.json"));
    let read: Value = serde_json::from_str(&text.unwrap()).unwrap();
    insta::assert_json_snapshot!(read);
}

#[test]
fn the_documentation_is_a_page_that_is_served_or_stands_alone() {
    use std::io::{BufRead, BufReader, Read, Write};
    let desk = Desk::new("duckdb", SHOP);
    let refused = desk.refused(&["docs", "serve", "--no-browser"]);
    assert!(refused.contains("fiveply docs generate"), "{refused}");
    desk.good(&["seed"]);
    desk.fiveply.good(&["docs", "generate", "--static"]).unwrap();
    let target = desk.folder.path().join("target");
    let alone = std::fs::read_to_string(target.join("static_index.html")).unwrap();
    assert!(alone.contains("window.held = {manifest: {"), "the files are in the page");

    let mut server = Command::new(env!("CARGO_BIN_EXE_fiveply"))
        .args(["docs", "serve", "--no-browser", "--port", "0"])
        .current_dir(desk.folder.path())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap().split(';').next().unwrap().to_owned();
    let get = |path: &str| {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let (page, manifest, outside) = (get("/"), get("/manifest.json"), get("/../profiles.yml"));
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(page.contains("200 OK") && page.contains("<title>Documentation</title>"), "{page}");
    assert!(manifest.contains("application/json") && manifest.contains("model.shop.after"));
    assert!(outside.contains("404"), "{outside}");
}
