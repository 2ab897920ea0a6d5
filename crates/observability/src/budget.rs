//! Holds promises against what the ledger knows, on the business clock.

use std::collections::BTreeMap;

use base::NodeId;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use ledger::{StepStatus, TestStatus};
use project::NodeKind;
use project::promises::{Promise, PromiseKind};
use transformation::Tools;

use crate::ObservabilityError;
use crate::case::HISTORY_MAX;
use crate::clock_column::time_columns;
use crate::count::{count, mean, midnight};
use crate::promise::{Budget, Period, PromiseState, PromiseStatus};
use crate::scene::{Scene, quoted, time as time_of};

/// Tests of a node that are looked at.
const TESTS_MAX: u32 = 2_000;
/// Minutes of one period of a promise about the newest row.
const PERIOD_MINUTES: i64 = 60;

/// Every promise of the project and how it stands now.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn promises(tools: &Tools) -> Result<Vec<PromiseState>, ObservabilityError> {
    let graph = &tools.project.graph;
    let mut all = tools.project.promises.clone();
    all.extend(project::promises::of_nodes(graph));
    let mut states = Vec::new();
    for promise in &all {
        let Some(node) = promise.node(graph) else { continue };
        states.push(Box::pin(state(tools, promise, &node)).await?);
    }
    Ok(states)
}

async fn state(
    tools: &Tools,
    promise: &Promise,
    node: &NodeId,
) -> Result<PromiseState, ObservabilityError> {
    let now = tools.ledger.clocks().business.now();
    let measured = match &promise.kind {
        PromiseKind::FreshBy { time, zone } => {
            let zone: Tz = zone.parse().unwrap_or(Tz::UTC);
            fresh(tools, promise, node, *time, zone).await?
        }
        PromiseKind::NewestRow { minutes } => newest(tools, promise, node, *minutes).await?,
        PromiseKind::Volume { percent } => volume(tools, promise, node, *percent).await?,
        PromiseKind::TestsPass => tests(tools, promise, node).await?,
    };
    let Measured { history, current } = measured;
    let budget = budget(promise, &history);
    let (good, said) = match (current, history.last()) {
        (Some((good, said)), _) => (Some(good), said),
        (None, Some(last)) => (Some(last.good), last.measured.clone()),
        (None, None) => (None, "nothing was measured yet".to_owned()),
    };
    let status = match good {
        None => PromiseStatus::Unknown,
        Some(true) => PromiseStatus::Kept,
        Some(false) if budget.left < 0.0 => PromiseStatus::BudgetSpent,
        Some(false) => PromiseStatus::Broken,
    };
    let owner = tools.project.graph.node(node).and_then(|node| node.owner.clone());
    Ok(PromiseState {
        name: promise.name.clone(),
        node: node.clone(),
        owner: promise.owner.clone().or(owner.map(|owner| owner.name)),
        promise: promise.text.clone(),
        status,
        measured: said,
        evaluated_at: now,
        budget,
        history,
        file: promise.file.clone(),
    })
}

/// What was measured: complete periods, oldest first, and this moment where it counts itself.
struct Measured {
    history: Vec<Period>,
    current: Option<(bool, String)>,
}

fn budget(promise: &Promise, history: &[Period]) -> Budget {
    let wrong = 1.0 - promise.objective_percent / 100.0;
    let periods = u32::try_from(history.len()).unwrap_or(u32::MAX);
    let per_day = match promise.kind {
        PromiseKind::NewestRow { .. } => f64::from(24 * 60) / PERIOD_MINUTES as f64,
        _ => 1.0,
    };
    let allowed = f64::from(promise.window_days) * per_day * wrong;
    let spent = history.iter().filter(|period| !period.good).count() as f64;
    let burn = match (periods, wrong > 0.0) {
        (0, _) => 0.0,
        (_, false) => spent,
        (_, true) => spent / f64::from(periods) / wrong,
    };
    Budget {
        window_days: promise.window_days,
        objective_percent: promise.objective_percent,
        periods,
        allowed,
        spent,
        left: allowed - spent,
        burn,
    }
}

/// Moments at which a node was built or loaded well, oldest first.
async fn successes(tools: &Tools, node: &NodeId) -> Result<Vec<DateTime<Utc>>, ObservabilityError> {
    let steps = tools.ledger.node_steps(&tools.environment, node, 10 * HISTORY_MAX).await?;
    let good = steps
        .iter()
        .filter(|step| matches!(step.status, StepStatus::Succeeded | StepStatus::Warned));
    let mut times: Vec<DateTime<Utc>> = good.filter_map(|step| step.business_finished).collect();
    times.sort();
    Ok(times)
}

async fn fresh(
    tools: &Tools,
    promise: &Promise,
    node: &NodeId,
    time: chrono::NaiveTime,
    zone: Tz,
) -> Result<Measured, ObservabilityError> {
    let now = tools.ledger.clocks().business.now();
    let times = successes(tools, node).await?;
    let Some(first) = times.first() else {
        return Ok(Measured { history: Vec::new(), current: None });
    };
    let begins = first.with_timezone(&zone).date_naive();
    let today = now.with_timezone(&zone).date_naive();
    let mut history = Vec::new();
    for day in days_back(today, promise.window_days, begins) {
        let moment = |time: chrono::NaiveTime| {
            let local = zone.from_local_datetime(&day.and_time(time));
            // A time that the clocks skip in spring is the moment at which they skip it.
            let found = local.earliest().map(|at| at.with_timezone(&Utc));
            found.unwrap_or_else(|| midnight(day))
        };
        let (start, due) = (moment(chrono::NaiveTime::MIN), moment(time));
        // A table that did not exist yet was not promised.
        if due > now || due < *first {
            continue;
        }
        let done = times.iter().find(|at| **at >= start && **at <= due);
        let late = times.iter().find(|at| **at > due && at.date_naive() <= day);
        let measured = match (done, late) {
            (Some(at), _) => format!("built at {}", clock(*at, zone)),
            (None, Some(at)) => format!("built only at {}", clock(*at, zone)),
            (None, None) => "not built that day".to_owned(),
        };
        history.push(Period { start, good: done.is_some(), measured });
    }
    Ok(Measured { history, current: None })
}

fn clock(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%H:%M %Z").to_string()
}

fn days_back(today: NaiveDate, window: u32, begins: NaiveDate) -> Vec<NaiveDate> {
    let mut days: Vec<NaiveDate> = (0..u64::from(window))
        .filter_map(|back| today.checked_sub_days(Days::new(back)))
        .take_while(|day| *day >= begins)
        .collect();
    days.reverse();
    days
}

/// The age of the youngest row now, and for every hour before whether something had come in time.
async fn newest(
    tools: &Tools,
    promise: &Promise,
    node: &NodeId,
    minutes: i64,
) -> Result<Measured, ObservabilityError> {
    let now = tools.ledger.clocks().business.now();
    let times = successes(tools, node).await?;
    let Some(first) = times.first().copied() else {
        return Ok(Measured { history: Vec::new(), current: None });
    };
    let allowed = TimeDelta::minutes(minutes);
    let window = now - TimeDelta::days(i64::from(promise.window_days));
    let mut history = Vec::new();
    let mut start = first.max(window);
    // The period under way is not complete and is not counted.
    while start + TimeDelta::minutes(PERIOD_MINUTES) <= now {
        let end = start + TimeDelta::minutes(PERIOD_MINUTES);
        let last = times.iter().rev().find(|at| **at <= end);
        // A period is as long as the promise allows or as the hour, whichever is longer.
        let bound = allowed.max(TimeDelta::minutes(PERIOD_MINUTES));
        let age = last.map(|last| end - *last);
        let measured = match age {
            Some(age) => format!("something had come {} before", lasted(age)),
            None => "nothing had come".to_owned(),
        };
        history.push(Period { start, good: age.is_some_and(|age| age <= bound), measured });
        start = end;
    }
    let scene = Scene::open(tools, std::slice::from_ref(node)).await?;
    let columns = time_columns(&scene, node, None);
    let Some((time, table)) = columns.get(node).zip(scene.table(node)) else {
        return Ok(Measured { history, current: None });
    };
    let sql = format!(
        "select max(x) as at from (select {} as x from {}) as q",
        time.expression,
        quoted(&table)
    );
    let rows = scene.rows(&scene.published, &sql).await?;
    let current = rows.first().and_then(|row| time_of(row, "at")).map(|at| {
        let age = now - at;
        (age <= allowed, format!("the newest row is {} old", lasted(age)))
    });
    Ok(Measured { history, current })
}

fn lasted(time: TimeDelta) -> String {
    match time.num_minutes() {
        minutes if minutes < 0 => "no time".to_owned(),
        minutes if minutes < 120 => format!("{minutes} minutes"),
        minutes if minutes < 48 * 60 => format!("{} hours", minutes / 60),
        minutes => format!("{} days", minutes / (24 * 60)),
    }
}

async fn volume(
    tools: &Tools,
    promise: &Promise,
    node: &NodeId,
    percent: f64,
) -> Result<Measured, ObservabilityError> {
    let now = tools.ledger.clocks().business.now();
    // The day under way is not complete; its last minute counts as its end.
    let last = (now + TimeDelta::minutes(1)).date_naive() - Days::new(1);
    let scene = Scene::open(tools, std::slice::from_ref(node)).await?;
    let columns = time_columns(&scene, node, None);
    let Some((time, table)) = columns.get(node).zip(scene.table(node)) else {
        return Ok(Measured { history: Vec::new(), current: None });
    };
    let mut all = count(&scene, &scene.published, &table, time, last).await?;
    let before = last.checked_sub_days(Days::new(crate::count::DAYS_BACK)).unwrap_or(last);
    all.add(&count(&scene, &scene.published, &table, time, before - Days::new(1)).await?);
    let Some(begins) = all.0.keys().next().copied() else {
        return Ok(Measured { history: Vec::new(), current: None });
    };
    let mut history = Vec::new();
    for day in days_back(last, promise.window_days, begins) {
        let usual: Vec<f64> = all.usual_days(day).iter().map(|day| all.of(*day) as f64).collect();
        let Some(usual) = mean(&usual).filter(|usual| *usual > 0.0) else { continue };
        let off = (all.of(day) as f64 - usual) / usual * 100.0;
        history.push(Period {
            start: midnight(day),
            good: off.abs() <= percent,
            measured: format!("{} rows, {off:+.0}% of usual", all.of(day)),
        });
    }
    Ok(Measured { history, current: None })
}

async fn tests(
    tools: &Tools,
    promise: &Promise,
    node: &NodeId,
) -> Result<Measured, ObservabilityError> {
    let graph = &tools.project.graph;
    let today = tools.ledger.clocks().business.now().date_naive();
    let mut days: BTreeMap<NaiveDate, (u32, Vec<String>)> = BTreeMap::new();
    let children = graph.children(node).iter().filter_map(|child| graph.node(child));
    for test in children.filter(|child| child.kind == NodeKind::Test) {
        let results = tools.ledger.test_history(&tools.environment, &test.id, TESTS_MAX).await?;
        for result in results {
            let day = days.entry(result.business_time.date_naive()).or_default();
            day.0 += 1;
            if matches!(result.test.status, TestStatus::Failed | TestStatus::Errored) {
                day.1.push(test.name.clone());
            }
        }
    }
    let first = today.checked_sub_days(Days::new(u64::from(promise.window_days)));
    let within = days.into_iter().filter(|(day, _)| first.is_none_or(|first| *day > first));
    let history = within.map(|(day, (run, mut failed))| {
        failed.sort();
        failed.dedup();
        let measured = match failed.is_empty() {
            true => format!("{run} tests passed"),
            false => format!("failed: {}", failed.join(", ")),
        };
        Period { start: midnight(day), good: failed.is_empty(), measured }
    });
    Ok(Measured { history: history.collect(), current: None })
}
