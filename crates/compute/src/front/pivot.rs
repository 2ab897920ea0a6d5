//! `pivot` and `unpivot` in `from`, as the grouping and the cross join that they are.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, ExprWithAlias, Function, GroupByExpr, Ident, Join, JoinConstraint,
    JoinOperator, NullInclusion, PivotValueSource, Query, Select, SelectItem, SetExpr, TableAlias,
    TableAliasColumnDef, TableFactor, TableWithJoins, Value, Visit, Visitor,
};

use super::dialect::Dialect;
use super::names::duckdb;
use super::parse;
use super::probe::columns_of;
use super::tree::{as_text, binary, folded, quoted, text};
use super::walk::{Scene, refused};
use crate::error::QueryError;

/// Replaces one of them by a subquery.
pub(crate) fn rewrite(scene: &Scene<'_>, factor: &mut TableFactor) -> Result<(), QueryError> {
    if scene.dialect != Dialect::Duckdb {
        return Ok(());
    }
    let node = factor.clone();
    let (query, alias) = match factor {
        TableFactor::Pivot {
            table,
            aggregate_functions,
            value_column,
            value_source,
            alias,
            ..
        } => {
            let (PivotValueSource::List(values), [key]) = (value_source, value_column.as_slice())
            else {
                let message = "\"pivot\" without the values, or over several columns, is not run";
                let help = "List the values: pivot (sum(x) for key in ('a', 'b')).";
                return Err(refused(scene, &node, message, help));
            };
            let columns = known(scene, table)?;
            (pivoted(&columns, table, aggregate_functions, key, values)?, alias.clone())
        }
        TableFactor::Unpivot { table, value, name, columns, null_inclusion, alias } => {
            let keep_nulls = matches!(null_inclusion, Some(NullInclusion::IncludeNulls));
            let all = known(scene, table)?;
            let Expr::Identifier(value) = value else {
                let message = "\"unpivot\" into several columns is not run";
                return Err(refused(scene, &node, message, "Unpivot one value at a time."));
            };
            (unpivoted(&all, table, value, name, columns, keep_nulls)?, alias.clone())
        }
        _ => return Ok(()),
    };
    *factor = TableFactor::Derived { lateral: false, subquery: query, alias, sample: None };
    Ok(())
}

fn known(scene: &Scene<'_>, table: &TableFactor) -> Result<Vec<String>, QueryError> {
    columns_of(scene, table)?.ok_or_else(|| {
        let message = "the columns to pivot are not known here";
        refused(scene, table, message, "Put the table into a common table expression first.")
    })
}

fn template(table: &TableFactor) -> Result<(Box<Query>, Select), QueryError> {
    let query = parse::query("select 1")?.query;
    let SetExpr::Select(select) = query.body.as_ref() else {
        return Err(QueryError::internal("a template is no select"));
    };
    let mut select = select.as_ref().clone();
    select.from = vec![TableWithJoins { relation: table.clone(), joins: Vec::new() }];
    select.projection = Vec::new();
    Ok((query, select))
}

fn finished(mut query: Box<Query>, select: Select) -> Box<Query> {
    *query.body = SetExpr::Select(Box::new(select));
    query
}

/// Names of columns inside an expression.
struct Used(BTreeSet<String>);

impl Visitor for Used {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) => self.0.extend([folded(name)]),
            Expr::CompoundIdentifier(parts) => self.0.extend(parts.last().map(folded)),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Rows are grouped by what is neither the key nor inside the aggregates.
fn pivoted(
    columns: &[String],
    table: &TableFactor,
    aggregates: &[ExprWithAlias],
    key: &Expr,
    values: &[ExprWithAlias],
) -> Result<Box<Query>, QueryError> {
    let mut used = Used(BTreeSet::new());
    let _ = key.visit(&mut used);
    for aggregate in aggregates {
        let _ = aggregate.expr.visit(&mut used);
    }
    let groups: Vec<Expr> = columns
        .iter()
        .filter(|column| !used.0.contains(*column))
        .map(|column| Expr::Identifier(quoted(column)))
        .collect();
    let (query, mut select) = template(table)?;
    select.projection.extend(groups.iter().cloned().map(SelectItem::UnnamedExpr));
    for value in values {
        for aggregate in aggregates {
            let Expr::Function(function) = &aggregate.expr else {
                return Err(QueryError::unsupported("\"pivot\" of no aggregate")
                    .help("Write an aggregate: pivot (sum(x) for …)."));
            };
            select.projection.push(SelectItem::ExprWithAlias {
                expr: Expr::Function(filtered(function, key, &value.expr)),
                alias: quoted(output(value, aggregate, aggregates.len())),
            });
        }
    }
    if !groups.is_empty() {
        select.group_by = GroupByExpr::Expressions(groups, Vec::new());
    }
    Ok(finished(query, select))
}

fn filtered(function: &Function, key: &Expr, value: &Expr) -> Function {
    let mut function = function.clone();
    let same = binary(key.clone(), BinaryOperator::Eq, value.clone());
    function.filter = Some(Box::new(match function.filter.take() {
        Some(own) => binary(*own, BinaryOperator::And, same),
        None => same,
    }));
    function
}

/// `paid`, or `paid_total` when the aggregate has a name or is one of several.
fn output(value: &ExprWithAlias, aggregate: &ExprWithAlias, aggregates: usize) -> String {
    let shown = match &value.alias {
        Some(alias) => alias.value.clone(),
        None => match (&value.expr, as_text(&value.expr)) {
            (_, Some(text)) => text.to_owned(),
            (Expr::Value(plain), _) if matches!(plain.value, Value::Null) => "NULL".to_owned(),
            (other, _) => other.to_string(),
        },
    };
    match &aggregate.alias {
        Some(alias) => format!("{shown}_{}", alias.value),
        None if aggregates > 1 => format!("{shown}_{}", duckdb(&aggregate.expr)),
        None => shown,
    }
}

/// Each row once for each of the columns, beside their names.
fn unpivoted(
    all: &[String],
    table: &TableFactor,
    value: &Ident,
    name: &Ident,
    columns: &[ExprWithAlias],
    keep_nulls: bool,
) -> Result<Box<Query>, QueryError> {
    let mut used = Used(BTreeSet::new());
    let mut words = Vec::new();
    for column in columns {
        let _ = column.expr.visit(&mut used);
        words.push(match &column.alias {
            Some(alias) => alias.value.clone(),
            None => match &column.expr {
                Expr::Identifier(name) => folded(name),
                other => other.to_string(),
            },
        });
    }
    let (query, mut select) = template(table)?;
    let (names, word) = word_table(&words)?;
    if let Some(from) = select.from.first_mut() {
        let join_operator = JoinOperator::CrossJoin(JoinConstraint::None);
        from.joins.push(Join { relation: names, global: false, join_operator });
    }
    let pick = super::functions::case_of(
        words
            .iter()
            .zip(columns)
            .map(|(word_text, column)| {
                let same = binary(word.clone(), BinaryOperator::Eq, text(word_text.clone()));
                (same, column.expr.clone())
            })
            .collect(),
    );
    let rest = all.iter().filter(|column| !used.0.contains(*column));
    select.projection.extend(rest.map(|c| SelectItem::UnnamedExpr(Expr::Identifier(quoted(c)))));
    select.projection.push(SelectItem::ExprWithAlias { expr: word, alias: name.clone() });
    if !keep_nulls {
        select.selection = Some(Expr::IsNotNull(Box::new(Expr::Nested(Box::new(pick.clone())))));
    }
    select.projection.push(SelectItem::ExprWithAlias { expr: pick, alias: value.clone() });
    Ok(finished(query, select))
}

/// The words as a table of one column, and that column.
fn word_table(words: &[String]) -> Result<(TableFactor, Expr), QueryError> {
    let rows: Vec<String> = words.iter().map(|word| format!("({})", text(word.clone()))).collect();
    let subquery = parse::query(&format!("values {}", rows.join(", ")))?.query;
    let alias = TableAlias {
        explicit: true,
        name: Ident::new("fp_words"),
        columns: vec![TableAliasColumnDef::from_name("fp_word")],
        at: None,
    };
    let factor =
        TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None };
    let column = Expr::CompoundIdentifier(vec![Ident::new("fp_words"), Ident::new("fp_word")]);
    Ok((factor, column))
}
