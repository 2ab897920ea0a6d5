//! The books of a demo folder: its ledger and its tables, read in this process.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base::clock::FixedClock;
use base::system::SystemRandomness;
use base::{Clocks, EnvironmentName, LoadAccount, Randomness, TableName};
use chrono::{DateTime, Utc};
use compute::{Catalog, Dialect, Engine, EngineOptions, SessionOptions, output};
use ledger::{AccountFilter, AccountRecord, Ledger, PointerKind, TableVersion};
use serde_json::Value;
use storage::Lake;

pub(crate) struct Books {
    runtime: tokio::runtime::Runtime,
    ledger: Ledger,
    lake: Lake,
    engine: Engine,
    environment: EnvironmentName,
    now: DateTime<Utc>,
}

/// What an audit went through.
#[derive(Debug, Default)]
pub(crate) struct Audited {
    /// Changes of each stream over all its loads.
    pub(crate) loads: BTreeMap<String, LoadAccount>,
    /// Rows of each table as the ledger has them.
    pub(crate) tables: BTreeMap<TableName, u64>,
    /// Accounts that were checked.
    pub(crate) accounts: usize,
}

impl Books {
    pub(crate) fn open(folder: &Path, now: DateTime<Utc>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let clocks = Clocks::with_business(Arc::new(FixedClock(now)));
        let randomness: Arc<dyn Randomness> = Arc::new(SystemRandomness);
        let path = folder.join(".fiveply/ledger.db");
        let ledger = Ledger::open(&path, clocks.clone(), Arc::clone(&randomness));
        let ledger = runtime.block_on(ledger).unwrap();
        let lake = Lake::local(&folder.join(".fiveply/warehouse"), clocks, randomness).unwrap();
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let mut environments = runtime.block_on(ledger.environments()).unwrap();
        let environment = environments.pop().unwrap();
        assert!(environments.is_empty(), "the demo has one environment");
        Self { runtime, ledger, lake, engine, environment, now }
    }

    /// The rows of a query in the demo's dialect.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Value> {
        let mut text = Vec::new();
        self.runtime.block_on(async {
            let catalog = Catalog::of_environment(&self.ledger, &self.lake, &self.environment);
            let options = SessionOptions {
                dialect: Dialect::Postgres,
                business_now: self.now,
                time_zone: "UTC".to_owned(),
                default_namespace: Some("main".to_owned()),
            };
            let session = self.engine.session(catalog.await.unwrap(), options);
            let batches = session.rows(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            output::json_lines(&batches, &mut text).unwrap();
        });
        let lines = std::str::from_utf8(&text).unwrap().lines();
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The one number that a query gives.
    pub(crate) fn number(&self, sql: &str) -> u64 {
        let rows = self.rows(sql);
        let row = rows.first().and_then(Value::as_object).unwrap();
        let value = row.values().next().unwrap();
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        number.unwrap_or_else(|| panic!("{sql} gave {rows:?}"))
    }

    /// Tables that are pointed to; views are not.
    pub(crate) fn tables(&self) -> Vec<TableName> {
        let pointers = self.runtime.block_on(self.ledger.pointers(&self.environment)).unwrap();
        let tables = pointers.into_iter().filter(|pointer| pointer.kind == PointerKind::Table);
        tables.map(|pointer| pointer.table).collect()
    }

    /// Metadata file that a table points to.
    pub(crate) fn pointer(&self, table: &TableName) -> String {
        let pointer = self.ledger.pointer(&self.environment, table);
        self.runtime.block_on(pointer).unwrap().unwrap().metadata_location
    }

    pub(crate) fn versions(&self, table: &TableName) -> Vec<TableVersion> {
        self.runtime.block_on(self.ledger.table_versions(&self.environment, table)).unwrap()
    }

    /// Checks every equation of the row account, in every account the ledger ever kept.
    pub(crate) fn audit(&self) -> Audited {
        let everything = AccountFilter::default();
        let accounts = self.runtime.block_on(self.ledger.accounts(&everything)).unwrap();
        let mut audited = Audited { accounts: accounts.len(), ..Audited::default() };
        for record in &accounts {
            check_account(record);
            self.check_inputs(record);
            if let (Some(load), Some(node)) = (&record.load, &record.node)
                && let Some(stream) = node.as_str().strip_prefix("stream.")
            {
                audited.loads.entry(stream.to_owned()).or_default().add(load);
                check_rejects(record, load, &accounts);
            }
        }
        for table in self.tables() {
            let rows = self.check_chain(&table);
            let counted = self.number(&format!("select count(*) from {table}"));
            assert_eq!(rows, counted, "{table}: ledger and table");
            audited.tables.insert(table, rows);
        }
        audited
    }

    /// The rows of each input version equal what the ledger holds for that version.
    fn check_inputs(&self, record: &AccountRecord) {
        for input in &record.inputs {
            let Some(snapshot) = input.snapshot_id else {
                assert_eq!(input.rows, 0, "no snapshot, no rows: {record:?}");
                continue;
            };
            let versions = self.versions(&input.table);
            let version = versions.iter().find(|version| version.snapshot_id == Some(snapshot));
            let version = version.unwrap_or_else(|| panic!("unknown input {input:?}"));
            assert_eq!(version.account.after, input.rows, "{input:?} of {record:?}");
        }
    }

    /// Each version begins with the rows at which the one before ended. Gives the rows of the last,
    /// which is the one that is pointed to.
    fn check_chain(&self, table: &TableName) -> u64 {
        let mut rows = 0;
        let versions = self.versions(table);
        for version in &versions {
            assert_eq!(version.account.before, rows, "{table}: {version:?}");
            rows = version.account.after;
        }
        let last = versions.last().unwrap();
        assert_eq!(last.metadata_location, self.pointer(table), "{table}");
        rows
    }
}

fn check_account(record: &AccountRecord) {
    if let Some(account) = &record.account {
        assert!(account.holds(), "{record:?}");
    }
    let Some(load) = &record.load else { return };
    assert!(load.holds(), "{record:?}");
    let inserted = record.account.map_or(0, |account| account.inserted);
    let deleted = record.account.map_or(0, |account| account.deleted);
    assert_eq!(inserted, load.inserted, "{record:?}");
    assert_eq!(deleted, load.deleted, "{record:?}");
}

/// What a load rejected stands in the table of rejects, by the same commit.
fn check_rejects(record: &AccountRecord, load: &LoadAccount, all: &[AccountRecord]) {
    let rejects = record.table.rejects();
    let of_commit = all.iter().filter(|one| one.commit_id == record.commit_id);
    let kept = of_commit.filter(|one| one.table == rejects).filter_map(|one| one.account);
    let kept: u64 = kept.map(|account| account.inserted).sum();
    assert_eq!(kept, load.rejected, "{rejects} by {}", record.commit_id);
}
