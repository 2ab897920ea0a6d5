//! Counts of a table by day and hour, and what is usual.

use std::collections::BTreeMap;

use base::TableName;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use compute::Catalog;

use crate::ObservabilityError;
use crate::clock_column::TimeColumn;
use crate::scene::{Scene, moment, name, number, quoted, text, whole};

/// Weeks that say what is usual.
const WEEKS: u64 = 4;
/// Days before the asked one that are counted.
pub(crate) const DAYS_BACK: u64 = 7 * WEEKS;

/// Rows of each hour of each day.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counts(pub(crate) BTreeMap<NaiveDate, [u64; 24]>);

impl Counts {
    pub(crate) fn of(&self, day: NaiveDate) -> u64 {
        self.0.get(&day).map_or(0, |hours| hours.iter().sum())
    }

    pub(crate) fn hours(&self, day: NaiveDate) -> [u64; 24] {
        self.0.get(&day).copied().unwrap_or_default()
    }

    /// The days that say what is usual: the same weekday of the weeks before, as far as the table
    /// goes back.
    pub(crate) fn usual_days(&self, day: NaiveDate) -> Vec<NaiveDate> {
        let first = self.0.keys().next().copied();
        let before = (1..=WEEKS).filter_map(|week| day.checked_sub_days(Days::new(7 * week)));
        before.filter(|day| first.is_some_and(|first| *day >= first)).collect()
    }

    pub(crate) fn usual(&self, day: NaiveDate) -> Option<f64> {
        let days: Vec<f64> = self.usual_days(day).iter().map(|day| self.of(*day) as f64).collect();
        mean(&days)
    }

    pub(crate) fn usual_hours(&self, day: NaiveDate) -> Vec<f64> {
        let days = self.usual_days(day);
        if days.is_empty() {
            return Vec::new();
        }
        let mut hours = vec![0.0; 24];
        for usual in &days {
            for (sum, count) in hours.iter_mut().zip(self.hours(*usual)) {
                *sum += count as f64 / days.len() as f64;
            }
        }
        hours
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (day, hours) in &other.0 {
            let sum = self.0.entry(*day).or_default();
            for (sum, count) in sum.iter_mut().zip(hours) {
                *sum += count;
            }
        }
    }
}

/// The first moment of a day.
pub(crate) fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

/// The stretch that is counted: four weeks and the day, as far as the business clock has come; the
/// hour under way is not complete, and neither is it on the days it is compared with.
pub(crate) fn stretch(day: NaiveDate) -> (DateTime<Utc>, DateTime<Utc>) {
    let first = day.checked_sub_days(Days::new(DAYS_BACK)).unwrap_or(day);
    (midnight(first), midnight(day) + TimeDelta::days(1))
}

/// A condition that leaves the incomplete end of today out, on every day alike.
fn until_now(scene: &Scene, day: NaiveDate) -> String {
    let now = scene.now();
    let end = midnight(day) + TimeDelta::days(1);
    // The last minute of a day counts as its end.
    if now + TimeDelta::minutes(1) >= end || now.date_naive() != day {
        return String::new();
    }
    let hour = now.format("%H").to_string().parse::<u32>().unwrap_or(0);
    format!(" and extract(hour from x) < {hour}")
}

/// Counts the rows of a table over four weeks and the day.
pub(crate) async fn count(
    scene: &Scene,
    catalog: &Catalog,
    table: &TableName,
    time: &TimeColumn,
    day: NaiveDate,
) -> Result<Counts, ObservabilityError> {
    let (from, to) = stretch(day);
    let cut = if time.days_only { String::new() } else { until_now(scene, day) };
    let sql = format!(
        "select cast(cast(x as date) as varchar) as d, cast(extract(hour from x) as bigint) as h, \
         count(*) as n from (select {} as x from {}) as q where x >= {} and x < {}{cut} \
         group by 1, 2",
        time.expression,
        quoted(table),
        moment(from),
        moment(to),
    );
    let mut counts = Counts::default();
    for row in scene.rows(catalog, &sql).await? {
        let day = text(&row, "d").and_then(|text| text.parse::<NaiveDate>().ok());
        let hour = usize::try_from(whole(&row, "h")).unwrap_or(24);
        if let (Some(day), true) = (day, hour < 24) {
            counts.0.entry(day).or_default()[hour] += whole(&row, "n");
        }
    }
    Ok(counts)
}

/// Adds up a column by day.
pub(crate) async fn sums(
    scene: &Scene,
    catalog: &Catalog,
    table: &TableName,
    time: &TimeColumn,
    measure: &str,
    day: NaiveDate,
) -> Result<BTreeMap<NaiveDate, f64>, ObservabilityError> {
    let (from, to) = stretch(day);
    let sql = format!(
        "select cast(cast(x as date) as varchar) as d, sum(m) as n from (select {} as x, \
         cast({} as double precision) as m from {}) as q where x >= {} and x < {} group by 1",
        time.expression,
        name(measure),
        quoted(table),
        moment(from),
        moment(to),
    );
    let mut sums = BTreeMap::new();
    for row in scene.rows(catalog, &sql).await? {
        if let Some(day) = text(&row, "d").and_then(|text| text.parse::<NaiveDate>().ok()) {
            sums.insert(day, number(&row, "n"));
        }
    }
    Ok(sums)
}

pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Whether a value lies beyond what the usual ones would let one expect: three standard
/// deviations of theirs, of a count of that size, and a tenth of it.
pub(crate) fn unusual(value: f64, usual: &[f64]) -> bool {
    let Some(mean) = mean(usual) else { return false };
    if usual.len() < 2 {
        return false;
    }
    let spread = usual.iter().map(|one| (one - mean).powi(2)).sum::<f64>();
    let deviation = (spread / (usual.len() - 1) as f64).sqrt();
    let counted = mean.abs().sqrt();
    let bound = (3.0 * deviation).max(3.0 * counted + 3.0).max(0.1 * mean.abs());
    (value - mean).abs() > bound
}

/// The middle of some numbers.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_eighth_less_than_ever_is_unusual_and_a_slow_day_is_not() {
        let usual = [1_216.0, 1_192.0, 1_168.0, 1_144.0];
        assert!(unusual(965.0, &usual));
        assert!(!unusual(1_156.0, &usual));
        assert!(!unusual(1.0, &[2.0, 2.0, 3.0, 2.0]), "counts of two say nothing");
        assert!(!unusual(1.0, &[]));
    }
}
