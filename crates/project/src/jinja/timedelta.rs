//! Python's `datetime.time` and `datetime.timedelta`.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use chrono::{Duration, NaiveDate, NaiveTime, Timelike};
use minijinja::value::{DynObject, Object, ObjectRepr};
use minijinja::{Error, State, Value};

use crate::jinja::arguments::Arguments;
use crate::jinja::collections::{invalid, unknown_method};
use crate::jinja::datetime::{debug_plain, strftime};

/// `datetime.time`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeObject(pub(crate) NaiveTime);

impl TimeObject {
    pub(crate) fn value(time: NaiveTime) -> Value {
        Value::from_object(Self(time))
    }

    fn text(self) -> String {
        let micros = self.0.nanosecond() / 1_000;
        let text = self.0.format("%H:%M:%S").to_string();
        if micros > 0 { format!("{text}.{micros:06}") } else { text }
    }
}

impl fmt::Debug for TimeObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_plain(f, "time", &[self.0.hour().to_string(), self.0.minute().to_string()])
    }
}

impl Object for TimeObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "hour" => Value::from(self.0.hour()),
            "minute" => Value::from(self.0.minute()),
            "second" => Value::from(self.0.second()),
            "microsecond" => Value::from(self.0.nanosecond() / 1_000),
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "strftime" => {
                let format = Arguments::new(args).text("format")?;
                let day = NaiveDate::from_ymd_opt(1900, 1, 1).unwrap_or_default();
                strftime(day.and_time(self.0), None, &format).map(Value::from)
            }
            "isoformat" => Ok(Value::from(self.text())),
            _ => Err(unknown_method()),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Self>()?.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// `datetime.timedelta`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeltaObject(pub(crate) Duration);

impl DeltaObject {
    pub(crate) fn value(delta: Duration) -> Value {
        Value::from_object(Self(delta))
    }

    /// Days, seconds of the day and microseconds: the last two never negative, as in Python.
    pub(crate) fn parts(self) -> (i64, i64, i64) {
        let micros = self.0.num_microseconds().unwrap_or(i64::MAX);
        let days = micros.div_euclid(86_400_000_000);
        let rest = micros.rem_euclid(86_400_000_000);
        (days, rest / 1_000_000, rest % 1_000_000)
    }

    pub(crate) fn of(args: &[Value]) -> Result<Value, Error> {
        const UNITS: [(&str, f64); 7] = [
            ("days", 86_400e6),
            ("seconds", 1e6),
            ("microseconds", 1.0),
            ("milliseconds", 1e3),
            ("minutes", 60e6),
            ("hours", 3_600e6),
            ("weeks", 604_800e6),
        ];
        let mut arguments = Arguments::new(args);
        let mut micros = 0.0;
        for (name, factor) in UNITS {
            if let Some(value) = arguments.optional(name) {
                micros += f64::try_from(value)? * factor;
            }
        }
        if micros.abs() > 8.64e19 / 2.0 || !micros.is_finite() {
            return Err(invalid("the timedelta is too large"));
        }
        Ok(Self::value(Duration::microseconds(micros.round() as i64)))
    }
}

impl fmt::Debug for DeltaObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds, micros) = self.parts();
        let mut parts = Vec::new();
        for (name, value) in [("days", days), ("seconds", seconds), ("microseconds", micros)] {
            if value != 0 {
                parts.push(format!("{name}={value}"));
            }
        }
        if parts.is_empty() {
            parts.push("0".to_owned());
        }
        debug_plain(f, "timedelta", &parts)
    }
}

impl Object for DeltaObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (days, seconds, micros) = self.parts();
        Some(Value::from(match key.as_str()? {
            "days" => days,
            "seconds" => seconds,
            "microseconds" => micros,
            _ => return None,
        }))
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        _args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "total_seconds" => {
                let micros = self.0.num_microseconds().unwrap_or(i64::MAX);
                Ok(Value::from(micros as f64 / 1e6))
            }
            _ => Err(unknown_method()),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Self>()?.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds, micros) = self.parts();
        if days != 0 {
            write!(f, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" })?;
        }
        write!(f, "{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        if micros > 0 { write!(f, ".{micros:06}") } else { Ok(()) }
    }
}
