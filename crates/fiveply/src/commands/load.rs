//! `fiveply load`: streams of the sources in `ingest/` into tables.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base::system::SystemFiles;
use base::{ErrorKind, Files, NodeId, Retry, RunId, StreamName};
use ledger::{AttemptEnd, NewAttempt, NewRun, RunStatus, SchemaChange, StepStatus};
use movement::{
    LoadContext, LoadLimits, LoadOutcome, LoadProgress, MovementError, ProgressListener,
    load_stream,
};
use orchestration::{DriveOptions, Executor, Outcome, Plan, Step, drive};
use project::ingest::{IngestSource, Stream};
use project::suggest;
use tokio_util::sync::CancellationToken;
use transformation::StepReport;

use crate::arguments::{Common, LoadArguments};
use crate::console::{Console, count};
use crate::executor::{Reports, outcome_of, record_skip};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::summary::Summary;
use crate::workplace::{self, Workplace};

/// Tries of one stream whose fault passes by itself.
const TRIES_MAX: u32 = 3;
/// Changes of columns that are told one by one; the ledger has them all.
const CHANGES_SHOWN: usize = 5;
/// Pause before the second try; it doubles.
const PAUSE: Duration = Duration::from_millis(500);

/// The vendors of a demo folder, which run as long as the command does.
#[derive(Debug, Default)]
pub(crate) struct Vendors {
    variables: Vec<(String, String)>,
    _running: Option<demo::Vendors>,
}

impl Vendors {
    /// Starts the vendors when the project is a demo's; none otherwise.
    ///
    /// # Errors
    /// When no port is free, or the demo's state cannot be read.
    pub(crate) async fn start(common: &Common) -> Result<Self, Failure> {
        let root = workplace::find_root(common.project_dir.as_deref())?;
        let company = demo::Company::open(&root).map_err(demo_failure)?;
        let Some(company) = company else { return Ok(Self::default()) };
        let running = company.start_vendors().await.map_err(demo_failure)?;
        Ok(Self { variables: running.environment(), _running: Some(running) })
    }

    /// The variables by which the ingest files find them.
    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }
}

pub(crate) fn demo_failure(error: demo::DemoError) -> Failure {
    Failure::usage(error.to_string())
}

pub(crate) async fn run(
    common: &Common,
    arguments: &LoadArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let vendors = Vendors::start(common).await?;
    let opened = workplace::open_project(common, vendors.variables(), console)?;
    let place = Workplace::open(opened, None).await?;
    carry_out(&place, arguments, None, console).await?.show(console)
}

/// Loads the streams that the arguments name, or those of `only`.
///
/// # Errors
/// When the run cannot begin; what happens to streams is in the summary.
pub(crate) async fn carry_out(
    place: &Workplace,
    arguments: &LoadArguments,
    only: Option<&BTreeSet<NodeId>>,
    console: &Console,
) -> Result<Summary, Failure> {
    let started = Instant::now();
    let streams = chosen(place, &arguments.streams, only)?;
    if streams.is_empty() {
        console.say("nothing to load: the project has no stream in ingest/");
        return Ok(Summary::nothing("load", place));
    }
    place.ledger.interrupt_abandoned_runs().await?;
    let run = place
        .ledger
        .begin_run(&NewRun {
            environment: place.environment.clone(),
            command: "load".to_owned(),
            arguments: arguments.streams.clone(),
            selection: streams.keys().cloned().collect(),
        })
        .await?;
    let steps = streams.keys().map(|node| Step {
        node: node.clone(),
        after: BTreeSet::new(),
        gates: Vec::new(),
        warnings: Vec::new(),
    });
    let plan = Plan { steps: steps.collect() };
    let reports = Arc::new(Reports::default());
    let cancel = super::run::cancel_on_signal(console);
    let files: Arc<dyn Files> = Arc::new(SystemFiles);
    let mut limits = LoadLimits::default();
    limits.batch_rows = place.project.settings.limits.batch_rows.unwrap_or(limits.batch_rows);
    let context = LoadContext {
        ledger: place.ledger.clone(),
        lake: place.lake.clone(),
        environment: place.environment.clone(),
        attempt: None,
        files,
        clocks: place.clocks.clone(),
        project_root: place.root.clone(),
        cancel: cancel.token.clone(),
        limits,
        progress: Some(Arc::new(Listener { console: console.clone() })),
    };
    let loader = Loader { context, streams, run: run.clone(), reports: Arc::clone(&reports) };
    let progress = Progress::new(console, Arc::clone(&reports));
    let threads = arguments.threads.unwrap_or(place.project.target.threads as usize);
    let options = DriveOptions { concurrency: threads.max(1), fail_fast: false };
    drive(&plan, Arc::new(loader), Arc::new(progress), options, &cancel.token).await;
    let reports = reports.all();
    let status = if cancel.token.is_cancelled() {
        RunStatus::Cancelled
    } else if reports.iter().all(StepReport::is_good) {
        RunStatus::Succeeded
    } else {
        RunStatus::Failed
    };
    place.ledger.finish_run(&run, status).await?;
    Ok(Summary::new("load", place, run, status, reports, started.elapsed()))
}

type Chosen = BTreeMap<NodeId, (IngestSource, Stream)>;

fn chosen(
    place: &Workplace,
    names: &[String],
    only: Option<&BTreeSet<NodeId>>,
) -> Result<Chosen, Failure> {
    let all = place
        .project
        .sources
        .iter()
        .flat_map(|source| source.streams.iter().map(move |stream| (source, stream)));
    let all: Vec<(&IngestSource, &Stream)> = all.collect();
    for name in names {
        if !all.iter().any(|(source, stream)| is_named(source, stream, name)) {
            let known = all.iter().map(|(source, stream)| source.stream_name(stream).to_string());
            let known: Vec<String> = known.collect();
            let hint = suggest::did_you_mean(name, known.iter().map(String::as_str));
            return Err(Failure::usage(format!("there is no source or stream \"{name}\"")).help(
                hint.unwrap_or_else(|| {
                    "`fiveply ls --resource-type stream` lists them.".to_owned()
                }),
            ));
        }
    }
    let wanted = |source: &IngestSource, stream: &Stream| {
        let named = names.is_empty() || names.iter().any(|name| is_named(source, stream, name));
        named && only.is_none_or(|only| only.contains(&source.node_id(stream)))
    };
    let chosen = all.into_iter().filter(|(source, stream)| wanted(source, stream));
    Ok(chosen
        .map(|(source, stream)| (source.node_id(stream), (source.clone(), stream.clone())))
        .collect())
}

fn is_named(source: &IngestSource, stream: &Stream, name: &str) -> bool {
    source.name == name || source.stream_name(stream).to_string() == name
}

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

struct Loader {
    context: LoadContext,
    streams: Chosen,
    run: RunId,
    reports: Arc<Reports>,
}

impl Loader {
    async fn load(&self, node: &NodeId) -> StepReport {
        let started = Instant::now();
        let mut report = StepReport::new(node, StepStatus::Failed);
        let Some((source, stream)) = self.streams.get(node) else { return report };
        report.table = Some(source.table(stream));
        let mut pause = PAUSE;
        for try_number in 1..=TRIES_MAX {
            match self.attempt(node, source, stream).await {
                Ok(outcome) => {
                    succeed(&mut report, &outcome);
                    break;
                }
                Err(error) => {
                    let kind = error.kind();
                    fail(&mut report, &error);
                    let again = matches!(kind.retry(), Retry::Now | Retry::Later)
                        && kind != ErrorKind::Held;
                    if !again || try_number == TRIES_MAX || self.context.cancel.is_cancelled() {
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
        source: &IngestSource,
        stream: &Stream,
    ) -> Result<LoadOutcome, MovementError> {
        let ledger = &self.context.ledger;
        let attempt = ledger
            .begin_attempt(&NewAttempt {
                run: self.run.clone(),
                node: node.clone(),
                environment: self.context.environment.clone(),
            })
            .await?;
        let context = LoadContext { attempt: Some(attempt.clone()), ..self.context.clone() };
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

#[async_trait]
impl Executor for Loader {
    async fn execute(&self, step: &Step, _cancel: &CancellationToken) -> Outcome {
        let report = self.load(&step.node).await;
        let outcome = outcome_of(&report);
        self.reports.add(report);
        outcome
    }

    async fn skip(&self, step: &Step, because: Option<&NodeId>) {
        let LoadContext { ledger, environment, .. } = &self.context;
        record_skip(ledger, &self.run, environment, &self.reports, step, because).await;
    }
}
