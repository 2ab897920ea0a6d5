//! Values on the wire: PostgreSQL's text and binary forms.

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, TimeZone};
use compute::postgres_catalog::array_item;
use compute::postgres_catalog::kinds::{self, Oid};

use super::cells::Cell;
use super::error::SqlError;

/// Microseconds of a second, a day.
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Days and microseconds from 1970 to 2000, where PostgreSQL's times begin.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROSECONDS: i64 = 10_957 * DAY;

/// How values are written to one client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) zone: chrono_tz::Tz,
}

/// Writes a value with its length before it.
pub(super) fn field(
    out: &mut BytesMut,
    cell: &Cell<'_>,
    kind: Oid,
    binary: bool,
    style: Style,
) -> Result<(), SqlError> {
    if matches!(cell, Cell::Null) {
        out.put_i32(-1);
        return Ok(());
    }
    let at = out.len();
    out.put_i32(0);
    if binary {
        self::binary(out, cell, kind, style)?;
    } else if let Cell::Text(text) = cell {
        out.put_slice(text.as_bytes());
    } else {
        out.put_slice(text(cell, kind, style).unwrap_or_default().as_bytes());
    }
    let length = i32::try_from(out.len() - at - 4)
        .map_err(|_| SqlError::new("54000", "a value of more than 2 GiB cannot be sent"))?;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// A value as PostgreSQL writes it; none for a missing one.
pub(super) fn text(cell: &Cell<'_>, kind: Oid, style: Style) -> Option<String> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Bool(truth) => if *truth { "t" } else { "f" }.to_owned(),
        Cell::Int(number) => number.to_string(),
        Cell::Unsigned(number) => number.to_string(),
        Cell::Float32(number) => float(&format!("{number:e}"), 6),
        Cell::Float(number) => float(&format!("{number:e}"), 15),
        Cell::Text(text) | Cell::Named(_, text) => (*text).to_owned(),
        Cell::Owned(text) => text.clone(),
        Cell::Bytes(bytes) if kind == kinds::UUID => uuid(bytes),
        Cell::Bytes(bytes) => {
            let hex = bytes.iter().map(|byte| format!("{byte:02x}"));
            format!("\\x{}", hex.collect::<String>())
        }
        Cell::Decimal(digits, scale) => decimal(*digits, *scale),
        Cell::Date(days) => date(*days),
        Cell::Time(microseconds) => clock(*microseconds),
        Cell::Moment(microseconds) if kind == kinds::TIMESTAMPTZ => zoned(*microseconds, style),
        Cell::Moment(microseconds) => plain(*microseconds),
        Cell::Interval { months, days, microseconds } => interval(*months, *days, *microseconds),
        Cell::List(items) if matches!(kind, kinds::INT2VECTOR | kinds::OIDVECTOR) => {
            let items = items.iter().filter_map(|item| text(item, kinds::INT4, style));
            items.collect::<Vec<_>>().join(" ")
        }
        Cell::List(items) => {
            let element = kinds::element_of(kind).unwrap_or(kinds::TEXT);
            let items = items.iter().map(|item| match text(item, element, style) {
                Some(text) if matches!(item, Cell::List(_)) => text,
                Some(text) => array_item(&text),
                None => "NULL".to_owned(),
            });
            format!("{{{}}}", items.collect::<Vec<_>>().join(","))
        }
        Cell::Record(items) => {
            let items = items.iter().map(|item| text(item, kinds::TEXT, style).unwrap_or_default());
            format!("({})", items.collect::<Vec<_>>().join(","))
        }
    })
}

/// Shortest digits; an exponent only where PostgreSQL writes one.
fn float(scientific: &str, digits_plain: i32) -> String {
    match scientific {
        "inf" => return "Infinity".to_owned(),
        "-inf" => return "-Infinity".to_owned(),
        "NaN" => return "NaN".to_owned(),
        _ => {}
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if exponent < -4 || exponent >= digits_plain {
        let dir = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{dir}{:02}", exponent.abs());
    }
    let point = usize::try_from(exponent.max(0)).unwrap_or(0) + 1;
    if exponent < 0 {
        let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
        return format!("{sign}0.{}{digits}", "0".repeat(zeros));
    }
    if digits.len() <= point {
        return format!("{sign}{digits}{}", "0".repeat(point - digits.len()));
    }
    format!("{sign}{}.{}", &digits[..point], &digits[point..])
}

fn decimal(digits: i128, scale: i8) -> String {
    let sign = if digits < 0 { "-" } else { "" };
    let digits = digits.unsigned_abs().to_string();
    let Ok(scale) = usize::try_from(scale) else {
        return format!("{sign}{digits}{}", "0".repeat(usize::from(scale.unsigned_abs())));
    };
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, part) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{part}")
}

fn uuid(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match hex.len() {
        32 => [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"),
        _ => hex,
    }
}

fn date(days: i32) -> String {
    let date = NaiveDate::default().checked_add_signed(Duration::days(days.into()));
    date.map_or_else(|| "infinity".to_owned(), |date| date.format("%Y-%m-%d").to_string())
}

fn fraction(microseconds: i64) -> String {
    match microseconds {
        0 => String::new(),
        part => format!(".{part:06}").trim_end_matches('0').to_owned(),
    }
}

fn clock(microseconds: i64) -> String {
    let seconds = microseconds / SECOND;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}{}", seconds % 60, fraction(microseconds % SECOND))
}

fn naive(microseconds: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(microseconds).map(|time| time.naive_utc())
}

fn plain(microseconds: i64) -> String {
    naive(microseconds).map_or_else(
        || "infinity".to_owned(),
        |time| {
            let part = fraction(microseconds.rem_euclid(SECOND));
            format!("{}{part}", time.format("%Y-%m-%d %H:%M:%S"))
        },
    )
}

fn zoned(microseconds: i64, style: Style) -> String {
    let Some(time) = naive(microseconds) else { return "infinity".to_owned() };
    let local = style.zone.from_utc_datetime(&time);
    let part = fraction(microseconds.rem_euclid(SECOND));
    let offset = local.format("%:z").to_string();
    let offset = offset.strip_suffix(":00").unwrap_or(&offset);
    format!("{}{part}{offset}", local.format("%Y-%m-%d %H:%M:%S"))
}

fn interval(months: i32, days: i32, microseconds: i64) -> String {
    let mut parts = Vec::new();
    let mut part = |number: i32, one: &str, many: &str| {
        if number != 0 {
            parts.push(format!("{number} {}", if number == 1 { one } else { many }));
        }
    };
    part(months / 12, "year", "years");
    part(months % 12, "mon", "mons");
    part(days, "day", "days");
    if microseconds != 0 || parts.is_empty() {
        let sign = if microseconds < 0 { "-" } else { "" };
        parts.push(format!("{sign}{}", clock(microseconds.abs())));
    }
    parts.join(" ")
}

fn impossible(kind: Oid) -> SqlError {
    SqlError::new(
        "0A000",
        format!("a value of this column has no binary form of type {}", kinds::name(kind)),
    )
    .hint("Ask for results in text format.")
}

fn binary(out: &mut BytesMut, cell: &Cell<'_>, kind: Oid, style: Style) -> Result<(), SqlError> {
    match (kind, cell) {
        (kinds::BOOL, Cell::Bool(truth)) => out.put_u8(u8::from(*truth)),
        (kinds::INT2, _) => out.put_i16(whole(cell, kind)?),
        (kinds::INT4, _) => out.put_i32(whole(cell, kind)?),
        (kinds::INT8, _) => out.put_i64(whole(cell, kind)?),
        (_, Cell::Named(number, _)) => out.put_u32(*number),
        (kinds::OID | kinds::XID | kinds::REGPROC | kinds::REGCLASS | kinds::REGTYPE, _) => {
            out.put_u32(whole(cell, kind)?);
        }
        (kinds::FLOAT4, _) => {
            #[expect(clippy::cast_possible_truncation, reason = "the column is a real")]
            let number = double(cell).ok_or_else(|| impossible(kind))? as f32;
            out.put_f32(number);
        }
        (kinds::FLOAT8, _) => out.put_f64(double(cell).ok_or_else(|| impossible(kind))?),
        (kinds::NUMERIC, _) => {
            let written = text(cell, kind, style).unwrap_or_default();
            numeric(out, &written).ok_or_else(|| impossible(kind))?;
        }
        (kinds::DATE, Cell::Date(days)) => out.put_i32(days - EPOCH_DAYS),
        (kinds::TIME, Cell::Time(microseconds)) => out.put_i64(*microseconds),
        (kinds::TIMESTAMP | kinds::TIMESTAMPTZ, Cell::Moment(microseconds)) => {
            out.put_i64(microseconds - EPOCH_MICROSECONDS);
        }
        (kinds::INTERVAL, Cell::Interval { months, days, microseconds }) => {
            out.put_i64(*microseconds);
            out.put_i32(*days);
            out.put_i32(*months);
        }
        (kinds::BYTEA | kinds::UUID, Cell::Bytes(bytes)) => out.put_slice(bytes),
        (kinds::JSONB, _) => {
            out.put_u8(1);
            out.put_slice(text(cell, kind, style).unwrap_or_default().as_bytes());
        }
        (_, Cell::List(items)) => list(out, items, kind, style)?,
        (kinds::RECORD, Cell::Record(items)) => {
            out.put_i32(i32::try_from(items.len()).unwrap_or(0));
            for item in items {
                let kind = match item {
                    Cell::Int(_) => kinds::INT8,
                    Cell::Bool(_) => kinds::BOOL,
                    _ => kinds::TEXT,
                };
                out.put_u32(kind);
                field(out, item, kind, true, style)?;
            }
        }
        (kinds::VOID, _) => {}
        (
            kinds::BOOL
            | kinds::DATE
            | kinds::TIME
            | kinds::TIMESTAMP
            | kinds::TIMESTAMPTZ
            | kinds::INTERVAL
            | kinds::UUID,
            _,
        ) => return Err(impossible(kind)),
        _ => out.put_slice(text(cell, kind, style).unwrap_or_default().as_bytes()),
    }
    Ok(())
}

fn whole<T: TryFrom<i64>>(cell: &Cell<'_>, kind: Oid) -> Result<T, SqlError> {
    let number = match cell {
        Cell::Int(number) => Some(*number),
        Cell::Unsigned(number) => i64::try_from(*number).ok(),
        Cell::Bool(truth) => Some(i64::from(*truth)),
        Cell::Text(text) => text.trim().parse().ok(),
        Cell::Decimal(digits, 0) => i64::try_from(*digits).ok(),
        _ => None,
    };
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
        SqlError::new("22003", format!("value out of range for type {}", kinds::name(kind)))
    })
}

#[expect(clippy::cast_precision_loss, reason = "the column is floating point")]
fn double(cell: &Cell<'_>) -> Option<f64> {
    match cell {
        Cell::Float(number) => Some(*number),
        Cell::Float32(number) => Some((*number).into()),
        Cell::Int(number) => Some(*number as f64),
        Cell::Decimal(digits, scale) => decimal(*digits, *scale).parse().ok(),
        Cell::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn list(out: &mut BytesMut, items: &[Cell<'_>], kind: Oid, style: Style) -> Result<(), SqlError> {
    let element = kinds::element_of(kind).unwrap_or(kinds::TEXT);
    let vector = matches!(kind, kinds::INT2VECTOR | kinds::OIDVECTOR);
    let missing = items.iter().any(|item| matches!(item, Cell::Null));
    out.put_i32(i32::from(!items.is_empty() || vector));
    out.put_i32(i32::from(missing));
    out.put_u32(element);
    if !items.is_empty() || vector {
        out.put_i32(i32::try_from(items.len()).map_err(|_| impossible(kind))?);
        out.put_i32(i32::from(!vector));
    }
    for item in items {
        field(out, item, element, true, style)?;
    }
    Ok(())
}

/// Four digits at a time, the point between two of them.
pub(super) fn numeric(out: &mut BytesMut, text: &str) -> Option<()> {
    if text == "NaN" {
        out.put_slice(&[0, 0, 0, 0, 0xc0, 0, 0, 0]);
        return Some(());
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (0x4000_u16, rest),
        None => (0, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if !whole.chars().chain(part.chars()).all(|c| c.is_ascii_digit()) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let lead = whole.len().div_ceil(4) * 4;
    let all = format!("{whole:0>lead$}{part}");
    let mut groups: Vec<u16> = Vec::new();
    for at in (0..all.len()).step_by(4) {
        let group = &all[at..(at + 4).min(all.len())];
        groups.push(format!("{group:0<4}").parse().ok()?);
    }
    let mut weight = i16::try_from(lead / 4).ok()? - 1;
    while groups.first() == Some(&0) {
        groups.remove(0);
        weight -= 1;
    }
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    out.put_i16(i16::try_from(groups.len()).ok()?);
    out.put_i16(weight);
    out.put_u16(if groups.is_empty() { 0 } else { sign });
    out.put_i16(i16::try_from(part.len()).ok()?);
    for group in groups {
        out.put_u16(group);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const STYLE: Style = Style { zone: chrono_tz::Europe::Berlin };

    #[test]
    fn numbers_are_written_as_postgres_writes_them() {
        for (number, wanted) in [
            (0.1, "0.1"),
            (1e15, "1e+15"),
            (123_456_789_012_345.0, "123456789012345"),
            (0.0001, "0.0001"),
            (0.000_012_5, "1.25e-05"),
            (-2.5, "-2.5"),
            (0.0, "0"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(&Cell::Float(number), kinds::FLOAT8, STYLE).unwrap(), wanted);
        }
        assert_eq!(decimal(-5, 3), "-0.005");
        assert_eq!(decimal(12_345, 2), "123.45");
    }

    #[test]
    fn moments_stand_in_the_zone_of_the_client() {
        let summer = Cell::Moment(1_751_328_000_500_000);
        assert_eq!(text(&summer, kinds::TIMESTAMPTZ, STYLE).unwrap(), "2025-07-01 02:00:00.5+02");
        assert_eq!(text(&summer, kinds::TIMESTAMP, STYLE).unwrap(), "2025-07-01 00:00:00.5");
        assert_eq!(interval(14, -1, 3_661_000_000), "1 year 2 mons -1 days 01:01:01");
        assert_eq!(interval(0, 0, 0), "00:00:00");
    }

    #[test]
    fn decimals_travel_in_groups_of_four_digits() {
        let mut out = BytesMut::new();
        numeric(&mut out, "-12345.0600").unwrap();
        assert_eq!(out.to_vec(), [0, 3, 0, 1, 0x40, 0, 0, 4, 0, 1, 0x09, 0x29, 0x02, 0x58]);
    }

    #[test]
    fn lists_are_written_with_their_missing_values() {
        let list = Cell::List(vec![Cell::Text("a,b"), Cell::Null]);
        assert_eq!(text(&list, 1009, STYLE).unwrap(), "{\"a,b\",NULL}");
    }
}
