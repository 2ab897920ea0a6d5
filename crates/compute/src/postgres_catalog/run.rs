//! Running a catalog query: joins by lookup, then filters, groups, windows, sets and order.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use regex::Regex;

use super::CatalogState;
use super::plan::{Body, Expr, From, Item, Query, Recursive, Rows, Select, SetOperator, Source};
use super::value::{Key, Row, Value, order};
use crate::error::QueryError;

/// Rows looked at by one statement: more is no catalog question.
const STEPS_MAX: u64 = 50_000_000;
/// Steps between two looks at whether the client still wants the answer.
const STEPS_BETWEEN_LOOKS: u64 = 4_096;
/// Rows of one answer or in between.
const ROWS_MAX: usize = 2_000_000;
/// Rounds of a recursive query.
const ROUNDS_MAX: usize = 10_000;

/// One statement being answered.
pub(crate) struct Run<'a> {
    pub(crate) state: &'a CatalogState<'a>,
    pub(crate) parameters: &'a [Value],
    remembered: RefCell<HashMap<usize, Arc<Rows>>>,
    patterns: RefCell<HashMap<(String, bool), Rc<Regex>>>,
    steps: Cell<u64>,
}

/// Where an expression stands: a row, and the rows of the queries around it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place<'a> {
    pub(crate) row: &'a [Value],
    pub(crate) aggregates: &'a [Value],
    pub(crate) windows: &'a [Value],
    pub(crate) sets: &'a [Value],
    pub(crate) outer: Option<&'a Place<'a>>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(state: &'a CatalogState<'a>, parameters: &'a [Value]) -> Self {
        Self {
            state,
            parameters,
            remembered: RefCell::default(),
            patterns: RefCell::default(),
            steps: Cell::new(0),
        }
    }

    pub(crate) fn step(&self) -> Result<(), QueryError> {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps.is_multiple_of(STEPS_BETWEEN_LOOKS) && self.state.host.ended() {
            return Err(crate::stream::cancelled());
        }
        if steps > STEPS_MAX {
            return Err(QueryError::new(
                base::ErrorKind::Limit,
                format!("the catalog query looks at more than {STEPS_MAX} rows"),
            )
            .help("Join catalog relations on their numbers, or ask for less at a time."));
        }
        Ok(())
    }

    pub(crate) fn pattern(&self, text: &str, any_case: bool) -> Result<Rc<Regex>, QueryError> {
        let key = (text.to_owned(), any_case);
        if let Some(known) = self.patterns.borrow().get(&key) {
            return Ok(Rc::clone(known));
        }
        let made = regex::RegexBuilder::new(text).case_insensitive(any_case).build();
        let made = made.map_err(|error| {
            QueryError::new(base::ErrorKind::Data, format!("invalid regular expression: {error}"))
        })?;
        let made = Rc::new(made);
        self.patterns.borrow_mut().insert(key, Rc::clone(&made));
        Ok(made)
    }

    /// The rows of a subquery; those that read nothing around them are run once.
    pub(crate) fn answer(&self, query: &Query, place: &Place<'_>) -> Result<Arc<Rows>, QueryError> {
        if query.correlated {
            let rows = self.query(query, Some(place))?;
            return Ok(Arc::new(Rows::new(rows, query.columns.len())));
        }
        if let Some(known) = self.remembered.borrow().get(&query.id) {
            return Ok(Arc::clone(known));
        }
        let rows = self.query(query, None)?;
        let rows = Arc::new(Rows::new(rows, query.columns.len()));
        self.remembered.borrow_mut().insert(query.id, Arc::clone(&rows));
        Ok(rows)
    }

    pub(crate) fn query(
        &self,
        query: &Query,
        outer: Option<&Place<'_>>,
    ) -> Result<Vec<Row>, QueryError> {
        let (mut rows, visible) = match &query.body {
            Body::Select(select) => (self.select(select, outer)?, select.visible),
            Body::Set { operator, all, left, right } => {
                let (left, right) = (self.query(left, outer)?, self.query(right, outer)?);
                (together(*operator, *all, left, right), query.columns.len())
            }
            Body::Values(values) => {
                let place = Place { outer, ..Place::default() };
                let row = |row: &Vec<Expr>| {
                    row.iter().map(|expr| self.value(expr, &place)).collect::<Result<Row, _>>()
                };
                (values.iter().map(row).collect::<Result<_, _>>()?, query.columns.len())
            }
        };
        if !query.order.is_empty() {
            rows.sort_by(|left, right| sorted(query, left, right));
        }
        if let Body::Select(select) = &query.body
            && !select.distinct_on.is_empty()
        {
            let mut seen = HashSet::new();
            rows.retain(|row| {
                let key = select.distinct_on.iter().filter_map(|at| row.get(*at).cloned());
                seen.insert(key.map(Key).collect::<Vec<_>>())
            });
        }
        let place = Place { outer, ..Place::default() };
        let bound = |expr: &Option<Expr>| match expr {
            Some(expr) => self.value(expr, &place).map(|value| value.as_int()),
            None => Ok(None),
        };
        let offset = bound(&query.offset)?.and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
        let limit = bound(&query.limit)?.map(|limit| usize::try_from(limit).unwrap_or(0));
        let kept = rows.into_iter().skip(offset).take(limit.unwrap_or(usize::MAX));
        Ok(kept.map(|row| if row.len() > visible { row[..visible].into() } else { row }).collect())
    }

    fn select(&self, select: &Select, outer: Option<&Place<'_>>) -> Result<Vec<Row>, QueryError> {
        let nothing = Place { outer, ..Place::default() };
        for condition in &select.filter {
            if !self.truth(condition, &nothing)? {
                return if select.grouped {
                    self.project(select, outer, &[])
                } else {
                    Ok(Vec::new())
                };
            }
        }
        let rows = self.joined(&select.from, outer)?;
        self.project(select, outer, &rows)
    }

    /// All rows of a from clause.
    pub(crate) fn joined(
        &self,
        from: &From,
        outer: Option<&Place<'_>>,
    ) -> Result<Vec<Vec<Value>>, QueryError> {
        let mut row = vec![Value::Null; from.width];
        let mut out = Vec::new();
        self.join(&from.items, &mut row, outer, &mut out)?;
        Ok(out)
    }

    fn join(
        &self,
        items: &[Item],
        row: &mut Vec<Value>,
        outer: Option<&Place<'_>>,
        out: &mut Vec<Vec<Value>>,
    ) -> Result<(), QueryError> {
        let Some((item, rest)) = items.split_first() else {
            if out.len() >= ROWS_MAX {
                return Err(QueryError::new(
                    base::ErrorKind::Limit,
                    format!("the catalog query joins to more than {ROWS_MAX} rows"),
                ));
            }
            out.push(row.clone());
            return Ok(());
        };
        let rows = self.source(item, row, outer)?;
        let mut found = false;
        let mut take = |held: &Row, row: &mut Vec<Value>, out: &mut Vec<Vec<Value>>| {
            self.step()?;
            for (slot, value) in
                row[item.offset..item.offset + item.width].iter_mut().zip(held.iter())
            {
                *slot = value.clone();
            }
            if !self.holds(&item.on, row, outer)? {
                return Ok::<(), QueryError>(());
            }
            found = true;
            if self.holds(&item.filter, row, outer)? {
                self.join(rest, row, outer, out)?;
            }
            Ok(())
        };
        match &item.lookup {
            Some((column, key)) => {
                let place = Place { row, outer, ..Place::default() };
                let key = self.value(key, &place)?;
                if !key.is_null() {
                    for at in rows.with(*column, &key) {
                        if let Some(held) = rows.rows.get(*at as usize) {
                            take(held, row, out)?;
                        }
                    }
                }
            }
            None => {
                for held in &rows.rows {
                    take(held, row, out)?;
                }
            }
        }
        if item.left && !found {
            row[item.offset..item.offset + item.width].fill(Value::Null);
            if self.holds(&item.filter, row, outer)? {
                self.join(rest, row, outer, out)?;
            }
        }
        row[item.offset..item.offset + item.width].fill(Value::Null);
        Ok(())
    }

    fn holds(
        &self,
        conditions: &[Expr],
        row: &[Value],
        outer: Option<&Place<'_>>,
    ) -> Result<bool, QueryError> {
        let place = Place { row, outer, ..Place::default() };
        for condition in conditions {
            if !self.truth(condition, &place)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn source(
        &self,
        item: &Item,
        row: &[Value],
        outer: Option<&Place<'_>>,
    ) -> Result<Arc<Rows>, QueryError> {
        let place = Place { row, outer, ..Place::default() };
        match &item.source {
            Source::Relation(relation) => Ok(Arc::clone(&relation.rows)),
            Source::Query(query) => self.answer(query, &place),
            Source::Set { call, ordinality } => {
                let arguments: Vec<Value> = call
                    .arguments
                    .iter()
                    .map(|argument| self.value(argument, &place))
                    .collect::<Result<_, _>>()?;
                let given = (call.function.call)(self, &arguments, call.from_zero)?;
                let rows = given.into_iter().zip(1_i64..).map(|(value, at)| {
                    let mut cells = match value {
                        Value::Record(cells) if !call.function.columns.is_empty() => cells.to_vec(),
                        other => vec![other],
                    };
                    if *ordinality {
                        cells.push(Value::Int(at));
                    }
                    Row::from(cells)
                });
                Ok(Arc::new(Rows::new(rows.collect(), item.width)))
            }
            Source::Group { id, from } => {
                if let Some(known) = self.remembered.borrow().get(id) {
                    return Ok(Arc::clone(known));
                }
                let span = item.offset..item.offset + item.width;
                let rows = self.joined(from, outer)?;
                let rows = rows.into_iter().map(|row| Row::from(&row[span.clone()])).collect();
                let rows = Arc::new(Rows::new(rows, item.width));
                self.remembered.borrow_mut().insert(*id, Arc::clone(&rows));
                Ok(rows)
            }
            Source::Recursive(recursive) => self.recursive(recursive, item.width),
            Source::Working(id) => {
                let known = self.remembered.borrow().get(id).cloned();
                Ok(known.unwrap_or_default())
            }
        }
    }

    fn recursive(&self, recursive: &Recursive, width: usize) -> Result<Arc<Rows>, QueryError> {
        // The working rows are remembered under the number itself, the whole under its complement.
        let whole = usize::MAX - recursive.id;
        if let Some(known) = self.remembered.borrow().get(&whole) {
            return Ok(Arc::clone(known));
        }
        let mut seen = HashSet::new();
        let mut fresh = |rows: Vec<Row>| -> Vec<Row> {
            let new = |row: &Row| {
                recursive.all || seen.insert(row.iter().cloned().map(Key).collect::<Vec<_>>())
            };
            rows.into_iter().filter(new).collect()
        };
        let mut working = fresh(self.query(&recursive.first, None)?);
        let mut all = Vec::new();
        for round in 0.. {
            if working.is_empty() {
                break;
            }
            if round == ROUNDS_MAX {
                return Err(endless(&format!("takes more than {ROUNDS_MAX} rounds")));
            }
            all.extend(working.iter().cloned());
            let rows = Arc::new(Rows::new(working, width));
            // What was remembered in the last round read other rows.
            self.remembered.borrow_mut().clear();
            self.remembered.borrow_mut().insert(recursive.id, rows);
            working = fresh(self.query(&recursive.next, None)?);
            if all.len() > ROWS_MAX {
                return Err(endless(&format!("gives more than {ROWS_MAX} rows")));
            }
        }
        let rows = Arc::new(Rows::new(all, width));
        self.remembered.borrow_mut().insert(whole, Arc::clone(&rows));
        Ok(rows)
    }
}

fn endless(what: &str) -> QueryError {
    QueryError::new(base::ErrorKind::Limit, format!("a recursion over the catalog {what}"))
        .help("End it with a condition in the part that names itself.")
}

fn sorted(query: &Query, left: &Row, right: &Row) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    for key in &query.order {
        let (Some(left), Some(right)) = (left.get(key.column), right.get(key.column)) else {
            continue;
        };
        let order = match (left.is_null(), right.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) if key.nulls_first => Ordering::Less,
            (true, false) => Ordering::Greater,
            (false, true) if key.nulls_first => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) if key.descending => order(left, right).reverse(),
            (false, false) => order(left, right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn key_of(row: &Row) -> Vec<Key> {
    row.iter().cloned().map(Key).collect()
}

fn together(operator: SetOperator, all: bool, left: Vec<Row>, right: Vec<Row>) -> Vec<Row> {
    let mut seen = HashSet::new();
    match operator {
        SetOperator::Union => {
            let both = left.into_iter().chain(right);
            both.filter(|row| all || seen.insert(key_of(row))).collect()
        }
        SetOperator::Except | SetOperator::Intersect => {
            let other: HashSet<Vec<Key>> = right.iter().map(key_of).collect();
            let wanted = operator == SetOperator::Intersect;
            left.into_iter()
                .filter(|row| other.contains(&key_of(row)) == wanted)
                .filter(|row| all || seen.insert(key_of(row)))
                .collect()
        }
    }
}
