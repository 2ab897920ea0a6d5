//! Metrics added up over time: counted once per bucket, then each bucket of the spine takes the
//! buckets of its window.

use project::semantics::{AggregateFunction, Aggregation, Grain, PeriodAggregation};

use super::branch::needs_time;
use super::combine::VALUE;
use super::plan::Planner;
use super::rows::KeySql;
use super::spine::Ends;
use super::sql::{conditions, group_by, indented, select};
use super::tree::{Leaf, Offset, Shape};
use crate::ConsumptionError;

/// What is kept of a bucket, and what becomes of several.
struct Parts {
    /// What a bucket's rows are grouped by beside the groupings, when values must be kept apart.
    apart: bool,
    /// Columns of a bucket: SQL over the value, and name.
    kept: Vec<(String, &'static str)>,
    /// SQL over those columns.
    whole: String,
}

fn parts(aggregation: &Aggregation) -> Result<Parts, ConsumptionError> {
    let one = |kept: &str, whole: &str| Parts {
        apart: false,
        kept: vec![(kept.to_owned(), "part")],
        whole: whole.to_owned(),
    };
    Ok(match aggregation.function {
        AggregateFunction::Sum => one("sum({})", "sum(part)"),
        AggregateFunction::SumBoolean => one("sum(case when {} then 1 else 0 end)", "sum(part)"),
        AggregateFunction::Count => one("count({})", "sum(part)"),
        AggregateFunction::Min => one("min({})", "min(part)"),
        AggregateFunction::Max => one("max({})", "max(part)"),
        AggregateFunction::CountDistinct => Parts {
            apart: true,
            kept: vec![("{}".to_owned(), "part")],
            whole: "count(distinct part)".to_owned(),
        },
        AggregateFunction::Average => Parts {
            apart: false,
            kept: vec![("sum({})".to_owned(), "part"), ("count({})".to_owned(), "parts")],
            whole: "cast(sum(part) as double precision) / nullif(sum(parts), 0)".to_owned(),
        },
        AggregateFunction::Median | AggregateFunction::Percentile => {
            return Err(ConsumptionError::Settings {
                message: format!(
                    "\"{}\" is a {}, which cannot be added up over time",
                    aggregation.name,
                    aggregation.function.word()
                ),
                help: "Use a sum, a count, an average, min or max.".to_owned(),
            });
        }
    })
}

impl<'s> Planner<'s> {
    pub(super) fn cumulative(&self, leaf: &Leaf<'s>) -> Result<String, ConsumptionError> {
        let Shape::Cumulative { aggregation, window, grain_to_date, period } = leaf.shape else {
            return Err(ConsumptionError::Internal("no metric over time".to_owned()));
        };
        let mut grouped = self.grouped(aggregation, &leaf.filters)?;
        let Some(asked) = grouped.grain else {
            if window.is_none() && grain_to_date.is_none() && leaf.offset.is_none() {
                return self.total(grouped);
            }
            return Err(needs_time(aggregation, "is added up over time"));
        };
        let (times, others) = self.divided(&[])?;
        for filter in others {
            grouped.rows.filter(filter)?;
        }
        let (time, own) = grouped.rows.time()?;
        let grain = own.max(asked.min(Grain::Day));
        let parts = parts(aggregation)?;
        let value = grouped.rows.value();
        let mut items = vec![format!("{} as bucket", self.writer.truncated(grain, &time))];
        let mut others = Vec::new();
        for (number, key) in grouped.keys.iter().enumerate() {
            if let KeySql::Column(sql) = key {
                items.push(format!("{sql} as k{}", number + 1));
                others.push(format!("k{}", number + 1));
            }
        }
        let mut groups: Vec<String> = (1..=items.len()).map(|one| one.to_string()).collect();
        for (kept, name) in &parts.kept {
            items.push(format!("{} as {name}", kept.replace("{}", &value)));
        }
        if parts.apart {
            groups.push(items.len().to_string());
        }
        let per_bucket = format!("{}{}", grouped.rows.sql(&items)?, group_by(&groups));
        let rows = "per_bucket";
        let ends = if leaf.offset.is_some() { Ends::All(rows) } else { Ends::Of(rows) };
        let spine = self.spine(grain, ends)?;
        let mut on = vec!["per_bucket.bucket <= spine.bucket".to_owned()];
        if let Some(window) = window {
            let start = self.writer.earlier("spine.bucket", window);
            on.push(format!("per_bucket.bucket > {start}"));
        } else if let Some(to) = grain_to_date {
            let start = self.writer.truncated(to, "spine.bucket");
            on.push(format!("per_bucket.bucket >= {start}"));
        }
        let mut items = vec!["spine.bucket as bucket".to_owned()];
        items.extend(others.iter().map(|key| format!("per_bucket.{key} as {key}")));
        let groups: Vec<String> = (1..=items.len()).map(|one| one.to_string()).collect();
        items.push(format!("{} as {VALUE}", parts.whole));
        let running = format!(
            "with per_bucket as (\n{}\n),\nspine as (\n{}\n)\n{}\nfrom spine\ninner join \
             per_bucket on {}{}",
            indented(&per_bucket),
            indented(&spine),
            select(&items),
            on.join(" and "),
            group_by(&groups)
        );
        let moved = self.moved(leaf, aggregation, grain)?;
        let mut wheres = self.time_conditions(&times, grain, &moved)?;
        wheres.extend(self.days(&moved));
        let seen = Seen { keys: &grouped.keys, others: &others, grain, asked, moved, wheres };
        Ok(self.periods(&running, &seen, period))
    }

    /// Everything, without a time to group by.
    fn total(
        &self,
        mut grouped: super::branch::Grouped<'_, 's>,
    ) -> Result<String, ConsumptionError> {
        for condition in &self.conditions {
            grouped.rows.filter(condition)?;
        }
        if self.to.is_some() {
            // Up to the last day, from the beginning on.
            let (time, _) = grouped.rows.time()?;
            let until = self.days(&time).pop();
            grouped.rows.keep(until.unwrap_or_default());
        }
        grouped.counted(None)
    }

    /// The bucket that a bucket's number is shown at.
    fn moved(
        &self,
        leaf: &Leaf<'s>,
        aggregation: &Aggregation,
        grain: Grain,
    ) -> Result<String, ConsumptionError> {
        match leaf.offset {
            None => Ok("bucket".to_owned()),
            Some(Offset::Window(window)) if window.grain.is_even() => {
                Ok(self.writer.truncated(grain, &self.writer.later("bucket", window)))
            }
            Some(Offset::Window(_) | Offset::ToGrain(_)) => Err(ConsumptionError::Settings {
                message: format!(
                    "\"{}\" is added up over time and moved by months",
                    aggregation.name
                ),
                help: "Move it by days or weeks: offset_window: 28 days.".to_owned(),
            }),
        }
    }

    /// One number for each longer period.
    fn periods(&self, running: &str, seen: &Seen<'_>, period: PeriodAggregation) -> String {
        let mut keys = Vec::new();
        for (number, key) in seen.keys.iter().enumerate() {
            keys.push(match key {
                KeySql::Time(own) if *own == seen.grain => {
                    format!("{} as k{}", seen.moved, number + 1)
                }
                KeySql::Time(own) => {
                    format!("{} as k{}", self.writer.truncated(*own, &seen.moved), number + 1)
                }
                KeySql::Column(_) => format!("k{}", number + 1),
            });
        }
        let names: Vec<String> = (1..=keys.len()).map(|number| format!("k{number}")).collect();
        let from =
            format!("\nfrom (\n{}\n) as running{}", indented(running), conditions(&seen.wheres));
        if seen.asked <= seen.grain {
            keys.push(VALUE.to_owned());
            return format!("{}{from}", select(&keys));
        }
        if period == PeriodAggregation::Average {
            keys.push(format!("avg({VALUE}) as {VALUE}"));
            let groups: Vec<String> = (1..=names.len()).map(|one| one.to_string()).collect();
            return format!("{}{from}{}", select(&keys), group_by(&groups));
        }
        let order = if period == PeriodAggregation::Last { "bucket desc" } else { "bucket" };
        let mut partition = vec![self.writer.truncated(seen.asked, &seen.moved)];
        partition.extend(seen.others.iter().cloned());
        keys.push(VALUE.to_owned());
        keys.push(format!(
            "row_number() over (partition by {} order by {order}) as place",
            partition.join(", ")
        ));
        let ordered = format!("{}{from}", select(&keys));
        let mut items = names;
        items.push(VALUE.to_owned());
        format!("{}\nfrom (\n{}\n) as periods\nwhere place = 1", select(&items), indented(&ordered))
    }
}

/// What a running number is seen by.
struct Seen<'k> {
    keys: &'k [KeySql],
    others: &'k [String],
    grain: Grain,
    asked: Grain,
    moved: String,
    wheres: Vec<String>,
}
