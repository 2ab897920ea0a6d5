//! How far moments lie apart, by units and by calendars.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, IntervalMonthDayNanoArray};
use arrow::datatypes::{DataType, IntervalMonthDayNano};
use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, Timelike};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;

use super::super::kernel::{Call, Kernel, Want, returns};
use super::zones::walls;
use super::{DAY_US, INTERVAL};

pub(super) fn all() -> Vec<ScalarUDF> {
    const PAIR: &[Want] = &[Want::Moment, Want::Moment];
    const UNIT_PAIR: &[Want] = &[Want::Text, Want::Moment, Want::Moment];
    const WHOLE: DataType = DataType::Int64;
    vec![
        Kernel::udf("fp_moment_difference", PAIR, returns!(INTERVAL), moment_difference),
        Kernel::udf("fp_age", PAIR, returns!(INTERVAL), age),
        Kernel::udf("fp_date_diff", UNIT_PAIR, returns!(WHOLE), |c| differences(c, boundaries)),
        Kernel::udf("fp_date_sub", UNIT_PAIR, returns!(WHOLE), |c| differences(c, full_units)),
    ]
}

fn pairs(call: &Call<'_>, first: usize) -> Result<Vec<Option<(NaiveDateTime, NaiveDateTime)>>> {
    Ok(walls(call, first)?
        .into_iter()
        .zip(walls(call, first + 1)?)
        .map(|(a, b)| a.zip(b))
        .collect())
}

fn moment_difference(call: &Call<'_>) -> Result<ArrayRef> {
    let all = call.micros(0)?.into_iter().zip(call.micros(1)?).map(|(a, b)| {
        let apart = a?.checked_sub(b?)?;
        let days = i32::try_from(apart / DAY_US).ok()?;
        Some(IntervalMonthDayNano::new(0, days, (apart % DAY_US) * 1_000))
    });
    Ok(Arc::new(all.collect::<IntervalMonthDayNanoArray>()))
}

/// Years and months first, then days, then the rest: PostgreSQL's `age`.
fn age(call: &Call<'_>) -> Result<ArrayRef> {
    let all = pairs(call, 0)?.into_iter().map(|pair| {
        let (late, early) = pair?;
        Some(if late >= early {
            age_of(late, early)
        } else {
            let turned = age_of(early, late);
            IntervalMonthDayNano::new(-turned.months, -turned.days, -turned.nanoseconds)
        })
    });
    Ok(Arc::new(all.collect::<IntervalMonthDayNanoArray>()))
}

fn age_of(late: NaiveDateTime, early: NaiveDateTime) -> IntervalMonthDayNano {
    let mut months = (late.year() - early.year()) * 12 + late.month() as i32 - early.month() as i32;
    let mut days = late.day() as i32 - early.day() as i32;
    let clock = |moment: NaiveDateTime| {
        i64::from(moment.num_seconds_from_midnight()) * 1_000_000_000
            + i64::from(moment.nanosecond())
    };
    let mut nanos = clock(late) - clock(early);
    if nanos < 0 {
        nanos += DAY_US * 1_000;
        days -= 1;
    }
    if days < 0 {
        // The length of the early month, as PostgreSQL takes it.
        days += month_length(early.date());
        months -= 1;
    }
    IntervalMonthDayNano::new(months, days, nanos)
}

fn month_length(day: NaiveDate) -> i32 {
    last_of_month(day).map_or(30, |last| last.day() as i32)
}

pub(super) fn last_of_month(day: NaiveDate) -> Option<NaiveDate> {
    day.with_day(1)?.checked_add_months(Months::new(1))?.pred_opt()
}

fn differences(
    call: &Call<'_>,
    count: fn(&str, NaiveDateTime, NaiveDateTime) -> Option<i64>,
) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(call.rows);
    for (unit, pair) in call.texts(0)?.into_iter().zip(pairs(call, 1)?) {
        out.push(match (unit, pair) {
            (Some(unit), Some((start, end))) => match count(unit, start, end) {
                Some(count) => Some(count),
                None => return exec_err!("unit \"{unit}\" is not known"),
            },
            _ => None,
        });
    }
    Ok(Arc::new(Int64Array::from(out)))
}

fn unit_micros(unit: &str) -> Option<i64> {
    Some(match unit {
        "microsecond" => 1,
        "millisecond" => 1_000,
        "second" => 1_000_000,
        "minute" => 60_000_000,
        "hour" => 3_600_000_000,
        _ => return None,
    })
}

/// How many boundaries of the unit lie between: DuckDB's `date_diff`.
fn boundaries(unit: &str, start: NaiveDateTime, end: NaiveDateTime) -> Option<i64> {
    let months = |moment: NaiveDateTime| i64::from(moment.year()) * 12 + i64::from(moment.month0());
    let days = |moment: NaiveDateTime| i64::from(moment.num_days_from_ce());
    let by = |number: fn(i64) -> i64, f: &dyn Fn(NaiveDateTime) -> i64| {
        number(f(end)) - number(f(start))
    };
    Some(match unit {
        "year" => i64::from(end.year()) - i64::from(start.year()),
        "century" => {
            i64::from(end.year().div_euclid(100)) - i64::from(start.year().div_euclid(100))
        }
        "decade" => i64::from(end.year().div_euclid(10)) - i64::from(start.year().div_euclid(10)),
        "quarter" => by(|m| m.div_euclid(3), &months),
        "month" => by(|m| m, &months),
        // Weeks begin on Monday; day 1 of the common era was one.
        "week" => by(|d| (d - 1).div_euclid(7), &days),
        "seven" => (days(end) - days(start)) / 7,
        "day" => by(|d| d, &days),
        _ => {
            let size = unit_micros(unit)?;
            let place =
                |moment: NaiveDateTime| moment.and_utc().timestamp_micros().div_euclid(size);
            place(end) - place(start)
        }
    })
}

/// How many whole units lie between: DuckDB's `date_sub`.
fn full_units(unit: &str, start: NaiveDateTime, end: NaiveDateTime) -> Option<i64> {
    let apart = || (end - start).num_microseconds();
    Some(match unit {
        "year" => full_months(start, end) / 12,
        "decade" => full_months(start, end) / 120,
        "quarter" => full_months(start, end) / 3,
        "month" => full_months(start, end),
        "week" | "seven" => apart()? / (7 * DAY_US),
        "day" => apart()? / DAY_US,
        _ => apart()? / unit_micros(unit)?,
    })
}

fn full_months(start: NaiveDateTime, end: NaiveDateTime) -> i64 {
    if end < start {
        return -full_months(end, start);
    }
    let months = i64::from(end.year() - start.year()) * 12 + i64::from(end.month())
        - i64::from(start.month());
    let last = last_of_month(end.date()).is_some_and(|last| last == end.date());
    let short = (end.day(), end.time()) < (start.day(), start.time())
        && !(last && end.day() < start.day() && end.time() >= start.time());
    months - i64::from(short)
}
