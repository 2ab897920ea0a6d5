//! Runs and one run: steps in time, the critical path, row accounts, tests.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use access::Permission;
use axum::Json;
use axum::extract::{Path, Query, State};
use base::{LoadAccount, NodeId, RunId, TableAccount};
use chrono::{DateTime, Utc};
use ledger::{AccountFilter, AccountRecord, RunStatus, RunSummary, StepRecord, TestResult};
use project::{NodeKind, Project};
use serde::{Deserialize, Serialize};

use super::home::{ClockAnswer, clock};
use super::tables::{TestAnswer, test_answer};
use crate::critical::{self, Span};
use crate::overview::{self, OwnerAnswer};
use crate::{Answer, Caller, Routes, ServerError, SharedPlatform};

/// Runs of one answer.
const RUNS_MAX: u32 = 10_000;
/// Runs of one answer when nobody says how many.
const RUNS_USUAL: u32 = 200;

pub(super) fn routes() -> Routes {
    let see = Permission::See;
    Routes::new().get("/api/v1/runs", see, "runs, newest first", runs).get(
        "/api/v1/runs/{run}",
        see,
        "one run: steps, row accounts, tests",
        run,
    )
}

/// A run as every list shows it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RunRow {
    id: RunId,
    command: String,
    arguments: Vec<String>,
    status: RunStatus,
    job: Option<String>,
    started_by: Option<String>,
    business_started: DateTime<Utc>,
    machine_started: DateTime<Utc>,
    machine_finished: Option<DateTime<Utc>>,
    duration_ms: Option<i64>,
    steps: BTreeMap<String, u64>,
    tests_failed: u64,
    rows_rejected: u64,
    rows_written: u64,
}

pub(super) fn run_row(summary: &RunSummary) -> RunRow {
    let run = &summary.run;
    let took = run.machine_finished.map(|end| (end - run.machine_started).num_milliseconds());
    RunRow {
        id: run.id.clone(),
        command: run.command.clone(),
        arguments: run.arguments.clone(),
        status: run.status,
        job: run.job.clone(),
        started_by: run.started_by.clone(),
        business_started: run.business_started,
        machine_started: run.machine_started,
        machine_finished: run.machine_finished,
        duration_ms: took,
        steps: summary.steps.clone(),
        tests_failed: summary.tests_failed,
        rows_rejected: summary.rows_rejected,
        rows_written: summary.rows_written,
    }
}

#[derive(Deserialize)]
struct RunsQuery {
    limit: Option<u32>,
}

#[derive(Debug, Serialize)]
struct RunsAnswer {
    runs: Vec<RunRow>,
    clock: ClockAnswer,
}

async fn runs(
    State(platform): State<SharedPlatform>,
    Query(RunsQuery { limit }): Query<RunsQuery>,
) -> Answer<RunsAnswer> {
    let limit = limit.unwrap_or(RUNS_USUAL).min(RUNS_MAX);
    let summaries = platform.ledger.run_summaries(&platform.environment, limit).await?;
    let runs = summaries.iter().map(run_row).collect();
    Ok(Json(RunsAnswer { runs, clock: clock(&platform) }))
}

#[derive(Debug, Serialize)]
struct RunAnswer {
    run: RunRow,
    /// From the run's beginning to its last sign of life.
    total_ms: i64,
    critical_ms: i64,
    steps: Vec<StepAnswer>,
    retryable: bool,
    clock: ClockAnswer,
}

#[derive(Debug, Serialize)]
struct StepAnswer {
    node: NodeId,
    name: String,
    kind: &'static str,
    status: ledger::StepStatus,
    message: Option<String>,
    error_kind: Option<base::ErrorKind>,
    rows: Option<u64>,
    /// After the run's beginning.
    start_ms: Option<i64>,
    duration_ms: Option<i64>,
    critical: bool,
    waits_for: Vec<NodeId>,
    attempts: Vec<AttemptAnswer>,
    accounts: Vec<AccountAnswer>,
    tests: Vec<TestAnswer>,
    owner: Option<OwnerAnswer>,
}

#[derive(Debug, Serialize)]
struct AttemptAnswer {
    number: u32,
    status: ledger::StepStatus,
    message: Option<String>,
    machine_started: DateTime<Utc>,
    machine_finished: Option<DateTime<Utc>>,
}

/// What became of the rows of one commit.
#[derive(Debug, Serialize)]
struct AccountAnswer {
    table: String,
    load: Option<LoadAccount>,
    account: Option<TableAccount>,
    inputs: Vec<InputAnswer>,
    holds: bool,
}

/// A version that was read.
#[derive(Debug, Serialize)]
pub(super) struct InputAnswer {
    table: String,
    rows: u64,
    node: Option<NodeId>,
}

pub(super) fn input_answers(project: &Project, inputs: &[base::InputVersion]) -> Vec<InputAnswer> {
    let answer = |input: &base::InputVersion| InputAnswer {
        table: input.table.to_string(),
        rows: input.rows,
        node: project.graph.node_of_table(&input.table).map(|node| node.id.clone()),
    };
    inputs.iter().map(answer).collect()
}

async fn run(
    State(platform): State<SharedPlatform>,
    Caller(identity): Caller,
    Path(id): Path<String>,
) -> Answer<RunAnswer> {
    let run = RunId::new(id.as_str());
    let Some(summary) = platform.ledger.run_summary(&run).await? else {
        let message = format!("there is no run \"{}\"", id.escape_debug());
        return Err(ServerError::not_found(message).with_help("/api/v1/runs lists them."));
    };
    let (project, ledger) = (platform.project(), &platform.ledger);
    let filter = AccountFilter { run: Some(run.clone()), ..AccountFilter::default() };
    let (steps, accounts, results) = futures::try_join!(
        ledger.steps(&run),
        ledger.accounts(&filter),
        ledger.test_results(&run),
    )?;
    let shown = |step: &&StepRecord| {
        step.machine_started.is_some() || !step.node.as_str().starts_with("test.")
    };
    let steps: Vec<&StepRecord> = steps.iter().filter(shown).collect();
    let began = summary.run.machine_started;
    let now = platform.clocks.machine.now();
    let timed = timed(&project, &steps, began, now);
    let path = critical::path(&timed);
    let mut answers = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        let mut answer = step_answer(&project, step, &timed[index]);
        answer.critical = path.contains(&index);
        answer.waits_for = timed[index].after.iter().map(|at| steps[*at].node.clone()).collect();
        answer.accounts = accounts_of(&project, &accounts, &step.node);
        answer.tests = tests_of(&project, &results, &step.node, &identity);
        if step.attempts > 1 {
            let attempts = ledger.attempts(&run, &step.node).await?;
            answer.attempts = attempts.into_iter().map(attempt_answer).collect();
        }
        answers.push(answer);
    }
    answers.sort_by_key(|step| (step.start_ms.is_none(), step.start_ms));
    let ends = timed.iter().filter_map(|span| span.end_ms);
    let ended = summary.run.machine_finished.unwrap_or(now);
    let total_ms = ends.max().unwrap_or(0).max((ended - began).num_milliseconds());
    let critical_ms = path.iter().map(|at| timed[*at].duration_ms().unwrap_or(0)).sum();
    let retryable = summary.run.status != RunStatus::Running
        && steps.iter().any(|step| step.status.wants_retry());
    Ok(Json(RunAnswer {
        run: run_row(&summary),
        total_ms,
        critical_ms,
        steps: answers,
        retryable,
        clock: clock(&platform),
    }))
}

/// Each step's time after the run's beginning, and the steps it waited for.
fn timed(
    project: &Project,
    steps: &[&StepRecord],
    began: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Vec<Span> {
    let places: HashMap<&NodeId, usize> =
        steps.iter().enumerate().map(|(at, step)| (&step.node, at)).collect();
    let after_beginning = |time: DateTime<Utc>| (time - began).num_milliseconds().max(0);
    let span = |step: &&StepRecord| Span {
        start_ms: step.machine_started.map(after_beginning),
        end_ms: step.machine_started.map(|_| after_beginning(step.machine_finished.unwrap_or(now))),
        after: nearest_above(project, &step.node, &places),
    };
    steps.iter().map(span).collect()
}

/// The nearest steps above a node, seen through nodes that are no steps of this run.
fn nearest_above(project: &Project, node: &NodeId, places: &HashMap<&NodeId, usize>) -> Vec<usize> {
    let mut found = BTreeSet::new();
    let mut seen: BTreeSet<&NodeId> = BTreeSet::new();
    let mut edge: Vec<&NodeId> = project.graph.parents(node).iter().collect();
    while let Some(parent) = edge.pop() {
        if !seen.insert(parent) {
            continue;
        }
        match places.get(parent) {
            Some(place) => {
                found.insert(*place);
            }
            None => edge.extend(project.graph.parents(parent)),
        }
    }
    found.into_iter().collect()
}

fn step_answer(project: &Project, step: &StepRecord, span: &Span) -> StepAnswer {
    let node = project.graph.node(&step.node);
    let kind = step.node.as_str().split('.').next().unwrap_or_default();
    let known = NodeKind::ALL.iter().map(|kind| kind.word()).find(|word| *word == kind);
    let table = node.and_then(|node| Some(node.relation.as_ref()?.table().to_string()));
    StepAnswer {
        node: step.node.clone(),
        name: table.unwrap_or_else(|| {
            node.map_or_else(|| step.node.to_string(), |node| node.name.clone())
        }),
        kind: node.map_or(known.unwrap_or("step"), |node| node.kind.word()),
        status: step.status,
        message: step.message.clone(),
        error_kind: step.error_kind,
        rows: step.rows,
        start_ms: span.start_ms,
        duration_ms: span.duration_ms(),
        critical: false,
        waits_for: Vec::new(),
        attempts: Vec::new(),
        accounts: Vec::new(),
        tests: Vec::new(),
        owner: node.and_then(overview::owner),
    }
}

fn attempt_answer(attempt: ledger::AttemptRecord) -> AttemptAnswer {
    AttemptAnswer {
        number: attempt.attempt.number,
        status: attempt.end.status,
        message: attempt.end.message,
        machine_started: attempt.machine_started,
        machine_finished: attempt.machine_finished,
    }
}

fn accounts_of(project: &Project, all: &[AccountRecord], node: &NodeId) -> Vec<AccountAnswer> {
    let own = all.iter().filter(|account| account.node.as_ref() == Some(node));
    own.map(|account| AccountAnswer {
        table: account.table.to_string(),
        load: account.load,
        account: account.account,
        inputs: input_answers(project, &account.inputs),
        holds: account.load.is_none_or(|load| load.holds())
            && account.account.is_none_or(|table| table.holds()),
    })
    .collect()
}

fn tests_of(
    project: &Project,
    results: &[TestResult],
    step: &NodeId,
    identity: &access::Identity,
) -> Vec<TestAnswer> {
    let table = project.graph.node(step).and_then(|node| Some(node.relation.as_ref()?.table()));
    let own = results.iter().filter(|result| {
        result.test.node == *step || (table.is_some() && result.test.table == table)
    });
    own.map(|result| test_answer(project, &result.test.node, Some(result), identity)).collect()
}
