//! Loads one stream of a run through `movement`, and remembers what became of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base::system::SystemFiles;
use base::{ErrorKind, Files, NodeId, Retry, RunId, StreamName};
use ledger::{AttemptEnd, NewAttempt, SchemaChange, StepStatus};
use movement::{
    LoadContext, LoadLimits, LoadOutcome, LoadProgress, MovementError, ProgressListener,
    load_stream,
};
use project::Project;
use project::ingest::{IngestSource, Stream};
use tokio_util::sync::CancellationToken;
use transformation::StepReport;

use crate::console::{Console, count};
use crate::workplace::Workplace;

/// Tries of one stream whose fault passes by itself.
const TRIES_MAX: u32 = 3;
/// Changes of columns that are told one by one; the ledger has them all.
const CHANGES_SHOWN: usize = 5;
/// Pause before the second try; it doubles.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct Listener {
    console: Console,
}

impl ProgressListener for Listener {
    fn progressed(&self, stream: &StreamName, progress: LoadProgress) {
        let line = format!("{stream}: {} rows read", count(progress.read));
        self.console.update_live(&format!("stream.{stream}"), line);
    }
}

/// Loads the streams of a run.
pub(crate) struct Loader {
    context: LoadContext,
    project: Arc<Project>,
    run: RunId,
}

impl Loader {
    /// A loader for a run that the ledger knows.
    pub(crate) fn new(place: &Workplace, run: RunId, console: &Console) -> Self {
        let mut limits = LoadLimits::default();
        limits.batch_rows = place.project.settings.limits.batch_rows.unwrap_or(limits.batch_rows);
        let files: Arc<dyn Files> = Arc::new(SystemFiles);
        let context = LoadContext {
            ledger: place.ledger.clone(),
            lake: place.lake.clone(),
            environment: place.environment.clone(),
            attempt: None,
            files,
            clocks: place.clocks.clone(),
            project_root: place.root.clone(),
            cancel: CancellationToken::new(),
            limits,
            progress: Some(Arc::new(Listener { console: console.clone() })),
        };
        Self { context, project: Arc::clone(&place.project), run }
    }

    /// Loads a stream; what passes by itself is tried again at once.
    pub(crate) async fn load(&self, node: &NodeId, cancel: &CancellationToken) -> StepReport {
        let started = Instant::now();
        let mut report = StepReport::new(node, StepStatus::Failed);
        let Some((source, stream)) = find(&self.project, node) else { return report };
        report.table = Some(source.table(stream));
        let mut pause = PAUSE;
        for try_number in 1..=TRIES_MAX {
            match self.attempt(node, (source, stream), cancel).await {
                Ok(outcome) => {
                    succeed(&mut report, &outcome);
                    break;
                }
                Err(error) => {
                    let kind = error.kind();
                    fail(&mut report, &error);
                    let again = matches!(kind.retry(), Retry::Now | Retry::Later)
                        && kind != ErrorKind::Held;
                    if !again || try_number == TRIES_MAX || cancel.is_cancelled() {
                        break;
                    }
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
            }
        }
        report.duration = started.elapsed();
        report
    }

    async fn attempt(
        &self,
        node: &NodeId,
        (source, stream): (&IngestSource, &Stream),
        cancel: &CancellationToken,
    ) -> Result<LoadOutcome, MovementError> {
        let ledger = &self.context.ledger;
        let attempt = ledger
            .begin_attempt(&NewAttempt {
                run: self.run.clone(),
                node: node.clone(),
                environment: self.context.environment.clone(),
            })
            .await?;
        let context = LoadContext {
            attempt: Some(attempt.clone()),
            cancel: cancel.clone(),
            ..self.context.clone()
        };
        let loaded = load_stream(&context, source, stream).await;
        let end = match &loaded {
            Ok(outcome) => AttemptEnd::succeeded(Some(outcome.rows)),
            Err(error) => {
                let mut end = AttemptEnd::failed(error.kind(), error.to_string());
                if error.kind() == ErrorKind::Cancelled {
                    end.status = StepStatus::Cancelled;
                }
                end
            }
        };
        ledger.finish_attempt(&attempt, &end).await?;
        loaded
    }
}

fn find<'p>(project: &'p Project, node: &NodeId) -> Option<(&'p IngestSource, &'p Stream)> {
    let all = project.sources.iter();
    let mut all = all.flat_map(|source| source.streams.iter().map(move |stream| (source, stream)));
    all.find(|(source, stream)| source.node_id(stream) == *node)
}

fn succeed(report: &mut StepReport, outcome: &LoadOutcome) {
    report.status = StepStatus::Succeeded;
    report.message = None;
    report.error_kind = None;
    report.load = Some(outcome.account);
    report.rows = Some(outcome.rows);
    report.published = true;
    let mut notes = Vec::new();
    if outcome.account.rejected > 0
        && let Some(rejects) = &outcome.rejects_table
    {
        notes.push(match outcome.account.rejected {
            1 => format!("1 rejected row is in {rejects}"),
            rows => format!("{} rejected rows are in {rejects}", count(rows)),
        });
    }
    notes.extend(outcome.schema_changes.iter().take(CHANGES_SHOWN).map(described));
    let more = outcome.schema_changes.len().saturating_sub(CHANGES_SHOWN);
    if more > 0 {
        notes.push(format!("and {} more changes of columns", count(more as u64)));
    }
    for rename in &outcome.renames {
        notes.push(format!(
            "\"{}\" no longer comes and \"{}\" is new; if it is the same column, write `{}` at the \
             stream",
            rename.column,
            rename.field,
            rename.mapping()
        ));
    }
    for file in &outcome.changed_files {
        notes.push(format!("{file} changed after it was read; the change is not loaded"));
    }
    if outcome.unstable_files > 0 {
        notes.push(format!("{} files are still being written", count(outcome.unstable_files)));
    }
    if !notes.is_empty() {
        report.message = Some(notes.join("; "));
        let only_rejects = outcome.schema_changes.is_empty() && outcome.renames.is_empty();
        if !only_rejects || !outcome.changed_files.is_empty() || outcome.account.rejected > 0 {
            report.status = StepStatus::Warned;
        }
    }
}

/// `column "a" added`, `column "a" widened from int to long`.
fn described(change: &SchemaChange) -> String {
    let what = change.kind.as_str().trim_start_matches("column_").replace('_', " ");
    let from = change.from.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
    let to = change.to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
    format!("column \"{}\" {what}{from}{to}", change.column)
}

fn fail(report: &mut StepReport, error: &MovementError) {
    let kind = error.kind();
    report.status = match kind {
        ErrorKind::Cancelled => StepStatus::Cancelled,
        _ => StepStatus::Failed,
    };
    report.message = Some(error.to_string());
    report.error_kind = Some(kind);
}
