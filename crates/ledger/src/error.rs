//! What can go wrong with the ledger, said so that whoever is on call knows what to do.

use std::path::{Path, PathBuf};

use base::{CommitId, EnvironmentName, ErrorKind, NodeId, RunId, StreamName, TableName};

/// What the database file refused, by cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another process held the write lock for longer than the busy timeout.
    Locked,
    /// No space is left on the disk.
    DiskFull,
    /// The file or its folder may not be written.
    ReadOnly,
    /// The file is missing and cannot be made, or may not be opened.
    CannotOpen,
    /// The file is not a database, or is damaged.
    Damaged,
    /// The disk failed.
    Disk,
    /// Anything else SQLite reports: our bug until shown otherwise.
    Other,
}

impl Fault {
    /// What happened, as a clause.
    fn clause(self) -> &'static str {
        match self {
            Self::Locked => "is locked by another process",
            Self::DiskFull => "cannot grow, the disk is full",
            Self::ReadOnly => "cannot be written, the file or its folder is read-only",
            Self::CannotOpen => "cannot be opened",
            Self::Damaged => "is damaged or is not a ledger",
            Self::Disk => "cannot be read or written, the disk reports an error",
            Self::Other => "refused a statement",
        }
    }

    fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => {
                let code = database.code().and_then(|code| code.parse::<i64>().ok()).unwrap_or(0);
                // The low byte of an extended result code is the primary code:
                // https://www.sqlite.org/rescode.html
                match code & 0xff {
                    5 | 6 => Self::Locked,
                    13 => Self::DiskFull,
                    3 | 8 | 23 => Self::ReadOnly,
                    14 => Self::CannotOpen,
                    11 | 26 => Self::Damaged,
                    10 => Self::Disk,
                    _ => Self::Other,
                }
            }
            sqlx::Error::PoolTimedOut => Self::Locked,
            sqlx::Error::Io(_) => Self::Disk,
            _ => Self::Other,
        }
    }
}

/// What the ledger refuses or cannot do.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another writer moved the pointer since it was read.
    #[error(
        "table \"{table}\" was changed by another writer: expected {}, found {}",
        shown(.expected.as_deref()),
        shown(.found.as_deref())
    )]
    Conflict {
        /// The table or view.
        table: TableName,
        /// The metadata file the commit started from; none when it must not exist.
        expected: Option<String>,
        /// The metadata file the pointer names now.
        found: Option<String>,
    },
    /// Another writer moved the position since it was read.
    #[error(
        "position of stream \"{stream}\" was moved by another writer: expected {expected}, \
         found {found}"
    )]
    PositionMoved {
        /// The stream.
        stream: StreamName,
        /// The position the commit started from, as JSON, or `none`.
        expected: String,
        /// The position the ledger holds, as JSON, or `none`.
        found: String,
    },
    /// Another process took the lease over, or it was released.
    #[error(
        "lease of node \"{node}\" in environment \"{environment}\" was lost: token {token} is no \
         longer the holder's, {holder}"
    )]
    LeaseLost {
        /// The environment.
        environment: EnvironmentName,
        /// The node.
        node: NodeId,
        /// The token that was shown.
        token: i64,
        /// Who holds it now.
        holder: String,
    },
    /// An equation of a row account does not hold; nothing was committed.
    #[error("row account of table \"{table}\" does not hold: {breach}")]
    AccountBroken {
        /// The table.
        table: TableName,
        /// The equation with its numbers.
        breach: String,
    },
    /// A commit contradicts itself.
    #[error("commit \"{commit}\" contradicts itself: {reason}")]
    Malformed {
        /// The commit.
        commit: CommitId,
        /// What contradicts what.
        reason: String,
    },
    /// The answer to COMMIT was lost and looking the commit up failed as well.
    #[error("the outcome of commit \"{commit}\" is not settled yet")]
    OutcomeUnknown {
        /// The commit; ask [`crate::Ledger::committed`] about it.
        commit: CommitId,
        /// What SQLite said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The run is not in the ledger.
    #[error("run \"{run}\" is not in the ledger")]
    RunNotFound {
        /// The run.
        run: RunId,
    },
    /// The attempt was never begun.
    #[error("attempt {number} of node \"{node}\" in run \"{run}\" was never begun")]
    AttemptNotFound {
        /// The run.
        run: RunId,
        /// The node.
        node: NodeId,
        /// The attempt's number.
        number: u32,
    },
    /// SQLite itself is too old to be trusted with a write-ahead log.
    #[error("SQLite {found} is too old: versions below {required} can lose committed transactions")]
    TooOld {
        /// The version that was linked.
        found: String,
        /// The lowest version that is safe.
        required: &'static str,
    },
    /// The ledger file was written by a newer program.
    #[error(
        "ledger \"{}\" has layout {found}, this program knows layouts up to {known}; use the \
         newer program",
        .path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The layout it has.
        found: i64,
        /// The newest layout this program knows.
        known: i64,
    },
    /// A row of the ledger does not hold what its column promises.
    #[error("ledger holds a {column} that cannot be read: \"{value}\"")]
    Unreadable {
        /// The column.
        column: String,
        /// What it holds.
        value: String,
    },
    /// The folder of the ledger file could not be made or synced.
    #[error("folder of ledger \"{}\" could not be made or synced: {source}", .path.display())]
    Folder {
        /// The ledger file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("ledger \"{}\" {}: {source}", .path.display(), .fault.clause())]
    Database {
        /// The ledger file.
        path: PathBuf,
        /// The cause, as far as SQLite names it.
        fault: Fault,
        /// What SQLite said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn shown(location: Option<&str>) -> String {
    location.map_or_else(|| "no table".to_owned(), |location| format!("\"{location}\""))
}

impl LedgerError {
    pub(crate) fn database(path: &Path, error: sqlx::Error) -> Self {
        let fault = Fault::of(&error);
        let source = match &error {
            // The driver's own wording adds nothing to SQLite's.
            sqlx::Error::Database(said) => {
                let code = said.code().unwrap_or_default();
                format!("{} (SQLite code {code})", said.message()).into()
            }
            _ => error.into(),
        };
        Self::Database { path: path.to_owned(), fault, source }
    }

    /// The kind, from which retry policy and advice follow.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Conflict { .. } | Self::PositionMoved { .. } => ErrorKind::Conflict,
            Self::LeaseLost { .. } => ErrorKind::Held,
            Self::AccountBroken { .. } | Self::Malformed { .. } | Self::AttemptNotFound { .. } => {
                ErrorKind::Internal
            }
            Self::OutcomeUnknown { .. } => ErrorKind::OutcomeUnknown,
            Self::RunNotFound { .. } => ErrorKind::NotFound,
            Self::TooOld { .. } | Self::TooNew { .. } => ErrorKind::Unsupported,
            Self::Unreadable { .. } => ErrorKind::Corrupt,
            Self::Folder { .. } => ErrorKind::Storage,
            Self::Database { fault, .. } => match fault {
                Fault::Locked => ErrorKind::Transient,
                Fault::DiskFull | Fault::ReadOnly | Fault::CannotOpen | Fault::Disk => {
                    ErrorKind::Storage
                }
                Fault::Damaged => ErrorKind::Corrupt,
                Fault::Other => ErrorKind::Internal,
            },
        }
    }

    /// A sentence that says what to do, where this error knows more than its kind.
    pub fn help(&self) -> Option<String> {
        let Self::Database { path, fault, .. } = self else { return None };
        let folder = path.parent().unwrap_or_else(|| Path::new(".")).display();
        match fault {
            Fault::Locked => Some(format!(
                "Find the process that holds it with `fuser {}`; a backup tool or a database \
                 browser with an open transaction blocks every writer.",
                path.display()
            )),
            Fault::DiskFull => Some(format!(
                "Free space on the disk of \"{folder}\" and run the command again; nothing that \
                 was committed is lost."
            )),
            Fault::ReadOnly | Fault::CannotOpen => Some(format!(
                "Check owner and permissions of \"{}\" and of its folder, which must be writable \
                 too: SQLite keeps `-wal` and `-shm` files beside the ledger.",
                path.display()
            )),
            Fault::Damaged => Some(format!(
                "Restore \"{}\" together with its `-wal` file from a backup; do not delete the \
                 `-wal` file, it holds committed transactions.",
                path.display()
            )),
            Fault::Disk => Some(format!("Look at the system log for the disk of \"{folder}\".")),
            Fault::Other => None,
        }
    }
}
