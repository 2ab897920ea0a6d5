//! Lists laid out beside the row they belong to: `from t, unnest(t.l) as u(x)`.
//!
//! DataFusion lays lists out in a select list only, so the table and its lists become a subquery of
//! the table's name, and `u.x` a column of it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart,
    OrderBy, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias,
    TableFactor, TableWithJoins, Visit, VisitMut, Visitor, VisitorMut,
};

use super::dialect::Dialect;
use super::parse;
use super::tree::{call, folded, last_part, parts};
use super::walk::Scene;
use crate::error::QueryError;

/// Rewrites the first list beside the first table, as long as there is one.
pub(crate) fn rewrite(
    scene: &Scene<'_>,
    select: &mut Select,
    mut order_by: Option<&mut OrderBy>,
) -> Result<(), QueryError> {
    while let Some(lists) = take(&mut select.from) {
        let Some(table) = select.from.first_mut() else { return Ok(()) };
        let columns = names(scene.dialect, &lists);
        let Some(name) = table_name(&table.relation) else { return Ok(()) };
        table.relation = beside(&table.relation, &name, &lists, &columns)?;
        let mut rename = Rename { table: name, lists: lists.alias.name, columns };
        let _ = VisitMut::visit(select, &mut rename);
        if let Some(order) = order_by.as_deref_mut() {
            let _ = VisitMut::visit(order, &mut rename);
        }
        stars(select, &rename);
    }
    Ok(())
}

struct Lists {
    alias: TableAlias,
    lists: Vec<Expr>,
}

fn unnest(factor: &TableFactor) -> Option<Lists> {
    let TableFactor::UNNEST {
        alias, array_exprs, with_offset: false, with_ordinality: false, ..
    } = factor
    else {
        return None;
    };
    let alias = alias.clone().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new("unnest"),
        columns: Vec::new(),
        at: None,
    });
    let names = array_exprs.iter().any(has_column);
    names.then(|| Lists { alias, lists: array_exprs.clone() })
}

fn has_column(expr: &Expr) -> bool {
    struct Find(bool);
    impl Visitor for Find {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.0 |= matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            ControlFlow::Continue(())
        }
    }
    let mut find = Find(false);
    let _ = Visit::visit(expr, &mut find);
    find.0
}

fn plain(join: &Join) -> bool {
    let truth = |constraint: &JoinConstraint| match constraint {
        JoinConstraint::None => true,
        JoinConstraint::On(condition) => condition.to_string().eq_ignore_ascii_case("true"),
        JoinConstraint::Using(_) | JoinConstraint::Natural => false,
    };
    match &join.join_operator {
        JoinOperator::CrossJoin(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Join(constraint) => truth(constraint),
        _ => false,
    }
}

/// Takes the lists that follow the first table, by a join or by a comma.
fn take(from: &mut Vec<TableWithJoins>) -> Option<Lists> {
    let first = from.first_mut()?;
    match first.joins.first() {
        Some(join) => {
            let lists = unnest(&join.relation).filter(|_| plain(join))?;
            first.joins.remove(0);
            Some(lists)
        }
        None => {
            let second = from.get(1).filter(|table| table.joins.is_empty())?;
            let lists = unnest(&second.relation)?;
            from.remove(1);
            Some(lists)
        }
    }
}

fn names(dialect: Dialect, lists: &Lists) -> Vec<Ident> {
    if !lists.alias.columns.is_empty() {
        return lists.alias.columns.iter().map(|column| column.name.clone()).collect();
    }
    match dialect {
        Dialect::Duckdb => vec![Ident::new("unnest")],
        Dialect::Postgres | Dialect::Snowflake | Dialect::Bigquery => {
            vec![lists.alias.name.clone()]
        }
    }
}

fn table_name(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Table { alias: Some(alias), args: None, .. }
        | TableFactor::Derived { alias: Some(alias), lateral: false, .. } => {
            Some(alias.name.clone())
        }
        TableFactor::Table { name, alias: None, args: None, .. } => last_part(name).cloned(),
        _ => None,
    }
}

fn beside(
    table: &TableFactor,
    name: &Ident,
    lists: &Lists,
    columns: &[Ident],
) -> Result<TableFactor, QueryError> {
    let mut subquery = parse::query("select * from t")?.query;
    if let SetExpr::Select(select) = subquery.body.as_mut() {
        select.from = vec![TableWithJoins { relation: table.clone(), joins: Vec::new() }];
        for (list, column) in lists.lists.iter().zip(columns) {
            select.projection.push(SelectItem::ExprWithAlias {
                expr: call("unnest", vec![list.clone()]),
                alias: column.clone(),
            });
        }
    }
    let (explicit, columns) = (true, Vec::new());
    let alias = Some(TableAlias { explicit, name: name.clone(), columns, at: None });
    Ok(TableFactor::Derived { lateral: false, subquery, alias, sample: None })
}

/// `u.x` and, where the alias is the column, `u`.
struct Rename {
    table: Ident,
    lists: Ident,
    columns: Vec<Ident>,
}

impl VisitorMut for Rename {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let Some(first) = parts.first_mut()
            && folded(first) == folded(&self.lists)
        {
            first.value.clone_from(&self.table.value);
            first.quote_style = self.table.quote_style;
        }
        ControlFlow::Continue(())
    }
}

/// `t.*` is without the lists' columns, `u.*` is those alone.
fn stars(select: &mut Select, rename: &Rename) {
    let mut projection = Vec::new();
    for mut item in std::mem::take(&mut select.projection) {
        let SelectItem::QualifiedWildcard(
            SelectItemQualifiedWildcardKind::ObjectName(name),
            options,
        ) = &mut item
        else {
            projection.push(item);
            continue;
        };
        let one = parts(name).filter(|parts| parts.len() == 1);
        match one.as_deref() {
            Some([only]) if folded(only) == folded(&rename.lists) => {
                for column in &rename.columns {
                    let place = vec![rename.table.clone(), column.clone()];
                    projection.push(SelectItem::UnnamedExpr(Expr::CompoundIdentifier(place)));
                }
            }
            Some([only])
                if folded(only) == folded(&rename.table) && options.opt_exclude.is_none() =>
            {
                let hidden =
                    |column: &Ident| ObjectName(vec![ObjectNamePart::Identifier(column.clone())]);
                let hidden = rename.columns.iter().map(hidden).collect();
                options.opt_exclude = Some(ExcludeSelectItem::Multiple(hidden));
                projection.push(item);
            }
            _ => projection.push(item),
        }
    }
    select.projection = projection;
}
