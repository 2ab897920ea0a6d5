//! When a sync stops to ask, and what is said at its end.

use ledger::{Attempt, StepStatus, SyncCounts};
use project::sync::Sync;

use super::compare::Comparison;
use crate::{ConsumptionContext, ConsumptionError};

/// Whether the fields are mapped in another way than in the sync's last run.
pub(super) async fn was_remapped(
    context: &ConsumptionContext,
    sync: &Sync,
    mapping: &str,
    attempt: &Attempt,
) -> Result<bool, ConsumptionError> {
    let runs = context.ledger.sync_runs(&context.environment, Some(&sync.name), 2).await?;
    let before = runs.iter().find(|run| run.run != attempt.run || run.attempt != attempt.number);
    Ok(before.is_some_and(|run| run.mapping_hash != mapping))
}

/// Stops a sync that would change more than its guard allows. A first run has nothing to compare
/// with.
pub(super) fn guard(
    sync: &Sync,
    comparison: &Comparison,
    removed: u64,
    remapped: bool,
) -> Result<(), ConsumptionError> {
    match stopped(sync, comparison, removed, remapped) {
        None => Ok(()),
        Some(message) => Err(ConsumptionError::Data {
            message,
            help: format!(
                "Look at `fiveply sync run {0} --dry-run`; `fiveply sync run {0} --confirm` does \
                 it, and \"guard:\" in {1} sets how much is allowed.",
                sync.name, sync.file.path
            ),
        }),
    }
}

/// Why the guard stops a sync, if it does.
pub(super) fn stopped(
    sync: &Sync,
    comparison: &Comparison,
    removed: u64,
    remapped: bool,
) -> Option<String> {
    let known = comparison.known_count();
    if known == 0 {
        return None;
    }
    let why = if remapped { ", because its fields are mapped in another way now" } else { "" };
    let checks = [
        (comparison.would_update(), sync.guard.changed, "change"),
        (removed, sync.guard.removed, "remove"),
    ];
    checks.into_iter().find_map(|(rows, allowed, word)| {
        #[expect(clippy::cast_precision_loss, reason = "a share, not a count")]
        let share = rows as f64 / known as f64;
        (share > allowed).then(|| {
            format!(
                "sync \"{}\" would {word} {rows} of {known} rows ({:.0}%){why}; its guard allows \
                 {:.0}%, so nothing was sent",
                sync.name,
                share * 100.0,
                allowed * 100.0
            )
        })
    })
}

/// How a sync ended: refusals of some rows are a warning, of all a failure.
pub(super) fn verdict(
    counts: &SyncCounts,
    first_refusal: Option<&str>,
) -> (StepStatus, Option<String>) {
    if counts.failed == 0 {
        return (StepStatus::Succeeded, None);
    }
    let tried = counts.failed + counts.sent();
    let first = first_refusal.map(|error| format!(", the first: {error}")).unwrap_or_default();
    let message = format!(
        "{} of {tried} rows were refused{first}; they are tried again in the next run, with the \
         data of then",
        counts.failed
    );
    let status = if counts.sent() == 0 { StepStatus::Failed } else { StepStatus::Warned };
    (status, Some(message))
}
