//! One value of an answer, whichever side it came from: the engine's columns or the catalog's rows.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalDayTimeType, IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use compute::postgres_catalog::Value;

/// Milliseconds of a day.
const DAY_MILLISECONDS: i64 = 86_400_000;

/// A value that can be written in either format.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    Float32(f32),
    Float(f64),
    Text(&'a str),
    Owned(String),
    Bytes(&'a [u8]),
    /// Digits, and how many of them stand behind the point.
    Decimal(i128, i8),
    /// Days since 1970.
    Date(i32),
    /// Microseconds of the day.
    Time(i64),
    /// Microseconds since 1970, without a zone or in UTC.
    Moment(i64),
    Interval {
        months: i32,
        days: i32,
        microseconds: i64,
    },
    List(Vec<Cell<'a>>),
    Record(Vec<Cell<'a>>),
    /// The number of a thing, and its name.
    Named(u32, &'a str),
}

impl<'a> Cell<'a> {
    pub(super) fn of_value(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Int(number) => Self::Int(*number),
            Value::Float(number) => Self::Float(*number),
            Value::Text(text) => Self::Text(text),
            Value::Moment(micros) => Self::Moment(*micros),
            Value::Array(items) => Self::List(items.iter().map(Cell::of_value).collect()),
            Value::Record(items) => Self::Record(items.iter().map(Cell::of_value).collect()),
            Value::Named(number, name) => Self::Named(*number, name),
        }
    }

    /// The value in a row of a column.
    pub(super) fn of_array(array: &'a dyn Array, row: usize) -> Self {
        if array.is_null(row) {
            return Self::Null;
        }
        match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool(array.as_boolean().value(row)),
            DataType::Int8 => Self::Int(array.as_primitive::<Int8Type>().value(row).into()),
            DataType::Int16 => Self::Int(array.as_primitive::<Int16Type>().value(row).into()),
            DataType::Int32 => Self::Int(array.as_primitive::<Int32Type>().value(row).into()),
            DataType::Int64 => Self::Int(array.as_primitive::<Int64Type>().value(row)),
            DataType::UInt8 => Self::Int(array.as_primitive::<UInt8Type>().value(row).into()),
            DataType::UInt16 => Self::Int(array.as_primitive::<UInt16Type>().value(row).into()),
            DataType::UInt32 => Self::Int(array.as_primitive::<UInt32Type>().value(row).into()),
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().value(row)),
            DataType::Float16 => {
                Self::Float32(array.as_primitive::<Float16Type>().value(row).to_f32())
            }
            DataType::Float32 => Self::Float32(array.as_primitive::<Float32Type>().value(row)),
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>().value(row)),
            DataType::Utf8 => Self::Text(array.as_string::<i32>().value(row)),
            DataType::LargeUtf8 => Self::Text(array.as_string::<i64>().value(row)),
            DataType::Utf8View => Self::Text(array.as_string_view().value(row)),
            DataType::Binary => Self::Bytes(array.as_binary::<i32>().value(row)),
            DataType::LargeBinary => Self::Bytes(array.as_binary::<i64>().value(row)),
            DataType::BinaryView => Self::Bytes(array.as_binary_view().value(row)),
            DataType::FixedSizeBinary(_) => Self::Bytes(array.as_fixed_size_binary().value(row)),
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>().value(row)),
            DataType::Date64 => {
                let days =
                    array.as_primitive::<Date64Type>().value(row).div_euclid(DAY_MILLISECONDS);
                Self::Date(i32::try_from(days).unwrap_or(i32::MAX))
            }
            DataType::Time32(_) | DataType::Time64(_) => Self::Time(time(array, row)),
            DataType::Timestamp(unit, _) => Self::Moment(moment(array, row, *unit)),
            DataType::Decimal32(_, scale) => {
                Self::Decimal(array.as_primitive::<Decimal32Type>().value(row).into(), *scale)
            }
            DataType::Decimal64(_, scale) => {
                Self::Decimal(array.as_primitive::<Decimal64Type>().value(row).into(), *scale)
            }
            DataType::Decimal128(_, scale) => {
                Self::Decimal(array.as_primitive::<Decimal128Type>().value(row), *scale)
            }
            DataType::Decimal256(_, scale) => {
                let digits = array.as_primitive::<Decimal256Type>().value(row);
                match digits.to_i128() {
                    Some(digits) => Self::Decimal(digits, *scale),
                    None => Self::Owned(written(array, row)),
                }
            }
            DataType::Interval(unit) => interval(array, row, *unit),
            DataType::Duration(unit) => {
                let microseconds = duration(array, row, *unit);
                Self::Interval { months: 0, days: 0, microseconds }
            }
            _ => nested(array, row),
        }
    }
}

fn nested<'a>(array: &'a dyn Array, row: usize) -> Cell<'a> {
    match array.data_type() {
        DataType::Dictionary(..) => match array.as_any_dictionary_opt() {
            Some(held) => {
                let key = held.normalized_keys().get(row).copied().unwrap_or(0);
                Cell::of_array(held.values().as_ref(), key)
            }
            None => Cell::Owned(written(array, row)),
        },
        // A list is cut out of its column: its items are read through the column itself.
        DataType::List(item) if !item.data_type().is_nested() => {
            let list = array.as_list::<i32>();
            let bounds = list.value_offsets();
            let (start, end) = (bounds[row], bounds[row + 1]);
            items(list.values().as_ref(), start.into(), end.into())
        }
        DataType::LargeList(item) if !item.data_type().is_nested() => {
            let list = array.as_list::<i64>();
            let bounds = list.value_offsets();
            items(list.values().as_ref(), bounds[row], bounds[row + 1])
        }
        DataType::FixedSizeList(item, length) if !item.data_type().is_nested() => {
            let list = array.as_fixed_size_list();
            let start = i64::from(list.value_offset(row));
            items(list.values().as_ref(), start, start + i64::from(*length))
        }
        _ => Cell::Owned(json(array, row).to_string()),
    }
}

fn items<'a>(values: &'a dyn Array, start: i64, end: i64) -> Cell<'a> {
    let (start, end) = (usize::try_from(start).unwrap_or(0), usize::try_from(end).unwrap_or(0));
    Cell::List((start..end).map(|at| Cell::of_array(values, at)).collect())
}

fn time(array: &dyn Array, row: usize) -> i64 {
    match array.data_type() {
        DataType::Time32(TimeUnit::Second) => {
            i64::from(array.as_primitive::<Time32SecondType>().value(row)) * 1_000_000
        }
        DataType::Time32(_) => {
            i64::from(array.as_primitive::<Time32MillisecondType>().value(row)) * 1_000
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            array.as_primitive::<Time64NanosecondType>().value(row).div_euclid(1_000)
        }
        _ => array.as_primitive::<Time64MicrosecondType>().value(row),
    }
}

fn moment(array: &dyn Array, row: usize, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => {
            array.as_primitive::<TimestampSecondType>().value(row).saturating_mul(1_000_000)
        }
        TimeUnit::Millisecond => {
            array.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1_000)
        }
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => {
            array.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1_000)
        }
    }
}

fn duration(array: &dyn Array, row: usize, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => {
            array.as_primitive::<DurationSecondType>().value(row).saturating_mul(1_000_000)
        }
        TimeUnit::Millisecond => {
            array.as_primitive::<DurationMillisecondType>().value(row).saturating_mul(1_000)
        }
        TimeUnit::Microsecond => array.as_primitive::<DurationMicrosecondType>().value(row),
        TimeUnit::Nanosecond => {
            array.as_primitive::<DurationNanosecondType>().value(row).div_euclid(1_000)
        }
    }
}

fn interval(array: &dyn Array, row: usize, unit: IntervalUnit) -> Cell<'static> {
    match unit {
        IntervalUnit::YearMonth => {
            let months = array.as_primitive::<IntervalYearMonthType>().value(row);
            Cell::Interval { months, days: 0, microseconds: 0 }
        }
        IntervalUnit::DayTime => {
            let held = array.as_primitive::<IntervalDayTimeType>().value(row);
            let microseconds = i64::from(held.milliseconds) * 1_000;
            Cell::Interval { months: 0, days: held.days, microseconds }
        }
        IntervalUnit::MonthDayNano => {
            let held = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            let microseconds = held.nanoseconds.div_euclid(1_000);
            Cell::Interval { months: held.months, days: held.days, microseconds }
        }
    }
}

fn written(array: &dyn Array, row: usize) -> String {
    let options = FormatOptions::default();
    match ArrayFormatter::try_new(array, &options) {
        Ok(formatter) => formatter.value(row).to_string(),
        Err(_) => String::new(),
    }
}

/// Structs, maps and lists of them travel as JSON.
fn json(array: &dyn Array, row: usize) -> serde_json::Value {
    use serde_json::Value as Json;
    if array.is_null(row) {
        return Json::Null;
    }
    match array.data_type() {
        DataType::Struct(fields) => {
            let held = array.as_struct();
            let pairs = fields.iter().zip(held.columns());
            pairs.map(|(field, column)| (field.name().clone(), json(column, row))).collect()
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let name = |at: usize| match json(keys, at) {
                Json::String(text) => text,
                other => other.to_string(),
            };
            (0..entries.len()).map(|at| (name(at), json(values, at))).collect()
        }
        DataType::List(_) => list(array.as_list::<i32>().value(row).as_ref()),
        DataType::LargeList(_) => list(array.as_list::<i64>().value(row).as_ref()),
        DataType::FixedSizeList(..) => list(array.as_fixed_size_list().value(row).as_ref()),
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            match Cell::of_array(array, row) {
                Cell::Text(text) => text.into(),
                _ => Json::Null,
            }
        }
        kind if kind.is_numeric() => {
            let text = written(array, row);
            serde_json::from_str(&text).unwrap_or(Json::String(text))
        }
        _ => written(array, row).into(),
    }
}

fn list(items: &dyn Array) -> serde_json::Value {
    (0..items.len()).map(|at| json(items, at)).collect()
}
