//! Keeps what a run's versions were made from, and what its tests passed on.

use std::collections::{BTreeMap, BTreeSet};

use base::{NodeId, RunId, TableName};
use ledger::{NewIntervals, NodeMeaning, Pointer, TestStatus};
use transformation::{
    ComputedPeriods, Invocation, NodeCode, NodeCodes, StepReport, is_what_was_built,
};

use crate::changed::{Present, workshop};
use crate::failure::Failure;
use crate::workplace::Workplace;

/// What is kept of a run.
pub(crate) struct Kept<'a> {
    /// How the run was called.
    pub(crate) invocation: Invocation,
    /// Where names pointed to when the run began.
    pub(crate) before: Vec<Pointer>,
    /// The texts that it built.
    pub(crate) built: BTreeMap<NodeId, String>,
    /// What became of its nodes.
    pub(crate) reports: &'a [StepReport],
    /// The periods that its microbatch models computed.
    pub(crate) periods: BTreeMap<NodeId, ComputedPeriods>,
    /// The run.
    pub(crate) run: &'a RunId,
    /// When it began, by the business clock.
    pub(crate) started: chrono::DateTime<chrono::Utc>,
}

/// Keeps it. What cannot be told for sure is not kept, so that it is built again.
///
/// # Errors
/// When the ledger cannot be read or written.
pub(crate) async fn keep(place: &Workplace, kept: Kept<'_>) -> Result<(), Failure> {
    if kept.invocation.filter.is_some() {
        return Ok(());
    }
    let published: BTreeMap<&NodeId, &StepReport> = kept
        .reports
        .iter()
        .filter(|report| report.published && report.version.is_some())
        .map(|report| (&report.node, report))
        .collect();
    let passed: BTreeSet<&NodeId> = kept
        .reports
        .iter()
        .flat_map(|report| &report.tests)
        .filter(|test| test.status == TestStatus::Passed)
        .map(|test| &test.node)
        .collect();
    if published.is_empty() && passed.is_empty() {
        return Ok(());
    }
    let wanted = published.keys().chain(&passed).map(|id| ((*id).clone(), None)).collect();
    let codes = workshop(place, &kept.invocation).meanings(wanted).await?;
    let present = Present::read(place, &kept.invocation.beneath).await?;
    let stood = standing(&kept, &published);
    let graph = &place.project.graph;
    let mut meanings = BTreeMap::new();
    keep_periods(place, &kept, &published, &codes).await?;
    for (id, code) in codes {
        let (Some(node), Ok(code)) = (graph.node(&id), code) else { continue };
        let mut meaning = of_code(code.clone(), kept.started);
        if let Some(report) = published.get(&id) {
            if !is_what_was_built(node, &code, kept.built.get(&id)) {
                continue;
            }
            let version = report.version.as_ref();
            meaning.metadata_location = version.map(|version| version.metadata_location.clone());
        }
        let read = published.get(&id).and_then(|report| report.version.as_ref());
        let read = read.map(|version| version.inputs.as_slice()).unwrap_or_default();
        meaning.inputs = present.below(graph, node);
        // Somebody else may have published meanwhile what the node has not seen.
        let seen = |table: &String, file: &String| {
            let input = read.iter().find(|input| input.table.to_string() == *table);
            stood.get(table) == Some(file) || input.is_some_and(|input| present.holds(input))
        };
        if meaning.inputs.iter().all(|(table, file)| seen(table, file)) {
            meanings.insert(id, meaning);
        }
    }
    Ok(place.ledger.keep_meanings(&place.environment, &meanings).await?)
}

/// Keeps which periods the published versions hold.
async fn keep_periods(
    place: &Workplace,
    kept: &Kept<'_>,
    published: &BTreeMap<&NodeId, &StepReport>,
    codes: &NodeCodes,
) -> Result<(), Failure> {
    for (node, computed) in &kept.periods {
        let version = published.get(node).and_then(|report| report.version.as_ref());
        let Some(version) = version else { continue };
        let code = codes.get(node).and_then(|code| code.as_ref().ok());
        let new = NewIntervals {
            node: node.clone(),
            metadata_location: version.metadata_location.clone(),
            stretches: computed.stretches.clone(),
            code: code.map(|code| code.code.clone()).unwrap_or_default(),
            from_nothing: computed.from_nothing,
        };
        place.ledger.keep_intervals(&place.environment, kept.run, &new).await?;
    }
    Ok(())
}

/// Where names pointed to, as the tests of the run saw them.
fn standing(
    kept: &Kept<'_>,
    published: &BTreeMap<&NodeId, &StepReport>,
) -> BTreeMap<String, String> {
    let pair = |table: &TableName, file: &String| (table.to_string(), file.clone());
    let before = kept.before.iter().map(|one| pair(&one.table, &one.metadata_location));
    let beneath = kept.invocation.beneath.iter();
    let beneath = beneath.map(|one| pair(&one.table, &one.metadata_location));
    let mut stood: BTreeMap<String, String> = beneath.chain(before).collect();
    let versions = published.values().filter_map(|report| report.version.as_ref());
    stood.extend(versions.map(|version| pair(&version.table, &version.metadata_location)));
    stood
}

fn of_code(code: NodeCode, made_at: chrono::DateTime<chrono::Utc>) -> NodeMeaning {
    NodeMeaning {
        metadata_location: None,
        text: code.text,
        code: code.code,
        settings: code.settings,
        contract: code.contract,
        moving: code.moving,
        inputs: BTreeMap::new(),
        made_at,
    }
}
