//! Parts of moments, times of day and intervals.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, IntervalMonthDayNano, Time64MicrosecondType};
use chrono::{Datelike, NaiveDateTime, Timelike};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::ScalarUDF;

use super::super::kernel::{Call, Kernel, Want, returns};
use super::zones::{utc, walls};
use super::{DAY_US, MOMENT};

pub(super) fn all() -> Vec<ScalarUDF> {
    const UNIT_WHEN: &[Want] = &[Want::Text, Want::When];
    const WHOLE: DataType = DataType::Int64;
    vec![
        Kernel::udf("fp_date_part", UNIT_WHEN, returns!(WHOLE), date_part),
        Kernel::udf(
            "fp_date_part_fraction",
            UNIT_WHEN,
            returns!(DataType::Float64),
            date_part_fraction,
        ),
        Kernel::udf("fp_epoch_us", MOMENT, returns!(WHOLE), |c| micros_by(c, 1)),
        Kernel::udf("fp_interval_micros", &[Want::Interval], returns!(WHOLE), |call| {
            let all = call.intervals(0)?.into_iter().map(|x| x.map(interval_micros));
            Ok(Arc::new(all.collect::<Int64Array>()))
        }),
    ]
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
        "nanoseconds" | "nanosecond" => {
            i64::from(wall.second()) * 1_000_000_000 + i64::from(wall.nanosecond())
        }
        "yearweek" => i64::from(wall.iso_week().year()) * 100 + i64::from(wall.iso_week().week()),
        "era" => i64::from(year > 0),
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
