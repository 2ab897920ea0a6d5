//! What a sync would do, without doing it.

use ledger::{SyncCounts, SyncOperation};
use movement::Destination;
use project::sync::OnRemoved;
use serde::Serialize;
use serde_json::{Map, Value};

use super::compare::{Comparison, Decision, PAGE_ROWS};
use super::scan::{Outgoing, Scan};
use super::wire::{self, Posted};
use super::{SyncOptions, find, messages};
use crate::{ConsumptionContext, ConsumptionError};

/// Samples shown for each of insert, update and removal.
const SAMPLES_MAX: usize = 3;

/// What a sync would do.
#[derive(Clone, Debug, Serialize)]
pub struct DryRun {
    /// The sync.
    pub sync: String,
    /// What would become of the rows, if the destination takes all of them.
    pub counts: SyncCounts,
    /// Why the guard would stop it, if it would.
    pub guard: Option<String>,
    /// Some of the requests, secrets blanked.
    pub samples: Vec<Sample>,
}

/// One row's request.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// The row's key.
    pub key: String,
    /// What would be asked.
    pub operation: String,
    /// Method, path and the row's part of the body.
    pub request: Value,
}

/// Says what a sync would do. Nothing is sent, nothing is remembered.
///
/// # Errors
/// When there is no such sync, or its rows cannot be read.
pub async fn dry_run(
    context: &ConsumptionContext,
    name: &str,
    options: SyncOptions,
) -> Result<DryRun, ConsumptionError> {
    let sync = find(context, name)?;
    let scan = Scan::open(context, sync).await?;
    let mut comparison = Comparison::with_acknowledged(context, sync, options.resync).await?;
    let mut posted: Vec<Posted> = Vec::new();
    scan.each(context, |row| {
        if let Decision::Send(operation) = comparison.decide(row)
            && posted.iter().filter(|one| one.operation == operation).count() < SAMPLES_MAX
        {
            posted.push(unsent(row.clone(), operation, None));
        }
        comparison.count(row)
    })
    .await?;
    let removed = comparison.removed_count();
    posted.extend(removed_samples(context, name, &comparison).await?);
    let (inserted, updated) = comparison.would_send();
    let counts = SyncCounts { inserted, updated, deleted: removed, ..comparison.counts(removed) };
    let runs = context.ledger.sync_runs(&context.environment, Some(&sync.name), 1).await?;
    let remapped = runs.first().is_some_and(|run| run.mapping_hash != scan.mapping_hash());
    let connection = &sync.destination.connection;
    let blank = Destination::open(connection, context.clocks.clone(), context.cancel.clone())?;
    let samples = posted
        .iter()
        .map(|row| {
            let delivery = wire::delivery(sync, std::slice::from_ref(row), "");
            let request = wire::part_of(sync, &delivery, row, true);
            Sample {
                key: row.row.key.clone(),
                operation: row.operation.as_str().to_owned(),
                request: blank.blanked(&request),
            }
        })
        .collect();
    let guard = messages::stopped(sync, &comparison, removed, remapped);
    Ok(DryRun { sync: sync.name.clone(), counts, guard, samples })
}

fn unsent(row: Outgoing, operation: SyncOperation, destination_id: Option<String>) -> Posted {
    Posted { row, operation, destination_id, idempotency_key: "(made when sent)".to_owned() }
}

async fn removed_samples(
    context: &ConsumptionContext,
    name: &str,
    comparison: &Comparison,
) -> Result<Vec<Posted>, ConsumptionError> {
    let sync = find(context, name)?;
    let (operation, fields) = match &sync.on_removed {
        OnRemoved::Ignore => return Ok(Vec::new()),
        OnRemoved::Delete => (SyncOperation::Delete, Map::new()),
        OnRemoved::Set(fields) => (SyncOperation::Clear, fields.iter().cloned().collect()),
    };
    let mut samples = Vec::new();
    let mut after: Option<String> = None;
    while samples.len() < SAMPLES_MAX {
        let (ledger, environment) = (&context.ledger, &context.environment);
        let page = ledger.sync_rows(environment, &sync.name, after.as_deref(), PAGE_ROWS).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        for row in page.into_iter().filter(|row| comparison.is_removed(row)) {
            if samples.len() < SAMPLES_MAX {
                let outgoing = Outgoing::removed(sync, row.key, fields.clone())?;
                samples.push(unsent(outgoing, operation, row.destination_id));
            }
        }
    }
    Ok(samples)
}
