//! Request and answer of every row that was sent; the newest ones are kept.

use base::{EnvironmentName, RunId};
use chrono::{DateTime, Utc};

use crate::accounts::stored;
use crate::records::Record;
use crate::sync_rows::{SyncBatchEnd, SyncOperation};
use crate::transaction::{Write, sql};
use crate::words::{moment, words};
use crate::{Lease, Ledger, LedgerError};

words! {
    /// What came of a row that was sent.
    SyncOutcome {
        /// The destination has it.
        Acknowledged => "acknowledged",
        /// The destination refused it.
        Refused => "refused",
        /// Nobody answered: it is sent again.
        Unanswered => "unanswered",
    }
}

/// One row's request and answer, its secrets blanked already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSyncEntry {
    /// The row's key.
    pub key: String,
    /// What was asked.
    pub operation: SyncOperation,
    /// What came of it.
    pub outcome: SyncOutcome,
    /// Status of the answer.
    pub http_status: Option<u16>,
    /// Key of the row's delivery.
    pub idempotency_key: String,
    /// Key of the batch it was part of.
    pub batch_key: String,
    /// Method, path and the row's part of the body.
    pub request: String,
    /// The row's part of the answer.
    pub response: Option<String>,
    /// What is wrong.
    pub error: Option<String>,
}

/// One row's request and answer as the ledger keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncEntry {
    /// Its place in the log.
    pub sequence: i64,
    /// The run.
    pub run: RunId,
    /// What happened.
    pub entry: NewSyncEntry,
    /// When, by the business clock.
    pub business_time: DateTime<Utc>,
    /// When, by the machine clock.
    pub machine_time: DateTime<Utc>,
}

/// Which entries of a sync's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncLogFilter {
    /// Of one run.
    pub run: Option<RunId>,
    /// Of one row.
    pub key: Option<String>,
    /// With one outcome.
    pub outcome: Option<SyncOutcome>,
    /// Older than this place in the log: the next page.
    pub before: Option<i64>,
}

impl Ledger {
    /// Entries of a sync's log, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn sync_log(
        &self,
        environment: &EnvironmentName,
        sync: &str,
        filter: &SyncLogFilter,
        limit: u32,
    ) -> Result<Vec<SyncEntry>, LedgerError> {
        let statement = sql(concat!(
            "SELECT * FROM sync_log WHERE environment = ?1 AND sync = ?2 ",
            "AND (?3 IS NULL OR run = ?3) AND (?4 IS NULL OR row_key = ?4) ",
            "AND (?5 IS NULL OR outcome = ?5) AND (?6 IS NULL OR sequence < ?6) ",
            "ORDER BY sequence DESC LIMIT ?7"
        ));
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(sync.to_owned())
            .bind(filter.run.as_ref().map(|run| run.as_str().to_owned()))
            .bind(filter.key.clone())
            .bind(filter.outcome.map(SyncOutcome::as_str))
            .bind(filter.before)
            .bind(limit);
        self.rows(statement).await?.iter().map(read_entry).collect()
    }

    /// Keeps entries of rows whose fate is not known: nothing else is written about them.
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`] when somebody else took the sync over; else when the ledger
    /// cannot be written.
    pub async fn log_unanswered(
        &self,
        lease: &Lease,
        end: &SyncBatchEnd<'_>,
    ) -> Result<(), LedgerError> {
        let mut write = self.write().await?;
        write.check_lease(lease).await?;
        write.insert_sync_log(lease, end).await?;
        write.commit().await
    }
}

fn read_entry(record: &Record) -> Result<SyncEntry, LedgerError> {
    let status = record.maybe_number("http_status")?;
    Ok(SyncEntry {
        sequence: record.number("sequence")?,
        run: RunId::new(record.text("run")?),
        entry: NewSyncEntry {
            key: record.text("row_key")?,
            operation: record.word("operation")?,
            outcome: record.word("outcome")?,
            http_status: status.and_then(|status| u16::try_from(status).ok()),
            idempotency_key: record.text("idempotency_key")?,
            batch_key: record.text("batch_key")?,
            request: record.text("request")?,
            response: record.maybe_text("response")?,
            error: record.maybe_text("error")?,
        },
        business_time: record.time("business_time")?,
        machine_time: record.time("machine_time")?,
    })
}

impl Write<'_> {
    pub(crate) async fn insert_sync_log(
        &mut self,
        lease: &Lease,
        end: &SyncBatchEnd<'_>,
    ) -> Result<(), LedgerError> {
        let mut newest = 0;
        for entry in end.log {
            let statement = sql(concat!(
                "INSERT INTO sync_log (environment, sync, run, row_key, operation, outcome, ",
                "http_status, idempotency_key, batch_key, request, response, error, ",
                "business_time, machine_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            ));
            let statement = statement
                .bind(lease.environment.as_str().to_owned())
                .bind(end.sync.to_owned())
                .bind(end.attempt.run.as_str().to_owned())
                .bind(entry.key.clone())
                .bind(entry.operation.as_str())
                .bind(entry.outcome.as_str())
                .bind(entry.http_status.map(i64::from))
                .bind(entry.idempotency_key.clone())
                .bind(entry.batch_key.clone())
                .bind(entry.request.clone())
                .bind(entry.response.clone())
                .bind(entry.error.clone())
                .bind(moment(self.ledger.clocks().business.now()))
                .bind(moment(self.ledger.clocks().machine.now()));
            newest = self.insert(statement).await?;
        }
        if newest > 0 {
            self.trim_sync_log(lease, end).await?;
        }
        Ok(())
    }

    /// Only the newest entries of a sync stay.
    async fn trim_sync_log(
        &mut self,
        lease: &Lease,
        end: &SyncBatchEnd<'_>,
    ) -> Result<(), LedgerError> {
        let statement = sql(concat!(
            "DELETE FROM sync_log WHERE environment = ?1 AND sync = ?2 AND sequence <= ",
            "(SELECT sequence FROM sync_log WHERE environment = ?1 AND sync = ?2 ",
            "ORDER BY sequence DESC LIMIT 1 OFFSET ?3)"
        ));
        let statement = statement
            .bind(lease.environment.as_str().to_owned())
            .bind(end.sync.to_owned())
            .bind(stored(end.log_rows));
        self.execute(statement).await.map(drop)
    }
}
