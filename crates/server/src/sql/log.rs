//! The query log: written behind the answers' back, and never in their way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ledger::{Ledger, QueryRecord};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::answers::Sent;
use super::connection::Stopped;
use super::error::SqlError;
use super::session::Session;

/// Statements waiting to be written; those beyond are counted and dropped.
const WAITING_MAX: usize = 10_000;
/// Statements written at once.
const WRITTEN_AT_ONCE: usize = 500;
/// Statements kept.
pub(super) const KEPT_MAX: u64 = 100_000;
/// How long statements gather before they are written.
const GATHER: Duration = Duration::from_millis(500);

/// Takes statements; a cheap clone.
#[derive(Clone, Debug)]
pub(super) struct QueryLog {
    sender: mpsc::Sender<QueryRecord>,
    dropped: Arc<AtomicU64>,
}

impl QueryLog {
    /// A log, and the work that writes it: it ends when all clones are gone.
    pub(super) fn open(ledger: Ledger) -> (Self, impl Future<Output = ()> + Send) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let log = Self { sender, dropped: Arc::clone(&dropped) };
        (log, write(ledger, receiver, dropped))
    }

    pub(super) fn add(&self, query: QueryRecord) {
        if self.sender.try_send(query).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn write(ledger: Ledger, mut receiver: mpsc::Receiver<QueryRecord>, dropped: Arc<AtomicU64>) {
    let mut batch = Vec::new();
    while receiver.recv_many(&mut batch, WRITTEN_AT_ONCE).await > 0 {
        if batch.len() < WRITTEN_AT_ONCE && !receiver.is_closed() {
            tokio::time::sleep(GATHER).await;
            while batch.len() < WRITTEN_AT_ONCE
                && let Ok(more) = receiver.try_recv()
            {
                batch.push(more);
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, "statements were not kept in the query log: too many at once");
        }
        if let Err(error) = ledger.log_queries(&batch, KEPT_MAX).await {
            tracing::warn!(%error, statements = batch.len(), "the query log was not written");
        }
        batch.clear();
    }
}

/// A statement's beginning, for the query log.
pub(super) struct Started {
    at: Instant,
    record: Option<QueryRecord>,
}

impl Started {
    pub(super) fn now(session: &Session, kept: bool) -> Self {
        let clocks = &session.endpoint.platform.clocks;
        let record = kept.then(|| QueryRecord {
            environment: session.environment.clone(),
            user: session.identity.name.clone(),
            door: "sql".to_owned(),
            application: session.settings.get("application_name").unwrap_or_default().to_owned(),
            sql: String::new(),
            started_at: clocks.machine.now(),
            business_time: clocks.business.now(),
            duration_ms: 0,
            rows: 0,
            error: None,
            error_state: None,
        });
        Self { at: Instant::now(), record }
    }

    pub(super) fn log(self, session: &Session, sql: &str, sent: &Result<Sent, Stopped>) {
        match sent {
            Ok(sent) => self.add(session, sql, sent.rows, None),
            Err(Stopped::Failed(error)) => self.add(session, sql, 0, Some(error)),
            Err(Stopped::End(_)) => {
                let gone = SqlError::new("08006", "the connection ended before the statement");
                self.add(session, sql, 0, Some(&gone));
            }
        }
    }

    pub(super) fn log_error(self, session: &Session, sql: &str, error: &SqlError) {
        self.add(session, sql, 0, Some(error));
    }

    fn add(self, session: &Session, sql: &str, rows: usize, error: Option<&SqlError>) {
        let Some(record) = self.record else { return };
        session.endpoint.log.add(QueryRecord {
            sql: sql.to_owned(),
            duration_ms: u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX),
            rows: rows as u64,
            error: error.map(|error| error.message.clone()),
            error_state: error.map(|error| error.state.to_owned()),
            ..record
        });
    }
}
