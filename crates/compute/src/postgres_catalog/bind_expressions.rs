//! Expressions of a catalog query: names to slots, literals to the type beside them, calls to
//! functions.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, Expr as Sql, FunctionArg, FunctionArgExpr, Subscript, Value as Literal,
};

use super::bind::{Binder, Typed, unsupported};
use super::bind_operators::negate;
use super::casts;
use super::kinds::{self, Oid};
use super::plan::{Expr, Operator, Query};
use super::value::Value;
use super::{folded, names};
use crate::error::QueryError;

/// Parameters of one statement; the protocol counts them in 16 bits.
const PARAMETERS_MAX: usize = 65_535;

pub(crate) fn typed(expr: Expr, kind: Oid) -> Typed {
    Typed { expr, kind }
}

impl Binder<'_> {
    /// A condition.
    pub(crate) fn condition(&mut self, sql: &Sql) -> Result<Expr, QueryError> {
        self.coerced(sql, kinds::BOOL)
    }

    /// An expression whose literal or parameter takes this type.
    pub(crate) fn coerced(&mut self, sql: &Sql, kind: Oid) -> Result<Expr, QueryError> {
        let bound = self.expr(sql)?;
        self.settle(bound, kind)
    }

    /// Gives a literal or parameter without a type this one.
    pub(crate) fn settle(&mut self, value: Typed, kind: Oid) -> Result<Expr, QueryError> {
        if let Expr::Parameter(place) = value.expr
            && let Some(known @ None) = self.parameters.get_mut(place)
        {
            *known = Some(kind);
            return Ok(value.expr);
        }
        match (&value.expr, value.kind) {
            (Expr::Constant(Value::Null), _) => Ok(value.expr),
            (Expr::Constant(constant), kinds::UNKNOWN) => {
                casts::cast(self.state, constant, kinds::UNKNOWN, kind).map(Expr::Constant)
            }
            (_, kinds::UNKNOWN) => {
                Ok(Expr::Cast { value: Box::new(value.expr), from: kinds::TEXT, to: kind })
            }
            _ => Ok(value.expr),
        }
    }

    /// What leaves a select has a type: text where nothing said otherwise.
    pub(crate) fn finished(&mut self, value: Typed) -> Typed {
        if value.kind != kinds::UNKNOWN {
            return value;
        }
        if let Expr::Parameter(place) = value.expr
            && let Some(known @ None) = self.parameters.get_mut(place)
        {
            *known = Some(kinds::TEXT);
        }
        typed(value.expr, kinds::TEXT)
    }

    pub(crate) fn expr(&mut self, sql: &Sql) -> Result<Typed, QueryError> {
        match sql {
            Sql::Nested(inner) | Sql::Collate { expr: inner, .. } => self.expr(inner),
            Sql::Identifier(name) => self.name(std::slice::from_ref(name)),
            Sql::CompoundIdentifier(parts) => self.name(parts),
            Sql::Value(value) => self.literal(&value.value),
            Sql::TypedString(string) => {
                let text = string.value.value.clone().into_string().unwrap_or_default();
                let kind = names::kind_of(&string.data_type)?;
                let value = casts::cast(self.state, &Value::text(text), kinds::UNKNOWN, kind)?;
                Ok(typed(Expr::Constant(value), kind))
            }
            Sql::Cast { expr, data_type, .. } => {
                let to = names::kind_of(data_type)?;
                self.cast(expr, to)
            }
            Sql::BinaryOp { left, op, right } => self.binary(left, op, right),
            Sql::UnaryOp { op, expr } => self.unary(*op, expr),
            Sql::IsNull(inner) => self.test(Operator::IsNull, inner),
            Sql::IsNotNull(inner) => self.test(Operator::IsNotNull, inner),
            Sql::IsTrue(inner) => self.test(Operator::IsTrue, inner),
            Sql::IsNotTrue(inner) => self.test(Operator::IsNotTrue, inner),
            Sql::IsFalse(inner) => self.test(Operator::IsFalse, inner),
            Sql::IsNotFalse(inner) => self.test(Operator::IsNotFalse, inner),
            Sql::IsDistinctFrom(left, right) => self.compared(Operator::Distinct, left, right),
            Sql::IsNotDistinctFrom(left, right) => {
                self.compared(Operator::NotDistinct, left, right)
            }
            Sql::Between { expr, negated, low, high } => {
                let low = self.compared(Operator::GreaterEqual, expr, low)?.expr;
                let high = self.compared(Operator::LessEqual, expr, high)?.expr;
                let between = Expr::And(vec![low, high]);
                Ok(typed(negate(between, *negated), kinds::BOOL))
            }
            Sql::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Sql::InSubquery { expr, subquery, negated } => {
                self.quantified_query(expr, subquery, *negated)
            }
            Sql::Like { negated, expr, pattern, escape_char, .. } => {
                self.like(expr, pattern, escape_char.as_ref(), *negated, false)
            }
            Sql::ILike { negated, expr, pattern, escape_char, .. } => {
                self.like(expr, pattern, escape_char.as_ref(), *negated, true)
            }
            Sql::AnyOp { left, compare_op, right, .. } => {
                self.quantified(left, compare_op, right, false)
            }
            Sql::AllOp { left, compare_op, right } => {
                self.quantified(left, compare_op, right, true)
            }
            Sql::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Sql::Exists { subquery, negated } => {
                let query = Arc::new(self.query(subquery)?);
                Ok(typed(negate(Expr::Exists(query), *negated), kinds::BOOL))
            }
            Sql::Subquery(query) => {
                let query = self.query(query)?;
                let kind = single_kind(&query)?;
                Ok(typed(Expr::Scalar(Arc::new(query)), kind))
            }
            Sql::Array(array) => self.array(&array.elem),
            Sql::Tuple(parts) => {
                let parts = parts.iter().map(|part| self.expr(part).map(|part| part.expr));
                let parts = parts.collect::<Result<_, _>>()?;
                Ok(typed(Expr::Record(parts), kinds::RECORD))
            }
            Sql::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            Sql::Function(function) => self.function_call(function),
            other => self.spelled(other),
        }
    }

    /// Functions with a grammar of their own.
    fn spelled(&mut self, sql: &Sql) -> Result<Typed, QueryError> {
        let (name, parts): (&str, Vec<&Sql>) = match sql {
            Sql::Substring { expr, substring_from, substring_for, .. } => {
                let bounds = [substring_from.as_deref(), substring_for.as_deref()];
                ("substring", [Some(expr.as_ref())].into_iter().chain(bounds).flatten().collect())
            }
            Sql::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    Some(ast::TrimWhereField::Leading) => "ltrim",
                    Some(ast::TrimWhereField::Trailing) => "rtrim",
                    Some(ast::TrimWhereField::Both) | None => "btrim",
                };
                let what = trim_characters.iter().flatten().chain(trim_what.as_deref());
                (name, [expr.as_ref()].into_iter().chain(what).collect())
            }
            Sql::Position { expr, r#in } => ("strpos", vec![r#in, expr]),
            Sql::Floor { expr, .. } => ("floor", vec![expr]),
            Sql::Ceil { expr, .. } => ("ceil", vec![expr]),
            other => {
                let text: String = other.to_string().chars().take(60).collect();
                return Err(unsupported(&format!("\"{text}\"")));
            }
        };
        let arguments = parts.into_iter().map(|part| self.expr(part));
        let arguments = arguments.collect::<Result<_, _>>()?;
        self.call(name, arguments)
    }

    fn name(&mut self, parts: &[ast::Ident]) -> Result<Typed, QueryError> {
        let words: Vec<String> = parts.iter().map(folded).collect();
        if let Some(found) = self.scopes.find(&words)? {
            let column = Expr::Column { depth: found.depth, slot: found.slot };
            return Ok(typed(column, found.kind));
        }
        match words.as_slice() {
            [word] if parts[0].quote_style.is_none() && is_session_word(word) => {
                self.call(word, Vec::new())
            }
            _ => Err(self.scopes.unknown(&words)),
        }
    }

    fn literal(&mut self, value: &Literal) -> Result<Typed, QueryError> {
        Ok(match value {
            Literal::Null => typed(Expr::Constant(Value::Null), kinds::UNKNOWN),
            Literal::Boolean(truth) => typed(Expr::Constant(Value::Bool(*truth)), kinds::BOOL),
            Literal::Number(digits, _) => match digits.parse::<i64>() {
                Ok(number) => {
                    let small = i32::try_from(number).is_ok();
                    let kind = if small { kinds::INT4 } else { kinds::INT8 };
                    typed(Expr::Constant(Value::Int(number)), kind)
                }
                Err(_) => typed(Expr::Constant(Value::text(digits.as_str())), kinds::NUMERIC),
            },
            Literal::Placeholder(text) => return self.parameter(text),
            other => match other.clone().into_string() {
                Some(text) => typed(Expr::Constant(Value::text(text)), kinds::UNKNOWN),
                None => return Err(unsupported("this literal")),
            },
        })
    }

    fn parameter(&mut self, text: &str) -> Result<Typed, QueryError> {
        let number = text.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
        let place = number.and_then(|number| number.checked_sub(1));
        let Some(place) = place.filter(|place| *place < PARAMETERS_MAX) else {
            return Err(QueryError::project(format!("there is no parameter \"{text}\"")));
        };
        if self.parameters.len() <= place {
            self.parameters.resize(place + 1, None);
        }
        let kind = self.parameters[place].unwrap_or(kinds::UNKNOWN);
        Ok(typed(Expr::Parameter(place), kind))
    }

    fn cast(&mut self, inner: &Sql, to: Oid) -> Result<Typed, QueryError> {
        let bound = self.expr(inner)?;
        if let Expr::Parameter(place) = bound.expr
            && let Some(known @ None) = self.parameters.get_mut(place)
        {
            // A driver sends names where numbers of things are meant.
            let sent = if kinds::names_something(to) { kinds::TEXT } else { to };
            *known = Some(sent);
            let value = Box::new(bound.expr);
            return Ok(typed(Expr::Cast { value, from: sent, to }, to));
        }
        if let Expr::Constant(value) = &bound.expr {
            let value = casts::cast(self.state, value, bound.kind, to)?;
            return Ok(typed(Expr::Constant(value), to));
        }
        if bound.kind == to {
            return Ok(bound);
        }
        let (value, from) = (Box::new(bound.expr), bound.kind);
        Ok(typed(Expr::Cast { value, from, to }, to))
    }

    fn case(
        &mut self,
        operand: Option<&Sql>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&Sql>,
    ) -> Result<Typed, QueryError> {
        let mut branches = Vec::new();
        let mut results = Vec::new();
        for when in conditions {
            let condition = match operand {
                Some(operand) => self.compared(Operator::Equal, operand, &when.condition)?.expr,
                None => self.condition(&when.condition)?,
            };
            branches.push(condition);
            results.push(self.expr(&when.result)?);
        }
        let has_else = otherwise.is_some();
        if let Some(otherwise) = otherwise {
            results.push(self.expr(otherwise)?);
        }
        let (mut results, kind) = self.together(results)?;
        let otherwise = if has_else { results.pop().map(Box::new) } else { None };
        let branches = branches.into_iter().zip(results).collect();
        Ok(typed(Expr::Case { branches, otherwise }, kind))
    }

    /// Values of which one will be the result take one type.
    pub(crate) fn together(&mut self, values: Vec<Typed>) -> Result<(Vec<Expr>, Oid), QueryError> {
        let mut kind = kinds::UNKNOWN;
        for value in &values {
            kind = match (kind, value.kind) {
                (kinds::UNKNOWN, other) => other,
                (kinds::INT4 | kinds::INT2, kinds::INT8) => kinds::INT8,
                (kinds::INT2, kinds::INT4) => kinds::INT4,
                (kinds::NAME | kinds::CHAR, kinds::TEXT) => kinds::TEXT,
                (kind, _) => kind,
            };
        }
        if kind == kinds::UNKNOWN {
            let known = values.into_iter().map(|value| value.expr).collect();
            return Ok((known, kinds::UNKNOWN));
        }
        let settled = values.into_iter().map(|value| {
            let from = value.kind;
            let settled = self.settle(value, kind)?;
            let named = kinds::names_something(from) && kinds::is_text(kind);
            Ok(match named {
                true => Expr::Cast { value: Box::new(settled), from, to: kind },
                false => settled,
            })
        });
        Ok((settled.collect::<Result<_, QueryError>>()?, kind))
    }

    fn array(&mut self, items: &[Sql]) -> Result<Typed, QueryError> {
        let items = items.iter().map(|item| self.expr(item)).collect::<Result<Vec<_>, _>>()?;
        let (items, kind) = self.together(items)?;
        let kind = if kind == kinds::UNKNOWN { kinds::TEXT } else { kind };
        Ok(typed(Expr::Array(items), kinds::array_of(kind)))
    }

    fn access(&mut self, root: &Sql, chain: &[AccessExpr]) -> Result<Typed, QueryError> {
        let (mut value, chain) = match self.dotted(root, chain)? {
            Some(found) => found,
            None => (self.expr(root)?, chain),
        };
        for step in chain {
            value = match step {
                AccessExpr::Dot(Sql::Identifier(field)) => {
                    // The only rows with named fields are those of `_pg_expandarray`.
                    let (place, kind) = match folded(field).as_str() {
                        "x" => (0, kinds::INT2),
                        "n" => (1, kinds::INT4),
                        other => return Err(unsupported(&format!("field \"{other}\" of a row"))),
                    };
                    typed(Expr::Field(Box::new(value.expr), place), kind)
                }
                AccessExpr::Dot(_) => return Err(unsupported("this access to a field")),
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    let index = Box::new(self.coerced(index, kinds::INT4)?);
                    let from_zero = matches!(value.kind, kinds::INT2VECTOR | kinds::OIDVECTOR);
                    let element = kinds::element_of(value.kind).unwrap_or(kinds::TEXT);
                    let value = Box::new(value.expr);
                    typed(Expr::Subscript { value, index, from_zero }, element)
                }
                AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, .. }) => {
                    let mut bound = |sql: &Option<Sql>| match sql {
                        Some(sql) => self.coerced(sql, kinds::INT4).map(|e| Some(Box::new(e))),
                        None => Ok(None),
                    };
                    let (lower, upper) = (bound(lower_bound)?, bound(upper_bound)?);
                    let kind = value.kind;
                    typed(Expr::Slice { value: Box::new(value.expr), lower, upper }, kind)
                }
            };
        }
        Ok(value)
    }

    /// `table.column[1]`: the first steps are parts of a name.
    fn dotted<'s>(
        &mut self,
        root: &Sql,
        chain: &'s [AccessExpr],
    ) -> Result<Option<(Typed, &'s [AccessExpr])>, QueryError> {
        let mut parts: Vec<String> = match root {
            Sql::Identifier(name) => vec![folded(name)],
            Sql::CompoundIdentifier(parts) => parts.iter().map(folded).collect(),
            _ => return Ok(None),
        };
        let mut taken = 0;
        while let Some(AccessExpr::Dot(Sql::Identifier(name))) = chain.get(taken) {
            parts.push(folded(name));
            taken += 1;
        }
        if taken == 0 {
            return Ok(None);
        }
        let found = self.scopes.find(&parts)?;
        Ok(found.map(|found| {
            let column = Expr::Column { depth: found.depth, slot: found.slot };
            (typed(column, found.kind), &chain[taken..])
        }))
    }

    pub(crate) fn arguments(&mut self, list: &[FunctionArg]) -> Result<Vec<Typed>, QueryError> {
        list.iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
                | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. } => self.expr(expr),
                _ => Err(unsupported("this argument")),
            })
            .collect()
    }
}

pub(crate) fn single_kind(query: &Query) -> Result<Oid, QueryError> {
    match query.columns.as_slice() {
        [column] => Ok(column.kind),
        _ => Err(QueryError::project("a subquery here must return one column")),
    }
}

/// Functions that are called without parentheses.
fn is_session_word(word: &str) -> bool {
    matches!(
        word,
        "current_user"
            | "session_user"
            | "user"
            | "current_role"
            | "current_catalog"
            | "current_schema"
            | "current_timestamp"
            | "localtimestamp"
    )
}
