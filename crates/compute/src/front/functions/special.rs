//! Calls whose rewrite depends on how their arguments are written.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, CaseWhen, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, NullTreatment, ObjectNamePart, OrderByExpr,
    TimezoneInfo, Value,
};

use super::super::dialect::Dialect;
use super::super::tree::{as_text, binary, call, folded, last_part, number, plain_arguments, text};
use super::super::type_names;
use super::super::walk::{Scene, refused};
use super::{json, patterns, units};
use crate::error::QueryError;

/// Rewrites one of them; nothing when the call needs no look at its arguments.
pub(super) fn rewrite(
    scene: &Scene<'_>,
    node: &Expr,
    function: &Function,
    name: &str,
) -> Result<Option<Expr>, QueryError> {
    if let Some(done) = named_arguments(scene.dialect, function, name) {
        return Ok(Some(done));
    }
    if !function.within_group.is_empty() {
        return within_group(scene, node, function, name);
    }
    let Some(arguments) = plain_arguments(function) else { return Ok(None) };
    if let Some(done) = units::rewrite(scene, node, name, &arguments)? {
        return Ok(Some(done));
    }
    if let Some(done) = first_or_last(scene, node, function, name, &arguments)? {
        return Ok(Some(done));
    }
    if let Some(done) = nested(scene.dialect, name, &arguments) {
        return Ok(Some(done));
    }
    if let Some(done) = json_call(scene.dialect, name, &arguments) {
        return Ok(Some(done));
    }
    if let ("string_agg" | "listagg" | "group_concat", [_, separator]) =
        (name, arguments.as_slice())
        && matches!(separator, Expr::Value(value) if value.value == Value::Null)
    {
        let help = "Give the text that stands between the values: ','.";
        return Err(refused(scene, node, format!("\"{name}\" with null between the values"), help));
    }
    Ok(plain_call(scene, name, &arguments))
}

fn plain_call(scene: &Scene<'_>, name: &str, arguments: &[&Expr]) -> Option<Expr> {
    let duckdb = scene.dialect == Dialect::Duckdb;
    let postgres = scene.dialect == Dialect::Postgres;
    let all = || arguments.iter().map(|argument| (*argument).clone()).collect::<Vec<_>>();
    let literals = arguments
        .iter()
        .filter(|argument| as_text(argument).is_some() || patterns::has_point(argument))
        .count();
    Some(match (name, arguments) {
        ("coalesce", _) if literals > 0 && literals < arguments.len() => call("fp_coalesce", all()),
        ("round", [_] | [_, _]) if postgres || duckdb => {
            let mut given = vec![text(scene.dialect.name())];
            given.extend(all());
            if arguments.len() == 1 {
                given.push(number(0));
            }
            call("fp_round", given)
        }
        // DuckDB takes the format first as well.
        ("strftime", [format, value]) if duckdb && as_text(format).is_some() => {
            call("fp_strftime", vec![(*value).clone(), (*format).clone()])
        }
        ("typeof", [value]) if duckdb => match small_literal(value) {
            true => text("INTEGER"),
            false => call("fp_typeof", vec![(*value).clone(), text("duckdb")]),
        },
        ("pg_typeof", [value]) if postgres => match small_literal(value) {
            true => text("integer"),
            false => call("fp_typeof", vec![(*value).clone(), text("postgres")]),
        },
        ("generate_series" | "range", [from, to, step]) if is_interval(step) => {
            let moment = |value: &Expr| {
                let kind = DataType::Timestamp(Some(6), TimezoneInfo::None);
                type_names::cast(value.clone(), kind)
            };
            call(name, vec![moment(from), moment(to), (*step).clone()])
        }
        ("decode", [_, _, _, ..]) if scene.dialect == Dialect::Snowflake => decode(arguments),
        ("regexp_extract", [value, pattern, groups, ..]) if duckdb => {
            let groups = elements(groups)?;
            let fields = groups.iter().enumerate().flat_map(|(index, group)| {
                let pattern =
                    vec![(*value).clone(), (*pattern).clone(), number(index + 1), text("A")];
                [group.clone(), call("fp_regexp_extract", pattern)]
            });
            call("named_struct", fields.collect())
        }
        ("quantile_cont" | "quantile_disc" | "quantile", [value, shares]) if duckdb => {
            let shares = elements(shares)?;
            let one = |share: &Expr| quantile(name != "quantile_cont", value, share);
            call("make_array", shares.iter().map(one).collect())
        }
        _ => return None,
    })
}

/// Whether an expression is an interval by the way it is written.
pub(crate) fn is_interval(expr: &Expr) -> bool {
    match expr {
        Expr::Interval(_) => true,
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => is_interval(inner),
        Expr::Cast { data_type, .. } => matches!(data_type, DataType::Interval { .. }),
        Expr::TypedString(typed) => matches!(typed.data_type, DataType::Interval { .. }),
        Expr::BinaryOp { left, right, .. } => is_interval(left) || is_interval(right),
        Expr::Function(function) => last_part(&function.name)
            .map(folded)
            .is_some_and(|name| matches!(name.as_str(), "fp_interval_times" | "to_days")),
        _ => false,
    }
}

/// A whole number that its home reads as 32 bits.
fn small_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value)
        if matches!(&value.value, Value::Number(digits, _) if digits.parse::<i32>().is_ok()))
}

/// Snowflake's `decode(x, a, 1, b, 2, 3)`, in which null equals null.
fn decode(arguments: &[&Expr]) -> Expr {
    let Some((value, rest)) = arguments.split_first() else { return text("") };
    let (pairs, otherwise) = rest.split_at(rest.len() / 2 * 2);
    let same = |wanted: &Expr| {
        Expr::IsNotDistinctFrom(Box::new((*value).clone()), Box::new(wanted.clone()))
    };
    let pairs = pairs.chunks(2).filter_map(|pair| match pair {
        [wanted, result] => Some((same(wanted), (*result).clone())),
        _ => None,
    });
    case(pairs.collect(), otherwise.first().map(|other| (*other).clone()))
}

/// The elements of a list that is written out.
fn elements(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::Array(Array { elem, .. }) => Some(elem),
        _ => None,
    }
}

fn quantile(disc: bool, value: &Expr, share: &Expr) -> Expr {
    match disc {
        true => {
            let list = call("array_agg", vec![value.clone()]);
            call("fp_list_quantile_disc", vec![list, share.clone()])
        }
        false => {
            let value = type_names::cast(value.clone(), type_names::double());
            call("percentile_cont", vec![value, share.clone()])
        }
    }
}

/// `struct_pack(a := 1)` and `make_interval(days => 1)`.
fn named_arguments(dialect: Dialect, function: &Function, name: &str) -> Option<Expr> {
    if name == "make_interval" && dialect == Dialect::Postgres {
        return units::make_interval(function);
    }
    if name != "struct_pack" || dialect != Dialect::Duckdb {
        return None;
    }
    let FunctionArguments::List(list) = &function.args else { return None };
    let mut fields = Vec::new();
    for argument in &list.args {
        let (key, value) = match argument {
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => {
                (name.value.clone(), value)
            }
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => match value {
                Expr::Identifier(name) => (name.value.clone(), value),
                Expr::CompoundIdentifier(parts) => (parts.last()?.value.clone(), value),
                _ => return None,
            },
            _ => return None,
        };
        fields.extend([text(key), value.clone()]);
    }
    Some(call("named_struct", fields))
}

/// `percentile_cont(0.5) within group (order by x)` and its kin.
fn within_group(
    scene: &Scene<'_>,
    node: &Expr,
    function: &Function,
    name: &str,
) -> Result<Option<Expr>, QueryError> {
    let arguments = plain_arguments(function).unwrap_or_default();
    let [order] = function.within_group.as_slice() else { return Ok(None) };
    let descending = order.options.asc == Some(false);
    let share = |share: &Expr| match descending {
        true => binary(number(1), BinaryOperator::Minus, share.clone()),
        false => share.clone(),
    };
    let list = || call("array_agg", vec![order.expr.clone()]);
    let mut done = match (name, arguments.as_slice()) {
        ("percentile_cont", [at]) => quantile(false, &order.expr, &share(at)),
        ("percentile_disc", [at]) if !descending => quantile(true, &order.expr, at),
        ("mode", []) => call("fp_list_mode", vec![list()]),
        ("listagg" | "string_agg", [_, ..]) => {
            let mut plain = function.clone();
            plain.within_group = Vec::new();
            if let FunctionArguments::List(given) = &mut plain.args {
                given.clauses.push(FunctionArgumentClause::OrderBy(function.within_group.clone()));
            }
            let mut plain = Expr::Function(plain);
            super::rewrite(scene, &mut plain)?;
            return Ok(Some(plain));
        }
        _ => {
            let message = format!("\"{name}(…) within group (…)\" is not run");
            let help = "Use quantile_cont, percentile_cont or percentile_disc in ascending order.";
            return Err(refused(scene, node, message, help));
        }
    };
    super::templates::decorate(scene, node, &mut done, function, name)?;
    Ok(Some(done))
}

/// `first` and `last` need an order; in a window they and `any_value` are the window's own.
fn first_or_last(
    scene: &Scene<'_>,
    node: &Expr,
    function: &Function,
    name: &str,
    arguments: &[&Expr],
) -> Result<Option<Expr>, QueryError> {
    let ([value], Dialect::Duckdb) = (arguments, scene.dialect) else { return Ok(None) };
    let value = (*value).clone();
    let own = match name {
        "first" | "arbitrary" | "any_value" => "first_value",
        "last" => "last_value",
        _ => return Ok(None),
    };
    if function.over.is_some() {
        if function.filter.is_some() {
            return Ok(None);
        }
        let mut window = function.clone();
        if let Some(name) = window.name.0.first_mut() {
            *name = ObjectNamePart::Identifier(own.into());
        }
        if name == "any_value" {
            window.null_treatment = Some(NullTreatment::IgnoreNulls);
        }
        return Ok(Some(Expr::Function(window)));
    }
    let Some(order) = order_inside(function) else { return Ok(None) };
    if name == "any_value" {
        return Ok(None);
    }
    let mut done = call(own, vec![value]);
    super::templates::decorate(scene, node, &mut done, function, name)?;
    debug_assert!(!order.is_empty());
    Ok(Some(done))
}

fn order_inside(function: &Function) -> Option<&[OrderByExpr]> {
    let FunctionArguments::List(list) = &function.args else { return None };
    list.clauses.iter().find_map(|clause| match clause {
        FunctionArgumentClause::OrderBy(items) => Some(items.as_slice()),
        _ => None,
    })
}

/// Lists and structs.
fn nested(dialect: Dialect, name: &str, arguments: &[&Expr]) -> Option<Expr> {
    if dialect != Dialect::Duckdb {
        return None;
    }
    let all = || arguments.iter().map(|argument| (*argument).clone()).collect::<Vec<_>>();
    let lambda = matches!(arguments, [_, Expr::Lambda(_)]);
    Some(match (name, arguments) {
        ("list_transform" | "array_transform" | "list_apply" | "array_apply" | "apply", _)
            if lambda =>
        {
            call("array_transform", all())
        }
        ("list_filter" | "array_filter" | "filter", _) if lambda => call("array_filter", all()),
        ("list_sort" | "array_sort", [list, order]) => {
            let order = as_text(order)?.to_uppercase();
            call("array_sort", vec![(*list).clone(), text(order), text("NULLS LAST")])
        }
        ("list_aggregate" | "array_aggregate" | "list_aggr" | "array_aggr", [list, how]) => {
            let kernel = match as_text(how)?.to_ascii_lowercase().as_str() {
                "sum" => "fp_list_sum",
                "avg" | "mean" => "fp_list_avg",
                "min" => "fp_list_min",
                "max" => "fp_list_max",
                "count" => "fp_list_count",
                "median" => "fp_list_median",
                "mode" => "fp_list_mode",
                "first" => "fp_list_first",
                "last" => "fp_list_last",
                "any_value" => "fp_list_any_value",
                "product" => "fp_list_product",
                _ => return None,
            };
            call(kernel, vec![(*list).clone()])
        }
        _ => return None,
    })
}

/// Whether an expression is JSON by the way it is written: it must not be quoted again.
pub(crate) fn is_json(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_json(inner),
        Expr::BinaryOp { op: BinaryOperator::Arrow | BinaryOperator::HashArrow, .. } => true,
        Expr::Function(function) => last_part(&function.name).map(folded).is_some_and(|name| {
            matches!(
                name.as_str(),
                "fp_json"
                    | "fp_json_raw"
                    | "fp_to_json"
                    | "fp_to_json_raw"
                    | "fp_json_object"
                    | "fp_json_array"
                    | "fp_json_build_object"
                    | "fp_jsonb_build_object"
                    | "fp_json_build_array"
                    | "fp_json_agg"
                    | "fp_json_pairs"
                    | "fp_jsonb"
                    | "fp_as_json"
            )
        }),
        _ => false,
    }
}

/// `case when value is not null then result end`
fn unless_null(value: &Expr, result: Expr) -> Expr {
    let there = Expr::IsNotNull(Box::new(value.clone()));
    case(vec![(there, result)], None)
}

/// `case when condition then result … end`
pub(crate) fn case_of(pairs: Vec<(Expr, Expr)>) -> Expr {
    case(pairs, None)
}

fn case(pairs: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
    let conditions =
        pairs.into_iter().map(|(condition, result)| CaseWhen { condition, result }).collect();
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions,
        else_result: otherwise.map(Box::new),
    }
}

/// Whether a path that is written out leads to any number of values.
pub(crate) fn json_wildcard(path: &Expr) -> bool {
    as_text(path).is_some_and(json::has_wildcard)
}

/// A value on its way into JSON.
fn into_json(value: &Expr) -> Expr {
    let kernel = if is_json(value) { "fp_to_json_raw" } else { "fp_to_json" };
    call(kernel, vec![value.clone()])
}

fn json_call(dialect: Dialect, name: &str, arguments: &[&Expr]) -> Option<Expr> {
    let values = || arguments.iter().map(|value| into_json(value)).collect::<Vec<_>>();
    let pairs = || {
        let pair = |(index, value): (usize, &&Expr)| match index % 2 {
            0 => (*value).clone(),
            _ => into_json(value),
        };
        arguments.iter().enumerate().map(pair).collect::<Vec<_>>()
    };
    Some(match (dialect, name, arguments) {
        (
            Dialect::Duckdb,
            "json_extract" | "json_extract_string" | "json_extract_path",
            [json, path],
        ) => {
            let text = name == "json_extract_string";
            let one = if text { "fp_json_text" } else { "fp_json" };
            if let Some(paths) = elements(path) {
                let each = |path: &Expr| call(one, vec![(*json).clone(), path.clone()]);
                let all = call("make_array", paths.iter().map(each).collect());
                return Some(unless_null(json, all));
            }
            if !json_wildcard(path) {
                return None;
            }
            let all = if text { "fp_json_text_all" } else { "fp_json_all" };
            call(all, vec![(*json).clone(), (*path).clone()])
        }
        (Dialect::Duckdb, "json_object", _) => call("fp_json_object", pairs()),
        (Dialect::Duckdb, "json_array", _) => call("fp_json_array", values()),
        (Dialect::Duckdb | Dialect::Postgres, "to_json", [value]) => into_json(value),
        (Dialect::Duckdb, "json_quote", [value]) => into_json(value),
        (Dialect::Postgres, "json_build_object", _) => call("fp_json_build_object", pairs()),
        (Dialect::Postgres, "jsonb_build_object", _) => call("fp_jsonb_build_object", pairs()),
        (Dialect::Postgres, "json_build_array" | "jsonb_build_array", _) => {
            call("fp_json_build_array", values())
        }
        (
            Dialect::Postgres,
            "json_extract_path_text" | "jsonb_extract_path_text",
            [json, steps @ ..],
        ) => walk_path("fp_json_text", json, steps)?,
        (Dialect::Postgres, "json_extract_path" | "jsonb_extract_path", [json, steps @ ..]) => {
            walk_path("fp_json_raw", json, steps)?
        }
        _ => return None,
    })
}

/// One step after the other; the last decides what comes out.
fn walk_path(last: &str, json: &Expr, steps: &[&Expr]) -> Option<Expr> {
    let (end, before) = steps.split_last()?;
    let step = |step: &Expr| as_text(step).map(|name| text(format!("{{{name}}}")));
    let mut value = json.clone();
    for name in before {
        value = call("fp_json_raw", vec![value, step(name)?]);
    }
    Some(call(last, vec![value, step(end)?]))
}
