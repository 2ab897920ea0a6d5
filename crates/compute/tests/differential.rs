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
        include_str!("differential/aggregates.sql"),
        include_str!("differential/nested.sql"),
        include_str!("differential/shapes.sql"),
        include_str!("differential/texts.sql"),
        include_str!("differential/times.sql"),
        include_str!("differential/types.sql"),
        include_str!("differential/windows.sql"),
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
    sql.replace("current_date", TODAY)
        .replace("today()", TODAY)
        .replace("current_timestamp", NOW)
        .replace("now()", NOW)
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
pub type Rows = (Vec<String>, Vec<Vec<String>>);

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
        "o" => {
            let parts = value
                .as_array()
                .unwrap()
                .iter()
                .map(|part| format!("{}: {}", home_value(&part[0]), home_value(&part[1])));
            format!("{{{}}}", parts.collect::<Vec<_>>().join(", "))
        }
        _ => text(),
    }
}

fn our_value(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "null".to_owned();
    }
    match array.data_type() {
        DataType::Float32 => our_value(&cast(array, &DataType::Float64).unwrap(), row),
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
        DataType::Struct(fields) => {
            let parts: Vec<(&str, String)> = fields
                .iter()
                .zip(array.as_struct().columns())
                .map(|(field, column)| (field.name().as_str(), our_value(column, row)))
                .collect();
            let named = parts.iter().map(|(name, value)| format!("{name}: {value}"));
            match parts.first() {
                // What `row(…)` makes has no names at home.
                Some(("c0", _)) => {
                    let values: Vec<String> = parts.into_iter().map(|(_, value)| value).collect();
                    format!("[{}]", values.join(", "))
                }
                _ => format!("{{{}}}", named.collect::<Vec<_>>().join(", ")),
            }
        }
        DataType::Map(_, _) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let parts: Vec<String> = (0..keys.len())
                .map(|i| format!("{}: {}", our_value(keys, i), our_value(values, i)))
                .collect();
            format!("{{{}}}", parts.join(", "))
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

pub async fn ours(session: &Session, sql: &str) -> Result<Rows, QueryError> {
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

pub fn theirs(answer: &Value) -> Result<Rows, String> {
    if let Some(error) = answer["error"].as_str() {
        return Err(error.to_owned());
    }
    let names = answer["columns"].as_array().unwrap().iter();
    let names = names.map(|name| name.as_str().unwrap_or_default().to_lowercase()).collect();
    let rows = answer["rows"].as_array().unwrap().iter();
    let rows = rows.map(|row| row.as_array().unwrap().iter().map(home_value).collect()).collect();
    Ok((names, rows))
}

/// What a type is, widths aside: whole numbers of any width are one, and so are decimals; JSON,
/// UUID and enumerations are text here. These differences are accepted.
fn family(kind: &str) -> &'static str {
    let kind = kind.to_ascii_lowercase();
    let word = kind.split(['(', '[']).next().unwrap_or("");
    match word {
        _ if kind.ends_with(']') => "list",
        "tinyint" | "smallint" | "integer" | "bigint" | "utinyint" | "usmallint" | "uinteger"
        | "ubigint" | "int2" | "int4" | "int8" => "whole number",
        "hugeint" | "uhugeint" | "decimal" | "numeric" | "bignum" => "decimal",
        "float" | "double" | "float4" | "float8" => "double",
        "boolean" | "bool" => "boolean",
        "date" => "date",
        "time" => "time",
        "timestamp" => "timestamp",
        "timestamptz" | "timestamp with time zone" => "timestamp with time zone",
        "interval" => "interval",
        "blob" | "bytea" => "bytes",
        "struct" => "struct",
        "map" => "map",
        "\"null\"" | "null" => "null",
        _ => "text",
    }
}

fn our_family(kind: &DataType) -> &'static str {
    match kind {
        DataType::Null => "null",
        kind if kind.is_integer() => "whole number",
        kind if kind.is_decimal() => "decimal",
        kind if kind.is_floating() => "double",
        DataType::Boolean => "boolean",
        DataType::Date32 => "date",
        DataType::Time64(_) => "time",
        DataType::Timestamp(_, None) => "timestamp",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Interval(_) => "interval",
        DataType::Binary | DataType::BinaryView => "bytes",
        DataType::List(_) => "list",
        DataType::Struct(_) => "struct",
        DataType::Map(_, _) => "map",
        _ => "text",
    }
}

/// Columns whose type is of another family than at home.
async fn other_types(session: &Session, sql: &str, answer: &Value) -> Option<String> {
    let schema = session.prepare(sql).await.ok()?.schema();
    let home = answer["types"].as_array()?;
    let pairs = schema.fields().iter().zip(home).filter_map(|(field, home)| {
        let (here, there) = (our_family(field.data_type()), family(home.as_str()?));
        let nothing = here == "null" || there == "null";
        // PostgreSQL's rows carry no type we could name.
        let differs = here != there && !nothing;
        differs.then(|| format!("{} is {here}, at home {home}", field.name()))
    });
    let all: Vec<String> = pairs.collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Rows in any order unless the statement orders them.
pub fn settle(sql: &str, (names, mut rows): Rows) -> Rows {
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
    types: Vec<String>,
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
                if let Some(types) = other_types(session, &entry.sql, answer).await {
                    share.types.push(format!("{title}: {types}"));
                }
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
        for line in &share.types {
            eprintln!("  type: {line}");
        }
        for line in &share.different {
            eprintln!("  DIFFERENT: {line}");
        }
        different.append(&mut share.different);
    }
    assert!(entries.len() >= 400, "the corpus has {} entries", entries.len());
    assert!(
        different.is_empty(),
        "{} silent differences:\n{}",
        different.len(),
        different.join("\n")
    );
}
