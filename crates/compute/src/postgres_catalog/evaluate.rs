//! Expressions over one row.

use std::cmp::Ordering;

use super::casts;
use super::kinds;
use super::plan::{Expr, Operator, Query};
use super::run::{Place, Run};
use super::sets::elements;
use super::value::{Value, compare, equal, number, order};
use crate::error::QueryError;

pub(crate) fn division_by_zero() -> QueryError {
    QueryError::new(base::ErrorKind::Data, "division by zero")
}

fn out_of_range() -> QueryError {
    QueryError::new(base::ErrorKind::Data, "integer out of range")
}

impl Run<'_> {
    pub(crate) fn truth(&self, condition: &Expr, place: &Place<'_>) -> Result<bool, QueryError> {
        Ok(self.value(condition, place)?.is_true())
    }

    fn values(&self, list: &[Expr], place: &Place<'_>) -> Result<Vec<Value>, QueryError> {
        list.iter().map(|expr| self.value(expr, place)).collect()
    }

    pub(crate) fn value(&self, expr: &Expr, place: &Place<'_>) -> Result<Value, QueryError> {
        Ok(match expr {
            Expr::Constant(value) => value.clone(),
            Expr::Parameter(at) => self.parameters.get(*at).cloned().unwrap_or(Value::Null),
            Expr::Column { depth, slot } => {
                let mut held = place;
                for _ in 0..*depth {
                    let Some(outer) = held.outer else { return Ok(Value::Null) };
                    held = outer;
                }
                held.row.get(*slot).cloned().unwrap_or(Value::Null)
            }
            Expr::Aggregate(at) => place.aggregates.get(*at).cloned().unwrap_or(Value::Null),
            Expr::Window(at) => place.windows.get(*at).cloned().unwrap_or(Value::Null),
            Expr::Set(at) => place.sets.get(*at).cloned().unwrap_or(Value::Null),
            Expr::Call(function, arguments) => {
                let arguments = self.values(arguments, place)?;
                if function.strict && arguments.iter().any(Value::is_null) {
                    return Ok(Value::Null);
                }
                (function.call)(self, &arguments)?
            }
            Expr::Operator(operator, sides) => {
                let sides = self.values(sides, place)?;
                self.operate(*operator, &sides)?
            }
            Expr::Cast { value, from, to } => {
                casts::cast(self.state, &self.value(value, place)?, *from, *to)?
            }
            Expr::And(parts) => self.all_of(parts, place, false)?,
            Expr::Or(parts) => self.all_of(parts, place, true)?,
            Expr::Coalesce(parts) => {
                for part in parts {
                    let value = self.value(part, place)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Value::Null
            }
            Expr::Case { branches, otherwise } => {
                for (when, then) in branches {
                    if self.truth(when, place)? {
                        return self.value(then, place);
                    }
                }
                match otherwise {
                    Some(otherwise) => self.value(otherwise, place)?,
                    None => Value::Null,
                }
            }
            Expr::InList { value, list, negated } => {
                let value = self.value(value, place)?;
                let list = self.values(list, place)?;
                let found = any(&list, |item| equal(&value, item));
                found.map_or(Value::Null, |found| Value::Bool(found != *negated))
            }
            Expr::Quantified { operator, value, array, all } => {
                let (value, array) = (self.value(value, place)?, self.value(array, place)?);
                if array.is_null() {
                    return Ok(Value::Null);
                }
                self.quantify(*operator, &value, &elements(Some(&array)), *all)?
            }
            Expr::Array(items) => Value::Array(self.values(items, place)?.into()),
            Expr::Record(items) => Value::Record(self.values(items, place)?.into()),
            Expr::Subscript { value, index, from_zero } => {
                let (value, index) = (self.value(value, place)?, self.value(index, place)?);
                let (Value::Array(items), Some(index)) = (&value, index.as_int()) else {
                    return Ok(Value::Null);
                };
                let at = usize::try_from(index - i64::from(!from_zero)).ok();
                at.and_then(|at| items.get(at)).cloned().unwrap_or(Value::Null)
            }
            Expr::Slice { value, lower, upper } => {
                let bound = |bound: &Option<Box<Expr>>, other: i64| match bound {
                    Some(bound) => Ok(self.value(bound, place)?.as_int().unwrap_or(other)),
                    None => Ok::<i64, QueryError>(other),
                };
                let (lower, upper) = (bound(lower, 1)?, bound(upper, i64::MAX)?);
                let items = elements(Some(&self.value(value, place)?));
                let kept = items.into_iter().zip(1_i64..);
                let kept = kept.filter(|(_, at)| (lower..=upper).contains(at));
                Value::array(kept.map(|(item, _)| item))
            }
            Expr::Field(value, at) => match self.value(value, place)? {
                Value::Record(items) => items.get(*at).cloned().unwrap_or(Value::Null),
                _ => Value::Null,
            },
            Expr::Exists(query) => Value::Bool(!self.answer(query, place)?.rows.is_empty()),
            Expr::Scalar(query) => self.scalar(query, place)?,
            Expr::ArrayOf(query) => {
                let rows = self.answer(query, place)?;
                Value::array(rows.rows.iter().filter_map(|row| row.first().cloned()))
            }
            Expr::QuantifiedQuery { operator, value, query, all } => {
                let value = self.value(value, place)?;
                let rows = self.answer(query, place)?;
                if *operator == Operator::Equal && !all && !query.correlated && !value.is_null() {
                    // An index answers what is asked for every row.
                    return Ok(Value::Bool(!rows.with(0, &value).is_empty()));
                }
                let items: Vec<Value> =
                    rows.rows.iter().filter_map(|row| row.first().cloned()).collect();
                self.quantify(*operator, &value, &items, *all)?
            }
        })
    }

    fn scalar(&self, query: &Query, place: &Place<'_>) -> Result<Value, QueryError> {
        let rows = self.answer(query, place)?;
        match rows.rows.as_slice() {
            [] => Ok(Value::Null),
            [row] => Ok(row.first().cloned().unwrap_or(Value::Null)),
            _ => Err(QueryError::new(
                base::ErrorKind::Data,
                "more than one row returned by a subquery used as an expression",
            )),
        }
    }

    /// `and` stops at the first false, `or` at the first true; a missing value leaves it open.
    fn all_of(
        &self,
        parts: &[Expr],
        place: &Place<'_>,
        decides: bool,
    ) -> Result<Value, QueryError> {
        let mut open = false;
        for part in parts {
            match self.value(part, place)? {
                Value::Bool(truth) if truth == decides => return Ok(Value::Bool(decides)),
                Value::Null => open = true,
                _ => {}
            }
        }
        Ok(if open { Value::Null } else { Value::Bool(!decides) })
    }

    fn quantify(
        &self,
        operator: Operator,
        value: &Value,
        items: &[Value],
        all: bool,
    ) -> Result<Value, QueryError> {
        let mut open = false;
        for item in items {
            match self.operate(operator, &[value.clone(), item.clone()])? {
                Value::Bool(truth) if truth != all => return Ok(Value::Bool(!all)),
                Value::Null => open = true,
                _ => {}
            }
        }
        Ok(if open { Value::Null } else { Value::Bool(all) })
    }

    fn operate(&self, operator: Operator, sides: &[Value]) -> Result<Value, QueryError> {
        let first = sides.first().unwrap_or(&Value::Null);
        let second = sides.get(1).unwrap_or(&Value::Null);
        let held = |wanted: fn(Ordering) -> bool| {
            compare(first, second).map_or(Value::Null, |order| Value::Bool(wanted(order)))
        };
        Ok(match operator {
            Operator::Equal => held(Ordering::is_eq),
            Operator::NotEqual => held(Ordering::is_ne),
            Operator::Less => held(Ordering::is_lt),
            Operator::LessEqual => held(Ordering::is_le),
            Operator::Greater => held(Ordering::is_gt),
            Operator::GreaterEqual => held(Ordering::is_ge),
            Operator::Distinct => Value::Bool(order(first, second) != Ordering::Equal),
            Operator::NotDistinct => Value::Bool(order(first, second) == Ordering::Equal),
            Operator::Not => match first {
                Value::Bool(truth) => Value::Bool(!truth),
                _ => Value::Null,
            },
            Operator::IsNull => Value::Bool(first.is_null()),
            Operator::IsNotNull => Value::Bool(!first.is_null()),
            Operator::IsTrue => Value::Bool(first.is_true()),
            Operator::IsNotTrue => Value::Bool(!first.is_true()),
            Operator::IsFalse => Value::Bool(*first == Value::Bool(false)),
            Operator::IsNotFalse => Value::Bool(*first != Value::Bool(false)),
            Operator::Concat => concat(first, second),
            Operator::Negate => match first {
                Value::Int(number) => Value::Int(number.checked_neg().ok_or_else(out_of_range)?),
                Value::Float(number) => Value::Float(-number),
                _ => Value::Null,
            },
            Operator::Like { negated, any_case } => match (first.written(), second.written()) {
                (Some(text), Some(pattern)) => {
                    let escape = sides.get(2).and_then(Value::written).unwrap_or_default();
                    let pattern = like_pattern(&pattern, escape.chars().next());
                    let held = self.pattern(&pattern, any_case)?.is_match(&text);
                    Value::Bool(held != negated)
                }
                _ => Value::Null,
            },
            Operator::Matches { negated, any_case } => match (first.written(), second.written()) {
                (Some(text), Some(pattern)) => {
                    Value::Bool(self.pattern(&pattern, any_case)?.is_match(&text) != negated)
                }
                _ => Value::Null,
            },
            Operator::Contains => contains(first, second),
            Operator::ContainedBy => contains(second, first),
            Operator::Overlaps => {
                let (left, right) = (elements(Some(first)), elements(Some(second)));
                let shared = |item: &Value| any(&right, |other| equal(item, other)) == Some(true);
                Value::Bool(left.iter().any(shared))
            }
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo
            | Operator::BitAnd
            | Operator::BitOr => arithmetic(operator, first, second)?,
        })
    }
}

fn concat(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            Value::array(left.iter().chain(right.iter()).cloned())
        }
        // A missing array adds nothing; a missing element cannot be told from it.
        (Value::Array(_), Value::Null) => left.clone(),
        (Value::Null, Value::Array(_)) => right.clone(),
        (Value::Array(items), item) => Value::array(items.iter().cloned().chain([item.clone()])),
        (item, Value::Array(items)) => {
            Value::array([item.clone()].into_iter().chain(items.iter().cloned()))
        }
        (left, right) => match (left.written(), right.written()) {
            (Some(left), Some(right)) => Value::text(format!("{left}{right}")),
            _ => Value::Null,
        },
    }
}

fn contains(whole: &Value, part: &Value) -> Value {
    if whole.is_null() || part.is_null() {
        return Value::Null;
    }
    let (whole, part) = (elements(Some(whole)), elements(Some(part)));
    Value::Bool(part.iter().all(|item| any(&whole, |held| equal(held, item)) == Some(true)))
}

fn any(items: &[Value], holds: impl Fn(&Value) -> Option<bool>) -> Option<bool> {
    let mut open = false;
    for item in items {
        match holds(item) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => open = true,
        }
    }
    if open { None } else { Some(false) }
}

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Result<Value, QueryError> {
    if left.is_null() || right.is_null() {
        return Ok(Value::Null);
    }
    if let (Value::Int(left), Value::Int(right)) = (left, right) {
        let divides = matches!(operator, Operator::Divide | Operator::Modulo);
        if divides && *right == 0 {
            return Err(division_by_zero());
        }
        let result = match operator {
            Operator::Add => left.checked_add(*right),
            Operator::Subtract => left.checked_sub(*right),
            Operator::Multiply => left.checked_mul(*right),
            Operator::Divide => left.checked_div(*right),
            Operator::Modulo => left.checked_rem(*right),
            Operator::BitAnd => Some(left & right),
            Operator::BitOr => Some(left | right),
            _ => None,
        };
        return result.map(Value::Int).ok_or_else(out_of_range);
    }
    let (Some(left), Some(right)) = (number(left), number(right)) else { return Ok(Value::Null) };
    Ok(match operator {
        Operator::Add => Value::Float(left + right),
        Operator::Subtract => Value::Float(left - right),
        Operator::Multiply => Value::Float(left * right),
        Operator::Divide if right == 0.0 => return Err(division_by_zero()),
        Operator::Divide => Value::Float(left / right),
        _ => Value::Null,
    })
}

/// A `like` pattern as a regular expression.
fn like_pattern(pattern: &str, escape: Option<char>) -> String {
    let mut out = String::from("(?s)^");
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        let literal = match letter {
            _ if Some(letter) == escape => letters.next(),
            '%' => {
                out.push_str(".*");
                None
            }
            '_' => {
                out.push('.');
                None
            }
            other => Some(other),
        };
        if let Some(literal) = literal {
            out.push_str(&regex::escape(&literal.to_string()));
        }
    }
    out.push('$');
    out
}

/// Types whose values are written as the name of what they number.
pub(crate) fn shown(run: &Run<'_>, value: Value, kind: kinds::Oid) -> Value {
    let element = kinds::element_of(kind);
    match (&value, element) {
        (Value::Int(number), None) if kinds::names_something(kind) => {
            let name = casts::written_number(run.state, *number, kind).unwrap_or_default();
            Value::Named(u32::try_from(*number).unwrap_or(0), name.into())
        }
        (Value::Array(items), Some(element)) if kinds::names_something(element) => {
            Value::array(items.iter().map(|item| shown(run, item.clone(), element)))
        }
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_escapes_its_own_signs_only() {
        assert_eq!(like_pattern("pg/_%", Some('/')), "(?s)^pg_.*$");
        assert_eq!(like_pattern("a.b_", Some('\\')), "(?s)^a\\.b.$");
    }
}
