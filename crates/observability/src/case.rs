//! One diagnosis under way: what was counted, what was found, what is in order.

use std::collections::BTreeMap;

use base::{NodeId, RunId, TableName};
use chrono::{DateTime, NaiveDate, Utc};
use compute::{Catalog, ViewText};
use project::NodeKind;

use crate::clock_column::TimeColumn;
use crate::count::Counts;
use crate::diagnosis::{Finding, FindingKind, Held};
use crate::scene::Scene;

/// Steps and attempts of a node that are looked at.
pub(crate) const HISTORY_MAX: u32 = 500;

/// One diagnosis under way.
pub(crate) struct Case {
    pub(crate) scene: Scene,
    pub(crate) day: NaiveDate,
    pub(crate) times: BTreeMap<NodeId, TimeColumn>,
    /// Rows as readers see them.
    pub(crate) actual: BTreeMap<NodeId, Counts>,
    /// Rows that the code makes of its present inputs, where that may differ.
    pub(crate) expected: BTreeMap<NodeId, Counts>,
    /// What became of the changes in the loads of the day's rows.
    pub(crate) accounts: BTreeMap<NodeId, base::LoadAccount>,
    pub(crate) notes: BTreeMap<NodeId, String>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) excluded: Vec<String>,
    /// Sources as they would be if nothing had gone wrong there.
    pub(crate) mended_sources: Vec<(TableName, ViewText)>,
    /// The original of such a source, beside it.
    pub(crate) originals: Vec<(TableName, String)>,
    /// Rows that never came to a stream on the day, as far as that can be told.
    pub(crate) never_came: BTreeMap<NodeId, f64>,
}

impl Case {
    pub(crate) fn new(scene: Scene, day: NaiveDate, times: BTreeMap<NodeId, TimeColumn>) -> Self {
        Self {
            scene,
            day,
            times,
            actual: BTreeMap::new(),
            expected: BTreeMap::new(),
            accounts: BTreeMap::new(),
            notes: BTreeMap::new(),
            findings: Vec::new(),
            excluded: Vec::new(),
            mended_sources: Vec::new(),
            originals: Vec::new(),
            never_came: BTreeMap::new(),
        }
    }

    /// A finding at a node, with the owner of its layer.
    pub(crate) fn finding(&self, kind: FindingKind, id: &NodeId) -> Finding {
        let node = self.scene.node(id);
        let owner = node.and_then(|node| node.owner.clone());
        let layer = match node.map(|node| node.kind) {
            Some(NodeKind::Stream | NodeKind::Source) => match kind {
                FindingKind::LoadFailed | FindingKind::RowsRejected => "ingest",
                _ => "source",
            },
            Some(NodeKind::Seed) => "ingest",
            _ => "model",
        };
        Finding {
            kind,
            node: id.clone(),
            table: self.scene.table(id),
            layer: layer.to_owned(),
            rows: 0,
            what: String::new(),
            run: None,
            attempt: None,
            at: None,
            hours: None,
            owner: owner.as_ref().map(|owner| owner.name.clone()),
            owner_email: owner.and_then(|owner| owner.email),
            evidence: Vec::new(),
            timeline: Vec::new(),
            readers: Vec::new(),
            held_back: Vec::new(),
            mend: None,
            mended: None,
        }
    }

    /// Every model as its code makes it from nothing, over sources as they should be.
    pub(crate) fn complete(&self) -> Catalog {
        let mut catalog = self.scene.published.clone();
        for (table, location) in &self.originals {
            catalog = self.scene.beside(catalog, table, location).0;
        }
        for (table, view) in &self.mended_sources {
            catalog = catalog.with_view(table.clone(), view.clone());
        }
        for id in &self.scene.nodes {
            let keeps_history = self.times.get(id).is_some_and(|time| time.of_run);
            if !keeps_history && !self.scene.is_view(id) {
                catalog = self.scene.anew(catalog, id);
            }
        }
        catalog
    }
}

/// Hours in which one count is more than the other, first to last.
pub(crate) fn hours_between(more: &[u64; 24], less: &[u64; 24]) -> Option<(u32, u32)> {
    let hours: Vec<u32> = (0_u32..)
        .zip(more.iter().zip(less))
        .filter(|(_, (a, b))| a > b)
        .map(|(hour, _)| hour)
        .collect();
    Some((*hours.first()?, *hours.last()?))
}

/// Nodes below that were not published since something went wrong, with the reason.
pub(crate) async fn held_back(
    scene: &Scene,
    below: &NodeId,
    since: DateTime<Utc>,
) -> Result<Vec<Held>, crate::ObservabilityError> {
    let mut held = Vec::new();
    let descendants = scene.graph().descendants(below, None);
    for id in scene.graph().order() {
        let Some(node) = scene.node(id).filter(|node| descendants.contains(&node.id)) else {
            continue;
        };
        if node.kind != NodeKind::Model {
            continue;
        }
        let Some(stopped) = stopped(scene, id).await? else { continue };
        if stopped.since < since {
            continue;
        }
        held.push(Held {
            node: id.clone(),
            owner: node.owner.as_ref().map(|owner| owner.name.clone()),
            because: stopped.message,
            good_since: stopped.good_since,
        });
    }
    Ok(held)
}

/// That a node has not been published since its last good version.
#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    /// When it first failed after its last success.
    pub(crate) since: DateTime<Utc>,
    /// The run in which it first failed.
    pub(crate) run: RunId,
    pub(crate) status: ledger::StepStatus,
    pub(crate) error_kind: Option<base::ErrorKind>,
    pub(crate) message: String,
    /// When its last good version was made.
    pub(crate) good_since: Option<DateTime<Utc>>,
}

/// Whether the newest steps of a node failed or were skipped.
pub(crate) async fn stopped(
    scene: &Scene,
    id: &NodeId,
) -> Result<Option<Stopped>, crate::ObservabilityError> {
    use ledger::StepStatus;
    let tools = &scene.tools;
    let steps = tools.ledger.node_steps(&tools.environment, id, HISTORY_MAX).await?;
    let mut found: Option<Stopped> = None;
    for step in steps {
        let at = step.business_finished.or(step.business_started);
        let Some(at) = at else { continue };
        match step.status {
            StepStatus::Succeeded | StepStatus::Warned => {
                if let Some(found) = &mut found {
                    found.good_since = Some(at);
                }
                break;
            }
            StepStatus::Failed | StepStatus::Skipped => {
                found = Some(Stopped {
                    since: at,
                    run: step.run.clone(),
                    status: step.status,
                    error_kind: step.error_kind,
                    message: step.message.clone().unwrap_or_else(|| "it failed".to_owned()),
                    good_since: None,
                });
            }
            StepStatus::Pending
            | StepStatus::Running
            | StepStatus::Cancelled
            | StepStatus::Interrupted => {}
        }
    }
    Ok(found)
}
