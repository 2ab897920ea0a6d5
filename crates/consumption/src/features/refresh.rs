//! The online store's refresh: the newest row of each entity, as a new version that is served at
//! once and as a whole.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use base::{ErrorKind, InputVersion, NodeId, RunId};
use futures::TryStreamExt;
use ledger::{Attempt, AttemptEnd, Lease, NewOnlineView, OnlineRow, StepStatus};
use project::features::FeatureView;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::find_view;
use super::reading::Reading;
use crate::{ConsumptionContext, ConsumptionError, cells};

/// Rows that one ledger transaction writes.
const ROWS_AT_ONCE: usize = 5_000;

/// What became of a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshReport {
    /// The view's node.
    pub node: NodeId,
    /// How it ended.
    pub status: StepStatus,
    /// What is said about it.
    pub message: Option<String>,
    /// What to do next.
    pub help: Option<String>,
    /// What kind of thing went wrong.
    pub error_kind: Option<ErrorKind>,
    /// Entities that are served now.
    pub rows: u64,
    /// How long it took.
    pub duration: Duration,
}

impl RefreshReport {
    /// Whether it did what it was asked for.
    pub fn is_good(&self) -> bool {
        matches!(self.status, StepStatus::Succeeded | StepStatus::Warned)
    }
}

/// Refreshes a feature view, as one step of a run that the ledger knows. Whatever happens is in
/// the report, and in the ledger; until it succeeds, the version before is served.
pub async fn refresh(context: &ConsumptionContext, run: &RunId, node: &NodeId) -> RefreshReport {
    let started = Instant::now();
    let outcome = attempt(context, run, node).await;
    let mut report = match outcome {
        Ok(rows) => RefreshReport {
            node: node.clone(),
            status: StepStatus::Succeeded,
            message: None,
            help: None,
            error_kind: None,
            rows,
            duration: Duration::ZERO,
        },
        Err(error) => failed(node, &error),
    };
    report.duration = started.elapsed();
    report
}

fn failed(node: &NodeId, error: &ConsumptionError) -> RefreshReport {
    let status = match error.kind() {
        ErrorKind::Cancelled => StepStatus::Cancelled,
        _ => StepStatus::Failed,
    };
    RefreshReport {
        node: node.clone(),
        status,
        message: Some(error.to_string()),
        help: error.help().or_else(|| Some(error.kind().advice().to_owned())),
        error_kind: Some(error.kind()),
        rows: 0,
        duration: Duration::ZERO,
    }
}

async fn attempt(
    context: &ConsumptionContext,
    run: &RunId,
    node: &NodeId,
) -> Result<u64, ConsumptionError> {
    let attempt = context.begin(run, node).await?;
    let outcome = match context.claim(run, node).await {
        Ok(lease) => {
            let work = Box::pin(leased(context, node, &attempt, &lease));
            let held = context.ledger.hold(&lease, work).await;
            let done = held.map_err(ConsumptionError::from).and_then(|done| done);
            if let Err(error) = context.ledger.release(&lease).await {
                tracing::warn!(%error, %node, "lease not released");
            }
            done
        }
        Err(error) => Err(error),
    };
    if let Err(error) = &outcome {
        let report = failed(node, error);
        let end = AttemptEnd {
            status: report.status,
            message: report.message,
            error_kind: report.error_kind,
            rows: None,
        };
        context.ledger.finish_attempt(&attempt, &end).await?;
    }
    outcome
}

async fn leased(
    context: &ConsumptionContext,
    node: &NodeId,
    attempt: &Attempt,
    lease: &Lease,
) -> Result<u64, ConsumptionError> {
    let view = find_view(context, node.as_str())?;
    if !view.online {
        return Err(ConsumptionError::Settings {
            message: format!("feature view \"{}\" is not served online", view.name),
            help: "Set \"online: true\", or leave it out of the refresh.".to_owned(),
        });
    }
    let (environment, ledger) = (&context.environment, &context.ledger);
    let version = ledger.next_online_version(environment, &view.name).await?;
    let (rows, inputs) = write_rows(context, view, lease, version).await?;
    let features: Vec<String> = view.features.iter().map(|one| one.name.clone()).collect();
    let new = NewOnlineView {
        view: &view.name,
        version,
        definition: &definition(view),
        inputs: &inputs,
        features: &features,
        rows,
    };
    let end = AttemptEnd::succeeded(Some(rows));
    ledger.publish_online(lease, &new, attempt, &end).await?;
    // Who read the number of the version before may still be looking it up.
    ledger.drop_online_versions(environment, &view.name, version - 1..=version).await?;
    Ok(rows)
}

/// What a view's stored values mean, as a short text.
fn definition(view: &FeatureView) -> String {
    let meaning = (&view.join_keys, &view.timestamp, &view.created_timestamp, &view.features);
    let digest = Sha256::digest(format!("{meaning:?}").as_bytes());
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn write_rows(
    context: &ConsumptionContext,
    view: &FeatureView,
    lease: &Lease,
    version: i64,
) -> Result<(u64, Vec<InputVersion>), ConsumptionError> {
    let session = context.session().await?;
    let features = view.features.iter().collect();
    let reading = Reading::open(context, &session, view, features).await?;
    let now = context.clocks.business.now().timestamp_micros();
    let sql = reading.newest_sql(context, now);
    let prepared = reading.prepare(context, &session, &sql).await?;
    let mut stream = session.stream(&prepared, context.cancel.clone()).await?;
    let mut waiting: Vec<OnlineRow> = Vec::new();
    let mut written = 0;
    while let Some(batch) = stream.try_next().await? {
        waiting.extend(online_rows(&reading, &batch)?);
        if waiting.len() >= ROWS_AT_ONCE {
            written += waiting.len() as u64;
            context.ledger.put_online_rows(lease, &view.name, version, &waiting).await?;
            waiting.clear();
        }
    }
    written += waiting.len() as u64;
    context.ledger.put_online_rows(lease, &view.name, version, &waiting).await?;
    Ok((written, prepared.inputs()))
}

fn online_rows(
    reading: &Reading<'_>,
    batch: &RecordBatch,
) -> Result<Vec<OnlineRow>, ConsumptionError> {
    let rows = reading.take(batch)?;
    let mut keys = Vec::new();
    for column in &rows.keys {
        keys.push(cells::column_values(column.as_ref())?);
    }
    let columns = cells::columns(&rows.features)?;
    let list = |columns: &[Vec<Value>], row: usize| {
        let values: Vec<&Value> = columns.iter().map(|column| &column[row]).collect();
        serde_json::to_string(&values).unwrap_or_default()
    };
    let mut online = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let Some(event_us) = rows.events[row] else { continue };
        // A row without a whole key describes nobody.
        if keys.iter().any(|column| column[row].is_null()) {
            continue;
        }
        online.push(OnlineRow {
            key: list(&keys, row),
            event_us,
            created_us: rows.created[row],
            values: list(&columns, row),
        });
    }
    Ok(online)
}
