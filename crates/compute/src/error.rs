//! What a query can be refused for, in words for the person who wrote it.

use std::ops::Range;

use base::ErrorKind;

/// Why a query was refused or ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// What kind of thing went wrong.
    pub kind: ErrorKind,
    /// Primary line: lowercase, no full stop.
    pub message: String,
    /// A sentence that explains.
    pub detail: Option<String>,
    /// A sentence that says what to do next.
    pub help: Option<String>,
    /// The bytes of the handed-in SQL that it is about.
    pub span: Option<Range<usize>>,
}

impl QueryError {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: None, help: None, span: None }
    }

    /// The user's SQL is wrong.
    pub fn project(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Project, message)
    }

    /// Known, and not built.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Our bug.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Adds the sentence that explains.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the sentence that says what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Marks the bytes of the SQL that it is about.
    #[must_use]
    pub fn at(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl From<ledger::LedgerError> for QueryError {
    fn from(error: ledger::LedgerError) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}

impl From<storage::StorageError> for QueryError {
    fn from(error: storage::StorageError) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}
