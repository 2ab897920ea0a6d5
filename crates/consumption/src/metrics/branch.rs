//! One thing to count, as a query whose columns are the groupings and what was counted.

use project::semantics::{AggregateFunction, Aggregation, Filter, Grain, Window};

use super::combine::VALUE;
use super::plan::Planner;
use super::rows::{KeySql, Rows};
use super::spine::Ends;
use super::sql::{conditions, group_by, indented, select};
use super::tree::{Leaf, Offset, Shape};
use crate::ConsumptionError;

/// A metric's rows, with its groupings as SQL.
pub(super) struct Grouped<'p, 's> {
    pub(super) rows: Rows<'p, 's>,
    pub(super) aggregation: &'s Aggregation,
    pub(super) keys: Vec<KeySql>,
    /// The finest grain of its time among the groupings.
    pub(super) grain: Option<Grain>,
}

impl<'s> Planner<'s> {
    /// The query of one thing to count.
    ///
    /// # Errors
    /// When a grouping cannot be reached, or it needs a time and none is asked for.
    pub(super) fn branch(&self, leaf: &Leaf<'s>) -> Result<String, ConsumptionError> {
        match leaf.shape {
            Shape::Simple(_) => self.simple(leaf),
            Shape::Cumulative { .. } => self.cumulative(leaf),
            Shape::Converted(both) => self.converted(leaf, both),
        }
    }

    pub(super) fn grouped(
        &self,
        aggregation: &'s Aggregation,
        filters: &[&Filter],
    ) -> Result<Grouped<'_, 's>, ConsumptionError> {
        let mut rows = Rows::of(self, aggregation)?;
        let mut keys = Vec::new();
        for key in &self.keys {
            keys.push(rows.key(key)?);
        }
        let grain = keys
            .iter()
            .filter_map(|key| match key {
                KeySql::Time(grain) => Some(*grain),
                KeySql::Column(_) => None,
            })
            .min();
        for filter in aggregation.filters.iter().chain(filters.iter().copied()) {
            rows.filter(filter)?;
        }
        Ok(Grouped { rows, aggregation, keys, grain })
    }

    fn simple(&self, leaf: &Leaf<'s>) -> Result<String, ConsumptionError> {
        let aggregation = leaf.shape.aggregation();
        let mut grouped = self.grouped(aggregation, &leaf.filters)?;
        let Some(offset) = leaf.offset else {
            if let (true, Some(grain)) = (aggregation.join_to_timespine, grouped.grain) {
                return self.on_spine(grouped, grain, None);
            }
            self.ask(&mut grouped)?;
            return grouped.counted(None);
        };
        let grain = grouped.grain.ok_or_else(|| needs_time(aggregation, "is moved in time"))?;
        match offset {
            Offset::Window(window) if moves_rows(window, grain) => {
                let latest = grouped.latest(grain)?;
                grouped.rows.shift(window);
                self.ask(&mut grouped)?;
                if self.to.is_none() {
                    let (time, _) = grouped.rows.time()?;
                    let bucket = self.writer.truncated(grain, &time);
                    grouped.rows.keep(format!("{bucket} <= ({latest})"));
                }
                grouped.counted(None)
            }
            Offset::Window(_) | Offset::ToGrain(_) => self.on_spine(grouped, grain, Some(offset)),
        }
    }

    /// Holds the question's conditions and days against rows.
    pub(super) fn ask(&self, grouped: &mut Grouped<'_, 's>) -> Result<(), ConsumptionError> {
        for condition in &self.conditions {
            grouped.rows.filter(condition)?;
        }
        if self.from.is_some() || self.to.is_some() {
            let (time, _) = grouped.rows.time()?;
            grouped.rows.between(&time);
        }
        Ok(())
    }

    /// Counted per bucket, and each bucket of time shown with what was counted for it, or for the
    /// one that an offset leads to.
    fn on_spine(
        &self,
        mut grouped: Grouped<'_, 's>,
        grain: Grain,
        offset: Option<Offset>,
    ) -> Result<String, ConsumptionError> {
        let (times, others) = self.divided(&[])?;
        for filter in others {
            grouped.rows.filter(filter)?;
        }
        let every = grouped.aggregation.join_to_timespine;
        let counted = grouped.counted(Some(grain))?;
        let ends = if every && offset.is_none() { Ends::Every } else { Ends::Of("per_bucket") };
        let spine = self.spine(grain, ends)?;
        let here = match offset {
            None => "spine.bucket".to_owned(),
            Some(Offset::Window(window)) => {
                self.writer.truncated(grain, &self.writer.earlier("spine.bucket", window))
            }
            Some(Offset::ToGrain(to)) => {
                self.writer.truncated(grain, &self.writer.truncated(to, "spine.bucket"))
            }
        };
        let join = if every { "left join" } else { "inner join" };
        let mut items = self.spine_keys(&grouped.keys, grain, "spine.bucket");
        items.push(format!("per_bucket.{VALUE}"));
        let mut wheres = self.time_conditions(&times, grain, "spine.bucket")?;
        wheres.extend(self.days("spine.bucket"));
        Ok(format!(
            "with per_bucket as (\n{}\n),\nspine as (\n{}\n)\n{}\nfrom spine\n{join} per_bucket on \
             per_bucket.bucket = {here}{}",
            indented(&counted),
            indented(&spine),
            select(&items),
            conditions(&wheres)
        ))
    }

    /// Groupings read off a bucket of time and a counted row.
    pub(super) fn spine_keys(&self, keys: &[KeySql], grain: Grain, bucket: &str) -> Vec<String> {
        let mut items = Vec::new();
        for (number, key) in keys.iter().enumerate() {
            items.push(match key {
                KeySql::Time(own) if *own == grain => format!("{bucket} as k{}", number + 1),
                KeySql::Time(own) => {
                    format!("{} as k{}", self.writer.truncated(*own, bucket), number + 1)
                }
                KeySql::Column(_) => format!("per_bucket.k{0} as k{0}", number + 1),
            });
        }
        items
    }
}

/// Whether every row can be moved by itself without two buckets falling into one: always, but for
/// months at a grain of days, where the 31st has no counterpart.
fn moves_rows(window: Window, grain: Grain) -> bool {
    window.grain.is_even() || grain >= Grain::Month
}

/// A metric that means nothing without a time to group by.
pub(super) fn needs_time(aggregation: &Aggregation, why: &str) -> ConsumptionError {
    ConsumptionError::Settings {
        message: format!("\"{}\" {why} and is not grouped by a time", aggregation.name),
        help: "Group by metric_time__day, or another grain of it.".to_owned(),
    }
}

impl Grouped<'_, '_> {
    /// The bucket of the newest row.
    fn latest(&mut self, grain: Grain) -> Result<String, ConsumptionError> {
        self.rows.latest(grain)
    }

    /// The counted rows. With a `bucket`, times among the groupings are left out and a column
    /// `bucket` of that grain takes their place.
    pub(super) fn counted(&mut self, bucket: Option<Grain>) -> Result<String, ConsumptionError> {
        let mut items: Vec<String> = Vec::new();
        if let Some(grain) = bucket {
            let (time, _) = self.rows.time()?;
            items.push(format!("{} as bucket", self.rows.writer().truncated(grain, &time)));
        }
        for (number, key) in self.keys.clone().iter().enumerate() {
            let sql = match key {
                KeySql::Time(_) if bucket.is_some() => continue,
                KeySql::Time(grain) => {
                    let (time, _) = self.rows.time()?;
                    self.rows.writer().truncated(*grain, &time)
                }
                KeySql::Column(sql) => sql.clone(),
            };
            items.push(format!("{sql} as k{}", number + 1));
        }
        let value = self.rows.value();
        let function = self.aggregation.function;
        let share = super::percentile::share(self.aggregation);
        if self.aggregation.non_additive.is_none() && share.is_none() {
            let keys: Vec<String> = (1..=items.len()).map(|number| number.to_string()).collect();
            items.push(format!("{} as {VALUE}", aggregated(function, &value)));
            return Ok(format!("{}{}", self.rows.sql(&items)?, group_by(&keys)));
        }
        let keys: Vec<String> =
            items.iter().filter_map(|item| item.rsplit(' ').next().map(str::to_owned)).collect();
        items.push(format!("{value} as value"));
        let mut wheres = Vec::new();
        if let Some((at, edge)) = self.edge()? {
            items.push(format!("{at} as own_time"));
            items.push(format!("{edge} as edge"));
            wheres.push("own_time = edge".to_owned());
        }
        let rows = self.rows.sql(&items)?;
        if let Some(share) = share {
            return Ok(super::percentile::sql(&keys, &rows, &wheres, share));
        }
        let mut items = keys.clone();
        items.push(format!("{} as {VALUE}", aggregated(function, "value")));
        Ok(format!(
            "{}\nfrom (\n{}\n) as edges{}{}",
            select(&items),
            indented(&rows),
            conditions(&wheres),
            group_by(&keys)
        ))
    }

    /// For a number that may not be added up over a time: a row's time, and the one that counts.
    fn edge(&mut self) -> Result<Option<(String, String)>, ConsumptionError> {
        let Some(balance) = self.aggregation.non_additive.clone() else { return Ok(None) };
        let at = self.rows.own_dimension(&balance.dimension)?;
        let mut parts = Vec::new();
        for entity in &balance.group_by {
            parts.push(self.rows.entity(entity)?);
        }
        let counted_by = self.aggregation.time_dimension.as_deref() == Some(&*balance.dimension);
        if let Some(grain) = self.grain.filter(|_| counted_by) {
            parts.push(self.rows.writer().truncated(grain, &at));
        }
        let function = if balance.latest { "max" } else { "min" };
        let partition = match parts.is_empty() {
            true => String::new(),
            false => format!("partition by {}", parts.join(", ")),
        };
        let edge = format!("{function}({at}) over ({partition})");
        Ok(Some((at, edge)))
    }
}

/// What is counted, as SQL.
pub(super) fn aggregated(function: AggregateFunction, value: &str) -> String {
    match function {
        AggregateFunction::Sum => format!("sum({value})"),
        AggregateFunction::SumBoolean => format!("sum(case when {value} then 1 else 0 end)"),
        AggregateFunction::Count => format!("count({value})"),
        AggregateFunction::CountDistinct => format!("count(distinct {value})"),
        AggregateFunction::Average => format!("avg({value})"),
        AggregateFunction::Min => format!("min({value})"),
        AggregateFunction::Max => format!("max({value})"),
        // Written out by `percentile`.
        AggregateFunction::Median | AggregateFunction::Percentile => format!("max({value})"),
    }
}
