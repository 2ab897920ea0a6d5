//! What can go wrong between the outside and the lake.

use base::{ErrorKind, StreamName};

/// Why a stream was not loaded to its end. Batches that were committed before stay.
#[derive(Debug, thiserror::Error)]
pub enum MovementError {
    /// The disk refused.
    #[error("could not read the source's files: {source}")]
    Files {
        /// What the system said, with the path.
        source: std::io::Error,
    },
    /// A pattern that is none.
    #[error("\"files\" is no glob: {error}")]
    Glob {
        /// What is wrong with it.
        error: String,
    },
    /// A file whose name tells no format.
    #[error("the format of file \"{file}\" is not known; add \"format:\" to the stream")]
    FormatUnknown {
        /// The file.
        file: String,
    },
    /// A file that changed after a batch ended inside it.
    #[error(
        "file \"{file}\" changed after it was read up to line {line}: rows behind that line may \
         be missing"
    )]
    HalfReadFileChanged {
        /// The file.
        file: String,
        /// The line.
        line: u64,
    },
    /// The ledger's position does not belong to this source.
    #[error("the position of the stream cannot be used: {reason}")]
    PositionUnreadable {
        /// Why.
        reason: String,
    },
    /// More rejects than the stream allows.
    #[error(
        "stream \"{stream}\": {rejected} of {read} rows were rejected, more than \
         \"reject_limit\" allows; the batch was not committed. {examples}"
    )]
    RejectLimit {
        /// The stream.
        stream: StreamName,
        /// Rows rejected.
        rejected: u64,
        /// Rows read.
        read: u64,
        /// The first ones, with their reasons.
        examples: String,
    },
    /// The shape changed and the stream's policy is to stop.
    #[error("stream \"{stream}\" stopped, its schema changed: {changes}")]
    SchemaChanged {
        /// The stream.
        stream: StreamName,
        /// What changed.
        changes: String,
    },
    /// More columns than a table may have.
    #[error("stream \"{stream}\" has more than {limit} columns")]
    TooManyColumns {
        /// The stream.
        stream: StreamName,
        /// The limit.
        limit: usize,
    },
    /// The stream was told to stop.
    #[error("the load of stream \"{stream}\" was cancelled; committed batches stay")]
    Cancelled {
        /// The stream.
        stream: StreamName,
    },
    /// Another process loads the stream.
    #[error("stream \"{stream}\" is being loaded by {by}")]
    Held {
        /// The stream.
        stream: StreamName,
        /// Who.
        by: String,
    },
    /// The stream's file does not fit what it is connected to.
    #[error("{reason}")]
    Settings {
        /// What is wrong and what to do.
        reason: String,
    },
    /// The vendor did not answer, or not with success.
    #[error("{method} {url} {what}")]
    Http {
        /// Method.
        method: &'static str,
        /// Address, without its query.
        url: String,
        /// What happened.
        what: String,
        /// What kind of thing it is.
        kind: ErrorKind,
    },
    /// The vendor's answer does not hold what the stream's file says.
    #[error("the answer of {url} cannot be used: {reason}")]
    Answer {
        /// Address, without its query.
        url: String,
        /// What was expected.
        reason: String,
    },
    /// The cursor is older than what the vendor keeps.
    #[error("stream \"{stream}\" lost its place: {reason}; rows may be missing")]
    SourceLost {
        /// The stream.
        stream: StreamName,
        /// Why.
        reason: String,
    },
    /// The lake refused or failed.
    #[error(transparent)]
    Storage(#[from] storage::StorageError),
    /// The ledger refused or failed.
    #[error(transparent)]
    Ledger(#[from] ledger::LedgerError),
    /// Rows could not be put together.
    #[error("rows could not be put together: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Our bug.
    #[error("a rule inside the loader was broken: {0}")]
    Internal(String),
}

impl MovementError {
    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Files { source } if source.kind() == std::io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::Files { source } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                ErrorKind::Denied
            }
            Self::Files { .. } => ErrorKind::Storage,
            Self::Glob { .. }
            | Self::FormatUnknown { .. }
            | Self::Settings { .. }
            | Self::Answer { .. } => ErrorKind::Project,
            Self::HalfReadFileChanged { .. } | Self::SourceLost { .. } => ErrorKind::SourceLost,
            Self::PositionUnreadable { .. } => ErrorKind::Corrupt,
            Self::RejectLimit { .. } | Self::SchemaChanged { .. } => ErrorKind::Data,
            Self::TooManyColumns { .. } => ErrorKind::Limit,
            Self::Cancelled { .. } => ErrorKind::Cancelled,
            Self::Held { .. } => ErrorKind::Held,
            Self::Http { kind, .. } => *kind,
            Self::Storage(error) => error.kind(),
            Self::Ledger(error) => error.kind(),
            Self::Arrow(_) | Self::Internal(_) => ErrorKind::Internal,
        }
    }

    pub(crate) fn files(source: std::io::Error) -> Self {
        Self::Files { source }
    }
}
