//! One run from its beginning to its end, whoever asked for it: a command, a job or a door.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{NodeId, RunId};
use ledger::{NewRun, RunCause, RunStatus, StepStatus};
use orchestration::{
    DriveOptions, Executor, GraphView, Observer, Plan, Stops, TestView, drive, plan,
};
use project::{Graph, NodeKind, TestSeverity};
use tokio_util::sync::CancellationToken;
use transformation::{BackfillWindow, BuildOptions, Invocation, StepReport, Workshop};

use crate::arguments::{Publish, RunArguments};
use crate::around::{self, Around};
use crate::changed::{self, Kept};
use crate::commands::Verb;
use crate::console::Console;
use crate::events::{self, Told};
use crate::executor::{Carrier, Reports};
use crate::failure::Failure;
use crate::foresight;
use crate::loader::Loader;
use crate::progress::Progress;
use crate::summary::Summary;
use crate::windows;
use crate::workplace::Workplace;

/// A run to carry out.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// What is done.
    pub(crate) verb: Verb,
    /// The nodes, of which those are taken that the verb takes.
    pub(crate) nodes: Vec<NodeId>,
    /// How it is done.
    pub(crate) options: RunArguments,
    /// The words that the run is remembered by, so that `retry` can repeat it.
    pub(crate) words: Vec<String>,
    /// What started it, when nobody typed it.
    pub(crate) cause: RunCause,
    /// How long a step waits for another process that works on its node.
    pub(crate) patience: Duration,
    /// Stretches of time that incremental models make anew.
    pub(crate) backfill: BTreeMap<NodeId, BackfillWindow>,
    /// How it was called, as templates see it; none runs no hooks and leaves no artifacts.
    pub(crate) invocation: Option<Invocation>,
    /// Where artifacts go.
    pub(crate) target: PathBuf,
}

impl Order {
    /// What a command asks for.
    pub(crate) fn of_command(verb: Verb, nodes: Vec<NodeId>, options: &RunArguments) -> Self {
        Self {
            verb,
            nodes,
            words: words(options),
            options: options.clone(),
            cause: RunCause::default(),
            patience: Duration::ZERO,
            backfill: BTreeMap::new(),
            invocation: None,
            target: PathBuf::new(),
        }
    }
}

/// A run that the ledger knows and that has not begun its first step.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) run: RunId,
    order: Order,
    steps: Plan,
    started: Instant,
}

/// Writes the run down; none when no node is to be carried out.
///
/// # Errors
/// When nodes wait for each other, or the ledger cannot be written.
pub(crate) async fn begin(place: &Workplace, mut order: Order) -> Result<Option<Begun>, Failure> {
    let graph = &place.project.graph;
    let started = Instant::now();
    let chosen = takes(graph, order.verb, &order.options, &order.nodes);
    if chosen.is_empty() {
        return Ok(None);
    }
    if let Some(invocation) = &mut order.invocation {
        invocation.selected = chosen.iter().map(ToString::to_string).collect();
        if order.options.defer && !order.options.no_defer {
            invocation.stands_for = around::deferred(place, &order.options, &chosen).await?;
        }
    }
    place.ledger.interrupt_abandoned_runs().await?;
    let audit = order.verb.audits() && !order.options.no_audit;
    let steps = plan(&view(graph, &chosen, audit, order.verb))?;
    let new = NewRun {
        environment: place.environment.clone(),
        command: if order.backfill.is_empty() { order.verb.word() } else { "backfill" }.to_owned(),
        arguments: [order.words.clone(), windows::words(&order.backfill)].concat(),
        selection: chosen.iter().cloned().collect(),
    };
    // Whoever reads the log and the run's files finds one id in both.
    let run = match order.invocation.as_ref().and_then(|_| events::take_run_id()) {
        Some(run) => place.ledger.begin_named_run(run, &new, &order.cause).await?,
        None => place.ledger.begin_caused_run(&new, &order.cause).await?,
    };
    Ok(Some(Begun { run, order, steps, started }))
}

impl Begun {
    /// Carries the run out, showing its progress step by step.
    ///
    /// # Errors
    /// When the ledger cannot be written, or the tables of the run cannot be published; what
    /// happens to nodes is in the summary.
    pub(crate) async fn carry_out(
        self,
        place: &Workplace,
        stops: &Stops,
        console: &Console,
    ) -> Result<Summary, Failure> {
        let reports = Arc::new(Reports::default());
        let progress = Arc::new(Progress::new(console, Arc::clone(&reports)));
        let project = Arc::clone(&place.project);
        let told = Told::new(project, &self.steps, Arc::clone(&reports), progress);
        let summary = self.carry_out_with(place, stops, console, reports, Arc::new(told)).await?;
        events::run_ended(&place.project, &summary.reports, summary.duration);
        Ok(summary)
    }

    /// Carries the run out, told of by somebody else.
    ///
    /// # Errors
    /// As [`Begun::carry_out`].
    pub(crate) async fn carry_out_with(
        self,
        place: &Workplace,
        stops: &Stops,
        console: &Console,
        reports: Arc<Reports>,
        observer: Arc<dyn Observer>,
    ) -> Result<Summary, Failure> {
        let publication = self.drive(place, stops, console, &reports, observer).await;
        let (publication, all) = publication;
        let fail_fast = self.order.options.fail_fast;
        let ended_by_failure = fail_fast && all.iter().any(has_failed);
        let status = status_of(&all, publication.is_err() || ended_by_failure);
        place.ledger.finish_run(&self.run, status).await?;
        publication?;
        let verb = self.order.verb.word();
        Ok(Summary::new(verb, place, self.run, status, all, self.started.elapsed()))
    }

    async fn drive(
        &self,
        place: &Workplace,
        stops: &Stops,
        console: &Console,
        reports: &Arc<Reports>,
        observer: Arc<dyn Observer>,
    ) -> (Result<(), Failure>, Vec<StepReport>) {
        let Order { verb, options: arguments, patience, .. } = &self.order;
        let publish_at_end = arguments.publish == Publish::Run && verb.audits();
        let options = BuildOptions { full_refresh: arguments.full_refresh, publish_at_end };
        let workshop = Workshop::new(place.tools(), self.run.clone(), options);
        let mut workshop = workshop.with_backfill(self.order.backfill.clone());
        if let Some(invocation) = &self.order.invocation {
            workshop = workshop.called(invocation.clone());
        }
        let workshop = Arc::new(workshop);
        let around = self.order.invocation.as_ref().map(|invocation| Around {
            place,
            verb: *verb,
            run: &self.run,
            invocation,
            target: &self.order.target,
            console,
        });
        let stood = place.ledger.pointers(&place.environment).await.unwrap_or_default();
        let before = match &around {
            Some(around) => around.operations(&workshop, "on-run-start").await,
            None => Vec::new(),
        };
        if around.is_some() && before.iter().all(StepReport::is_good) {
            let steps = self.steps.steps.iter().map(|step| step.node.clone()).collect();
            foresight::tell(&workshop, &steps, reports, console).await;
        }
        let carrier = Carrier {
            workshop: Arc::clone(&workshop),
            loader: Loader::new(place, self.run.clone(), console),
            consumption: place.consumption(CancellationToken::new()),
            project: Arc::clone(&place.project),
            ledger: place.ledger.clone(),
            run: self.run.clone(),
            environment: place.environment.clone(),
            reports: Arc::clone(reports),
            patience: *patience,
        };
        if let Some(failed) = before.iter().find(|report| !report.is_good()) {
            for step in &self.steps.steps {
                carrier.skip(step, Some(&failed.node)).await;
            }
        } else {
            let threads = arguments.threads.unwrap_or(place.project.target.threads as usize);
            let options =
                DriveOptions { concurrency: threads.max(1), fail_fast: arguments.fail_fast };
            let driven = drive(&self.steps, Arc::new(carrier), observer, options, stops);
            place.ledger.hold_each(|| workshop.staged_leases(), driven).await;
        }
        let mut all = reports.all();
        let publication = if publish_at_end { publish(&workshop, &mut all).await } else { Ok(()) };
        let kept = Kept {
            invocation: self.order.invocation.clone().unwrap_or_default(),
            before: stood,
            built: workshop.compiled(),
            reports: &all,
            periods: workshop.computed_periods(),
            run: &self.run,
            started: workshop.started(),
        };
        if let Err(failure) = changed::keep(place, kept).await {
            // What was made stays made; a later `--changed` makes it again.
            tracing::warn!(?failure, "what the run was made from was not kept");
        }
        let Some(around) = around else { return (publication, all) };
        let after = around.at_the_end(&all, arguments.full_refresh).await;
        let all: Vec<StepReport> = before.into_iter().chain(all).chain(after).collect();
        let written =
            around.leave(&all, workshop.compiled(), &self.order.nodes, self.started.elapsed());
        (publication.and(written), all)
    }
}

/// The selected nodes that the verb carries out.
pub(crate) fn takes(
    graph: &Graph,
    verb: Verb,
    options: &RunArguments,
    nodes: &[NodeId],
) -> BTreeSet<NodeId> {
    let named = |kinds: &[String], kind: NodeKind| {
        let mut words = kinds.iter().flat_map(|words| words.split([' ', ',']));
        words.any(|word| word == kind.word() || word == "all")
    };
    let only = &options.resource_type;
    let nodes = nodes.iter().filter_map(|id| graph.node(id));
    nodes
        .filter(|node| only.is_empty() || named(only, node.kind))
        .filter(|node| !named(&options.exclude_resource_type, node.kind))
        .filter(|node| verb.takes(node.kind) && !node.is_ephemeral())
        .map(|node| node.id.clone())
        .collect()
}

fn view(graph: &Graph, chosen: &BTreeSet<NodeId>, audit: bool, verb: Verb) -> GraphView {
    let mut view = GraphView { selected: chosen.clone(), audit, ..GraphView::default() };
    for (id, node) in &graph.nodes {
        view.parents.insert(id.clone(), node.depends_on.clone());
        if node.kind == NodeKind::Stream {
            view.publish_at_once.insert(id.clone());
        }
        if let (NodeKind::Test, Some(test)) = (node.kind, &node.test) {
            let gates = test.severity == TestSeverity::Error || events::warnings::tests_fail();
            view.tests.insert(id.clone(), TestView { gates });
        }
    }
    order_unit_tests(graph, chosen, verb, &mut view);
    view
}

/// A unit test needs what its model needs, and in a build the model waits for it.
fn order_unit_tests(graph: &Graph, chosen: &BTreeSet<NodeId>, verb: Verb, view: &mut GraphView) {
    for (id, node) in graph.nodes.iter().filter(|(_, node)| node.kind == NodeKind::UnitTest) {
        view.parents.insert(id.clone(), Vec::new());
        if !verb.audits() {
            continue;
        }
        let models = node.depends_on.iter().filter_map(|id| graph.node(id));
        for model in models.filter(|model| model.kind == NodeKind::Model) {
            view.parents.entry(id.clone()).or_default().extend(model.depends_on.clone());
            if chosen.contains(id) {
                view.parents.entry(model.id.clone()).or_default().push(id.clone());
            }
        }
    }
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
    words.extend(arguments.defer_to.iter().map(|name| format!("--defer-to={name}")));
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
        defer_to: words.iter().find_map(|word| word.strip_prefix("--defer-to=")).map(str::to_owned),
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
    let audit = verb.audits() && !no_audit;
    let known: BTreeSet<NodeId> =
        selection.iter().filter(|id| graph.node(id).is_some()).cloned().collect();
    let mut nodes = BTreeSet::new();
    for step in plan(&view(graph, &known, audit, verb))?.steps {
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
