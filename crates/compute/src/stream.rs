//! Rows as they come, ended within a second by the time limit or by whoever holds the token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use base::ErrorKind;
use futures::Stream;
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::AbortOnDropHandle;

use crate::error::QueryError;
use crate::fence::Fence;

/// Batches made ahead of the reader.
pub(crate) const BATCHES_AHEAD: usize = 2;

/// A batch, or why there are no more.
pub(crate) type Row = Result<RecordBatch, QueryError>;

/// The rows of a running query.
///
/// Dropping it ends the query.
pub struct RowStream {
    schema: SchemaRef,
    rows: mpsc::Receiver<Row>,
    fence: Arc<Fence>,
    time_limit: Option<(Duration, Pin<Box<Sleep>>)>,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    work: Option<AbortOnDropHandle<()>>,
}

impl RowStream {
    pub(crate) fn new(
        schema: SchemaRef,
        rows: mpsc::Receiver<Row>,
        fence: Arc<Fence>,
        time_limit: Option<Duration>,
        cancel: CancellationToken,
        work: AbortOnDropHandle<()>,
    ) -> Self {
        let time_limit = time_limit.map(|limit| (limit, Box::pin(tokio::time::sleep(limit))));
        let cancelled = Box::pin(cancel.cancelled_owned());
        Self { schema, rows, fence, time_limit, cancelled, work: Some(work) }
    }

    /// The columns of every batch.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn end(&mut self) {
        self.fence.raise();
        self.work = None;
        self.rows.close();
    }

    fn why_ended(&mut self, context: &mut Context<'_>) -> Option<QueryError> {
        if self.cancelled.as_mut().poll(context).is_ready() {
            return Some(cancelled());
        }
        let (limit, sleep) = self.time_limit.as_mut()?;
        sleep.as_mut().poll(context).is_ready().then(|| over_time(*limit))
    }
}

pub(crate) fn cancelled() -> QueryError {
    QueryError::new(ErrorKind::Cancelled, "the query was cancelled")
}

pub(crate) fn over_time(limit: Duration) -> QueryError {
    QueryError::new(
        ErrorKind::Limit,
        format!("the query ran longer than its time limit of {} s", limit.as_secs_f64()),
    )
    .help("Raise the time limit of queries in fiveply.yml, or make the query smaller.")
}

impl fmt::Debug for RowStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Drop for RowStream {
    fn drop(&mut self) {
        self.end();
    }
}

impl Stream for RowStream {
    type Item = Row;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Row>> {
        if self.work.is_none() {
            return Poll::Ready(None);
        }
        if let Some(why) = self.why_ended(context) {
            self.end();
            return Poll::Ready(Some(Err(why)));
        }
        match self.rows.poll_recv(context) {
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.end();
                Poll::Ready(Some(Err(error)))
            }
            other => other,
        }
    }
}
