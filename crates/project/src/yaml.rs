//! YAML with spans: a value tree in which every key and value knows its bytes in the user's file.
//! Plain scalars are read as PyYAML (YAML 1.1) reads them, since dbt projects rely on it: `yes` is
//! true, `017` is 15, `1e3` is text. Dates stay text.

mod fields;
mod reader;
mod scalar;

use base::Span;

pub use fields::Fields;
pub use reader::read;
pub(crate) use scalar::python_float;

/// Levels of nesting in one file.
pub const YAML_DEPTH_MAX: usize = 100;
/// Values in one file, aliases expanded.
pub const YAML_VALUES_MAX: usize = 2_000_000;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// What it holds.
    pub data: Data,
    /// Where it stands.
    pub span: Span,
}

/// What a value holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, `yes`, `on` and their opposites.
    Bool(bool),
    /// A whole number that fits 64 bits; a larger one is a float.
    Integer(i64),
    /// A number with a point.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A mapping, in the order written.
    Mapping(Mapping),
}

/// Keys and values in the order written; each key once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    /// The entries.
    pub entries: Vec<Entry>,
}

/// One key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key as text; a number or boolean as YAML writes it.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Value,
}

impl Mapping {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of a key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl Value {
    /// What kind of value it is, in a word for people.
    pub fn type_name(&self) -> &'static str {
        match self.data {
            Data::Null => "nothing",
            Data::Bool(_) => "a boolean",
            Data::Integer(_) => "a whole number",
            Data::Float(_) => "a number",
            Data::Text(_) => "text",
            Data::List(_) => "a list",
            Data::Mapping(_) => "a mapping",
        }
    }

    /// Whether it holds nothing.
    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Null)
    }

    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        if let Data::Text(text) = &self.data { Some(text) } else { None }
    }

    /// The mapping, if it is one.
    pub fn as_mapping(&self) -> Option<&Mapping> {
        if let Data::Mapping(mapping) = &self.data { Some(mapping) } else { None }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Data::List(items) = &self.data { Some(items) } else { None }
    }

    /// A scalar as text, the way Python prints it: `True`, `1.0`; none for lists, mappings, null.
    pub fn scalar_text(&self) -> Option<String> {
        match &self.data {
            Data::Bool(true) => Some("True".to_owned()),
            Data::Bool(false) => Some("False".to_owned()),
            Data::Integer(number) => Some(number.to_string()),
            Data::Float(number) => Some(python_float(*number)),
            Data::Text(text) => Some(text.clone()),
            Data::Null | Data::List(_) | Data::Mapping(_) => None,
        }
    }

    /// The same value without spans. Numbers JSON has no word for become text.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.data {
            Data::Null => serde_json::Value::Null,
            Data::Bool(value) => (*value).into(),
            Data::Integer(value) => (*value).into(),
            Data::Float(value) => serde_json::Number::from_f64(*value)
                .map_or_else(|| python_float(*value).into(), Into::into),
            Data::Text(value) => value.as_str().into(),
            Data::List(items) => items.iter().map(Self::to_json).collect(),
            Data::Mapping(mapping) => serde_json::Value::Object(mapping.to_json()),
        }
    }

    /// Rewrites every text value (not the keys), for example by rendering the Jinja in it. What
    /// `rewrite` returns is parsed again as a plain scalar when the text had been a plain one
    /// with Jinja in it: `{{ env_var('PORT') }}` gives a number, as in dbt.
    pub fn rewrite_text(&mut self, rewrite: &mut dyn FnMut(&str, &Span) -> Option<Data>) {
        match &mut self.data {
            Data::Null | Data::Bool(_) | Data::Integer(_) | Data::Float(_) => {}
            Data::Text(text) => {
                if let Some(data) = rewrite(text, &self.span) {
                    self.data = data;
                }
            }
            Data::List(items) => items.iter_mut().for_each(|item| item.rewrite_text(rewrite)),
            Data::Mapping(mapping) => {
                for entry in &mut mapping.entries {
                    entry.value.rewrite_text(rewrite);
                }
            }
        }
    }
}

impl Mapping {
    /// The same mapping without spans.
    pub fn to_json(&self) -> serde_json::Map<String, serde_json::Value> {
        self.entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
    }
}

/// Reads text as YAML reads a scalar without quotes.
pub fn plain_scalar(text: &str) -> Data {
    scalar::plain(text)
}
