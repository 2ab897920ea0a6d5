//! Regular expressions: matching, taking out, replacing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, ListBuilder, StringArray, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::ScalarUDF;
use regex::{Regex, RegexBuilder};

use super::kernel::{Call, Kernel, Want, returns};
use super::texts::{list_type, lists};

pub(crate) fn all() -> Vec<ScalarUDF> {
    const TWO: &[Want] = &[Want::Text, Want::Text];
    const THREE: &[Want] = &[Want::Text, Want::Text, Want::Text];
    const GROUP: &[Want] = &[Want::Text, Want::Text, Want::Whole, Want::Text];
    vec![
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
        Kernel::udf("fp_regexp_groups", THREE, list_type, groups),
        Kernel::udf("fp_regexp_part", TWO, returns!(DataType::Utf8), part),
        Kernel::udf("fp_regexp_count", TWO, returns!(DataType::Int64), |call| {
            places(call, |regex, text| regex.find_iter(text).count())
        }),
        Kernel::udf("fp_regexp_instr", TWO, returns!(DataType::Int64), |call| {
            places(call, |regex, text| {
                regex.find(text).map_or(0, |found| text[..found.start()].chars().count() + 1)
            })
        }),
    ]
}

fn places(call: &Call<'_>, place: fn(&Regex, &str) -> usize) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let mut out = Vec::with_capacity(call.rows);
    for (text, pattern) in call.texts(0)?.into_iter().zip(call.texts(1)?) {
        out.push(match text.zip(pattern) {
            Some((text, pattern)) => i64::try_from(place(patterns.get(pattern, "")?, text)).ok(),
            None => None,
        });
    }
    Ok(Arc::new(Int64Array::from(out)))
}

/// The groups of the first match, or the whole of it when the pattern has none; PostgreSQL's
/// `regexp_match`.
fn groups(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let mut out = ListBuilder::new(StringBuilder::new());
    let rows = call.texts(0)?.into_iter().zip(call.texts(1)?).zip(call.texts(2)?);
    for ((text, pattern), flags) in rows {
        let Some((text, pattern)) = text.zip(pattern) else {
            out.append(false);
            continue;
        };
        let Some(found) = patterns.get(pattern, flags.unwrap_or(""))?.captures(text) else {
            out.append(false);
            continue;
        };
        let first = usize::from(found.len() > 1);
        for group in found.iter().skip(first) {
            out.values().append_option(group.map(|group| group.as_str()));
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}

/// PostgreSQL's `substring(text from pattern)`: the first group, or the whole match.
fn part(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let mut out: Vec<Option<String>> = Vec::with_capacity(call.rows);
    for (text, pattern) in call.texts(0)?.into_iter().zip(call.texts(1)?) {
        out.push(match text.zip(pattern) {
            Some((text, pattern)) => {
                let found = patterns.get(pattern, "")?.captures(text);
                let group = usize::from(found.as_ref().is_some_and(|found| found.len() > 1));
                found.and_then(|found| Some(found.get(group)?.as_str().to_owned()))
            }
            None => None,
        });
    }
    Ok(Arc::new(StringArray::from(out)))
}

/// A pattern's size is bounded by the crate; its steps are linear in the text.
fn regex(pattern: &str, flags: &str) -> Result<Regex> {
    let pattern = match flags.contains('A') {
        true => Cow::Owned(ascii_classes(pattern)),
        false => Cow::Borrowed(pattern),
    };
    let mut builder = RegexBuilder::new(&pattern);
    for flag in flags.chars() {
        match flag {
            'A' => &mut builder,
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

/// DuckDB's `\w`, `\d`, `\s` and `\b` know ASCII alone.
fn ascii_classes(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(ch) = chars.next() {
        if ch != '\\' {
            out.push(ch);
            continue;
        }
        match chars.next() {
            Some('w') => out.push_str("[0-9A-Za-z_]"),
            Some('W') => out.push_str("[^0-9A-Za-z_]"),
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('s') => out.push_str("[\\t\\n\\f\\r ]"),
            Some('S') => out.push_str("[^\\t\\n\\f\\r ]"),
            Some('b') => out.push_str("(?-u:\\b)"),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
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
    let flags = call.texts(3)?;
    let rows = call.texts(0)?.into_iter().zip(call.texts(1)?).zip(call.wholes(2)?).zip(flags);
    for (((text, pattern), group), flags) in rows {
        let Some(((text, pattern), group)) = text.zip(pattern).zip(group) else {
            out.push(None);
            continue;
        };
        let group = usize::try_from(group).unwrap_or(0);
        let found = patterns.get(pattern, flags.unwrap_or(""))?.captures(text);
        let piece = found.as_ref().and_then(|found| found.get(group));
        out.push(Some(piece.map_or("", |piece| piece.as_str()).to_owned()));
    }
    Ok(Arc::new(StringArray::from(out)))
}

fn extract_all(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let mut out = ListBuilder::new(StringBuilder::new());
    let flags = call.texts(3)?;
    let rows = call.texts(0)?.into_iter().zip(call.texts(1)?).zip(call.wholes(2)?).zip(flags);
    for (((text, pattern), group), flags) in rows {
        let Some(((text, pattern), group)) = text.zip(pattern).zip(group) else {
            out.append(false);
            continue;
        };
        let group = usize::try_from(group).unwrap_or(0);
        for found in patterns.get(pattern, flags.unwrap_or(""))?.captures_iter(text) {
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
