//! What a project's tables, positions and row accounts say, as text that two folders can be
//! compared by.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base::clock::Clocks;
use base::system::SystemRandomness;
use base::{EnvironmentName, LoadAccount, TableAccount, TableName};
use ledger::{AccountFilter, Ledger, PointerKind};
use storage::{Lake, LakeTable};

/// Columns that name a run, which is another one each time.
const RUN_COLUMNS: &[&str] = &["run_id"];

/// How far the row accounts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every sum over the committed accounts.
    Sums,
    /// Those of loads. Of models only what they come to: one that was built once more may have
    /// replaced its rows once more.
    Net,
    /// None: statements of hooks and custom materializations rename tables, accounts and all.
    Rows,
}

/// Tables with their rows, positions, and row accounts summed over all commits. Checks on the way
/// that each table's accounts hold and follow one another without a gap.
///
/// # Errors
/// When something cannot be read, or the accounts do not add up.
pub fn state(folder: &Path, environment: &str, depth: Depth) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (clocks, randomness) = (Clocks::system(), Arc::new(SystemRandomness));
        let path = folder.join(".fiveply/ledger.db");
        let ledger =
            Ledger::open(&path, clocks.clone(), Arc::<SystemRandomness>::clone(&randomness))
                .await?;
        let lake = Lake::local(&folder.join(".fiveply/warehouse"), clocks, randomness)?;
        let place = Place { ledger, lake, environment: environment.into() };
        let text = place.describe(depth).await;
        place.ledger.close().await;
        text
    })
}

/// All accounts of one table.
#[derive(Default)]
struct Sums {
    /// Whether a stream writes it.
    loaded: bool,
    table: TableAccount,
    loads: Option<LoadAccount>,
}

struct Place {
    ledger: Ledger,
    lake: Lake,
    environment: EnvironmentName,
}

impl Place {
    async fn describe(&self, depth: Depth) -> Result<String> {
        let mut text = String::new();
        let mut row_counts = BTreeMap::new();
        for pointer in self.ledger.pointers(&self.environment).await? {
            match pointer.kind {
                PointerKind::View => {
                    let view = self.lake.read_view(&pointer.metadata_location).await?;
                    writeln!(text, "view {}: {}", pointer.table, view.sql.trim())?;
                }
                PointerKind::Table => {
                    let table = self.lake.read(&pointer.metadata_location).await?;
                    row_counts.insert(pointer.table.clone(), table.row_count());
                    writeln!(text, "table {}, {} rows", pointer.table, table.row_count())?;
                    for row in self.rows(&table).await? {
                        writeln!(text, "  {row}")?;
                    }
                }
            }
        }
        for (stream, position) in self.ledger.positions(&self.environment).await? {
            writeln!(text, "position of {stream}: {position:?}")?;
        }
        if depth != Depth::Rows {
            self.accounts(depth, &row_counts, &mut text).await?;
        }
        let leases = self.ledger.abandoned_runs().await?;
        ensure!(leases.is_empty(), "runs were left open: {leases:?}");
        let problems = self.ledger.health().await?.problems;
        ensure!(problems.is_empty(), "the ledger is not well: {problems:?}");
        Ok(text)
    }

    async fn rows(&self, table: &LakeTable) -> Result<Vec<String>> {
        let options = FormatOptions::default().with_null("NULL");
        let mut rows = Vec::new();
        for batch in table.rows(&self.lake).await? {
            let schema = batch.schema();
            let mut columns = Vec::new();
            for (field, column) in schema.fields().iter().zip(batch.columns()) {
                if !RUN_COLUMNS.contains(&field.name().as_str()) {
                    columns.push((field.name(), ArrayFormatter::try_new(column, &options)?));
                }
            }
            for row in 0..batch.num_rows() {
                let values: Vec<String> = columns
                    .iter()
                    .map(|(name, column)| format!("{name}={}", column.value(row)))
                    .collect();
                rows.push(values.join(" "));
            }
        }
        let count = table.row_count();
        ensure!(rows.len() as u64 == count, "{} rows read, {count} announced", rows.len());
        rows.sort();
        Ok(rows)
    }

    async fn accounts(
        &self,
        depth: Depth,
        row_counts: &BTreeMap<TableName, u64>,
        text: &mut String,
    ) -> Result<()> {
        let filter =
            AccountFilter { environment: Some(self.environment.clone()), ..Default::default() };
        let mut tables: BTreeMap<TableName, Sums> = BTreeMap::new();
        for record in self.ledger.accounts(&filter).await? {
            let node = record.node.as_ref().map(base::NodeId::as_str).unwrap_or_default();
            let Sums { loaded, table: sum, loads } =
                tables.entry(record.table.clone()).or_default();
            *loaded |= node.starts_with("stream.");
            if let Some(account) = record.account {
                ensure!(account.holds(), "of {}: {account:?}", record.table);
                ensure!(
                    account.before == sum.after,
                    "{} had {} rows, the next commit started from {account:?}",
                    record.table,
                    sum.after
                );
                sum.inserted += account.inserted;
                sum.deleted += account.deleted;
                sum.removed += account.removed;
                sum.after = account.after;
            }
            if let Some(load) = &record.load {
                ensure!(load.holds(), "of {}: {load:?}", record.table);
                loads.get_or_insert_default().add(load);
            }
        }
        for (table, Sums { loaded, table: sum, loads }) in tables {
            let found = row_counts.get(&table).copied().unwrap_or_default();
            ensure!(sum.after == found, "{table}: {sum:?}, but {found} rows");
            match depth {
                Depth::Net if !loaded => writeln!(text, "account of {table}: {} rows", sum.after)?,
                Depth::Sums | Depth::Net | Depth::Rows => {
                    writeln!(text, "account of {table}: {sum:?} {loads:?}")?;
                }
            }
        }
        Ok(())
    }
}

/// The first line in which two states differ, for a message that can be read.
pub(crate) fn first_difference(expected: &str, found: &str) -> String {
    let (mut left, mut right) = (expected.lines(), found.lines());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return "they are the same".to_owned(),
            (one, other) if one == other => {}
            (one, other) => {
                return format!(
                    "expected: {}\n   found: {}",
                    one.unwrap_or("(the end)"),
                    other.unwrap_or("(the end)")
                );
            }
        }
    }
}

/// Refuses two states that differ.
pub(crate) fn compare(expected: &str, found: &str, place: impl Fn() -> String) -> Result<()> {
    if expected != found {
        let difference = first_difference(expected, found);
        return Err(anyhow::anyhow!("{difference}")).with_context(place);
    }
    Ok(())
}
