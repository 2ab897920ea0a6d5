//! From cells to Arrow columns.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
    StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder, new_null_array,
};
use arrow::datatypes::DataType;
use project::ingest::ColumnType;

use super::cell::Cell;
use super::literal::{self, Moment};
use crate::schema::{Column, Kind, data_type};

const DAY_MICROS: i64 = 86_400_000_000;

/// A value that has its column's type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Boolean(bool),
    Small(i32),
    Whole(i64),
    Wide(i128),
    Double(f64),
    Text(Cow<'a, str>),
}

/// The cell as a value of the column; none when it does not fit.
pub(crate) fn convert<'a>(cell: Cell<'a>, column: &Column) -> Option<Value<'a>> {
    if !cell.holds_value() {
        return Some(Value::Null);
    }
    let Kind::Typed(kind) = column.kind else { return None };
    // A JSON string is a number or a boolean only if the user says so.
    let lenient = column.declared || !cell.typed();
    let quoted = matches!(cell, Cell::Text(_) | Cell::Escaped(_));
    match kind {
        ColumnType::String => match cell {
            Cell::Text(text) | Cell::Letters(text) => Some(Value::Text(Cow::Borrowed(text))),
            _ => cell.to_text().map(Value::Text),
        },
        ColumnType::Json => cell.to_json().map(Value::Text),
        ColumnType::Boolean => boolean(cell, lenient).map(Value::Boolean),
        ColumnType::Bigint | ColumnType::Double | ColumnType::Decimal(..) => {
            if quoted && !lenient {
                return None;
            }
            let text = match cell {
                Cell::Number(text) | Cell::Text(text) | Cell::Letters(text) => text.trim(),
                Cell::Absent
                | Cell::Null
                | Cell::Boolean(_)
                | Cell::Escaped(_)
                | Cell::Nested(_) => return None,
            };
            match kind {
                ColumnType::Double => literal::double(text).map(Value::Double),
                ColumnType::Decimal(precision, scale) => {
                    literal::decimal(text, precision, scale).map(Value::Wide)
                }
                _ => literal::integer(text).map(Value::Whole),
            }
        }
        ColumnType::Date | ColumnType::Time | ColumnType::Timestamp | ColumnType::Timestamptz => {
            calendar(cell, kind, column.declared)
        }
    }
}

fn boolean(cell: Cell<'_>, lenient: bool) -> Option<bool> {
    match cell {
        Cell::Boolean(value) => Some(value),
        Cell::Text(text) | Cell::Letters(text) | Cell::Number(text) if lenient => {
            match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "1" => Some(true),
                "false" | "f" | "no" | "0" => Some(false),
                _ => None,
            }
        }
        Cell::Absent
        | Cell::Null
        | Cell::Text(_)
        | Cell::Letters(_)
        | Cell::Number(_)
        | Cell::Escaped(_)
        | Cell::Nested(_) => None,
    }
}

fn calendar<'a>(cell: Cell<'a>, kind: ColumnType, declared: bool) -> Option<Value<'a>> {
    let text = match cell {
        Cell::Text(text) | Cell::Letters(text) => text,
        Cell::Number(text) => text,
        Cell::Absent | Cell::Null | Cell::Boolean(_) | Cell::Escaped(_) | Cell::Nested(_) => {
            return None;
        }
    };
    let day = || literal::date(text).map(|day| i64::from(day) * DAY_MICROS);
    match kind {
        ColumnType::Time => literal::time(text).map(Value::Whole),
        ColumnType::Date => {
            if let Some(day) = literal::date(text) {
                return Some(Value::Small(day));
            }
            // A declared day may be written as a midnight; any other time would be cut off.
            let Some(Moment::Local(micros) | Moment::Zoned(micros)) = literal::moment(text) else {
                return None;
            };
            let midnight = declared && micros % DAY_MICROS == 0;
            midnight.then(|| i32::try_from(micros / DAY_MICROS).ok().map(Value::Small))?
        }
        ColumnType::Timestamp => match literal::moment(text) {
            Some(Moment::Local(micros)) => Some(Value::Whole(micros)),
            Some(Moment::Zoned(micros)) if declared => Some(Value::Whole(micros)),
            Some(Moment::Zoned(_)) => None,
            None => day().or_else(|| epoch(text, declared)).map(Value::Whole),
        },
        ColumnType::Timestamptz => match literal::moment(text) {
            Some(Moment::Zoned(micros)) => Some(Value::Whole(micros)),
            Some(Moment::Local(micros)) if declared => Some(Value::Whole(micros)),
            Some(Moment::Local(_)) => None,
            None => day().filter(|_| declared).or_else(|| epoch(text, declared)).map(Value::Whole),
        },
        ColumnType::Boolean
        | ColumnType::Bigint
        | ColumnType::Double
        | ColumnType::Decimal(..)
        | ColumnType::String
        | ColumnType::Json => None,
    }
}

/// Seconds, milliseconds or microseconds since 1970, told apart by their size: seconds up to the
/// year 5138, milliseconds from 1973.
fn epoch(text: &str, declared: bool) -> Option<i64> {
    let number = literal::integer(text).filter(|_| declared)?;
    match number.unsigned_abs() {
        0..100_000_000_000 => Some(number * 1_000_000),
        100_000_000_000..100_000_000_000_000 => Some(number * 1_000),
        _ => Some(number),
    }
}

/// Collects the values of one column.
pub(crate) enum Builder {
    Boolean(BooleanBuilder),
    Small(Date32Builder),
    Whole(Int64Builder),
    Double(Float64Builder),
    Decimal(Decimal128Builder),
    Time(Time64MicrosecondBuilder),
    Moment(TimestampMicrosecondBuilder),
    Text(StringBuilder),
    /// A column that only Parquet files fill.
    Empty(DataType, usize),
}

impl Builder {
    pub(crate) fn new(kind: &Kind, rows: usize) -> Self {
        let Kind::Typed(kind) = kind else {
            let Kind::Native(kind) = kind else { unreachable!("a kind is typed or native") };
            return Self::Empty(kind.clone(), 0);
        };
        match kind {
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
            ColumnType::Bigint => Self::Whole(Int64Builder::with_capacity(rows)),
            ColumnType::Double => Self::Double(Float64Builder::with_capacity(rows)),
            ColumnType::Decimal(..) => Self::Decimal(
                Decimal128Builder::with_capacity(rows).with_data_type(data_type(*kind)),
            ),
            ColumnType::Date => Self::Small(Date32Builder::with_capacity(rows)),
            ColumnType::Time => Self::Time(Time64MicrosecondBuilder::with_capacity(rows)),
            ColumnType::Timestamp | ColumnType::Timestamptz => Self::Moment(
                TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(data_type(*kind)),
            ),
            ColumnType::String | ColumnType::Json => {
                Self::Text(StringBuilder::with_capacity(rows, rows * 16))
            }
        }
    }

    pub(crate) fn append(&mut self, value: &Value<'_>) {
        match (self, value) {
            (Self::Boolean(builder), Value::Boolean(value)) => builder.append_value(*value),
            (Self::Small(builder), Value::Small(value)) => builder.append_value(*value),
            (Self::Whole(builder), Value::Whole(value)) => builder.append_value(*value),
            (Self::Time(builder), Value::Whole(value)) => builder.append_value(*value),
            (Self::Moment(builder), Value::Whole(value)) => builder.append_value(*value),
            (Self::Double(builder), Value::Double(value)) => builder.append_value(*value),
            (Self::Decimal(builder), Value::Wide(value)) => builder.append_value(*value),
            (Self::Text(builder), Value::Text(value)) => builder.append_value(value),
            (builder, Value::Null) => builder.append_null(),
            _ => unreachable!("`convert` gives values of the column's own type"),
        }
    }

    fn append_null(&mut self) {
        match self {
            Self::Boolean(builder) => builder.append_null(),
            Self::Small(builder) => builder.append_null(),
            Self::Whole(builder) => builder.append_null(),
            Self::Double(builder) => builder.append_null(),
            Self::Decimal(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
            Self::Moment(builder) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::Empty(_, rows) => *rows += 1,
        }
    }

    pub(crate) fn finish(self) -> ArrayRef {
        match self {
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::Small(mut builder) => Arc::new(builder.finish()),
            Self::Whole(mut builder) => Arc::new(builder.finish()),
            Self::Double(mut builder) => Arc::new(builder.finish()),
            Self::Decimal(mut builder) => Arc::new(builder.finish()),
            Self::Time(mut builder) => Arc::new(builder.finish()),
            Self::Moment(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Empty(kind, rows) => new_null_array(&kind, rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: ColumnType, declared: bool) -> Column {
        let kind = Kind::Typed(kind);
        Column { name: "a".to_owned(), kind, declared, committed: false }
    }

    #[test]
    fn a_json_string_is_a_number_only_where_the_user_says_so() {
        let text = Cell::Text("12");
        assert_eq!(convert(text, &column(ColumnType::Bigint, false)), None);
        assert_eq!(convert(text, &column(ColumnType::Bigint, true)), Some(Value::Whole(12)));
        let letters = Cell::Letters("12");
        assert_eq!(convert(letters, &column(ColumnType::Bigint, false)), Some(Value::Whole(12)));
    }

    #[test]
    fn declared_moments_accept_seconds_and_refuse_to_cut() {
        let zoned = column(ColumnType::Timestamptz, true);
        let second = Some(Value::Whole(1_700_000_000_000_000));
        assert_eq!(convert(Cell::Number("1700000000"), &zoned), second);
        assert_eq!(convert(Cell::Number("1700000000000"), &zoned), second);
        let day = column(ColumnType::Date, true);
        assert_eq!(convert(Cell::Text("1970-01-02T00:00:00Z"), &day), Some(Value::Small(1)));
        assert_eq!(convert(Cell::Text("1970-01-02T00:00:01Z"), &day), None);
    }

    #[test]
    fn a_json_column_keeps_json() {
        let json = column(ColumnType::Json, false);
        let quoted = Value::Text(Cow::Borrowed("\"x\""));
        assert_eq!(convert(Cell::Text("x"), &json), Some(quoted));
    }
}
