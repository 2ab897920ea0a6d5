//! Table versions: what every pointer ever pointed to, and where its rows came from.

use base::{
    CommitId, EnvironmentName, InputVersion, LoadAccount, NodeId, RunId, TableAccount, TableName,
};
use chrono::{DateTime, Utc};

use crate::accounts::{read_load_account, read_table_account};
use crate::records::Record;
use crate::transaction::sql;
use crate::words::words;
use crate::{Ledger, LedgerError};

words! {
    /// What tests said about a version before it was published.
    Tested {
        /// Every test that gates it passed.
        Passed => "passed",
        /// A test of severity warn found something.
        Warned => "warned",
        /// It was published without tests, as `run`, `seed` and `load` do.
        Untested => "untested",
    }
}

/// One version of a table, or of a view, whose account is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableVersion {
    /// The table.
    pub table: TableName,
    /// Its Iceberg snapshot; none for a table without any, and for a view.
    pub snapshot_id: Option<i64>,
    /// Its metadata file.
    pub metadata_location: String,
    /// The commit that published it.
    pub commit_id: CommitId,
    /// The run that made it.
    pub run: Option<RunId>,
    /// The node that made it.
    pub node: Option<NodeId>,
    /// How its row count came about.
    pub account: TableAccount,
    /// What became of the changes, for a load or merge.
    pub load: Option<LoadAccount>,
    /// The versions it was computed from.
    pub inputs: Vec<InputVersion>,
    /// The code that made it.
    pub code_fingerprint: Option<String>,
    /// What tests said.
    pub tested: Tested,
    /// When, by the business clock.
    pub business_time: DateTime<Utc>,
    /// Whether another engine wrote it; the account is then that of its snapshot summary.
    pub foreign: bool,
}

impl TableVersion {
    /// An untested version without rows; fill in what is known.
    pub fn new(
        table: TableName,
        metadata_location: impl Into<String>,
        commit_id: CommitId,
        business_time: DateTime<Utc>,
    ) -> Self {
        Self {
            table,
            snapshot_id: None,
            metadata_location: metadata_location.into(),
            commit_id,
            run: None,
            node: None,
            account: TableAccount::default(),
            load: None,
            inputs: Vec::new(),
            code_fingerprint: None,
            tested: Tested::Untested,
            business_time,
            foreign: false,
        }
    }
}

macro_rules! select_versions {
    ($rest:literal) => {
        concat!(
            "SELECT v.namespace, v.name, v.snapshot_id, v.metadata_location, v.commit_id, a.run, ",
            "a.node, a.rows_before, a.rows_inserted, a.rows_deleted, a.rows_removed, ",
            "a.rows_after, a.changes_read, a.changes_inserted, a.changes_updated, ",
            "a.changes_deleted, a.changes_unchanged, a.changes_deduplicated, a.changes_late, ",
            "a.changes_rejected, a.inputs, v.code_fingerprint, v.tested, v.business_time, ",
            "v.written_elsewhere FROM table_versions v JOIN row_accounts a ",
            "ON a.sequence = v.account WHERE v.environment = ? AND v.namespace = ? ",
            "AND v.name = ? ",
            $rest
        )
    };
}

fn read_version(record: &Record) -> Result<TableVersion, LedgerError> {
    Ok(TableVersion {
        table: record.table()?,
        snapshot_id: record.maybe_number("snapshot_id")?,
        metadata_location: record.text("metadata_location")?,
        commit_id: CommitId::new(record.text("commit_id")?),
        run: record.maybe_run()?,
        node: record.maybe_node()?,
        account: read_table_account(record)?.unwrap_or_default(),
        load: read_load_account(record)?,
        inputs: record.json("inputs")?,
        code_fingerprint: record.maybe_text("code_fingerprint")?,
        tested: record.word("tested")?,
        business_time: record.time("business_time")?,
        foreign: record.flag("written_elsewhere")?,
    })
}

impl Ledger {
    /// Every version of a table, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn table_versions(
        &self,
        environment: &EnvironmentName,
        table: &TableName,
    ) -> Result<Vec<TableVersion>, LedgerError> {
        let statement = sql(select_versions!("ORDER BY v.sequence"))
            .bind(environment.as_str().to_owned())
            .bind(table.namespace.clone())
            .bind(table.name.clone());
        self.rows(statement).await?.iter().map(read_version).collect()
    }

    /// The version of a table that a metadata file holds.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn table_version(
        &self,
        environment: &EnvironmentName,
        table: &TableName,
        metadata_location: &str,
    ) -> Result<Option<TableVersion>, LedgerError> {
        let statement = sql(select_versions!("AND v.metadata_location = ?"))
            .bind(environment.as_str().to_owned())
            .bind(table.namespace.clone())
            .bind(table.name.clone())
            .bind(metadata_location.to_owned());
        self.row(statement).await?.as_ref().map(read_version).transpose()
    }
}
