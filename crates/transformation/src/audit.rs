//! Runs a test: counts the rows that break the rule, keeps the first few to show, and holds the
//! number against the thresholds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use base::NodeId;
use compute::{QueryError, Session};
use futures::StreamExt;
use ledger::TestStatus;
use project::{Node, NodeKind, Test, TestSeverity};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::report::TestReport;
use crate::shared_scan;
use crate::staged::StagedNode;
use crate::threshold::Threshold;
use crate::workshop::Workshop;
use crate::world::World;
use crate::{CompiledNode, TransformationError};

/// Failing rows that are kept with the result.
const SAMPLE_ROWS: usize = 5;
/// What dbt counts unless a test says otherwise.
const COUNT_ROWS: &str = "count(*)";

/// Runs one test in a world that may see a staged version.
pub(crate) async fn run(
    workshop: &Workshop,
    node: &Node,
    world: &Arc<World>,
    cancel: &CancellationToken,
) -> TestReport {
    let started = Instant::now();
    let judged = match node.kind {
        NodeKind::UnitTest => Box::pin(workshop.run_unit_test(node)).await,
        _ => Box::pin(judge(workshop, node, world, cancel)).await,
    };
    reported(node, judged, started)
}

fn reported(
    node: &Node,
    judged: Result<TestReport, TransformationError>,
    started: Instant,
) -> TestReport {
    let mut report = judged.unwrap_or_else(|error| TestReport {
        node: node.id.clone(),
        status: TestStatus::Errored,
        failures: None,
        message: Some(error.to_string()),
        sample: Vec::new(),
        diagnostics: error.diagnostics(),
        duration: started.elapsed(),
    });
    report.duration = started.elapsed();
    report
}

/// Runs the tests of a staged version, those in one scan that one scan can answer.
pub(crate) async fn run_all(
    workshop: &Workshop,
    tests: &[&Node],
    staged: &StagedNode,
    world: &Arc<World>,
    cancel: &CancellationToken,
) -> Vec<TestReport> {
    let mut shared: BTreeMap<NodeId, (&Node, CompiledNode)> = BTreeMap::new();
    for node in tests.iter().filter(|node| may_share(workshop, node, staged)) {
        // What is wrong with a template is said when its test runs.
        if let Ok(compiled) = workshop.compile_in(node, world, full_refresh(workshop)).await {
            shared.insert(node.id.clone(), (node, compiled));
        }
    }
    let rows = staged.version.account.after;
    let table = &staged.swing.table;
    let unbroken = match shared.len() {
        0 | 1 => BTreeSet::new(),
        _ => shared_scan::unbroken(table, rows, &shared, &world.session(), cancel).await,
    };
    let mut reports = Vec::with_capacity(tests.len());
    for node in tests {
        let started = Instant::now();
        reports.push(match (&node.test, unbroken.contains(&node.id)) {
            (Some(test), true) => reported(node, verdict(workshop, node, test, 0, &[]), started),
            _ => run(workshop, node, world, cancel).await,
        });
    }
    reports
}

/// Whether a test counts all rows of the version and keeps none.
fn may_share(workshop: &Workshop, node: &Node, staged: &StagedNode) -> bool {
    let Some(test) = &node.test else { return false };
    test.attached.as_ref() == Some(&staged.node)
        && matches!(test.macro_name(), Some("not_null" | "unique"))
        && test.limit.is_none()
        && test.fail_calculation.trim() == COUNT_ROWS
        && !test.store_failures.unwrap_or(workshop.invocation.store_failures)
}

fn full_refresh(workshop: &Workshop) -> bool {
    workshop.options.full_refresh
}

async fn judge(
    workshop: &Workshop,
    node: &Node,
    world: &Arc<World>,
    cancel: &CancellationToken,
) -> Result<TestReport, TransformationError> {
    let Some(test) = &node.test else {
        return Err(TransformationError::Internal(format!("node \"{}\" is no test", node.id)));
    };
    thresholds(node, test)?;
    let compiled = workshop.compile_in(node, world, full_refresh(workshop)).await?;
    let session = &world.session();
    if test.store_failures.unwrap_or(workshop.invocation.store_failures) {
        store(workshop, node, &compiled, test, session).await?;
    }
    let (rows, sample) = count_rows(&compiled, test, session, cancel).await?;
    let failures = match test.fail_calculation.trim() {
        COUNT_ROWS => rows,
        calculation => calculate(&compiled, test, calculation, session).await?,
    };
    verdict(workshop, node, test, failures, &sample)
}

fn thresholds(node: &Node, test: &Test) -> Result<(Threshold, Threshold), TransformationError> {
    let warn_if = threshold(&node.id, "warn_if", &test.warn_if)?;
    Ok((warn_if, threshold(&node.id, "error_if", &test.error_if)?))
}

/// Holds the number of failing rows against the thresholds.
fn verdict(
    workshop: &Workshop,
    node: &Node,
    test: &Test,
    failures: u64,
    sample: &[Map<String, Value>],
) -> Result<TestReport, TransformationError> {
    let (warn_if, error_if) = thresholds(node, test)?;
    #[allow(clippy::cast_precision_loss, reason = "counts of rows stay far below 2^53")]
    let number = failures as f64;
    // dbt asks error_if first, and only of tests whose severity is error.
    let status = match test.severity {
        TestSeverity::Error if error_if.is_met(number) => TestStatus::Failed,
        TestSeverity::Error | TestSeverity::Warn if warn_if.is_met(number) => {
            match workshop.invocation.warnings_fail {
                true => TestStatus::Failed,
                false => TestStatus::Warned,
            }
        }
        TestSeverity::Error | TestSeverity::Warn => TestStatus::Passed,
    };
    let message = (status != TestStatus::Passed).then(|| describe(failures, sample));
    Ok(TestReport {
        node: node.id.clone(),
        status,
        failures: Some(failures),
        message,
        sample: sample.to_vec(),
        diagnostics: Vec::new(),
        duration: std::time::Duration::ZERO,
    })
}

/// Keeps the failing rows under the test's own name.
async fn store(
    workshop: &Workshop,
    node: &Node,
    compiled: &CompiledNode,
    test: &Test,
    session: &Session,
) -> Result<(), TransformationError> {
    let Some(relation) = &node.relation else { return Ok(()) };
    let kind = match node.config.all.get("store_failures_as").and_then(Value::as_str) {
        Some("ephemeral") => return Ok(()),
        Some("view") => "view",
        _ => "table",
    };
    let world = workshop.world(session.clone()).await?;
    let limit = test.limit.map_or_else(String::new, |rows| format!("\nlimit {rows}"));
    let sql = format!("create or replace {kind} {relation} as (\n{}{limit}\n)", compiled.sql);
    world.carry_out(&sql).await.map(drop)
}

fn threshold(node: &NodeId, name: &str, text: &str) -> Result<Threshold, TransformationError> {
    Threshold::parse(text).ok_or_else(|| TransformationError::Columns {
        message: format!("{name} of test \"{node}\" is \"{text}\", which is no comparison"),
        help: "Write it as \"> 10\", \"!= 0\" or \"between 1 and 5\".".to_owned(),
    })
}

/// The test's rows as a table of a query; a limit of the test's own is part of it.
fn wrapped(compiled: &CompiledNode, test: &Test, select: &str) -> String {
    let limit = test.limit.map_or_else(String::new, |rows| format!("\nlimit {rows}"));
    format!("select {select} from (\n{}{limit}\n) dbt_internal_test", compiled.sql)
}

async fn count_rows(
    compiled: &CompiledNode,
    test: &Test,
    session: &Session,
    cancel: &CancellationToken,
) -> Result<(u64, Vec<Map<String, Value>>), TransformationError> {
    let own = |error| compiled.query_error(error);
    let prepared = match test.limit {
        None => session.prepare(&compiled.sql).await.map_err(own)?,
        Some(_) => session.prepare(&wrapped(compiled, test, "*")).await.map_err(own)?,
    };
    let mut batches = session.stream(&prepared, cancel.clone()).await.map_err(own)?;
    let (mut rows, mut kept) = (0_u64, Vec::new());
    let mut missing = SAMPLE_ROWS;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(own)?;
        rows += batch.num_rows() as u64;
        let take = missing.min(batch.num_rows());
        if take > 0 {
            kept.push(batch.slice(0, take));
            missing -= take;
        }
    }
    Ok((rows, as_objects(&kept).map_err(own)?))
}

async fn calculate(
    compiled: &CompiledNode,
    test: &Test,
    calculation: &str,
    session: &Session,
) -> Result<u64, TransformationError> {
    let sql = wrapped(compiled, test, &format!("{calculation} as failures"));
    let own = |error| compiled.query_error(error);
    let batches = session.rows(&sql).await.map_err(own)?;
    let rows = as_objects(&batches).map_err(own)?;
    let value = rows.first().and_then(|row| row.get("failures")).cloned().unwrap_or_default();
    match &value {
        // An aggregate over no rows: nothing fails.
        Value::Null => Ok(0),
        Value::Bool(failed) => Ok(u64::from(*failed)),
        Value::Number(number) => {
            number.as_u64().or_else(|| whole(number.as_f64())).ok_or_else(|| {
                TransformationError::Columns {
                    message: format!(
                        "fail_calc \"{calculation}\" gave {number}, which is no count"
                    ),
                    help: "Let fail_calc give a whole number from 0.".to_owned(),
                }
            })
        }
        Value::String(text) => text.parse().map_err(|_| TransformationError::Columns {
            message: format!("fail_calc \"{calculation}\" gave \"{text}\", which is no count"),
            help: "Let fail_calc give a whole number from 0.".to_owned(),
        }),
        Value::Array(_) | Value::Object(_) => Err(TransformationError::Columns {
            message: format!("fail_calc \"{calculation}\" gave no number"),
            help: "Let fail_calc give a whole number from 0.".to_owned(),
        }),
    }
}

fn whole(number: Option<f64>) -> Option<u64> {
    let number = number.filter(|number| *number >= 0.0 && number.fract() == 0.0)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Some(number as u64)
}

/// Rows as JSON objects, for messages and for the ledger.
pub(crate) fn as_objects(batches: &[RecordBatch]) -> Result<Vec<Map<String, Value>>, QueryError> {
    let mut text = Vec::new();
    compute::output::json_lines(batches, &mut text)?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            serde_json::from_slice(line)
                .map_err(|error| QueryError::internal(format!("a row is no JSON: {error}")))
        })
        .collect()
}

/// `3 rows break it, such as user_id = 7, n_records = 2`.
fn describe(failures: u64, sample: &[Map<String, Value>]) -> String {
    let counted = match failures {
        1 => "1 row breaks it".to_owned(),
        more => format!("{more} rows break it"),
    };
    let Some(row) = sample.first() else { return counted };
    let shown: Vec<String> = row
        .iter()
        .map(|(column, value)| match value {
            Value::String(text) => format!("{column} = {text}"),
            other => format!("{column} = {other}"),
        })
        .collect();
    format!("{counted}, such as {}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_shows_an_offending_row() {
        let row = serde_json::json!({"user_id": 7, "feature_date": "2026-05-22", "n_records": 2});
        let Value::Object(row) = row else { panic!("an object") };
        assert_eq!(
            describe(3, &[row]),
            "3 rows break it, such as user_id = 7, feature_date = 2026-05-22, n_records = 2"
        );
        assert_eq!(describe(1, &[]), "1 row breaks it");
    }
}
