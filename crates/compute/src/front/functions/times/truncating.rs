//! `date_trunc` of what DataFusion's own does not take: dates that stay dates, intervals, and the
//! units longer than a year.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, IntervalMonthDayNanoArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;

use super::super::kernel::{Call, Kernel, Want};
use super::INTERVAL;
use super::zones::{instant, walls, zone_of};

pub(super) fn all() -> Vec<ScalarUDF> {
    vec![Kernel::udf("fp_date_trunc", &[Want::Text, Want::Any], truncated_type, truncate)]
}

#[allow(clippy::unnecessary_wraps)]
fn truncated_type(types: &[DataType]) -> Result<DataType> {
    Ok(match types.get(1) {
        Some(DataType::Interval(_) | DataType::Duration(_)) => INTERVAL,
        Some(DataType::Timestamp(_, zone)) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        _ => DataType::Timestamp(TimeUnit::Microsecond, None),
    })
}

fn truncate(call: &Call<'_>) -> Result<ArrayRef> {
    let units = call.texts(0)?;
    if *call.returns == INTERVAL {
        let values = arrow::compute::cast(&call.any(1)?, &INTERVAL)?;
        let values = values.as_primitive::<arrow::datatypes::IntervalMonthDayNanoType>();
        let mut out = Vec::with_capacity(call.rows);
        for (unit, value) in units.into_iter().zip(values.iter()) {
            out.push(match unit.zip(value) {
                Some((unit, value)) => Some(of_interval(unit, value)?),
                None => None,
            });
        }
        return Ok(Arc::new(IntervalMonthDayNanoArray::from(out)));
    }
    let moments = arrow::compute::cast(&call.any(1)?, call.returns)?;
    let columns = [Arc::clone(&moments)];
    let inner = Call { columns: &columns, rows: call.rows, returns: call.returns };
    let zone = inner.zone(0)?.map(|name| zone_of(&name)).transpose()?;
    let mut out = Vec::with_capacity(call.rows);
    for (unit, wall) in units.into_iter().zip(walls(&inner, 0)?) {
        let Some((unit, wall)) = unit.zip(wall) else {
            out.push(None);
            continue;
        };
        let Some(start) = of_wall(unit, wall) else {
            return exec_err!("unit \"{unit}\" is not known to \"date_trunc\"");
        };
        out.push(Some(match zone {
            Some(zone) => instant(start, zone),
            None => start.and_utc().timestamp_micros(),
        }));
    }
    let array = TimestampMicrosecondArray::from(out);
    Ok(match call.returns {
        DataType::Timestamp(_, Some(zone)) => Arc::new(array.with_timezone(Arc::clone(zone))),
        _ => Arc::new(array),
    })
}

/// The start of the unit in which the clock stands.
pub(super) fn of_wall(unit: &str, wall: NaiveDateTime) -> Option<NaiveDateTime> {
    let day = wall.date();
    let (year, month) = (day.year(), day.month());
    let first = |year: i32, month: u32| NaiveDate::from_ymd_opt(year, month, 1);
    let micros = wall.and_utc().timestamp_micros();
    let by = |size: i64| {
        let start = micros.div_euclid(size) * size;
        chrono::DateTime::from_timestamp_micros(start).map(|moment| moment.naive_utc())
    };
    let date = match unit {
        "millennium" => first((year - 1).div_euclid(1_000) * 1_000 + 1, 1)?,
        "century" => first((year - 1).div_euclid(100) * 100 + 1, 1)?,
        "thousand" => first(year.div_euclid(1_000) * 1_000, 1)?,
        "hundred" => first(year.div_euclid(100) * 100, 1)?,
        "decade" => first(year.div_euclid(10) * 10, 1)?,
        "year" => first(year, 1)?,
        "isoyear" => NaiveDate::from_isoywd_opt(day.iso_week().year(), 1, chrono::Weekday::Mon)?,
        "quarter" => first(year, (month - 1) / 3 * 3 + 1)?,
        "month" => first(year, month)?,
        "week" => day - chrono::Duration::days(i64::from(day.weekday().num_days_from_monday())),
        "day" => day,
        "hour" => return by(3_600_000_000),
        "minute" => return by(60_000_000),
        "second" => return by(1_000_000),
        "millisecond" => return by(1_000),
        "microsecond" => return Some(wall),
        _ => return None,
    };
    Some(date.and_time(NaiveTime::MIN))
}

/// Months, days and time of day are kept apart, as both homes do.
fn of_interval(unit: &str, value: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let months = |size: i32| IntervalMonthDayNano::new(value.months / size * size, 0, 0);
    let nanos = |size: i64| {
        IntervalMonthDayNano::new(
            value.months,
            value.days,
            value.nanoseconds / (size * 1_000) * (size * 1_000),
        )
    };
    Ok(match unit {
        "millennium" => months(12_000),
        "century" => months(1_200),
        "decade" => months(120),
        "year" => months(12),
        "quarter" => months(3),
        "month" => months(1),
        "day" => IntervalMonthDayNano::new(value.months, value.days, 0),
        "hour" => nanos(3_600_000_000),
        "minute" => nanos(60_000_000),
        "second" => nanos(1_000_000),
        "millisecond" => nanos(1_000),
        "microsecond" => nanos(1),
        _ => return exec_err!("unit \"{unit}\" is not known to \"date_trunc\" of an interval"),
    })
}
