//! Microbatch models: one period after the other is computed from the rows of its parents that
//! fall into it, and takes the place of what the table held for that period.

use std::sync::Arc;

use chrono::{
    DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc,
};
use compute::statement::quoted;
use project::{Materialization, Node, RowFilter};
use serde_json::Value;
use storage::WriteMode;
use tokio_util::sync::CancellationToken;

use crate::incremental::shaped;
use crate::model::{Before, RowsOf, table_of};
use crate::staged::StagedNode;
use crate::step::{Made, Making};
use crate::world::World;
use crate::{TransformationError, Workshop};

/// How long a period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Hour,
    Day,
    Month,
    Year,
}

impl Size {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "hour" => Self::Hour,
            "day" => Self::Day,
            "month" => Self::Month,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// The beginning of the period that holds a moment.
    fn floor(self, at: NaiveDateTime) -> NaiveDateTime {
        let date = at.date();
        let first = match self {
            Self::Hour => return date.and_hms_opt(at.hour(), 0, 0).unwrap_or(at),
            Self::Day => Some(date),
            Self::Month => date.with_day(1),
            Self::Year => NaiveDate::from_ymd_opt(date.year(), 1, 1),
        };
        first.unwrap_or(date).and_time(chrono::NaiveTime::MIN)
    }

    /// The beginning of a period so many after, or before, the one that holds a moment.
    fn step(self, at: NaiveDateTime, count: i32) -> NaiveDateTime {
        let floor = self.floor(at);
        let size = count.unsigned_abs();
        let moved = match (self, count >= 0) {
            (Self::Hour, _) => floor.checked_add_signed(TimeDelta::hours(i64::from(count))),
            (Self::Day, true) => floor.checked_add_days(Days::new(u64::from(size))),
            (Self::Day, false) => floor.checked_sub_days(Days::new(u64::from(size))),
            (Self::Month, true) => floor.checked_add_months(Months::new(size)),
            (Self::Month, false) => floor.checked_sub_months(Months::new(size)),
            (Self::Year, true) => floor.checked_add_months(Months::new(size.saturating_mul(12))),
            (Self::Year, false) => floor.checked_sub_months(Months::new(size.saturating_mul(12))),
        };
        moved.unwrap_or(floor)
    }

    fn ceiling(self, at: NaiveDateTime) -> NaiveDateTime {
        let floor = self.floor(at);
        if floor == at { at } else { self.step(at, 1) }
    }
}

/// What a command says about the periods to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventTimes {
    /// From here.
    pub start: Option<NaiveDateTime>,
    /// Up to here.
    pub end: Option<NaiveDateTime>,
}

struct Settings {
    size: Size,
    column: String,
    begin: Option<NaiveDateTime>,
    lookback: i32,
}

fn refuse(node: &Node, message: &str, help: &str) -> TransformationError {
    TransformationError::Columns {
        message: format!("microbatch model \"{}\" {message}", node.name),
        help: help.to_owned(),
    }
}

/// Reads a moment as dbt's flags and configs write it.
pub fn event_time(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim().trim_end_matches('Z');
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.naive_utc());
    }
    let forms = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let found = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    found.or_else(|| {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Some(date.and_time(chrono::NaiveTime::MIN))
    })
}

impl Settings {
    fn of(node: &Node) -> Result<Self, TransformationError> {
        let all = &node.config.all;
        let text = |key: &str| all.get(key).and_then(Value::as_str);
        let size = text("batch_size").and_then(Size::parse);
        let size = size.ok_or_else(|| {
            refuse(node, "has no batch_size", "Set batch_size to hour, day, month or year.")
        })?;
        let column = node.config.event_time.clone().ok_or_else(|| {
            refuse(node, "has no event_time", "Name the column that says when a row happened.")
        })?;
        let lookback = all.get("lookback").and_then(Value::as_i64).unwrap_or(1);
        Ok(Self {
            size,
            column,
            begin: text("begin").and_then(event_time),
            lookback: i32::try_from(lookback).unwrap_or(1),
        })
    }

    /// The periods to compute.
    fn periods(
        &self,
        node: &Node,
        asked: EventTimes,
        incremental: bool,
        now: DateTime<Utc>,
    ) -> Result<Vec<(NaiveDateTime, NaiveDateTime)>, TransformationError> {
        let size = self.size;
        let end = size.ceiling(asked.end.unwrap_or_else(|| now.naive_utc()));
        let start = match (asked.start, incremental) {
            (Some(start), _) => size.floor(start),
            (None, false) => {
                let help = "Set begin to the first moment that matters, such as '2024-01-01'.";
                size.floor(self.begin.ok_or_else(|| refuse(node, "has no begin", help))?)
            }
            // An end on the border of two periods belongs to the one before.
            (None, true) => {
                let more = i32::from(end == size.floor(end));
                size.step(end, -(self.lookback + more))
            }
        };
        let mut periods = Vec::new();
        let mut at = start;
        loop {
            let next = size.step(at, 1);
            periods.push((at, next.min(end)));
            if next >= end {
                return Ok(periods);
            }
            at = next;
        }
    }
}

/// A stretch of time: its first moment, and the first one after it.
pub type Stretch = (NaiveDateTime, NaiveDateTime);

/// What a build computed of a microbatch model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComputedPeriods {
    /// Stretches of time, those that touch joined.
    pub stretches: Vec<Stretch>,
    /// Whether nothing of earlier builds is left.
    pub from_nothing: bool,
}

/// What a microbatch model should hold, against what was ever computed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPlan {
    /// The first moment that should be there.
    pub begin: Option<NaiveDateTime>,
    /// The end of the last period that is over.
    pub until: NaiveDateTime,
    /// Periods that were never computed.
    pub gaps: Vec<Stretch>,
}

impl BatchPlan {
    /// Compares a model's settings with what was computed.
    ///
    /// # Errors
    /// When the model is no microbatch model, or lacks a setting.
    pub fn of(
        node: &Node,
        computed: &[Stretch],
        now: DateTime<Utc>,
    ) -> Result<Self, TransformationError> {
        let settings = Settings::of(node)?;
        let until = settings.size.floor(now.naive_utc());
        let first = computed.iter().map(|(start, _)| *start).min();
        let begin = settings.begin.or(first).map(|begin| settings.size.floor(begin));
        Ok(Self { begin, until, gaps: settings.gaps(computed, until) })
    }
}

/// Joins stretches that touch, in their order.
pub(crate) fn joined(stretches: &[Stretch]) -> Vec<Stretch> {
    let mut sorted = stretches.to_vec();
    sorted.sort();
    let mut found: Vec<Stretch> = Vec::new();
    for (start, end) in sorted {
        match found.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            Some(_) | None => found.push((start, end)),
        }
    }
    found
}

impl Settings {
    /// Periods from the beginning to a moment that were never computed.
    fn gaps(&self, computed: &[Stretch], until: NaiveDateTime) -> Vec<Stretch> {
        let computed = joined(computed);
        let begin = self.begin.or(computed.first().map(|(start, _)| *start));
        let Some(begin) = begin else { return Vec::new() };
        let mut gaps = Vec::new();
        let mut at = self.size.floor(begin);
        while at < until {
            let next = self.size.step(at, 1);
            if !computed.iter().any(|(start, end)| *start <= at && *end >= next) {
                gaps.push((at, next));
            }
            if next <= at {
                break;
            }
            at = next;
        }
        gaps
    }
}

fn literal(at: NaiveDateTime) -> String {
    format!("'{}'", at.format("%Y-%m-%d %H:%M:%S+00:00"))
}

impl Workshop {
    /// Stages a microbatch model: its periods one after the other, in one version.
    pub(crate) async fn stage_batches(
        &self,
        node: &Node,
        making: Making,
        before: &Before,
        world: &Arc<World>,
        cancel: &CancellationToken,
    ) -> Result<StagedNode, TransformationError> {
        debug_assert!(node.config.materialized == Materialization::Incremental);
        let settings = Settings::of(node)?;
        let table = table_of(node)?;
        let fresh = node.config.full_refresh.unwrap_or(self.options.full_refresh);
        let incremental = before.table.is_some() && !fresh;
        let asked = self.invocation.event_times;
        let mut periods = settings.periods(node, asked, incremental, self.started)?;
        if incremental && asked.start.is_none() {
            self.fill_gaps(node, &settings, &mut periods).await?;
        }
        let stretches = joined(&periods);
        let computed = ComputedPeriods { stretches: stretches.clone(), from_nothing: !incremental };
        let commit = self.commit_id();
        let mut stage: Option<storage::Stage> = None;
        let (mut inputs, mut fingerprint) = (Vec::new(), None);
        for (start, end) in periods {
            if cancel.is_cancelled() {
                return Err(TransformationError::Cancelled);
            }
            let filter = RowFilter::between(start, end);
            let compiled = self.compile_filtered(node, world, fresh, &filter).await?;
            let session = world.session();
            let own = |error| compiled.query_error(error);
            let prepared = session.prepare(&compiled.sql).await.map_err(own)?;
            if stage.is_none() {
                let mut options = self.stage_options(node, &commit, Some(&compiled));
                options.replaces = before.view();
                let base = before.table.as_ref();
                let mut new = self.lake.stage(&self.environment, &table, base, options);
                match base {
                    Some(_) => {
                        new.mode(WriteMode::ReplaceAll)?;
                        if !incremental {
                            new.replace_schema(&prepared.schema())?;
                        }
                    }
                    None => {
                        new.evolve_to(&prepared.schema())?;
                    }
                }
                if incremental {
                    let (column, name) = (&settings.column, node.relation.as_ref());
                    let name = name.map(ToString::to_string).unwrap_or_default();
                    let column = quoted(column);
                    let within = stretches.iter().map(|(first, last)| {
                        let (first, last) = (literal(*first), literal(*last));
                        format!("({column} >= {first} and {column} < {last})")
                    });
                    let within = within.collect::<Vec<_>>().join(" or ");
                    let kept = format!("select * from {name} where ({within}) is not true");
                    let kept = session.prepare(&kept).await.map_err(own)?;
                    let rows = RowsOf { session: &session, prepared: &kept, compiled: &compiled };
                    rows.write_to(&mut new, cancel, Ok).await?;
                }
                stage = Some(new);
            }
            if let Some(stage) = &mut stage {
                let shape = stage.arrow_schema()?;
                let rows = RowsOf { session: &session, prepared: &prepared, compiled: &compiled };
                let help = "Build it from nothing with --full-refresh.";
                rows.write_to(stage, cancel, |batch| {
                    shaped(&batch, &shape).map_err(|message| refuse(node, &message, help))
                })
                .await?;
            }
            inputs = prepared.inputs();
            fingerprint = Some(compiled.fingerprint(node));
        }
        let Some(stage) = stage else {
            return Err(TransformationError::Internal("no period was computed".to_owned()));
        };
        let staged = stage.finish().await?;
        let mut made = Made::rows(&staged);
        made.version.inputs = inputs;
        made.version.code_fingerprint = fingerprint;
        let mut all = self.periods.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.insert(node.id.clone(), computed);
        drop(all);
        Ok(making.staged(node, made))
    }

    /// Puts periods in front that were never computed, and says which. A model of which nothing is
    /// remembered has none: it was built before periods were remembered.
    async fn fill_gaps(
        &self,
        node: &Node,
        settings: &Settings,
        periods: &mut Vec<Stretch>,
    ) -> Result<(), TransformationError> {
        let known = self.ledger.intervals(&self.environment, &node.id).await?;
        let known: Vec<Stretch> = known.iter().map(|one| (one.start, one.end)).collect();
        let Some((first, _)) = periods.first().copied().filter(|_| !known.is_empty()) else {
            return Ok(());
        };
        let mut gaps = settings.gaps(&known, first);
        if gaps.is_empty() {
            return Ok(());
        }
        let named = joined(&gaps);
        let named = named.iter().map(|(start, end)| format!("{start} to {end}"));
        self.invocation.warn(&format!(
            "microbatch model \"{}\" also computes what was never computed: {}",
            node.name,
            named.collect::<Vec<_>>().join(", ")
        ));
        gaps.append(periods);
        *periods = gaps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        event_time(text).unwrap()
    }

    #[test]
    fn gaps_are_the_periods_that_no_stretch_covers() {
        let settings = Settings {
            size: Size::Day,
            column: "at".to_owned(),
            begin: Some(at("2024-03-01")),
            lookback: 1,
        };
        let known = [
            (at("2024-03-02"), at("2024-03-03")),
            (at("2024-03-05"), at("2024-03-07")),
            (at("2024-03-03"), at("2024-03-04")),
        ];
        assert_eq!(joined(&known).len(), 2);
        let gaps = settings.gaps(&known, at("2024-03-09"));
        let starts: Vec<String> = gaps.iter().map(|gap| gap.0.date().to_string()).collect();
        assert_eq!(starts, ["2024-03-01", "2024-03-04", "2024-03-07", "2024-03-08"]);
    }

    #[test]
    fn periods_begin_where_they_are_cut() {
        assert_eq!(Size::Month.floor(at("2024-03-17 16:06:00")), at("2024-03-01"));
        assert_eq!(Size::Day.step(at("2024-03-01 05:00:00"), -1), at("2024-02-29"));
        assert_eq!(Size::Hour.ceiling(at("2024-03-01 05:00:01")), at("2024-03-01 06:00:00"));
        assert_eq!(Size::Year.ceiling(at("2024-01-01")), at("2024-01-01"));
    }
}
