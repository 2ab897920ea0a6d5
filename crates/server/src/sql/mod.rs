//! The PostgreSQL door: any client that speaks PostgreSQL's protocol asks questions of the lake.
//!
//! The database of a connection is an environment. Every connection has a state of its own
//! (`session`); statements only read; a transaction reads one pinned catalog from its first
//! statement to its last. What a driver asks about PostgreSQL's own catalog is answered by
//! [`compute::postgres_catalog`], everything else by the engine. Messages are read and written by
//! `pgwire`; the order of them, cursors, cancelling and time limits are decided here
//! (`connection`, `simple`, `extended`).

mod answers;
mod cells;
mod commands;
mod connection;
mod copy;
mod copy_binary;
mod cursors;
mod encode;
mod endpoint;
mod error;
mod extended;
mod host;
mod log;
mod parameters;
mod questions;
mod registry;
mod rows;
mod scram;
mod session;
mod settings;
mod simple;
mod startup;
mod statement;
mod text;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use compute::QueryError;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{ServerError, SharedPlatform};

/// Seconds that connections may take to end after the door began to close.
pub const SHUTDOWN_SECONDS_MAX: u64 = 5;
/// Connections at a time, unless the options say otherwise.
const CONNECTIONS_MAX: usize = 100;

/// Turns a statement into another before it is planned: questions of metrics become SQL.
#[async_trait]
pub trait StatementRewriter: Send + Sync + fmt::Debug {
    /// The statement to plan instead; none for one that is planned as it is.
    ///
    /// # Errors
    /// When it is one of these questions and cannot be answered.
    async fn rewrite(&self, sql: &str) -> Result<Option<String>, QueryError>;
}

/// How the door is opened.
#[derive(Clone, Debug)]
pub struct SqlOptions {
    /// Connections at a time.
    pub connections_max: usize,
    /// Time after which a statement is ended, unless its connection sets another.
    pub statement_timeout: Option<Duration>,
    /// Looks at every question before it is planned.
    pub rewriter: Option<Arc<dyn StatementRewriter>>,
}

impl Default for SqlOptions {
    fn default() -> Self {
        Self { connections_max: CONNECTIONS_MAX, statement_timeout: None, rewriter: None }
    }
}

/// Serves until `shutdown`; then every connection is told so and closed, and the query log is
/// written to its end.
///
/// # Errors
/// When the listener fails, or it listens beyond this machine while there is no administrator.
pub async fn serve(
    platform: SharedPlatform,
    listener: TcpListener,
    options: SqlOptions,
    shutdown: CancellationToken,
) -> Result<(), ServerError> {
    let failed = |source| ServerError::Listen { address: "the SQL port".to_owned(), source };
    let address = listener.local_addr().map_err(failed)?;
    if !address.ip().is_loopback() && !platform.access.has_administrator().await.unwrap_or(false) {
        return Err(ServerError::wrong(
            format!("the SQL port is not opened at {address} while there is no administrator"),
            "Add one with `fiveply user add`, or listen on 127.0.0.1.",
        ));
    }
    let (log, writing) = log::QueryLog::open(platform.ledger.clone());
    let endpoint = Arc::new(endpoint::Endpoint::new(platform, options, log, shutdown.clone()));
    let writing = tokio::spawn(writing);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let endpoint = Arc::clone(&endpoint);
                connections.spawn(connection::run(endpoint, stream, peer));
            }
            // A client that went away, or no free descriptor: the next one may do better.
            Err(error) => {
                tracing::warn!(%error, "a connection to the SQL port was not taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    connections.close();
    drop(endpoint);
    let limit = Duration::from_secs(SHUTDOWN_SECONDS_MAX);
    if tokio::time::timeout(limit, connections.wait()).await.is_err() {
        tracing::warn!("connections to the SQL port were cut off");
    }
    let _ = tokio::time::timeout(limit, writing).await;
    Ok(())
}
