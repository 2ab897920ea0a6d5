//! The engine as a worker of the benchmarks: answers queries over lake tables, read by the lake's
//! own table provider or by DataFusion's `ListingTable` over the same files.
//!
//! ```text
//! scan_against_listing make FOLDER ROWS FILES       makes the table `bench.rows` to scan
//! scan_against_listing lake FOLDER NAMESPACE        answers through the lake's own provider
//! scan_against_listing listing FOLDER NAMESPACE     answers through DataFusion's listing
//! ```
//!
//! `FOLDER` holds `ledger.db` and `warehouse`, as the `.fiveply` folder of a project does. A worker
//! reads one JSON document a line from standard input and answers with one: `{"run": "select …"}`
//! runs a query and keeps its rows, `{"answer": true}` hands them over as text. So whoever measures
//! the first does not measure the second.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base::clock::Clocks;
use base::system::SystemRandomness;
use base::{EnvironmentName, TableName};
use compute::{Catalog, Dialect, Engine, EngineOptions, Session, SessionOptions};
use datafusion::catalog::TableProvider;
use datafusion::common::config::TableParquetOptions;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{
    ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl,
};
use datafusion::prelude::SessionContext;
use ledger::{Commit, Ledger};
use serde_json::{Value, json};
use storage::{Lake, StageOptions};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ENVIRONMENT: &str = "prod";
const BATCH_ROWS: i64 = 65_536;
/// The kinds of `lo`.
const COUNTRIES: [&str; 12] =
    ["AT", "BE", "CH", "DE", "DK", "ES", "FR", "GB", "IT", "NL", "NO", "US"];
/// How many values `hi` has, at the full scale.
const CUSTOMERS: i64 = 2_000_000;
/// 2026-01-01, in microseconds.
const FIRST_TIME: i64 = 1_767_225_600_000_000;

struct Place {
    ledger: Ledger,
    lake: Lake,
}

impl Place {
    async fn open(folder: &Path) -> Outcome<Self> {
        let (clocks, randomness) = (Clocks::system(), Arc::new(SystemRandomness));
        let path = folder.join("ledger.db");
        let own = Arc::<SystemRandomness>::clone(&randomness);
        let ledger = Ledger::open(&path, clocks.clone(), own).await?;
        let lake = Lake::local(&folder.join("warehouse"), clocks, randomness)?;
        Ok(Self { ledger, lake })
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["make", folder, rows, files] => {
            make(Path::new(folder), rows.parse()?, files.parse()?).await
        }
        ["lake", folder, namespace] => serve(Path::new(folder), namespace, false).await,
        ["listing", folder, namespace] => serve(Path::new(folder), namespace, true).await,
        _ => Err("usage: scan_against_listing make FOLDER ROWS FILES | lake|listing FOLDER \
                  NAMESPACE"
            .into()),
    }
}

/// Appends the rows in as many commits as there shall be files.
async fn make(folder: &Path, rows: i64, files: i64) -> Outcome<()> {
    let place = Place::open(folder).await?;
    let environment = EnvironmentName::new(ENVIRONMENT);
    let name = TableName::new("bench", "rows");
    for file in 0..files {
        let base = place.lake.open(&place.ledger, &environment, &name).await?;
        let commit = place.ledger.new_commit_id();
        let options = StageOptions::new(commit.clone());
        let mut stage = place.lake.stage(&environment, &name, base.as_ref(), options);
        let (mut next, end) = (rows * file / files, rows * (file + 1) / files);
        while next < end {
            let count = BATCH_ROWS.min(end - next);
            stage.write(batch(next, count, rows)?).await?;
            next += count;
        }
        let staged = stage.finish().await?;
        place.ledger.commit(&staged.into_commit(Commit::new(commit, ENVIRONMENT))).await?;
    }
    Ok(())
}

/// Rows from number `first` on; the same numbers make the same rows.
fn batch(first: i64, count: i64, rows: i64) -> Outcome<RecordBatch> {
    let ids = || first..first + count;
    let draw = |id: i64, topic: u64| mix(id.unsigned_abs(), topic);
    let customers = CUSTOMERS.min(rows / 5).max(1).unsigned_abs();
    let texts = |topic: u64, text: &dyn Fn(u64) -> String| {
        StringArray::from_iter_values(ids().map(|id| text(draw(id, topic))))
    };
    let times = ids().map(|id| FIRST_TIME + id * 777_000);
    let fractions = ids().map(|id| (draw(id, 3) % 1_000_000_007) as f64 / 997.0);
    let amounts = ids().map(|id| i128::from(draw(id, 4) % 100_000_000));
    let columns: [(&str, ArrayRef); 6] = [
        ("id", Arc::new(Int64Array::from_iter_values(ids()))),
        ("ts", Arc::new(TimestampMicrosecondArray::from_iter_values(times))),
        ("lo", Arc::new(texts(1, &|number| COUNTRIES[(number % 12) as usize].to_owned()))),
        ("hi", Arc::new(texts(2, &|number| format!("customer-{:07}", number % customers)))),
        ("f", Arc::new(Float64Array::from_iter_values(fractions))),
        (
            "d",
            Arc::new(Decimal128Array::from_iter_values(amounts).with_precision_and_scale(18, 2)?),
        ),
    ];
    let nullable = columns.into_iter().map(|(name, column)| (name, column, true));
    Ok(RecordBatch::try_from_iter_with_nullable(nullable)?)
}

/// A number that looks drawn: SplitMix64's finishing steps.
fn mix(number: u64, topic: u64) -> u64 {
    let mut mixed = number.wrapping_mul(8).wrapping_add(topic).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

async fn serve(folder: &Path, namespace: &str, listing: bool) -> Outcome<()> {
    let place = Place::open(folder).await?;
    let environment = EnvironmentName::new(ENVIRONMENT);
    let engine = Engine::new(EngineOptions::default())?;
    let mut catalog = Catalog::of_environment(&place.ledger, &place.lake, &environment).await?;
    if listing {
        let names: Vec<TableName> =
            catalog.names().filter(|name| name.namespace == namespace).cloned().collect();
        for name in names {
            let table = listing_of(&place, &environment, &name, &engine).await?;
            catalog = catalog.with_provider(name, table);
        }
    }
    let options = SessionOptions {
        dialect: Dialect::Duckdb,
        business_now: chrono::DateTime::UNIX_EPOCH,
        time_zone: "UTC".to_owned(),
        default_namespace: Some(namespace.to_owned()),
    };
    answer_all(&engine.session(catalog, options)).await
}

/// DataFusion's own reader of the files of a table's present version.
async fn listing_of(
    place: &Place,
    environment: &EnvironmentName,
    name: &TableName,
    engine: &Engine,
) -> Outcome<Arc<dyn TableProvider>> {
    let table = place.lake.open(&place.ledger, environment, name).await?;
    let table = table.ok_or_else(|| format!("there is no table \"{name}\""))?;
    let files = table.files(&place.lake).await?;
    if files.has_deletes() {
        return Err(format!("\"{name}\" has deleted rows, which a listing would show").into());
    }
    let urls: Result<Vec<ListingTableUrl>, _> =
        files.data().iter().map(|file| ListingTableUrl::parse(file.path())).collect();
    let mut parquet = TableParquetOptions::default();
    parquet.global.pushdown_filters = engine.options().filter_while_decoding;
    parquet.global.reorder_filters = engine.options().filter_while_decoding;
    let options = ListingOptions::new(Arc::new(ParquetFormat::default().with_options(parquet)))
        .with_target_partitions(engine.options().threads);
    let context = SessionContext::new();
    let config = ListingTableConfig::new_with_multi_paths(urls?)
        .with_listing_options(options)
        .infer_schema(&context.state())
        .await?;
    let statistics = context.runtime_env().cache_manager.get_file_statistic_cache();
    Ok(Arc::new(ListingTable::try_new(config)?.with_cache(statistics)))
}

async fn answer_all(session: &Session) -> Outcome<()> {
    let mut kept: Vec<RecordBatch> = Vec::new();
    let mut answers = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        let answer = match asked["run"].as_str() {
            Some(sql) => match session.rows(sql).await {
                Ok(rows) => {
                    kept = rows;
                    json!({"rows": kept.iter().map(RecordBatch::num_rows).sum::<usize>()})
                }
                Err(error) => json!({"error": error.to_string()}),
            },
            None => json!({"values": texts(&kept)?}),
        };
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}

fn texts(batches: &[RecordBatch]) -> Outcome<Vec<Vec<Option<String>>>> {
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let text = |(column, values): (&ArrayRef, &ArrayFormatter<'_>)| {
                (!column.is_null(row)).then(|| values.value(row).to_string())
            };
            rows.push(batch.columns().iter().zip(&columns).map(text).collect());
        }
    }
    Ok(rows)
}
