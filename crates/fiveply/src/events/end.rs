//! What is said at a run's beginning and end: what was found, what became of it, how long it took.

use std::time::Duration;

use base::system::SystemClock;
use base::{Clock, NodeId};
use ledger::StepStatus;
use project::{Node, NodeKind, Project};
use serde_json::{Value, json};
use transformation::{StepReport, TestReport};

use super::{Event, LOG, fire, moment, nodes};
use crate::arguments::LogLevel;

/// Kinds in dbt's order of counting.
const COUNTED: &[(NodeKind, &str)] = &[
    (NodeKind::Model, "model"),
    (NodeKind::Analysis, "analysis"),
    (NodeKind::Snapshot, "snapshot"),
    (NodeKind::Seed, "seed"),
    (NodeKind::Operation, "operation"),
    (NodeKind::Test, "data test"),
    (NodeKind::Source, "source"),
    (NodeKind::Exposure, "exposure"),
    (NodeKind::Metric, "metric"),
    (NodeKind::SemanticModel, "semantic model"),
    (NodeKind::SavedQuery, "saved query"),
    (NodeKind::UnitTest, "unit test"),
];

/// What a project holds.
pub(super) fn found(project: &Project) {
    let count = |kind| project.graph.nodes.values().filter(|node| node.kind == kind).count();
    let parts: Vec<(usize, String)> =
        COUNTED.iter().map(|(kind, word)| (count(*kind), (*word).to_owned())).collect();
    let line = nodes::counted(&parts);
    fire(
        Event::new("FoundStats", "W006", format!("Found {line}")).with(json!({"stat_line": line})),
    );
}

/// What came of one node or test, as dbt counts it.
struct Result<'a> {
    node: Option<&'a Node>,
    id: &'a NodeId,
    status: &'static str,
    message: Option<&'a str>,
}

fn results<'a>(project: &'a Project, reports: &'a [StepReport]) -> Vec<Result<'a>> {
    let mut found = Vec::new();
    for report in reports {
        let node = project.graph.node(&report.node);
        let kind = node.map(|node| node.kind);
        let is_test = matches!(kind, Some(NodeKind::Test | NodeKind::UnitTest));
        let of_test = |test: &'a TestReport| Result {
            node: project.graph.node(&test.node),
            id: &test.node,
            status: super::steps::test_word(test.status),
            message: test.message.as_deref(),
        };
        match report.tests.first().filter(|_| is_test) {
            Some(test) => found.push(of_test(test)),
            None => {
                let status = match report.status {
                    StepStatus::Succeeded | StepStatus::Warned => "pass",
                    StepStatus::Failed | StepStatus::Interrupted => "error",
                    _ => "skip",
                };
                let message = report.message.as_deref();
                found.push(Result { node, id: &report.node, status, message });
                found.extend(report.tests.iter().map(of_test));
            }
        }
    }
    found
}

/// Tells how a run ended.
pub(crate) fn run_ended(project: &Project, reports: &[StepReport], elapsed: Duration) {
    if LOG.get().is_none() {
        return;
    }
    let results = results(project, reports);
    blank();
    fire(finished(&results, elapsed));
    let counts = |words: &[&str]| results.iter().filter(|one| words.contains(&one.status)).count();
    let (errors, warnings) = (counts(&["error", "fail"]), counts(&["warn"]));
    blank();
    let text = match (errors, warnings) {
        (0, 0) => "Completed successfully".to_owned(),
        (0, warnings) => format!("Completed with {}:", things(warnings, "warning")),
        (errors, warnings) => format!(
            "Completed with {}, 0 partial successes, and {}:",
            things(errors, "error"),
            things(warnings, "warning")
        ),
    };
    fire(Event::new("EndOfRunSummary", "Z030", text).with(json!({
        "num_errors": errors, "num_warnings": warnings, "num_partial_success": 0,
        "keyboard_interrupt": false,
    })));
    for one in &results {
        match one.status {
            "error" | "fail" => trouble(one),
            "warn" => warned(one),
            _ => {}
        }
    }
    blank();
    let stats = json!({
        "pass": counts(&["pass"]), "warn": warnings, "error": errors,
        "skip": counts(&["skip", "skipped"]), "noop": 0, "reused": 0, "total": results.len(),
    });
    let text = format!(
        "Done. PASS={} WARN={} ERROR={} SKIP={} NO-OP=0 REUSED=0 TOTAL={}",
        stats["pass"], stats["warn"], stats["error"], stats["skip"], stats["total"]
    );
    fire(Event::new("StatsLine", "Z023", text).with(json!({"stats": stats})));
}

fn blank() {
    fire(Event::new("Formatting", "Z017", "").with(json!({"msg": ""})));
}

fn things(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn finished(results: &[Result<'_>], elapsed: Duration) -> Event {
    let mut parts: Vec<(usize, String)> = Vec::new();
    for node in results.iter().filter_map(|one| one.node) {
        let word = nodes::counted_as(node);
        match parts.iter_mut().find(|(_, known)| *known == word) {
            Some((number, _)) => *number += 1,
            None => parts.push((1, word)),
        }
    }
    parts.sort_by(|one, other| one.1.cmp(&other.1));
    let line = nodes::counted(&parts);
    let seconds = elapsed.as_secs_f64();
    let (minutes, rest) = (elapsed.as_secs() / 60, seconds % 60.0);
    let execution =
        format!(" in {} hours {} minutes and {rest:.2} seconds", minutes / 60, minutes % 60);
    let text = format!("Finished running {line}{execution} ({seconds:.2}s).");
    Event::new("FinishedRunningStats", "E047", text).with(json!({
        "stat_line": line, "execution": execution, "execution_time": seconds,
    }))
}

fn about(one: &Result<'_>, status: &str) -> (Value, String, String) {
    let info = one.node.map(|node| nodes::info(node, status, None, None)).unwrap_or_default();
    let name = one.node.map_or_else(|| one.id.to_string(), |node| node.name.clone());
    let path = one.node.map(|node| node.path.clone()).unwrap_or_default();
    (info, name, path)
}

fn trouble(one: &Result<'_>) {
    let (info, name, path) = about(one, one.status);
    let kind = one.node.map_or("operation", |node| node.kind.word());
    blank();
    let word = if one.status == "fail" { "Failure" } else { "Error" };
    let text = format!("[ERROR]: {word} in {kind} {name} ({path})");
    fire(Event::new("RunResultFailure", "Z022", text).at(LogLevel::Error).with(json!({
        "node_info": info, "node_name": name, "path": path, "resource_type": kind,
    })));
    let message = one.message.unwrap_or("no message");
    fire(
        Event::new("RunResultError", "Z024", format!("  {message}"))
            .at(LogLevel::Error)
            .with(json!({"msg": message, "node_info": info})),
    );
}

fn warned(one: &Result<'_>) {
    let (info, name, path) = about(one, one.status);
    let kind = one.node.map_or("test", |node| node.kind.word());
    blank();
    let text = format!("[WARNING]: in {kind} {name} ({path})");
    fire(Event::new("RunResultWarning", "Z021", text).at(LogLevel::Warn).with(json!({
        "node_info": info, "node_name": name, "path": path, "resource_type": kind,
    })));
    let message = one.message.unwrap_or("no message");
    fire(
        Event::new("RunResultWarningMessage", "Z046", format!("[WARNING]: {message}"))
            .at(LogLevel::Warn)
            .with(json!({"msg": message, "node_info": info})),
    );
}

/// Tells how fresh a source is; `status` is dbt's word for it.
pub(crate) fn freshness_checked(node: &Node, place: (usize, usize), status: &str, seconds: f64) {
    let word = match status {
        "pass" => "PASS",
        "warn" => "WARN",
        "error" => "ERROR STALE",
        _ => "ERROR",
    };
    let level = match status {
        "pass" => LogLevel::Info,
        "warn" => LogLevel::Warn,
        _ => LogLevel::Error,
    };
    let source = node.source.as_ref().map(|facts| facts.source.clone()).unwrap_or_default();
    let message = format!("{word} freshness of {source}.{}", node.name);
    let text = nodes::line(place, &message, word, Some(seconds));
    let now = SystemClock.now();
    fire(Event::new("LogFreshnessResult", "Q018", text).at(level).with(json!({
        "status": status, "index": place.0, "total": place.1, "execution_time": seconds,
        "source_name": source, "table_name": node.name,
        "node_info": nodes::info(node, status, Some(now), Some(now)),
    })));
}

/// Tells that the command ended.
pub(crate) fn command_ended(success: bool) {
    let Some(log) = LOG.get() else { return };
    let now = SystemClock.now();
    #[allow(clippy::cast_precision_loss, reason = "a command takes less than 2^53 milliseconds")]
    let elapsed = (now - log.started).num_milliseconds() as f64 / 1000.0;
    let word = if success { "succeeded" } else { "failed" };
    let command = format!("dbt {}", log.command);
    let at = now.format("%H:%M:%S%.6f");
    let text = format!("Command `{command}` {word} at {at} after {elapsed:.2} seconds");
    fire(Event::new("CommandCompleted", "Q039", text).at(LogLevel::Debug).with(json!({
        "command": command, "success": success, "completed_at": moment(now), "elapsed": elapsed,
    })));
}
