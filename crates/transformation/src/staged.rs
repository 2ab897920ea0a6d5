//! A node's new version, complete and not pointed to.

use base::NodeId;
use compute::{Catalog, ViewText};
use ledger::{Attempt, Commit, Lease, SchemaChange, Swing, TableVersion, TestRecord};

/// A node's new version, complete and not pointed to.
#[derive(Debug)]
pub(crate) struct StagedNode {
    /// The node.
    pub(crate) node: NodeId,
    /// The attempt that made it.
    pub(crate) attempt: Attempt,
    /// The lease under which it was made.
    pub(crate) lease: Lease,
    /// The pointer to move.
    pub(crate) swing: Swing,
    /// What the pointer will point to.
    pub(crate) version: TableVersion,
    /// What the new version changes in the table's schema.
    pub(crate) schema_changes: Vec<SchemaChange>,
    /// The query, for a view.
    pub(crate) view: Option<ViewText>,
    /// Whether there is anything new: an increment without rows leaves the version as it is.
    pub(crate) changed: bool,
    /// Whether it is pointed to already, before its tests.
    pub(crate) published: bool,
    /// What tests said about it.
    pub(crate) tests: Vec<TestRecord>,
}

impl StagedNode {
    /// The catalog as it will be once the pointer moved.
    pub(crate) fn shown_in(&self, catalog: Catalog) -> Catalog {
        if self.published {
            return catalog;
        }
        let name = self.swing.table.clone();
        match &self.view {
            Some(view) => catalog.with_view(name, view.clone()),
            None => catalog.with_version(name, &self.version.metadata_location, self.swing.kind),
        }
    }

    /// Adds everything that becomes true with this version to a commit.
    pub(crate) fn joined_to(&self, mut commit: Commit) -> Commit {
        commit = commit.lease(self.lease.clone());
        if self.changed {
            commit = commit
                .swing(self.swing.clone())
                .version(self.version.clone())
                .schema_changes(self.schema_changes.iter().cloned());
        }
        for test in &self.tests {
            commit = commit.test(test.clone());
        }
        commit
    }
}
