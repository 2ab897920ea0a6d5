//! From one type to another, names of things included.

use super::CatalogState;
use super::kinds::{self, Oid};
use super::value::{Value, array_from_text, number};
use crate::error::QueryError;

/// Turns a value of one type into another.
pub(crate) fn cast(
    state: &CatalogState<'_>,
    value: &Value,
    from: Oid,
    to: Oid,
) -> Result<Value, QueryError> {
    if value.is_null() || from == to {
        return Ok(value.clone());
    }
    if let Some(element) = kinds::element_of(to)
        && to != kinds::ANYARRAY
    {
        return array(state, value, from, element);
    }
    if kinds::is_text(to) {
        let written = match value {
            Value::Int(number) => written_number(state, *number, from),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Array(items) if matches!(from, kinds::INT2VECTOR | kinds::OIDVECTOR) => {
                let items: Vec<String> = items.iter().filter_map(Value::written).collect();
                Some(items.join(" "))
            }
            other => other.written(),
        };
        return Ok(written.map_or(Value::Null, |text| match to {
            kinds::CHAR => Value::text(text.chars().take(1).collect::<String>()),
            _ => Value::text(text),
        }));
    }
    if kinds::names_something(to) {
        return named(state, value, to);
    }
    let bad = || invalid(value, to);
    match to {
        kinds::BOOL => match value {
            Value::Bool(_) => Ok(value.clone()),
            Value::Int(number) => Ok(Value::Bool(*number != 0)),
            Value::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "t" | "true" | "y" | "yes" | "on" | "1" => Ok(Value::Bool(true)),
                "f" | "false" | "n" | "no" | "off" | "0" => Ok(Value::Bool(false)),
                _ => Err(bad()),
            },
            _ => Err(bad()),
        },
        kinds::FLOAT4 | kinds::FLOAT8 => number(value).map(Value::Float).ok_or_else(bad),
        kinds::NUMERIC => match value.written() {
            Some(text) if text.trim().parse::<f64>().is_ok() => {
                Ok(Value::text(text.trim().to_owned()))
            }
            _ => Err(bad()),
        },
        _ if kinds::is_integer(to) => whole(value, to).ok_or_else(bad),
        kinds::TIMESTAMPTZ | kinds::TIMESTAMP => moment(value).ok_or_else(bad),
        // What has no arithmetic here travels as its text.
        _ => Ok(value.clone()),
    }
}

fn whole(value: &Value, to: Oid) -> Option<Value> {
    let number = match value {
        Value::Float(number) => {
            let rounded = number.round_ties_even();
            #[expect(clippy::cast_possible_truncation, reason = "checked on the line itself")]
            let whole = (rounded.abs() < 9.0e15).then_some(rounded as i64)?;
            whole
        }
        other => other.as_int()?,
    };
    let fits = match to {
        kinds::INT2 => i16::try_from(number).is_ok(),
        kinds::INT4 => i32::try_from(number).is_ok(),
        kinds::OID | kinds::XID => u32::try_from(number).is_ok(),
        _ => true,
    };
    fits.then_some(Value::Int(number))
}

fn moment(value: &Value) -> Option<Value> {
    let Value::Text(text) = value else { return Some(value.clone()) };
    let text = text.trim();
    let time = chrono::DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1))
        .map(|time| time.naive_utc())
        .or_else(|_| chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
        .or_else(|_| {
            chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .map(|date| date.and_time(chrono::NaiveTime::MIN))
        });
    time.ok().map(|time| Value::Moment(time.and_utc().timestamp_micros()))
}

fn invalid(value: &Value, to: Oid) -> QueryError {
    let text = value.written().unwrap_or_default();
    QueryError::new(
        base::ErrorKind::Data,
        format!("invalid input syntax for type {}: \"{text}\"", kinds::format(to, None)),
    )
}

fn array(
    state: &CatalogState<'_>,
    value: &Value,
    from: Oid,
    element: Oid,
) -> Result<Value, QueryError> {
    let items: Vec<Value> = match value {
        Value::Array(items) => {
            let before = kinds::element_of(from).unwrap_or(kinds::TEXT);
            items.iter().map(|item| cast(state, item, before, element)).collect::<Result<_, _>>()?
        }
        Value::Text(text) => {
            let items = match element {
                kinds::INT2 | kinds::OID if !text.trim_start().starts_with('{') => {
                    text.split_whitespace().map(|item| Some(item.to_owned())).collect()
                }
                _ => array_from_text(text).ok_or_else(|| invalid(value, element))?,
            };
            let one = |item: Option<String>| match item {
                None => Ok(Value::Null),
                Some(item) => cast(state, &Value::text(item), kinds::UNKNOWN, element),
            };
            items.into_iter().map(one).collect::<Result<_, _>>()?
        }
        _ => return Err(invalid(value, element)),
    };
    Ok(Value::array(items))
}

/// `'shop.orders'::regclass`, `'int4'::regtype`, and numbers as they are.
fn named(state: &CatalogState<'_>, value: &Value, to: Oid) -> Result<Value, QueryError> {
    let text = match value {
        Value::Text(text) => text.trim(),
        _ => return value.as_int().map(Value::Int).ok_or_else(|| invalid(value, to)),
    };
    if text == "-" {
        return Ok(Value::Int(0));
    }
    if let Ok(number) = text.parse::<u32>() {
        return Ok(Value::Int(i64::from(number)));
    }
    let (what, found) = match to {
        kinds::REGCLASS => ("relation", state.relation_oid(text)),
        kinds::REGTYPE => ("type", state.type_oid(text)),
        kinds::REGNAMESPACE => ("schema", state.namespace_oid(text)),
        kinds::REGROLE => ("role", state.role_oid(text)),
        _ => ("function", state.function_oid(text)),
    };
    found.map(|number| Value::Int(i64::from(number))).ok_or_else(|| {
        QueryError::new(base::ErrorKind::NotFound, format!("{what} \"{text}\" does not exist"))
    })
}

/// The number of a thing is written as its name.
pub(crate) fn written_number(state: &CatalogState<'_>, number: i64, kind: Oid) -> Option<String> {
    let Ok(oid) = Oid::try_from(number) else { return Some(number.to_string()) };
    if oid == 0 && kinds::names_something(kind) {
        return Some("-".to_owned());
    }
    Some(match kind {
        kinds::REGCLASS => state.relation_name(oid),
        kinds::REGTYPE => state.type_name(oid),
        kinds::REGNAMESPACE => state.namespace_name(oid),
        kinds::REGROLE => state.role_name(oid),
        kinds::REGPROC | kinds::REGPROCEDURE => state.function_name(oid),
        _ => number.to_string(),
    })
}
