//! What can go wrong while a node is built, and what to do about it.

use base::{Diagnostic, ErrorKind, NodeId};
use compute::QueryError;
use ledger::LedgerError;
use storage::StorageError;

/// A node that was not built. What was published before stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum TransformationError {
    /// The user's files are wrong; each diagnostic says where.
    #[error("{}", first_message(.0))]
    Project(Vec<Diagnostic>),
    /// The query was refused or failed; the diagnostic points into the user's file if it can.
    #[error("{error}")]
    Query {
        /// What the engine said.
        error: QueryError,
        /// The same, drawn in the user's file.
        diagnostic: Box<Diagnostic>,
    },
    /// The columns of a model do not fit its table.
    #[error("{message}")]
    Columns {
        /// Primary line.
        message: String,
        /// What to do.
        help: String,
    },
    /// Known, and not built yet.
    #[error("{message}")]
    Unsupported {
        /// Primary line.
        message: String,
        /// What to use instead.
        help: String,
    },
    /// Another process works on the node.
    #[error("node \"{node}\" is being built by {by}, until {until}")]
    Held {
        /// The node.
        node: NodeId,
        /// Who, in words.
        by: String,
        /// When the lease ends unless it is renewed.
        until: String,
    },
    /// The run was asked to stop.
    #[error("the run was cancelled")]
    Cancelled,
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The lake refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Our bug.
    #[error("{0}")]
    Internal(String),
}

fn first_message(diagnostics: &[Diagnostic]) -> String {
    let first = diagnostics.iter().find(|one| one.is_error()).or(diagnostics.first());
    first.map_or_else(|| "the node does not compile".to_owned(), |one| one.message.clone())
}

impl TransformationError {
    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Project(_) | Self::Columns { .. } => ErrorKind::Project,
            Self::Query { error, .. } => error.kind,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::Held { .. } => ErrorKind::Held,
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Ledger(error) => error.kind(),
            Self::Storage(error) => error.kind(),
            Self::Internal(_) => ErrorKind::Internal,
        }
    }

    /// What to do, where this error knows more than its kind.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Columns { help, .. } | Self::Unsupported { help, .. } => Some(help.clone()),
            Self::Ledger(error) => error.help(),
            Self::Query { .. }
            | Self::Project(_)
            | Self::Held { .. }
            | Self::Cancelled
            | Self::Storage(_)
            | Self::Internal(_) => None,
        }
    }

    /// What is to be drawn in the user's files.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        match self {
            Self::Project(diagnostics) => diagnostics.clone(),
            Self::Query { diagnostic, .. } => vec![(**diagnostic).clone()],
            Self::Columns { .. }
            | Self::Unsupported { .. }
            | Self::Held { .. }
            | Self::Cancelled
            | Self::Ledger(_)
            | Self::Storage(_)
            | Self::Internal(_) => Vec::new(),
        }
    }
}
