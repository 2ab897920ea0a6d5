//! How every node stands at this moment, from the graph and the ledger: what home, lists, lineage
//! and search show.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base::{NodeId, RunId, TableName};
use chrono::{DateTime, Utc};
use ledger::{
    IncidentRecord, IncidentSeverity, IncidentStatus, StepRecord, StepStatus, TableStanding,
    TestResult, TestStatus,
};
use project::{Node, NodeKind, Project};
use serde::Serialize;

use crate::{Platform, ServerError};

/// Characters of a message that are shown as a reason.
const REASON_CHARACTERS_MAX: usize = 160;

/// Open incidents that are looked at.
const INCIDENTS_MAX: u32 = 1_000;

/// In which state a node is, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Its last step went well and its promises are kept.
    Fresh,
    /// Nothing was ever published.
    Unbuilt,
    /// What readers see is older than it should be.
    Late,
    /// Its last step or a test of it failed, or it has an incident.
    Broken,
}

/// Who is asked about a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct OwnerAnswer {
    pub(crate) name: String,
    pub(crate) email: Option<String>,
}

/// How the tests of a node ended when they last ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TestCounts {
    pub(crate) total: u64,
    pub(crate) passed: u64,
    pub(crate) warned: u64,
    pub(crate) failed: u64,
    pub(crate) not_run: u64,
}

impl TestCounts {
    pub(crate) fn count(&mut self, status: Option<TestStatus>) {
        self.total += 1;
        let place = match status {
            Some(TestStatus::Passed) => &mut self.passed,
            Some(TestStatus::Warned) => &mut self.warned,
            Some(TestStatus::Failed | TestStatus::Errored) => &mut self.failed,
            Some(TestStatus::Skipped) | None => &mut self.not_run,
        };
        *place += 1;
    }
}

/// A node as every list shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NodeRow {
    pub(crate) id: NodeId,
    pub(crate) kind: &'static str,
    /// Namespace and name of what has a table, else the name alone.
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) materialized: Option<String>,
    pub(crate) state: State,
    pub(crate) reason: Option<String>,
    pub(crate) owner: Option<OwnerAnswer>,
    pub(crate) rows: Option<u64>,
    /// Rows that its last load put aside.
    pub(crate) rejected: u64,
    pub(crate) published_at: Option<DateTime<Utc>>,
    pub(crate) run: Option<RunId>,
    pub(crate) tests: TestCounts,
    pub(crate) description: String,
}

/// How every node stands.
#[derive(Debug)]
pub(crate) struct Overview {
    pub(crate) project: Arc<Project>,
    pub(crate) rows: BTreeMap<NodeId, NodeRow>,
    pub(crate) steps: HashMap<NodeId, StepRecord>,
    pub(crate) tables: HashMap<TableName, TableStanding>,
    pub(crate) test_results: HashMap<NodeId, TestResult>,
    /// Open ones.
    pub(crate) incidents: Vec<IncidentRecord>,
}

/// Whether lists and lineage show a node: what has rows, or reads them for people.
pub(crate) fn is_shown(node: &Node) -> bool {
    !matches!(
        node.kind,
        NodeKind::Test | NodeKind::UnitTest | NodeKind::Analysis | NodeKind::Operation
    )
}

/// Whether a node is built here: its state is its own, not that of what it reads.
fn has_table(node: &Node) -> bool {
    node.relation.is_some() && !node.is_ephemeral()
}

/// Whether people or programs outside read it.
pub(crate) fn is_product(node: &Node) -> bool {
    is_shown(node)
        && !has_table(node)
        && !node.is_ephemeral()
        && !matches!(node.kind, NodeKind::SemanticModel | NodeKind::SavedQuery | NodeKind::Source)
}

/// The tests of each node: those written at it, and singular ones of all they read.
pub(crate) fn tests_by_node(project: &Project) -> HashMap<&NodeId, Vec<&Node>> {
    let mut tests: HashMap<&NodeId, Vec<&Node>> = HashMap::new();
    for node in project.graph.nodes.values().filter(|node| node.kind == NodeKind::Test) {
        let attached = node.test.as_ref().and_then(|test| test.attached.as_ref());
        match attached {
            Some(attached) => tests.entry(attached).or_default().push(node),
            None => {
                for parent in &node.depends_on {
                    tests.entry(parent).or_default().push(node);
                }
            }
        }
    }
    tests
}

/// Reads how everything stands.
pub(crate) async fn read(platform: &Platform) -> Result<Overview, ServerError> {
    let (project, environment) = (platform.project(), &platform.environment);
    let ledger = &platform.ledger;
    let (steps, tests, tables, incidents) = futures::try_join!(
        ledger.node_standings(environment),
        ledger.test_standings(environment),
        ledger.table_standings(environment),
        ledger.incidents(environment, Some(IncidentStatus::Open), INCIDENTS_MAX),
    )?;
    let mut overview = Overview {
        rows: BTreeMap::new(),
        steps: steps.into_iter().map(|step| (step.node.clone(), step)).collect(),
        tables: tables.into_iter().map(|table| (table.table.clone(), table)).collect(),
        test_results: tests.into_iter().map(|test| (test.test.node.clone(), test)).collect(),
        project: Arc::clone(&project),
        incidents,
    };
    let tests = tests_by_node(&project);
    for id in project.graph.order() {
        let Some(node) = project.graph.node(id).filter(|node| is_shown(node)) else { continue };
        let tests = tests.get(id).map(Vec::as_slice).unwrap_or_default();
        let mut row = overview.row(node, tests);
        for incident in &overview.incidents {
            if incident.node.as_ref() == Some(id) {
                worsen(&mut row, incident);
            }
        }
        overview.rows.insert(id.clone(), row);
    }
    Ok(overview)
}

impl Overview {
    fn worst_parent(&self, node: &Node) -> Option<(State, &str)> {
        let parents = node.depends_on.iter().filter_map(|parent| self.rows.get(parent));
        parents.map(|row| (row.state, row.name.as_str())).max_by_key(|(state, _)| *state)
    }

    fn row(&self, node: &Node, tests: &[&Node]) -> NodeRow {
        let table = node.relation.as_ref().filter(|_| !node.is_ephemeral());
        let standing = table.and_then(|relation| self.tables.get(&relation.table()));
        let mut counts = TestCounts::default();
        for test in tests {
            let result = self.test_results.get(&test.id);
            counts.count(result.map(|result| result.test.status));
        }
        let (state, reason) = self.state(node, standing, counts);
        NodeRow {
            id: node.id.clone(),
            kind: node.kind.word(),
            name: table.map_or_else(|| node.name.clone(), |place| place.table().to_string()),
            namespace: table.map(|place| place.schema.clone()),
            materialized: materialized(node),
            state,
            reason: reason.as_deref().map(shortened),
            owner: owner(node),
            rows: standing.and_then(|standing| standing.rows),
            rejected: standing.map_or(0, |standing| standing.changes_rejected),
            published_at: standing.map(|standing| standing.business_time),
            run: standing.and_then(|standing| standing.run.clone()),
            tests: counts,
            description: node.description.clone(),
        }
    }

    fn state(
        &self,
        node: &Node,
        standing: Option<&TableStanding>,
        tests: TestCounts,
    ) -> (State, Option<String>) {
        let step = self.steps.get(&node.id);
        let said = |step: &StepRecord, otherwise: &str| {
            Some(step.message.clone().unwrap_or_else(|| otherwise.to_owned()))
        };
        match step.map(|step| (step.status, step)) {
            Some((StepStatus::Failed, step)) => {
                return (State::Broken, said(step, "its last step failed"));
            }
            Some((StepStatus::Skipped, step)) => {
                return (State::Late, said(step, "it was held back"));
            }
            Some((StepStatus::Interrupted | StepStatus::Cancelled, step)) => {
                return (State::Late, said(step, "its last step was stopped"));
            }
            Some((
                StepStatus::Pending
                | StepStatus::Running
                | StepStatus::Succeeded
                | StepStatus::Warned,
                _,
            ))
            | None => {}
        }
        if tests.failed > 0 {
            let reason = format!("{} of {} tests failed", tests.failed, tests.total);
            return (State::Broken, Some(reason));
        }
        if has_table(node) {
            let state = if standing.is_some() { State::Fresh } else { State::Unbuilt };
            return (state, None);
        }
        match self.worst_parent(node) {
            Some((State::Fresh, _)) => (State::Fresh, None),
            Some((state, name)) => (state, Some(reason_of_parent(state, name))),
            None => (State::Unbuilt, None),
        }
    }
}

/// Readers who see wrong numbers see a broken table; what else is wrong makes it late.
fn worsen(row: &mut NodeRow, incident: &IncidentRecord) {
    let state = match incident.severity {
        IncidentSeverity::High => State::Broken,
        IncidentSeverity::Low | IncidentSeverity::Medium => State::Late,
    };
    if row.state < state || (row.state == state && row.reason.is_none()) {
        row.state = state;
        row.reason = Some(shortened(&incident.title));
    }
}

fn reason_of_parent(state: State, name: &str) -> String {
    let word = match state {
        State::Fresh => "fresh",
        State::Unbuilt => "not built",
        State::Late => "late",
        State::Broken => "broken",
    };
    format!("{name} is {word}")
}

fn materialized(node: &Node) -> Option<String> {
    (node.kind == NodeKind::Model).then(|| {
        let written = node.config.all.get("materialized").and_then(|value| value.as_str());
        written.unwrap_or("view").to_owned()
    })
}

pub(crate) fn owner(node: &Node) -> Option<OwnerAnswer> {
    let owner = node.owner.as_ref()?;
    Some(OwnerAnswer { name: owner.name.clone(), email: owner.email.clone() })
}

/// The first line of a message, cut to what fits into a list.
pub(crate) fn shortened(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default().trim();
    if line.chars().count() <= REASON_CHARACTERS_MAX {
        return line.to_owned();
    }
    line.chars().take(REASON_CHARACTERS_MAX).chain(['…']).collect()
}
