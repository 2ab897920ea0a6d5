//! Places inside a JSON text that is known to be valid.

use std::fmt::Write;

use datafusion::common::{Result, exec_datafusion_err};
use serde_json::Value;

/// What a value is, by its first letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Truth,
    Number,
    Text,
    Array,
    Object,
}

/// Whether the text is one JSON value.
pub(super) fn valid(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

pub(super) fn kind(raw: &str) -> Kind {
    match raw.trim_start().as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'"') => Kind::Text,
        Some(b't' | b'f') => Kind::Truth,
        Some(b'n') | None => Kind::Null,
        Some(_) => Kind::Number,
    }
}

fn skip_space(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or(&[]);
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Where the value that begins at `at` ends.
fn value_end(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut place, mut depth, mut quoted) = (at, 0usize, false);
    while let Some(byte) = bytes.get(place) {
        match byte {
            b'\\' if quoted => place += 1,
            b'"' => {
                quoted = !quoted;
                if !quoted && depth == 0 {
                    return place + 1;
                }
            }
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return place,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return place + 1;
                }
            }
            b',' | b':' if depth == 0 => return place,
            byte if depth == 0 && byte.is_ascii_whitespace() => return place,
            _ => {}
        }
        place += 1;
    }
    bytes.len()
}

/// Raw values between brackets, one after the other.
struct Inside<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Inside<'a> {
    fn of(raw: &'a str, open: u8) -> Self {
        let text = raw.trim();
        match text.as_bytes().first() {
            Some(first) if *first == open => Self { text, at: 1 },
            _ => Self { text: "", at: 0 },
        }
    }

    /// The next value; commas and colons before it are passed over.
    fn value(&mut self) -> Option<&'a str> {
        let mut at = skip_space(self.text, self.at);
        if matches!(self.text.as_bytes().get(at), Some(b',' | b':')) {
            at = skip_space(self.text, at + 1);
        }
        let end = value_end(self.text, at);
        self.at = end;
        self.text.get(at..end).filter(|raw| !raw.is_empty())
    }
}

/// Raw elements of an array; none of anything else.
pub(super) fn elements(raw: &str) -> impl Iterator<Item = &str> {
    let mut inside = Inside::of(raw, b'[');
    std::iter::from_fn(move || inside.value())
}

/// Raw keys, in quotes, and raw values of an object; none of anything else.
pub(super) fn members(raw: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut inside = Inside::of(raw, b'{');
    std::iter::from_fn(move || inside.value().zip(inside.value()))
}

/// The text that a raw string stands for.
pub(super) fn unescaped(raw: &str) -> String {
    serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned())
}

/// Without spaces between its parts.
pub(super) fn compact(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let (mut quoted, mut escaped) = (false, false);
    for ch in raw.chars() {
        if quoted {
            quoted = escaped || ch != '"';
            escaped = ch == '\\' && !escaped;
        } else if ch.is_ascii_whitespace() {
            continue;
        } else if ch == '"' {
            quoted = true;
        }
        out.push(ch);
    }
    out
}

/// As PostgreSQL keeps `jsonb`: shorter keys first, one space after `,` and `:`.
pub(super) fn jsonb(raw: &str) -> Result<String> {
    let value: Value =
        serde_json::from_str(raw).map_err(|error| exec_datafusion_err!("not JSON: {error}"))?;
    let mut out = String::with_capacity(raw.len());
    write_jsonb(&value, &mut out);
    Ok(out)
}

fn write_jsonb(value: &Value, out: &mut String) {
    match value {
        Value::Object(all) => {
            let mut all: Vec<(&String, &Value)> = all.iter().collect();
            all.sort_by(|(a, _), (b, _)| (a.len(), a.as_bytes()).cmp(&(b.len(), b.as_bytes())));
            out.push('{');
            for (index, (key, value)) in all.into_iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                let _ = write!(out, "{}: ", Value::String(key.clone()));
                write_jsonb(value, out);
            }
            out.push('}');
        }
        Value::Array(all) => {
            out.push('[');
            for (index, value) in all.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_jsonb(value, out);
            }
            out.push(']');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// Whether every member and element of `part` is somewhere in `whole`, as `@>` means it.
pub(super) fn contains(whole: &str, part: &str) -> bool {
    fn inside(whole: &Value, part: &Value) -> bool {
        match (whole, part) {
            (Value::Object(whole), Value::Object(part)) => part
                .iter()
                .all(|(key, value)| whole.get(key).is_some_and(|found| inside(found, value))),
            (Value::Array(whole), Value::Array(part)) => {
                part.iter().all(|value| whole.iter().any(|found| inside(found, value)))
            }
            (Value::Array(whole), part) => whole.contains(part),
            _ => whole == part,
        }
    }
    match (serde_json::from_str(whole), serde_json::from_str(part)) {
        (Ok(whole), Ok(part)) => inside(&whole, &part),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i32>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::String),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec(("\\PC{0,4}", inner), 0..4)
                    .prop_map(|all| Value::Object(all.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_member_and_element_is_found_in_either_spelling(value in json()) {
            for text in [value.to_string(), format!("{value:#}")] {
                prop_assert!(valid(&text));
                prop_assert_eq!(compact(&text), value.to_string());
                let found: Vec<Value> =
                    elements(&text)
                        .map(|raw| serde_json::from_str(raw).unwrap_or_default())
                        .collect();
                let all = value.as_array().cloned().unwrap_or_default();
                prop_assert_eq!(found, all);
                let found: Vec<(String, Value)> = members(&text)
                    .map(|(key, raw)| {
                        (unescaped(key), serde_json::from_str(raw).unwrap_or_default())
                    })
                    .collect();
                let all: Vec<(String, Value)> = value
                    .as_object()
                    .map(|all| all.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
                    .unwrap_or_default();
                prop_assert_eq!(found, all);
                prop_assert!(contains(&text, &value.to_string()));
            }
        }
    }
}
