//! `--log-format`, `--log-level` and `logs/dbt.log`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::SHOP;
use crate::behaviour::Desk;

fn events(stdout: &str) -> Vec<Value> {
    stdout
        .lines()
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{stdout}"))
        })
        .collect()
}

fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["info"]["name"] == name).collect()
}

#[test]
fn every_line_of_a_build_is_an_event_of_dbts_name_and_shape() {
    let desk = Desk::new("duckdb", SHOP);
    let finished = desk.fiveply.good(&["build", "--log-format", "json", "--log-level", "debug"]);
    let finished = finished.unwrap();
    let events = events(&finished.stdout);
    for name in [
        "MainReportVersion",
        "MainReportArgs",
        "FoundStats",
        "ConcurrencyLine",
        "NodeStart",
        "LogStartLine",
        "JinjaLogInfo",
        "LogSeedResult",
        "LogModelResult",
        "LogSnapshotResult",
        "LogTestResult",
        "NodeFinished",
        "FinishedRunningStats",
        "EndOfRunSummary",
        "RunResultWarning",
        "RunResultWarningMessage",
        "StatsLine",
        "CommandCompleted",
    ] {
        assert!(!named(&events, name).is_empty(), "no {name} in\n{}", finished.stdout);
    }
    let codes: BTreeMap<&str, &str> = events
        .iter()
        .map(|event| {
            (event["info"]["name"].as_str().unwrap(), event["info"]["code"].as_str().unwrap())
        })
        .collect();
    // As dbt-core 1.12.6 numbers them.
    for (name, code) in [
        ("MainReportVersion", "A001"),
        ("FoundStats", "W006"),
        ("ConcurrencyLine", "Q027"),
        ("LogStartLine", "Q011"),
        ("LogSeedResult", "Q016"),
        ("LogModelResult", "Q012"),
        ("LogSnapshotResult", "Q015"),
        ("LogTestResult", "Q007"),
        ("NodeStart", "Q024"),
        ("NodeFinished", "Q025"),
        ("JinjaLogInfo", "I062"),
        ("FinishedRunningStats", "E047"),
        ("EndOfRunSummary", "Z030"),
        ("StatsLine", "Z023"),
        ("CommandCompleted", "Q039"),
    ] {
        assert_eq!(codes[name], code, "{name}");
    }
    for event in &events {
        let info = &event["info"];
        for key in ["category", "code", "invocation_id", "level", "msg", "name", "thread", "ts"] {
            assert!(info[key].is_string(), "{key} of {event}");
        }
        assert!(info["pid"].is_u64() && info["extra"].is_object() && event["data"].is_object());
    }
    let model = named(&events, "LogModelResult");
    let table = model.iter().find(|event| event["data"]["node_info"]["node_name"] == "open_orders");
    let table = table.unwrap();
    assert_eq!(table["data"]["description"], "sql table model main.open_orders");
    assert_eq!(table["data"]["node_info"]["unique_id"], "model.shop.open_orders");
    assert_eq!(table["data"]["node_info"]["node_status"], "success");
    assert!(table["info"]["msg"].as_str().unwrap().contains("OK created sql table model"));
    assert_eq!(named(&events, "LogTestResult").len(), 3, "each test once");
    let stats = &named(&events, "StatsLine")[0]["data"]["stats"];
    assert_eq!((stats["error"].clone(), stats["warn"].clone()), (0.into(), 1.into()));
    let results = std::fs::read_to_string(desk.folder.path().join("target/run_results.json"));
    let results: Value = serde_json::from_str(&results.unwrap()).unwrap();
    assert_eq!(
        results["metadata"]["invocation_id"], events[0]["info"]["invocation_id"],
        "the log and the files have one id"
    );
}

#[test]
fn a_failed_model_is_told_of_with_its_reason_and_what_is_skipped() {
    let desk = Desk::new("duckdb", SHOP);
    desk.add("-- models/below.sql --\nselect * from {{ ref('broken') }}\n");
    let finished = desk
        .fiveply
        .run(&["build", "--vars", "{with_broken: true}", "--log-format", "json"])
        .unwrap();
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    let events = events(&finished.stdout);
    let failed = named(&events, "LogModelResult");
    let failed = failed.iter().find(|event| event["info"]["level"] == "error").unwrap();
    assert_eq!(failed["data"]["status"], "ERROR");
    assert!(named(&events, "RunResultError")[0]["data"]["msg"].as_str().unwrap().contains("ada"));
    assert_eq!(named(&events, "SkippingDetails")[0]["data"]["node_name"], "below");
    assert!(named(&events, "NodeStart").is_empty(), "debug events are not shown at level info");
    let refused =
        desk.fiveply.run(&["run", "--target", "nowhere", "--log-format", "json"]).unwrap();
    assert_eq!(refused.code, Some(2));
    let events = self::events(&refused.stdout);
    assert!(named(&events, "MainEncounteredError")[0]["info"]["level"] == "error");
}

#[test]
fn what_templates_say_is_an_event_and_can_be_kept_quiet() {
    let desk = Desk::new("duckdb", SHOP);
    let mark = ["run-operation", "mark", "--args", "{word: x}"];
    let json = desk.fiveply.good(&[&mark[..], &["--log-format", "json"]].concat()).unwrap();
    let events = events(&json.stdout);
    assert_eq!(named(&events, "PrintEvent")[0]["info"]["msg"], "printed x");
    assert_eq!(named(&events, "JinjaLogInfo")[0]["data"]["msg"], "logged x");
    assert_eq!(named(&events, "JinjaLogWarning")[0]["info"]["level"], "warn");
    let text = desk.fiveply.good(&[&mark[..], &["--log-format", "text", "-q"]].concat()).unwrap();
    assert_eq!(text.stdout, "printed x\n", "print is shown however quiet a command is");
    let silent = desk.fiveply.good(&[&mark[..], &["--no-print"]].concat()).unwrap();
    assert!(!silent.stdout.contains("printed x"), "{silent:#?}");
    let lines = desk.fiveply.good(&["ls", "-s", "after", "--log-format", "json", "-q"]).unwrap();
    let lines = self::events(&lines.stdout);
    assert_eq!(lines[0]["info"]["name"], "PrintEvent");
    assert_eq!(lines[0]["info"]["msg"], "shop.after");
}

#[test]
fn the_file_holds_what_the_console_leaves_out_and_hides_secrets() {
    let desk = Desk::new("duckdb", SHOP);
    desk.add("-- models/secret.sql --\n{{ log('a ' ~ env_var('PLAIN', '')) }} select 1 as one\n");
    let fiveply = desk.fiveply.clone();
    let fiveply = fiveply
        .with_variable("DBT_ENV_SECRET_KEY", "hush-hush")
        .with_variable("PLAIN", "hush-hush");
    let finished = fiveply.good(&["run", "-s", "secret", "--log-level", "error"]).unwrap();
    assert_eq!(finished.stdout, "");
    let log = std::fs::read_to_string(desk.folder.path().join("logs/dbt.log")).unwrap();
    assert!(log.contains("============================== "), "{log}");
    assert!(log.contains("[debug] [Thread-1 (]: Began running node model.shop.secret"), "{log}");
    assert!(log.contains("Command `dbt run` succeeded"), "{log}");
    assert!(log.contains("a *****") && !log.contains("hush-hush"), "{log}");
    desk.fiveply.good(&["ls", "--log-path", "elsewhere", "--log-format-file", "json"]).unwrap();
    let log = std::fs::read_to_string(desk.folder.path().join("elsewhere/dbt.log")).unwrap();
    assert!(!events(&log).is_empty());
    desk.fiveply.good(&["ls", "--log-path", "none", "--log-level-file", "none"]).unwrap();
    assert!(!desk.folder.path().join("none").exists());
}

#[test]
fn no_files_are_left_where_none_are_wanted() {
    let desk = Desk::new("duckdb", SHOP);
    desk.good(&["build", "-s", "orders", "open_orders", "--no-write-json"]);
    assert!(!desk.folder.path().join("target/manifest.json").exists());
    assert!(!desk.folder.path().join("target/run_results.json").exists());
}
