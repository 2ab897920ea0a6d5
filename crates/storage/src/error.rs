//! What can go wrong in the lake, and what kind of thing each is.

use base::ErrorKind;

/// Why the lake refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The disk or the object store refused.
    #[error("could not use \"{path}\": {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file does not hold what its format promises.
    #[error("\"{path}\" cannot be read: {reason}")]
    Corrupt {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The Iceberg library refused.
    #[error("table metadata was refused: {0}")]
    Iceberg(#[from] iceberg::Error),
    /// The Arrow library refused.
    #[error("rows were refused: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The Parquet library refused.
    #[error("a data file was refused: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// A column that the table does not have.
    #[error("table \"{table}\" has no column \"{column}\"; it has {columns}")]
    NoColumn {
        /// The table.
        table: String,
        /// The column asked for.
        column: String,
        /// The columns there are.
        columns: String,
    },
    /// Rows whose column has another type than the table's.
    #[error(
        "column \"{column}\" of table \"{table}\" is {expected}, the rows hold {found}; \
         cast the rows or evolve the column first"
    )]
    ColumnType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type in the table.
        expected: String,
        /// Its type in the rows.
        found: String,
    },
    /// An Arrow type that Iceberg has no word for.
    #[error("column \"{column}\" has type {found}, which tables cannot hold; {advice}")]
    TypeUnsupported {
        /// The column.
        column: String,
        /// Its Arrow type.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// A schema change that would make old rows unreadable or wrong.
    #[error("column \"{column}\" of table \"{table}\" cannot be changed: {reason}")]
    SchemaChange {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Why not.
        reason: String,
    },
    /// A required column without a value.
    #[error("column \"{column}\" of table \"{table}\" is required, and the rows have none")]
    Required {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// Something asked for is not there.
    #[error("{what} does not exist")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// A stage was used in a way that its mode does not allow.
    #[error("table \"{table}\": {reason}")]
    Mode {
        /// The table.
        table: String,
        /// What was asked and why it cannot be.
        reason: String,
    },
    /// A merge has several rows for one row of the table.
    #[error(
        "merge into table \"{table}\" has {rows} rows for one key that the table holds; which of \
         them replaces it is not defined"
    )]
    AmbiguousMerge {
        /// The table.
        table: String,
        /// Incoming rows with the key.
        rows: u32,
    },
    /// Another writer was first, and the change cannot be moved onto its version.
    #[error("table \"{table}\" was changed by another writer: {reason}")]
    Conflict {
        /// The table.
        table: String,
        /// Why the change cannot be moved.
        reason: String,
    },
    /// A feature of another engine that is not read here.
    #[error("{what} is not supported; {advice}")]
    Unsupported {
        /// What was met.
        what: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// The ledger refused or failed.
    #[error(transparent)]
    Ledger(#[from] ledger::LedgerError),
    /// Our bug.
    #[error("a rule inside the lake was broken: {0}")]
    Internal(String),
}

impl StorageError {
    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::File { .. } => ErrorKind::Storage,
            Self::Corrupt { .. } | Self::Iceberg(_) | Self::Parquet(_) => ErrorKind::Corrupt,
            Self::Arrow(_) | Self::Required { .. } => ErrorKind::Data,
            Self::NoColumn { .. }
            | Self::ColumnType { .. }
            | Self::TypeUnsupported { .. }
            | Self::SchemaChange { .. }
            | Self::AmbiguousMerge { .. } => ErrorKind::Data,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Mode { .. } => ErrorKind::Project,
            Self::Conflict { .. } => ErrorKind::Conflict,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::Ledger(error) => error.kind(),
            Self::Internal(_) => ErrorKind::Internal,
        }
    }

    pub(crate) fn file(path: &str, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    pub(crate) fn corrupt(path: &str, reason: impl std::fmt::Display) -> Self {
        Self::Corrupt { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// What every function of this crate answers.
pub type Result<T, E = StorageError> = std::result::Result<T, E>;
