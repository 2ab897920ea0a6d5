//! What a function's name means in each dialect.
//!
//! A call is renamed or spelled out by a template, passed on when DataFusion's function of that
//! name was compared with the home's (`passthrough.txt`), and refused otherwise.

mod aggregates;
mod choice;
mod coding;
mod formats;
mod json;
pub(crate) mod kernel;
mod lists;
mod numbers;
pub(crate) mod patterns;
mod printing;
mod regular;
mod show;
mod special;
mod templates;
mod texts;
mod times;
mod units;

use std::sync::{Arc, LazyLock};

use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments,
    OrderByExpr, WindowType,
};

use super::FrontOptions;
use super::dialect::Dialect;
use super::parse::range_of;
use super::time;
use super::tree::{as_text, call, folded, number, plain_arguments};
use super::walk::{Scene, refused};
use crate::error::QueryError;

pub(crate) use special::{case_of, is_interval, is_json, json_wildcard};
pub(crate) use units::date_part;

/// Puts our functions into a session.
pub(crate) fn register(context: &SessionContext, dialect: Dialect, _options: &FrontOptions) {
    for function in ALL.iter() {
        context.register_udf(function.as_ref().clone());
    }
    aggregates::register(context, dialect);
}

/// Made once for all sessions.
static ALL: LazyLock<Vec<Arc<ScalarUDF>>> =
    LazyLock::new(|| kernels().into_iter().map(Arc::new).collect());

fn kernels() -> Vec<ScalarUDF> {
    let topics = [
        numbers::all(),
        choice::all(),
        coding::all(),
        json::all(),
        lists::all(),
        printing::all(),
        regular::all(),
        show::all(),
        texts::all(),
        times::all(),
    ];
    topics.into_iter().flatten().collect()
}

/// One of our functions, for plans that are built by hand.
pub(crate) fn kernel(name: &str) -> Option<Arc<ScalarUDF>> {
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
    if let Some(done) = special::rewrite(scene, expr, function, &name)? {
        *expr = done;
        return Ok(());
    }
    if let Some(done) = templates::expand(scene, expr, function, &name)? {
        *expr = done;
        guard_cast(scene, expr);
        return Ok(());
    }
    if templates::passes(scene.dialect, &name) {
        guard_cast(scene, expr);
        return Ok(());
    }
    Err(unknown(scene, expr, &name))
}

/// A cast does not show in an aggregate's name, so `sum(x)` and `sum(x::double)` would be one.
fn guard_cast(scene: &Scene<'_>, expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    let FunctionArguments::List(list) = &mut function.args else { return };
    if scene.known.guarded
        && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) = list.args.first_mut()
        && matches!(first, Expr::Cast { .. })
    {
        *first = call("fp_same", vec![first.clone()]);
    }
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
            // DataFusion passes over the order inside a call in a window.
            FunctionArgumentClause::OrderBy(_) if function.over.is_some() => "order by",
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
            && !matches!(name, "struct_pack" | "make_interval" | "struct_insert")
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

/// `substring(a from b for c)` is the call that it looks like.
pub(crate) fn text_forms(scene: &Scene<'_>, expr: &mut Expr) -> Result<(), QueryError> {
    let Expr::Substring { expr: value, substring_from, substring_for, .. } = &*expr else {
        return Ok(());
    };
    let mut arguments = vec![(**value).clone()];
    arguments.push(substring_from.as_ref().map_or_else(|| number(1), |from| (**from).clone()));
    arguments.extend(substring_for.as_ref().map(|length| (**length).clone()));
    let pattern = arguments.get(1).is_some_and(|from| as_text(from).is_some());
    if pattern && arguments.len() == 2 {
        *expr = call("fp_regexp_part", arguments);
        return Ok(());
    }
    if pattern {
        return Err(refused(
            scene,
            expr,
            "\"substring(… from pattern for escape)\" is not run",
            "Use regexp_match or regexp_extract.",
        ));
    }
    *expr = call("substring", arguments);
    rewrite(scene, expr)
}
