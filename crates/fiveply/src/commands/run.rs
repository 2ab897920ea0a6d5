//! `fiveply seed`, `run`, `test` and `build`.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{NodeId, RunId};
use ledger::{NewRun, RunStatus, StepStatus};
use orchestration::{DriveOptions, GraphView, Plan, TestView, drive, plan};
use project::{Graph, NodeKind, TestSeverity};
use tokio_util::sync::CancellationToken;
use transformation::{BuildOptions, StepReport, Workshop, hook_has_meaning};

use crate::arguments::{Common, Publish, RunArguments};
use crate::commands::{Verb, selected};
use crate::console::Console;
use crate::executor::{Builder, Reports};
use crate::failure::Failure;
use crate::progress::Progress;
use crate::summary::Summary;
use crate::workplace::{self, Workplace};

/// Runs the command to its end.
pub(crate) async fn run(
    common: &Common,
    verb: Verb,
    arguments: &RunArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let nodes = selected(&place.project.graph, &arguments.selection)?;
    let summary = carry_out(&place, verb, arguments, &nodes, console).await?;
    summary.show(console)
}

/// Carries out the nodes that the verb takes.
///
/// # Errors
/// When the run cannot begin; what happens to nodes is in the summary.
pub(crate) async fn carry_out(
    place: &Workplace,
    verb: Verb,
    arguments: &RunArguments,
    nodes: &[NodeId],
    console: &Console,
) -> Result<Summary, Failure> {
    let graph = &place.project.graph;
    let started = Instant::now();
    let chosen = takes(graph, verb, nodes, console);
    if chosen.is_empty() {
        console.say("nothing to do: no node of the selection is carried out by this command");
        return Ok(Summary::nothing(verb.word(), place));
    }
    place.ledger.interrupt_abandoned_runs().await?;
    let audit = verb == Verb::Build && !arguments.no_audit;
    let steps = plan(&view(graph, &chosen, audit))?;
    let run = place
        .ledger
        .begin_run(&NewRun {
            environment: place.environment.clone(),
            command: verb.word().to_owned(),
            arguments: words(arguments),
            selection: chosen.iter().cloned().collect(),
        })
        .await?;
    let work = Work { place, verb, arguments, run: run.clone(), console };
    let (reports, publication) = work.drive(&steps).await;
    let ended_by_failure = arguments.fail_fast && reports.iter().any(has_failed);
    let status = status_of(&reports, publication.is_err() || ended_by_failure);
    place.ledger.finish_run(&run, status).await?;
    publication?;
    Ok(Summary::new(verb.word(), place, run, status, reports, started.elapsed()))
}

/// The selected nodes that the verb carries out; what it cannot is said once.
fn takes(graph: &Graph, verb: Verb, nodes: &[NodeId], console: &Console) -> BTreeSet<NodeId> {
    let mut chosen = BTreeSet::new();
    let mut left_out: BTreeSet<&'static str> = BTreeSet::new();
    for node in nodes.iter().filter_map(|id| graph.node(id)) {
        let parents = node.depends_on.iter().filter_map(|id| graph.node(id));
        let missing = parents.map(|parent| parent.kind).find(|kind| kind.is_unsupported());
        match missing {
            Some(kind) if node.kind == NodeKind::Test => {
                left_out.insert(kind.word());
            }
            Some(_) | None if verb.takes(node.kind) && !node.is_ephemeral() => {
                chosen.insert(node.id.clone());
            }
            Some(_) | None if verb == Verb::Build && node.kind.is_unsupported() => {
                left_out.insert(node.kind.word());
            }
            Some(_) | None => {}
        }
    }
    if !left_out.is_empty() {
        let kinds: Vec<&str> = left_out.into_iter().collect();
        console.complain(&format!("not carried out yet: {}", kinds.join(", ")));
    }
    let hooks = graph.nodes.values().filter(|node| node.kind == NodeKind::Operation);
    for hook in hooks.filter(|hook| hook_has_meaning(&hook.raw_sql)) {
        let sql = hook.raw_sql.trim();
        console.complain(&format!("hook \"{}\" is not run yet: {sql}", hook.name));
    }
    chosen
}

fn view(graph: &Graph, chosen: &BTreeSet<NodeId>, audit: bool) -> GraphView {
    let mut view = GraphView { selected: chosen.clone(), audit, ..GraphView::default() };
    for (id, node) in &graph.nodes {
        view.parents.insert(id.clone(), node.depends_on.clone());
        if let (NodeKind::Test, Some(test)) = (node.kind, &node.test) {
            let gates = test.severity == TestSeverity::Error;
            view.tests.insert(id.clone(), TestView { gates });
        }
    }
    view
}

/// The options that a later `retry` needs.
fn words(arguments: &RunArguments) -> Vec<String> {
    let mut words = Vec::new();
    if arguments.full_refresh {
        words.push("--full-refresh".to_owned());
    }
    if arguments.fail_fast {
        words.push("--fail-fast".to_owned());
    }
    if arguments.no_audit {
        words.push("--no-audit".to_owned());
    }
    if arguments.publish == Publish::Run {
        words.push("--publish=run".to_owned());
    }
    words
}

/// The options that [`words`] wrote down.
pub(crate) fn arguments_of(words: &[String]) -> RunArguments {
    let has = |word: &str| words.iter().any(|one| one == word);
    RunArguments {
        full_refresh: has("--full-refresh"),
        fail_fast: has("--fail-fast"),
        no_audit: has("--no-audit"),
        publish: if has("--publish=run") { Publish::Run } else { Publish::Node },
        ..RunArguments::default()
    }
}

/// The steps of the last run's plan that a retry takes up again, with the tests that gate them.
///
/// # Errors
/// When nodes wait for each other.
pub(crate) fn with_audits(
    graph: &Graph,
    verb: Verb,
    no_audit: bool,
    selection: &BTreeSet<NodeId>,
    again: &BTreeSet<NodeId>,
) -> Result<Vec<NodeId>, Failure> {
    let audit = verb == Verb::Build && !no_audit;
    let known: BTreeSet<NodeId> =
        selection.iter().filter(|id| graph.node(id).is_some()).cloned().collect();
    let mut nodes = BTreeSet::new();
    for step in plan(&view(graph, &known, audit))?.steps {
        if again.contains(&step.node) {
            nodes.extend(step.gates);
            nodes.extend(step.warnings);
            nodes.insert(step.node);
        }
    }
    Ok(graph.order().iter().filter(|id| nodes.contains(*id)).cloned().collect())
}

fn has_failed(report: &StepReport) -> bool {
    report.status == StepStatus::Failed
}

fn status_of(reports: &[StepReport], failed: bool) -> RunStatus {
    let cancelled = reports.iter().any(|report| report.status == StepStatus::Cancelled);
    if cancelled && !failed {
        RunStatus::Cancelled
    } else if failed || reports.iter().any(|report| !report.is_good()) {
        RunStatus::Failed
    } else {
        RunStatus::Succeeded
    }
}

struct Work<'a> {
    place: &'a Workplace,
    verb: Verb,
    arguments: &'a RunArguments,
    run: RunId,
    console: &'a Console,
}

impl Work<'_> {
    async fn drive(&self, steps: &Plan) -> (Vec<StepReport>, Result<(), Failure>) {
        let publish_at_end = self.arguments.publish == Publish::Run && self.verb == Verb::Build;
        let options = BuildOptions { full_refresh: self.arguments.full_refresh, publish_at_end };
        let place = self.place;
        let workshop = Arc::new(Workshop::new(place.tools(), self.run.clone(), options));
        let reports = Arc::new(Reports::default());
        let builder = Builder {
            workshop: Arc::clone(&workshop),
            project: Arc::clone(&place.project),
            ledger: place.ledger.clone(),
            run: self.run.clone(),
            environment: place.environment.clone(),
            reports: Arc::clone(&reports),
        };
        let progress = Progress::new(self.console, Arc::clone(&reports));
        let cancel = cancel_on_signal(self.console);
        let threads = self.arguments.threads.unwrap_or(place.project.target.threads as usize);
        let options =
            DriveOptions { concurrency: threads.max(1), fail_fast: self.arguments.fail_fast };
        let driven = drive(steps, Arc::new(builder), Arc::new(progress), options, &cancel.token);
        place.ledger.hold_each(|| workshop.staged_leases(), driven).await;
        let mut all = reports.all();
        let publication = if publish_at_end { publish(&workshop, &mut all).await } else { Ok(()) };
        (all, publication)
    }
}

/// Points to all tables of the run, or to none.
async fn publish(workshop: &Workshop, reports: &mut [StepReport]) -> Result<(), Failure> {
    let failed = reports.iter().find(|report| !report.is_good());
    if let Some(node) = failed.map(|report| report.node.clone()) {
        workshop.withdraw_run(&format!("\"{node}\" did not succeed")).await?;
        for report in reports.iter_mut().filter(|report| report.is_good()) {
            report.status = StepStatus::Skipped;
            report.message = Some(format!("not published: \"{node}\" did not succeed"));
        }
        return Ok(());
    }
    workshop.publish_run().await?;
    for report in reports.iter_mut().filter(|report| report.table.is_some()) {
        report.published = true;
    }
    Ok(())
}

/// A cancellation token that a first Ctrl-C or SIGTERM cancels; it stops listening when dropped.
pub(crate) struct CancelOnSignal {
    pub(crate) token: CancellationToken,
    listener: tokio::task::JoinHandle<()>,
}

impl Drop for CancelOnSignal {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// How long running steps may take to stop before the process no longer waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Listens for Ctrl-C and SIGTERM.
pub(crate) fn cancel_on_signal(console: &Console) -> CancelOnSignal {
    let token = CancellationToken::new();
    let (cancelled, console) = (token.clone(), console.clone());
    let listener = tokio::spawn(async move {
        terminated().await;
        console.complain("stopping: running steps end, nothing half-done is published");
        cancelled.cancel();
        tokio::time::sleep(PATIENCE).await;
        console.complain("still stopping; a second Ctrl-C ends at once and loses nothing either");
        terminated().await;
        console.complain("ended at once; `fiveply retry` goes on from here");
        // What is not pointed to is garbage: nothing needs to be undone.
        let own = rustix::process::getpid();
        let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    });
    CancelOnSignal { token, listener }
}

async fn terminated() {
    let interrupt = tokio::signal::ctrl_c();
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupt => {}
        () = terminate => {}
    }
}
