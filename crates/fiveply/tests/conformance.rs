//! A dbt project built three times with changing sources: every status and every row must be what
//! dbt-core 1.12 with dbt-duckdb made of it. `conformance/expect.py` makes the expectations; the
//! test itself needs no dbt.

mod kills;

use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::{Fiveply, Folder};

#[test]
fn a_dbt_project_gives_what_dbt_gave_over_three_runs() {
    let here = here();
    let folder = Folder::empty().unwrap();
    copy(&here.join("project"), folder.path());
    let fiveply = Fiveply::new(env!("CARGO_BIN_EXE_fiveply"), folder.path());
    let queries = std::fs::read_to_string(here.join("queries.txt")).unwrap();
    let mut lines = Vec::new();
    for run in 1..=3 {
        copy(&here.join(format!("changes/{run}")), folder.path());
        fiveply.run(&["build", "--no-audit"]).unwrap();
        lines.push(format!("# run {run}"));
        lines.extend(statuses(folder.path()));
        let arguments = format!("{{count: {run}}}");
        fiveply.good(&["run-operation", "fill", "--args", &arguments]).unwrap();
        for line in queries.lines() {
            let (name, sql) = line.split_once(": ").unwrap();
            lines.extend(rows(&fiveply, name, sql));
        }
    }
    let expected = std::fs::read_to_string(here.join("expected.txt")).unwrap();
    let expected: Vec<&str> = expected.lines().collect();
    let found: Vec<&str> = lines.iter().map(String::as_str).collect();
    let missing: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
    let extra: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
    assert!(found == expected, "dbt alone: {missing:#?}\nfiveply alone: {extra:#?}");
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

fn statuses(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("target/run_results.json")).unwrap();
    let read: Value = serde_json::from_str(&text).unwrap();
    let mut lines: Vec<String> = read["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let failures = one["failures"].as_u64().unwrap_or(0);
            let (id, status) = (one["unique_id"].as_str(), one["status"].as_str());
            format!("{} {} {failures}", id.unwrap(), status.unwrap())
        })
        .collect();
    lines.sort();
    lines
}

fn rows(fiveply: &Fiveply, name: &str, sql: &str) -> Vec<String> {
    let arguments = ["query", "--format", "json", "--limit", "0", sql];
    let finished = fiveply.run(&arguments).unwrap();
    if finished.code != Some(0) {
        return vec![format!("{name}: (refused)")];
    }
    let mut lines: Vec<String> = finished
        .stdout
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let row: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
            let value = row.values().next().and_then(Value::as_str).unwrap_or("None");
            format!("{name}: {value}")
        })
        .collect();
    lines.sort();
    if lines.is_empty() {
        lines.push(format!("{name}: (no rows)"));
    }
    lines
}

/// Lays a folder over another; one that does not exist adds nothing.
fn copy(from: &Path, to: &Path) {
    let Ok(entries) = std::fs::read_dir(from) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
