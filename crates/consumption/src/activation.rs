//! Activation: rows of a model, sent to a tool outside, and only what differs from what the tool
//! acknowledged last.
//!
//! A run reads the rows twice. The first pass counts what is new, changed, unchanged and removed,
//! so that the guard can stop it before anything is sent; the second sends. Before a batch leaves,
//! its rows are marked as in flight; when it was answered for, acknowledgements, refusals, the log
//! and the run's account are written in one ledger transaction. A process that dies in between
//! leaves rows in flight: the next run sends them from current data, and under the same
//! idempotency key if their content is still the same. A refused row keeps differing from what was
//! acknowledged, so every later run tries it again with the data of its day.
//!
//! Towards the outside this is at least once, with a key by which the outside can make it once.

mod compare;
mod deliver;
mod dry;
mod messages;
mod scan;
mod template;
mod wire;

use std::time::{Duration, Instant};

use base::fault::KillPoint;
use base::system::kill_point;
use base::{ErrorKind, NodeId, RunId};
use ledger::{Attempt, AttemptEnd, Lease, StepStatus, SyncCounts};
use project::sync::Sync;

use crate::{ConsumptionContext, ConsumptionError};
use compare::Comparison;
use scan::Scan;

pub use dry::{DryRun, Sample, dry_run};

/// How a sync is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncOptions {
    /// Whether somebody looked at what the guard stops and said yes.
    pub confirmed: bool,
    /// Whether every row is sent, changed or not.
    pub resync: bool,
}

/// What became of a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncReport {
    /// Its node.
    pub node: NodeId,
    /// How it ended.
    pub status: StepStatus,
    /// What is said about it.
    pub message: Option<String>,
    /// What to do next.
    pub help: Option<String>,
    /// What kind of thing went wrong.
    pub error_kind: Option<ErrorKind>,
    /// Its rows.
    pub counts: SyncCounts,
    /// How long it took.
    pub duration: Duration,
}

impl SyncReport {
    /// Whether it did what it was asked for.
    pub fn is_good(&self) -> bool {
        matches!(self.status, StepStatus::Succeeded | StepStatus::Warned)
    }
}

/// The sync of a name or of a node's id.
///
/// # Errors
/// When the project has none of that name.
pub fn find<'p>(context: &'p ConsumptionContext, name: &str) -> Result<&'p Sync, ConsumptionError> {
    let project = &context.project;
    let named = |sync: &&Sync| sync.name == name || sync.node_id(&project.name).as_str() == name;
    project.syncs.iter().find(named).ok_or_else(|| {
        let known = project.syncs.iter().map(|sync| sync.name.as_str());
        let help = project::suggest::did_you_mean(name, known)
            .unwrap_or_else(|| "`fiveply sync list` shows what the project has.".to_owned());
        ConsumptionError::NotFound { message: format!("no sync is named \"{name}\""), help }
    })
}

/// Carries a sync out, as one step of a run that the ledger knows. Whatever happens is in the
/// report, and in the ledger.
pub async fn run(
    context: &ConsumptionContext,
    run: &RunId,
    node: &NodeId,
    options: SyncOptions,
) -> SyncReport {
    let started = Instant::now();
    let mut report = match attempt(context, run, node, options).await {
        Ok(report) => report,
        Err(error) => failed(node, &error),
    };
    if let Ok(sync) = find(context, node.as_str())
        && let Ok(Some(account)) = context.ledger.sync_run(run, &sync.name).await
    {
        report.counts = account.counts;
    }
    report.duration = started.elapsed();
    report
}

fn failed(node: &NodeId, error: &ConsumptionError) -> SyncReport {
    let status = match error.kind() {
        ErrorKind::Cancelled => StepStatus::Cancelled,
        _ => StepStatus::Failed,
    };
    SyncReport {
        node: node.clone(),
        status,
        message: Some(error.to_string()),
        help: error.help().or_else(|| Some(error.kind().advice().to_owned())),
        error_kind: Some(error.kind()),
        counts: SyncCounts::default(),
        duration: Duration::ZERO,
    }
}

async fn attempt(
    context: &ConsumptionContext,
    run: &RunId,
    node: &NodeId,
    options: SyncOptions,
) -> Result<SyncReport, ConsumptionError> {
    let attempt = context.begin(run, node).await?;
    let outcome = match context.claim(run, node).await {
        Ok(lease) => {
            let work = Box::pin(leased(context, node, &attempt, &lease, options));
            let held = context.ledger.hold(&lease, work).await;
            let done = held.map_err(ConsumptionError::from).and_then(|done| done);
            // A lease that was lost meanwhile belongs to somebody else; nothing to give back.
            let released = context.ledger.release(&lease).await;
            if let Err(error) = released {
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
        let name = ledger::sync_of_node(node);
        context.ledger.finish_sync(name, &attempt, &end).await?;
    }
    outcome
}

async fn leased(
    context: &ConsumptionContext,
    node: &NodeId,
    attempt: &Attempt,
    lease: &Lease,
    options: SyncOptions,
) -> Result<SyncReport, ConsumptionError> {
    let sync = find(context, node.as_str())?;
    let scan = Scan::open(context, sync).await?;
    let mut comparison = Comparison::with_acknowledged(context, sync, options.resync).await?;
    scan.each(context, |row| comparison.count(row)).await?;
    kill_point(KillPoint::BatchRead);
    let mapping = scan.mapping_hash();
    let removed = comparison.removed_count();
    let counts = comparison.counts(removed);
    context.ledger.begin_sync(lease, &sync.name, attempt, &mapping, &counts).await?;
    if !options.confirmed {
        let remapped = messages::was_remapped(context, sync, &mapping, attempt).await?;
        messages::guard(sync, &comparison, removed, remapped)?;
    }
    let mut courier = deliver::Courier::open(context, sync, attempt, lease)?;
    courier.send_changed(&scan, &comparison).await?;
    courier.send_removed(&comparison).await?;
    finish(context, sync, node, attempt, courier).await
}

async fn finish(
    context: &ConsumptionContext,
    sync: &Sync,
    node: &NodeId,
    attempt: &Attempt,
    courier: deliver::Courier<'_>,
) -> Result<SyncReport, ConsumptionError> {
    let account = context.ledger.sync_run(&attempt.run, &sync.name).await?;
    let counts = account.map(|account| account.counts).unwrap_or_default();
    if !counts.holds() {
        return Err(ConsumptionError::Internal(format!(
            "{} rows were read, and {} are accounted for",
            counts.read,
            counts.accounted()
        )));
    }
    let (status, message) = messages::verdict(&counts, courier.first_refusal());
    let error_kind = (status == StepStatus::Failed).then_some(ErrorKind::Data);
    let rows = Some(counts.sent());
    let end = AttemptEnd { status, message: message.clone(), error_kind, rows };
    context.ledger.finish_sync(&sync.name, attempt, &end).await?;
    let help = (counts.failed > 0)
        .then(|| format!("`fiveply sync log {} --outcome refused` shows each answer.", sync.name));
    let node = node.clone();
    Ok(SyncReport { node, status, message, help, error_kind, counts, duration: Duration::ZERO })
}
