//! Opening the ledger file: by many processes at once, by nobody with an unsafe SQLite.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::clock::Clocks;
use base::limits::LEDGER_BUSY_MS;
use base::system::{ProcessIdentity, make_folders, sync_folder};
use base::{CommitId, EnvironmentName, Randomness};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use crate::error::{Fault, LedgerError};
use crate::pointer_map::Known;
use crate::schema::{MIGRATIONS, MIGRATIONS_TABLE, newest};
use crate::words::moment;

/// Below this version SQLite can lose committed transactions after a reset of its write-ahead log.
const SQLITE_REQUIRED: &str = "3.51.3";
/// Connections that only read, beside the one that writes.
const READERS_MAX: u32 = 4;
/// Milliseconds between two tries at what SQLite's own busy timeout does not cover.
const OPEN_PAUSE_MS: u64 = 20;
/// Bytes to which the write-ahead log is cut back after a checkpoint.
const WAL_BYTES_KEPT: &str = "67108864";

/// The ledger. A clone is cheap and shares the connections.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// One connection: the tasks of this process queue here in order, instead of polling for
    /// SQLite's write lock against each other.
    writer: SqlitePool,
    readers: SqlitePool,
    clocks: Clocks,
    randomness: Arc<dyn Randomness>,
    process: ProcessIdentity,
    /// Pointers that were read before, by environment.
    known_pointers: Mutex<HashMap<EnvironmentName, Known>>,
}

impl Ledger {
    /// Opens the ledger file, making it and its folder when they are missing, and brings its
    /// layout up to date. Any number of processes may do so at once.
    ///
    /// # Errors
    /// When the linked SQLite is too old, when a newer program wrote the file, or when the file
    /// cannot be opened, read or written.
    pub async fn open(
        path: &Path,
        clocks: Clocks,
        randomness: Arc<dyn Randomness>,
    ) -> Result<Self, LedgerError> {
        if let Some(folder) = path.parent() {
            make_folders(folder)
                .map_err(|source| LedgerError::Folder { path: path.to_owned(), source })?;
        }
        let new = !path.exists();
        prepare(path, &clocks).await?;
        if new && let Some(folder) = path.parent().filter(|folder| folder.is_dir()) {
            // Else a power cut could take the name of the file, with all that was committed to it.
            sync_folder(folder)
                .map_err(|source| LedgerError::Folder { path: path.to_owned(), source })?;
        }
        let fault = |error| LedgerError::database(path, error);
        let writer = pool(1).connect_with(connection(path)).await.map_err(fault)?;
        let readers = connection(path).pragma("query_only", "ON");
        let readers = pool(READERS_MAX).connect_lazy_with(readers);
        let process = ProcessIdentity::own();
        let path = path.to_owned();
        let known_pointers = Mutex::default();
        Ok(Self(Arc::new(Inner {
            path,
            writer,
            readers,
            clocks,
            randomness,
            process,
            known_pointers,
        })))
    }

    /// The ledger file. Nothing but SQLite may open it while a process has it open, not even to
    /// copy it: closing any other handle drops the locks of the whole process.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The two clocks it dates its rows by.
    pub fn clocks(&self) -> &Clocks {
        &self.0.clocks
    }

    /// Where its ids come from.
    pub fn randomness(&self) -> &Arc<dyn Randomness> {
        &self.0.randomness
    }

    /// This process, as written into leases, runs and attempts.
    pub fn process(&self) -> &ProcessIdentity {
        &self.0.process
    }

    /// An id for a commit to come.
    pub fn new_commit_id(&self) -> CommitId {
        CommitId::generate(self.0.clocks.machine.as_ref(), self.0.randomness.as_ref())
    }

    /// Waits for open transactions and closes the file; the write-ahead log is merged when no
    /// other process has it open. Ending the process without it loses nothing.
    pub async fn close(&self) {
        self.0.readers.close().await;
        self.0.writer.close().await;
    }

    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.0.writer
    }

    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.0.readers
    }

    pub(crate) fn known_pointers(&self) -> &Mutex<HashMap<EnvironmentName, Known>> {
        &self.0.known_pointers
    }

    pub(crate) fn fault(&self, error: sqlx::Error) -> LedgerError {
        LedgerError::database(&self.0.path, error)
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        // The task at the head of the queue may itself wait for the whole busy timeout.
        .acquire_timeout(Duration::from_millis(2 * LEDGER_BUSY_MS))
        .acquire_slow_threshold(Duration::from_millis(LEDGER_BUSY_MS))
        .test_before_acquire(false)
        // A full disk makes SQLite roll back by itself, and the driver goes on counting the
        // transaction as open: such a connection could never begin another one.
        .before_acquire(|connection, _| {
            let sound = !connection.is_in_transaction();
            Box::pin(async move { Ok(sound) })
        })
        .idle_timeout(None)
        .max_lifetime(None)
}

fn connection(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_millis(LEDGER_BUSY_MS))
        .pragma("journal_size_limit", WAL_BYTES_KEPT)
        .disable_statement_logging()
}

/// Brings the file to the state every later connection relies on. SQLite refuses to wait for the
/// lock that a change of the journal mode needs, hence the loop.
async fn prepare(path: &Path, clocks: &Clocks) -> Result<(), LedgerError> {
    let repeated = async {
        loop {
            match prepare_once(path, clocks).await {
                Err(LedgerError::Database { fault: Fault::Locked, .. }) => {
                    tokio::time::sleep(Duration::from_millis(OPEN_PAUSE_MS)).await;
                }
                other => return other,
            }
        }
    };
    let waited = tokio::time::timeout(Duration::from_millis(LEDGER_BUSY_MS), repeated).await;
    waited.unwrap_or_else(|elapsed| {
        let (path, fault) = (path.to_owned(), Fault::Locked);
        Err(LedgerError::Database { path, fault, source: Box::new(elapsed) })
    })
}

async fn prepare_once(path: &Path, clocks: &Clocks) -> Result<(), LedgerError> {
    let fault = |error| LedgerError::database(path, error);
    let options = connection(path).create_if_missing(true);
    let mut connection = options.connect().await.map_err(fault)?;
    let version: String =
        read_one(&mut connection, "SELECT sqlite_version()").await.map_err(fault)?;
    require_version(&version)?;
    let mode: String = read_one(&mut connection, "PRAGMA journal_mode").await.map_err(fault)?;
    if mode != "wal" {
        read_one::<String>(&mut connection, "PRAGMA journal_mode = WAL").await.map_err(fault)?;
    }
    migrate(&mut connection, path, clocks).await?;
    connection.close().await.map_err(fault)
}

async fn read_one<T>(connection: &mut SqliteConnection, text: &'static str) -> sqlx::Result<T>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    sqlx::query(text).fetch_one(connection).await?.try_get(0)
}

fn require_version(found: &str) -> Result<(), LedgerError> {
    let number = |text: &str| -> Vec<u32> {
        text.split('.').map(|part| part.parse().unwrap_or(0)).collect()
    };
    if number(found) < number(SQLITE_REQUIRED) {
        return Err(LedgerError::TooOld { found: found.to_owned(), required: SQLITE_REQUIRED });
    }
    Ok(())
}

async fn migrate(
    connection: &mut SqliteConnection,
    path: &Path,
    clocks: &Clocks,
) -> Result<(), LedgerError> {
    let fault = |error| LedgerError::database(path, error);
    if layout(connection).await.map_err(fault)? == newest() {
        return Ok(());
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(fault)?;
    sqlx::query(MIGRATIONS_TABLE).execute(&mut *transaction).await.map_err(fault)?;
    // Read again under the write lock: another process may have migrated meanwhile.
    let found = layout(&mut transaction).await.map_err(fault)?;
    if found > newest() {
        return Err(LedgerError::TooNew { path: path.to_owned(), found, known: newest() });
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        sqlx::raw_sql(migration.sql).execute(&mut *transaction).await.map_err(fault)?;
        sqlx::query("INSERT INTO ledger_migrations (version, name, applied_at) VALUES (?, ?, ?)")
            .bind(migration.version)
            .bind(migration.name)
            .bind(moment(clocks.machine.now()))
            .execute(&mut *transaction)
            .await
            .map_err(fault)?;
    }
    transaction.commit().await.map_err(fault)
}

/// The newest migration that was applied, 0 for a new file.
async fn layout(connection: &mut SqliteConnection) -> sqlx::Result<i64> {
    let table = "SELECT count(*) FROM sqlite_schema WHERE name = 'ledger_migrations'";
    if read_one::<i64>(connection, table).await? == 0 {
        return Ok(0);
    }
    read_one(connection, "SELECT coalesce(max(version), 0) FROM ledger_migrations").await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_sqlite_is_refused_by_number_not_by_text() {
        assert!(require_version("3.51.3").is_ok());
        assert!(require_version("3.100.0").is_ok());
        assert!(require_version("4.0").is_ok());
        for old in ["3.51.2", "3.9.0", "3.51", "2.99.99"] {
            assert!(matches!(require_version(old), Err(LedgerError::TooOld { .. })), "{old}");
        }
    }
}
