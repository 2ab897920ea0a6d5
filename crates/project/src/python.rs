//! Values as Python prints them: dbt's test names and ids are made of such text.

use serde_json::Value as Json;

use crate::yaml;

/// `str(value)`.
pub(crate) fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            representation(value)
        }
    }
}

/// `repr(value)`.
pub(crate) fn representation(value: &Json) -> String {
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Number(number) => match (number.is_f64(), number.as_f64()) {
            (true, Some(float)) => yaml::python_float(float),
            _ => number.to_string(),
        },
        Json::String(text) => quoted(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(representation).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", quoted(key), representation(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

/// A string literal: single quotes, unless the text has some and no double ones.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut result = String::with_capacity(text.len() + 2);
    result.push(quote);
    for letter in text.chars() {
        match letter {
            '\\' => result.push_str("\\\\"),
            '\n' => result.push_str("\\n"),
            '\r' => result.push_str("\\r"),
            '\t' => result.push_str("\\t"),
            letter if letter == quote => {
                result.push('\\');
                result.push(letter);
            }
            letter if letter.is_control() => {
                let code = u32::from(letter);
                result.push_str(&format!("\\x{code:02x}"));
            }
            letter => result.push(letter),
        }
    }
    result.push(quote);
    result
}

/// What dbt calls the checksum of a SQL file: white space of any length counts as one blank.
pub(crate) fn sha256_of_words(text: &str) -> String {
    use sha2::Digest;
    let mut digest = sha2::Sha256::new();
    for (index, word) in text.split_whitespace().enumerate() {
        if index > 0 {
            digest.update(b" ");
        }
        digest.update(word.as_bytes());
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The MD5 of a text in hexadecimal: not for security, but for the names dbt gives.
pub(crate) fn md5(text: &str) -> String {
    use md5::Digest;
    md5::Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
