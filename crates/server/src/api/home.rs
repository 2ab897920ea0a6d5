//! The first look of the day: what is fresh, late, broken, and whose; and search over everything.

use std::collections::{BTreeMap, BTreeSet};

use access::Permission;
use axum::Json;
use axum::extract::{Query, State as Shared};
use base::NodeId;
use chrono::{DateTime, Utc};
use project::NodeKind;
use serde::{Deserialize, Serialize};

use super::runs::{RunRow, run_row};
use crate::overview::{self, NodeRow, Overview, OwnerAnswer, State, TestCounts};
use crate::{Answer, Platform, Routes, ServerError, SharedPlatform};

/// Runs on the first page.
const RUNS_SHOWN: u32 = 40;
/// Things to look after on the first page.
const ATTENTION_MAX: usize = 100;
/// Nodes that nobody builds on, on the first page.
const PRODUCTS_MAX: usize = 50;
/// Hits of one search.
const HITS_MAX: usize = 24;

pub(super) fn routes() -> Routes {
    let see = Permission::See;
    Routes::new().get("/api/v1/home", see, "what is fresh, late and broken, and whose", home).get(
        "/api/v1/search",
        see,
        "nodes, columns, owners and runs by name",
        search,
    )
}

/// Both clocks.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ClockAnswer {
    business: DateTime<Utc>,
    machine: DateTime<Utc>,
    /// Whether the business clock stands where `fiveply.yml` set it.
    fixed: bool,
}

pub(super) fn clock(platform: &Platform) -> ClockAnswer {
    ClockAnswer {
        business: platform.clocks.business.now(),
        machine: platform.clocks.machine.now(),
        fixed: platform.project().settings.clock.is_some(),
    }
}

#[derive(Debug, Serialize)]
struct HomeAnswer {
    project: String,
    environment: String,
    clock: ClockAnswer,
    counts: BTreeMap<&'static str, u64>,
    tests: TestCounts,
    attention: Vec<Attention>,
    owners: Vec<OwnerCounts>,
    /// What nothing here is built on: dashboards, metrics, syncs, features, last models.
    products: Vec<NodeRow>,
    runs: Vec<RunRow>,
    rows: RowCounts,
}

/// Rows of the newest load of each stream.
#[derive(Debug, Default, Serialize)]
struct RowCounts {
    read: u64,
    rejected: u64,
}

/// Something that a person should look at.
#[derive(Debug, Serialize)]
struct Attention {
    kind: &'static str,
    severity: &'static str,
    title: String,
    detail: Option<String>,
    node: Option<NodeId>,
    owner: Option<OwnerAnswer>,
    since: Option<DateTime<Utc>>,
    run: Option<base::RunId>,
    incident: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct OwnerCounts {
    owner: String,
    email: Option<String>,
    fresh: u64,
    late: u64,
    broken: u64,
    unbuilt: u64,
}

async fn home(Shared(platform): Shared<SharedPlatform>) -> Answer<HomeAnswer> {
    let overview = overview::read(&platform).await?;
    let summaries = platform.ledger.run_summaries(&platform.environment, RUNS_SHOWN).await?;
    let mut rows = RowCounts::default();
    for row in overview.rows.values().filter(|row| row.kind == NodeKind::Stream.word()) {
        let node = overview.project.graph.node(&row.id);
        let table = node.and_then(|node| Some(node.relation.as_ref()?.table()));
        if let Some(standing) = table.and_then(|table| overview.tables.get(&table)) {
            rows.read += standing.changes_read;
            rows.rejected += standing.changes_rejected;
        }
    }
    Ok(Json(HomeAnswer {
        project: overview.project.name.clone(),
        environment: platform.environment.to_string(),
        clock: clock(&platform),
        counts: counts(&overview),
        tests: tests(&overview),
        attention: attention(&overview),
        owners: owners(&overview),
        products: products(&overview),
        runs: summaries.iter().map(run_row).collect(),
        rows,
    }))
}

fn counts(overview: &Overview) -> BTreeMap<&'static str, u64> {
    let mut counts: BTreeMap<&str, u64> =
        ["fresh", "late", "broken", "unbuilt"].into_iter().map(|word| (word, 0)).collect();
    for row in overview.rows.values() {
        *counts.entry(word(row.state)).or_default() += 1;
    }
    counts
}

fn word(state: State) -> &'static str {
    match state {
        State::Fresh => "fresh",
        State::Unbuilt => "unbuilt",
        State::Late => "late",
        State::Broken => "broken",
    }
}

/// Each test once, also one that reads several tables.
fn tests(overview: &Overview) -> TestCounts {
    let mut counts = TestCounts::default();
    let nodes = overview.project.graph.nodes.values();
    for test in nodes.filter(|node| node.kind == NodeKind::Test) {
        counts.count(overview.test_results.get(&test.id).map(|result| result.test.status));
    }
    counts
}

fn attention(overview: &Overview) -> Vec<Attention> {
    let mut found: Vec<(u8, Attention)> = Vec::new();
    for incident in &overview.incidents {
        found.push((0, about_incident(incident)));
    }
    let told: BTreeSet<&NodeId> =
        overview.incidents.iter().filter_map(|incident| incident.node.as_ref()).collect();
    for row in overview.rows.values().filter(|row| !told.contains(&row.id)) {
        // What only passes its parents' state on is named at the parent.
        if !overview.steps.contains_key(&row.id) && row.tests.failed == 0 {
            continue;
        }
        let (weight, severity, kind) = match row.state {
            State::Broken if row.tests.failed > 0 => (0, "broken", "test"),
            State::Broken => (0, "broken", "step"),
            State::Late => (1, "late", "late"),
            State::Fresh | State::Unbuilt => continue,
        };
        found.push((weight, about(overview, row, kind, severity)));
    }
    for row in overview.rows.values().filter(|row| row.rejected > 0) {
        let mut note = about(overview, row, "rejected", "note");
        note.title = format!("{} put {} aside", row.name, things(row.rejected, "row"));
        let table = row.name.as_str();
        note.detail = Some(format!("They are in {table}__rejects, each with its reason"));
        found.push((2, note));
    }
    found.sort_by_key(|(weight, _)| *weight);
    found.into_iter().map(|(_, item)| item).take(ATTENTION_MAX).collect()
}

fn about_incident(incident: &ledger::IncidentRecord) -> Attention {
    let owner = incident
        .owner
        .as_ref()
        .map(|name| OwnerAnswer { name: name.clone(), email: incident.owner_email.clone() });
    let severity = match incident.severity {
        ledger::IncidentSeverity::High => "broken",
        ledger::IncidentSeverity::Medium | ledger::IncidentSeverity::Low => "late",
    };
    Attention {
        kind: "incident",
        severity,
        title: incident.title.clone(),
        detail: incident.day.map(|day| format!("numbers of {day}")),
        node: incident.node.clone(),
        owner,
        since: Some(incident.began),
        run: incident.run.clone(),
        incident: Some(incident.id.clone()),
    }
}

fn about(
    overview: &Overview,
    row: &NodeRow,
    kind: &'static str,
    severity: &'static str,
) -> Attention {
    let step = overview.steps.get(&row.id);
    let verb = if severity == "broken" { "failed" } else { "is late" };
    Attention {
        kind,
        severity,
        title: format!("{} {verb}", row.name),
        detail: row.reason.clone(),
        node: Some(row.id.clone()),
        owner: row.owner.clone(),
        since: step.and_then(|step| step.business_finished).or(row.published_at),
        run: step.map(|step| step.run.clone()),
        incident: None,
    }
}

fn things(count: u64, thing: &str) -> String {
    let several = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{several}")
}

fn owners(overview: &Overview) -> Vec<OwnerCounts> {
    let mut owners: BTreeMap<String, OwnerCounts> = BTreeMap::new();
    for row in overview.rows.values() {
        let (name, email) = match &row.owner {
            Some(owner) => (owner.name.clone(), owner.email.clone()),
            None => (String::new(), None),
        };
        let counts = owners.entry(name.clone()).or_default();
        counts.owner = name;
        counts.email = counts.email.take().or(email);
        let place = match row.state {
            State::Fresh => &mut counts.fresh,
            State::Unbuilt => &mut counts.unbuilt,
            State::Late => &mut counts.late,
            State::Broken => &mut counts.broken,
        };
        *place += 1;
    }
    let mut owners: Vec<OwnerCounts> = owners.into_values().collect();
    owners.sort_by_key(|owner| std::cmp::Reverse((owner.broken, owner.late, owner.fresh)));
    owners
}

fn products(overview: &Overview) -> Vec<NodeRow> {
    let graph = &overview.project.graph;
    let leads_on = |id: &NodeId| {
        let mut children = graph.children(id).iter().filter_map(|child| graph.node(child));
        children.any(|child| child.kind == NodeKind::Model)
    };
    let is_last = |row: &&NodeRow| {
        let Some(node) = graph.node(&row.id) else { return false };
        overview::is_product(node) || (node.kind == NodeKind::Model && !leads_on(&node.id))
    };
    let mut products: Vec<NodeRow> = overview.rows.values().filter(is_last).cloned().collect();
    products.sort_by(|a, b| {
        let order = |row: &NodeRow| (std::cmp::Reverse(row.state), row.kind == "model");
        order(a).cmp(&order(b)).then_with(|| a.name.cmp(&b.name))
    });
    products.truncate(PRODUCTS_MAX);
    products
}

#[derive(Deserialize)]
struct SearchQuery {
    q: String,
}

#[derive(Debug, Serialize)]
struct SearchAnswer {
    hits: Vec<Hit>,
}

#[derive(Debug, Serialize)]
struct Hit {
    id: String,
    kind: &'static str,
    title: String,
    detail: String,
    state: Option<State>,
}

async fn search(
    Shared(platform): Shared<SharedPlatform>,
    Query(SearchQuery { q }): Query<SearchQuery>,
) -> Answer<SearchAnswer> {
    let words = q.trim().to_lowercase();
    if words.is_empty() {
        return Ok(Json(SearchAnswer { hits: Vec::new() }));
    }
    let overview = overview::read(&platform).await?;
    let mut hits: Vec<(usize, Hit)> = Vec::new();
    for row in overview.rows.values() {
        if let Some((weight, detail)) = fits(&overview, row, &words) {
            let title = row.name.clone();
            let (id, kind, state) = (row.id.to_string(), row.kind, Some(row.state));
            hits.push((weight, Hit { id, kind, title, detail, state }));
        }
    }
    for owner in owners(&overview).iter().filter(|one| one.owner.to_lowercase().contains(&words)) {
        let detail = things(owner.fresh + owner.late + owner.broken + owner.unbuilt, "node");
        let (id, title) = (owner.owner.clone(), owner.owner.clone());
        hits.push((25, Hit { id, kind: "owner", title, detail, state: None }));
    }
    hits.extend(runs_found(&platform, &words).await?);
    hits.sort_by(|(a, x), (b, y)| (a, x.title.len(), &x.title).cmp(&(b, y.title.len(), &y.title)));
    let hits = hits.into_iter().map(|(_, hit)| hit).take(HITS_MAX).collect();
    Ok(Json(SearchAnswer { hits }))
}

/// How well a node fits, smaller is better, and where the words were found.
fn fits(overview: &Overview, row: &NodeRow, words: &str) -> Option<(usize, String)> {
    let node = overview.project.graph.node(&row.id)?;
    let own = node.name.to_lowercase();
    if own == words {
        return Some((0, row.description.clone()));
    }
    if own.starts_with(words) || row.name.to_lowercase().starts_with(words) {
        return Some((10, row.description.clone()));
    }
    if own.contains(words) || row.name.to_lowercase().contains(words) {
        return Some((20, row.description.clone()));
    }
    let column = node.columns.iter().find(|column| column.name.to_lowercase().contains(words));
    if let Some(column) = column {
        return Some((30, format!("column {}", column.name)));
    }
    let owned = row.owner.as_ref().filter(|owner| owner.name.to_lowercase().contains(words));
    if let Some(owner) = owned {
        return Some((50, format!("owner {}", owner.name)));
    }
    row.description.to_lowercase().contains(words).then(|| (40, row.description.clone()))
}

async fn runs_found(platform: &Platform, words: &str) -> Result<Vec<(usize, Hit)>, ServerError> {
    const RUNS_SEARCHED: u32 = 200;
    const RUNS_FOUND_MAX: usize = 5;
    let runs = platform.ledger.runs(Some(&platform.environment), RUNS_SEARCHED).await?;
    let fitting = runs.into_iter().filter(|run| {
        run.id.as_str().starts_with(words) || run.command.to_lowercase().starts_with(words)
    });
    let hit = |run: ledger::RunRecord| {
        let title = format!("{} {}", run.command, run.arguments.join(" ")).trim().to_owned();
        let detail = format!("{} · {}", run.status, run.id);
        (35, Hit { id: run.id.to_string(), kind: "run", title, detail, state: None })
    };
    Ok(fitting.take(RUNS_FOUND_MAX).map(hit).collect())
}
