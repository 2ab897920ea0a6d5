//! The classes of Python's `datetime` module: making, reading and asking for dates and times.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use minijinja::{Error, Value};

use crate::jinja::arguments::Arguments;
use crate::jinja::collections::{invalid, unknown_method};
use crate::jinja::datetime::{DateObject, DateTimeObject, Zone, ZoneObject, naive, zone_of};
use crate::jinja::timedelta::{DeltaObject, TimeObject};

/// A class of the `datetime` module, or one of its class methods' homes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Class {
    /// `datetime.datetime`.
    DateTime,
    /// `datetime.date`.
    Date,
    /// `datetime.time`.
    Time,
    /// `datetime.timedelta`.
    Delta,
}

fn parts(arguments: &mut Arguments, names: &[(&str, u32)]) -> Vec<u32> {
    names
        .iter()
        .map(|(name, default)| {
            let given = arguments.optional(name).and_then(|value| value.as_i64());
            given.and_then(|value| u32::try_from(value).ok()).unwrap_or(*default)
        })
        .collect()
}

/// Makes an instance: `datetime(2026, 1, 31)`.
pub(crate) fn construct(class: Class, args: &[Value]) -> Result<Value, Error> {
    let mut arguments = Arguments::new(args);
    const DAY: [(&str, u32); 3] = [("year", 0), ("month", 0), ("day", 0)];
    const CLOCK: [(&str, u32); 4] = [("hour", 0), ("minute", 0), ("second", 0), ("microsecond", 0)];
    match class {
        Class::DateTime => {
            let day = parts(&mut arguments, &DAY);
            let clock = parts(&mut arguments, &CLOCK);
            let local = naive([day[0], day[1], day[2], clock[0], clock[1], clock[2], clock[3]])?;
            let zone = arguments.optional("tzinfo").as_ref().and_then(zone_of);
            Ok(Value::from_object(DateTimeObject { local, zone }))
        }
        Class::Date => {
            let day = parts(&mut arguments, &DAY);
            naive([day[0], day[1], day[2], 0, 0, 0, 0]).map(|time| DateObject::value(time.date()))
        }
        Class::Time => {
            let clock = parts(&mut arguments, &CLOCK);
            naive([1, 1, 1, clock[0], clock[1], clock[2], clock[3]])
                .map(|time| TimeObject::value(time.time()))
        }
        Class::Delta => DeltaObject::of(args),
    }
}

fn parse_iso(text: &str) -> Result<Value, Error> {
    let wrong = || invalid(format!("invalid isoformat string: {text:?}"));
    if let Ok(moment) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) {
        let seconds = moment.offset().local_minus_utc();
        let mut zone = Zone { tz: None, offset_seconds: seconds, name: String::new() };
        zone.name =
            if seconds == 0 { "UTC".to_owned() } else { format!("UTC{}", zone.offset_text(":")) };
        return Ok(Value::from_object(DateTimeObject {
            local: moment.naive_local(),
            zone: Some(zone),
        }));
    }
    let text = text.replacen(' ', "T", 1);
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
        if let Ok(local) = NaiveDateTime::parse_from_str(&text, format) {
            return Ok(DateTimeObject::naive(local));
        }
    }
    let date = NaiveDate::parse_from_str(&text, "%Y-%m-%d").map_err(|_| wrong())?;
    Ok(DateTimeObject::naive(date.and_time(NaiveTime::MIN)))
}

fn strptime(text: &str, format: &str) -> Result<Value, Error> {
    let own = format.replace("%f", "%6f").replace(".%6f", "%.f");
    if format.contains("%z")
        && let Ok(moment) = DateTime::parse_from_str(text, &own)
    {
        let seconds = moment.offset().local_minus_utc();
        let zone = Zone { tz: None, offset_seconds: seconds, name: "UTC".to_owned() };
        return Ok(Value::from_object(DateTimeObject {
            local: moment.naive_local(),
            zone: Some(zone),
        }));
    }
    NaiveDateTime::parse_from_str(text, &own)
        .or_else(|_| {
            NaiveDate::parse_from_str(text, &own).map(|date| date.and_time(NaiveTime::MIN))
        })
        .or_else(|_| {
            NaiveDate::parse_from_str(&format!("{text} 1"), &format!("{own} %d"))
                .map(|date| date.and_time(NaiveTime::MIN))
        })
        .map(DateTimeObject::naive)
        .map_err(|_| invalid(format!("time data {text:?} does not match format {format:?}")))
}

/// A class method: `datetime.strptime(...)`, `date.today()`. `now` is the run's start, so that a
/// render can be repeated.
pub(crate) fn class_method(
    class: Class,
    now: DateTime<Utc>,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let mut arguments = Arguments::new(args);
    match (class, method) {
        (Class::DateTime, "now") => {
            let zone = arguments.optional("tz").as_ref().and_then(zone_of);
            let utc = DateTimeObject { local: now.naive_utc(), zone: None };
            Ok(match zone {
                Some(zone) => Value::from_object(utc.moved_to(&zone)),
                None => Value::from_object(utc),
            })
        }
        (Class::DateTime, "utcnow" | "today") => Ok(DateTimeObject::naive(now.naive_utc())),
        (Class::Date, "today") => Ok(DateObject::value(now.date_naive())),
        (Class::DateTime, "strptime") => {
            let text = arguments.text("date_string")?;
            strptime(&text, &arguments.text("format")?)
        }
        (Class::DateTime, "fromisoformat") => parse_iso(&arguments.text("date_string")?),
        (Class::Date, "fromisoformat") => {
            let text = arguments.text("date_string")?;
            let date = NaiveDate::parse_from_str(&text, "%Y-%m-%d");
            date.map(DateObject::value)
                .map_err(|_| invalid(format!("invalid isoformat string: {text:?}")))
        }
        (Class::DateTime, "fromtimestamp" | "utcfromtimestamp") => {
            let seconds = f64::try_from(arguments.required("timestamp")?)?;
            let zone = arguments.optional("tz").as_ref().and_then(zone_of);
            let moment = DateTime::from_timestamp_micros((seconds * 1e6).round() as i64)
                .ok_or_else(|| invalid("the timestamp is out of range"))?;
            let utc = DateTimeObject { local: moment.naive_utc(), zone: None };
            Ok(match zone {
                Some(zone) => Value::from_object(utc.moved_to(&zone)),
                None => Value::from_object(utc),
            })
        }
        (Class::DateTime, "combine") => {
            let (date, time) = (arguments.required("date")?, arguments.required("time")?);
            let date = date.downcast_object_ref::<DateObject>().ok_or_else(|| invalid("a date"))?;
            let time = time.downcast_object_ref::<TimeObject>().ok_or_else(|| invalid("a time"))?;
            Ok(DateTimeObject::naive(date.0.and_time(time.0)))
        }
        (Class::DateTime, _) => Err(unknown_method()),
        (Class::Date, _) => Err(unknown_method()),
        (Class::Time, _) => Err(unknown_method()),
        (Class::Delta, _) => Err(unknown_method()),
    }
}

/// `pytz.timezone(name)`.
pub(crate) fn timezone(name: &str) -> Result<Value, Error> {
    if name.eq_ignore_ascii_case("utc") {
        return Ok(utc_zone());
    }
    Zone::named(name).map(|zone| Value::from_object(ZoneObject(zone)))
}

/// `pytz.utc`.
pub(crate) fn utc_zone() -> Value {
    Value::from_object(ZoneObject(Zone::utc()))
}
