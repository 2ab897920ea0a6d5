//! From joined rows to the rows of a select: groups, windows, rows from functions, distinct.

use std::collections::{HashMap, HashSet};

use super::json;
use super::plan::{Aggregate, AggregateCall, Expr, Select, Window, WindowCall};
use super::run::{Place, Run};
use super::value::{Key, Row, Value, compare, number, order};
use crate::error::QueryError;

impl Run<'_> {
    pub(crate) fn project(
        &self,
        select: &Select,
        outer: Option<&Place<'_>>,
        rows: &[Vec<Value>],
    ) -> Result<Vec<Row>, QueryError> {
        let (rows, aggregates) = match select.grouped {
            true => self.groups(select, outer, rows)?,
            false => (rows.to_vec(), Vec::new()),
        };
        let windows = self.windows(select, outer, &rows, &aggregates)?;
        let mut out = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let place = Place {
                row,
                aggregates: aggregates.get(at).map_or(&[], Vec::as_slice),
                windows: windows.get(at).map_or(&[], Vec::as_slice),
                sets: &[],
                outer,
            };
            if let Some(having) = &select.having
                && !self.truth(having, &place)?
            {
                continue;
            }
            self.row(select, &place, &mut out)?;
        }
        if select.distinct {
            let mut seen = HashSet::new();
            out.retain(|row: &Row| {
                let visible = row.iter().take(select.visible).cloned();
                seen.insert(visible.map(Key).collect::<Vec<_>>())
            });
        }
        Ok(out)
    }

    /// One row, or as many as the functions in it give.
    fn row(
        &self,
        select: &Select,
        place: &Place<'_>,
        out: &mut Vec<Row>,
    ) -> Result<(), QueryError> {
        self.step()?;
        let finish = |place: &Place<'_>| {
            select.projection.iter().map(|expr| self.value(expr, place)).collect::<Result<Row, _>>()
        };
        if select.sets.is_empty() {
            out.push(finish(place)?);
            return Ok(());
        }
        let mut given = Vec::new();
        for call in &select.sets {
            let arguments: Vec<Value> = call
                .arguments
                .iter()
                .map(|argument| self.value(argument, place))
                .collect::<Result<_, _>>()?;
            given.push((call.function.call)(self, &arguments, call.from_zero)?);
        }
        let length = given.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..length {
            let sets: Vec<Value> =
                given.iter().map(|rows| rows.get(at).cloned().unwrap_or(Value::Null)).collect();
            out.push(finish(&Place { sets: &sets, ..*place })?);
        }
        Ok(())
    }

    /// The first row of each group, and what its aggregates give.
    #[expect(clippy::type_complexity, reason = "two lists of the same length")]
    fn groups(
        &self,
        select: &Select,
        outer: Option<&Place<'_>>,
        rows: &[Vec<Value>],
    ) -> Result<(Vec<Vec<Value>>, Vec<Vec<Value>>), QueryError> {
        let mut places: HashMap<Vec<Key>, usize> = HashMap::new();
        let mut groups: Vec<Vec<&Vec<Value>>> = Vec::new();
        for row in rows {
            let place = Place { row, outer, ..Place::default() };
            let key = select.group.iter().map(|expr| self.value(expr, &place).map(Key));
            let at = *places.entry(key.collect::<Result<_, _>>()?).or_insert(groups.len());
            match groups.get_mut(at) {
                Some(group) => group.push(row),
                None => groups.push(vec![row]),
            }
        }
        if groups.is_empty() && select.group.is_empty() {
            groups.push(Vec::new());
        }
        let mut firsts = Vec::with_capacity(groups.len());
        let mut results = Vec::with_capacity(groups.len());
        for group in groups {
            let values = select
                .aggregates
                .iter()
                .map(|aggregate| self.aggregate(aggregate, &group, outer))
                .collect::<Result<_, _>>()?;
            let none = || vec![Value::Null; select.from.width];
            firsts.push(group.first().map_or_else(none, |row| (*row).clone()));
            results.push(values);
        }
        Ok((firsts, results))
    }

    fn aggregate(
        &self,
        aggregate: &Aggregate,
        rows: &[&Vec<Value>],
        outer: Option<&Place<'_>>,
    ) -> Result<Value, QueryError> {
        let mut taken: Vec<(Vec<Value>, Vec<Value>)> = Vec::new();
        for row in rows {
            self.step()?;
            let place = Place { row, outer, ..Place::default() };
            if let Some(filter) = &aggregate.filter
                && !self.truth(filter, &place)?
            {
                continue;
            }
            let all = |list: &mut dyn Iterator<Item = &Expr>| {
                list.map(|expr| self.value(expr, &place)).collect::<Result<Vec<_>, _>>()
            };
            let values = all(&mut aggregate.arguments.iter())?;
            let keys = all(&mut aggregate.order.iter().map(|(expr, _)| expr))?;
            taken.push((keys, values));
        }
        if !aggregate.order.is_empty() {
            taken.sort_by(|(left, _), (right, _)| by_keys(left, right, &aggregate.order));
        }
        if aggregate.distinct {
            let mut seen = HashSet::new();
            taken.retain(|(_, values)| {
                seen.insert(values.iter().cloned().map(Key).collect::<Vec<_>>())
            });
        }
        Ok(finish(aggregate.call, &taken))
    }

    fn windows(
        &self,
        select: &Select,
        outer: Option<&Place<'_>>,
        rows: &[Vec<Value>],
        aggregates: &[Vec<Value>],
    ) -> Result<Vec<Vec<Value>>, QueryError> {
        if select.windows.is_empty() {
            return Ok(Vec::new());
        }
        let mut out = vec![Vec::with_capacity(select.windows.len()); rows.len()];
        for window in &select.windows {
            let mut partitions: HashMap<Vec<Key>, Vec<(usize, Vec<Value>)>> = HashMap::new();
            for (at, row) in rows.iter().enumerate() {
                let aggregates = aggregates.get(at).map_or(&[][..], Vec::as_slice);
                let place = Place { row, aggregates, outer, ..Place::default() };
                let key = window.partition.iter().map(|expr| self.value(expr, &place).map(Key));
                let order = window.order.iter().map(|(expr, _)| self.value(expr, &place));
                let order = order.collect::<Result<_, _>>()?;
                partitions.entry(key.collect::<Result<_, _>>()?).or_default().push((at, order));
            }
            for (_, mut partition) in partitions {
                partition.sort_by(|(_, left), (_, right)| by_keys(left, right, &window.order));
                for (at, value) in numbered(window, &partition) {
                    out[at].push(value);
                }
            }
        }
        Ok(out)
    }
}

fn by_keys(left: &[Value], right: &[Value], keys: &[(Expr, bool)]) -> std::cmp::Ordering {
    for ((left, right), (_, descending)) in left.iter().zip(right).zip(keys) {
        let order = order(left, right);
        let order = if *descending { order.reverse() } else { order };
        if order != std::cmp::Ordering::Equal {
            return order;
        }
    }
    std::cmp::Ordering::Equal
}

fn count(rows: usize) -> Value {
    Value::Int(i64::try_from(rows).unwrap_or(i64::MAX))
}

fn numbered(window: &Window, partition: &[(usize, Vec<Value>)]) -> Vec<(usize, Value)> {
    let (mut rank, mut dense) = (0, 0);
    let mut before: Option<&[Value]> = None;
    let mut out = Vec::with_capacity(partition.len());
    for (place, (at, keys)) in partition.iter().enumerate() {
        if before.is_none_or(|before| by_keys(before, keys, &window.order).is_ne()) {
            (rank, dense) = (place + 1, dense + 1);
        }
        before = Some(keys);
        out.push((
            *at,
            match window.call {
                WindowCall::RowNumber => count(place + 1),
                WindowCall::Rank => count(rank),
                WindowCall::DenseRank => count(dense),
                WindowCall::Count => count(partition.len()),
            },
        ));
    }
    out
}

fn finish(call: AggregateCall, taken: &[(Vec<Value>, Vec<Value>)]) -> Value {
    let firsts = || taken.iter().filter_map(|(_, values)| values.first());
    let present = || firsts().filter(|value| !value.is_null());
    let extreme = |wanted: std::cmp::Ordering| {
        let better = |best: Value, value: &Value| match compare(value, &best) {
            Some(order) if order != wanted => best,
            _ => value.clone(),
        };
        present().fold(Value::Null, better)
    };
    match call {
        AggregateCall::CountRows => count(taken.len()),
        AggregateCall::Count => count(present().count()),
        AggregateCall::Min => extreme(std::cmp::Ordering::Less),
        AggregateCall::Max => extreme(std::cmp::Ordering::Greater),
        AggregateCall::Sum => {
            let whole: Option<Vec<i64>> = present()
                .map(|value| if let Value::Int(number) = value { Some(*number) } else { None })
                .collect();
            match whole {
                _ if present().next().is_none() => Value::Null,
                Some(numbers) => Value::Int(numbers.into_iter().fold(0, i64::saturating_add)),
                None => Value::Float(present().filter_map(number).sum()),
            }
        }
        AggregateCall::BoolAnd | AggregateCall::BoolOr if present().next().is_none() => Value::Null,
        AggregateCall::BoolAnd => Value::Bool(present().all(Value::is_true)),
        AggregateCall::BoolOr => Value::Bool(present().any(Value::is_true)),
        AggregateCall::ArrayAgg if taken.is_empty() => Value::Null,
        AggregateCall::ArrayAgg => Value::array(firsts().cloned()),
        AggregateCall::StringAgg => joined(taken),
        AggregateCall::JsonAgg if taken.is_empty() => Value::Null,
        AggregateCall::JsonAgg => json::array(&firsts().cloned().collect::<Vec<_>>()),
        AggregateCall::JsonObjectAgg => {
            let pairs: Vec<Value> =
                taken.iter().flat_map(|(_, values)| values.iter().take(2).cloned()).collect();
            json::object(&pairs).unwrap_or(Value::Null)
        }
    }
}

fn joined(taken: &[(Vec<Value>, Vec<Value>)]) -> Value {
    let mut text: Option<String> = None;
    for (_, values) in taken {
        let Some(part) = values.first().and_then(Value::written) else { continue };
        text = Some(match text {
            None => part,
            Some(before) => {
                let between = values.get(1).and_then(Value::written).unwrap_or_default();
                format!("{before}{between}{part}")
            }
        });
    }
    text.map_or(Value::Null, Value::text)
}
