//! A ledger in a temporary folder, with clocks that a test moves by hand.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base::clock::{Clock, Clocks};
use base::random::SeededRandomness;
use base::{EnvironmentName, Position, StreamName, TableAccount, TableName};
use chrono::{DateTime, TimeDelta, Utc};
use ledger::{Commit, Ledger, PointerKind, Swing, TableVersion};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

/// A clock that stands until it is moved.
#[derive(Debug)]
pub(crate) struct HandClock(Mutex<DateTime<Utc>>);

impl HandClock {
    pub(crate) fn at(text: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(text.parse().unwrap())))
    }

    pub(crate) fn advance(&self, seconds: i64) {
        *self.0.lock().unwrap() += TimeDelta::seconds(seconds);
    }
}

impl Clock for HandClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// A ledger and what a test needs beside it.
pub(crate) struct House {
    folder: tempfile::TempDir,
    pub(crate) machine: Arc<HandClock>,
    pub(crate) business: Arc<HandClock>,
    pub(crate) ledger: Ledger,
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = HandClock::at("2026-11-22T12:00:00Z");
        let business = HandClock::at("2026-05-25T08:30:00Z");
        let clocks = Clocks {
            business: Arc::clone(&business) as Arc<dyn Clock>,
            machine: Arc::clone(&machine) as Arc<dyn Clock>,
        };
        let path = folder.path().join("state/ledger.db");
        let randomness = Arc::new(SeededRandomness::new(7));
        let ledger = Ledger::open(&path, clocks, randomness).await.unwrap();
        Self { folder, machine, business, ledger }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("state/ledger.db")
    }

    /// A second handle on the same file, as another process would have.
    pub(crate) async fn other_handle(&self) -> Ledger {
        let randomness = Arc::new(SeededRandomness::new(8));
        Ledger::open(&self.path(), self.ledger.clocks().clone(), randomness).await.unwrap()
    }

    /// Changes the file behind the ledger's back.
    pub(crate) async fn meddle(&self, text: &str) {
        let mut connection = connect(&self.path()).await;
        sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut connection).await.unwrap();
    }

    /// Rows of a query that answers with one number.
    pub(crate) async fn count(&self, text: &str) -> i64 {
        let mut connection = connect(&self.path()).await;
        let text = AssertSqlSafe(text.to_owned());
        sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap()
    }
}

pub(crate) async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

pub(crate) fn prod() -> EnvironmentName {
    EnvironmentName::new("prod")
}

pub(crate) fn orders() -> TableName {
    TableName::new("main", "orders")
}

pub(crate) fn customers() -> TableName {
    TableName::new("main", "customers")
}

pub(crate) fn signups() -> StreamName {
    StreamName::new("app", "signups")
}

pub(crate) fn position(number: i64) -> Position {
    Position::from(serde_json::json!({ "cursor": number }))
}

/// The swing from one metadata file to another.
pub(crate) fn swing(table: &TableName, expected: Option<&str>, new: &str) -> Swing {
    Swing {
        table: table.clone(),
        kind: PointerKind::Table,
        expected: expected.map(str::to_owned),
        new: Some(new.to_owned()),
    }
}

/// A commit without any piece.
pub(crate) fn empty_commit(ledger: &Ledger) -> Commit {
    Commit::new(ledger.new_commit_id(), prod())
}

/// The version that a commit publishes, after `inserted` rows came to `before`.
pub(crate) fn version(commit: &Commit, new: &str, before: u64, inserted: u64) -> TableVersion {
    let swing = commit.swings.iter().find(|swing| swing.new.as_deref() == Some(new)).unwrap();
    let time = "2026-05-25T08:30:00Z".parse().unwrap();
    let account =
        TableAccount { before, inserted, after: before + inserted, ..TableAccount::default() };
    let version = TableVersion::new(swing.table.clone(), new, commit.id.clone(), time);
    TableVersion { account, ..version }
}
