//! Text: pieces of it and how long they are.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListBuilder, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::kernel::{Call, Kernel, Want, returns};

pub(crate) fn all() -> Vec<ScalarUDF> {
    const TWO: &[Want] = &[Want::Text, Want::Text];
    vec![
        Kernel::udf("fp_split", TWO, list_type, |call| {
            lists(call, |text, separator| {
                if separator.is_empty() {
                    return Ok(text.chars().map(String::from).collect());
                }
                Ok(text.split(separator).map(str::to_owned).collect())
            })
        }),
        Kernel::udf("fp_length", &[Want::Any], returns!(DataType::Int64), |call| {
            let column = call.any(0)?;
            if let DataType::List(_) = column.data_type() {
                let lists = column.as_list::<i32>();
                let all = lists.iter().map(|list| i64::try_from(list?.len()).ok());
                return Ok(Arc::new(all.collect::<Int64Array>()));
            }
            let column = arrow::compute::cast(&column, &DataType::Utf8)?;
            let all = column.as_string::<i32>().iter();
            let all = all.map(|text| i64::try_from(text?.chars().count()).ok());
            Ok(Arc::new(all.collect::<Int64Array>()))
        }),
        Kernel::udf(
            "fp_substring",
            &[Want::Text, Want::Whole, Want::Whole],
            returns!(DataType::Utf8),
            substring,
        ),
        Kernel::udf(
            "fp_text_slice",
            &[Want::Text, Want::Whole, Want::Whole],
            returns!(DataType::Utf8),
            slice,
        ),
        Kernel::udf(
            "fp_split_part",
            &[Want::Text, Want::Text, Want::Whole],
            returns!(DataType::Utf8),
            split_part,
        ),
    ]
}

#[allow(clippy::unnecessary_wraps)]
pub(super) fn list_type(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))))
}

pub(super) fn lists(
    call: &Call<'_>,
    compute: fn(&str, &str) -> Result<Vec<String>>,
) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(StringBuilder::new());
    for (a, b) in call.texts(0)?.into_iter().zip(call.texts(1)?) {
        match a.zip(b) {
            Some((a, b)) => {
                for piece in compute(a, b)? {
                    out.values().append_value(piece);
                }
                out.append(true);
            }
            None => out.append(false),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// DuckDB's substring: a negative start counts from the end.
fn substring(call: &Call<'_>) -> Result<ArrayRef> {
    let mut out: Vec<Option<String>> = Vec::with_capacity(call.rows);
    let rows = call.texts(0)?.into_iter().zip(call.wholes(1)?).zip(call.wholes(2)?);
    for ((text, start), length) in rows {
        let Some(((text, start), length)) = text.zip(start).zip(length) else {
            out.push(None);
            continue;
        };
        let size = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        let from = if start < 0 { (size + start).max(0) } else { start - 1 };
        let to = from.saturating_add(length);
        let (from, to) = if to < from { (to, from) } else { (from, to) };
        let (from, to) = (from.max(0), to.clamp(0, size));
        let take = usize::try_from(to - from).unwrap_or(0);
        out.push(Some(text.chars().skip(usize::try_from(from).unwrap_or(0)).take(take).collect()));
    }
    Ok(Arc::new(out.into_iter().collect::<StringArray>()))
}

/// From one place to another, both included; negative ones count from the end.
fn slice(call: &Call<'_>) -> Result<ArrayRef> {
    let mut out: Vec<Option<String>> = Vec::with_capacity(call.rows);
    let rows = call.texts(0)?.into_iter().zip(call.wholes(1)?).zip(call.wholes(2)?);
    for ((text, from), to) in rows {
        out.push(text.map(|text| {
            let size = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
            let place = |at: i64| if at < 0 { size + at + 1 } else { at };
            let from = place(from.unwrap_or(1)).max(1);
            let to = place(to.unwrap_or(size)).min(size);
            let skip = usize::try_from(from - 1).unwrap_or(0);
            let take = usize::try_from(to - from + 1).unwrap_or(0);
            text.chars().skip(skip).take(take).collect()
        }));
    }
    Ok(Arc::new(out.into_iter().collect::<StringArray>()))
}

/// Pieces are counted from 1, from the end when negative; DuckDB has nothing at 0.
fn split_part(call: &Call<'_>) -> Result<ArrayRef> {
    let mut out: Vec<Option<String>> = Vec::with_capacity(call.rows);
    let rows = call.texts(0)?.into_iter().zip(call.texts(1)?).zip(call.wholes(2)?);
    for ((text, separator), place) in rows {
        let Some(((text, separator), place)) = text.zip(separator).zip(place) else {
            out.push(None);
            continue;
        };
        let pieces: Vec<String> = match separator.is_empty() {
            true => text.chars().map(String::from).collect(),
            false => text.split(separator).map(str::to_owned).collect(),
        };
        let size = i64::try_from(pieces.len()).unwrap_or(i64::MAX);
        let index = if place < 0 { size + place } else { place - 1 };
        let piece = usize::try_from(index).ok().and_then(|index| pieces.get(index));
        out.push(Some(piece.cloned().unwrap_or_default()));
    }
    Ok(Arc::new(out.into_iter().collect::<StringArray>()))
}
