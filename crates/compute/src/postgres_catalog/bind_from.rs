//! The from clause: relations, derived tables, functions, and how they are joined.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, TableAlias, TableFactor,
    TableWithJoins,
};

use super::bind::{Binder, CommonTable, conjuncts, lookup, renamed, unsupported};
use super::kinds;
use super::plan::{Column, Expr, From, Item, Operator, SetCall, Source};
use super::scope::Named;
use super::{folded, names, sets};
use crate::error::QueryError;

/// Slots of one row.
const WIDTH_MAX: usize = 5_000;

/// What a table factor turned out to be.
struct Bound {
    source: Source,
    columns: Vec<Column>,
    table: String,
    schema: Option<String>,
}

impl Binder<'_> {
    pub(crate) fn from(&mut self, tables: &[TableWithJoins]) -> Result<From, QueryError> {
        let mut items = Vec::new();
        for table in tables {
            self.joined(table, &mut items)?;
        }
        Ok(From { items, width: self.scopes.top()?.width })
    }

    fn joined(&mut self, table: &TableWithJoins, items: &mut Vec<Item>) -> Result<(), QueryError> {
        let start = items.len();
        let first = self.scopes.top()?.width;
        self.factor(&table.relation, items)?;
        for join in &table.joins {
            let (constraint, left, swapped) = match &join.join_operator {
                JoinOperator::Join(on) | JoinOperator::Inner(on) => (Some(on), false, false),
                JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (Some(on), true, false),
                JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (Some(on), true, true),
                JoinOperator::CrossJoin(_) => (None, false, false),
                _ => return Err(unsupported("this kind of join")),
            };
            let middle = self.scopes.top()?.width;
            self.factor(&join.relation, items)?;
            if swapped {
                self.swap(items, start, first, middle)?;
            }
            let Some(mut item) = items.pop() else { continue };
            item.left = left;
            self.constrain(constraint, &mut item, first, middle)?;
            items.push(item);
        }
        Ok(())
    }

    /// `a right join b` is `b left join a`: what stood before becomes one group behind.
    fn swap(
        &mut self,
        items: &mut Vec<Item>,
        start: usize,
        first: usize,
        middle: usize,
    ) -> Result<(), QueryError> {
        let Some(mut kept) = items.pop() else { return Ok(()) };
        let mut inner: Vec<Item> = items.drain(start..).collect();
        let end = self.scopes.top()?.width;
        let (before, after) = (middle - first, end - middle);
        // Slots follow the order of the items: the kept side moves in front of the group.
        let moved = |slot: usize| {
            if slot >= middle { slot - before } else { slot + after }
        };
        for column in &mut self.scopes.top()?.columns {
            if column.slot >= first {
                column.slot = moved(column.slot);
            }
        }
        let plain = inner.iter().all(|item| {
            item.on.is_empty() && item.filter.is_empty() && item.lookup.is_none() && !item.left
        });
        if !plain {
            return Err(unsupported("a right join behind another join"));
        }
        kept.offset = first;
        for item in &mut inner {
            item.offset = moved(item.offset);
        }
        let (id, width) = (self.fresh(), before);
        let from = From { items: inner, width: end };
        items.push(kept);
        items.push(Item {
            source: Source::Group { id, from },
            offset: first + after,
            width,
            left: true,
            on: Vec::new(),
            filter: Vec::new(),
            lookup: None,
        });
        Ok(())
    }

    fn constrain(
        &mut self,
        constraint: Option<&JoinConstraint>,
        item: &mut Item,
        first: usize,
        middle: usize,
    ) -> Result<(), QueryError> {
        let pairs: Vec<String> = match constraint {
            None | Some(JoinConstraint::None) => return Ok(()),
            Some(JoinConstraint::On(condition)) => {
                for condition in conjuncts(Some(condition)) {
                    let condition = self.condition(condition)?;
                    if item.lookup.is_none() {
                        item.lookup = lookup(&item.source, item.offset, &condition);
                    }
                    item.on.push(condition);
                }
                return Ok(());
            }
            Some(JoinConstraint::Using(columns)) => {
                columns.iter().filter_map(|name| names::parts(name).pop()).collect()
            }
            Some(JoinConstraint::Natural) => {
                let columns = &self.scopes.top()?.columns;
                let on_left = |name: &str| {
                    columns.iter().any(|held| {
                        (first..middle).contains(&held.slot) && held.name == name && !held.hidden
                    })
                };
                let mine = columns.iter().filter(|held| held.slot >= middle);
                mine.map(|held| held.name.clone()).filter(|name| on_left(name)).collect()
            }
        };
        for name in pairs {
            let columns = &mut self.scopes.top()?.columns;
            let left = columns
                .iter()
                .find(|held| held.name == name && held.slot < middle && !held.hidden)
                .map(|held| held.slot);
            let right = columns.iter_mut().find(|held| held.name == name && held.slot >= middle);
            let (Some(left), Some(right)) = (left, right) else {
                return Err(QueryError::project(format!(
                    "column \"{name}\" is not on both sides of the join"
                )));
            };
            right.hidden = true;
            let sides = [left, right.slot].map(|slot| Expr::Column { depth: 0, slot });
            let condition = Expr::Operator(Operator::Equal, sides.to_vec());
            if item.lookup.is_none() {
                item.lookup = lookup(&item.source, item.offset, &condition);
            }
            item.on.push(condition);
        }
        Ok(())
    }

    /// Adds one item and names its columns.
    fn factor(&mut self, factor: &TableFactor, items: &mut Vec<Item>) -> Result<(), QueryError> {
        if let TableFactor::NestedJoin { table_with_joins, alias } = factor {
            if alias.is_some() {
                return Err(unsupported("an alias of a join"));
            }
            let offset = self.scopes.top()?.width;
            let mut inner = Vec::new();
            self.joined(table_with_joins, &mut inner)?;
            let width = self.scopes.top()?.width;
            let (id, from) = (self.fresh(), From { items: inner, width });
            items.push(Item {
                source: Source::Group { id, from },
                offset,
                width: width - offset,
                left: false,
                on: Vec::new(),
                filter: Vec::new(),
                lookup: None,
            });
            return Ok(());
        }
        let bound = self.source(factor)?;
        let frame = self.scopes.top()?;
        let offset = frame.width;
        for (place, column) in bound.columns.iter().enumerate() {
            frame.columns.push(Named {
                table: bound.table.clone(),
                schema: bound.schema.clone(),
                name: column.name.clone(),
                kind: column.kind,
                slot: offset + place,
                hidden: false,
            });
        }
        frame.width += bound.columns.len();
        if frame.width > WIDTH_MAX {
            return Err(unsupported("a row this wide"));
        }
        items.push(Item {
            source: bound.source,
            offset,
            width: bound.columns.len(),
            left: false,
            on: Vec::new(),
            filter: Vec::new(),
            lookup: None,
        });
        Ok(())
    }

    fn source(&mut self, factor: &TableFactor) -> Result<Bound, QueryError> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => self.table(name, alias.as_ref()),
            TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } => {
                self.function(name, &args.args, *with_ordinality, alias.as_ref())
            }
            TableFactor::Function { name, args, with_ordinality, alias, .. } => {
                self.function(name, args, *with_ordinality, alias.as_ref())
            }
            TableFactor::UNNEST { alias, array_exprs, with_ordinality, .. } => {
                let [array] = array_exprs.as_slice() else {
                    return Err(unsupported("unnest of several arrays"));
                };
                let array = FunctionArg::Unnamed(FunctionArgExpr::Expr(array.clone()));
                let name = ast::ObjectName::from(vec![ast::Ident::new("unnest")]);
                self.function(&name, &[array], *with_ordinality, alias.as_ref())
            }
            TableFactor::Derived { lateral, subquery, alias, .. } => {
                self.scopes.top()?.closed_to_inner = !lateral;
                let query = self.query(subquery);
                self.scopes.top()?.closed_to_inner = false;
                let query = query?;
                let (table, columns) = match alias {
                    Some(alias) => (folded(&alias.name), renamed(&query.columns, alias)),
                    None => (String::new(), query.columns.clone()),
                };
                Ok(Bound { source: Source::Query(Arc::new(query)), columns, table, schema: None })
            }
            _ => Err(unsupported("this kind of table")),
        }
    }

    fn table(
        &mut self,
        name: &ast::ObjectName,
        alias: Option<&TableAlias>,
    ) -> Result<Bound, QueryError> {
        let mut parts = names::parts(name);
        let common = match parts.as_slice() {
            [bare] => self.common.get(bare).cloned(),
            _ => None,
        };
        let (source, mut columns) = match common {
            Some(CommonTable::Query(query, columns)) => (Source::Query(query), columns),
            Some(CommonTable::Recursive(recursive, columns)) => {
                (Source::Recursive(recursive), columns)
            }
            Some(CommonTable::Working(id, columns)) => {
                self.recursions.insert(id);
                (Source::Working(id), columns)
            }
            None => {
                let relation = self.state.relation(&parts).ok_or_else(|| {
                    let name = parts.join(".");
                    QueryError::new(
                        base::ErrorKind::NotFound,
                        format!("relation \"{name}\" does not exist"),
                    )
                })?;
                let columns = relation.columns.clone();
                (Source::Relation(relation), columns)
            }
        };
        let own = parts.pop().unwrap_or_default();
        let (table, schema) = match alias {
            Some(alias) => {
                columns = renamed(&columns, alias);
                (folded(&alias.name), None)
            }
            None => (own, parts.pop()),
        };
        Ok(Bound { source, columns, table, schema })
    }

    fn function(
        &mut self,
        name: &ast::ObjectName,
        arguments: &[FunctionArg],
        ordinality: bool,
        alias: Option<&TableAlias>,
    ) -> Result<Bound, QueryError> {
        let word = names::parts(name).pop().unwrap_or_default();
        let arguments = self.arguments(arguments)?;
        let called = alias.map_or_else(|| word.clone(), |alias| folded(&alias.name));
        let (call, mut columns) = match sets::find(&word) {
            Some(function) => {
                let (call, kind) = self.set_call(function, arguments)?;
                let columns = match function.columns {
                    [] => vec![Column { name: called.clone(), kind }],
                    several => several
                        .iter()
                        .map(|(name, kind)| Column { name: (*name).to_owned(), kind: *kind })
                        .collect(),
                };
                (call, columns)
            }
            // A plain function gives one row.
            None => {
                let value = self.call(&word, arguments)?;
                let columns = vec![Column { name: called.clone(), kind: value.kind }];
                let function = sets::single();
                let arguments = vec![value.expr];
                (SetCall { function, arguments, from_zero: false }, columns)
            }
        };
        if ordinality {
            columns.push(Column { name: "ordinality".to_owned(), kind: kinds::INT8 });
        }
        if let Some(alias) = alias {
            columns = renamed(&columns, alias);
        }
        let source = Source::Set { call, ordinality };
        Ok(Bound { source, columns, table: called, schema: None })
    }
}
