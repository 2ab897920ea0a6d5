//! Operators of a catalog query: both sides take one type, as PostgreSQL would settle it.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{self, BinaryOperator, Expr as Sql, UnaryOperator};

use super::bind::{Binder, Typed, unsupported};
use super::bind_expressions::typed;
use super::kinds;
use super::plan::{Expr, Operator};
use super::value::Value;
use crate::error::QueryError;

impl Binder<'_> {
    pub(super) fn test(&mut self, operator: Operator, inner: &Sql) -> Result<Typed, QueryError> {
        let inner = self.expr(inner)?;
        Ok(typed(Expr::Operator(operator, vec![inner.expr]), kinds::BOOL))
    }

    pub(super) fn unary(
        &mut self,
        operator: UnaryOperator,
        inner: &Sql,
    ) -> Result<Typed, QueryError> {
        let bound = self.expr(inner)?;
        match operator {
            UnaryOperator::Not => {
                let inner = self.settle(bound, kinds::BOOL)?;
                Ok(typed(negate(inner, true), kinds::BOOL))
            }
            UnaryOperator::Plus => Ok(bound),
            UnaryOperator::Minus => match bound.expr {
                Expr::Constant(Value::Int(number)) => {
                    Ok(typed(Expr::Constant(Value::Int(-number)), bound.kind))
                }
                Expr::Constant(Value::Text(digits)) if bound.kind == kinds::NUMERIC => {
                    Ok(typed(Expr::Constant(Value::text(format!("-{digits}"))), bound.kind))
                }
                other => Ok(typed(Expr::Operator(Operator::Negate, vec![other]), bound.kind)),
            },
            _ => Err(unsupported("this operator")),
        }
    }

    pub(crate) fn compared(
        &mut self,
        operator: Operator,
        left: &Sql,
        right: &Sql,
    ) -> Result<Typed, QueryError> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let sides = self.pair(left, right)?;
        Ok(typed(Expr::Operator(operator, sides), kinds::BOOL))
    }

    /// Two values that are held against one another take one type.
    pub(super) fn pair(&mut self, left: Typed, right: Typed) -> Result<Vec<Expr>, QueryError> {
        let unknown = |value: &Typed| value.kind == kinds::UNKNOWN;
        let (left_kind, right_kind) = (left.kind, right.kind);
        Ok(match (unknown(&left), unknown(&right)) {
            (false, true) => vec![left.expr, self.settle(right, left_kind)?],
            (true, false) => vec![self.settle(left, right_kind)?, right.expr],
            (true, true) => {
                vec![self.settle(left, kinds::TEXT)?, self.settle(right, kinds::TEXT)?]
            }
            (false, false) => {
                let mixed = kinds::is_text(left_kind) && kinds::names_something(right_kind);
                let left = match mixed {
                    true => {
                        let value = Box::new(left.expr);
                        Expr::Cast { value, from: left_kind, to: right_kind }
                    }
                    false => left.expr,
                };
                vec![left, right.expr]
            }
        })
    }

    pub(super) fn binary(
        &mut self,
        left: &Sql,
        operator: &BinaryOperator,
        right: &Sql,
    ) -> Result<Typed, QueryError> {
        use BinaryOperator as B;
        let custom = match operator {
            B::PGCustomBinaryOperator(parts) => parts.last().map_or("", String::as_str),
            B::Custom(text) => text,
            _ => "",
        };
        let operator = match (operator, custom) {
            (B::And | B::Or, _) => {
                let sides = vec![self.condition(left)?, self.condition(right)?];
                let both = matches!(operator, B::And);
                return Ok(typed(
                    if both { Expr::And(sides) } else { Expr::Or(sides) },
                    kinds::BOOL,
                ));
            }
            (B::Eq, _) | (_, "=") => Operator::Equal,
            (B::NotEq, _) | (_, "<>" | "!=") => Operator::NotEqual,
            (B::Lt, _) => Operator::Less,
            (B::LtEq, _) => Operator::LessEqual,
            (B::Gt, _) => Operator::Greater,
            (B::GtEq, _) => Operator::GreaterEqual,
            (B::PGRegexMatch, _) | (_, "~") => matches(false, false),
            (B::PGRegexIMatch, _) | (_, "~*") => matches(false, true),
            (B::PGRegexNotMatch, _) | (_, "!~") => matches(true, false),
            (B::PGRegexNotIMatch, _) | (_, "!~*") => matches(true, true),
            (B::PGLikeMatch, _) | (_, "~~") => return self.like(left, right, None, false, false),
            (B::PGNotLikeMatch, _) | (_, "!~~") => {
                return self.like(left, right, None, true, false);
            }
            (B::PGILikeMatch, _) | (_, "~~*") => return self.like(left, right, None, false, true),
            (B::AtArrow, _) => Operator::Contains,
            (B::ArrowAt, _) => Operator::ContainedBy,
            (B::PGOverlap, _) => Operator::Overlaps,
            (B::StringConcat, _) | (_, "||") => return self.concat(left, right),
            (B::Plus, _) | (_, "+") => return self.arithmetic(Operator::Add, left, right),
            (B::Minus, _) | (_, "-") => return self.arithmetic(Operator::Subtract, left, right),
            (B::Multiply, _) => return self.arithmetic(Operator::Multiply, left, right),
            (B::Divide, _) => return self.arithmetic(Operator::Divide, left, right),
            (B::Modulo, _) => return self.arithmetic(Operator::Modulo, left, right),
            (B::BitwiseAnd, _) => return self.arithmetic(Operator::BitAnd, left, right),
            (B::BitwiseOr, _) => return self.arithmetic(Operator::BitOr, left, right),
            (other, _) => return Err(unsupported(&format!("operator \"{other}\""))),
        };
        self.compared(operator, left, right)
    }

    pub(super) fn concat(&mut self, left: &Sql, right: &Sql) -> Result<Typed, QueryError> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let array =
            [left.kind, right.kind].into_iter().find(|kind| kinds::element_of(*kind).is_some());
        let kind = array.unwrap_or(kinds::TEXT);
        let sides = match array {
            Some(_) => vec![left.expr, right.expr],
            None => {
                let sides = [left, right].into_iter().map(|side| {
                    let from = side.kind;
                    let value = self.settle(side, kinds::TEXT)?;
                    // Numbers of things are written as their names.
                    Ok(match kinds::names_something(from) || from == kinds::BOOL {
                        true => Expr::Cast { value: Box::new(value), from, to: kinds::TEXT },
                        false => value,
                    })
                });
                sides.collect::<Result<_, QueryError>>()?
            }
        };
        Ok(typed(Expr::Operator(Operator::Concat, sides), kind))
    }

    pub(super) fn arithmetic(
        &mut self,
        operator: Operator,
        left: &Sql,
        right: &Sql,
    ) -> Result<Typed, QueryError> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let kind = match (left.kind, right.kind) {
            (kinds::UNKNOWN, kind) | (kind, kinds::UNKNOWN) => kind,
            (left, right) if kinds::is_integer(left) && kinds::is_integer(right) => {
                if kinds::size(left) >= kinds::size(right) { left } else { right }
            }
            _ => kinds::FLOAT8,
        };
        if !kinds::is_integer(kind) && (self.strict || kind != kinds::FLOAT8) {
            return Err(unsupported("arithmetic with fractions or times"));
        }
        let sides = vec![self.settle(left, kind)?, self.settle(right, kind)?];
        Ok(typed(Expr::Operator(operator, sides), kind))
    }

    pub(super) fn like(
        &mut self,
        value: &Sql,
        pattern: &Sql,
        escape: Option<&ast::ValueWithSpan>,
        negated: bool,
        any_case: bool,
    ) -> Result<Typed, QueryError> {
        let value = self.coerced(value, kinds::TEXT)?;
        let pattern = self.coerced(pattern, kinds::TEXT)?;
        let escape = escape.and_then(|escape| escape.value.clone().into_string());
        let escape = Expr::Constant(Value::text(escape.unwrap_or_else(|| "\\".to_owned())));
        let operator = Operator::Like { negated, any_case };
        Ok(typed(Expr::Operator(operator, vec![value, pattern, escape]), kinds::BOOL))
    }

    pub(super) fn in_list(
        &mut self,
        value: &Sql,
        list: &[Sql],
        negated: bool,
    ) -> Result<Typed, QueryError> {
        let value = self.expr(value)?;
        let items = list.iter().map(|item| self.expr(item)).collect::<Result<Vec<_>, _>>()?;
        let kind = match value.kind {
            kinds::UNKNOWN => items.first().map_or(kinds::TEXT, |item| item.kind),
            kind => kind,
        };
        let items = items.into_iter().map(|item| self.settle(item, kind));
        let list = items.collect::<Result<_, _>>()?;
        let value = Box::new(self.settle(value, kind)?);
        Ok(typed(Expr::InList { value, list, negated }, kinds::BOOL))
    }

    pub(super) fn quantified_query(
        &mut self,
        value: &Sql,
        query: &ast::Query,
        negated: bool,
    ) -> Result<Typed, QueryError> {
        let value = self.expr(value)?;
        let query = self.query(query)?;
        let kind = query.columns.first().map_or(kinds::TEXT, |column| column.kind);
        let value = Box::new(self.settle(value, kind)?);
        let (operator, all) = match negated {
            true => (Operator::NotEqual, true),
            false => (Operator::Equal, false),
        };
        let query = Arc::new(query);
        Ok(typed(Expr::QuantifiedQuery { operator, value, query, all }, kinds::BOOL))
    }

    pub(super) fn quantified(
        &mut self,
        left: &Sql,
        operator: &BinaryOperator,
        right: &Sql,
        all: bool,
    ) -> Result<Typed, QueryError> {
        let operator = match operator {
            BinaryOperator::Eq => Operator::Equal,
            BinaryOperator::NotEq => Operator::NotEqual,
            BinaryOperator::Lt => Operator::Less,
            BinaryOperator::Gt => Operator::Greater,
            BinaryOperator::LtEq => Operator::LessEqual,
            BinaryOperator::GtEq => Operator::GreaterEqual,
            BinaryOperator::PGRegexMatch => matches(false, false),
            _ => return Err(unsupported("this operator with any or all")),
        };
        if let Sql::Subquery(query) = strip(right) {
            let value = self.expr(left)?;
            let query = self.query(query)?;
            let kind = query.columns.first().map_or(kinds::TEXT, |column| column.kind);
            let value = Box::new(self.settle(value, kind)?);
            let query = Arc::new(query);
            let quantified = match kinds::element_of(kind) {
                Some(_) => {
                    let array = Box::new(Expr::Scalar(query));
                    Expr::Quantified { operator, value, array, all }
                }
                None => Expr::QuantifiedQuery { operator, value, query, all },
            };
            return Ok(typed(quantified, kinds::BOOL));
        }
        let (value, array) = (self.expr(left)?, self.expr(right)?);
        let element = kinds::element_of(array.kind);
        let kind = match (value.kind, element) {
            (kinds::UNKNOWN, Some(element)) => element,
            (kinds::UNKNOWN, None) => kinds::TEXT,
            (kind, _) => kind,
        };
        let value = Box::new(self.settle(value, kind)?);
        let array = Box::new(self.settle(array, kinds::array_of(kind))?);
        Ok(typed(Expr::Quantified { operator, value, array, all }, kinds::BOOL))
    }
}

fn matches(negated: bool, any_case: bool) -> Operator {
    Operator::Matches { negated, any_case }
}

pub(crate) fn negate(expr: Expr, negated: bool) -> Expr {
    if negated { Expr::Operator(Operator::Not, vec![expr]) } else { expr }
}

fn strip(sql: &Sql) -> &Sql {
    match sql {
        Sql::Nested(inner) => strip(inner),
        other => other,
    }
}
