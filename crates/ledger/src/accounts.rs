//! Row accounts: what became of every row, kept for every step, and refused where the numbers do
//! not add up.

use base::{
    CommitId, EnvironmentName, InputVersion, LoadAccount, NodeId, RunId, TableAccount, TableName,
};
use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use crate::records::Record;
use crate::transaction::{Write, sql};
use crate::words::moment;
use crate::{Commit, Ledger, LedgerError};

/// Which row accounts to list; an empty filter lists all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// Of one environment.
    pub environment: Option<EnvironmentName>,
    /// Of one run.
    pub run: Option<RunId>,
    /// Of one node.
    pub node: Option<NodeId>,
    /// Of one table.
    pub table: Option<TableName>,
}

/// The account of one table in one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRecord {
    /// Its place among all accounts.
    pub sequence: i64,
    /// The commit.
    pub commit_id: CommitId,
    /// The environment.
    pub environment: EnvironmentName,
    /// The run.
    pub run: Option<RunId>,
    /// The node.
    pub node: Option<NodeId>,
    /// The number of the attempt.
    pub attempt: Option<u32>,
    /// The table.
    pub table: TableName,
    /// The Iceberg snapshot that was made.
    pub snapshot_id: Option<i64>,
    /// The metadata file that was published; none for a load that made no version.
    pub metadata_location: Option<String>,
    /// How the table's row count moved; none for a load that made no version.
    pub account: Option<TableAccount>,
    /// What became of the changes, for a load or merge.
    pub load: Option<LoadAccount>,
    /// The versions that were read.
    pub inputs: Vec<InputVersion>,
    /// When, by the business clock.
    pub business_time: DateTime<Utc>,
    /// When, by the machine clock.
    pub machine_time: DateTime<Utc>,
}

/// One account on its way into the ledger.
pub(crate) struct NewAccount<'a> {
    pub(crate) table: &'a TableName,
    pub(crate) run: Option<&'a RunId>,
    pub(crate) node: Option<&'a NodeId>,
    pub(crate) snapshot_id: Option<i64>,
    pub(crate) metadata_location: Option<&'a str>,
    pub(crate) account: Option<&'a TableAccount>,
    pub(crate) load: Option<&'a LoadAccount>,
    pub(crate) inputs: &'a [InputVersion],
    pub(crate) business_time: DateTime<Utc>,
}

impl Ledger {
    /// Row accounts, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn accounts(
        &self,
        filter: &AccountFilter,
    ) -> Result<Vec<AccountRecord>, LedgerError> {
        // Only the conditions that are asked for, so that SQLite can use its indexes.
        let mut query = QueryBuilder::new("SELECT * FROM row_accounts WHERE true");
        if let Some(environment) = &filter.environment {
            query.push(" AND environment = ").push_bind(environment.as_str().to_owned());
        }
        if let Some(run) = &filter.run {
            query.push(" AND run = ").push_bind(run.as_str().to_owned());
        }
        if let Some(node) = &filter.node {
            query.push(" AND node = ").push_bind(node.as_str().to_owned());
        }
        if let Some(table) = &filter.table {
            query.push(" AND namespace = ").push_bind(table.namespace.clone());
            query.push(" AND name = ").push_bind(table.name.clone());
        }
        query.push(" ORDER BY sequence");
        self.rows(query.build()).await?.iter().map(read_account).collect()
    }
}

fn read_account(record: &Record) -> Result<AccountRecord, LedgerError> {
    let attempt = match record.maybe_number("attempt")? {
        Some(_) => Some(record.small_count("attempt")?),
        None => None,
    };
    Ok(AccountRecord {
        sequence: record.number("sequence")?,
        commit_id: CommitId::new(record.text("commit_id")?),
        environment: record.environment()?,
        run: record.maybe_run()?,
        node: record.maybe_node()?,
        attempt,
        table: record.table()?,
        snapshot_id: record.maybe_number("snapshot_id")?,
        metadata_location: record.maybe_text("metadata_location")?,
        account: read_table_account(record)?,
        load: read_load_account(record)?,
        inputs: record.json("inputs")?,
        business_time: record.time("business_time")?,
        machine_time: record.time("machine_time")?,
    })
}

pub(crate) fn read_table_account(record: &Record) -> Result<Option<TableAccount>, LedgerError> {
    let Some(before) = record.maybe_count("rows_before")? else { return Ok(None) };
    Ok(Some(TableAccount {
        before,
        inserted: record.count("rows_inserted")?,
        deleted: record.count("rows_deleted")?,
        removed: record.count("rows_removed")?,
        after: record.count("rows_after")?,
    }))
}

pub(crate) fn read_load_account(record: &Record) -> Result<Option<LoadAccount>, LedgerError> {
    let Some(read) = record.maybe_count("changes_read")? else { return Ok(None) };
    Ok(Some(LoadAccount {
        read,
        inserted: record.count("changes_inserted")?,
        updated: record.count("changes_updated")?,
        deleted: record.count("changes_deleted")?,
        unchanged: record.count("changes_unchanged")?,
        deduplicated: record.count("changes_deduplicated")?,
        late: record.count("changes_late")?,
        rejected: record.count("changes_rejected")?,
    }))
}

impl Write<'_> {
    pub(crate) async fn insert_account(
        &mut self,
        commit: &Commit,
        new: &NewAccount<'_>,
    ) -> Result<i64, LedgerError> {
        let inputs = serde_json::to_string(new.inputs).expect("names and numbers become JSON");
        let rows = |pick: fn(&TableAccount) -> u64| new.account.map(pick).map(stored);
        let changes = |pick: fn(&LoadAccount) -> u64| new.load.map(pick).map(stored);
        let attempt = commit.attempt.filter(|_| new.node == commit.node.as_ref());
        let statement = sql(concat!(
            "INSERT INTO row_accounts (commit_id, environment, run, node, attempt, namespace, ",
            "name, snapshot_id, metadata_location, rows_before, rows_inserted, rows_deleted, ",
            "rows_removed, rows_after, changes_read, changes_inserted, changes_updated, ",
            "changes_deleted, changes_unchanged, changes_deduplicated, changes_late, ",
            "changes_rejected, inputs, business_time, machine_time) ",
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ));
        let statement = statement
            .bind(commit.id.as_str().to_owned())
            .bind(commit.environment.as_str().to_owned())
            .bind(new.run.or(commit.run.as_ref()).map(|run| run.as_str().to_owned()))
            .bind(new.node.map(|node| node.as_str().to_owned()))
            .bind(attempt)
            .bind(new.table.namespace.clone())
            .bind(new.table.name.clone())
            .bind(new.snapshot_id)
            .bind(new.metadata_location.map(str::to_owned))
            .bind(rows(|account| account.before))
            .bind(rows(|account| account.inserted))
            .bind(rows(|account| account.deleted))
            .bind(rows(|account| account.removed))
            .bind(rows(|account| account.after))
            .bind(changes(|account| account.read))
            .bind(changes(|account| account.inserted))
            .bind(changes(|account| account.updated))
            .bind(changes(|account| account.deleted))
            .bind(changes(|account| account.unchanged))
            .bind(changes(|account| account.deduplicated))
            .bind(changes(|account| account.late))
            .bind(changes(|account| account.rejected))
            .bind(inputs)
            .bind(moment(new.business_time))
            .bind(moment(self.ledger.clocks().machine.now()));
        self.insert(statement).await
    }
}

/// A count as SQLite keeps it.
pub(crate) fn stored(count: u64) -> i64 {
    i64::try_from(count).expect("no table has more than nine quintillion rows")
}
