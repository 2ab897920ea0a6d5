//! What a destination acknowledged, row by row. A batch is marked as in flight before it is sent,
//! and what came of it is written in one transaction: a process that dies in between leaves rows
//! of which it is known that nobody knows, and which are sent again under the same key.

use base::fault::KillPoint;
use base::system::kill_point;

use crate::records::Record;
use crate::sync_log::NewSyncEntry;
use crate::sync_runs::SyncCounts;
use crate::transaction::{Statement, Write, sql};
use crate::words::{moment, words};
use crate::{Attempt, Lease, Ledger, LedgerError};

words! {
    /// What a destination is asked to do with a row.
    SyncOperation {
        /// Make it.
        Insert => "insert",
        /// Change it.
        Update => "update",
        /// Take it away.
        Delete => "delete",
        /// Set some of its fields, because the row is no longer there.
        Clear => "clear",
    }
}

impl SyncOperation {
    /// Whether the destination holds the row afterwards, as far as the sync cares.
    pub fn keeps(self) -> bool {
        matches!(self, Self::Insert | Self::Update)
    }
}

/// A row as a destination has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRow {
    /// Its key: a JSON list of the key columns' values.
    pub key: String,
    /// Hash of the fields that the destination acknowledged; none when it has none of them.
    pub acknowledged_hash: Option<String>,
    /// Whether the destination holds it.
    pub present: bool,
    /// Whether it was sent and never answered for.
    pub in_flight: bool,
    /// How often it was refused since it was last acknowledged.
    pub failures: u32,
    /// Why it was refused last.
    pub error: Option<String>,
    /// The destination's own id.
    pub destination_id: Option<String>,
}

/// A row about to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncSend {
    /// Its key.
    pub key: String,
    /// What is asked.
    pub operation: SyncOperation,
    /// Hash of what is sent.
    pub hash: String,
}

/// What came of a row that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncAnswer {
    /// The destination has it.
    Acknowledged {
        /// The destination's own id, when it told one.
        destination_id: Option<String>,
    },
    /// The destination refused it and changed nothing.
    Refused {
        /// Why.
        error: String,
    },
}

/// What came of a batch.
#[derive(Clone, Debug)]
pub struct SyncBatchEnd<'a> {
    /// The sync.
    pub sync: &'a str,
    /// The attempt that sent it.
    pub attempt: &'a Attempt,
    /// The rows and their answers.
    pub rows: &'a [(SyncSend, SyncAnswer)],
    /// Requests and answers to keep.
    pub log: &'a [NewSyncEntry],
    /// Entries of the log that are kept.
    pub log_rows: u64,
    /// What the batch adds to the run's account.
    pub counts: SyncCounts,
}

impl Ledger {
    /// Rows of a sync in the order of their keys, after a key.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn sync_rows(
        &self,
        environment: &base::EnvironmentName,
        sync: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<SyncRow>, LedgerError> {
        let statement = sql(concat!(
            "SELECT * FROM sync_rows WHERE environment = ? AND sync = ? AND row_key > ? ",
            "ORDER BY row_key LIMIT ?"
        ));
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(sync.to_owned())
            .bind(after.unwrap_or_default().to_owned())
            .bind(limit);
        self.rows(statement).await?.iter().map(read_row).collect()
    }

    /// Rows that a destination refused, most often refused first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn refused_sync_rows(
        &self,
        environment: &base::EnvironmentName,
        sync: &str,
        limit: u32,
    ) -> Result<Vec<SyncRow>, LedgerError> {
        let statement = sql(concat!(
            "SELECT * FROM sync_rows WHERE environment = ? AND sync = ? AND failures > 0 ",
            "ORDER BY failures DESC, row_key LIMIT ?"
        ));
        let statement =
            statement.bind(environment.as_str().to_owned()).bind(sync.to_owned()).bind(limit);
        self.rows(statement).await?.iter().map(read_row).collect()
    }

    /// Marks a batch as in flight, before any of it is sent. Answers with the generation of each
    /// row: it stays when the very same content was sent before and never answered for, and grows
    /// otherwise, so that it makes a key that names one delivery of one content.
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`] when somebody else took the sync over; else when the ledger
    /// cannot be written.
    pub async fn begin_sync_batch(
        &self,
        lease: &Lease,
        sync: &str,
        rows: &[SyncSend],
    ) -> Result<Vec<i64>, LedgerError> {
        let mut write = self.write().await?;
        write.check_lease(lease).await?;
        let mut generations = Vec::with_capacity(rows.len());
        for row in rows {
            generations.push(write.mark_in_flight(lease, sync, row).await?);
        }
        kill_point(KillPoint::LedgerBeforeCommit);
        write.commit().await?;
        kill_point(KillPoint::LedgerAfterCommit);
        Ok(generations)
    }

    /// Writes what came of a batch: acknowledgements, refusals, requests and answers, and the
    /// run's account, all or nothing.
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`] when somebody else took the sync over; else when the ledger
    /// cannot be written.
    pub async fn end_sync_batch(
        &self,
        lease: &Lease,
        end: &SyncBatchEnd<'_>,
    ) -> Result<(), LedgerError> {
        let mut write = self.write().await?;
        write.check_lease(lease).await?;
        for (row, answer) in end.rows {
            let statement = match answer {
                SyncAnswer::Acknowledged { destination_id } => {
                    self.acknowledge(lease, end.sync, row, destination_id.clone())
                }
                SyncAnswer::Refused { error } => refuse(lease, end.sync, row, error),
            };
            write.execute(statement).await?;
        }
        write.insert_sync_log(lease, end).await?;
        write.add_sync_counts(end.sync, end.attempt, &end.counts).await?;
        kill_point(KillPoint::LedgerBeforeCommit);
        write.commit().await?;
        kill_point(KillPoint::LedgerAfterCommit);
        Ok(())
    }

    fn acknowledge(
        &self,
        lease: &Lease,
        sync: &str,
        row: &SyncSend,
        destination_id: Option<String>,
    ) -> Statement<'static> {
        let keeps = row.operation.keeps();
        let statement = sql(concat!(
            "UPDATE sync_rows SET acknowledged_hash = ?1, present = ?2, in_flight_hash = NULL, ",
            "in_flight_operation = NULL, failures = 0, failed_hash = NULL, error = NULL, ",
            "destination_id = coalesce(?3, destination_id), acknowledged_at = ?4 ",
            "WHERE environment = ?5 AND sync = ?6 AND row_key = ?7"
        ));
        statement
            .bind(keeps.then(|| row.hash.clone()))
            .bind(keeps)
            .bind(destination_id)
            .bind(moment(self.clocks().business.now()))
            .bind(lease.environment.as_str().to_owned())
            .bind(sync.to_owned())
            .bind(row.key.clone())
    }
}

fn refuse(lease: &Lease, sync: &str, row: &SyncSend, error: &str) -> Statement<'static> {
    let statement = sql(concat!(
        "UPDATE sync_rows SET in_flight_hash = NULL, in_flight_operation = NULL, ",
        "failures = failures + 1, failed_hash = ?, error = ? ",
        "WHERE environment = ? AND sync = ? AND row_key = ?"
    ));
    statement
        .bind(row.hash.clone())
        .bind(error.to_owned())
        .bind(lease.environment.as_str().to_owned())
        .bind(sync.to_owned())
        .bind(row.key.clone())
}

fn read_row(record: &Record) -> Result<SyncRow, LedgerError> {
    Ok(SyncRow {
        key: record.text("row_key")?,
        acknowledged_hash: record.maybe_text("acknowledged_hash")?,
        present: record.flag("present")?,
        in_flight: record.maybe_text("in_flight_hash")?.is_some(),
        failures: record.small_count("failures")?,
        error: record.maybe_text("error")?,
        destination_id: record.maybe_text("destination_id")?,
    })
}

impl Write<'_> {
    async fn mark_in_flight(
        &mut self,
        lease: &Lease,
        sync: &str,
        row: &SyncSend,
    ) -> Result<i64, LedgerError> {
        let statement = sql(concat!(
            "INSERT INTO sync_rows (environment, sync, row_key, present, generation, ",
            "in_flight_hash, in_flight_operation, failures) VALUES (?1, ?2, ?3, 0, 1, ?4, ?5, 0) ",
            "ON CONFLICT (environment, sync, row_key) DO UPDATE SET ",
            "generation = CASE WHEN in_flight_hash = ?4 AND in_flight_operation = ?5 ",
            "THEN generation ELSE generation + 1 END, ",
            "in_flight_hash = ?4, in_flight_operation = ?5 RETURNING generation"
        ));
        let statement = statement
            .bind(lease.environment.as_str().to_owned())
            .bind(sync.to_owned())
            .bind(row.key.clone())
            .bind(row.hash.clone())
            .bind(row.operation.as_str());
        let record = self.row(statement).await?;
        record.expect("an upsert returns its row").number("generation")
    }
}
