//! Typed access to a mapping. Every problem becomes a diagnostic, and reading goes on.

use base::{Diagnostic, Span};

use super::{Data, Entry, Mapping, Value};
use crate::{codes, suggest};

/// Reads the keys of one mapping and, at the end, reports those nobody asked for.
pub struct Fields<'v, 'd> {
    mapping: &'v Mapping,
    span: Span,
    what: String,
    asked: Vec<&'static str>,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl<'v, 'd> Fields<'v, 'd> {
    /// Opens a mapping; `what` names it for people, such as `model "orders"`. Anything else than
    /// a mapping is reported.
    pub fn open(
        value: &'v Value,
        what: impl Into<String>,
        diagnostics: &'d mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let what = what.into();
        match value.as_mapping() {
            Some(mapping) => {
                let span = value.span.clone();
                Some(Self { mapping, span, what, asked: Vec::new(), diagnostics })
            }
            None => {
                diagnostics.push(wrong_type(value, &what, "a mapping of keys and values"));
                None
            }
        }
    }

    /// Where problems go; for reading what is nested.
    pub fn diagnostics(&mut self) -> &mut Vec<Diagnostic> {
        self.diagnostics
    }

    /// Where the mapping stands.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// Its name for people.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Gives it a better name, once its own `name` key is known.
    pub fn rename(&mut self, what: impl Into<String>) {
        self.what = what.into();
    }

    /// The entry of a key, `null` included.
    pub fn entry(&mut self, key: &'static str) -> Option<&'v Entry> {
        self.asked.push(key);
        self.mapping.entry(key)
    }

    /// The value of a key; `null` counts as absent.
    pub fn value(&mut self, key: &'static str) -> Option<&'v Value> {
        self.entry(key).map(|entry| &entry.value).filter(|value| !value.is_null())
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, key: &'static str) -> Option<&'v Value> {
        let value = self.value(key);
        if value.is_none() {
            let message = format!("{} has no \"{key}\"", self.what);
            let start = self.span.start;
            let first_line = self.span.file.text.get(start..self.span.end).unwrap_or_default();
            let length = first_line.lines().next().unwrap_or_default().len();
            let span = Span::new(&self.span.file, start..start + length);
            let mut missing = Diagnostic::error(codes::MISSING_KEY, message).at(span, "");
            missing = missing.help(format!("Add \"{key}:\" here."));
            self.diagnostics.push(missing);
        }
        value
    }

    /// Text; a number or boolean is taken as it is written.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        self.expect(key, value, "text", |value| match &value.data {
            Data::Integer(_) | Data::Float(_) | Data::Bool(_) => Some(written(value)),
            Data::Text(text) => Some(text.clone()),
            Data::Null | Data::List(_) | Data::Mapping(_) => None,
        })
    }

    /// Text that must be there.
    pub fn required_text(&mut self, key: &'static str) -> Option<String> {
        self.required(key)?;
        self.text(key)
    }

    /// A boolean; the words `"true"` and `"false"` in quotes count too.
    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        self.expect(key, value, "true or false", as_boolean)
    }

    /// A whole number.
    pub fn integer(&mut self, key: &'static str) -> Option<i64> {
        let value = self.value(key)?;
        self.expect(key, value, "a whole number", |value| match &value.data {
            Data::Integer(number) => Some(*number),
            Data::Text(text) => text.trim().parse().ok(),
            Data::Null | Data::Bool(_) | Data::Float(_) | Data::List(_) | Data::Mapping(_) => None,
        })
    }

    /// A number.
    pub fn number(&mut self, key: &'static str) -> Option<f64> {
        let value = self.value(key)?;
        self.expect(key, value, "a number", |value| match &value.data {
            #[expect(clippy::cast_precision_loss, reason = "a setting, not a count of rows")]
            Data::Integer(number) => Some(*number as f64),
            Data::Float(number) => Some(*number),
            Data::Text(text) => text.trim().parse().ok(),
            Data::Null | Data::Bool(_) | Data::List(_) | Data::Mapping(_) => None,
        })
    }

    /// The items of a list; empty when the key is absent.
    pub fn list(&mut self, key: &'static str) -> &'v [Value] {
        let Some(value) = self.value(key) else { return &[] };
        self.expect(key, value, "a list", |_| value.as_list()).unwrap_or_default()
    }

    /// One text or a list of them; empty when the key is absent.
    pub fn texts(&mut self, key: &'static str) -> Vec<String> {
        let Some(value) = self.value(key) else { return Vec::new() };
        self.expect(key, value, "text or a list of texts", as_texts).unwrap_or_default()
    }

    /// A mapping.
    pub fn mapping(&mut self, key: &'static str) -> Option<&'v Mapping> {
        let value = self.value(key)?;
        self.expect(key, value, "a mapping of keys and values", |_| value.as_mapping())
    }

    /// One of a few words. Anything else is reported with the words that are accepted.
    pub fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let message = format!("\"{key}\" of {} is \"{text}\"", self.what);
            let span = self.mapping.get(key).map_or(&self.span, |value| &value.span).clone();
            let problem = Diagnostic::error(codes::WRONG_VALUE, message)
                .at(span, "")
                .help(format!("Use one of: {}.", words.join(", ")));
            self.diagnostics.push(problem);
        }
        found
    }

    /// The entries nobody asked for so far.
    pub fn rest(&self) -> Vec<&'v Entry> {
        let unasked = |entry: &&Entry| !self.asked.contains(&entry.key.as_str());
        self.mapping.entries.iter().filter(unasked).collect()
    }

    /// Reports every key nobody asked for as an error.
    pub fn finish(self) {
        self.report_rest(|message| Diagnostic::error(codes::UNKNOWN_KEY, message));
    }

    /// Reports every key nobody asked for as a warning, as dbt does in its own files.
    pub fn finish_leniently(self) {
        self.report_rest(|message| Diagnostic::warning(codes::UNKNOWN_KEY, message));
    }

    fn report_rest(self, make: impl Fn(String) -> Diagnostic) {
        for entry in self.rest() {
            let message = format!("{} has no key \"{}\"", self.what, entry.key);
            let mut problem = make(message).at(entry.key_span.clone(), "");
            let known = self.asked.iter().copied();
            problem = match suggest::did_you_mean(&entry.key, known) {
                Some(sentence) => problem.help(sentence),
                None => problem.help(format!("Keys are: {}.", listed(&self.asked))),
            };
            self.diagnostics.push(problem);
        }
    }

    fn expect<T>(
        &mut self,
        key: &str,
        value: &'v Value,
        expected: &str,
        read: impl FnOnce(&'v Value) -> Option<T>,
    ) -> Option<T> {
        let found = read(value);
        if found.is_none() {
            let what = format!("\"{key}\" of {}", self.what);
            self.diagnostics.push(wrong_type(value, &what, expected));
        }
        found
    }
}

fn listed(keys: &[&'static str]) -> String {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    keys.join(", ")
}

/// The scalar as it stands in the file, without quotes.
fn written(value: &Value) -> String {
    let text = value.span.file.text.get(value.span.start..value.span.end).unwrap_or_default();
    if text.is_empty() { value.scalar_text().unwrap_or_default() } else { text.trim().to_owned() }
}

pub(crate) fn as_boolean(value: &Value) -> Option<bool> {
    match &value.data {
        Data::Bool(value) => Some(*value),
        Data::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        },
        Data::Null | Data::Integer(_) | Data::Float(_) | Data::List(_) | Data::Mapping(_) => None,
    }
}

pub(crate) fn as_texts(value: &Value) -> Option<Vec<String>> {
    match &value.data {
        Data::List(items) => items
            .iter()
            .map(|item| match &item.data {
                Data::Integer(_) | Data::Float(_) | Data::Bool(_) => Some(written(item)),
                Data::Text(text) => Some(text.clone()),
                Data::Null | Data::List(_) | Data::Mapping(_) => None,
            })
            .collect(),
        Data::Null | Data::Mapping(_) => None,
        Data::Text(text) => Some(vec![text.clone()]),
        Data::Bool(_) | Data::Integer(_) | Data::Float(_) => Some(vec![written(value)]),
    }
}

/// The diagnostic for a value of another type than its key asks for.
pub(crate) fn wrong_type(value: &Value, what: &str, expected: &str) -> Diagnostic {
    let message = format!("{what} must be {expected}, not {}", value.type_name());
    let text = value.span.file.text.get(value.span.start..value.span.end).unwrap_or_default();
    let first_line = text.lines().next().unwrap_or_default().len();
    let span = Span::new(&value.span.file, value.span.start..value.span.start + first_line);
    Diagnostic::error(codes::WRONG_TYPE, message)
        .at(span, "")
        .help(format!("Write {expected} here."))
}
