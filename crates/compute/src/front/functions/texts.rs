//! Text, regular expressions and JSON.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListBuilder, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::ScalarUDF;
use regex::{Regex, RegexBuilder};

use super::kernel::{Call, Kernel, Want, returns};

pub(crate) fn all() -> Vec<ScalarUDF> {
    const TWO: &[Want] = &[Want::Text, Want::Text];
    const THREE: &[Want] = &[Want::Text, Want::Text, Want::Text];
    const GROUP: &[Want] = &[Want::Text, Want::Text, Want::Whole];
    vec![
        Kernel::udf("fp_split", TWO, list_type, |call| {
            lists(call, |text, separator| {
                if separator.is_empty() {
                    return Ok(text.chars().map(String::from).collect());
                }
                Ok(text.split(separator).map(str::to_owned).collect())
            })
        }),
        Kernel::udf("fp_regexp_split", TWO, list_type, |call| {
            lists(call, |text, pattern| {
                Ok(regex(pattern, "")?.split(text).map(str::to_owned).collect())
            })
        }),
        Kernel::udf("fp_regexp_matches", THREE, returns!(DataType::Boolean), |call| {
            matches(call, false)
        }),
        Kernel::udf("fp_regexp_matches_whole", THREE, returns!(DataType::Boolean), |call| {
            matches(call, true)
        }),
        Kernel::udf("fp_regexp_extract", GROUP, returns!(DataType::Utf8), extract),
        Kernel::udf("fp_regexp_extract_all", GROUP, list_type, extract_all),
        Kernel::udf(
            "fp_regexp_replace",
            &[Want::Text, Want::Text, Want::Text, Want::Text],
            returns!(DataType::Utf8),
            replace,
        ),
        Kernel::udf("fp_similar", TWO, returns!(DataType::Boolean), similar),
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
        Kernel::udf("fp_format", TWO, returns!(DataType::Utf8), |call| {
            pairs(call, |format, value| Ok(Some(format.replacen("{}", value, 1))))
        }),
        Kernel::udf("fp_json", TWO, returns!(DataType::Utf8), |call| {
            pairs(call, |json, path| Ok(json_at(json, path)?.map(|value| value.to_string())))
        }),
        Kernel::udf("fp_json_text", TWO, returns!(DataType::Utf8), |call| {
            pairs(call, |json, path| {
                Ok(match json_at(json, path)? {
                    None | Some(serde_json::Value::Null) => None,
                    Some(serde_json::Value::String(text)) => Some(text),
                    Some(other) => Some(other.to_string()),
                })
            })
        }),
    ]
}

#[allow(clippy::unnecessary_wraps)]
fn list_type(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))))
}

fn pairs(call: &Call<'_>, compute: fn(&str, &str) -> Result<Option<String>>) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(call.rows);
    for (a, b) in call.texts(0)?.into_iter().zip(call.texts(1)?) {
        out.push(match a.zip(b) {
            Some((a, b)) => compute(a, b)?,
            None => None,
        });
    }
    Ok(Arc::new(StringArray::from(out)))
}

fn lists(call: &Call<'_>, compute: fn(&str, &str) -> Result<Vec<String>>) -> Result<ArrayRef> {
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

/// A pattern's size is bounded by the crate; its steps are linear in the text.
fn regex(pattern: &str, flags: &str) -> Result<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    for flag in flags.chars() {
        match flag {
            'i' => builder.case_insensitive(true),
            'c' | 'g' => &mut builder,
            's' => builder.dot_matches_new_line(true),
            'm' | 'n' | 'p' => builder.multi_line(true),
            other => return exec_err!("regular expression option \"{other}\" is not run"),
        };
    }
    builder
        .build()
        .map_err(|error| exec_datafusion_err!("regular expression \"{pattern}\": {error}"))
}

/// Patterns are nearly always the same for all rows.
#[derive(Default)]
struct Patterns(HashMap<(String, String), Regex>);

impl Patterns {
    fn get(&mut self, pattern: &str, flags: &str) -> Result<&Regex> {
        let key = (pattern.to_owned(), flags.to_owned());
        match self.0.entry(key) {
            std::collections::hash_map::Entry::Occupied(found) => Ok(found.into_mut()),
            std::collections::hash_map::Entry::Vacant(place) => {
                Ok(place.insert(regex(pattern, flags)?))
            }
        }
    }
}

fn matches(call: &Call<'_>, whole: bool) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let mut out = Vec::with_capacity(call.rows);
    let rows = call.texts(0)?.into_iter().zip(call.texts(1)?).zip(call.texts(2)?);
    for ((text, pattern), flags) in rows {
        let Some((text, pattern)) = text.zip(pattern) else {
            out.push(None);
            continue;
        };
        let flags = flags.unwrap_or("");
        out.push(Some(match whole {
            true => patterns.get(&format!("^(?:{pattern})$"), flags)?.is_match(text),
            false => patterns.get(pattern, flags)?.is_match(text),
        }));
    }
    Ok(Arc::new(BooleanArray::from(out)))
}

fn extract(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let mut out = Vec::with_capacity(call.rows);
    let rows = call.texts(0)?.into_iter().zip(call.texts(1)?).zip(call.wholes(2)?);
    for ((text, pattern), group) in rows {
        let Some(((text, pattern), group)) = text.zip(pattern).zip(group) else {
            out.push(None);
            continue;
        };
        let group = usize::try_from(group).unwrap_or(0);
        let found = patterns.get(pattern, "")?.captures(text);
        let piece = found.as_ref().and_then(|found| found.get(group));
        out.push(Some(piece.map_or("", |piece| piece.as_str()).to_owned()));
    }
    Ok(Arc::new(StringArray::from(out)))
}

fn extract_all(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let mut out = ListBuilder::new(StringBuilder::new());
    let rows = call.texts(0)?.into_iter().zip(call.texts(1)?).zip(call.wholes(2)?);
    for ((text, pattern), group) in rows {
        let Some(((text, pattern), group)) = text.zip(pattern).zip(group) else {
            out.append(false);
            continue;
        };
        let group = usize::try_from(group).unwrap_or(0);
        for found in patterns.get(pattern, "")?.captures_iter(text) {
            out.values().append_value(found.get(group).map_or("", |piece| piece.as_str()));
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}

/// The first match, or all of them with `g`; `\1` is a group.
fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let mut out = Vec::with_capacity(call.rows);
    let (texts, found) = (call.texts(0)?, call.texts(1)?);
    let (with, flags) = (call.texts(2)?, call.texts(3)?);
    for row in 0..call.rows {
        let (Some(text), Some(pattern), Some(with)) = (texts[row], found[row], with[row]) else {
            out.push(None);
            continue;
        };
        let flags = flags[row].unwrap_or("");
        let regex = patterns.get(pattern, flags)?;
        let with = replacement(with);
        let limit = usize::from(!flags.contains('g'));
        out.push(Some(regex.replacen(text, limit, with.as_str()).into_owned()));
    }
    Ok(Arc::new(StringArray::from(out)))
}

fn replacement(with: &str) -> String {
    let mut out = String::new();
    let mut chars = with.chars();
    while let Some(ch) = chars.next() {
        match (ch, chars.clone().next()) {
            ('$', _) => out.push_str("$$"),
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                let _ = write!(out, "${{{digit}}}");
                chars.next();
            }
            ('\\', Some('&')) => {
                out.push_str("${0}");
                chars.next();
            }
            ('\\', Some('\\')) => {
                out.push('\\');
                chars.next();
            }
            (other, _) => out.push(other),
        }
    }
    out
}

/// SQL's own patterns: `%` and `_` among regular expressions, over the whole text.
fn similar(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let mut out = Vec::with_capacity(call.rows);
    for (text, pattern) in call.texts(0)?.into_iter().zip(call.texts(1)?) {
        out.push(match text.zip(pattern) {
            Some((text, pattern)) => {
                let pattern = similar_pattern(pattern);
                Some(patterns.get(&pattern, "s")?.is_match(text))
            }
            None => None,
        });
    }
    Ok(Arc::new(BooleanArray::from(out)))
}

fn similar_pattern(pattern: &str) -> String {
    let mut out = "^(?:".to_owned();
    let mut chars = pattern.chars();
    let mut in_set = false;
    while let Some(ch) = chars.next() {
        match ch {
            '\\' => {
                if let Some(next) = chars.next() {
                    out.push_str(&regex::escape(&next.to_string()));
                }
            }
            '[' => {
                in_set = true;
                out.push(ch);
            }
            ']' => {
                in_set = false;
                out.push(ch);
            }
            _ if in_set => out.push(ch),
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '.' | '^' | '$' => {
                out.push('\\');
                out.push(ch);
            }
            other => out.push(other),
        }
    }
    out.push_str(")$");
    out
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

/// A value inside a JSON text: `name`, `#2` for a place, or a path `$.a[0].b`.
fn json_at(json: &str, path: &str) -> Result<Option<serde_json::Value>> {
    let Ok(mut value) = serde_json::from_str::<serde_json::Value>(json) else {
        return exec_err!("a text is not JSON");
    };
    let step = |value: serde_json::Value, name: &str| match value {
        serde_json::Value::Object(mut members) => members.remove(name),
        _ => None,
    };
    let place = |value: serde_json::Value, index: i64| match value {
        serde_json::Value::Array(mut items) => {
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let index = if index < 0 { length + index } else { index };
            let inside = (0..length).contains(&index);
            inside.then(|| items.swap_remove(usize::try_from(index).unwrap_or(0)))
        }
        _ => None,
    };
    if let Some(index) = path.strip_prefix('#').and_then(|index| index.parse().ok()) {
        return Ok(place(value, index));
    }
    let Some(mut rest) = path.strip_prefix('$') else { return Ok(step(value, path)) };
    while !rest.is_empty() {
        let next = if let Some(after) = rest.strip_prefix('.') {
            let (name, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => after.split_at(after.find(['.', '[']).unwrap_or(after.len())),
            };
            rest = after;
            step(value, name)
        } else if let Some((index, after)) =
            rest.strip_prefix('[').and_then(|inside| inside.split_once(']'))
        {
            let Ok(index) = index.parse() else {
                return exec_err!("json path \"{path}\" is not run");
            };
            rest = after;
            place(value, index)
        } else {
            return exec_err!("json path \"{path}\" is not run");
        };
        match next {
            Some(found) => value = found,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}
