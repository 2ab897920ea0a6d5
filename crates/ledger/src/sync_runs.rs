//! The runs of syncs: how many rows went where.

use base::{EnvironmentName, NodeId, RunId};
use chrono::{DateTime, Utc};

use crate::accounts::stored;
use crate::records::Record;
use crate::transaction::{Write, sql};
use crate::words::moment;
use crate::{Attempt, AttemptEnd, Lease, Ledger, LedgerError, StepStatus};

/// The row account of a sync: read = inserted + updated + deleted + unchanged + failed + held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SyncCounts {
    /// Rows of the model, and rows that were removed from it and are to be taken away.
    pub read: u64,
    /// New rows that the destination acknowledged.
    pub inserted: u64,
    /// Changed rows that the destination acknowledged.
    pub updated: u64,
    /// Removed rows that the destination acknowledged.
    pub deleted: u64,
    /// Rows that the destination has as they are.
    pub unchanged: u64,
    /// Rows that the destination refused.
    pub failed: u64,
    /// Rows that the sync's mode does not send.
    pub held: u64,
    /// Requests that were answered.
    pub requests: u64,
}

impl SyncCounts {
    /// Where the rows went, added up.
    pub fn accounted(&self) -> u64 {
        self.inserted + self.updated + self.deleted + self.unchanged + self.failed + self.held
    }

    /// Whether the equation holds.
    pub fn holds(&self) -> bool {
        self.read == self.accounted()
    }

    /// Rows that were sent and acknowledged.
    pub fn sent(&self) -> u64 {
        self.inserted + self.updated + self.deleted
    }
}

/// One run of a sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRun {
    /// The sync.
    pub sync: String,
    /// The run.
    pub run: RunId,
    /// The number of the attempt.
    pub attempt: u32,
    /// Hash of the mapping.
    pub mapping_hash: String,
    /// How it stands.
    pub status: StepStatus,
    /// What is said about it.
    pub message: Option<String>,
    /// Its rows.
    pub counts: SyncCounts,
    /// Its beginning, by the business clock.
    pub business_started: DateTime<Utc>,
    /// Its end, by the business clock.
    pub business_finished: Option<DateTime<Utc>>,
    /// Its beginning, by the machine clock.
    pub machine_started: DateTime<Utc>,
    /// Its end, by the machine clock.
    pub machine_finished: Option<DateTime<Utc>>,
}

impl Ledger {
    /// Begins the account of a sync's attempt.
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`] when somebody else took the sync over; else when the ledger
    /// cannot be written.
    pub async fn begin_sync(
        &self,
        lease: &Lease,
        sync: &str,
        attempt: &Attempt,
        mapping_hash: &str,
        counts: &SyncCounts,
    ) -> Result<(), LedgerError> {
        let mut write = self.write().await?;
        write.check_lease(lease).await?;
        let statement = sql(concat!(
            "INSERT INTO sync_runs (environment, sync, run, attempt, mapping_hash, status, ",
            "rows_read, rows_inserted, rows_updated, rows_deleted, rows_unchanged, rows_failed, ",
            "rows_held, requests, business_started, machine_started) ",
            "VALUES (?, ?, ?, ?, ?, 'running', ?, 0, 0, 0, ?, 0, ?, 0, ?, ?)"
        ));
        let statement = statement
            .bind(lease.environment.as_str().to_owned())
            .bind(sync.to_owned())
            .bind(attempt.run.as_str().to_owned())
            .bind(attempt.number)
            .bind(mapping_hash.to_owned())
            .bind(stored(counts.read))
            .bind(stored(counts.unchanged))
            .bind(stored(counts.held))
            .bind(moment(self.clocks().business.now()))
            .bind(moment(self.clocks().machine.now()));
        write.execute(statement).await?;
        write.commit().await
    }

    /// Ends a sync's attempt and its account together.
    ///
    /// # Errors
    /// [`LedgerError::AttemptNotFound`] for one that was never begun; else when the ledger cannot
    /// be written.
    pub async fn finish_sync(
        &self,
        sync: &str,
        attempt: &Attempt,
        end: &AttemptEnd,
    ) -> Result<(), LedgerError> {
        let mut write = self.write().await?;
        let statement = sql(concat!(
            "UPDATE sync_runs SET status = ?, message = ?, business_finished = ?, ",
            "machine_finished = ? WHERE run = ? AND sync = ? AND attempt = ?"
        ));
        let statement = statement
            .bind(end.status.as_str())
            .bind(end.message.clone())
            .bind(moment(self.clocks().business.now()))
            .bind(moment(self.clocks().machine.now()))
            .bind(attempt.run.as_str().to_owned())
            .bind(sync.to_owned())
            .bind(attempt.number);
        write.execute(statement).await?;
        write.finish_attempt(attempt, end).await?;
        write.commit().await
    }

    /// Runs of a sync, or of all of an environment, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn sync_runs(
        &self,
        environment: &EnvironmentName,
        sync: Option<&str>,
        limit: u32,
    ) -> Result<Vec<SyncRun>, LedgerError> {
        let statement = sql(concat!(
            "SELECT * FROM sync_runs WHERE environment = ?1 AND (?2 IS NULL OR sync = ?2) ",
            "ORDER BY sequence DESC LIMIT ?3"
        ));
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(sync.map(str::to_owned))
            .bind(limit);
        self.rows(statement).await?.iter().map(read_run).collect()
    }

    /// The account of one attempt of a sync's node in a run, newest attempt first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn sync_run(&self, run: &RunId, sync: &str) -> Result<Option<SyncRun>, LedgerError> {
        let statement = sql(
            "SELECT * FROM sync_runs WHERE run = ? AND sync = ? ORDER BY sequence DESC LIMIT 1",
        );
        let statement = statement.bind(run.as_str().to_owned()).bind(sync.to_owned());
        self.row(statement).await?.as_ref().map(read_run).transpose()
    }
}

/// The sync of a node: the last part of its id.
pub fn sync_of_node(node: &NodeId) -> &str {
    node.as_str().rsplit('.').next().unwrap_or_default()
}

fn read_run(record: &Record) -> Result<SyncRun, LedgerError> {
    let status: StepStatus = record.word("status")?;
    Ok(SyncRun {
        sync: record.text("sync")?,
        run: RunId::new(record.text("run")?),
        attempt: record.small_count("attempt")?,
        mapping_hash: record.text("mapping_hash")?,
        status,
        message: record.maybe_text("message")?,
        counts: SyncCounts {
            read: record.count("rows_read")?,
            inserted: record.count("rows_inserted")?,
            updated: record.count("rows_updated")?,
            deleted: record.count("rows_deleted")?,
            unchanged: record.count("rows_unchanged")?,
            failed: record.count("rows_failed")?,
            held: record.count("rows_held")?,
            requests: record.count("requests")?,
        },
        business_started: record.time("business_started")?,
        business_finished: record.maybe_time("business_finished")?,
        machine_started: record.time("machine_started")?,
        machine_finished: record.maybe_time("machine_finished")?,
    })
}

impl Write<'_> {
    pub(crate) async fn add_sync_counts(
        &mut self,
        sync: &str,
        attempt: &Attempt,
        counts: &SyncCounts,
    ) -> Result<(), LedgerError> {
        let statement = sql(concat!(
            "UPDATE sync_runs SET rows_inserted = rows_inserted + ?, ",
            "rows_updated = rows_updated + ?, rows_deleted = rows_deleted + ?, ",
            "rows_failed = rows_failed + ?, rows_unchanged = rows_unchanged + ?, ",
            "requests = requests + ? WHERE run = ? AND sync = ? AND attempt = ?"
        ));
        let statement = statement
            .bind(stored(counts.inserted))
            .bind(stored(counts.updated))
            .bind(stored(counts.deleted))
            .bind(stored(counts.failed))
            .bind(stored(counts.unchanged))
            .bind(stored(counts.requests))
            .bind(attempt.run.as_str().to_owned())
            .bind(sync.to_owned())
            .bind(attempt.number);
        self.execute(statement).await.map(drop)
    }
}
