//! Every construct of the corpus, here and at home: DuckDB and PostgreSQL answer the same question.
//!
//! A silent difference fails; a refusal is listed with its replacement; the share is printed. The
//! clock is one literal on both sides.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base::{EnvironmentName, ErrorKind, TableName};
use chrono::{TimeZone, Utc};
use compute::{Catalog, Dialect, QueryError, Session, SessionOptions};
use serde_json::{Value, json};

use crate::by_hand::{engine, small};

const TODAY: &str = "date '2026-05-22'";
const NOW: &str = "timestamp with time zone '2026-05-22 12:00:00+00'";

struct Entry {
    name: String,
    dialect: Dialect,
    sql: String,
}

/// `-- dp name` begins an entry; the letters are its dialects.
fn corpus() -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let files = [
        include_str!("differential/constructs.sql"),
        include_str!("differential/functions.sql"),
        include_str!("differential/worked_examples.sql"),
    ];
    for file in files {
        let mut at: Vec<usize> = Vec::new();
        for line in file.lines() {
            if let Some((letters, name)) = line.strip_prefix("-- ").and_then(|l| l.split_once(' '))
            {
                at.clear();
                for letter in letters.chars() {
                    let dialect = match letter {
                        'd' => Dialect::Duckdb,
                        'p' => Dialect::Postgres,
                        _ => panic!("\"{line}\": the dialect is d or p"),
                    };
                    at.push(entries.len());
                    let name = name.to_owned();
                    entries.push(Entry { name, dialect, sql: String::new() });
                }
            } else {
                for &index in &at {
                    entries[index].sql.push_str(line);
                    entries[index].sql.push('\n');
                }
            }
        }
    }
    for entry in &mut entries {
        entry.sql = entry.sql.trim().trim_end_matches(';').to_owned();
    }
    entries
}

struct Table {
    name: String,
    columns: Vec<(String, String)>,
    rows: Vec<Vec<Option<String>>>,
}

fn tables() -> Vec<Table> {
    let mut all: Vec<Table> = Vec::new();
    for line in include_str!("differential/tables.txt").lines() {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if let Some((name, columns)) = line.strip_prefix("table ").and_then(|l| l.split_once(": "))
        {
            let columns = columns
                .split(", ")
                .map(|column| column.split_once(' ').unwrap())
                .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
                .collect();
            all.push(Table { name: name.to_owned(), columns, rows: Vec::new() });
        } else {
            let row = line.split('|').map(|f| (!f.is_empty()).then(|| f.to_owned())).collect();
            all.last_mut().unwrap().rows.push(row);
        }
    }
    all
}

impl Table {
    fn setup(&self) -> Vec<String> {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(name, kind)| {
                format!("{name} {}", if kind == "double" { "double precision" } else { kind })
            })
            .collect();
        let rows: Vec<String> = self
            .rows
            .iter()
            .map(|row| {
                let fields: Vec<String> = row
                    .iter()
                    .map(|field| match field {
                        Some(text) => format!("'{}'", text.replace('\'', "''")),
                        None => "null".to_owned(),
                    })
                    .collect();
                format!("({})", fields.join(", "))
            })
            .collect();
        vec![
            format!("create table {} ({})", self.name, columns.join(", ")),
            format!("insert into {} values {}", self.name, rows.join(", ")),
        ]
    }

    fn batch(&self) -> RecordBatch {
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (index, (name, kind)) in self.columns.iter().enumerate() {
            let kind = match kind.as_str() {
                "bigint" => DataType::Int64,
                "integer" => DataType::Int32,
                "varchar" => DataType::Utf8,
                "date" => DataType::Date32,
                "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
                "double" => DataType::Float64,
                "boolean" => DataType::Boolean,
                "decimal(12,2)" => DataType::Decimal128(12, 2),
                "decimal(18,2)" => DataType::Decimal128(18, 2),
                other => panic!("type {other}"),
            };
            let texts: StringArray = self.rows.iter().map(|row| row[index].clone()).collect();
            arrays.push(cast(&texts, &kind).unwrap());
            fields.push(Field::new(name, kind, true));
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
    }
}

/// The clock's words become literals at home.
fn at_home(sql: &str) -> String {
    sql.replace("current_date", TODAY).replace("current_timestamp", NOW).replace("now()", NOW)
}

/// Asks both homes in one process.
fn homes(entries: &[Entry], tables: &[Table]) -> Vec<Value> {
    let python = std::env::var("FIVEPLY_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/homes.py");
    let order = json!({
        "setup": tables.iter().flat_map(Table::setup).collect::<Vec<_>>(),
        "statements": entries.iter().map(|entry| json!({
            "home": entry.dialect.name(),
            "sql": at_home(&entry.sql),
        })).collect::<Vec<_>>(),
    });
    let help = "the differential test needs Python with the packages duckdb, psycopg[binary] and \
                pytz, and PostgreSQL's server programs (initdb, pg_ctl); set FIVEPLY_PYTHON to \
                that Python";
    let mut child = Command::new(&python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("\"{python}\" did not start: {error}; {help}"));
    child.stdin.take().unwrap().write_all(order.to_string().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "\"{python}\" failed: {said}\n{help}");
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Column names, then rows of plain text.
type Rows = (Vec<String>, Vec<Vec<String>>);

fn number(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(0.0) => "0".to_owned(),
        Ok(value) => format!("{value:.9e}"),
        Err(_) => text.to_owned(),
    }
}

fn home_value(value: &Value) -> String {
    let Some(tagged) = value.as_object() else { return "null".to_owned() };
    let (tag, value) = tagged.iter().next().unwrap();
    let text = || value.as_str().unwrap_or_default().to_owned();
    match tag.as_str() {
        "n" => number(&text()),
        "b" => value.to_string(),
        "i" => format!("interval {}", text()),
        "l" => {
            let items: Vec<String> = value.as_array().unwrap().iter().map(home_value).collect();
            format!("[{}]", items.join(", "))
        }
        _ => text(),
    }
}

fn our_value(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "null".to_owned();
    }
    match array.data_type() {
        kind if kind.is_numeric() => {
            let options = FormatOptions::default();
            number(&ArrayFormatter::try_new(array, &options).unwrap().value(row).to_string())
        }
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Date32 | DataType::Timestamp(_, _) => {
            let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None)).unwrap();
            let micros =
                micros.as_primitive::<arrow::datatypes::TimestampMicrosecondType>().value(row);
            let moment = chrono::DateTime::from_timestamp_micros(micros).unwrap().naive_utc();
            moment.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
        }
        DataType::Time64(_) => {
            let micros = cast(array, &DataType::Time64(TimeUnit::Microsecond)).unwrap();
            let micros =
                micros.as_primitive::<arrow::datatypes::Time64MicrosecondType>().value(row);
            let moment = chrono::DateTime::from_timestamp_micros(micros).unwrap().naive_utc();
            moment.format("%H:%M:%S%.6f").to_string()
        }
        DataType::Interval(_) => {
            let value =
                array.as_primitive::<arrow::datatypes::IntervalMonthDayNanoType>().value(row);
            let days = i64::from(value.months) * 30 + i64::from(value.days);
            format!("interval {}", days * 86_400_000_000 + value.nanoseconds / 1_000)
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            let items: Vec<String> = (0..items.len()).map(|i| our_value(&items, i)).collect();
            format!("[{}]", items.join(", "))
        }
        DataType::Binary | DataType::BinaryView => {
            let bytes = cast(array, &DataType::Binary).unwrap();
            let bytes = bytes.as_binary::<i32>().value(row).to_vec();
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        }
        _ => {
            let options = FormatOptions::default();
            ArrayFormatter::try_new(array, &options).unwrap().value(row).to_string()
        }
    }
}

async fn ours(session: &Session, sql: &str) -> Result<Rows, QueryError> {
    let prepared = session.prepare(sql).await?;
    let names = prepared.schema().fields().iter().map(|field| field.name().clone()).collect();
    let mut rows = Vec::new();
    for batch in session.rows(sql).await? {
        for row in 0..batch.num_rows() {
            rows.push(batch.columns().iter().map(|column| our_value(column, row)).collect());
        }
    }
    Ok((names, rows))
}

fn theirs(answer: &Value) -> Result<Rows, String> {
    if let Some(error) = answer["error"].as_str() {
        return Err(error.to_owned());
    }
    let names = answer["columns"].as_array().unwrap().iter();
    let names = names.map(|name| name.as_str().unwrap_or_default().to_lowercase()).collect();
    let rows = answer["rows"].as_array().unwrap().iter();
    let rows = rows.map(|row| row.as_array().unwrap().iter().map(home_value).collect()).collect();
    Ok((names, rows))
}

/// Rows in any order unless the statement orders them.
fn settle(sql: &str, (names, mut rows): Rows) -> Rows {
    let last = sql.rsplit(')').next().unwrap_or(sql);
    if !last.contains("order by") {
        rows.sort();
    }
    let names = names.into_iter().map(|name| name.to_lowercase()).collect();
    (names, rows)
}

#[derive(Default)]
struct Share {
    same: usize,
    refused: Vec<String>,
    failed: Vec<String>,
    different: Vec<String>,
}

async fn compare(session: &Session, entry: &Entry, answer: &Value, share: &mut Share) {
    let title = format!("[{}] {}", entry.dialect, entry.name);
    match (ours(session, &entry.sql).await, theirs(answer)) {
        (Err(_), Err(_)) => share.same += 1,
        (Ok(_), Err(error)) => {
            share.different.push(format!("{title}: its home refuses it: {error}"))
        }
        (Ok(ours), Ok(theirs)) => {
            let (ours, theirs) = (settle(&entry.sql, ours), settle(&entry.sql, theirs));
            if ours == theirs {
                share.same += 1;
            } else {
                let sql = &entry.sql;
                share.different.push(format!("{title}\n{sql}\n  home {theirs:?}\n  here {ours:?}"));
            }
        }
        (Err(refused), Ok(_)) => {
            let help = refused.help.clone().unwrap_or_else(|| "no replacement known".to_owned());
            let line = format!("{title}: {} -> {help}", refused.message);
            match refused.kind {
                ErrorKind::Unsupported => share.refused.push(line),
                _ => share.failed.push(line),
            }
        }
    }
}

#[tokio::test]
async fn no_construct_gives_other_rows_than_its_home() {
    let (entries, tables) = (corpus(), tables());
    let answers = homes(&entries, &tables);
    let mut catalog = Catalog::empty(EnvironmentName::new("prod"));
    for table in &tables {
        let batch = table.batch();
        let name = TableName::new("main", &table.name);
        catalog = catalog.with_batches(name, batch.schema(), vec![batch]);
    }
    let mut shares: BTreeMap<&str, Share> = BTreeMap::new();
    for (entry, answer) in entries.iter().zip(&answers) {
        let session = engine(small()).session(
            catalog.clone(),
            SessionOptions {
                dialect: entry.dialect,
                business_now: Utc.with_ymd_and_hms(2026, 5, 22, 12, 0, 0).unwrap(),
                time_zone: "UTC".to_owned(),
                default_namespace: Some("main".to_owned()),
            },
        );
        let share = shares.entry(entry.dialect.name()).or_default();
        compare(&session, entry, answer, share).await;
    }
    let mut different = Vec::new();
    for (name, share) in &mut shares {
        let all = share.same + share.refused.len() + share.failed.len() + share.different.len();
        let percent = 100.0 * share.same as f64 / all as f64;
        eprintln!("{name}: {} of {all} agree ({percent:.1}%)", share.same);
        for line in share.refused.iter().chain(&share.failed) {
            eprintln!("  refused: {line}");
        }
        different.append(&mut share.different);
    }
    assert!(entries.len() >= 150, "the corpus has {} entries", entries.len());
    assert!(
        different.is_empty(),
        "{} silent differences:\n{}",
        different.len(),
        different.join("\n")
    );
}
