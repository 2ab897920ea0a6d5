//! Columns that are not named one by one: `columns(…)`, `* rename`, `* like`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, JoinConstraint, Query,
    RenameSelectItem, Select, SelectItem, Visit, VisitMut, Visitor, VisitorMut,
    WildcardAdditionalOptions,
};
use regex::Regex;

use super::dialect::Dialect;
use super::joins::{constraint, excluded_names};
use super::probe::columns_of_all;
use super::tree::{as_text, folded, last_part, quoted};
use super::walk::{Scene, refused};
use crate::error::QueryError;

/// Spells the items out that need the names of columns.
pub(crate) fn rewrite(scene: &Scene<'_>, select: &mut Select) -> Result<(), QueryError> {
    let merged = select.from.iter().any(|table| {
        let using = |constraint: &JoinConstraint| {
            matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
        };
        table.joins.iter().any(|join| constraint(&join.join_operator).is_some_and(using))
    });
    let needs = |item: &SelectItem| match item {
        SelectItem::Wildcard(options) => {
            let chosen = options.opt_exclude.is_some()
                || options.opt_except.is_some()
                || options.opt_replace.is_some();
            options.opt_rename.is_some() || options.opt_ilike.is_some() || (merged && chosen)
        }
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            scene.dialect == Dialect::Duckdb && has_columns(expr)
        }
        _ => false,
    };
    if !select.projection.iter().any(needs) {
        return Ok(());
    }
    let names = columns_of_all(scene, &select.from)?;
    let mut projection = Vec::new();
    for item in std::mem::take(&mut select.projection) {
        if !needs(&item) {
            projection.push(item);
            continue;
        }
        let Some(names) = &names else {
            let message = "the columns of \"from\" are not known here";
            return Err(refused(scene, &item, message, "Name the columns."));
        };
        let twice = names.iter().enumerate().find(|(at, name)| names[..*at].contains(*name));
        if let Some((_, name)) = twice {
            let message = format!("\"{name}\" comes from two tables");
            let help = "Name the columns, or join with \"using\".";
            return Err(refused(scene, &item, message, help));
        }
        match &item {
            SelectItem::Wildcard(options) => {
                wildcard(scene, &item, options, names, &mut projection)?
            }
            _ => repeated(scene, &item, names, &mut projection)?,
        }
    }
    select.projection = projection;
    Ok(())
}

fn column(name: &str) -> Expr {
    Expr::Identifier(quoted(name))
}

fn kept<'a>(names: &'a [String], options: &WildcardAdditionalOptions) -> Vec<&'a String> {
    let excluded = excluded_names(options);
    names.iter().filter(|name| !excluded.contains(name)).collect()
}

fn wildcard(
    scene: &Scene<'_>,
    item: &SelectItem,
    options: &WildcardAdditionalOptions,
    names: &[String],
    projection: &mut Vec<SelectItem>,
) -> Result<(), QueryError> {
    if options.opt_ilike.is_some() {
        return Err(refused(scene, item, "\"* ilike\" is not run", "Write columns('pattern')."));
    }
    let renamed: Vec<(String, Ident)> = match &options.opt_rename {
        Some(RenameSelectItem::Single(one)) => vec![(folded(&one.ident), one.alias.clone())],
        Some(RenameSelectItem::Multiple(all)) => {
            all.iter().map(|one| (folded(&one.ident), one.alias.clone())).collect()
        }
        None => Vec::new(),
    };
    for name in kept(names, options) {
        let replaced = options.opt_replace.as_ref().and_then(|replace| {
            replace.items.iter().find(|item| folded(&item.column_name) == *name)
        });
        let alias = renamed.iter().find(|(from, _)| from == name).map(|(_, to)| to.clone());
        projection.push(match (replaced, alias) {
            (Some(replaced), alias) => SelectItem::ExprWithAlias {
                expr: replaced.expr.clone(),
                alias: alias.unwrap_or_else(|| quoted(name)),
            },
            (None, Some(alias)) => SelectItem::ExprWithAlias { expr: column(name), alias },
            (None, None) => SelectItem::UnnamedExpr(column(name)),
        });
    }
    Ok(())
}

/// The item once for each column that `columns(…)` in it stands for.
fn repeated(
    scene: &Scene<'_>,
    item: &SelectItem,
    names: &[String],
    projection: &mut Vec<SelectItem>,
) -> Result<(), QueryError> {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
        return Ok(());
    };
    let mut find = Find(None);
    let _ = expr.visit(&mut find);
    let Some(function) = find.0 else { return Ok(()) };
    let chosen = chosen(scene, expr, &function, names)?;
    if let (SelectItem::ExprWithAlias { .. }, 2..) = (item, chosen.len()) {
        let message = "one alias for several columns is not run";
        return Err(refused(scene, expr, message, "Leave the alias out."));
    }
    for name in chosen {
        let mut each = item.clone();
        let _ = VisitMut::visit(&mut each, &mut Replace(name));
        projection.push(match each {
            SelectItem::UnnamedExpr(expr) => {
                SelectItem::ExprWithAlias { expr, alias: quoted(name) }
            }
            other => other,
        });
    }
    Ok(())
}

fn chosen<'a>(
    scene: &Scene<'_>,
    node: &Expr,
    function: &Function,
    names: &'a [String],
) -> Result<Vec<&'a String>, QueryError> {
    let all = || names.iter().collect();
    let FunctionArguments::List(list) = &function.args else { return Ok(all()) };
    let project = |message: String, help: &str| {
        let mut error = QueryError::project(message).help(help);
        error.span = super::parse::range_of(scene.sql, node);
        error
    };
    match list.args.as_slice() {
        [] | [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] => Ok(all()),
        [FunctionArg::Unnamed(FunctionArgExpr::WildcardWithOptions(options))]
            if options.opt_replace.is_none() && options.opt_rename.is_none() =>
        {
            Ok(kept(names, options))
        }
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Array(wanted)))] => wanted
            .elem
            .iter()
            .map(|name| {
                let name = as_text(name).unwrap_or("");
                let found = names.iter().find(|known| known.eq_ignore_ascii_case(name));
                let missing =
                    || project(format!("column \"{name}\" does not exist"), "Check its spelling.");
                found.ok_or_else(missing)
            })
            .collect(),
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(pattern))] if as_text(pattern).is_some() => {
            let pattern = as_text(pattern).unwrap_or("");
            let regex = Regex::new(pattern).map_err(|error| {
                project(format!("\"{pattern}\": {error}"), "Check the pattern.")
            })?;
            let found: Vec<&String> = names.iter().filter(|name| regex.is_match(name)).collect();
            match found.is_empty() {
                true => Err(project(
                    format!("no column matches \"{pattern}\""),
                    "Look at the names with select * … limit 1.",
                )),
                false => Ok(found),
            }
        }
        _ => Err(refused(
            scene,
            node,
            "\"columns\" of this is not run",
            "Write columns(*), columns(* exclude (…)), columns('pattern') or columns(['a', 'b']).",
        )),
    }
}

fn has_columns(expr: &Expr) -> bool {
    let mut find = Find(None);
    let _ = expr.visit(&mut find);
    find.0.is_some()
}

fn is_columns(function: &Function) -> bool {
    last_part(&function.name).map(folded).as_deref() == Some("columns")
}

struct Find(Option<Function>);

impl Visitor for Find {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        // Its own select list is looked at when the walk comes there.
        ControlFlow::Break(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && is_columns(function)
        {
            self.0 = Some(function.clone());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

struct Replace<'a>(&'a str);

impl VisitorMut for Replace<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if matches!(&*expr, Expr::Function(function) if is_columns(function)) {
            *expr = column(self.0);
        }
        ControlFlow::Continue(())
    }
}
