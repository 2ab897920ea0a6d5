//! The business clock, time zones and intervals.

use std::str::FromStr;

use chrono::Duration;
use chrono_tz::Tz;
use datafusion::sql::sqlparser::ast::{
    DataType, DateTimeField, Expr, Interval, TimezoneInfo, Value,
};

use super::functions;
use super::tree::{as_text, call, text};
use super::type_names::cast_text;
use super::walk::{Scene, refused};
use crate::error::QueryError;

/// The business clock's moment, as a literal.
pub(crate) fn moment(scene: &Scene<'_>) -> Expr {
    let now = scene.options.now.format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string();
    cast_text(&now, DataType::Timestamp(Some(6), TimezoneInfo::WithTimeZone))
}

/// The business clock's moment on the session's wall clock.
pub(crate) fn local_moment(scene: &Scene<'_>) -> Expr {
    let now = scene.options.now.with_timezone(&zone(scene));
    let now = now.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    cast_text(&now, DataType::Timestamp(Some(6), TimezoneInfo::None))
}

/// The business clock's day in the session's time zone, moved by some days.
pub(crate) fn day(scene: &Scene<'_>, days: i64) -> Expr {
    let today = scene.options.now.with_timezone(&zone(scene)).date_naive();
    let day = today.checked_add_signed(Duration::days(days)).unwrap_or(today);
    cast_text(&day.format("%Y-%m-%d").to_string(), DataType::Date)
}

fn zone(scene: &Scene<'_>) -> Tz {
    Tz::from_str(&scene.options.time_zone).unwrap_or(Tz::UTC)
}

/// `current_date` and its kin, which are not functions everywhere.
pub(crate) fn clock(scene: &Scene<'_>, name: &str) -> Option<Expr> {
    Some(match name {
        "current_date" | "today" => day(scene, 0),
        "now"
        | "current_timestamp"
        | "transaction_timestamp"
        | "statement_timestamp"
        | "clock_timestamp"
        | "get_current_timestamp"
        | "getdate"
        | "sysdate" => moment(scene),
        "localtimestamp" | "current_localtimestamp" => local_moment(scene),
        _ => return None,
    })
}

/// `at time zone`, intervals and `extract`.
pub(crate) fn rewrite(scene: &Scene<'_>, expr: &mut Expr) -> Result<(), QueryError> {
    match expr {
        Expr::AtTimeZone { timestamp, time_zone } => {
            let arguments = vec![(**timestamp).clone(), (**time_zone).clone()];
            *expr = call("fp_at_time_zone", arguments);
            Ok(())
        }
        Expr::Extract { field, expr: inner, .. } => {
            let field = field.to_string().trim_matches('\'').to_ascii_lowercase();
            *expr = functions::date_part(scene.dialect, &field, (**inner).clone(), true);
            Ok(())
        }
        Expr::Interval(interval) => match interval_value(scene, interval)? {
            Some(value) => {
                *expr = value;
                Ok(())
            }
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// `interval x day` with a computed `x`, or one of DuckDB's `interval (n) day`.
fn interval_value(scene: &Scene<'_>, interval: &mut Interval) -> Result<Option<Expr>, QueryError> {
    if interval.last_field.is_some() {
        let node = Expr::Interval(interval.clone());
        return Err(refused(
            scene,
            &node,
            "an interval \"… to …\" is not run",
            "Write the units out: interval '1 day 2 hours'.",
        ));
    }
    if as_text(&interval.value).is_some() {
        return Ok(None);
    }
    if let Expr::Value(value) = interval.value.as_ref()
        && let Value::Number(digits, _) = &value.value
    {
        *interval.value = text(digits.clone());
        return Ok(None);
    }
    let Some(unit) = interval.leading_field.clone() else {
        let node = Expr::Interval(interval.clone());
        return Err(refused(
            scene,
            &node,
            "an interval without a unit",
            "Write interval '3 days', or n * interval '1 day'.",
        ));
    };
    Ok(Some(times(interval.value.as_ref().clone(), unit_interval(&unit))))
}

/// `count * interval '1 unit'`.
pub(crate) fn times(count: Expr, one: Expr) -> Expr {
    call("fp_interval_times", vec![one, count])
}

/// `interval '1 unit'`.
pub(crate) fn unit_interval(unit: &DateTimeField) -> Expr {
    Expr::Interval(Interval {
        value: Box::new(text(format!("1 {}", unit.to_string().to_ascii_lowercase()))),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}
