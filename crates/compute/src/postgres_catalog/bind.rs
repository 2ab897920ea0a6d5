//! From a parsed query to a plan: which relation, column and function every name means.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    self, Distinct, GroupByExpr, LimitClause, OrderByExpr, OrderByKind, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetQuantifier,
};

use super::kinds::{self, Oid};
use super::plan::{Body, Column, Expr, Order, Query, Recursive, Select, SetOperator, Source};
use super::scope::{Frame, Scopes};
use super::{CatalogState, folded, names};
use crate::error::QueryError;

/// Queries inside one another.
const DEPTH_MAX: usize = 64;

/// An expression and its type.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) expr: Expr,
    pub(crate) kind: Oid,
}

/// What a `with` name stands for.
#[derive(Clone, Debug)]
pub(crate) enum CommonTable {
    Query(Arc<Query>, Vec<Column>),
    Recursive(Arc<Recursive>, Vec<Column>),
    Working(usize, Vec<Column>),
}

/// Settles the names of one statement.
pub(crate) struct Binder<'a> {
    pub(crate) state: &'a CatalogState<'a>,
    pub(crate) scopes: Scopes,
    pub(crate) common: HashMap<String, CommonTable>,
    /// Types of `$1`, `$2`, …, as far as they are known.
    pub(crate) parameters: Vec<Option<Oid>>,
    pub(crate) next_id: usize,
    /// Recursive tables that were found to read themselves.
    pub(crate) recursions: HashSet<usize>,
    /// The statement reads no relation: only what is surely answered as the engine would.
    pub(crate) strict: bool,
}

impl<'a> Binder<'a> {
    pub(crate) fn new(state: &'a CatalogState<'a>, parameters: &[Option<Oid>]) -> Self {
        Self {
            state,
            scopes: Scopes::default(),
            common: HashMap::new(),
            parameters: parameters.to_vec(),
            next_id: 0,
            recursions: HashSet::new(),
            strict: false,
        }
    }

    pub(crate) fn fresh(&mut self) -> usize {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn query(&mut self, query: &ast::Query) -> Result<Query, QueryError> {
        if self.scopes.frames.len() > DEPTH_MAX {
            return Err(QueryError::project("the query nests too deep"));
        }
        let before = self.common.clone();
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                let table = self.common_table(cte, with.recursive)?;
                self.common.insert(folded(&cte.alias.name), table);
            }
        }
        let order: &[OrderByExpr] = match query.order_by.as_ref().map(|order| &order.kind) {
            Some(OrderByKind::Expressions(order)) => order,
            Some(OrderByKind::All(_)) => return Err(unsupported("order by all")),
            None => &[],
        };
        let mut bound = self.body(&query.body, order)?;
        let (limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
        };
        let limit = limit.or(query.fetch.as_ref().and_then(|fetch| fetch.quantity.as_ref()));
        self.scopes.frames.push(Frame::default());
        if let Some(limit) = limit {
            bound.limit = Some(self.coerced(limit, kinds::INT8)?);
        }
        if let Some(offset) = offset {
            bound.offset = Some(self.coerced(offset, kinds::INT8)?);
        }
        self.scopes.frames.pop();
        self.common = before;
        Ok(bound)
    }

    fn common_table(&mut self, cte: &ast::Cte, recursive: bool) -> Result<CommonTable, QueryError> {
        let name = folded(&cte.alias.name);
        if recursive
            && let SetExpr::SetOperation {
                left,
                right,
                set_quantifier,
                op: ast::SetOperator::Union,
            } = cte.query.body.as_ref()
        {
            let first = self.body(left, &[])?;
            let columns = renamed(&first.columns, &cte.alias);
            let id = self.fresh();
            let outside = self.common.insert(name, CommonTable::Working(id, columns.clone()));
            drop(outside);
            let next = self.body(right, &[])?;
            let all = matches!(set_quantifier, SetQuantifier::All);
            if !self.recursions.contains(&id) {
                let query = self.set_operation(SetOperator::Union, all, first, next, &[])?;
                return Ok(CommonTable::Query(Arc::new(query), columns));
            }
            let recursive = Recursive { id, first, next, all };
            return Ok(CommonTable::Recursive(Arc::new(recursive), columns));
        }
        let query = self.query(&cte.query)?;
        if query.correlated {
            return Err(unsupported("a with query that reads the query around it"));
        }
        let columns = renamed(&query.columns, &cte.alias);
        Ok(CommonTable::Query(Arc::new(query), columns))
    }

    fn body(&mut self, body: &SetExpr, order: &[OrderByExpr]) -> Result<Query, QueryError> {
        match body {
            SetExpr::Select(select) => self.select(select, order),
            SetExpr::Query(inner) if order.is_empty() => self.query(inner),
            SetExpr::Query(inner) => {
                let left = self.query(inner)?;
                let right = Query { body: Body::Values(Vec::new()), ..self.empty(&left.columns) };
                self.set_operation(SetOperator::Union, true, left, right, order)
            }
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let all = matches!(set_quantifier, SetQuantifier::All);
                let (left, right) = (self.body(left, &[])?, self.body(right, &[])?);
                let operator = match op {
                    ast::SetOperator::Union => SetOperator::Union,
                    ast::SetOperator::Intersect => SetOperator::Intersect,
                    ast::SetOperator::Except | ast::SetOperator::Minus => SetOperator::Except,
                };
                self.set_operation(operator, all, left, right, order)
            }
            SetExpr::Values(values) => self.values(values, order),
            _ => Err(unsupported("this form of query")),
        }
    }

    fn empty(&mut self, columns: &[Column]) -> Query {
        Query {
            id: self.fresh(),
            body: Body::Values(Vec::new()),
            columns: columns.to_vec(),
            order: Vec::new(),
            limit: None,
            offset: None,
            reach: Vec::new(),
            correlated: false,
        }
    }

    fn values(&mut self, values: &ast::Values, order: &[OrderByExpr]) -> Result<Query, QueryError> {
        self.scopes.frames.push(Frame::default());
        let mut kinds: Vec<Oid> = Vec::new();
        let mut rows = Vec::new();
        for row in &values.rows {
            let row: Vec<Typed> =
                row.content.iter().map(|expr| self.expr(expr)).collect::<Result<_, _>>()?;
            for (place, value) in row.iter().enumerate() {
                match kinds.get_mut(place) {
                    None => kinds.push(value.kind),
                    Some(kind) if *kind == kinds::UNKNOWN => *kind = value.kind,
                    Some(_) => {}
                }
            }
            rows.push(row);
        }
        let settle = |kind: Oid| if kind == kinds::UNKNOWN { kinds::TEXT } else { kind };
        let kinds: Vec<Oid> = kinds.into_iter().map(settle).collect();
        let rows = rows
            .into_iter()
            .map(|row| {
                let cells = row.into_iter().zip(&kinds);
                cells.map(|(value, kind)| self.settle(value, *kind)).collect()
            })
            .collect::<Result<Vec<Vec<Expr>>, QueryError>>()?;
        let reach = self.scopes.frames.pop().unwrap_or_default().reach;
        let columns: Vec<Column> = kinds
            .iter()
            .enumerate()
            .map(|(place, kind)| Column { name: format!("column{}", place + 1), kind: *kind })
            .collect();
        let order = output_order(&columns, order)?;
        let correlated = reach.iter().any(|slots| *slots > 0);
        let empty = self.empty(&columns);
        Ok(Query { body: Body::Values(rows), order, reach, correlated, ..empty })
    }

    fn set_operation(
        &mut self,
        operator: SetOperator,
        all: bool,
        left: Query,
        right: Query,
        order: &[OrderByExpr],
    ) -> Result<Query, QueryError> {
        if left.columns.len() != right.columns.len() {
            return Err(QueryError::project("each side must have the same number of columns"));
        }
        let pairs = left.columns.iter().zip(&right.columns);
        let columns: Vec<Column> = pairs
            .map(|(left, right)| Column {
                name: left.name.clone(),
                kind: kinds_together(left.kind, right.kind),
            })
            .collect();
        let order = output_order(&columns, order)?;
        let mut reach = left.reach.clone();
        reach.resize(reach.len().max(right.reach.len()), 0);
        for (mine, other) in reach.iter_mut().zip(&right.reach) {
            *mine = (*mine).max(*other);
        }
        let correlated = left.correlated || right.correlated;
        let (left, right) = (Box::new(left), Box::new(right));
        let body = Body::Set { operator, all, left, right };
        let empty = self.empty(&columns);
        Ok(Query { body, order, reach, correlated, ..empty })
    }

    fn select(&mut self, select: &ast::Select, order: &[OrderByExpr]) -> Result<Query, QueryError> {
        if select.into.is_some() || select.qualify.is_some() || select.top.is_some() {
            return Err(unsupported("this clause"));
        }
        self.scopes.frames.push(Frame::default());
        let mut bound = Select { from: self.from(&select.from)?, ..Select::default() };
        for condition in conjuncts(select.selection.as_ref()) {
            let condition = self.condition(condition)?;
            bound.filter.extend(place_condition(&mut bound.from, condition));
        }
        let mut columns = Vec::new();
        for item in &select.projection {
            self.item(item, &mut columns, &mut bound.projection)?;
        }
        bound.visible = columns.len();
        self.group(select, &columns, &mut bound)?;
        if let Some(having) = &select.having {
            bound.having = Some(self.condition(having)?);
            bound.grouped = true;
        }
        match &select.distinct {
            None | Some(Distinct::All) => {}
            Some(Distinct::Distinct) => bound.distinct = true,
            Some(Distinct::On(keys)) => {
                for key in keys {
                    let column = self.sort_column(key, &columns, &mut bound.projection)?;
                    bound.distinct_on.push(column);
                }
            }
        }
        let mut sorted = Vec::new();
        for key in order {
            let column = self.sort_column(&key.expr, &columns, &mut bound.projection)?;
            sorted.push(sort_order(column, key));
        }
        let frame = self.scopes.frames.pop().unwrap_or_default();
        bound.grouped |= !frame.aggregates.is_empty();
        bound.aggregates = frame.aggregates;
        bound.windows = frame.windows;
        bound.sets = frame.sets;
        let correlated = frame.reach.iter().any(|slots| *slots > 0);
        let empty = self.empty(&columns);
        Ok(Query {
            body: Body::Select(Box::new(bound)),
            order: sorted,
            reach: frame.reach,
            correlated,
            ..empty
        })
    }

    fn group(
        &mut self,
        select: &ast::Select,
        columns: &[Column],
        bound: &mut Select,
    ) -> Result<(), QueryError> {
        let GroupByExpr::Expressions(keys, modifiers) = &select.group_by else {
            return Err(unsupported("group by all"));
        };
        if !modifiers.is_empty() {
            return Err(unsupported("rollup and cube"));
        }
        bound.grouped |= !keys.is_empty();
        for key in keys {
            let output = match key {
                ast::Expr::Value(value) => ordinal(&value.value).map(|place| place - 1),
                ast::Expr::Identifier(name) => {
                    let name = folded(name);
                    let inner = self.scopes.find(std::slice::from_ref(&name))?;
                    let column = columns.iter().position(|column| column.name == name);
                    column.filter(|_| inner.is_none_or(|found| found.depth > 0))
                }
                _ => None,
            };
            match output.and_then(|place| bound.projection.get(place)) {
                Some(expr) => bound.group.push(expr.clone()),
                None => bound.group.push(self.expr(key)?.expr),
            }
        }
        Ok(())
    }

    /// The column of the answer that is sorted by, made where there is none.
    fn sort_column(
        &mut self,
        key: &ast::Expr,
        columns: &[Column],
        projection: &mut Vec<Expr>,
    ) -> Result<usize, QueryError> {
        if let Some(place) = output_column(columns, key) {
            return Ok(place);
        }
        let bound = self.expr(key)?;
        let bound = self.finished(bound);
        projection.push(bound.expr);
        Ok(projection.len() - 1)
    }

    fn item(
        &mut self,
        item: &SelectItem,
        columns: &mut Vec<Column>,
        projection: &mut Vec<Expr>,
    ) -> Result<(), QueryError> {
        let (expr, name) = match item {
            SelectItem::UnnamedExpr(expr) => (expr, names::of(expr)),
            SelectItem::ExprWithAlias { expr, alias } => (expr, folded(alias)),
            SelectItem::Wildcard(_) => return self.wildcard(None, columns, projection),
            SelectItem::QualifiedWildcard(kind, _) => {
                let SelectItemQualifiedWildcardKind::ObjectName(name) = kind else {
                    return Err(unsupported("(…).*"));
                };
                let table = names::parts(name).pop();
                return self.wildcard(table.as_deref(), columns, projection);
            }
            SelectItem::ExprWithAliases { .. } => return Err(unsupported("several aliases")),
        };
        let bound = self.expr(expr)?;
        let bound = self.finished(bound);
        columns.push(Column { name, kind: bound.kind });
        projection.push(bound.expr);
        Ok(())
    }

    fn wildcard(
        &mut self,
        table: Option<&str>,
        columns: &mut Vec<Column>,
        projection: &mut Vec<Expr>,
    ) -> Result<(), QueryError> {
        let before = columns.len();
        for column in &self.scopes.top()?.columns {
            let here = table.map_or(!column.hidden, |table| column.table == table);
            if here {
                columns.push(Column { name: column.name.clone(), kind: column.kind });
                projection.push(Expr::Column { depth: 0, slot: column.slot });
            }
        }
        if columns.len() == before {
            let name = table.unwrap_or("*");
            return Err(QueryError::project(format!("table \"{name}\" is not in the from clause")));
        }
        Ok(())
    }
}

/// A condition stands where the last of the columns it reads is filled in.
fn place_condition(from: &mut super::plan::From, condition: Expr) -> Option<Expr> {
    let reach = condition.reach(0);
    let item = from
        .items
        .iter_mut()
        .rev()
        .find(|item| reach > item.offset || (reach == 0 && item.offset == 0));
    let Some(item) = item else { return Some(condition) };
    if !item.left && item.lookup.is_none() {
        item.lookup = lookup(&item.source, item.offset, &condition);
    }
    item.filter.push(condition);
    None
}

/// A column of this item that the condition holds equal to something known before the item.
pub(crate) fn lookup(source: &Source, offset: usize, condition: &Expr) -> Option<(usize, Expr)> {
    match source {
        Source::Relation(_) | Source::Group { .. } | Source::Recursive(_) => {}
        Source::Query(query) if !query.correlated => {}
        Source::Query(_) | Source::Set { .. } | Source::Working(_) => return None,
    }
    let Expr::Operator(super::plan::Operator::Equal, sides) = condition else { return None };
    let [left, right] = sides.as_slice() else { return None };
    [(left, right), (right, left)].into_iter().find_map(|(mine, other)| match mine {
        Expr::Column { depth: 0, slot } if *slot >= offset && other.reach(0) <= offset => {
            Some((slot - offset, other.clone()))
        }
        _ => None,
    })
}

fn sort_order(column: usize, key: &OrderByExpr) -> Order {
    let descending = key.options.asc == Some(false);
    Order { column, descending, nulls_first: key.options.nulls_first.unwrap_or(descending) }
}

fn output_order(columns: &[Column], order: &[OrderByExpr]) -> Result<Vec<Order>, QueryError> {
    order
        .iter()
        .map(|key| match output_column(columns, &key.expr) {
            Some(column) => Ok(sort_order(column, key)),
            None => Err(QueryError::project("a union is sorted by its columns' names only")),
        })
        .collect()
}

fn output_column(columns: &[Column], key: &ast::Expr) -> Option<usize> {
    match key {
        ast::Expr::Value(value) => {
            ordinal(&value.value).map(|place| place - 1).filter(|place| *place < columns.len())
        }
        ast::Expr::Identifier(name) => {
            let name = folded(name);
            columns.iter().position(|column| column.name == name)
        }
        ast::Expr::Collate { expr, .. } | ast::Expr::Nested(expr) => output_column(columns, expr),
        _ => None,
    }
}

fn ordinal(value: &ast::Value) -> Option<usize> {
    match value {
        ast::Value::Number(digits, _) => digits.parse().ok().filter(|place| *place > 0),
        _ => None,
    }
}

fn kinds_together(left: Oid, right: Oid) -> Oid {
    match (left, right) {
        (kinds::UNKNOWN, other) | (other, kinds::UNKNOWN) => other,
        (kinds::INT4, kinds::INT8) => kinds::INT8,
        (kinds::NAME, kinds::TEXT) => kinds::TEXT,
        (left, _) => left,
    }
}

pub(crate) fn renamed(columns: &[Column], alias: &ast::TableAlias) -> Vec<Column> {
    let mut columns = columns.to_vec();
    for (column, name) in columns.iter_mut().zip(&alias.columns) {
        column.name = folded(&name.name);
    }
    columns
}

/// The parts of a condition that must all hold.
pub(crate) fn conjuncts(condition: Option<&ast::Expr>) -> Vec<&ast::Expr> {
    let mut parts = Vec::new();
    let mut open: Vec<&ast::Expr> = condition.into_iter().collect();
    while let Some(expr) = open.pop() {
        match expr {
            ast::Expr::BinaryOp { left, op: ast::BinaryOperator::And, right } => {
                open.push(right);
                open.push(left);
            }
            ast::Expr::Nested(inner) => open.push(inner),
            other => parts.push(other),
        }
    }
    parts
}

pub(crate) fn unsupported(what: &str) -> QueryError {
    QueryError::unsupported(format!("{what} is not offered over catalog relations"))
        .help("Select from pg_catalog and information_schema with plainer SQL.")
}
