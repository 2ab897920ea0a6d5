//! JSON made of values.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;
use serde_json::Value;

use super::super::kernel::{Call, Kernel, Returns, Want, returns};
use super::super::show;

pub(super) fn all() -> Vec<ScalarUDF> {
    let text: Returns = returns!(DataType::Utf8);
    const ANY: &[Want] = &[Want::Shown];
    vec![
        Kernel::udf("fp_to_json", ANY, text, |call| {
            let column = call.any(0)?;
            rows(call, |row| match column.is_null(row) {
                true => Ok(None),
                false => json(&column, row).map(Some),
            })
        }),
        // A cast to JSON: text is taken as it is, anything else is written.
        Kernel::udf("fp_as_json", ANY, text, |call| {
            let column = call.any(0)?;
            let is_text = matches!(
                column.data_type(),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            );
            rows(call, |row| match (column.is_null(row), is_text) {
                (true, _) => Ok(None),
                (false, false) => json(&column, row).map(Some),
                (false, true) => {
                    let written = show::text(&column, row, true)?;
                    super::checked(&written)?;
                    Ok(Some(written))
                }
            })
        }),
        // A text that is JSON already, among values that become JSON.
        Kernel::udf("fp_to_json_raw", ANY, text, |call| {
            let column = arrow::compute::cast(&call.any(0)?, &DataType::Utf8)?;
            let texts = column.as_string::<i32>();
            let all = (0..call.rows).map(|row| texts.is_valid(row).then(|| texts.value(row)));
            Ok(Arc::new(all.collect::<StringArray>()))
        }),
        // Of values that are JSON already: keys and values in turn.
        Kernel::open("fp_json_object", &[Want::Text, Want::Text], text, |call| {
            object(call, [":", ","])
        }),
        Kernel::open("fp_json_build_object", &[Want::Text, Want::Text], text, |call| {
            object(call, [" : ", ", "])
        }),
        Kernel::open("fp_jsonb_build_object", &[Want::Text, Want::Text], text, |call| {
            object(call, [": ", ", "])
        }),
        Kernel::open("fp_json_array", &[Want::Text], text, |call| array(call, ",")),
        Kernel::open("fp_json_build_array", &[Want::Text], text, |call| array(call, ", ")),
        Kernel::udf("fp_json_agg", &[Want::List], text, |call| {
            let lists = call.lists(0)?;
            rows(call, |row| match lists.is_null(row) {
                true => Ok(None),
                false => list(&lists.value(row), ", ").map(Some),
            })
        }),
        Kernel::udf("fp_json_pairs", &[Want::List, Want::List, Want::Text], text, pairs),
    ]
}

fn rows(call: &Call<'_>, write: impl Fn(usize) -> Result<Option<String>>) -> Result<ArrayRef> {
    Ok(Arc::new((0..call.rows).map(write).collect::<Result<StringArray>>()?))
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn arguments<'a>(call: &'a Call<'a>) -> Result<Vec<Vec<Option<&'a str>>>> {
    (0..call.columns.len()).map(|index| call.texts(index)).collect()
}

fn object(call: &Call<'_>, [colon, comma]: [&str; 2]) -> Result<ArrayRef> {
    let columns = arguments(call)?;
    if columns.len() % 2 != 0 {
        return exec_err!("a JSON object takes keys and values in turn");
    }
    rows(call, |row| {
        let mut out = "{".to_owned();
        for (index, pair) in columns.chunks(2).enumerate() {
            let [keys, values] = pair else { continue };
            let Some(key) = keys[row] else { return exec_err!("a JSON key must not be null") };
            let value = values[row].unwrap_or("null");
            let before = if index == 0 { "" } else { comma };
            let _ = write!(out, "{before}{}{colon}{value}", quoted(key));
        }
        out.push('}');
        Ok(Some(out))
    })
}

fn array(call: &Call<'_>, comma: &str) -> Result<ArrayRef> {
    let columns = arguments(call)?;
    rows(call, |row| {
        let values: Vec<&str> =
            columns.iter().map(|column| column[row].unwrap_or("null")).collect();
        Ok(Some(format!("[{}]", values.join(comma))))
    })
}

fn list(items: &ArrayRef, comma: &str) -> Result<String> {
    let items = (0..items.len()).map(|index| json(items, index)).collect::<Result<Vec<_>>>()?;
    Ok(format!("[{}]", items.join(comma)))
}

/// An object of two lists; the third argument says whose spacing.
fn pairs(call: &Call<'_>) -> Result<ArrayRef> {
    let (keys, values) = (call.lists(0)?, call.lists(1)?);
    let style = call.texts(2)?;
    rows(call, |row| {
        if keys.is_null(row) || values.is_null(row) {
            return Ok(None);
        }
        let [open, colon, comma, close] = match style[row] {
            Some("json") => ["{ ", " : ", ", ", " }"],
            Some("jsonb") => ["{", ": ", ", ", "}"],
            _ => ["{", ":", ",", "}"],
        };
        let (keys, values) = (keys.value(row), values.value(row));
        let mut out = open.to_owned();
        for index in 0..keys.len() {
            let key = show::text(&keys, index, true)?;
            let value = json(&values, index)?;
            let before = if index == 0 { "" } else { comma };
            let _ = write!(out, "{before}{}{colon}{value}", quoted(&key));
        }
        out.push_str(close);
        Ok(Some(out))
    })
}

/// A value of any type.
fn json(array: &ArrayRef, row: usize) -> Result<String> {
    if array.is_null(row) {
        return Ok("null".to_owned());
    }
    Ok(match array.data_type() {
        DataType::List(_) => list(&array.as_list::<i32>().value(row), ",")?,
        DataType::Struct(fields) => {
            let mut out = "{".to_owned();
            for (index, (field, column)) in
                fields.iter().zip(array.as_struct().columns()).enumerate()
            {
                let before = if index == 0 { "" } else { "," };
                let _ = write!(out, "{before}{}:{}", quoted(field.name()), json(column, row)?);
            }
            out.push('}');
            out
        }
        DataType::Map(_, _) => {
            let entries: ArrayRef = Arc::new(array.as_map().value(row));
            let (keys, values) = (entries.as_struct().column(0), entries.as_struct().column(1));
            let mut out = "{".to_owned();
            for index in 0..keys.len() {
                let before = if index == 0 { "" } else { "," };
                let key = quoted(&show::text(keys, index, true)?);
                let _ = write!(out, "{before}{key}:{}", json(values, index)?);
            }
            out.push('}');
            out
        }
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        kind if kind.is_numeric() => show::text(array, row, true)?,
        _ => quoted(&show::text(array, row, true)?),
    })
}
