//! Python's `datetime` and `pytz` as far as templates use them.

use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::sync::Arc;

use chrono::{
    DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Timelike,
    Utc,
};
use chrono_tz::{OffsetName, Tz};
use minijinja::value::{DynObject, Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::jinja::arguments::Arguments;
use crate::jinja::collections::{invalid, unknown_method};
use crate::jinja::timedelta::{DeltaObject, TimeObject};

/// A time zone as attached to a datetime: pytz attaches one fixed offset of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    /// The zone, unless it is a plain offset.
    pub(crate) tz: Option<Tz>,
    pub(crate) offset_seconds: i32,
    pub(crate) name: String,
}

impl Zone {
    pub(crate) fn utc() -> Self {
        Self { tz: Some(Tz::UTC), offset_seconds: 0, name: "UTC".to_owned() }
    }

    /// `pytz.timezone(name)`: until it is localized, the zone's first known offset, which is
    /// the local mean time of its city.
    pub(crate) fn named(name: &str) -> Result<Self, Error> {
        let tz: Tz =
            name.parse().map_err(|_| invalid(format!("time zone {name:?} is not known")))?;
        let earliest =
            NaiveDate::from_ymd_opt(1800, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN);
        let offset = tz.offset_from_utc_datetime(&earliest);
        // pytz rounds local mean time to whole minutes.
        let seconds = offset.fix().local_minus_utc();
        let rounded = (f64::from(seconds) / 60.0).round() as i32 * 60;
        let name = offset.abbreviation().unwrap_or(name).to_owned();
        Ok(Self { tz: Some(tz), offset_seconds: rounded, name })
    }

    fn at_utc(&self, moment: NaiveDateTime) -> Self {
        match self.tz {
            Some(tz) => {
                let offset = tz.offset_from_utc_datetime(&moment);
                let name = offset.abbreviation().unwrap_or("").to_owned();
                Self { tz: self.tz, offset_seconds: offset.fix().local_minus_utc(), name }
            }
            None => self.clone(),
        }
    }

    fn localized(&self, local: NaiveDateTime) -> Self {
        match self.tz {
            Some(tz) => {
                // pytz takes standard time where a local time happens twice or never.
                let offset = match tz.offset_from_local_datetime(&local) {
                    chrono::LocalResult::Single(offset)
                    | chrono::LocalResult::Ambiguous(_, offset) => offset,
                    chrono::LocalResult::None => tz.offset_from_utc_datetime(&local),
                };
                let name = offset.abbreviation().unwrap_or("").to_owned();
                Self { tz: self.tz, offset_seconds: offset.fix().local_minus_utc(), name }
            }
            None => self.clone(),
        }
    }

    pub(crate) fn offset_text(&self, colon: &str) -> String {
        let (sign, seconds) = if self.offset_seconds < 0 {
            ('-', -self.offset_seconds)
        } else {
            ('+', self.offset_seconds)
        };
        format!("{sign}{:02}{colon}{:02}", seconds / 3600, seconds / 60 % 60)
    }
}

pub(crate) fn debug_plain(f: &mut fmt::Formatter<'_>, name: &str, parts: &[String]) -> fmt::Result {
    write!(f, "datetime.{name}({})", parts.join(", "))
}

/// Formats with Python's directives; a wrong one is an error, never a panic.
pub(crate) fn strftime(
    time: NaiveDateTime,
    zone: Option<&Zone>,
    format: &str,
) -> Result<String, Error> {
    let format = format
        .replace("%f", "%6f")
        .replace("%z", &zone.map(|zone| zone.offset_text("")).unwrap_or_default())
        .replace("%Z", &zone.map(|zone| zone.name.clone()).unwrap_or_default());
    let mut text = String::new();
    write!(text, "{}", time.format(&format))
        .map_err(|_| invalid(format!("format {format:?} has a directive that is not known")))?;
    Ok(text)
}

/// `datetime.datetime`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DateTimeObject {
    pub(crate) local: NaiveDateTime,
    pub(crate) zone: Option<Zone>,
}

impl DateTimeObject {
    pub(crate) fn naive(local: NaiveDateTime) -> Value {
        Value::from_object(Self { local, zone: None })
    }

    pub(crate) fn utc(moment: DateTime<Utc>) -> Value {
        Value::from_object(Self { local: moment.naive_utc(), zone: Some(Zone::utc()) })
    }

    fn as_utc(&self) -> NaiveDateTime {
        let offset = self.zone.as_ref().map_or(0, |zone| zone.offset_seconds);
        self.local.checked_sub_signed(Duration::seconds(offset.into())).unwrap_or(self.local)
    }

    fn isoformat(&self, separator: &str) -> String {
        let micros = self.local.nanosecond() / 1_000;
        let mut text = self.local.format(&format!("%Y-%m-%d{separator}%H:%M:%S")).to_string();
        if micros > 0 {
            text.push_str(&format!(".{micros:06}"));
        }
        if let Some(zone) = &self.zone {
            text.push_str(&zone.offset_text(":"));
        }
        text
    }

    pub(crate) fn moved_to(&self, zone: &Zone) -> Self {
        let moment = self.as_utc();
        let zone = zone.at_utc(moment);
        let local = moment
            .checked_add_signed(Duration::seconds(zone.offset_seconds.into()))
            .unwrap_or(moment);
        Self { local, zone: Some(zone) }
    }

    fn replaced(&self, arguments: &mut Arguments) -> Result<Self, Error> {
        let old = self.local;
        let mut part = |name: &str, old: u32| -> u32 {
            let given = arguments.named(name).and_then(|value| value.as_i64());
            given.and_then(|value| u32::try_from(value).ok()).unwrap_or(old)
        };
        let year = part("year", u32::try_from(old.year()).unwrap_or(1));
        let (month, day) = (part("month", old.month()), part("day", old.day()));
        let (hour, minute) = (part("hour", old.hour()), part("minute", old.minute()));
        let second = part("second", old.second());
        let micro = part("microsecond", old.nanosecond() / 1_000);
        let local = naive([year, month, day, hour, minute, second, micro])?;
        let zone = match arguments.named("tzinfo") {
            Some(zone) => zone_of(&zone),
            None => self.zone.clone(),
        };
        Ok(Self { local, zone })
    }
}

pub(crate) fn naive(parts: [u32; 7]) -> Result<NaiveDateTime, Error> {
    let [year, month, day, hour, minute, second, micro] = parts;
    NaiveDate::from_ymd_opt(i32::try_from(year).unwrap_or(0), month, day)
        .and_then(|date| date.and_hms_micro_opt(hour, minute, second, micro))
        .ok_or_else(|| invalid("no such date or time"))
}

pub(crate) fn zone_of(value: &Value) -> Option<Zone> {
    value.downcast_object_ref::<ZoneObject>().map(|zone| zone.0.clone())
}

fn date_attribute(date: NaiveDate, name: &str) -> Option<Value> {
    Some(match name {
        "year" => Value::from(date.year()),
        "month" => Value::from(date.month()),
        "day" => Value::from(date.day()),
        _ => return None,
    })
}

fn date_method(date: NaiveDate, method: &str) -> Option<Value> {
    Some(match method {
        "weekday" => Value::from(date.weekday().num_days_from_monday()),
        "isoweekday" => Value::from(date.weekday().number_from_monday()),
        "toordinal" => Value::from(date.num_days_from_ce()),
        "isocalendar" => {
            let week = date.iso_week();
            let day = date.weekday().number_from_monday();
            Value::from((week.year(), week.week(), day))
        }
        _ => return None,
    })
}

impl fmt::Debug for DateTimeObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.local;
        let mut parts: Vec<String> = vec![local.year().to_string()];
        parts.extend(
            [local.month(), local.day(), local.hour(), local.minute()].map(|n| n.to_string()),
        );
        let micros = local.nanosecond() / 1_000;
        if local.second() > 0 || micros > 0 {
            parts.push(local.second().to_string());
        }
        if micros > 0 {
            parts.push(micros.to_string());
        }
        if let Some(zone) = &self.zone {
            parts.push(format!("tzinfo=<{}>", zone.name));
        }
        debug_plain(f, "datetime", &parts)
    }
}

impl Object for DateTimeObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        Some(match name {
            "hour" => Value::from(self.local.hour()),
            "minute" => Value::from(self.local.minute()),
            "second" => Value::from(self.local.second()),
            "microsecond" => Value::from(self.local.nanosecond() / 1_000),
            "tzinfo" => match &self.zone {
                Some(zone) => Value::from_object(ZoneObject(zone.clone())),
                None => Value::from(()),
            },
            _ => date_attribute(self.local.date(), name)?,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        Ok(match method {
            "strftime" | "__format__" => {
                let format = arguments.text("format")?;
                Value::from(strftime(self.local, self.zone.as_ref(), &format)?)
            }
            "isoformat" => {
                let separator =
                    arguments.optional("sep").map_or("T".to_owned(), |sep| sep.to_string());
                Value::from(self.isoformat(&separator))
            }
            "date" => DateObject::value(self.local.date()),
            "time" | "timetz" => TimeObject::value(self.local.time()),
            "replace" => Value::from_object(self.replaced(&mut arguments)?),
            "astimezone" => {
                let zone = arguments.optional("tz").as_ref().and_then(zone_of);
                Value::from_object(self.moved_to(&zone.unwrap_or_else(Zone::utc)))
            }
            "timestamp" => {
                let micros = self.as_utc().and_utc().timestamp_micros();
                Value::from(micros as f64 / 1_000_000.0)
            }
            "utcoffset" => match &self.zone {
                Some(zone) => DeltaObject::value(Duration::seconds(zone.offset_seconds.into())),
                None => Value::from(()),
            },
            "tzname" => {
                self.zone.as_ref().map_or(Value::from(()), |zone| Value::from(zone.name.as_str()))
            }
            _ => date_method(self.local.date(), method).ok_or_else(unknown_method)?,
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.as_utc().cmp(&other.downcast_ref::<Self>()?.as_utc()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.isoformat(" "))
    }
}

/// `datetime.date`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateObject(pub(crate) NaiveDate);

impl DateObject {
    pub(crate) fn value(date: NaiveDate) -> Value {
        Value::from_object(Self(date))
    }
}

impl fmt::Debug for DateObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_plain(
            f,
            "date",
            &[self.0.year().to_string(), self.0.month().to_string(), self.0.day().to_string()],
        )
    }
}

impl Object for DateObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        date_attribute(self.0, key.as_str()?)
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        Ok(match method {
            "strftime" => {
                let format = arguments.text("format")?;
                Value::from(strftime(self.0.and_time(NaiveTime::MIN), None, &format)?)
            }
            "isoformat" => Value::from(self.0.format("%Y-%m-%d").to_string()),
            "replace" => {
                let whole = DateTimeObject { local: self.0.and_time(NaiveTime::MIN), zone: None };
                Self::value(whole.replaced(&mut arguments)?.local.date())
            }
            _ => date_method(self.0, method).ok_or_else(unknown_method)?,
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Self>()?.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

/// A time zone.
#[derive(Debug)]
pub(crate) struct ZoneObject(pub(crate) Zone);

impl Object for ZoneObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "zone" => self.0.tz.map(|tz| Value::from(tz.name())),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let given = Arguments::new(args).required("dt")?;
        let given =
            given.downcast_object_ref::<DateTimeObject>().ok_or_else(|| invalid("a datetime"))?;
        match method {
            "localize" => {
                let zone = Some(self.0.localized(given.local));
                Ok(Value::from_object(DateTimeObject { local: given.local, zone }))
            }
            "normalize" | "fromutc" => Ok(Value::from_object(given.moved_to(&self.0))),
            _ => Err(unknown_method()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.tz.map_or(self.0.name.as_str(), |tz| tz.name()))
    }
}

fn shifted(value: &Value, delta: Duration) -> Option<Result<Value, Error>> {
    let beyond = || invalid("the date is out of range");
    if let Some(time) = value.downcast_object_ref::<DateTimeObject>() {
        let local = time.local.checked_add_signed(delta).ok_or_else(beyond);
        return Some(
            local
                .map(|local| Value::from_object(DateTimeObject { local, zone: time.zone.clone() })),
        );
    }
    if let Some(date) = value.downcast_object_ref::<DateObject>() {
        let days = DeltaObject(delta).parts().0;
        let moved = date.0.checked_add_signed(Duration::days(days)).ok_or_else(beyond);
        return Some(moved.map(DateObject::value));
    }
    let own = value.downcast_object_ref::<DeltaObject>()?;
    Some(own.0.checked_add(&delta).map(DeltaObject::value).ok_or_else(beyond))
}

/// `a + b` when dates are among them.
pub(crate) fn add(left: &Value, right: &Value) -> Option<Result<Value, Error>> {
    if let Some(delta) = right.downcast_object_ref::<DeltaObject>() {
        return shifted(left, delta.0);
    }
    let delta = left.downcast_object_ref::<DeltaObject>()?;
    shifted(right, delta.0)
}

/// `a - b` when dates are among them.
pub(crate) fn sub(left: &Value, right: &Value) -> Option<Result<Value, Error>> {
    if let Some(delta) = right.downcast_object_ref::<DeltaObject>() {
        return shifted(left, -delta.0);
    }
    if let (Some(a), Some(b)) = (
        left.downcast_object_ref::<DateTimeObject>(),
        right.downcast_object_ref::<DateTimeObject>(),
    ) {
        return Some(Ok(DeltaObject::value(a.as_utc() - b.as_utc())));
    }
    let a = left.downcast_object_ref::<DateObject>()?;
    let b = right.downcast_object_ref::<DateObject>()?;
    Some(Ok(DeltaObject::value(a.0 - b.0)))
}
