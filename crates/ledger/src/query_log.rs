//! The query log: who asked what, when, how long it took, how many rows it gave. What a dashboard
//! or a person costs is asked from it.

use base::EnvironmentName;
use chrono::{DateTime, Utc};

use crate::records::Record;
use crate::transaction::sql;
use crate::words::moment;
use crate::{Ledger, LedgerError};

/// Bytes of one statement's text that are kept.
const SQL_BYTES_MAX: usize = 16 * 1024;

/// One statement that somebody ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryRecord {
    /// The environment it read.
    pub environment: EnvironmentName,
    /// Who.
    pub user: String,
    /// Which door it came through: `sql`, `web`, ….
    pub door: String,
    /// What the program calls itself.
    pub application: String,
    /// The statement; a long one is cut.
    pub sql: String,
    /// When it began, by the machine clock.
    pub started_at: DateTime<Utc>,
    /// When it began, by the business clock.
    pub business_time: DateTime<Utc>,
    /// Milliseconds until its last row was sent.
    pub duration_ms: u64,
    /// Rows it gave.
    pub rows: u64,
    /// What went wrong; none for a statement that succeeded.
    pub error: Option<String>,
    /// The SQLSTATE of that.
    pub error_state: Option<String>,
}

impl Ledger {
    /// Adds statements to the query log, and forgets the oldest beyond `kept`.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn log_queries(&self, queries: &[QueryRecord], kept: u64) -> Result<(), LedgerError> {
        if queries.is_empty() {
            return Ok(());
        }
        let mut write = self.write().await?;
        for query in queries {
            let statement = sql("INSERT INTO query_log (environment, user_name, door, \
                 application, sql, started_at, business_time, duration_ms, row_count, error, \
                 error_state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(query.environment.to_string())
            .bind(query.user.clone())
            .bind(query.door.clone())
            .bind(query.application.clone())
            .bind(cut(&query.sql))
            .bind(moment(query.started_at))
            .bind(moment(query.business_time))
            .bind(i64::try_from(query.duration_ms).unwrap_or(i64::MAX))
            .bind(i64::try_from(query.rows).unwrap_or(i64::MAX))
            .bind(query.error.clone())
            .bind(query.error_state.clone());
            write.execute(statement).await?;
        }
        let oldest = sql("DELETE FROM query_log WHERE sequence <= \
             (SELECT max(sequence) FROM query_log) - ?");
        write.execute(oldest.bind(i64::try_from(kept).unwrap_or(i64::MAX))).await?;
        write.commit().await
    }

    /// The newest statements of an environment, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn queries(
        &self,
        environment: &EnvironmentName,
        limit: u32,
    ) -> Result<Vec<QueryRecord>, LedgerError> {
        let statement = sql("SELECT * FROM query_log WHERE environment = ? \
             ORDER BY sequence DESC LIMIT ?")
        .bind(environment.to_string())
        .bind(i64::from(limit));
        self.rows(statement).await?.iter().map(read_query).collect()
    }
}

fn read_query(record: &Record) -> Result<QueryRecord, LedgerError> {
    Ok(QueryRecord {
        environment: record.environment()?,
        user: record.text("user_name")?,
        door: record.text("door")?,
        application: record.text("application")?,
        sql: record.text("sql")?,
        started_at: record.time("started_at")?,
        business_time: record.time("business_time")?,
        duration_ms: record.count("duration_ms")?,
        rows: record.count("row_count")?,
        error: record.maybe_text("error")?,
        error_state: record.maybe_text("error_state")?,
    })
}

fn cut(sql: &str) -> String {
    let mut end = sql.len().min(SQL_BYTES_MAX);
    while !sql.is_char_boundary(end) {
        end -= 1;
    }
    sql[..end].to_owned()
}
