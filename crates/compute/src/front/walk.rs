//! One walk over the tree: each select first, then its expressions from the leaves up.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Fetch, Ident, LimitClause, OrderByExpr, OrderByKind, Query,
    Select, SelectItem, SetExpr, Subscript, TableAlias, TableAliasColumnDef, TableFactor, Value,
    Values, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::dialect::Dialect;
use super::parse::range_of;
use super::{
    FrontOptions, functions, joins, names, operators, refuse, sources, time, tree, type_names,
};
use crate::error::QueryError;

/// What a rewrite may look at.
pub(crate) struct Scene<'a> {
    pub(crate) sql: &'a str,
    pub(crate) dialect: Dialect,
    pub(crate) options: &'a FrontOptions,
}

/// Rewrites a whole query in place.
pub(crate) fn rewrite(
    sql: &str,
    dialect: Dialect,
    options: &FrontOptions,
    query: &mut Query,
) -> Result<(), QueryError> {
    let scene = Scene { sql, dialect, options };
    match query.visit(&mut Walk { scene, depth: 0 }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refused) => Err(*refused),
    }
}

struct Walk<'a> {
    scene: Scene<'a>,
    depth: usize,
}

/// Long chains of operators nest as deep as they are long, and the planner recurses.
const DEPTH_MAX: usize = 2_000;

fn flow(result: Result<(), QueryError>) -> ControlFlow<Box<QueryError>> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(refused) => ControlFlow::Break(Box::new(refused)),
    }
}

impl VisitorMut for Walk<'_> {
    type Break = Box<QueryError>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        flow(self.query(query))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        sources::rewrite(&self.scene, factor);
        flow(refuse::table_factor(&self.scene, factor))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return flow(Err(QueryError::project(format!(
                "an expression nests deeper than {DEPTH_MAX} levels (limit depth_max)"
            ))
            .help("Use \"in (…)\" for a long chain of \"or\".")));
        }
        functions::before(&self.scene, expr);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        self.depth -= 1;
        flow(self.expression(expr))
    }
}

impl Walk<'_> {
    fn query(&self, query: &mut Query) -> Result<(), QueryError> {
        refuse::query(&self.scene, query)?;
        if let Some(Fetch { quantity, .. }) = query.fetch.take() {
            let limit = quantity.unwrap_or_else(|| tree::number(1));
            match &mut query.limit_clause {
                Some(LimitClause::LimitOffset { limit: place @ None, .. }) => *place = Some(limit),
                None => {
                    query.limit_clause = Some(LimitClause::LimitOffset {
                        limit: Some(limit),
                        offset: None,
                        limit_by: Vec::new(),
                    });
                }
                Some(_) => {
                    return Err(QueryError::project("\"limit\" and \"fetch\" are both given"));
                }
            }
        }
        if let Some(with) = &mut query.with
            && with.recursive
        {
            for table in &mut with.cte_tables {
                names::carry_columns(&mut table.query, &table.alias);
            }
        }
        let mut order_by = query.order_by.as_mut();
        if let Some(order) = order_by.as_deref_mut()
            && let OrderByKind::All(options) = &order.kind
        {
            let width = plain_width(&query.body).ok_or_else(|| {
                QueryError::unsupported("\"order by all\" over \"*\"")
                    .help("Name the columns to order by.")
            })?;
            let options = *options;
            let items = (1..=width).map(|number| OrderByExpr {
                expr: tree::number(number),
                options,
                with_fill: None,
            });
            order.kind = OrderByKind::Expressions(items.collect());
        }
        if let Some(order) = order_by.as_deref_mut()
            && let OrderByKind::Expressions(items) = &mut order.kind
        {
            functions::place_nulls(self.scene.dialect, items);
        }
        if let SetExpr::Values(values) = query.body.as_ref()
            && self.scene.dialect == Dialect::Duckdb
            && !values.explicit_row
        {
            *query.body = named_values(values.clone())?;
            return Ok(());
        }
        match query.body.as_mut() {
            SetExpr::Select(select) => self.select(select, order_by),
            other => self.branches(other),
        }
    }

    fn branches(&self, body: &mut SetExpr) -> Result<(), QueryError> {
        match body {
            SetExpr::Select(select) => self.select(select, None),
            SetExpr::SetOperation { left, right, .. } => {
                self.branches(left)?;
                self.branches(right)
            }
            // A query in brackets is visited as a query of its own.
            _ => Ok(()),
        }
    }

    fn select(
        &self,
        select: &mut Select,
        order_by: Option<&mut datafusion::sql::sqlparser::ast::OrderBy>,
    ) -> Result<(), QueryError> {
        refuse::select(&self.scene, select)?;
        if select.projection.is_empty() {
            // `from t` alone.
            let all = WildcardAdditionalOptions::default();
            select.projection.push(SelectItem::Wildcard(all));
        }
        select.flavor = datafusion::sql::sqlparser::ast::SelectFlavor::Standard;
        names::rewrite(self.scene.dialect, select);
        joins::rewrite(self.scene.sql, self.scene.dialect, select, order_by)
    }

    fn expression(&self, expr: &mut Expr) -> Result<(), QueryError> {
        match expr {
            Expr::Value(value) => {
                literal(self.scene.dialect, expr_value(value)).map_or(Ok(()), |e| {
                    *expr = e;
                    Ok(())
                })
            }
            Expr::Cast { .. } | Expr::TypedString(_) => type_names::rewrite(&self.scene, expr),
            Expr::AtTimeZone { .. } | Expr::Interval(_) | Expr::Extract { .. } => {
                time::rewrite(&self.scene, expr)
            }
            Expr::Function(_) => functions::rewrite(&self.scene, expr),
            Expr::CompoundFieldAccess { access_chain, .. } => {
                access_chain.iter_mut().for_each(spell_access);
                Ok(())
            }
            Expr::Between { .. } => {
                functions::patterns::ranges(expr);
                Ok(())
            }
            Expr::InList { .. } => {
                operators::rewrite(&self.scene, expr)?;
                functions::patterns::ranges(expr);
                Ok(())
            }
            Expr::BinaryOp { op, .. } if pattern_sign(op) => {
                operators::rewrite(&self.scene, expr)?;
                functions::patterns::rewrite(&self.scene, expr)
            }
            Expr::UnaryOp { .. }
            | Expr::BinaryOp { .. }
            | Expr::InSubquery { .. }
            | Expr::AnyOp { .. }
            | Expr::AllOp { .. } => operators::rewrite(&self.scene, expr),
            Expr::SimilarTo { .. }
            | Expr::RLike { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. } => functions::patterns::rewrite(&self.scene, expr),
            Expr::Substring { .. } | Expr::Trim { .. } | Expr::Position { .. } => {
                functions::text_forms(&self.scene, expr)
            }
            other => refuse::expression(&self.scene, other),
        }
    }
}

/// Rows without a table have columns of DuckDB's names.
fn named_values(mut rows: Values) -> Result<SetExpr, QueryError> {
    let width = rows.rows.first().map_or(0, |row| row.content.len());
    // They are visited once more, inside; the mark on them tells that.
    rows.explicit_row = true;
    let mut named = super::parse::query("select * from (values (1)) as fp_values")?.query;
    if let SetExpr::Select(select) = named.body.as_mut()
        && let Some(table) = select.from.first_mut()
        && let TableFactor::Derived { subquery, alias, .. } = &mut table.relation
    {
        *subquery.body = SetExpr::Values(rows);
        *alias = Some(TableAlias {
            explicit: true,
            name: Ident::new("fp_values"),
            columns: (0..width)
                .map(|i| TableAliasColumnDef::from_name(format!("col{i}")))
                .collect(),
            at: None,
        });
    }
    Ok(*named.body)
}

/// `s.a` is the member of that name, `l[2:]` goes to the end.
fn spell_access(access: &mut AccessExpr) {
    match access {
        AccessExpr::Dot(field) => {
            if let Expr::Identifier(name) = field {
                *field = tree::text(name.value.clone());
            }
        }
        AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, .. }) => {
            lower_bound.get_or_insert_with(|| tree::number(1));
            upper_bound.get_or_insert_with(|| tree::number(-1));
        }
        AccessExpr::Subscript(Subscript::Index { .. }) => {}
    }
}

/// `~~` and its kin, which are `like`.
fn pattern_sign(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::PGLikeMatch
            | BinaryOperator::PGNotLikeMatch
            | BinaryOperator::PGILikeMatch
            | BinaryOperator::PGNotILikeMatch
    )
}

fn expr_value(value: &mut datafusion::sql::sqlparser::ast::ValueWithSpan) -> &mut Value {
    &mut value.value
}

/// `1_000` is a thousand; `1e3` is a double in DuckDB's world.
fn literal(dialect: Dialect, value: &mut Value) -> Option<Expr> {
    let Value::Number(digits, _) = value else { return None };
    if digits.contains('_') {
        digits.retain(|ch| ch != '_');
    }
    if digits.contains(['e', 'E']) && dialect != Dialect::Postgres {
        return Some(type_names::cast_text(digits, type_names::double()));
    }
    None
}

/// How many columns a body has when no `*` is among them.
fn plain_width(body: &SetExpr) -> Option<usize> {
    match body {
        SetExpr::Select(select) => select
            .projection
            .iter()
            .all(|item| {
                matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. })
            })
            .then_some(select.projection.len()),
        SetExpr::SetOperation { left, .. } => plain_width(left),
        SetExpr::Query(query) => plain_width(&query.body),
        _ => None,
    }
}

/// A refusal that points at the node.
pub(crate) fn refused(
    scene: &Scene<'_>,
    node: &impl datafusion::sql::sqlparser::ast::Spanned,
    message: impl Into<String>,
    help: impl Into<String>,
) -> QueryError {
    let mut error = QueryError::unsupported(message).help(help);
    error.span = range_of(scene.sql, node);
    error
}
