//! `like`, `similar to` and regular expressions as operators.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

use super::super::dialect::Dialect;
use super::super::operators::like_any;
use super::super::tree::{as_text, binary, call, text};
use super::super::walk::{Scene, refused};
use crate::error::QueryError;

/// Rewrites one of them.
pub(crate) fn rewrite(scene: &Scene<'_>, expr: &mut Expr) -> Result<(), QueryError> {
    let node = expr.clone();
    match expr {
        Expr::SimilarTo { negated, expr: value, pattern, escape_char } => {
            if escape_char.is_some() {
                return Err(refused(
                    scene,
                    &node,
                    "\"similar to … escape\" is not run",
                    "Use a regular expression.",
                ));
            }
            let arguments = vec![(**value).clone(), (**pattern).clone()];
            let found = match scene.dialect {
                // DuckDB reads a regular expression here.
                Dialect::Duckdb => {
                    let mut all = arguments;
                    all.push(text(""));
                    call("fp_regexp_matches_whole", all)
                }
                Dialect::Postgres | Dialect::Snowflake | Dialect::Bigquery => {
                    call("fp_similar", arguments)
                }
            };
            *expr = match negated {
                true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(found) },
                false => found,
            };
            Ok(())
        }
        Expr::RLike { .. } => {
            Err(refused(scene, &node, "\"rlike\" is not run", "Use regexp_like(text, pattern)."))
        }
        Expr::Like { any, pattern, escape_char, .. }
        | Expr::ILike { any, pattern, escape_char, .. } => {
            if *any {
                let message = "\"like any\" of computed patterns is not run";
                let help = "Write the patterns out: like any (array['a%', 'b%']).";
                let Some(mut spelled) = like_any(&node) else {
                    return Err(refused(scene, &node, message, help));
                };
                each_like(scene, &mut spelled)?;
                *expr = spelled;
                return Ok(());
            }
            if escape_char.is_some() {
                return like_escape(scene, &node, pattern, escape_char);
            }
            // DataFusion and PostgreSQL escape with a backslash, DuckDB with nothing.
            if scene.dialect == Dialect::Duckdb {
                match as_text(pattern).map(str::to_owned) {
                    Some(plain) if plain.contains('\\') => {
                        **pattern = text(plain.replace('\\', "\\\\"));
                    }
                    Some(_) => {}
                    None => {
                        let inner = (**pattern).clone();
                        **pattern = call("replace", vec![inner, text("\\"), text("\\\\")]);
                    }
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The patterns of a chain of `or`.
fn each_like(scene: &Scene<'_>, expr: &mut Expr) -> Result<(), QueryError> {
    match expr {
        Expr::Nested(inner) => each_like(scene, inner),
        Expr::BinaryOp { left, right, .. } => {
            each_like(scene, left)?;
            each_like(scene, right)
        }
        other => rewrite(scene, other),
    }
}

/// An escape character of one's own becomes a backslash.
fn like_escape(
    scene: &Scene<'_>,
    node: &Expr,
    pattern: &mut Box<Expr>,
    escape: &mut Option<datafusion::sql::sqlparser::ast::ValueWithSpan>,
) -> Result<(), QueryError> {
    let own = escape.as_ref().and_then(|value| value.value.clone().into_string());
    let mut chars = own.as_deref().unwrap_or("").chars();
    let (Some(plain), Some(mark), None) = (as_text(pattern), chars.next(), chars.next()) else {
        return Err(refused(
            scene,
            node,
            "\"like … escape\" with a computed pattern is not run",
            "Write the pattern as a literal.",
        ));
    };
    let mut out = String::new();
    let mut rest = plain.chars();
    while let Some(ch) = rest.next() {
        if ch == mark {
            out.push('\\');
            out.extend(rest.next());
        } else if ch == '\\' {
            out.push_str("\\\\");
        } else {
            out.push(ch);
        }
    }
    **pattern = text(out);
    *escape = None;
    Ok(())
}

/// `between` and `in` become comparisons, whose types are settled one by one.
pub(crate) fn ranges(expr: &mut Expr) {
    let (negated, found) = match &*expr {
        Expr::Between { expr: value, negated, low, high } => {
            let value = || value.as_ref().clone();
            let least = binary(value(), BinaryOperator::GtEq, low.as_ref().clone());
            let most = binary(value(), BinaryOperator::LtEq, high.as_ref().clone());
            (*negated, binary(least, BinaryOperator::And, most))
        }
        Expr::InList { expr: value, list, negated } if list.iter().any(has_point) => {
            let equals = list
                .iter()
                .map(|item| binary(value.as_ref().clone(), BinaryOperator::Eq, item.clone()));
            match equals.reduce(|all, one| binary(all, BinaryOperator::Or, one)) {
                Some(found) => (*negated, found),
                None => return,
            }
        }
        _ => return,
    };
    *expr = match negated {
        true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(found) },
        false => found,
    };
}

/// Whether it is a number literal with a point: a decimal, or a double beside doubles.
pub(crate) fn has_point(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => {
            matches!(&value.value, Value::Number(digits, _) if digits.contains('.'))
        }
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => has_point(expr),
        _ => false,
    }
}
