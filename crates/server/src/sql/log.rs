//! The query log: written behind the answers' back, and never in their way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ledger::{Ledger, QueryRecord};
use tokio::sync::mpsc;

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
