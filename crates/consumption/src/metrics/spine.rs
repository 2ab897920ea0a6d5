//! Buckets of time, each once: from a time spine of the project, or made.

use chrono::{Datelike, Days, Months, NaiveDate};
use compute::Dialect;
use project::semantics::{Filter, FilterItem, FilterPart, Grain, Window};

use super::keys::split;
use super::plan::Planner;
use super::sql::{conditions, day_after, moment};
use crate::ConsumptionError;

/// Where a spine begins and ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ends {
    /// With the project's spine, or with the question's days.
    Every,
    /// With the column `bucket` of this query, or with the question's days.
    Of(&'static str),
    /// With the column `bucket` of this query, whatever the question's days are.
    All(&'static str),
}

/// Buckets that a made spine can have: more than a century of hours.
const BUCKETS_MAX: i64 = 1_000_000;

impl Planner<'_> {
    /// A query with the column `bucket`.
    ///
    /// # Errors
    /// When it would have more buckets than the limit.
    pub(super) fn spine(&self, grain: Grain, ends: Ends) -> Result<String, ConsumptionError> {
        let declared = self.declared(grain);
        if let (Some((relation, column)), Ends::Every) = (declared, ends) {
            let bucket = self.writer.truncated(grain, &column);
            let wheres = conditions(&self.days(&bucket));
            return Ok(format!("select distinct {bucket} as bucket\nfrom {relation}{wheres}"));
        }
        let rows = match ends {
            Ends::Every => "per_bucket",
            Ends::Of(rows) | Ends::All(rows) => rows,
        };
        let (from, to) = match ends {
            Ends::All(_) => (None, None),
            Ends::Every | Ends::Of(_) => (self.from, self.to),
        };
        let first = match from {
            Some(day) => moment(start_of(grain, day)),
            None => "cast(min(bucket) as timestamp)".to_owned(),
        };
        let last = match to {
            Some(day) => moment(day),
            None => "cast(max(bucket) as timestamp)".to_owned(),
        };
        let steps = steps(grain, from, to)?;
        let numbers = match self.writer.dialect {
            Dialect::Duckdb | Dialect::Postgres => {
                format!("generate_series(0, {steps}) as steps(step)")
            }
            Dialect::Snowflake | Dialect::Bigquery => digits(steps),
        };
        let step =
            format!("(first_bucket + step * interval '{}')", Window { count: 1, grain }.interval());
        let end = match (to, grain < Grain::Day) {
            (Some(_), true) => format!("{step} < last_bucket + interval '1 day'"),
            _ => format!("{step} <= last_bucket"),
        };
        let bucket = self.writer.truncated(grain, &step);
        let source = match (from, to) {
            (Some(_), Some(_)) => String::new(),
            _ => format!("\n  from {rows}"),
        };
        Ok(format!(
            "select {bucket} as bucket\nfrom (\n  select {first} as first_bucket, {last} as \
             last_bucket{source}\n) as ends\ncross join {numbers}\nwhere {end}"
        ))
    }

    /// The project's own spine that is fine enough, coarsest first.
    fn declared(&self, grain: Grain) -> Option<(String, String)> {
        let spine = self.semantics.time_spines.iter().rev().find(|spine| spine.grain <= grain)?;
        let node = self.project.graph.node(spine.model.as_ref()?)?;
        let relation = node.relation.as_ref().filter(|_| !node.is_ephemeral())?;
        Some((self.writer.table(relation), spine.column.clone()))
    }

    /// The question's days, held against a time.
    pub(super) fn days(&self, time: &str) -> Vec<String> {
        let mut wheres = Vec::new();
        if let Some(from) = self.from {
            wheres.push(format!("{time} >= {}", moment(from)));
        }
        if let Some(to) = self.to {
            wheres.push(format!("{time} < {}", moment(day_after(to))));
        }
        wheres
    }

    /// Conditions on the metrics' time, held against a bucket.
    pub(super) fn time_conditions(
        &self,
        filters: &[&Filter],
        grain: Grain,
        bucket: &str,
    ) -> Result<Vec<String>, ConsumptionError> {
        let mut wheres = Vec::new();
        for filter in filters {
            let mut sql = String::new();
            for part in &filter.parts {
                match part {
                    FilterPart::Sql(text) => sql.push_str(text),
                    FilterPart::Item(FilterItem::Metric { .. }) => {}
                    FilterPart::Item(FilterItem::Name { name, grain: given }) => {
                        let asked = given.or(split(name).1).unwrap_or(grain);
                        sql.push_str(&self.writer.truncated(asked.max(grain), bucket));
                    }
                }
            }
            wheres.push(format!("({})", sql.trim()));
        }
        Ok(wheres)
    }
}

/// How many buckets may be needed.
fn steps(
    grain: Grain,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
) -> Result<i64, ConsumptionError> {
    let seconds = match grain {
        Grain::Second => 1,
        Grain::Minute => 60,
        Grain::Hour => 3_600,
        Grain::Day => 86_400,
        Grain::Week => 7 * 86_400,
        Grain::Month => 28 * 86_400,
        Grain::Quarter => 90 * 86_400,
        Grain::Year => 365 * 86_400,
    };
    // Without both ends, a century of them.
    let days = match (from, to) {
        (Some(from), Some(to)) => (to - from).num_days() + 1,
        (None, Some(_)) | (Some(_), None) | (None, None) => 36_525,
    };
    let steps = days.max(0) * 86_400 / seconds + 1;
    if steps > BUCKETS_MAX {
        return Err(ConsumptionError::Settings {
            message: format!(
                "the question needs more than {BUCKETS_MAX} buckets of one {} (limit \
                 buckets_max)",
                grain.word()
            ),
            help: "Ask from a day to a day, or by a coarser grain.".to_owned(),
        });
    }
    Ok(steps)
}

/// So many numbers from nought, for dialects without a series.
fn digits(steps: i64) -> String {
    let mut places = 1;
    while 10_i64.pow(places) <= steps {
        places += 1;
    }
    let ten = "(select 0 as d union all select 1 union all select 2 union all select 3 union all \
               select 4 union all select 5 union all select 6 union all select 7 union all \
               select 8 union all select 9)";
    let mut sum = Vec::new();
    let mut tables = Vec::new();
    for place in 0..places {
        sum.push(format!("p{place}.d * {}", 10_i64.pow(place)));
        tables.push(format!("{ten} as p{place}"));
    }
    format!("(select {} as step from {}) as steps", sum.join(" + "), tables.join(" cross join "))
}

/// The first day of the bucket that a day lies in.
pub(crate) fn start_of(grain: Grain, day: NaiveDate) -> NaiveDate {
    let start = match grain {
        Grain::Second | Grain::Minute | Grain::Hour | Grain::Day => Some(day),
        Grain::Week => {
            day.checked_sub_days(Days::new(u64::from(day.weekday().num_days_from_monday())))
        }
        Grain::Month => day.with_day(1),
        Grain::Quarter => {
            day.with_day(1).and_then(|day| day.with_month((day.month0() / 3) * 3 + 1))
        }
        Grain::Year => day.with_day(1).and_then(|day| day.with_month(1)),
    };
    start.unwrap_or(day)
}

/// The last day of the bucket that a day lies in.
pub(super) fn end_of(grain: Grain, day: NaiveDate) -> NaiveDate {
    let start = start_of(grain, day);
    let next = match grain {
        Grain::Second | Grain::Minute | Grain::Hour | Grain::Day => return day,
        Grain::Week => start.checked_add_days(Days::new(7)),
        Grain::Month => start.checked_add_months(Months::new(1)),
        Grain::Quarter => start.checked_add_months(Months::new(3)),
        Grain::Year => start.checked_add_months(Months::new(12)),
    };
    next.and_then(|next| next.pred_opt()).unwrap_or(day)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn buckets_begin_and_end_on_their_days() {
        let day: NaiveDate = "2026-05-22".parse().unwrap();
        let both = |grain| format!("{} {}", start_of(grain, day), end_of(grain, day));
        assert_eq!(both(Grain::Day), "2026-05-22 2026-05-22");
        assert_eq!(both(Grain::Week), "2026-05-18 2026-05-24");
        assert_eq!(both(Grain::Month), "2026-05-01 2026-05-31");
        assert_eq!(both(Grain::Quarter), "2026-04-01 2026-06-30");
        assert_eq!(both(Grain::Year), "2026-01-01 2026-12-31");
    }
}
