//! What can go wrong between the tables and those who use them.

use base::ErrorKind;

/// Why something was not sent, served or answered.
#[derive(Debug, thiserror::Error)]
pub enum ConsumptionError {
    /// What was asked for does not exist.
    #[error("{message}")]
    NotFound {
        /// What is missing.
        message: String,
        /// What to do next.
        help: String,
    },
    /// A file of the project, or what was asked, is wrong.
    #[error("{message}")]
    Settings {
        /// What is wrong.
        message: String,
        /// What to do next.
        help: String,
    },
    /// The rows break a rule: a key that is not unique, more changes than the guard allows.
    #[error("{message}")]
    Data {
        /// What is wrong with them.
        message: String,
        /// What to do next.
        help: String,
    },
    /// Another process works on it.
    #[error("\"{node}\" is being worked on by {by}")]
    Held {
        /// The node.
        node: String,
        /// Who.
        by: String,
    },
    /// A person or a shutdown asked to stop.
    #[error("\"{node}\" was cancelled; what was acknowledged stays")]
    Cancelled {
        /// The node.
        node: String,
    },
    /// A file refused to be read or written.
    #[error("\"{path}\" {what}")]
    File {
        /// The file.
        path: String,
        /// What happened.
        what: String,
        /// What kind of thing it is.
        kind: ErrorKind,
    },
    /// A query failed.
    #[error("{}", with_detail(.0))]
    Query(#[from] compute::QueryError),
    /// The ledger refused or failed.
    #[error(transparent)]
    Ledger(#[from] ledger::LedgerError),
    /// A destination did not answer.
    #[error(transparent)]
    Movement(#[from] movement::MovementError),
    /// Rows could not be put together.
    #[error("rows could not be put together: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Our bug.
    #[error("a rule inside was broken: {0}")]
    Internal(String),
}

fn with_detail(error: &compute::QueryError) -> String {
    match &error.detail {
        Some(detail) => format!("{} ({detail})", error.message),
        None => error.message.clone(),
    }
}

impl ConsumptionError {
    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Settings { .. } => ErrorKind::Project,
            Self::Data { .. } => ErrorKind::Data,
            Self::Held { .. } => ErrorKind::Held,
            Self::Cancelled { .. } => ErrorKind::Cancelled,
            Self::File { kind, .. } => *kind,
            Self::Query(error) => error.kind,
            Self::Ledger(error) => error.kind(),
            Self::Movement(error) => error.kind(),
            Self::Arrow(_) | Self::Internal(_) => ErrorKind::Internal,
        }
    }

    /// What to do next, when more is known than the kind says.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NotFound { help, .. } | Self::Settings { help, .. } | Self::Data { help, .. } => {
                Some(help.clone())
            }
            Self::Query(error) => error.help.clone(),
            Self::Ledger(error) => error.help(),
            Self::Held { .. }
            | Self::Cancelled { .. }
            | Self::File { .. }
            | Self::Movement(_)
            | Self::Arrow(_)
            | Self::Internal(_) => None,
        }
    }
}
