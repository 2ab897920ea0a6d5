//! Values of rows as JSON, the way people and other tools write them.

use arrow::array::{
    Array, AsArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, RecordBatch, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, TimeUnit, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{DateTime, SecondsFormat};
use serde_json::{Number, Value};

use crate::ConsumptionError;

/// Digits that a JSON number carries through any reader.
const DIGITS_EXACT: usize = 15;

/// Every column of a batch as JSON values.
pub(crate) fn columns(batch: &RecordBatch) -> Result<Vec<Vec<Value>>, ConsumptionError> {
    batch.columns().iter().map(|column| column_values(column.as_ref())).collect()
}

/// A column as JSON values.
pub(crate) fn column_values(array: &dyn Array) -> Result<Vec<Value>, ConsumptionError> {
    let any = array.as_any();
    macro_rules! numbers {
        ($($kind:ty),*) => {
            $(if let Some(array) = any.downcast_ref::<$kind>() {
                let cells = array.iter().map(|value| value.map_or(Value::Null, Value::from));
                return Ok(cells.collect());
            })*
        };
    }
    numbers!(
        BooleanArray,
        Int8Array,
        Int16Array,
        Int32Array,
        Int64Array,
        UInt8Array,
        UInt16Array,
        UInt32Array,
        UInt64Array
    );
    match array.data_type() {
        DataType::Null => Ok(vec![Value::Null; array.len()]),
        DataType::Float32 | DataType::Float64 => Ok(floats(array)),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => texts(array),
        DataType::Date32 => Ok(array
            .as_primitive::<Date32Type>()
            .iter()
            .map(|day| day.and_then(day_text).map_or(Value::Null, Value::from))
            .collect()),
        DataType::Timestamp(_, zone) => moments(array, zone.is_some()),
        DataType::Decimal128(_, _) => {
            let array = array.as_primitive::<Decimal128Type>();
            Ok((0..array.len()).map(|row| decimal(array, row)).collect())
        }
        _ => shown(array),
    }
}

fn day_text(day: i32) -> Option<String> {
    let moment = DateTime::from_timestamp(i64::from(day) * 86_400, 0)?;
    Some(moment.format("%Y-%m-%d").to_string())
}

fn floats(array: &dyn Array) -> Vec<Value> {
    let number = |value: Option<f64>| {
        // JSON has no NaN and no infinity.
        value.and_then(Number::from_f64).map_or(Value::Null, Value::Number)
    };
    if let Some(array) = array.as_any().downcast_ref::<Float32Array>() {
        let exact = |value: f32| value.to_string().parse::<f64>().unwrap_or(f64::from(value));
        return array.iter().map(|one| number(one.map(exact))).collect();
    }
    match array.as_any().downcast_ref::<Float64Array>() {
        Some(array) => array.iter().map(number).collect(),
        None => vec![Value::Null; array.len()],
    }
}

fn texts(array: &dyn Array) -> Result<Vec<Value>, ConsumptionError> {
    let plain = cast(array, &DataType::Utf8)?;
    let plain = plain.as_string::<i32>();
    Ok(plain.iter().map(|text| text.map_or(Value::Null, Value::from)).collect())
}

fn moments(array: &dyn Array, zoned: bool) -> Result<Vec<Value>, ConsumptionError> {
    let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
    let micros = micros.as_primitive::<TimestampMicrosecondType>();
    let text = |micros: i64| {
        let moment = DateTime::from_timestamp_micros(micros)?;
        let text = moment.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        Some(if zoned { text } else { text.trim_end_matches('Z').to_owned() })
    };
    Ok(micros.iter().map(|one| one.and_then(text).map_or(Value::Null, Value::from)).collect())
}

/// An exact number; as text where a reader of JSON numbers would round it.
fn decimal(array: &Decimal128Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let text = array.value_as_string(row);
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let number = text.parse::<f64>().ok().filter(|_| digits <= DIGITS_EXACT);
    match number {
        Some(whole) if text.parse::<i64>().is_ok() || whole.fract() == 0.0 => {
            #[expect(clippy::cast_possible_truncation, reason = "at most fifteen digits")]
            let whole = whole as i64;
            Value::from(whole)
        }
        Some(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        None => Value::String(text),
    }
}

/// Nested values, times and the like: as their text.
fn shown(array: &dyn Array) -> Result<Vec<Value>, ConsumptionError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    Ok((0..array.len())
        .map(|row| {
            if array.is_null(row) {
                Value::Null
            } else {
                Value::String(formatter.value(row).to_string())
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Date32Array, StringViewArray, TimestampMicrosecondArray};
    use serde_json::json;

    use super::*;

    fn values(array: ArrayRef) -> Value {
        column_values(array.as_ref()).unwrap().into()
    }

    #[test]
    fn values_are_written_as_json_readers_expect_them() {
        let decimals = Decimal128Array::from(vec![Some(1_250), Some(300), None]);
        let decimals = decimals.with_precision_and_scale(38, 2).unwrap();
        assert_eq!(values(Arc::new(decimals)), json!([12.5, 3, null]));
        let wide = Decimal128Array::from(vec![12_345_678_901_234_567_890]);
        let wide = wide.with_precision_and_scale(38, 2).unwrap();
        assert_eq!(values(Arc::new(wide)), json!(["123456789012345678.90"]));
        let moment = TimestampMicrosecondArray::from(vec![1_779_458_400_000_000]);
        let zoned = moment.clone().with_timezone("UTC");
        assert_eq!(values(Arc::new(moment)), json!(["2026-05-22T14:00:00"]));
        assert_eq!(values(Arc::new(zoned)), json!(["2026-05-22T14:00:00Z"]));
        assert_eq!(values(Arc::new(Date32Array::from(vec![20_595]))), json!(["2026-05-22"]));
        let floats = Float64Array::from(vec![Some(0.1), Some(f64::NAN), None]);
        assert_eq!(values(Arc::new(floats)), json!([0.1, null, null]));
        assert_eq!(values(Arc::new(Float32Array::from(vec![0.1]))), json!([0.1]));
        assert_eq!(values(Arc::new(StringViewArray::from(vec!["a"]))), json!(["a"]));
    }
}
