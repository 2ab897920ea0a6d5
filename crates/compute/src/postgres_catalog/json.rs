//! Values as JSON text.

use super::functions::text_argument;
use super::value::Value;
use crate::error::QueryError;

pub(crate) fn of(value: &Value) -> Value {
    Value::text(tree(value).to_string())
}

pub(crate) fn array(values: &[Value]) -> Value {
    Value::text(serde_json::Value::Array(values.iter().map(tree).collect()).to_string())
}

pub(crate) fn object(arguments: &[Value]) -> Result<Value, QueryError> {
    if !arguments.len().is_multiple_of(2) {
        return Err(QueryError::project("argument list must have even number of elements"));
    }
    let pairs = (0..arguments.len()).step_by(2).map(|at| {
        let value = arguments.get(at + 1).map_or(serde_json::Value::Null, tree);
        // As PostgreSQL spaces it.
        format!("{} : {value}", serde_json::Value::from(text_argument(arguments, at)))
    });
    Ok(Value::text(format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))))
}

fn tree(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        // Arrays hold rows that are JSON already.
        Value::Text(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(text).unwrap_or_else(|_| text.to_string().into())
        }
        Value::Array(items) | Value::Record(items) => items.iter().map(tree).collect(),
        Value::Text(_) | Value::Moment(_) | Value::Named(..) => {
            value.written().unwrap_or_default().into()
        }
    }
}
