//! How long a commit takes, as a worker of the benchmarks: appends to a table of its own, or moves
//! a position in the ledger alone.
//!
//! ```text
//! commit_latency FOLDER synced ROWS      as the product commits: every file synced
//! commit_latency FOLDER unsynced ROWS    data, manifest and metadata files not synced
//! commit_latency FOLDER ledger           a position moves; no table file is written
//! ```
//!
//! A worker reads one JSON document a line from standard input, `{"commits": 20}`, and answers with
//! the seconds of each commit, and how many of these the ledger's transaction took. The ledger
//! always syncs: it is the one place that must never forget.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray};
use base::clock::Clocks;
use base::files::FileEntry;
use base::system::{SystemFiles, SystemRandomness};
use base::{EnvironmentName, Files, Position, StreamName, TableName};
use ledger::{Commit, Ledger};
use serde_json::{Value, json};
use storage::{Lake, StageOptions};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ENVIRONMENT: &str = "prod";

/// Files that are written once and never synced: what durability costs is the difference.
#[derive(Debug)]
struct UnsyncedFiles;

impl Files for UnsyncedFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        SystemFiles.read(path)
    }

    fn write_new(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        File::create_new(path)?.write_all(content)
    }

    fn persist(&self, temporary: &Path, path: &Path) -> io::Result<()> {
        fs::rename(temporary, path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<FileEntry>> {
        SystemFiles.list(folder)
    }

    fn exists(&self, path: &Path) -> bool {
        SystemFiles.exists(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemFiles.remove(path)
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (folder, files, rows): (_, Option<Arc<dyn Files>>, i64) = match words.as_slice() {
        [folder, "synced", rows] => (folder, Some(Arc::new(SystemFiles)), rows.parse()?),
        [folder, "unsynced", rows] => (folder, Some(Arc::new(UnsyncedFiles)), rows.parse()?),
        [folder, "ledger"] => (folder, None, 0),
        _ => return Err("usage: commit_latency FOLDER synced|unsynced ROWS | ledger".into()),
    };
    let folder = Path::new(folder);
    let (clocks, randomness) = (Clocks::system(), Arc::new(SystemRandomness));
    let own = Arc::<SystemRandomness>::clone(&randomness);
    let ledger = Ledger::open(&folder.join("ledger.db"), clocks.clone(), own).await?;
    let lake = match files {
        Some(files) => {
            let root = folder.join("warehouse");
            Some(Lake::with_files(&root, files, clocks, randomness)?)
        }
        None => None,
    };
    let mut worker = Worker { ledger, lake, rows, position: None, commits: 0 };
    worker.answer_all().await
}

struct Worker {
    ledger: Ledger,
    lake: Option<Lake>,
    rows: i64,
    position: Option<Position>,
    commits: i64,
}

impl Worker {
    async fn answer_all(&mut self) -> Outcome<()> {
        for line in io::stdin().lock().lines() {
            let asked: Value = serde_json::from_str(&line?)?;
            let (mut whole, mut ledger) = (Vec::new(), Vec::new());
            for _ in 0..asked["commits"].as_u64().unwrap_or_default() {
                let (seconds, ledger_seconds) = self.commit().await?;
                whole.push(seconds);
                ledger.push(ledger_seconds);
            }
            let mut answers = io::stdout().lock();
            writeln!(answers, "{}", json!({"seconds": whole, "ledger_seconds": ledger}))?;
            answers.flush()?;
        }
        Ok(())
    }

    /// One commit from its first look at the pointer to the ledger's answer.
    async fn commit(&mut self) -> Outcome<(f64, f64)> {
        self.commits += 1;
        let rows = batch(self.commits * self.rows, self.rows)?;
        let id = self.ledger.new_commit_id();
        let started = Instant::now();
        let (commit, next) = match &self.lake {
            Some(lake) => {
                let environment = EnvironmentName::new(ENVIRONMENT);
                let name = TableName::new("bench", "commits");
                let base = lake.open(&self.ledger, &environment, &name).await?;
                let options = StageOptions::new(id.clone());
                let mut stage = lake.stage(&environment, &name, base.as_ref(), options);
                stage.write(rows).await?;
                let staged = stage.finish().await?;
                (staged.into_commit(Commit::new(id, ENVIRONMENT)), None)
            }
            None => {
                let new = Position::from(json!({"read": self.commits}));
                let stream = StreamName::new("bench", "commits");
                let (commit, old) = (Commit::new(id, ENVIRONMENT), self.position.clone());
                (commit.position(stream, old, new.clone()), Some(new))
            }
        };
        let staged = started.elapsed();
        self.ledger.commit(&commit).await?;
        let whole = started.elapsed();
        if next.is_some() {
            self.position = next;
        }
        Ok((whole.as_secs_f64(), (whole - staged).as_secs_f64()))
    }
}

fn batch(first: i64, rows: i64) -> Outcome<RecordBatch> {
    let ids = || first..first + rows;
    let words = ids().map(|id| format!("word {}", id.wrapping_mul(7_919) % 1_000));
    Ok(RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(ids())) as _),
        ("word", Arc::new(StringArray::from_iter_values(words)) as _),
        ("amount", Arc::new(Float64Array::from_iter_values(ids().map(|id| id as f64))) as _),
    ])?)
}
