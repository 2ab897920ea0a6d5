//! A ledger and a lake in a temporary folder, and short words for rows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base::clock::Clocks;
use base::system::SystemRandomness;
use base::{EnvironmentName, TableName};
use ledger::{Commit, Ledger};
use storage::{Lake, LakeTable, Stage, StageOptions, Staged, WriteMode};

pub(crate) struct World {
    pub(crate) ledger: Ledger,
    pub(crate) lake: Lake,
    folder: PathBuf,
    /// Goes away with the world that made it.
    _temporary: Option<tempfile::TempDir>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, lake) = open(folder.path()).await;
        let path = folder.path().to_path_buf();
        Self { ledger, lake, folder: path, _temporary: Some(folder) }
    }

    /// A world that another process made.
    pub(crate) async fn in_folder(folder: &Path) -> Self {
        let (ledger, lake) = open(folder).await;
        Self { ledger, lake, folder: folder.to_path_buf(), _temporary: None }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Forgets everything that is only in memory.
    pub(crate) async fn reopen(&mut self) {
        (self.ledger, self.lake) = open(&self.folder).await;
    }

    pub(crate) async fn table(&self, name: &TableName) -> Option<LakeTable> {
        self.lake.open(&self.ledger, &environment(), name).await.unwrap()
    }

    pub(crate) fn options(&self) -> StageOptions {
        StageOptions::new(self.ledger.new_commit_id())
    }

    pub(crate) async fn stage(&self, name: &TableName, mode: WriteMode) -> Stage {
        self.stage_with(name, mode, self.options()).await
    }

    pub(crate) async fn stage_with(
        &self,
        name: &TableName,
        mode: WriteMode,
        options: StageOptions,
    ) -> Stage {
        let base = self.table(name).await;
        let mut stage = self.lake.stage(&environment(), name, base.as_ref(), options);
        stage.mode(mode).unwrap();
        stage
    }

    pub(crate) async fn publish(&self, staged: &Staged) -> LakeTable {
        let commit = Commit::new(staged.version.commit_id.clone(), environment());
        self.ledger.commit(&staged.into_commit(commit)).await.unwrap();
        self.table(&staged.swing.table).await.unwrap()
    }

    /// Writes rows and publishes them.
    pub(crate) async fn write(
        &self,
        name: &TableName,
        mode: WriteMode,
        batch: RecordBatch,
    ) -> Staged {
        let mut stage = self.stage(name, mode).await;
        stage.write(batch).await.unwrap();
        let staged = stage.finish().await.unwrap();
        if staged.changed() {
            self.publish(&staged).await;
        }
        staged
    }

    /// Rows of the present version as text, sorted.
    pub(crate) async fn rows(&self, name: &TableName) -> Vec<String> {
        let table = self.table(name).await.unwrap();
        self.rows_of(&table).await
    }

    pub(crate) async fn rows_of(&self, table: &LakeTable) -> Vec<String> {
        let rows = lines(&table.rows(&self.lake).await.unwrap());
        assert_eq!(rows.len() as u64, table.row_count(), "the row count is that of the scan");
        rows
    }
}

async fn open(folder: &Path) -> (Ledger, Lake) {
    let (clocks, randomness) = (Clocks::system(), Arc::new(SystemRandomness));
    let path = folder.join("ledger.db");
    let ledger = Ledger::open(&path, clocks.clone(), Arc::<SystemRandomness>::clone(&randomness))
        .await
        .unwrap();
    let lake = Lake::local(&folder.join("warehouse"), clocks, randomness).unwrap();
    (ledger, lake)
}

pub(crate) fn environment() -> EnvironmentName {
    "prod".into()
}

pub(crate) fn name(table: &str) -> TableName {
    TableName::new("main", table)
}

/// Rows of `id` and `word`.
pub(crate) fn words(rows: &[(i64, &str)]) -> RecordBatch {
    let ids = Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id));
    let words = StringArray::from_iter_values(rows.iter().map(|(_, word)| *word));
    batch(vec![("id", Arc::new(ids)), ("word", Arc::new(words))])
}

pub(crate) fn numbers(ids: impl IntoIterator<Item = i64>) -> RecordBatch {
    batch(vec![("id", Arc::new(Int64Array::from_iter_values(ids)))])
}

pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

pub(crate) fn upsert(keys: &[&str]) -> WriteMode {
    WriteMode::Upsert { keys: keys.iter().map(|key| (*key).to_owned()).collect() }
}

pub(crate) fn delete(keys: &[&str]) -> WriteMode {
    WriteMode::DeleteKeys { keys: keys.iter().map(|key| (*key).to_owned()).collect() }
}

/// `1|one`, one line a row, sorted.
pub(crate) fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut lines = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let values: Vec<_> =
                columns.iter().map(|column| column.value(row).to_string()).collect();
            lines.push(values.join("|"));
        }
    }
    lines.sort();
    lines
}
