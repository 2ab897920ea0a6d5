//! One value of a catalog relation, and the rules by which values compare.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// One value; what it is beyond this (an `oid`, a `name`) is known from its column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// Whole numbers, and the numbers of things.
    Int(i64),
    /// Floating point.
    Float(f64),
    /// Texts, names, and digits of a numeric.
    Text(Arc<str>),
    /// Microseconds since 1970, UTC.
    Moment(i64),
    /// An array, `int2vector` and `oidvector` too.
    Array(Arc<[Value]>),
    /// A row.
    Record(Arc<[Value]>),
    /// The number of a thing that has a name, only in answers.
    Named(u32, Arc<str>),
}

/// A row of values.
pub type Row = Arc<[Value]>;

impl Value {
    /// A text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// An array.
    pub fn array(values: impl IntoIterator<Item = Value>) -> Self {
        Self::Array(values.into_iter().collect())
    }

    /// Whether it is missing.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(crate) fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Named(number, _) => Some(i64::from(*number)),
            Self::Bool(truth) => Some(i64::from(*truth)),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Null | Self::Float(_) | Self::Moment(_) | Self::Array(_) | Self::Record(_) => {
                None
            }
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// As PostgreSQL writes it; none for a missing value.
    pub fn written(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(truth) => if *truth { "t" } else { "f" }.to_owned(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Text(text) | Self::Named(_, text) => text.to_string(),
            Self::Moment(micros) => moment(*micros),
            Self::Array(values) => array_text(values),
            Self::Record(values) => record_text(values),
        })
    }
}

fn moment(micros: i64) -> String {
    match chrono::DateTime::from_timestamp_micros(micros) {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S%.f+00").to_string(),
        None => micros.to_string(),
    }
}

/// `{a,"b c",NULL}`
pub(crate) fn array_text(values: &[Value]) -> String {
    let items: Vec<String> = values
        .iter()
        .map(|value| match value {
            Value::Array(inner) => array_text(inner),
            other => other.written().map_or_else(|| "NULL".to_owned(), |text| array_item(&text)),
        })
        .collect();
    format!("{{{}}}", items.join(","))
}

/// One element as it stands inside braces.
pub fn array_item(text: &str) -> String {
    let plain = !text.is_empty()
        && !text.eq_ignore_ascii_case("null")
        && !text.contains(|c: char| c.is_whitespace() || "{},\"\\".contains(c));
    if plain {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn record_text(values: &[Value]) -> String {
    let items: Vec<String> = values
        .iter()
        .map(|value| match value.written() {
            None => String::new(),
            Some(text) if text.is_empty() || text.contains(|c: char| " ,()\"\\".contains(c)) => {
                format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\""))
            }
            Some(text) => text,
        })
        .collect();
    format!("({})", items.join(","))
}

/// Reads `{a,"b c",NULL}`; none when it is no array.
pub fn array_from_text(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let (mut item, mut quoted, mut was_quoted, mut letters) =
        (String::new(), false, false, inner.chars());
    if inner.trim().is_empty() {
        return Some(items);
    }
    let push = |item: &mut String, was_quoted: &mut bool, items: &mut Vec<Option<String>>| {
        let text = std::mem::take(item);
        let missing = !*was_quoted && text.trim().eq_ignore_ascii_case("null");
        let text = if *was_quoted { text } else { text.trim().to_owned() };
        items.push((!missing).then_some(text));
        *was_quoted = false;
    };
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => item.push(letters.next()?),
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            ',' if !quoted => push(&mut item, &mut was_quoted, &mut items),
            other => item.push(other),
        }
    }
    push(&mut item, &mut was_quoted, &mut items);
    Some(items)
}

/// Whether two values are equal; none if one is missing.
pub(crate) fn equal(left: &Value, right: &Value) -> Option<bool> {
    compare(left, right).map(|order| order == Ordering::Equal)
}

/// How two values stand to one another; none if one is missing.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => None,
        _ => Some(order(left, right)),
    }
}

/// An order over all values; missing ones come last.
pub(crate) fn order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Moment(left), Value::Moment(right)) => left.cmp(right),
        (Value::Array(left), Value::Array(right)) | (Value::Record(left), Value::Record(right)) => {
            let pairs = left.iter().zip(right.iter()).map(|(left, right)| order(left, right));
            let first = pairs.into_iter().find(|order| *order != Ordering::Equal);
            first.unwrap_or_else(|| left.len().cmp(&right.len()))
        }
        (left, right) => match (number(left), number(right)) {
            (Some(left), Some(right)) => left.total_cmp(&right),
            _ => left.written().cmp(&right.written()),
        },
    }
}

/// A number as a double; none for what is no number.
#[expect(clippy::cast_precision_loss, reason = "catalog numbers are far below 2^53")]
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Named(number, _) => Some(f64::from(*number)),
        Value::Text(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Moment(_) | Value::Array(_) | Value::Record(_) => {
            None
        }
    }
}

/// A value that can be looked up: equal as grouping and distinct see it.
#[derive(Clone, Debug)]
pub(crate) struct Key(pub(crate) Value);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        order(&self.0, &other.0) == Ordering::Equal
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(&self.0, state);
    }
}

fn hash<H: Hasher>(value: &Value, state: &mut H) {
    match value {
        Value::Null => 0_u8.hash(state),
        Value::Bool(truth) => truth.hash(state),
        // A whole number and the same number with a fraction part of zero are one key.
        Value::Int(_) | Value::Float(_) | Value::Named(..) => {
            number(value).unwrap_or_default().to_bits().hash(state);
        }
        Value::Text(text) => text.hash(state),
        Value::Moment(micros) => micros.hash(state),
        Value::Array(values) | Value::Record(values) => {
            for value in values.iter() {
                hash(value, state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn arrays_are_written_and_read_with_quotes_where_needed() {
        let items = [Value::text("a b"), Value::Null, Value::text("q\"x"), Value::Int(3)];
        let text = array_text(&items);
        assert_eq!(text, r#"{"a b",NULL,"q\"x",3}"#);
        let read = array_from_text(&text).unwrap();
        assert_eq!(read, [Some("a b".into()), None, Some("q\"x".into()), Some("3".into())]);
        assert_eq!(array_from_text("{}").unwrap().len(), 0);
    }
}
