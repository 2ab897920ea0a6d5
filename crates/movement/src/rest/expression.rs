//! JSONPath over answers, values from headers and records, and cursors as vendors write them.

use std::cmp::Ordering;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use project::ingest::{Condition, ConditionTest, CursorFormat, ValueFrom};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::Answer;
use crate::decode::moment_micros;

/// What `{cursor.start}` and `{cursor.end}` stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursors {
    pub(crate) start: Option<String>,
    pub(crate) end: String,
}

impl Cursors {
    /// Fills the braces of a text.
    pub(crate) fn fill(&self, text: &str) -> String {
        let start = self.start.as_deref().unwrap_or_default();
        text.replace("{cursor.start}", start).replace("{cursor.end}", &self.end)
    }
}

/// All values that a JSONPath finds in a document.
///
/// # Errors
/// When the path breaks JSONPath's grammar.
pub fn records<'v>(path: &str, body: &'v Value) -> Result<Vec<&'v Value>, String> {
    let path =
        JsonPath::parse(path).map_err(|error| format!("\"{path}\" is no JSONPath: {error}"))?;
    Ok(path.query(body).all())
}

/// The one value a path finds; null counts as none.
pub(crate) fn value<'v>(path: &str, body: &'v Value) -> Result<Option<&'v Value>, String> {
    Ok(records(path, body)?.into_iter().next().filter(|value| !value.is_null()))
}

/// A value as text, the way it stands in a query.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A field of a record, dots going deeper, as text.
pub(crate) fn field_text(field: &str, record: &Value) -> Option<String> {
    let deep = || field.split('.').try_fold(record, |value, part| value.get(part));
    let found = record.get(field).or_else(deep)?;
    (!found.is_null()).then(|| text_of(found))
}

/// The value that asks for the next page; none when there is no next page.
pub(crate) fn next_value(
    from: &ValueFrom,
    answer: &Answer,
    records: &[&Value],
) -> Result<Option<String>, String> {
    let found = match from {
        ValueFrom::Body(path) => value(path, &answer.body)?.map(text_of),
        ValueFrom::Header(name) => {
            let value = answer.header(name);
            if name.eq_ignore_ascii_case("link") { value.and_then(next_link) } else { value }
        }
        ValueFrom::Last(field) => records.last().and_then(|record| field_text(field, record)),
        ValueFrom::First(field) => records.first().and_then(|record| field_text(field, record)),
    };
    Ok(found.filter(|text| !text.is_empty()))
}

/// The address with `rel="next"` of a `Link` header.
fn next_link(header: String) -> Option<String> {
    header.split(',').find_map(|link| {
        let (address, parameters) = link.split_once(';')?;
        let next = parameters
            .split(';')
            .any(|parameter| matches!(parameter.trim(), "rel=\"next\"" | "rel=next"));
        let address = address.trim().strip_prefix('<')?.strip_suffix('>')?;
        next.then(|| address.to_owned())
    })
}

/// Whether a condition holds for a document.
pub(crate) fn condition_holds(condition: &Condition, body: &Value) -> Result<bool, String> {
    let found = records(&condition.path, body)?.into_iter().next();
    Ok(match (&condition.test, found) {
        (ConditionTest::Equals(wanted), found) => found.unwrap_or(&Value::Null) == wanted,
        (ConditionTest::EndsWith(end), Some(Value::String(text))) => text.ends_with(end),
        (ConditionTest::EndsWith(_), _) => false,
    })
}

/// The greater of two cursor values: as numbers, as moments, else as text.
pub(crate) fn greatest(known: Option<String>, new: String) -> String {
    let Some(known) = known else { return new };
    let order = match (known.parse::<f64>(), new.parse::<f64>()) {
        (Ok(known), Ok(new)) => known.partial_cmp(&new).unwrap_or(Ordering::Equal),
        _ => match (moment_micros(&known), moment_micros(&new)) {
            (Some(known), Some(new)) => known.cmp(&new),
            _ => known.cmp(&new),
        },
    };
    if order == Ordering::Less { new } else { known }
}

/// A cursor as a moment: numbers are seconds or milliseconds since 1970 by their size.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Some(micros) = moment_micros(text) {
        return DateTime::from_timestamp_micros(micros);
    }
    let number: i64 = text.parse().ok()?;
    if number.unsigned_abs() < 100_000_000_000 {
        DateTime::from_timestamp(number, 0)
    } else {
        DateTime::from_timestamp_millis(number)
    }
}

/// A cursor so much earlier; one that is no moment stays.
pub(crate) fn stepped_back(text: &str, look_back: std::time::Duration) -> String {
    let back = TimeDelta::from_std(look_back).unwrap_or_default();
    if back.is_zero() {
        return text.to_owned();
    }
    match moment(text).and_then(|moment| moment.checked_sub_signed(back)) {
        Some(moment) if text.parse::<i64>().is_ok_and(|n| n.unsigned_abs() < 100_000_000_000) => {
            moment.timestamp().to_string()
        }
        Some(moment) if text.parse::<i64>().is_ok() => moment.timestamp_millis().to_string(),
        Some(moment) => moment.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        None => text.to_owned(),
    }
}

/// A cursor as the vendor wants it written.
pub(crate) fn cursor_text(text: &str, format: &CursorFormat) -> String {
    let Some(moment) = moment(text) else { return text.to_owned() };
    match format {
        CursorFormat::Verbatim => text.to_owned(),
        CursorFormat::Unix => moment.timestamp().to_string(),
        CursorFormat::UnixMs => moment.timestamp_millis().to_string(),
        CursorFormat::Rfc3339 => moment.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        CursorFormat::Date => moment.format("%Y-%m-%d").to_string(),
        CursorFormat::Strftime(pattern) => {
            use std::fmt::Write;
            let mut written = String::new();
            // A pattern that strftime does not know must not end the program.
            match write!(written, "{}", moment.format(pattern)) {
                Ok(()) => written,
                Err(_) => text.to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn cursors_are_compared_as_what_they_are() {
        assert_eq!(greatest(Some("9".to_owned()), "10".to_owned()), "10");
        let (early, late) = ("2026-05-01T00:00:00+02:00", "2026-04-30T23:30:00Z");
        assert_eq!(greatest(Some(early.to_owned()), late.to_owned()), late);
    }

    #[test]
    fn cursors_step_back_and_keep_their_form() {
        let minute = Duration::from_secs(60);
        assert_eq!(stepped_back("1700000060", minute), "1700000000");
        assert_eq!(stepped_back("2026-05-01T00:01:00.000+0000", minute), "2026-05-01T00:00:00Z");
        assert_eq!(stepped_back("abc", minute), "abc");
        assert_eq!(cursor_text("1700000000", &CursorFormat::Rfc3339), "2023-11-14T22:13:20Z");
        assert_eq!(cursor_text("1700000000", &CursorFormat::Strftime("%Q".into())), "1700000000");
    }

    #[test]
    fn the_next_link_is_found_among_others() {
        let header = "<https://x/1>; rel=\"prev\", <https://x/3>; rel=\"next\"".to_owned();
        assert_eq!(next_link(header).as_deref(), Some("https://x/3"));
    }
}
