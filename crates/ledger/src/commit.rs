//! What one ledger transaction publishes, put together piece by piece.

use base::{
    CommitId, EnvironmentName, LoadAccount, NodeId, Position, RunId, StreamName, TableName,
};
use chrono::{DateTime, Utc};

use crate::{Attempt, AttemptEnd, Lease, PointerKind, SchemaChange, TableVersion, TestRecord};

/// Everything that must become true at one moment, or not at all.
///
/// A step commits the swings of its tables, its position and its accounts. A run that publishes at
/// its end puts the pieces of all its steps into one commit: each [`TableVersion`] names its own
/// node, and there is a lease and an attempt's end per node.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Names the commit; a second commit of the same id answers with the first one's result.
    pub id: CommitId,
    /// Where the pointers and positions live.
    pub environment: EnvironmentName,
    /// The run it belongs to.
    pub run: Option<RunId>,
    /// The node that commits; none when a run publishes many.
    pub node: Option<NodeId>,
    /// The number of the attempt.
    pub attempt: Option<u32>,
    /// Leases that must still be held.
    pub leases: Vec<Lease>,
    /// Pointers to move, in this order.
    pub swings: Vec<Swing>,
    /// Positions to move.
    pub positions: Vec<PositionMove>,
    /// What the new pointers point to, with the accounts of their rows.
    pub versions: Vec<TableVersion>,
    /// Accounts of loads that made no table version: an empty batch, a batch of rejects only.
    pub loads: Vec<LoadEntry>,
    /// What changed in the tables' schemas.
    pub schema_changes: Vec<SchemaChange>,
    /// Tests that judged the versions.
    pub tests: Vec<TestRecord>,
    /// Attempts that end with this commit.
    pub ends: Vec<(Attempt, AttemptEnd)>,
    /// Leases that end with the commit.
    pub releases: Vec<Lease>,
}

impl Commit {
    /// An empty commit.
    pub fn new(id: CommitId, environment: impl Into<EnvironmentName>) -> Self {
        Self {
            id,
            environment: environment.into(),
            run: None,
            node: None,
            attempt: None,
            leases: Vec::new(),
            swings: Vec::new(),
            positions: Vec::new(),
            versions: Vec::new(),
            loads: Vec::new(),
            schema_changes: Vec::new(),
            tests: Vec::new(),
            ends: Vec::new(),
            releases: Vec::new(),
        }
    }

    /// Says which run it belongs to.
    #[must_use]
    pub fn run(mut self, run: RunId) -> Self {
        self.run = Some(run);
        self
    }

    /// Says which node commits.
    #[must_use]
    pub fn node(mut self, node: NodeId) -> Self {
        self.node = Some(node);
        self
    }

    /// Says which attempt commits: its run, its node and its number.
    #[must_use]
    pub fn attempt(mut self, attempt: &Attempt) -> Self {
        self.run = Some(attempt.run.clone());
        self.node = Some(attempt.node.clone());
        self.attempt = Some(attempt.number);
        self
    }

    /// Demands that a lease is still held.
    #[must_use]
    pub fn lease(mut self, lease: Lease) -> Self {
        self.leases.push(lease);
        self
    }

    /// Gives a lease back with this commit.
    #[must_use]
    pub fn release(mut self, lease: Lease) -> Self {
        self.releases.push(lease);
        self
    }

    /// Moves a pointer.
    #[must_use]
    pub fn swing(mut self, swing: Swing) -> Self {
        self.swings.push(swing);
        self
    }

    /// Moves a position.
    #[must_use]
    pub fn position(
        mut self,
        stream: StreamName,
        expected: Option<Position>,
        new: Position,
    ) -> Self {
        self.positions.push(PositionMove { stream, expected, new });
        self
    }

    /// Records what a new pointer points to.
    #[must_use]
    pub fn version(mut self, version: TableVersion) -> Self {
        self.versions.push(version);
        self
    }

    /// Records the account of a load that made no table version.
    #[must_use]
    pub fn load(mut self, table: TableName, account: LoadAccount) -> Self {
        let node = self.node.clone();
        self.loads.push(LoadEntry { table, node, account });
        self
    }

    /// Records what changed in the tables' schemas.
    #[must_use]
    pub fn schema_changes(mut self, changes: impl IntoIterator<Item = SchemaChange>) -> Self {
        self.schema_changes.extend(changes);
        self
    }

    /// Records a test that judged a version.
    #[must_use]
    pub fn test(mut self, test: TestRecord) -> Self {
        self.tests.push(test);
        self
    }

    /// Ends an attempt with this commit.
    #[must_use]
    pub fn end(mut self, attempt: Attempt, end: AttemptEnd) -> Self {
        self.ends.push((attempt, end));
        self
    }
}

/// One pointer to move. With `expected` and `new` equal it stays, and the commit happens only if
/// nobody else moved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swing {
    /// The table or view.
    pub table: TableName,
    /// What it is afterwards.
    pub kind: PointerKind,
    /// The metadata file it must point to now; none: it must not exist.
    pub expected: Option<String>,
    /// The metadata file it points to afterwards; none: it is dropped.
    pub new: Option<String>,
}

impl Swing {
    /// A new name.
    pub fn create(table: TableName, kind: PointerKind, new: impl Into<String>) -> Self {
        Self { table, kind, expected: None, new: Some(new.into()) }
    }

    /// The next version of a name.
    pub fn replace(
        table: TableName,
        kind: PointerKind,
        expected: impl Into<String>,
        new: impl Into<String>,
    ) -> Self {
        Self { table, kind, expected: Some(expected.into()), new: Some(new.into()) }
    }

    /// A name that goes.
    pub fn drop(table: TableName, kind: PointerKind, expected: impl Into<String>) -> Self {
        Self { table, kind, expected: Some(expected.into()), new: None }
    }
}

/// One position to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionMove {
    /// The stream.
    pub stream: StreamName,
    /// The position it must have now; none: the stream was never read.
    pub expected: Option<Position>,
    /// The position it has afterwards.
    pub new: Position,
}

/// The account of a load that made no table version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadEntry {
    /// The table the load writes to.
    pub table: TableName,
    /// The node that loads.
    pub node: Option<NodeId>,
    /// What became of the changes.
    pub account: LoadAccount,
}

/// A commit that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The commit.
    pub id: CommitId,
    /// Its place among all commits of the ledger.
    pub sequence: i64,
    /// When, by the machine clock.
    pub committed_at: DateTime<Utc>,
    /// Whether the commit was looked up: an earlier call with the same id made it.
    pub repeated: bool,
}
