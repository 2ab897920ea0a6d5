//! Template values to and from JSON, and the value that swallows everything while parsing.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use minijinja::{Error, State, Value};
use serde_json::{Map, Number, Value as Json};

use crate::jinja::collections::{Dict, List, pairs_of};

/// Levels of nesting that are converted; deeper values become their text.
const DEPTH_MAX: usize = 64;

/// A template value of JSON: mutable lists and dicts, as Python would have them.
pub(crate) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::from(value),
            (None, Some(value)) => Value::from(value),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => List::value(items.iter().map(from_json).collect()),
        Json::Object(pairs) => from_map(pairs),
    }
}

/// A dict of a JSON object.
pub(crate) fn from_map(pairs: &Map<String, Json>) -> Value {
    Dict::value(pairs.iter().map(|(key, value)| (Value::from(key.as_str()), from_json(value))))
}

/// JSON of a template value; whatever JSON has no form for becomes its text.
pub(crate) fn to_json(value: &Value) -> Json {
    to_json_at(value, 0)
}

fn to_json_at(value: &Value, depth: usize) -> Json {
    if depth > DEPTH_MAX {
        return Json::String("...".to_owned());
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => number_of(value),
        ValueKind::String => Json::String(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Seq => sequence(value, depth),
        ValueKind::Iterable => sequence(value, depth),
        ValueKind::Map if !prints_as_text(value) => {
            let pairs = pairs_of(value).unwrap_or_default();
            let pairs = pairs
                .iter()
                .map(|(key, value)| (key.to_string(), to_json_at(value, depth + 1)))
                .collect();
            Json::Object(pairs)
        }
        _ => Json::String(value.to_string()),
    }
}

/// Relations are mappings for templates and text for everybody else.
fn prints_as_text(value: &Value) -> bool {
    value.downcast_object_ref::<crate::jinja::objects::RelationObject>().is_some()
}

fn sequence(value: &Value, depth: usize) -> Json {
    match value.try_iter() {
        Ok(items) => Json::Array(items.map(|item| to_json_at(&item, depth + 1)).collect()),
        Err(_) => Json::String(value.to_string()),
    }
}

fn number_of(value: &Value) -> Json {
    if value.is_integer() {
        if let Some(small) = value.as_i64() {
            return Json::from(small);
        }
        if let Ok(large) = u64::try_from(value.clone()) {
            return Json::from(large);
        }
        return Json::String(value.to_string());
    }
    f64::try_from(value.clone())
        .ok()
        .and_then(Number::from_f64)
        .map_or_else(|| Json::String(value.to_string()), Json::Number)
}

/// What a name or an answer is while parsing, when nobody can know it: every attribute, item and
/// call of it is itself, it prints as nothing, counts as not defined and holds nothing.
#[derive(Debug)]
pub(crate) struct Missing;

impl Missing {
    pub(crate) fn value() -> Value {
        Value::from_object(Self)
    }

    pub(crate) fn holds(value: &Value) -> bool {
        value.downcast_object_ref::<Self>().is_some()
    }
}

impl Object for Missing {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, _key: &Value) -> Option<Value> {
        Some(Self::value())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, _args: &[Value]) -> Result<Value, Error> {
        Ok(Self::value())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        _method: &str,
        _args: &[Value],
    ) -> Result<Value, Error> {
        Ok(Self::value())
    }

    fn render(self: &Arc<Self>, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
