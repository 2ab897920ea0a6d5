//! Rows as JSON for pages and programs: arrays in the order of the columns. What a JavaScript
//! number would round, large integers and decimals, is text.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, SchemaRef,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base::ErrorKind;
use serde::Serialize;
use serde_json::Value;

use crate::ServerError;

/// The largest whole number that a JavaScript number holds exactly.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// A column of an answer.
#[derive(Debug, Serialize)]
pub(crate) struct ColumnAnswer {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    /// Whether figures stand in it, which are set to the right.
    numeric: bool,
}

pub(crate) fn columns(schema: &SchemaRef) -> Vec<ColumnAnswer> {
    let fields = schema.fields().iter();
    fields
        .map(|field| ColumnAnswer {
            name: field.name().clone(),
            kind: type_name(field.data_type()),
            numeric: field.data_type().is_numeric(),
        })
        .collect()
}

/// A type in the words of SQL.
pub(crate) fn type_name(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "varchar".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "blob".to_owned(),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".to_owned(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("decimal({precision}, {scale})")
        }
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) => {
            format!("{}[]", type_name(item.data_type()))
        }
        DataType::Struct(fields) => {
            let part = |field: &arrow::datatypes::FieldRef| {
                format!("{} {}", field.name(), type_name(field.data_type()))
            };
            format!("struct({})", fields.iter().map(part).collect::<Vec<_>>().join(", "))
        }
        DataType::Null => "null".to_owned(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

/// The rows of a batch.
///
/// # Errors
/// When a value cannot be written down.
pub(crate) fn values(batch: &RecordBatch) -> Result<Vec<Vec<Value>>, ServerError> {
    let columns: Vec<Vec<Value>> =
        batch.columns().iter().map(|column| column_values(column)).collect::<Result<_, _>>()?;
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    let row = |_| columns.iter_mut().map(|column| column.next().unwrap_or(Value::Null)).collect();
    Ok((0..batch.num_rows()).map(row).collect())
}

macro_rules! whole {
    ($array:expr, $kind:ty) => {
        $array
            .as_primitive::<$kind>()
            .iter()
            .map(|value| value.map_or(Value::Null, |value| whole(i128::from(value))))
            .collect()
    };
}

fn column_values(array: &dyn Array) -> Result<Vec<Value>, ServerError> {
    Ok(match array.data_type() {
        DataType::Int8 => whole!(array, Int8Type),
        DataType::Int16 => whole!(array, Int16Type),
        DataType::Int32 => whole!(array, Int32Type),
        DataType::Int64 => whole!(array, Int64Type),
        DataType::UInt8 => whole!(array, UInt8Type),
        DataType::UInt16 => whole!(array, UInt16Type),
        DataType::UInt32 => whole!(array, UInt32Type),
        DataType::UInt64 => whole!(array, UInt64Type),
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().iter();
            values.map(|value| value.map_or(Value::Null, |value| real(f64::from(value)))).collect()
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().iter();
            values.map(|value| value.map_or(Value::Null, real)).collect()
        }
        DataType::Boolean => {
            let values = array.as_boolean().iter();
            values.map(|value| value.map_or(Value::Null, Value::Bool)).collect()
        }
        _ => texts(array)?,
    })
}

fn whole(value: i128) -> Value {
    match i64::try_from(value) {
        Ok(small) if small.unsigned_abs() <= EXACT_MAX => Value::from(small),
        Ok(_) | Err(_) => Value::String(value.to_string()),
    }
}

/// JSON has no word for what is not a number.
fn real(value: f64) -> Value {
    serde_json::Number::from_f64(value)
        .map_or_else(|| Value::String(value.to_string()), Value::Number)
}

fn texts(array: &dyn Array) -> Result<Vec<Value>, ServerError> {
    let options = FormatOptions::default().with_display_error(true);
    let formatter = ArrayFormatter::try_new(array, &options).map_err(|error| {
        ServerError::refused(ErrorKind::Unsupported, format!("a column has no text form: {error}"))
    })?;
    let text = |row: usize| match array.is_null(row) {
        true => Value::Null,
        false => Value::String(formatter.value(row).to_string()),
    };
    Ok((0..array.len()).map(text).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_javascript_number_would_round_is_text() {
        let decimals = Decimal128Array::from(vec![Some(1_250), None]);
        let decimals = decimals.with_precision_and_scale(18, 2).expect("it fits");
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("small", Arc::new(Int64Array::from(vec![Some(7), None]))),
            ("large", Arc::new(Int64Array::from(vec![i64::MAX, -1]))),
            ("price", Arc::new(decimals)),
            ("ratio", Arc::new(Float64Array::from(vec![0.5, f64::NAN]))),
            ("name", Arc::new(StringArray::from(vec!["a", "b"]))),
            ("day", Arc::new(Date32Array::from(vec![0, 1]))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )
        .expect("columns of one length");
        let rows = values(&batch).expect("every type has a form");
        let expected = json!([
            [7, "9223372036854775807", "12.50", 0.5, "a", "1970-01-01"],
            [null, -1, null, "NaN", "b", "1970-01-02"],
        ]);
        assert_eq!(json!(rows), expected);
    }
}
