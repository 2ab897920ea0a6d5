//! A ledger, a lake and a project folder in a temporary place.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base::clock::FixedClock;
use base::system::{SystemFiles, SystemRandomness};
use base::{Clocks, EnvironmentName, SourceFile, TableName};
use chrono::{DateTime, Utc};
use ledger::Ledger;
use movement::{LoadContext, LoadLimits, LoadOutcome, MovementError, load_stream};
use project::ingest::{IngestSource, read};
use storage::{Lake, LakeTable};
use tokio_util::sync::CancellationToken;

pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) context: LoadContext,
}

/// Noon of a day on the business clock.
pub(crate) fn noon(day: &str) -> Clocks {
    let noon: DateTime<Utc> = format!("{day}T12:00:00Z").parse().unwrap();
    Clocks::with_business(Arc::new(FixedClock(noon)))
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clocks = noon("2026-05-25");
        let randomness = Arc::new(SystemRandomness);
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, clocks.clone(), randomness.clone()).await.unwrap();
        let lake = Lake::local(&folder.path().join("lake"), clocks.clone(), randomness).unwrap();
        let context = LoadContext {
            ledger,
            lake,
            environment: EnvironmentName::new("prod"),
            attempt: None,
            files: Arc::new(SystemFiles),
            clocks,
            project_root: folder.path().to_path_buf(),
            cancel: CancellationToken::new(),
            limits: LoadLimits::default(),
            progress: None,
        };
        Self { folder, context }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    /// Writes a file that is old enough to be read at once.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        self.age(name, 3_600);
    }

    pub(crate) fn age(&self, name: &str, seconds: u64) {
        let file = std::fs::File::options().write(true).open(self.path(name)).unwrap();
        let now = DateTime::<Utc>::from(file.metadata().unwrap().modified().unwrap());
        let old = now - chrono::TimeDelta::seconds(i64::try_from(seconds).unwrap());
        file.set_modified(old.into()).unwrap();
    }

    pub(crate) async fn load(&self, yaml: &str) -> Result<LoadOutcome, MovementError> {
        let source = source(yaml);
        load_stream(&self.context, &source, &source.streams[0]).await
    }

    /// Loads a stream of files from `data`, whose settings are given.
    pub(crate) async fn load_files(&self, stream: &str) -> Result<LoadOutcome, MovementError> {
        self.load(&files_yaml(stream)).await
    }

    pub(crate) async fn table(&self, name: &str) -> LakeTable {
        self.maybe_table(name).await.unwrap_or_else(|| panic!("no table {name}"))
    }

    pub(crate) async fn maybe_table(&self, name: &str) -> Option<LakeTable> {
        let name = TableName::new("app", name);
        let LoadContext { ledger, lake, environment, .. } = &self.context;
        lake.open(ledger, environment, &name).await.unwrap()
    }

    /// Rows as text, sorted, of some columns.
    pub(crate) async fn rows(&self, name: &str, columns: &[&str]) -> Vec<String> {
        let table = self.table(name).await;
        let batches = table.rows(&self.context.lake).await.unwrap();
        let mut rows: Vec<String> =
            batches.iter().flat_map(|batch| texts(batch, columns)).collect();
        rows.sort();
        rows
    }

    /// Columns and their types as text.
    pub(crate) async fn columns(&self, name: &str) -> String {
        let table = self.table(name).await;
        let columns: Vec<String> = table
            .arrow_schema()
            .fields()
            .iter()
            .filter(|field| !field.name().starts_with("_fiveply"))
            .map(|field| format!("{}: {}", field.name(), field.data_type()))
            .collect();
        columns.join(", ")
    }
}

pub(crate) fn files_yaml(stream: &str) -> String {
    format!("connection: {{type: files, path: data}}\nstreams:\n  - {{name: rows, {stream}}}\n")
}

pub(crate) fn source(yaml: &str) -> IngestSource {
    let file = SourceFile::new("ingest/app.yml", yaml);
    let mut diagnostics = Vec::new();
    let value = project::yaml::read(&file, &mut diagnostics).unwrap();
    let source = read(&file, &value, &mut diagnostics);
    assert_eq!(diagnostics, []);
    source.unwrap()
}

fn texts(batch: &RecordBatch, columns: &[&str]) -> Vec<String> {
    let options = FormatOptions::default().with_null("∅");
    let formatters: Vec<ArrayFormatter<'_>> = columns
        .iter()
        .map(|column| {
            let array = batch.column_by_name(column).unwrap_or_else(|| panic!("no {column}"));
            ArrayFormatter::try_new(array, &options).unwrap()
        })
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            let values: Vec<String> =
                formatters.iter().map(|column| column.value(row).to_string()).collect();
            values.join(" | ")
        })
        .collect()
}
