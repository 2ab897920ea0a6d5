//! Values of any type as text, as the homes print them.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::ScalarUDF;

use super::kernel::{Kernel, Want, returns};
use super::numbers::double_text;
use super::{formats, times};

pub(crate) fn all() -> Vec<ScalarUDF> {
    const ANY: &[Want] = &[Want::Shown];
    vec![
        Kernel::udf("fp_text_duckdb", ANY, returns!(DataType::Utf8), |call| {
            column(&call.any(0)?, true)
        }),
        Kernel::udf("fp_text_postgres", ANY, returns!(DataType::Utf8), |call| {
            column(&call.any(0)?, false)
        }),
        Kernel::udf(
            "fp_same",
            &[Want::Any],
            |types| Ok(types.first().cloned().unwrap_or(DataType::Null)),
            |call| call.any(0),
        ),
        Kernel::udf("fp_typeof", &[Want::Any, Want::Text], returns!(DataType::Utf8), |call| {
            let kind = call.any(0)?.data_type().clone();
            let names = call.texts(1)?.into_iter().map(|home| {
                Some(match home {
                    Some("postgres") => postgres_type(&kind),
                    _ => duckdb_type(&kind),
                })
            });
            Ok(Arc::new(names.collect::<StringArray>()))
        }),
    ]
}

/// A whole column as text; null stays null.
pub(crate) fn column(array: &ArrayRef, duckdb: bool) -> Result<ArrayRef> {
    let all = (0..array.len())
        .map(|row| array.is_valid(row).then(|| text(array, row, duckdb)).transpose());
    Ok(Arc::new(all.collect::<Result<StringArray>>()?))
}

/// One value as text; null inside a nested one is `NULL`.
pub(crate) fn text(array: &ArrayRef, row: usize, duckdb: bool) -> Result<String> {
    if array.is_null(row) {
        return Ok("NULL".to_owned());
    }
    Ok(match array.data_type() {
        DataType::Float64 => double_text(array.as_primitive::<Float64Type>().value(row), duckdb),
        DataType::Float32 => real_text(array.as_primitive::<Float32Type>().value(row), duckdb),
        DataType::Timestamp(_, zone) => {
            let moments = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
            let micros = moments.as_primitive::<TimestampMicrosecondType>().value(row);
            let mut text = formats::plain(times::utc(micros)?);
            if zone.is_some() {
                text.push_str("+00");
            }
            text
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            interval(array.as_primitive::<IntervalMonthDayNanoType>().value(row), duckdb)
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            let items =
                (0..items.len()).map(|i| inner(&items, i, duckdb)).collect::<Result<Vec<_>>>()?;
            match duckdb {
                true => format!("[{}]", items.join(", ")),
                false => format!("{{{}}}", items.join(",")),
            }
        }
        DataType::Struct(fields) if duckdb => {
            let columns = array.as_struct().columns();
            let parts = fields
                .iter()
                .zip(columns)
                .map(|(field, column)| {
                    Ok(format!("'{}': {}", field.name(), inner(column, row, duckdb)?))
                })
                .collect::<Result<Vec<_>>>()?;
            format!("{{{}}}", parts.join(", "))
        }
        DataType::Map(_, _) if duckdb => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let parts = (0..keys.len())
                .map(|i| Ok(format!("{}={}", inner(keys, i, duckdb)?, inner(values, i, duckdb)?)))
                .collect::<Result<Vec<_>>>()?;
            format!("{{{}}}", parts.join(", "))
        }
        kind @ (DataType::Struct(_) | DataType::Map(_, _)) => {
            return plan_err!("{kind} as text is not run; name its fields");
        }
        _ => plain(array, row)?,
    })
}

fn plain(array: &ArrayRef, row: usize) -> Result<String> {
    let options = FormatOptions::default();
    Ok(ArrayFormatter::try_new(array, &options)?.value(row).to_string())
}

/// Texts inside nested values are quoted where they would be misread.
fn inner(array: &ArrayRef, row: usize, duckdb: bool) -> Result<String> {
    let shown = text(array, row, duckdb)?;
    let is_text =
        matches!(array.data_type(), DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
    if !is_text || array.is_null(row) {
        return Ok(shown);
    }
    let risky = |ch: char| match duckdb {
        true => matches!(ch, '[' | ']' | '{' | '}' | ',' | '"' | '\'' | '=' | ':' | '(' | ')'),
        false => matches!(ch, '{' | '}' | ',' | '"' | '\\' | ' '),
    };
    let edge = shown.trim() != shown;
    if shown.is_empty() || edge || shown.contains(risky) || shown.eq_ignore_ascii_case("null") {
        let escaped = shown.replace('\\', "\\\\");
        return Ok(match duckdb {
            true => format!("'{}'", escaped.replace('\'', "\\'")),
            false => format!("\"{}\"", escaped.replace('"', "\\\"")),
        });
    }
    Ok(shown)
}

/// The shortest text that reads back as the same `real`.
fn real_text(x: f32, duckdb: bool) -> String {
    if !x.is_finite() {
        return double_text(f64::from(x), duckdb);
    }
    let size = x.abs();
    if x != 0.0 && !(1e-4..1e6).contains(&size) {
        return format!("{x:e}");
    }
    let text = format!("{x}");
    if duckdb && !text.contains('.') { format!("{text}.0") } else { text }
}

/// `1 year 2 months 3 days 04:05:06.7`; PostgreSQL shortens `mons`.
fn interval(value: IntervalMonthDayNano, duckdb: bool) -> String {
    let mut parts = Vec::new();
    let mut push = |count: i32, one: &str, many: &str| match count {
        0 => {}
        1 => parts.push(format!("1 {one}")),
        -1 if duckdb => parts.push(format!("-1 {one}")),
        count => parts.push(format!("{count} {many}")),
    };
    push(value.months / 12, "year", "years");
    match duckdb {
        true => push(value.months % 12, "month", "months"),
        false => push(value.months % 12, "mon", "mons"),
    }
    push(value.days, "day", "days");
    let micros = value.nanoseconds / 1_000;
    if micros != 0 || parts.is_empty() {
        let size = micros.unsigned_abs();
        let (hours, rest) = (size / 3_600_000_000, size % 3_600_000_000);
        let (minutes, rest) = (rest / 60_000_000, rest % 60_000_000);
        let sign = if micros < 0 { "-" } else { "" };
        let mut clock = format!("{sign}{hours:02}:{minutes:02}:{:02}", rest / 1_000_000);
        if rest % 1_000_000 != 0 {
            let digits = format!("{:06}", rest % 1_000_000);
            let _ = write!(clock, ".{}", digits.trim_end_matches('0'));
        }
        parts.push(clock);
    }
    parts.join(" ")
}

fn duckdb_type(kind: &DataType) -> String {
    match kind {
        DataType::Null => "\"NULL\"",
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INTEGER",
        DataType::Int64 => "BIGINT",
        DataType::UInt8 => "UTINYINT",
        DataType::UInt16 => "USMALLINT",
        DataType::UInt32 => "UINTEGER",
        DataType::UInt64 => "UBIGINT",
        DataType::Float32 => "FLOAT",
        DataType::Float64 => "DOUBLE",
        DataType::Decimal128(38, 0) => "HUGEINT",
        DataType::Decimal128(p, s) => return format!("DECIMAL({p},{s})"),
        DataType::Date32 => "DATE",
        DataType::Time64(_) => "TIME",
        DataType::Timestamp(_, None) => "TIMESTAMP",
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE",
        DataType::Interval(_) => "INTERVAL",
        DataType::Binary | DataType::BinaryView => "BLOB",
        DataType::List(item) => return format!("{}[]", duckdb_type(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{} {}", field.name(), duckdb_type(field.data_type())))
                .collect();
            return format!("STRUCT({})", fields.join(", "));
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(fields) = entries.data_type() else { return "MAP".to_owned() };
            let kinds: Vec<String> =
                fields.iter().map(|field| duckdb_type(field.data_type())).collect();
            return format!("MAP({})", kinds.join(", "));
        }
        _ => "VARCHAR",
    }
    .to_owned()
}

fn postgres_type(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 => "smallint",
        DataType::Int32 => "integer",
        DataType::Int64 => "bigint",
        DataType::Float32 => "real",
        DataType::Float64 => "double precision",
        DataType::Decimal128(..) => "numeric",
        DataType::Date32 => "date",
        DataType::Time64(_) => "time without time zone",
        DataType::Timestamp(_, None) => "timestamp without time zone",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Interval(_) => "interval",
        DataType::Binary | DataType::BinaryView => "bytea",
        DataType::List(item) => return format!("{}[]", postgres_type(item.data_type())),
        _ => "character varying",
    }
    .to_owned()
}
