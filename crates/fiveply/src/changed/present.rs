//! What an environment holds now: which version stands behind each name.

use std::collections::{BTreeMap, BTreeSet};

use base::{InputVersion, NodeId, TableName};
use ledger::{PointerKind, PresentVersion};
use project::{Graph, Node};

use crate::failure::Failure;
use crate::workplace::Workplace;

/// What an environment holds now.
#[derive(Debug, Default)]
pub(crate) struct Present(BTreeMap<TableName, PresentVersion>);

impl Present {
    /// Reads it.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) async fn read(
        place: &Workplace,
        beneath: &[PresentVersion],
    ) -> Result<Self, Failure> {
        let own = place.ledger.present_versions(&place.environment).await?;
        // What is its own comes last and takes the place of what lies beneath.
        let all = beneath.iter().cloned().chain(own);
        Ok(Self(all.map(|version| (version.table.clone(), version)).collect()))
    }

    /// What stands behind a name.
    pub(crate) fn version(&self, table: &TableName) -> Option<&PresentVersion> {
        self.0.get(table)
    }

    /// Whether a table still has the version that was read.
    pub(crate) fn holds(&self, input: &InputVersion) -> bool {
        self.0.get(&input.table).is_some_and(|version| {
            version.inputs.is_some() && version.snapshot_id == input.snapshot_id
        })
    }

    /// The metadata file of everything that a node's rows come from, down to tables.
    pub(crate) fn below(&self, graph: &Graph, node: &Node) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut seen: BTreeSet<&NodeId> = BTreeSet::new();
        let mut waiting: Vec<&NodeId> = node.depends_on.iter().collect();
        while let Some(parent) = waiting.pop().and_then(|id| graph.node(id)) {
            if !seen.insert(&parent.id) {
                continue;
            }
            let table = parent.relation.as_ref().filter(|_| !parent.is_ephemeral());
            let version = table.map(project::Relation::table);
            let version = version.as_ref().and_then(|table| self.0.get(table));
            if let Some(version) = version {
                found.insert(version.table.to_string(), version.metadata_location.clone());
            }
            if version.is_none_or(|version| version.kind == PointerKind::View) {
                waiting.extend(&parent.depends_on);
            }
        }
        found
    }
}
