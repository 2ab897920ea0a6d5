//! What can go wrong while a number is explained, and what to do about it.

use base::ErrorKind;
use compute::QueryError;
use ledger::LedgerError;
use storage::StorageError;

/// A question that was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ObservabilityError {
    /// Nothing of this name has rows.
    #[error("there is no metric, model, seed or stream \"{name}\"")]
    NotFound {
        /// As typed.
        name: String,
        /// What may have been meant.
        help: Option<String>,
    },
    /// The node has no table yet.
    #[error("\"{name}\" has no table in environment \"{environment}\"")]
    NotBuilt {
        /// The node.
        name: String,
        /// Where it was looked for.
        environment: String,
    },
    /// The table has no such column.
    #[error("\"{table}\" has no column \"{column}\"; it has {columns}")]
    NoColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What there is.
        columns: String,
    },
    /// A metric is made of several numbers, each of which has its own way to its sources.
    #[error("\"{name}\" is made of several numbers: {}", .inputs.join(", "))]
    SeveralNumbers {
        /// As typed.
        name: String,
        /// The metrics that count rows themselves.
        inputs: Vec<String>,
    },
    /// A query of ours was refused or failed.
    #[error("{}", .0.message)]
    Query(#[from] QueryError),
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

impl ObservabilityError {
    /// The kind, from which retry policy and advice follow.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } | Self::NotBuilt { .. } | Self::NoColumn { .. } => {
                ErrorKind::NotFound
            }
            Self::SeveralNumbers { .. } => ErrorKind::Project,
            Self::Query(error) => error.kind(),
            Self::Ledger(error) => error.kind(),
            Self::Storage(error) => error.kind(),
            Self::Internal(_) => ErrorKind::Internal,
        }
    }

    /// A sentence that says what to do next, where this error knows more than its kind.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NotFound { help, .. } => help.clone(),
            Self::NotBuilt { .. } => {
                Some("Run `fiveply load` and `fiveply build` first.".to_owned())
            }
            Self::NoColumn { .. } => {
                Some("Name a column of numbers: `fiveply diagnose table.column`.".to_owned())
            }
            Self::SeveralNumbers { inputs, .. } => inputs
                .first()
                .map(|first| format!("Ask for one of them: `fiveply diagnose {first}`.")),
            Self::Query(error) => error.help.clone(),
            Self::Ledger(error) => error.help(),
            Self::Storage(_) | Self::Internal(_) => None,
        }
    }
}
