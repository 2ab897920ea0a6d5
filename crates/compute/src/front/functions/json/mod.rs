//! JSON: texts that are looked into, and texts that are made.
//!
//! A value taken out of a text keeps the digits it was written with; nothing goes through doubles.

mod build;
mod path;
mod scan;

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, ListBuilder, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;

use super::kernel::{Call, Kernel, Returns, Want, returns};
use path::Path;
use scan::{Kind, compact, elements, kind, members, unescaped};

pub(crate) use path::has_wildcard;

pub(crate) fn all() -> Vec<ScalarUDF> {
    const ONE: &[Want] = &[Want::Text];
    const TWO: &[Want] = &[Want::Text, Want::Text];
    let text: Returns = returns!(DataType::Utf8);
    let whole: Returns = returns!(DataType::Int64);
    let truth: Returns = returns!(DataType::Boolean);
    let mut all = vec![
        Kernel::udf("fp_json", TWO, text, |call| at(call, |raw| Ok(Some(compact(raw))))),
        Kernel::udf("fp_json_raw", TWO, text, |call| at(call, |raw| Ok(Some(raw.to_owned())))),
        Kernel::udf("fp_json_text", TWO, text, |call| at(call, |raw| Ok(plain(raw)))),
        Kernel::udf("fp_json_all", TWO, text_list, |call| all_at(call, |raw| Some(compact(raw)))),
        Kernel::udf("fp_json_text_all", TWO, text_list, |call| all_at(call, plain)),
        Kernel::udf("fp_json_length", TWO, whole, length),
        Kernel::udf("fp_json_type", TWO, text, |call| at(call, |raw| Ok(Some(duckdb_type(raw))))),
        Kernel::udf("fp_json_typeof", ONE, text, |call| {
            each(call, |raw| Ok(Some(postgres_type(raw))))
        }),
        Kernel::udf("fp_json_valid", ONE, truth, |call| {
            let all = call.texts(0)?.into_iter().map(|text| text.map(scan::valid));
            Ok(Arc::new(all.collect::<BooleanArray>()))
        }),
        Kernel::udf("fp_list_words", ONE, text_list, |call| {
            lists(call, |raw| Ok(elements(raw).map(plain).collect()))
        }),
        Kernel::udf("fp_json_keys", ONE, text_list, |call| {
            lists(call, |raw| Ok(members(raw).map(|(key, _)| Some(unescaped(key))).collect()))
        }),
        Kernel::udf("fp_json_exists", TWO, truth, |call| exists(call, false)),
        Kernel::udf("fp_json_has", TWO, truth, |call| exists(call, true)),
        Kernel::udf("fp_json_contains", TWO, truth, contains),
        Kernel::udf("fp_json_elements", ONE, text_list, |call| {
            lists(call, |raw| Ok(elements(raw).map(|raw| Some(raw.to_owned())).collect()))
        }),
        Kernel::udf("fp_json_elements_text", ONE, text_list, |call| {
            lists(call, |raw| Ok(elements(raw).map(plain).collect()))
        }),
        Kernel::udf("fp_json_member_values", ONE, text_list, |call| {
            lists(call, |raw| Ok(members(raw).map(|(_, raw)| Some(raw.to_owned())).collect()))
        }),
        Kernel::udf("fp_json_member_texts", ONE, text_list, |call| {
            lists(call, |raw| Ok(members(raw).map(|(_, raw)| plain(raw)).collect()))
        }),
        Kernel::udf("fp_jsonb", ONE, text, |call| each(call, |raw| Ok(Some(scan::jsonb(raw)?)))),
    ];
    all.extend(build::all());
    all
}

#[allow(clippy::unnecessary_wraps)]
fn text_list(_: &[DataType]) -> Result<DataType> {
    Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))))
}

fn checked(json: &str) -> Result<&str> {
    match scan::valid(json) {
        true => Ok(json.trim()),
        false => exec_err!("a text is not JSON"),
    }
}

/// Paths are nearly always the same for all rows.
#[derive(Default)]
struct Paths(Option<(String, Path)>);

impl Paths {
    fn get(&mut self, text: &str) -> Result<&Path> {
        if self.0.as_ref().is_none_or(|(known, _)| known != text) {
            self.0 = Some((text.to_owned(), Path::read(text)?));
        }
        match &self.0 {
            Some((_, path)) => Ok(path),
            None => exec_err!("json path \"{text}\" is not run"),
        }
    }
}

/// The value at the path of each row.
fn at(call: &Call<'_>, show: fn(&str) -> Result<Option<String>>) -> Result<ArrayRef> {
    let mut paths = Paths::default();
    let mut out = Vec::with_capacity(call.rows);
    for (json, path) in call.texts(0)?.into_iter().zip(call.texts(1)?) {
        let Some((json, path)) = json.zip(path) else {
            out.push(None);
            continue;
        };
        out.push(match paths.get(path)?.first(checked(json)?) {
            Some(raw) => show(raw)?,
            None => None,
        });
    }
    Ok(Arc::new(StringArray::from(out)))
}

fn all_at(call: &Call<'_>, show: fn(&str) -> Option<String>) -> Result<ArrayRef> {
    let mut paths = Paths::default();
    let mut out = ListBuilder::new(StringBuilder::new());
    for (json, path) in call.texts(0)?.into_iter().zip(call.texts(1)?) {
        let Some((json, path)) = json.zip(path) else {
            out.append(false);
            continue;
        };
        for raw in paths.get(path)?.all(checked(json)?) {
            out.values().append_option(show(raw));
        }
        out.append(true);
    }
    Ok(Arc::new(out.finish()))
}

fn each(call: &Call<'_>, show: fn(&str) -> Result<Option<String>>) -> Result<ArrayRef> {
    let texts = call.texts(0)?.into_iter();
    let all = texts.map(|text| text.map(|text| show(checked(text)?)).transpose());
    let all = all.map(|text| text.map(Option::flatten));
    Ok(Arc::new(all.collect::<Result<StringArray>>()?))
}

fn lists(call: &Call<'_>, show: fn(&str) -> Result<Vec<Option<String>>>) -> Result<ArrayRef> {
    let mut out = ListBuilder::new(StringBuilder::new());
    for text in call.texts(0)? {
        match text {
            Some(text) => {
                for value in show(checked(text)?)? {
                    out.values().append_option(value);
                }
                out.append(true);
            }
            None => out.append(false),
        }
    }
    Ok(Arc::new(out.finish()))
}

/// As text: strings without quotes, nothing for null.
fn plain(raw: &str) -> Option<String> {
    match kind(raw) {
        Kind::Null => None,
        Kind::Text => Some(unescaped(raw)),
        Kind::Object | Kind::Array => Some(compact(raw)),
        Kind::Number | Kind::Truth => Some(raw.to_owned()),
    }
}

fn duckdb_type(raw: &str) -> String {
    match kind(raw) {
        Kind::Null => "NULL",
        Kind::Text => "VARCHAR",
        Kind::Object => "OBJECT",
        Kind::Array => "ARRAY",
        Kind::Truth => "BOOLEAN",
        Kind::Number if raw.contains(['.', 'e', 'E']) => "DOUBLE",
        Kind::Number if raw.starts_with('-') => "BIGINT",
        Kind::Number => "UBIGINT",
    }
    .to_owned()
}

fn postgres_type(raw: &str) -> String {
    match kind(raw) {
        Kind::Null => "null",
        Kind::Text => "string",
        Kind::Object => "object",
        Kind::Array => "array",
        Kind::Truth => "boolean",
        Kind::Number => "number",
    }
    .to_owned()
}

/// Elements of a list; DuckDB says 0 of anything else.
fn length(call: &Call<'_>) -> Result<ArrayRef> {
    let mut paths = Paths::default();
    let mut out = Vec::with_capacity(call.rows);
    for (json, path) in call.texts(0)?.into_iter().zip(call.texts(1)?) {
        let Some((json, path)) = json.zip(path) else {
            out.push(None);
            continue;
        };
        let found = paths.get(path)?.first(checked(json)?);
        out.push(found.and_then(|raw| i64::try_from(elements(raw).count()).ok()));
    }
    Ok(Arc::new(Int64Array::from(out)))
}

/// Whether there is something at a path, or, with `name`, a member (or element) of that name.
fn exists(call: &Call<'_>, name: bool) -> Result<ArrayRef> {
    let mut paths = Paths::default();
    let mut out = Vec::with_capacity(call.rows);
    for (json, path) in call.texts(0)?.into_iter().zip(call.texts(1)?) {
        let Some((json, path)) = json.zip(path) else {
            out.push(None);
            continue;
        };
        let json = checked(json)?;
        out.push(Some(match name {
            true => {
                members(json).any(|(key, _)| unescaped(key) == path)
                    || elements(json).any(|raw| plain(raw).as_deref() == Some(path))
            }
            false => paths.get(path)?.first(json).is_some(),
        }));
    }
    Ok(Arc::new(BooleanArray::from(out)))
}

fn contains(call: &Call<'_>) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(call.rows);
    for (json, part) in call.texts(0)?.into_iter().zip(call.texts(1)?) {
        out.push(match json.zip(part) {
            Some((json, part)) => Some(scan::contains(checked(json)?, checked(part)?)),
            None => None,
        });
    }
    Ok(Arc::new(BooleanArray::from(out)))
}
