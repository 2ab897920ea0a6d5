//! Operators that are other operators: pairs, `any` and `all`, PostgreSQL's signs.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Query, Select, SelectItem, SetExpr, TableAlias,
    TableAliasColumnDef, TableFactor, TableWithJoins, UnaryOperator,
};

use super::dialect::Dialect;
use super::functions::{is_json, json_wildcard};
use super::parse;
use super::tree::{as_text, binary, call, number};
use super::walk::{Scene, refused};
use crate::error::QueryError;

/// Rewrites one of them, after what is inside it.
pub(crate) fn rewrite(scene: &Scene<'_>, expr: &mut Expr) -> Result<(), QueryError> {
    let done = match &*expr {
        Expr::UnaryOp { op, expr: inner } => unary(op, inner),
        Expr::BinaryOp { left, op, right } => two(scene, expr, left, op, right)?,
        Expr::InList { expr: value, list, negated } => pair_in_list(scene, value, list, *negated)?,
        Expr::InSubquery { expr: value, subquery, negated } => {
            pair_in_query(scene, expr, value, subquery, *negated)?
        }
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => subquery_of(right)
            .map(|subquery| Expr::InSubquery { expr: left.clone(), subquery, negated: false }),
        Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => subquery_of(right)
            .map(|subquery| Expr::InSubquery { expr: left.clone(), subquery, negated: true }),
        _ => None,
    };
    if let Some(done) = done {
        *expr = done;
    }
    if let Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } = &*expr
        && subquery_of(right).is_some()
    {
        let message = "a comparison with \"any\" or \"all\" of a subquery is not run";
        let help = "Compare with its min or max: x > (select max(y) from …).";
        return Err(refused(scene, expr, message, help));
    }
    Ok(())
}

fn unary(op: &UnaryOperator, inner: &Expr) -> Option<Expr> {
    let inner = inner.clone();
    Some(match op {
        // All bits turned is one less than the negative.
        UnaryOperator::BitwiseNot => binary(
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number(1)) },
            BinaryOperator::Minus,
            Expr::Nested(Box::new(inner)),
        ),
        UnaryOperator::PGSquareRoot => call("sqrt", vec![inner]),
        UnaryOperator::PGCubeRoot => call("cbrt", vec![inner]),
        UnaryOperator::PGAbs => call("abs", vec![inner]),
        _ => return None,
    })
}

fn two(
    scene: &Scene<'_>,
    node: &Expr,
    left: &Expr,
    op: &BinaryOperator,
    right: &Expr,
) -> Result<Option<Expr>, QueryError> {
    let arguments = || vec![left.clone(), right.clone()];
    let not = |expr: Expr| Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) };
    let like = |negated: bool, any_case: bool| {
        let (expr, pattern) = (Box::new(left.clone()), Box::new(right.clone()));
        match any_case {
            false => Expr::Like { negated, any: false, expr, pattern, escape_char: None },
            true => Expr::ILike { negated, any: false, expr, pattern, escape_char: None },
        }
    };
    let json = || is_json(left) || is_json(right) || scene.dialect == Dialect::Postgres;
    Ok(match op {
        BinaryOperator::PGLikeMatch => Some(like(false, false)),
        BinaryOperator::PGNotLikeMatch => Some(like(true, false)),
        BinaryOperator::PGILikeMatch => Some(like(false, true)),
        BinaryOperator::PGNotILikeMatch => Some(like(true, true)),
        BinaryOperator::HashArrow => Some(call("fp_json_raw", arguments())),
        BinaryOperator::HashLongArrow => Some(call("fp_json_text", arguments())),
        BinaryOperator::Question if json() => Some(call("fp_json_has", arguments())),
        BinaryOperator::PGBitwiseXor => Some(call("fp_xor", arguments())),
        BinaryOperator::PGOverlap => Some(call("array_has_any", arguments())),
        BinaryOperator::Arrow if json_wildcard(right) => Some(call("fp_json_all", arguments())),
        BinaryOperator::LongArrow if json_wildcard(right) => {
            Some(call("fp_json_text_all", arguments()))
        }
        BinaryOperator::Eq | BinaryOperator::NotEq => match (tuple(left), tuple(right)) {
            (Some(left), Some(right)) => {
                let equal = equal(scene, node, left, right)?;
                Some(if *op == BinaryOperator::Eq { equal } else { not(equal) })
            }
            _ => None,
        },
        BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq => {
            match (tuple(left), tuple(right)) {
                (Some(left), Some(right)) => ordered(left, op, right),
                _ => None,
            }
        }
        _ => None,
    })
}

fn tuple(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::Tuple(all) if all.len() > 1 => Some(all),
        Expr::Nested(inner) => tuple(inner),
        _ => None,
    }
}

fn equal(
    scene: &Scene<'_>,
    node: &Expr,
    left: &[Expr],
    right: &[Expr],
) -> Result<Expr, QueryError> {
    if left.len() != right.len() {
        let message = format!("{} values are compared with {}", left.len(), right.len());
        let mut error = QueryError::project(message).help("Give both sides as many values.");
        error.span = parse::range_of(scene.sql, node);
        return Err(error);
    }
    let each = left
        .iter()
        .zip(right)
        .map(|(left, right)| binary(left.clone(), BinaryOperator::Eq, right.clone()));
    Ok(each.reduce(|all, one| binary(all, BinaryOperator::And, one)).unwrap_or_else(|| number(1)))
}

/// `(a, b) > (c, d)` is `a > c or (a = c and b > d)`.
fn ordered(left: &[Expr], op: &BinaryOperator, right: &[Expr]) -> Option<Expr> {
    let strict = match op {
        BinaryOperator::LtEq => BinaryOperator::Lt,
        BinaryOperator::GtEq => BinaryOperator::Gt,
        other => other.clone(),
    };
    let mut pairs = left.iter().zip(right).rev();
    let (a, b) = pairs.next()?;
    let last = binary(a.clone(), op.clone(), b.clone());
    Some(pairs.fold(last, |rest, (a, b)| {
        let same = binary(a.clone(), BinaryOperator::Eq, b.clone());
        let tied = binary(same, BinaryOperator::And, rest);
        binary(binary(a.clone(), strict.clone(), b.clone()), BinaryOperator::Or, tied)
    }))
}

fn pair_in_list(
    scene: &Scene<'_>,
    value: &Expr,
    list: &[Expr],
    negated: bool,
) -> Result<Option<Expr>, QueryError> {
    let Some(left) = tuple(value) else { return Ok(None) };
    let mut found: Option<Expr> = None;
    for item in list {
        let Some(right) = tuple(item) else { return Ok(None) };
        let one = equal(scene, item, left, right)?;
        found = Some(match found {
            Some(before) => binary(before, BinaryOperator::Or, one),
            None => one,
        });
    }
    Ok(found.map(|found| match negated {
        true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(found) },
        false => found,
    }))
}

/// `(a, b) in (select …)` asks whether such a row exists.
fn pair_in_query(
    scene: &Scene<'_>,
    node: &Expr,
    value: &Expr,
    subquery: &Query,
    negated: bool,
) -> Result<Option<Expr>, QueryError> {
    let Some(left) = tuple(value) else { return Ok(None) };
    if negated {
        let message = "\"not in\" of several columns and a subquery is not run";
        let help = "Write \"not exists (select 1 from … where …)\".";
        return Err(refused(scene, node, message, help));
    }
    let name = |index: usize| format!("fp_pair_{index}");
    let columns: Vec<Expr> =
        (0..left.len()).map(|index| Expr::Identifier(Ident::new(name(index)))).collect();
    let alias = TableAlias {
        explicit: true,
        name: Ident::new("fp_pairs"),
        columns: (0..left.len()).map(|i| TableAliasColumnDef::from_name(name(i))).collect(),
        at: None,
    };
    let from = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(subquery.clone()),
        alias: Some(alias),
        sample: None,
    };
    let mut exists = parse::query("select 1")?.query;
    if let SetExpr::Select(select) = exists.body.as_mut() {
        let select: &mut Select = select;
        select.projection = vec![SelectItem::UnnamedExpr(number(1))];
        select.from = vec![TableWithJoins { relation: from, joins: Vec::new() }];
        select.selection = Some(equal(scene, node, left, &columns)?);
    }
    Ok(Some(Expr::Exists { subquery: exists, negated: false }))
}

fn subquery_of(expr: &Expr) -> Option<Box<Query>> {
    match expr {
        Expr::Subquery(query) => Some(query.clone()),
        Expr::Nested(inner) => subquery_of(inner),
        _ => None,
    }
}

/// `like any` and `like all` of patterns that are written out.
pub(crate) fn like_any(expr: &Expr) -> Option<Expr> {
    let (Expr::Like { negated, any: true, expr: value, pattern, escape_char }
    | Expr::ILike { negated, any: true, expr: value, pattern, escape_char }) = expr
    else {
        return None;
    };
    let items = match pattern.as_ref() {
        Expr::Tuple(items) => items.clone(),
        Expr::Array(array) => array.elem.clone(),
        Expr::Nested(inner) if as_text(inner).is_some() => vec![inner.as_ref().clone()],
        Expr::Nested(inner) => match inner.as_ref() {
            Expr::Array(array) => array.elem.clone(),
            _ => return None,
        },
        _ => return None,
    };
    let one = |item: Expr| {
        let (value, pattern) = (value.clone(), Box::new(item));
        let (any, negated, escape_char) = (false, *negated, escape_char.clone());
        match expr {
            Expr::ILike { .. } => Expr::ILike { negated, any, expr: value, pattern, escape_char },
            _ => Expr::Like { negated, any, expr: value, pattern, escape_char },
        }
    };
    items.into_iter().map(one).reduce(|all, one| binary(all, BinaryOperator::Or, one))
}
