//! `fiveply source freshness`: how old the newest row of each source is.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use base::RunId;
use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use project::{Node, NodeKind};
use serde_json::{Value, json};
use transformation::{BuildOptions, Workshop};

use crate::arguments::{Common, FreshnessArguments};
use crate::artifacts::Artifacts;
use crate::commands::selected;
use crate::console::{Console, Ink, seconds};
use crate::events;
use crate::failure::{Failure, NODE_FAILED};
use crate::invocation;
use crate::workplace::{self, Workplace};

/// The schema that dbt publishes for results.
const SOURCES: &str = "https://schemas.getdbt.com/dbt/sources/v3.json";

pub(crate) async fn run(
    common: &Common,
    arguments: &FreshnessArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let run = events::take_run_id().unwrap_or_else(|| {
        RunId::generate(place.clocks.machine.as_ref(), place.ledger.randomness().as_ref())
    });
    let invocation = invocation::plain("freshness", common, &place, console);
    let workshop = Workshop::new(place.tools(), run.clone(), BuildOptions::default());
    let workshop = workshop.called(invocation.clone());
    let graph = &place.project.graph;
    let started = Instant::now();
    let mut results = Vec::new();
    let mut failed = false;
    let chosen = selected(&place.project, &arguments.selection)?;
    let watched: Vec<&Node> =
        chosen.iter().filter_map(|id| graph.node(id)).filter(|node| is_watched(node)).collect();
    for (number, node) in watched.iter().copied().enumerate() {
        let began = Instant::now();
        let result = check(&workshop, node, place.clocks.business.now()).await;
        let status = result.get("status").and_then(Value::as_str).unwrap_or_default();
        let index = (number + 1, watched.len());
        events::freshness_checked(node, index, status, began.elapsed().as_secs_f64());
        failed |= matches!(status, "error" | "runtime error");
        let (ink, word) = match status {
            "pass" => (Ink::Good, "pass"),
            "warn" => (Ink::Warning, "warn"),
            _ => (Ink::Bad, "error"),
        };
        let word = console.paint(ink, &format!("{word:<6}"));
        let why = result.get("error").and_then(Value::as_str).unwrap_or_default();
        if !events::speaks_dbt() {
            console.say(&format!("{word} {}  {why}", node.id));
        }
        results.push(result);
    }
    let folder = common.target_path.clone().unwrap_or_else(|| PathBuf::from("target"));
    let artifacts = Artifacts {
        project: &place.project,
        folder: place.root.join(folder),
        which: "freshness",
        invocation: run.as_str().to_owned(),
        arguments: invocation.arguments,
        compiled: std::collections::BTreeMap::new(),
        finished: place.clocks.machine.now(),
        elapsed: started.elapsed(),
        no_ops: Vec::new(),
    };
    let whole = json!({
        "metadata": artifacts.metadata(SOURCES),
        "results": results,
        "elapsed_time": started.elapsed().as_secs_f64(),
    });
    artifacts.write_file("sources.json", &whole)?;
    if let Some(path) = &arguments.to {
        std::fs::write(place.root.join(path), whole.to_string())?;
    }
    if console.json {
        console.print(&whole.to_string())?;
    }
    console.say(&format!("{} sources checked; {}", results.len(), seconds(started.elapsed())));
    Ok(if failed { ExitCode::from(NODE_FAILED) } else { ExitCode::SUCCESS })
}

fn is_watched(node: &Node) -> bool {
    let Some(facts) = &node.source else { return false };
    let watched = facts.loaded_at_field.is_some() || facts.loaded_at_query.is_some();
    let limited = facts.freshness.as_ref().is_some_and(|freshness| {
        freshness.warn_after_minutes.is_some() || freshness.error_after_minutes.is_some()
    });
    node.kind == NodeKind::Source && watched && limited
}

async fn check(workshop: &Workshop, node: &Node, now: DateTime<Utc>) -> Value {
    let started = Instant::now();
    let broken = "runtime error";
    let failed =
        |message: String| json!({"unique_id": node.id, "error": message, "status": broken});
    let (Some(facts), Some(relation)) = (&node.source, &node.relation) else {
        return failed("the source has no table".to_owned());
    };
    let freshness = facts.freshness.clone().unwrap_or_default();
    let sql = match (&facts.loaded_at_query, &facts.loaded_at_field) {
        (Some(query), _) => format!("select cast(({query}) as timestamp) as newest"),
        (None, Some(field)) => {
            let filter = freshness.filter.as_ref();
            let filter = filter.map(|text| format!(" where {text}")).unwrap_or_default();
            format!("select cast(max({field}) as timestamp) as newest from {relation}{filter}")
        }
        (None, None) => return failed("the source has no loaded_at_field".to_owned()),
    };
    let sql = match workshop.compile_text(&sql).await {
        Ok(sql) => sql,
        Err(error) => return failed(error.to_string()),
    };
    let answer = match workshop.statement(&sql).await {
        Ok(answer) => answer,
        Err(error) => return failed(error.to_string()),
    };
    let newest = answer.as_ref().and_then(|(_, batches)| first_moment(batches));
    let Some(newest) = newest else {
        return failed("the source has no row".to_owned());
    };
    let age = (now - newest).num_milliseconds() as f64 / 1000.0;
    let over = |minutes: Option<i64>| minutes.is_some_and(|minutes| age > minutes as f64 * 60.0);
    let status = match () {
        () if over(freshness.error_after_minutes) => "error",
        () if over(freshness.warn_after_minutes) => "warn",
        () => "pass",
    };
    let after =
        |minutes: Option<i64>| json!({"count": minutes, "period": minutes.map(|_| "minute")});
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
    json!({
        "unique_id": node.id,
        "max_loaded_at": text(newest),
        "snapshotted_at": text(now),
        "max_loaded_at_time_ago_in_s": age,
        "status": status,
        "criteria": {
            "warn_after": after(freshness.warn_after_minutes),
            "error_after": after(freshness.error_after_minutes),
            "filter": freshness.filter,
        },
        "adapter_response": {},
        "timing": [],
        "thread_id": "Thread-1",
        "execution_time": started.elapsed().as_secs_f64(),
    })
}

fn first_moment(batches: &[arrow::array::RecordBatch]) -> Option<DateTime<Utc>> {
    let mut lines = Vec::new();
    compute::output::json_lines(batches, &mut lines).ok()?;
    let text = String::from_utf8(lines).ok()?;
    let row: Value = serde_json::from_str(text.lines().next()?).ok()?;
    let text = row.get("newest")?.as_str()?;
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.with_timezone(&Utc));
    }
    let text = text.replace('T', " ");
    let plain = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    Some(plain.and_utc())
}
