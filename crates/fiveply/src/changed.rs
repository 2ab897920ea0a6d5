//! Which nodes would come out other than they are published: their meaning, or what they read, is
//! not what the published version was made from. Everything else is reused.

mod keep;
mod present;

use std::collections::{BTreeMap, BTreeSet};

use base::{NodeId, RunId};
use chrono::{DateTime, Utc};
use compute::Moving;
use ledger::{NodeMeaning, PointerKind};
use project::{Materialization, Node, NodeKind};
use serde_json::Value;
use transformation::{
    BatchPlan, BuildOptions, Invocation, KnownCode, NodeCode, NodeCodes, Workshop,
};

use crate::failure::Failure;
use crate::workplace::Workplace;

pub(crate) use keep::{Kept, keep};
pub(crate) use present::Present;

/// Why a node is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Nothing is published under its name.
    New,
    /// What is published was not made by a build of this node that the ledger remembers.
    Unknown,
    /// Its SQL means something else.
    Code,
    /// Its settings are others.
    Settings,
    /// Its contract is another.
    Contract,
    /// It does not compile.
    Broken(String),
    /// A table it reads has another version.
    Input(String),
    /// It reads a node that is built.
    Parent(NodeId),
    /// A function in it, or in a view it reads, gives another answer by itself.
    Moves(String),
    /// It did not pass on what is published.
    NotPassed,
    /// Some of its periods were never computed.
    Gap,
}

impl Reason {
    /// A few words for people.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::New => "not published yet".to_owned(),
            Self::Unknown => "what is published was made otherwise".to_owned(),
            Self::Code => "its code changed".to_owned(),
            Self::Settings => "its configuration changed".to_owned(),
            Self::Contract => "its contract changed".to_owned(),
            Self::Broken(why) => format!("it does not compile: {why}"),
            Self::Input(table) => format!("{table} has new rows"),
            Self::Parent(node) => format!("reads {node}"),
            Self::Moves(function) => format!("{function} gives another answer by itself"),
            Self::NotPassed => "it has not passed on what is published".to_owned(),
            Self::Gap => "some of its periods were never computed".to_owned(),
        }
    }

    /// A word for scripts.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unknown => "unknown",
            Self::Code => "code",
            Self::Settings => "configuration",
            Self::Contract => "contract",
            Self::Broken(_) => "broken",
            Self::Input(_) => "input",
            Self::Parent(_) => "parent",
            Self::Moves(_) => "moving",
            Self::NotPassed => "not_passed",
            Self::Gap => "gap",
        }
    }

    /// Whether the project is what changed, and not the data.
    pub(crate) fn is_of_project(&self) -> bool {
        matches!(self, Self::Code | Self::Settings | Self::Contract | Self::Broken(_))
    }
}

/// What `--changed` finds.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Nodes to carry out and why.
    pub(crate) stale: BTreeMap<NodeId, Vec<Reason>>,
    /// Nodes whose published versions are what would come out.
    pub(crate) reused: Vec<NodeId>,
}

impl Changes {
    /// Why a node is built, in words.
    pub(crate) fn words(&self, node: &NodeId) -> String {
        let reasons = self.stale.get(node).map(Vec::as_slice).unwrap_or_default();
        let words: Vec<String> = reasons.iter().take(3).map(Reason::words).collect();
        let more = reasons.len().saturating_sub(3);
        match more {
            0 => words.join("; "),
            more => format!("{}; {more} more", words.join("; ")),
        }
    }

    /// Why a node is built, for scripts.
    pub(crate) fn json(&self, node: &NodeId) -> Value {
        let reasons = self.stale.get(node).map(Vec::as_slice).unwrap_or_default();
        let reason =
            |reason: &Reason| serde_json::json!({"kind": reason.kind(), "message": reason.words()});
        reasons.iter().map(reason).collect()
    }
}

/// The kinds of nodes whose results the ledger can compare.
pub(crate) fn is_judged(kind: NodeKind) -> bool {
    let built = [NodeKind::Seed, NodeKind::Model, NodeKind::Snapshot];
    built.contains(&kind) || matches!(kind, NodeKind::Test | NodeKind::UnitTest)
}

/// A workshop whose templates see the same command each time.
pub(crate) fn workshop(place: &Workplace, called: &Invocation) -> Workshop {
    let run = RunId::generate(place.clocks.machine.as_ref(), place.ledger.randomness().as_ref());
    let mut flags: serde_json::Map<String, Value> = place
        .project
        .flags
        .iter()
        .map(|(name, value)| (name.to_uppercase(), value.clone()))
        .collect();
    flags.insert("WHICH".to_owned(), "build".into());
    flags.insert("FULL_REFRESH".to_owned(), false.into());
    let invocation = Invocation {
        flags,
        stands_for: called.stands_for.clone(),
        beneath: called.beneath.clone(),
        ..Invocation::default()
    };
    Workshop::new(place.tools(), run, BuildOptions::default()).called(invocation)
}

/// Tells the nodes that would come out other than they are published from those that would not.
///
/// # Errors
/// When the ledger cannot be read.
pub(crate) async fn find(
    place: &Workplace,
    invocation: &Invocation,
    chosen: &BTreeSet<NodeId>,
) -> Result<Changes, Failure> {
    let graph = &place.project.graph;
    let known = place.ledger.meanings(&place.environment).await?;
    let wanted = chosen
        .iter()
        .filter_map(|id| graph.node(id))
        .filter(|node| is_judged(node.kind))
        .map(|node| (node.id.clone(), known.get(&node.id).map(of_ledger)))
        .collect();
    let codes = workshop(place, invocation).meanings(wanted).await?;
    let present = Present::read(place, &invocation.beneath).await?;
    let mut judge = Judge {
        place,
        known: &known,
        codes: &codes,
        present: &present,
        now: place.clocks.business.now(),
        gaps: gaps(place, chosen).await?,
        restless: BTreeMap::new(),
        changes: Changes::default(),
    };
    for id in graph.order().iter().filter(|id| chosen.contains(*id)) {
        let Some(node) = graph.node(id) else { continue };
        judge.node(node);
    }
    Ok(judge.changes)
}

/// The same for what a selection names; what is never built is left out.
///
/// # Errors
/// As [`find`].
pub(crate) async fn of_selection(place: &Workplace, ids: &[NodeId]) -> Result<Changes, Failure> {
    let graph = &place.project.graph;
    let nodes = ids.iter().filter_map(|id| graph.node(id));
    let nodes = nodes.filter(|node| is_judged(node.kind) && !node.is_ephemeral());
    let chosen = nodes.map(|node| node.id.clone()).collect();
    find(place, &Invocation::default(), &chosen).await
}

/// Microbatch models some of whose periods were never computed.
async fn gaps(place: &Workplace, chosen: &BTreeSet<NodeId>) -> Result<BTreeSet<NodeId>, Failure> {
    let mut found = BTreeSet::new();
    for node in chosen.iter().filter_map(|id| place.project.graph.node(id)) {
        let strategy = node.config.all.get("incremental_strategy").and_then(Value::as_str);
        if strategy != Some("microbatch") || node.kind != NodeKind::Model {
            continue;
        }
        let known = place.ledger.intervals(&place.environment, &node.id).await?;
        let computed: Vec<_> = known.iter().map(|one| (one.start, one.end)).collect();
        let plan = BatchPlan::of(node, &computed, place.clocks.business.now());
        if !known.is_empty() && plan.is_ok_and(|plan| !plan.gaps.is_empty()) {
            found.insert(node.id.clone());
        }
    }
    Ok(found)
}

fn of_ledger(meaning: &NodeMeaning) -> KnownCode {
    KnownCode {
        text: meaning.text.clone(),
        code: meaning.code.clone(),
        moving: meaning.moving.clone(),
    }
}

struct Judge<'a> {
    place: &'a Workplace,
    known: &'a BTreeMap<NodeId, NodeMeaning>,
    codes: &'a NodeCodes,
    present: &'a Present,
    now: DateTime<Utc>,
    /// Microbatch models some of whose periods were never computed.
    gaps: BTreeSet<NodeId>,
    /// Views that are reused and whose answer moves by itself, with the function.
    restless: BTreeMap<NodeId, String>,
    changes: Changes,
}

impl Judge<'_> {
    fn node(&mut self, node: &Node) {
        if !is_judged(node.kind) {
            self.changes.stale.insert(node.id.clone(), vec![Reason::New]);
            return;
        }
        let mut reasons = Vec::new();
        match self.codes.get(&node.id) {
            None => reasons.push(Reason::New),
            Some(Err(why)) => reasons.push(Reason::Broken(why.clone())),
            Some(Ok(code)) if node.kind.is_referable() => self.built(node, code, &mut reasons),
            Some(Ok(code)) => self.tested(node, code, &mut reasons),
        }
        // A unit test brings its own rows: what its model means is part of what it means.
        if node.kind != NodeKind::UnitTest {
            self.parents(node, &mut reasons);
        }
        match reasons.is_empty() {
            true => self.changes.reused.push(node.id.clone()),
            false => {
                self.changes.stale.insert(node.id.clone(), reasons);
            }
        }
    }

    fn meaning(&self, node: &Node, code: &NodeCode, reasons: &mut Vec<Reason>) {
        let Some(known) = self.known.get(&node.id) else { return };
        if known.code != code.code {
            reasons.push(Reason::Code);
        }
        if known.settings != code.settings {
            reasons.push(Reason::Settings);
        }
        if known.contract != code.contract {
            reasons.push(Reason::Contract);
        }
    }

    fn built(&mut self, node: &Node, code: &NodeCode, reasons: &mut Vec<Reason>) {
        let table = node.relation.as_ref().map(project::Relation::table);
        let Some(version) = table.as_ref().and_then(|table| self.present.version(table)) else {
            reasons.push(Reason::New);
            return;
        };
        self.meaning(node, code, reasons);
        let known = self.known.get(&node.id);
        let location = Some(&version.metadata_location);
        let Some(known) = known.filter(|known| known.metadata_location.as_ref() == location) else {
            if reasons.is_empty() {
                reasons.push(Reason::Unknown);
            }
            return;
        };
        let moves = self.moving(&code.moving, known.made_at);
        if version.kind == PointerKind::View {
            if let Some(function) = moves {
                self.restless.insert(node.id.clone(), function);
            }
            return;
        }
        reasons.extend(moves.map(Reason::Moves));
        if self.gaps.contains(&node.id) {
            reasons.push(Reason::Gap);
        }
        let read = version.inputs.iter().flatten();
        let moved =
            read.filter(|input| Some(&input.table) != table.as_ref() && !self.present.holds(input));
        let mut inputs: BTreeSet<String> = moved.map(|input| input.table.to_string()).collect();
        // What statements of a template made names no inputs of its own.
        let below = self.present.below(&self.place.project.graph, node);
        let moved = below.iter().filter(|(table, file)| known.inputs.get(*table) != Some(file));
        inputs.extend(moved.map(|(table, _)| table.clone()));
        reasons.extend(inputs.into_iter().map(Reason::Input));
    }

    fn tested(&self, node: &Node, code: &NodeCode, reasons: &mut Vec<Reason>) {
        let Some(known) = self.known.get(&node.id) else {
            reasons.push(Reason::NotPassed);
            return;
        };
        self.meaning(node, code, reasons);
        if node.kind == NodeKind::UnitTest {
            return;
        }
        reasons.extend(self.moving(&code.moving, known.made_at).map(Reason::Moves));
        if known.inputs != self.present.below(&self.place.project.graph, node) {
            reasons.push(Reason::NotPassed);
        }
    }

    fn moving(&self, functions: &[String], made_at: DateTime<Utc>) -> Option<String> {
        let moved = |function: &&String| match Moving::of(function) {
            None => false,
            Some(Moving::Always) => true,
            Some(Moving::Moment) => made_at != self.now,
            Some(Moving::Day) => made_at.date_naive() != self.now.date_naive(),
        };
        functions.iter().find(moved).cloned()
    }

    /// What a node reads that is built now, or moves by itself.
    fn parents(&mut self, node: &Node, reasons: &mut Vec<Reason>) {
        let graph = &self.place.project.graph;
        let mut waiting: Vec<&NodeId> = node.depends_on.iter().collect();
        let mut seen = BTreeSet::new();
        let mut restless = None;
        while let Some(id) = waiting.pop() {
            let Some(parent) = graph.node(id).filter(|_| seen.insert(id)) else { continue };
            if parent.is_ephemeral() {
                waiting.extend(&parent.depends_on);
            } else if self.changes.stale.contains_key(id) && parent.kind.is_referable() {
                reasons.push(Reason::Parent(id.clone()));
            } else if let Some(function) = self.restless.get(id) {
                restless = Some(function.clone());
            }
        }
        let Some(function) = restless else { return };
        if node.config.materialized == Materialization::View && node.kind == NodeKind::Model {
            self.restless.insert(node.id.clone(), function);
        } else {
            reasons.push(Reason::Moves(function));
        }
    }
}
