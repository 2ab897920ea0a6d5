//! JSON as Python writes it: `, ` and `: ` between parts, everything outside ASCII escaped.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};
use serde_json::Value as Json;

use crate::jinja::collections::invalid;
use crate::jinja::value::{from_json, to_json};

fn quoted(text: &str, ascii: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 || (ascii && !c.is_ascii()) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn write(json: &Json, sorted: bool, out: &mut String) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => out.push_str(&number.to_string()),
        Json::String(text) => quoted(text, true, out),
        Json::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write(item, sorted, out);
            }
            out.push(']');
        }
        Json::Object(pairs) => {
            let mut pairs: Vec<(&String, &Json)> = pairs.iter().collect();
            if sorted {
                pairs.sort_by_key(|(key, _)| *key);
            }
            out.push('{');
            for (index, (key, value)) in pairs.into_iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                quoted(key, true, out);
                out.push_str(": ");
                write(value, sorted, out);
            }
            out.push('}');
        }
    }
}

/// `json.dumps` of a value.
pub(crate) fn dumps(json: &Json, sorted: bool) -> String {
    let mut out = String::new();
    write(json, sorted, &mut out);
    out
}

/// The `tojson` filter: keys sorted, safe inside HTML.
pub(crate) fn for_html(value: &Value) -> String {
    dumps(&to_json(value), true)
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\'', "\\u0027")
}

/// The `tojson` function: `default` when the value has no JSON form.
pub(crate) fn tojson(value: &Value, default: Option<Value>, sorted: bool) -> Value {
    if value.kind() == ValueKind::Plain {
        return default.unwrap_or_else(|| Value::from(()));
    }
    Value::from(dumps(&to_json(value), sorted))
}

/// The `fromjson` function.
pub(crate) fn fromjson(text: &str, default: Option<Value>) -> Value {
    match serde_json::from_str::<Json>(text) {
        Ok(json) => from_json(&json),
        Err(_) => default.unwrap_or_else(|| Value::from(())),
    }
}

/// The `toyaml` function, as block style YAML with JSON scalars where quotes are needed.
pub(crate) fn toyaml(value: &Value, sorted: bool) -> Result<String, Error> {
    let mut out = String::new();
    yaml_block(&to_json(value), 0, sorted, &mut out);
    if out.len() > 16 * 1024 * 1024 {
        return Err(invalid("the value is too large for toyaml"));
    }
    Ok(out)
}

fn plain(text: &str) -> bool {
    let mut characters = text.chars();
    let first = characters.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    first
        && text.chars().all(|c| c.is_alphanumeric() || "_-./ ".contains(c))
        && !text.ends_with(' ')
        && !reserved.contains(&text.to_lowercase().as_str())
}

fn yaml_scalar(json: &Json) -> String {
    match json {
        Json::String(text) if plain(text) => text.clone(),
        Json::String(text) if !text.contains(char::is_control) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        Json::String(text) => {
            let mut out = String::new();
            quoted(text, false, &mut out);
            out
        }
        Json::Array(items) if items.is_empty() => "[]".to_owned(),
        Json::Object(pairs) if pairs.is_empty() => "{}".to_owned(),
        other => dumps(other, false),
    }
}

fn yaml_block(json: &Json, indent: usize, sorted: bool, out: &mut String) {
    let pad = " ".repeat(indent);
    let nested = |json: &Json| match json {
        Json::Array(items) => !items.is_empty(),
        Json::Object(pairs) => !pairs.is_empty(),
        _ => false,
    };
    match json {
        Json::Object(pairs) if !pairs.is_empty() => {
            let mut pairs: Vec<(&String, &Json)> = pairs.iter().collect();
            if sorted {
                pairs.sort_by_key(|(key, _)| *key);
            }
            for (key, value) in pairs {
                let key = yaml_scalar(&Json::String(key.clone()));
                if nested(value) {
                    out.push_str(&format!("{pad}{key}:\n"));
                    let deeper = if value.is_array() { indent } else { indent + 2 };
                    yaml_block(value, deeper, sorted, out);
                } else {
                    out.push_str(&format!("{pad}{key}: {}\n", yaml_scalar(value)));
                }
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                if nested(item) {
                    let mut inner = String::new();
                    yaml_block(item, indent + 2, sorted, &mut inner);
                    let inner = inner.trim_start();
                    out.push_str(&format!("{pad}- {inner}"));
                } else {
                    out.push_str(&format!("{pad}- {}\n", yaml_scalar(item)));
                }
            }
        }
        other => out.push_str(&format!("{pad}{}\n", yaml_scalar(other))),
    }
}
