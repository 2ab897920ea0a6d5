//! One walk over the tree: each select first, then its expressions from the leaves up.

use std::cell::RefCell;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Cte, Expr, Fetch, Ident, LimitClause, OrderBy, OrderByExpr,
    OrderByKind, Query, Select, SelectItem, SetExpr, Subscript, TableAlias, TableAliasColumnDef,
    TableFactor, Value, Values, VisitMut, VisitorMut, WildcardAdditionalOptions, With,
};

use super::dialect::Dialect;
use super::parse::range_of;
use super::probe::{Known, Probe};
use super::{
    FrontOptions, aliases, functions, joins, laterals, names, operators, pivot, probe, refuse,
    sources, star, time, tree, type_names,
};
use crate::error::QueryError;

/// What a rewrite may look at.
pub(crate) struct Scene<'a> {
    pub(crate) sql: &'a str,
    pub(crate) dialect: Dialect,
    pub(crate) options: &'a FrontOptions,
    /// What earlier tries found out.
    pub(crate) known: &'a Known,
    /// Common tables in sight, as they were written, and whether their `with` is recursive.
    pub(crate) scope: RefCell<Vec<(bool, Cte)>>,
    /// The relation whose columns stopped this try.
    pub(crate) wanted: RefCell<Option<Probe>>,
}

/// Rewrites a whole query in place; gives the relation whose columns are needed first, if any.
pub(crate) fn rewrite(
    sql: &str,
    dialect: Dialect,
    options: &FrontOptions,
    known: &Known,
    query: &mut Query,
) -> Result<Option<Probe>, QueryError> {
    known.spelling.apply(query);
    let (scope, wanted) = (RefCell::default(), RefCell::default());
    let scene = Scene { sql, dialect, options, known, scope, wanted };
    let mut walk = Walk { scene, depth: 0, withs: Vec::new() };
    match query.visit(&mut walk) {
        ControlFlow::Continue(()) => Ok(None),
        ControlFlow::Break(refused) => match walk.scene.wanted.take() {
            Some(probe) => Ok(Some(probe)),
            None => Err(*refused),
        },
    }
}

struct Walk<'a> {
    scene: Scene<'a>,
    depth: usize,
    /// The common tables of the queries around, kept aside while their bodies are walked, and how
    /// many were in sight before.
    withs: Vec<(Option<With>, usize)>,
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
        let before = self.scene.scope.borrow().len();
        let mut with = query.with.take();
        if let Some(with) = &mut with {
            self.common_tables(with)?;
        }
        self.withs.push((with, before));
        flow(self.query(query))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        if let Some((with, before)) = self.withs.pop() {
            query.with = with;
            self.scene.scope.borrow_mut().truncate(before);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        sources::rewrite(&self.scene, factor);
        flow(pivot::rewrite(&self.scene, factor))?;
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
        if let Some(order) = &mut query.order_by
            && matches!(order.kind, OrderByKind::All(_))
        {
            let width = self.width(query)?;
            if let Some(order) = &mut query.order_by {
                order_by_all(order, width);
            }
        }
        let mut order_by = query.order_by.as_mut();
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

    /// Each table sees those before it.
    fn common_tables(&mut self, with: &mut With) -> ControlFlow<Box<QueryError>> {
        for table in &mut with.cte_tables {
            let written = table.clone();
            if with.recursive {
                names::carry_columns(&mut table.query, &table.alias);
            }
            table.query.visit(self)?;
            self.scene.scope.borrow_mut().push((with.recursive, written));
        }
        ControlFlow::Continue(())
    }

    /// How many columns a query has.
    fn width(&self, query: &Query) -> Result<usize, QueryError> {
        if let Some(width) = plain_width(&query.body) {
            return Ok(width);
        }
        let mut bare = query.clone();
        bare.order_by = None;
        bare.limit_clause = None;
        match probe::columns_of_query(&self.scene, Box::new(bare))? {
            Some(columns) => Ok(columns.len()),
            None => Err(QueryError::unsupported("\"order by all\" over \"*\"")
                .help("Name the columns to order by.")),
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
        order_by: Option<&mut OrderBy>,
    ) -> Result<(), QueryError> {
        refuse::select(&self.scene, select)?;
        if select.projection.is_empty() {
            // `from t` alone.
            let all = WildcardAdditionalOptions::default();
            select.projection.push(SelectItem::Wildcard(all));
        }
        select.flavor = datafusion::sql::sqlparser::ast::SelectFlavor::Standard;
        let mut order_by = order_by;
        laterals::rewrite(&self.scene, select, order_by.as_deref_mut())?;
        star::rewrite(&self.scene, select)?;
        names::rewrite(self.scene.dialect, select);
        aliases::rewrite(&self.scene, select)?;
        joins::rewrite(&self.scene, select, order_by)
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

/// `order by all` orders by each column.
fn order_by_all(order: &mut OrderBy, width: usize) {
    let OrderByKind::All(options) = &order.kind else { return };
    let options = *options;
    let items = (1..=width).map(|number| OrderByExpr {
        expr: tree::number(number),
        options,
        with_fill: None,
    });
    order.kind = OrderByKind::Expressions(items.collect());
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
