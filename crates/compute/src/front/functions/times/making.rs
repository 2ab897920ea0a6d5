//! Moments, dates and intervals made of their parts.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int64Array, IntervalMonthDayNanoArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, IntervalMonthDayNano, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType,
};
use chrono::{Datelike, NaiveDate};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;

use super::super::kernel::{Call, Kernel, Want, local_timestamp, returns};
use super::differences::last_of_month;
use super::parts::interval_micros;
use super::zones::{utc, walls};
use super::{DAY_US, INTERVAL, MOMENT};

pub(super) fn all() -> Vec<ScalarUDF> {
    const SIX: &[Want] =
        &[Want::Whole, Want::Whole, Want::Whole, Want::Whole, Want::Whole, Want::Double];
    const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);
    vec![
        Kernel::udf("fp_last_day", MOMENT, returns!(DataType::Date32), last_day),
        Kernel::udf(
            "fp_to_timestamp_tz",
            &[Want::Double],
            returns!(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
            to_timestamp,
        ),
        Kernel::udf("fp_make_timestamp", SIX, returns!(local_timestamp()), make_timestamp),
        Kernel::udf(
            "fp_make_time",
            &[Want::Whole, Want::Whole, Want::Double],
            returns!(TIME),
            make_time,
        ),
        Kernel::udf(
            "fp_date_time",
            &[Want::Any, Want::Any],
            returns!(local_timestamp()),
            date_time,
        ),
        Kernel::udf("fp_time_plus", &[Want::Any, Want::Interval], returns!(TIME), time_plus),
        Kernel::udf("fp_epoch_ms", &[Want::Any], epoch_ms_type, epoch_ms),
        Kernel::udf("fp_from_us", &[Want::Whole], returns!(local_timestamp()), |call| {
            let all = call.wholes(0)?.into_iter();
            Ok(Arc::new(all.collect::<TimestampMicrosecondArray>()))
        }),
        Kernel::udf(
            "fp_time_bucket",
            &[Want::Interval, Want::Moment, Want::Moment],
            |types| Ok(types.get(1).cloned().unwrap_or_else(local_timestamp)),
            time_bucket,
        ),
        Kernel::udf(
            "fp_interval_times",
            &[Want::Interval, Want::Double],
            returns!(INTERVAL),
            interval_times,
        ),
    ]
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

/// Buckets are counted from Monday 2000-01-03, those of months from 2000-01-01, as DuckDB does,
/// or from an origin that is given.
fn time_bucket(call: &Call<'_>) -> Result<ArrayRef> {
    const ORIGIN_US: i64 = 10_959 * DAY_US;
    const MONTHS_ORIGIN: i32 = 2000 * 12;
    let mut out = Vec::with_capacity(call.rows);
    let origins = call.micros(2)?;
    let rows = call.intervals(0)?.into_iter().zip(call.micros(1)?).zip(origins);
    for ((width, micros), origin) in rows {
        let Some((width, micros)) = width.zip(micros) else {
            out.push(None);
            continue;
        };
        if width.months > 0 {
            let day = utc(micros)?.date();
            let start = match origin {
                Some(origin) => {
                    let first = utc(origin)?.date();
                    first.year() * 12 + first.month0() as i32
                }
                None => MONTHS_ORIGIN,
            };
            let months = day.year() * 12 + day.month0() as i32 - start;
            let month = months.div_euclid(width.months) * width.months + start;
            let (year, month) = (month.div_euclid(12), month.rem_euclid(12) as u32 + 1);
            let first = NaiveDate::from_ymd_opt(year, month, 1).unwrap_or(day);
            let midnight = first.and_hms_opt(0, 0, 0).unwrap_or_default();
            out.push(Some(midnight.and_utc().timestamp_micros()));
            continue;
        }
        let size = interval_micros(width);
        if size <= 0 {
            return exec_err!("\"time_bucket\" takes an interval longer than nothing");
        }
        let origin = origin.unwrap_or(ORIGIN_US);
        out.push(Some((micros - origin).div_euclid(size) * size + origin));
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

fn make_time(call: &Call<'_>) -> Result<ArrayRef> {
    let rows = call.wholes(0)?.into_iter().zip(call.wholes(1)?).zip(call.doubles(2)?);
    let mut out = Vec::with_capacity(call.rows);
    for ((hour, minute), second) in rows {
        let Some(((hour, minute), second)) = hour.zip(minute).zip(second) else {
            out.push(None);
            continue;
        };
        let inside =
            (0..24).contains(&hour) && (0..60).contains(&minute) && (0.0..60.0).contains(&second);
        if !inside {
            return exec_err!("there is no such time of day");
        }
        let seconds = (second * 1e6).round() as i64;
        out.push(Some((hour * 60 + minute) * 60_000_000 + seconds));
    }
    Ok(Arc::new(Time64MicrosecondArray::from(out)))
}

/// A day and a time of day.
fn date_time(call: &Call<'_>) -> Result<ArrayRef> {
    let days = cast(&call.any(0)?, &DataType::Date32)?;
    let times = cast(&call.any(1)?, &DataType::Time64(TimeUnit::Microsecond))?;
    let days = days.as_primitive::<Date32Type>().iter();
    let times = times.as_primitive::<Time64MicrosecondType>().iter();
    let all = days.zip(times).map(|(day, time)| Some(i64::from(day?) * DAY_US + time?));
    Ok(Arc::new(all.collect::<TimestampMicrosecondArray>()))
}

/// The clock goes round; days and months of the interval leave it where it is.
fn time_plus(call: &Call<'_>) -> Result<ArrayRef> {
    let times = cast(&call.any(0)?, &DataType::Time64(TimeUnit::Microsecond))?;
    let times = times.as_primitive::<Time64MicrosecondType>().iter();
    let all = times
        .zip(call.intervals(1)?)
        .map(|(time, width)| Some((time? + width?.nanoseconds / 1_000).rem_euclid(DAY_US)));
    Ok(Arc::new(all.collect::<Time64MicrosecondArray>()))
}

/// Of a number of milliseconds it is the moment, of a moment the number.
#[allow(clippy::unnecessary_wraps)]
fn epoch_ms_type(types: &[DataType]) -> Result<DataType> {
    Ok(match types.first() {
        Some(given) if given.is_integer() => local_timestamp(),
        _ => DataType::Int64,
    })
}

fn epoch_ms(call: &Call<'_>) -> Result<ArrayRef> {
    let column = call.any(0)?;
    if column.data_type().is_integer() {
        let all = call.wholes(0)?.into_iter().map(|ms| ms.and_then(|ms| ms.checked_mul(1_000)));
        return Ok(Arc::new(all.collect::<TimestampMicrosecondArray>()));
    }
    if let DataType::Interval(_) = column.data_type() {
        let all = call.intervals(0)?.into_iter().map(|x| x.map(|x| interval_micros(x) / 1_000));
        return Ok(Arc::new(all.collect::<Int64Array>()));
    }
    let zone = match column.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let moments = cast(&column, &DataType::Timestamp(TimeUnit::Microsecond, zone))?;
    let all = moments.as_primitive::<TimestampMicrosecondType>().iter();
    Ok(Arc::new(all.map(|x| x.map(|x| x.div_euclid(1_000))).collect::<Int64Array>()))
}
