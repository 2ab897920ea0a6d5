//! The row account: three equations that must hold at every hop, so that no row vanishes silently.

use serde::{Deserialize, Serialize};

use crate::TableName;

/// What became of every change that a load or merge read.
///
/// The equation: changes read = inserted + updated + deleted + unchanged + deduplicated + late +
/// rejected. A key change is one update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadAccount {
    /// Changes taken from the source.
    pub read: u64,
    /// Rows that were new.
    pub inserted: u64,
    /// Rows that replaced an older row of the same key.
    pub updated: u64,
    /// Rows taken away because the source said so.
    pub deleted: u64,
    /// Rows that equal what the table already held.
    pub unchanged: u64,
    /// Rows dropped because a later row of the same key was in the same step.
    pub deduplicated: u64,
    /// Rows behind the watermark, set aside by policy.
    pub late: u64,
    /// Rows kept in the rejects table.
    pub rejected: u64,
}

impl LoadAccount {
    /// Where the changes went, added up.
    pub fn accounted(&self) -> u64 {
        self.inserted
            + self.updated
            + self.deleted
            + self.unchanged
            + self.deduplicated
            + self.late
            + self.rejected
    }

    /// Whether the equation holds.
    pub fn holds(&self) -> bool {
        self.read == self.accounted()
    }

    /// Adds another batch of the same step.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.deleted += other.deleted;
        self.unchanged += other.unchanged;
        self.deduplicated += other.deduplicated;
        self.late += other.late;
        self.rejected += other.rejected;
    }
}

/// How a table's row count moved from one version to the next.
///
/// The equation: before + inserted − deleted − removed = after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableAccount {
    /// Rows of the version the step started from.
    pub before: u64,
    /// Rows that were new.
    pub inserted: u64,
    /// Rows taken away one by one, by key or predicate.
    pub deleted: u64,
    /// Rows taken away without being read: truncate, replace, replaced partitions.
    pub removed: u64,
    /// Rows of the version the step made.
    pub after: u64,
}

impl TableAccount {
    /// Whether the equation holds.
    pub fn holds(&self) -> bool {
        self.before + self.inserted == self.after + self.deleted + self.removed
    }
}

/// One table version that a model read, and the rows it held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputVersion {
    /// The table that was read.
    pub table: TableName,
    /// Its Iceberg snapshot id; none for a table that never had rows.
    pub snapshot_id: Option<i64>,
    /// Rows of that version.
    pub rows: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_went_nowhere_breaks_the_load_equation() {
        let mut account = LoadAccount { read: 3, inserted: 2, rejected: 1, ..Default::default() };
        assert!(account.holds());
        account.read += 1;
        assert!(!account.holds());
    }

    #[test]
    fn replacing_a_table_counts_the_old_rows_as_removed() {
        let replaced = TableAccount { before: 10, inserted: 4, deleted: 0, removed: 10, after: 4 };
        assert!(replaced.holds());
        assert!(!TableAccount { removed: 9, ..replaced }.holds());
    }
}
