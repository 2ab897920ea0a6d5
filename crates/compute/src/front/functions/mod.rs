//! What a function's name means in each dialect.
//!
//! A call is renamed or spelled out by a template, passed on when DataFusion's function of that
//! name was compared with the home's (`passthrough.txt`), and refused otherwise.

mod aggregates;
mod choice;
mod formats;
pub(crate) mod kernel;
mod numbers;
pub(crate) mod patterns;
mod templates;
mod texts;
mod times;

use std::sync::{Arc, LazyLock};

use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgumentClause, FunctionArguments, OrderByExpr, WindowType,
};

use super::FrontOptions;
use super::dialect::Dialect;
use super::parse::range_of;
use super::time;
use super::tree::{as_text, call, folded, number, plain_arguments, text};
use super::walk::{Scene, refused};
use crate::error::QueryError;

/// Puts our functions into a session.
pub(crate) fn register(context: &SessionContext, dialect: Dialect, _options: &FrontOptions) {
    for function in kernels() {
        context.register_udf(function);
    }
    aggregates::register(context, dialect);
}

fn kernels() -> Vec<ScalarUDF> {
    let mut all = numbers::all();
    all.extend(choice::all());
    all.extend(texts::all());
    all.extend(times::all());
    all
}

/// One of our functions, for plans that are built by hand.
pub(crate) fn kernel(name: &str) -> Option<Arc<ScalarUDF>> {
    static ALL: LazyLock<Vec<Arc<ScalarUDF>>> =
        LazyLock::new(|| kernels().into_iter().map(Arc::new).collect());
    ALL.iter().find(|function| function.name() == name).map(Arc::clone)
}

/// Before the children are seen: nothing depends on it but the order of nulls.
pub(crate) fn before(scene: &Scene<'_>, expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    if let FunctionArguments::List(list) = &mut function.args {
        for clause in &mut list.clauses {
            if let FunctionArgumentClause::OrderBy(items) = clause {
                place_nulls(scene.dialect, items);
            }
        }
    }
    place_nulls(scene.dialect, &mut function.within_group);
    if let Some(WindowType::WindowSpec(window)) = &mut function.over {
        place_nulls(scene.dialect, &mut window.order_by);
    }
}

/// Where nulls go when nothing is said.
pub(crate) fn place_nulls(dialect: Dialect, items: &mut [OrderByExpr]) {
    for item in items {
        let ascending = item.options.asc.unwrap_or(true);
        item.options.nulls_first.get_or_insert(match dialect {
            Dialect::Duckdb => false,
            Dialect::Postgres | Dialect::Snowflake => !ascending,
            Dialect::Bigquery => ascending,
        });
    }
}

/// Rewrites a call.
pub(crate) fn rewrite(scene: &Scene<'_>, expr: &mut Expr) -> Result<(), QueryError> {
    let Expr::Function(function) = &*expr else { return Ok(()) };
    let name = match function.name.0.as_slice() {
        [only] => only.as_ident().map(folded),
        [schema, only] if schema.as_ident().is_some_and(|s| folded(s) == "pg_catalog") => {
            only.as_ident().map(folded)
        }
        _ => None,
    };
    let Some(name) = name else {
        let message = format!("function \"{}\" is not known", function.name);
        return Err(refused(scene, expr, message, "Functions have no schema here."));
    };
    if name.starts_with("fp_") {
        let own = function
            .name
            .0
            .iter()
            .all(|part| part.as_ident().is_some_and(|ident| ident.span.start.line == 0));
        if own {
            return Ok(());
        }
        return Err(unknown(scene, expr, &name));
    }
    check_clauses(scene, expr, function, &name)?;
    if let Some(moment) = time::clock(scene, &name)
        && plain_arguments(function).is_some_and(|arguments| arguments.is_empty())
    {
        *expr = moment;
        return Ok(());
    }
    if let Some(done) = special(scene, expr, function, &name)? {
        *expr = done;
        return Ok(());
    }
    if let Some(done) = templates::expand(scene, expr, function, &name)? {
        *expr = done;
        return Ok(());
    }
    if templates::passes(scene.dialect, &name) {
        return Ok(());
    }
    Err(unknown(scene, expr, &name))
}

fn unknown(scene: &Scene<'_>, node: &Expr, name: &str) -> QueryError {
    let replacement = templates::replacement(name);
    if replacement.is_none() && !templates::known_at_home(name) {
        let mut error = QueryError::project(format!("function \"{name}\" is not known"))
            .help("Check its spelling.");
        error.span = range_of(scene.sql, node);
        return error;
    }
    let help =
        replacement.unwrap_or_else(|| "Spell it out with functions that are run here.".to_owned());
    refused(
        scene,
        node,
        format!("function \"{name}\" is not run in dialect \"{}\"", scene.dialect),
        help,
    )
}

/// Clauses inside the brackets that DataFusion passes over.
fn check_clauses(
    scene: &Scene<'_>,
    node: &Expr,
    function: &Function,
    name: &str,
) -> Result<(), QueryError> {
    let FunctionArguments::List(list) = &function.args else { return Ok(()) };
    for clause in &list.clauses {
        let refusal = match clause {
            FunctionArgumentClause::OrderBy(_)
            | FunctionArgumentClause::IgnoreOrRespectNulls(_) => continue,
            FunctionArgumentClause::Limit(_) => "limit",
            FunctionArgumentClause::OnOverflow(_) => "on overflow",
            FunctionArgumentClause::Having(_) => "having",
            FunctionArgumentClause::Separator(_) => "separator",
            FunctionArgumentClause::JsonNullClause(_)
            | FunctionArgumentClause::JsonReturningClause(_) => "json clauses",
        };
        return Err(refused(
            scene,
            node,
            format!("\"{refusal}\" inside \"{name}(…)\" is not run"),
            "Leave it out, or sort and filter in a common table expression first.",
        ));
    }
    for argument in &list.args {
        if let FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } = argument
            && name != "struct_pack"
        {
            return Err(refused(
                scene,
                node,
                format!("named arguments of \"{name}\" are not run"),
                "Give the arguments by position.",
            ));
        }
    }
    Ok(())
}

/// Calls whose rewrite depends on their arguments' text.
fn special(
    scene: &Scene<'_>,
    node: &Expr,
    function: &Function,
    name: &str,
) -> Result<Option<Expr>, QueryError> {
    let Some(arguments) = plain_arguments(function) else { return Ok(None) };
    let own = |index: usize| arguments.get(index).map(|argument| (*argument).clone());
    let duckdb = scene.dialect == Dialect::Duckdb;
    let postgres = scene.dialect == Dialect::Postgres;
    let literals = arguments
        .iter()
        .filter(|argument| as_text(argument).is_some() || patterns::has_point(argument))
        .count();
    Ok(match (name, arguments.len()) {
        ("coalesce", count) if literals > 0 && literals < count => {
            Some(call("fp_coalesce", arguments.into_iter().cloned().collect()))
        }
        ("date_part" | "datepart", 2) => {
            let Some(unit) = own(0).as_ref().and_then(as_text).map(str::to_ascii_lowercase) else {
                return Err(refused(
                    scene,
                    node,
                    "\"date_part\" of a computed unit is not run",
                    "Write the unit as a literal: date_part('day', x).",
                ));
            };
            own(1).map(|value| date_part(scene.dialect, &unit, value, false))
        }
        ("fp_date_part", 2) => None,
        ("date_diff" | "datediff", 3) if !postgres => {
            unit_call(scene, node, "fp_date_diff", &arguments)?
        }
        ("date_sub" | "datesub", 3) if duckdb => unit_call(scene, node, "fp_date_sub", &arguments)?,
        ("dateadd" | "date_add" | "timestampadd", 3) if !postgres => {
            let unit = unit_name(&arguments).ok_or_else(|| unit_refusal(scene, node, name))?;
            let one = Expr::Interval(datafusion::sql::sqlparser::ast::Interval {
                value: Box::new(text(format!("1 {unit}"))),
                leading_field: None,
                leading_precision: None,
                last_field: None,
                fractional_seconds_precision: None,
            });
            match (own(1), own(2)) {
                (Some(count), Some(start)) => Some(super::tree::binary(
                    start,
                    datafusion::sql::sqlparser::ast::BinaryOperator::Plus,
                    time::times(count, one),
                )),
                _ => None,
            }
        }
        ("date_trunc" | "datetrunc", 2) => {
            let unit = own(0).as_ref().and_then(as_text).map(str::to_ascii_lowercase);
            match (unit, own(1)) {
                (Some(unit), Some(value)) => {
                    let unit = unit.trim_end_matches('s').to_owned();
                    Some(call("date_trunc", vec![text(unit), value]))
                }
                _ => return Err(unit_refusal(scene, node, name)),
            }
        }
        ("extract", 2) => None,
        ("round", 1 | 2) if postgres || duckdb => {
            let mut all = vec![text(scene.dialect.name())];
            all.extend(arguments.iter().map(|argument| (*argument).clone()));
            if arguments.len() == 1 {
                all.push(number(0));
            }
            Some(call("fp_round", all))
        }
        _ => None,
    })
}

/// A part of a date, in the type its home gives it.
pub(crate) fn date_part(dialect: Dialect, unit: &str, value: Expr, extract: bool) -> Expr {
    use super::type_names::{cast, double};
    use datafusion::sql::sqlparser::ast::{DataType, ExactNumberInfo};
    let whole = !matches!(
        (unit, dialect),
        ("epoch" | "julian", _)
            | ("second" | "seconds" | "milliseconds" | "millisecond", Dialect::Postgres)
    );
    // DataFusion's own is fast and prunes; ours knows the other parts.
    let plain = matches!(unit, "year" | "quarter" | "month" | "day" | "doy" | "hour" | "minute");
    let value = match whole {
        true if plain => cast(call("date_part", vec![text(unit), value]), DataType::BigInt(None)),
        true => call("fp_date_part", vec![text(unit), value]),
        false => call("fp_date_part_fraction", vec![text(unit), value]),
    };
    match (dialect, extract, whole) {
        (Dialect::Postgres, true, true) => {
            cast(value, DataType::Decimal(ExactNumberInfo::PrecisionAndScale(20, 0)))
        }
        (Dialect::Postgres, true, false) => {
            cast(value, DataType::Decimal(ExactNumberInfo::PrecisionAndScale(20, 6)))
        }
        (Dialect::Postgres, false, true) => cast(value, double()),
        _ => value,
    }
}

fn unit_name(arguments: &[&Expr]) -> Option<String> {
    let unit = match arguments.first()? {
        Expr::Identifier(name) => folded(name),
        other => as_text(other)?.to_ascii_lowercase(),
    };
    let unit = unit.trim_end_matches('s').to_owned();
    const UNITS: [&str; 11] = [
        "year",
        "quarter",
        "month",
        "week",
        "day",
        "hour",
        "minute",
        "second",
        "millisecond",
        "microsecond",
        "decade",
    ];
    UNITS.contains(&unit.as_str()).then_some(unit)
}

fn unit_refusal(scene: &Scene<'_>, node: &Expr, name: &str) -> QueryError {
    refused(
        scene,
        node,
        format!("the unit of \"{name}\" is not known"),
        "Write it as a literal: year, quarter, month, week, day, hour, minute or second.",
    )
}

fn unit_call(
    scene: &Scene<'_>,
    node: &Expr,
    name: &str,
    arguments: &[&Expr],
) -> Result<Option<Expr>, QueryError> {
    let unit = unit_name(arguments).ok_or_else(|| unit_refusal(scene, node, name))?;
    let mut all = vec![text(unit)];
    all.extend(arguments.iter().skip(1).map(|argument| (*argument).clone()));
    Ok(Some(call(name, all)))
}

/// `substring(a from b for c)` is the call that it looks like.
pub(crate) fn text_forms(scene: &Scene<'_>, expr: &mut Expr) -> Result<(), QueryError> {
    let Expr::Substring { expr: value, substring_from, substring_for, .. } = &*expr else {
        return Ok(());
    };
    let mut arguments = vec![(**value).clone()];
    arguments.push(substring_from.as_ref().map_or_else(|| number(1), |from| (**from).clone()));
    arguments.extend(substring_for.as_ref().map(|length| (**length).clone()));
    let pattern = arguments.get(1).is_some_and(|from| as_text(from).is_some());
    if pattern {
        return Err(refused(
            scene,
            expr,
            "\"substring(… from pattern)\" is not run",
            "Use regexp_match or regexp_extract.",
        ));
    }
    *expr = call("substring", arguments);
    rewrite(scene, expr)
}
