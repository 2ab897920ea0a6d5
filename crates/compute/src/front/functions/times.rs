//! Dates, moments and intervals.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::array::{
    ArrayRef, Date32Array, Float64Array, Int64Array, IntervalMonthDayNanoArray, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, IntervalMonthDayNano, IntervalUnit, Time64MicrosecondType, TimeUnit,
};
use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, Offset, TimeZone, Timelike};
use chrono_tz::Tz;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::ScalarUDF;

use super::formats;
use super::kernel::{Call, Kernel, Want, local_timestamp, returns};

pub(crate) const DAY_US: i64 = 86_400_000_000;
const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

pub(crate) fn all() -> Vec<ScalarUDF> {
    const MOMENT: &[Want] = &[Want::Moment];
    const PAIR: &[Want] = &[Want::Moment, Want::Moment];
    const UNIT_PAIR: &[Want] = &[Want::Text, Want::Moment, Want::Moment];
    const UNIT_WHEN: &[Want] = &[Want::Text, Want::When];
    const WHOLE: DataType = DataType::Int64;
    vec![
        Kernel::udf("fp_at_time_zone", &[Want::Moment, Want::Text], zone_type, at_time_zone),
        Kernel::udf("fp_moment_text", MOMENT, returns!(DataType::Utf8), moment_text),
        Kernel::udf("fp_local_moment", MOMENT, returns!(local_timestamp()), local_moment),
        Kernel::udf("fp_moment_difference", PAIR, returns!(INTERVAL), moment_difference),
        Kernel::udf("fp_age", PAIR, returns!(INTERVAL), age),
        Kernel::udf("fp_date_diff", UNIT_PAIR, returns!(WHOLE), |c| differences(c, boundaries)),
        Kernel::udf("fp_date_sub", UNIT_PAIR, returns!(WHOLE), |c| differences(c, full_units)),
        Kernel::udf("fp_date_part", UNIT_WHEN, returns!(WHOLE), date_part),
        Kernel::udf(
            "fp_date_part_fraction",
            UNIT_WHEN,
            returns!(DataType::Float64),
            date_part_fraction,
        ),
        Kernel::udf("fp_epoch_ms", MOMENT, returns!(WHOLE), |c| micros_by(c, 1_000)),
        Kernel::udf("fp_epoch_us", MOMENT, returns!(WHOLE), |c| micros_by(c, 1)),
        Kernel::udf("fp_last_day", MOMENT, returns!(DataType::Date32), last_day),
        Kernel::udf(
            "fp_to_timestamp_tz",
            &[Want::Double],
            returns!(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            to_timestamp,
        ),
        Kernel::udf(
            "fp_make_timestamp",
            &[Want::Whole, Want::Whole, Want::Whole, Want::Whole, Want::Whole, Want::Double],
            returns!(local_timestamp()),
            make_timestamp,
        ),
        Kernel::udf(
            "fp_time_bucket",
            &[Want::Interval, Want::Moment],
            |types| Ok(types.get(1).cloned().unwrap_or_else(local_timestamp)),
            time_bucket,
        ),
        Kernel::udf(
            "fp_interval_times",
            &[Want::Interval, Want::Double],
            returns!(INTERVAL),
            interval_times,
        ),
        Kernel::udf("fp_interval_micros", &[Want::Interval], returns!(WHOLE), |call| {
            let all = call.intervals(0)?.into_iter().map(|x| x.map(interval_micros));
            Ok(Arc::new(all.collect::<Int64Array>()))
        }),
        Kernel::udf(
            "fp_strftime",
            &[Want::Moment, Want::Text],
            returns!(DataType::Utf8),
            formats::strftime,
        ),
        Kernel::udf(
            "fp_to_char",
            &[Want::Moment, Want::Text],
            returns!(DataType::Utf8),
            formats::to_char,
        ),
        Kernel::udf(
            "fp_strptime",
            &[Want::Text, Want::Text, Want::Truth],
            returns!(local_timestamp()),
            formats::strptime,
        ),
        Kernel::udf(
            "fp_to_timestamp",
            &[Want::Text, Want::Text],
            returns!(local_timestamp()),
            formats::to_timestamp,
        ),
    ]
}

/// A moment in UTC without its zone.
pub(crate) fn utc(micros: i64) -> Result<NaiveDateTime> {
    match DateTime::from_timestamp_micros(micros) {
        Some(moment) => Ok(moment.naive_utc()),
        None => exec_err!("a timestamp is out of range"),
    }
}

/// The zone of that name.
pub(crate) fn zone_of(name: &str) -> Result<Tz> {
    if matches!(name, "+00:00" | "Z" | "+00") {
        return Ok(Tz::UTC);
    }
    Tz::from_str(name).map_err(|_| exec_datafusion_err!("time zone \"{name}\" is not known"))
}

/// Moments on the wall clock of their zone.
pub(crate) fn walls(call: &Call<'_>, index: usize) -> Result<Vec<Option<NaiveDateTime>>> {
    let zone = call.zone(index)?.map(|name| zone_of(&name)).transpose()?;
    call.micros(index)?
        .into_iter()
        .map(|micros| micros.map(|micros| wall(micros, zone)).transpose())
        .collect()
}

fn wall(micros: i64, zone: Option<Tz>) -> Result<NaiveDateTime> {
    let moment = utc(micros)?;
    Ok(match zone {
        Some(zone) => moment + zone.offset_from_utc_datetime(&moment).fix(),
        None => moment,
    })
}

/// The moment at which a zone's wall clock shows this; the first one when it does so twice.
fn instant(wall: NaiveDateTime, zone: Tz) -> i64 {
    match zone.offset_from_local_datetime(&wall).earliest() {
        Some(offset) => (wall - offset.fix()).and_utc().timestamp_micros(),
        // The hour that is left out in spring: read it with the offset before it.
        None => {
            let before = zone.offset_from_utc_datetime(&(wall - chrono::Duration::days(1)));
            (wall - before.fix()).and_utc().timestamp_micros()
        }
    }
}

fn zone_type(types: &[DataType]) -> Result<DataType> {
    Ok(match types.first() {
        Some(DataType::Timestamp(_, Some(_))) => local_timestamp(),
        _ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    })
}

fn at_time_zone(call: &Call<'_>) -> Result<ArrayRef> {
    let aware = call.zone(0)?.is_some();
    let mut out = Vec::with_capacity(call.rows);
    for (micros, name) in call.micros(0)?.into_iter().zip(call.texts(1)?) {
        out.push(match (micros, name) {
            (Some(micros), Some(name)) => {
                let zone = zone_of(name)?;
                Some(match aware {
                    true => wall(micros, Some(zone))?.and_utc().timestamp_micros(),
                    false => instant(utc(micros)?, zone),
                })
            }
            _ => None,
        });
    }
    let array = TimestampMicrosecondArray::from(out);
    Ok(match call.returns {
        DataType::Timestamp(_, Some(zone)) => Arc::new(array.with_timezone(Arc::clone(zone))),
        _ => Arc::new(array),
    })
}

fn local_moment(call: &Call<'_>) -> Result<ArrayRef> {
    let walls = walls(call, 0)?;
    let all = walls.into_iter().map(|wall| wall.map(|w| w.and_utc().timestamp_micros()));
    Ok(Arc::new(all.collect::<TimestampMicrosecondArray>()))
}

fn moment_text(call: &Call<'_>) -> Result<ArrayRef> {
    let zone = call.zone(0)?.map(|name| zone_of(&name)).transpose()?;
    let mut out = Vec::with_capacity(call.rows);
    for micros in call.micros(0)? {
        let Some(micros) = micros else {
            out.push(None);
            continue;
        };
        let mut text = formats::plain(wall(micros, zone)?);
        if let Some(zone) = zone {
            let seconds = zone.offset_from_utc_datetime(&utc(micros)?).fix().local_minus_utc();
            text.push_str(&formats::offset(seconds));
        }
        out.push(Some(text));
    }
    Ok(Arc::new(StringArray::from(out)))
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

fn last_of_month(day: NaiveDate) -> Option<NaiveDate> {
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
        "decade" => i64::from(end.year().div_euclid(10)) - i64::from(start.year().div_euclid(10)),
        "quarter" => by(|m| m.div_euclid(3), &months),
        "month" => by(|m| m, &months),
        // Weeks begin on Monday; day 1 of the common era was one.
        "week" => by(|d| (d - 1).div_euclid(7), &days),
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
        "week" => apart()? / (7 * DAY_US),
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

fn part_of(unit: &str, wall: NaiveDateTime) -> Option<i64> {
    let year = i64::from(wall.year());
    Some(match unit {
        "year" | "years" | "y" => year,
        "isoyear" => i64::from(wall.iso_week().year()),
        "quarter" => i64::from(wall.month0() / 3 + 1),
        "month" | "months" | "mon" => i64::from(wall.month()),
        "week" | "weeks" => i64::from(wall.iso_week().week()),
        "day" | "days" | "d" | "dayofmonth" => i64::from(wall.day()),
        "dow" | "dayofweek" | "weekday" => i64::from(wall.weekday().num_days_from_sunday()),
        "isodow" => i64::from(wall.weekday().number_from_monday()),
        "doy" | "dayofyear" => i64::from(wall.ordinal()),
        "hour" | "hours" | "h" => i64::from(wall.hour()),
        "minute" | "minutes" | "m" => i64::from(wall.minute()),
        "second" | "seconds" | "s" => i64::from(wall.second()),
        "milliseconds" | "millisecond" => {
            i64::from(wall.second()) * 1_000 + i64::from(wall.nanosecond() / 1_000_000)
        }
        "microseconds" | "microsecond" => {
            i64::from(wall.second()) * 1_000_000 + i64::from(wall.nanosecond() / 1_000)
        }
        "decade" => year.div_euclid(10),
        "century" => (year + 99).div_euclid(100),
        "millennium" => (year + 999).div_euclid(1_000),
        _ => return None,
    })
}

fn interval_part(unit: &str, value: IntervalMonthDayNano) -> Option<i64> {
    let micros = value.nanoseconds / 1_000;
    Some(match unit {
        "year" | "years" => i64::from(value.months / 12),
        "month" | "months" => i64::from(value.months % 12),
        "quarter" => i64::from(value.months % 12 / 3 + 1),
        "day" | "days" => i64::from(value.days),
        "hour" | "hours" => micros / 3_600_000_000,
        "minute" | "minutes" => micros / 60_000_000 % 60,
        "second" | "seconds" => micros / 1_000_000 % 60,
        "milliseconds" | "millisecond" => micros % 60_000_000 / 1_000,
        "microseconds" | "microsecond" => micros % 60_000_000,
        _ => return None,
    })
}

/// Days of 24 hours, months of 30 days, as both homes compare intervals.
pub(crate) fn interval_micros(value: IntervalMonthDayNano) -> i64 {
    let days = i64::from(value.months) * 30 + i64::from(value.days);
    days.saturating_mul(DAY_US).saturating_add(value.nanoseconds / 1_000)
}

/// Years of 365.25 days, as both homes count seconds of an interval.
fn interval_epoch(value: IntervalMonthDayNano) -> f64 {
    let years = f64::from(value.months / 12) * 365.25;
    let days = f64::from(value.months % 12) * 30.0 + f64::from(value.days);
    (years + days) * 86_400.0 + value.nanoseconds as f64 / 1e9
}

fn date_part(call: &Call<'_>) -> Result<ArrayRef> {
    let units = call.texts(0)?;
    let column = call.any(1)?;
    let mut out = Vec::with_capacity(call.rows);
    let unknown = |unit: &str| exec_datafusion_err!("date part \"{unit}\" is not known here");
    if matches!(column.data_type(), DataType::Interval(_)) {
        for (unit, value) in units.into_iter().zip(call.intervals(1)?) {
            out.push(match unit.zip(value) {
                Some((unit, value)) => {
                    Some(interval_part(unit, value).ok_or_else(|| unknown(unit))?)
                }
                None => None,
            });
        }
        return Ok(Arc::new(Int64Array::from(out)));
    }
    for (unit, wall) in units.into_iter().zip(any_walls(call, 1)?) {
        out.push(match unit.zip(wall) {
            Some((unit, wall)) => Some(part_of(unit, wall).ok_or_else(|| unknown(unit))?),
            None => None,
        });
    }
    Ok(Arc::new(Int64Array::from(out)))
}

/// Moments, or times of day on the epoch's day.
fn any_walls(call: &Call<'_>, index: usize) -> Result<Vec<Option<NaiveDateTime>>> {
    let column = call.any(index)?;
    match column.data_type() {
        DataType::Time64(_) => column
            .as_primitive::<Time64MicrosecondType>()
            .iter()
            .map(|micros| micros.map(utc).transpose())
            .collect(),
        _ => walls(call, index),
    }
}

fn date_part_fraction(call: &Call<'_>) -> Result<ArrayRef> {
    let units = call.texts(0)?;
    let column = call.any(1)?;
    if matches!(column.data_type(), DataType::Interval(_)) {
        let all = units.into_iter().zip(call.intervals(1)?).map(|(unit, value)| {
            let value = value?;
            let seconds = (value.nanoseconds % 60_000_000_000) as f64 / 1e9;
            Some(match unit? {
                "epoch" => interval_epoch(value),
                "milliseconds" | "millisecond" => seconds * 1e3,
                _ => seconds,
            })
        });
        return Ok(Arc::new(all.collect::<Float64Array>()));
    }
    let micros: Vec<Option<i64>> = match column.data_type() {
        DataType::Time64(_) => column.as_primitive::<Time64MicrosecondType>().iter().collect(),
        _ => call.micros(1)?,
    };
    let mut out = Vec::with_capacity(call.rows);
    for (unit, micros) in units.into_iter().zip(micros) {
        let Some((unit, micros)) = unit.zip(micros) else {
            out.push(None);
            continue;
        };
        let seconds = micros.rem_euclid(60_000_000) as f64 / 1e6;
        out.push(Some(match unit {
            "epoch" => micros as f64 / 1e6,
            "second" | "seconds" => seconds,
            "milliseconds" | "millisecond" => seconds * 1e3,
            "julian" => micros as f64 / DAY_US as f64 + 2_440_588.0,
            _ => return exec_err!("date part \"{unit}\" is not known here"),
        }));
    }
    Ok(Arc::new(Float64Array::from(out)))
}

fn micros_by(call: &Call<'_>, size: i64) -> Result<ArrayRef> {
    let all = call.micros(0)?.into_iter().map(|x| x.map(|x| x.div_euclid(size)));
    Ok(Arc::new(all.collect::<Int64Array>()))
}

fn last_day(call: &Call<'_>) -> Result<ArrayRef> {
    let all = walls(call, 0)?.into_iter().map(|wall| {
        let last = last_of_month(wall?.date())?;
        Some(last.num_days_from_ce() - 719_163)
    });
    Ok(Arc::new(all.collect::<Date32Array>()))
}

fn to_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    let all = call.doubles(0)?.into_iter().map(|x| x.map(|x| (x * 1e6).round_ties_even() as i64));
    Ok(Arc::new(all.collect::<TimestampMicrosecondArray>().with_timezone("UTC")))
}

fn make_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    let whole = (0..5).map(|index| call.wholes(index)).collect::<Result<Vec<_>>>()?;
    let seconds = call.doubles(5)?;
    let mut out = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let parts: Option<Vec<i64>> = whole.iter().map(|column| column[row]).collect();
        let (Some(parts), Some(seconds)) = (parts, seconds[row]) else {
            out.push(None);
            continue;
        };
        let small = |index: usize| u32::try_from(parts[index]).unwrap_or(u32::MAX);
        let day = i32::try_from(parts[0])
            .ok()
            .and_then(|year| NaiveDate::from_ymd_opt(year, small(1), small(2)))
            .and_then(|day| day.and_hms_opt(small(3), small(4), 0));
        match day {
            Some(day) => {
                out.push(Some(day.and_utc().timestamp_micros() + (seconds * 1e6).round() as i64));
            }
            None => return exec_err!("there is no such date and time"),
        }
    }
    Ok(Arc::new(TimestampMicrosecondArray::from(out)))
}

/// Buckets are counted from Monday 2000-01-03, those of months from 2000-01-01, as DuckDB does.
fn time_bucket(call: &Call<'_>) -> Result<ArrayRef> {
    const ORIGIN_US: i64 = 10_959 * DAY_US;
    let mut out = Vec::with_capacity(call.rows);
    for (width, micros) in call.intervals(0)?.into_iter().zip(call.micros(1)?) {
        let Some((width, micros)) = width.zip(micros) else {
            out.push(None);
            continue;
        };
        if width.months != 0 {
            let day = utc(micros)?.date();
            let months = (day.year() - 2000) * 12 + day.month0() as i32;
            let start = months.div_euclid(width.months) * width.months;
            let (year, month) = (2000 + start.div_euclid(12), start.rem_euclid(12) as u32 + 1);
            let first = NaiveDate::from_ymd_opt(year, month, 1).unwrap_or(day);
            let midnight = first.and_hms_opt(0, 0, 0).unwrap_or_default();
            out.push(Some(midnight.and_utc().timestamp_micros()));
            continue;
        }
        let size = interval_micros(width);
        if size <= 0 {
            return exec_err!("\"time_bucket\" takes an interval longer than nothing");
        }
        out.push(Some((micros - ORIGIN_US).div_euclid(size) * size + ORIGIN_US));
    }
    let array = TimestampMicrosecondArray::from(out);
    Ok(match call.returns {
        DataType::Timestamp(_, Some(zone)) => Arc::new(array.with_timezone(Arc::clone(zone))),
        _ => Arc::new(array),
    })
}

/// What a month's fraction leaves goes into days of thirty a month, a day's into time.
fn interval_times(call: &Call<'_>) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(call.rows);
    for (value, factor) in call.intervals(0)?.into_iter().zip(call.doubles(1)?) {
        let Some((value, factor)) = value.zip(factor) else {
            out.push(None);
            continue;
        };
        let months = f64::from(value.months) * factor;
        let days = f64::from(value.days) * factor + months.fract() * 30.0;
        let micros =
            (value.nanoseconds as f64 / 1e3 * factor + days.fract() * DAY_US as f64).round();
        let fits = |x: f64| x.is_finite() && x.abs() < f64::from(i32::MAX);
        if !fits(months) || !fits(days) || micros.abs() > 9e15 {
            return exec_err!("an interval is out of range");
        }
        let nanos = micros as i64 * 1_000;
        out.push(Some(IntervalMonthDayNano::new(months as i32, days as i32, nanos)));
    }
    Ok(Arc::new(IntervalMonthDayNanoArray::from(out)))
}
