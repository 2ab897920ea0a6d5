//! Syncs and feature views as steps of a run.

use base::{LoadAccount, NodeId, RunId};
use consumption::activation::{self, SyncOptions};
use consumption::{ConsumptionContext, features};
use ledger::StepStatus;
use tokio_util::sync::CancellationToken;
use transformation::StepReport;

/// Sends the rows of a sync.
pub(crate) async fn send(
    context: &ConsumptionContext,
    run: &RunId,
    node: &NodeId,
    cancel: &CancellationToken,
) -> StepReport {
    let context = ConsumptionContext { cancel: cancel.clone(), ..context.clone() };
    let sent = activation::run(&context, run, node, SyncOptions::default()).await;
    let mut report = StepReport::new(node, sent.status);
    let counts = sent.counts;
    report.message = sent.message;
    report.help = sent.help;
    report.error_kind = sent.error_kind;
    report.duration = sent.duration;
    report.rows = Some(counts.sent());
    // Where a sync that failed stands is not known row by row.
    report.load = counts.holds().then_some(LoadAccount {
        read: counts.read,
        inserted: counts.inserted,
        updated: counts.updated,
        deleted: counts.deleted,
        unchanged: counts.unchanged + counts.held,
        rejected: counts.failed,
        ..LoadAccount::default()
    });
    report
}

/// Serves the newest rows of a feature view.
pub(crate) async fn refresh(
    context: &ConsumptionContext,
    run: &RunId,
    node: &NodeId,
    cancel: &CancellationToken,
) -> StepReport {
    let context = ConsumptionContext { cancel: cancel.clone(), ..context.clone() };
    let refreshed = features::refresh(&context, run, node).await;
    let mut report = StepReport::new(node, refreshed.status);
    report.message = refreshed.message;
    report.help = refreshed.help;
    report.error_kind = refreshed.error_kind;
    report.duration = refreshed.duration;
    report.rows = (refreshed.status == StepStatus::Succeeded).then_some(refreshed.rows);
    report
}
