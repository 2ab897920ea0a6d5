//! Time zones: moments, and what the clock on the wall shows.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use datafusion::logical_expr::ScalarUDF;

use super::super::formats;
use super::super::kernel::{Call, Kernel, Want, local_timestamp, returns};
use super::MOMENT;

pub(super) fn all() -> Vec<ScalarUDF> {
    vec![
        Kernel::udf("fp_at_time_zone", &[Want::Moment, Want::Text], zone_type, at_time_zone),
        Kernel::udf("fp_moment_text", MOMENT, returns!(DataType::Utf8), moment_text),
        Kernel::udf("fp_local_moment", MOMENT, returns!(local_timestamp()), local_moment),
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
pub(super) fn instant(wall: NaiveDateTime, zone: Tz) -> i64 {
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
