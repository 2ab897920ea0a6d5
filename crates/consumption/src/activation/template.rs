//! Texts with braces: `{row.email}`, `{key.customer_id}`, `{fields}`.

use serde_json::{Map, Value};

/// Fills the braces of a text with what `find` knows; braces it does not know stay.
pub(super) fn fill(text: &str, find: &dyn Fn(&str) -> Option<Value>) -> String {
    pieces(text, find, &|value| text_of(&value))
}

/// Fills the braces of a path; values are escaped, so that they stay one segment.
pub(super) fn fill_path(text: &str, find: &dyn Fn(&str) -> Option<Value>) -> String {
    pieces(text, find, &|value| escaped(&text_of(&value)))
}

/// Fills the braces of every text in a document. A text that is one pair of braces becomes the
/// value itself, with its type.
pub(super) fn fill_document(document: &Value, find: &dyn Fn(&str) -> Option<Value>) -> Value {
    match document {
        Value::String(text) => {
            let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
            let whole = inside.filter(|inside| !inside.contains(['{', '}']));
            match whole.and_then(find) {
                Some(value) => value,
                None => Value::String(fill(text, find)),
            }
        }
        Value::Array(items) => items.iter().map(|item| fill_document(item, find)).collect(),
        Value::Object(fields) => {
            let filled = fields.iter();
            let filled = filled.map(|(name, value)| (name.clone(), fill_document(value, find)));
            Value::Object(filled.collect::<Map<_, _>>())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => document.clone(),
    }
}

/// The columns that `{row.…}` names.
pub(super) fn row_columns(text: &str) -> Vec<String> {
    let mut columns = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{row.") {
        let inside = &rest[start + "{row.".len()..];
        let Some(end) = inside.find('}') else { break };
        columns.push(inside[..end].to_owned());
        rest = &inside[end..];
    }
    columns
}

fn pieces(
    text: &str,
    find: &dyn Fn(&str) -> Option<Value>,
    write: &dyn Fn(Value) -> String,
) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('{') {
        let Some((name, after)) = from.split_once('}') else { break };
        filled.push_str(before);
        match find(name) {
            Some(value) => filled.push_str(&write(value)),
            None => {
                filled.push('{');
                filled.push_str(name);
                filled.push('}');
            }
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Everything but letters, digits and `-._~` as `%xx`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn find(name: &str) -> Option<Value> {
        match name {
            "key.id" => Some(json!("a/b")),
            "field.n" => Some(json!(7)),
            "field.none" => Some(Value::Null),
            _ => None,
        }
    }

    #[test]
    fn braces_are_filled_and_unknown_ones_stay() {
        assert_eq!(fill("x {key.id} {what} {field.n}!", &find), "x a/b {what} 7!");
        assert_eq!(fill("{field.none}open {", &find), "open {");
        assert_eq!(fill("plain", &find), "plain");
        assert_eq!(fill_path("/c/{key.id}", &find), "/c/a%2Fb");
        assert_eq!(row_columns("{row.a} and {row.b c} {row.d"), ["a", "b c"]);
    }

    #[test]
    fn a_text_that_is_one_pair_of_braces_keeps_the_values_type() {
        let document = json!({"n": "{field.n}", "list": ["{field.n} of", 1], "x": null});
        let filled = json!({"n": 7, "list": ["7 of", 1], "x": null});
        assert_eq!(fill_document(&document, &find), filled);
    }
}
