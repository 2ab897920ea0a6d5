//! Parameters: from the wire to text, and from text to what stands in the engine's SQL.

use bytes::{Buf, Bytes};
use chrono::{DateTime, Duration, NaiveDate};
use compute::postgres_catalog::kinds::{self, Oid};
use compute::postgres_catalog::{array_from_text, array_item};

use super::error::SqlError;

/// Microseconds from 1970 to 2000, where PostgreSQL's times begin.
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;
/// Items of one array.
const ITEMS_MAX: i32 = 10_000_000;

/// A parameter's value as text; none for a missing one.
pub(super) type Parameter = Option<String>;

/// Reads what a client bound.
pub(super) fn read(
    bound: &[Option<Bytes>],
    formats: &[i16],
    kinds: &[Oid],
) -> Result<Vec<Parameter>, SqlError> {
    let format = |place: usize| match formats {
        [] => 0,
        [one] => *one,
        several => several.get(place).copied().unwrap_or(0),
    };
    bound
        .iter()
        .enumerate()
        .map(|(place, bytes)| {
            let Some(bytes) = bytes else { return Ok(None) };
            let kind = kinds.get(place).copied().unwrap_or(kinds::TEXT);
            let read = match format(place) {
                0 => String::from_utf8(bytes.to_vec()).map_err(|_| {
                    SqlError::new("22021", format!("parameter ${} is no UTF-8", place + 1))
                })?,
                _ => from_binary(&mut bytes.clone(), kind).ok_or_else(|| {
                    let kind = kinds::name(kind);
                    SqlError::new(
                        "22P03",
                        format!("parameter ${} is no binary value of type {kind}", place + 1),
                    )
                })?,
            };
            if read.contains('\0') {
                return Err(SqlError::new("22021", "a text cannot hold the letter zero"));
            }
            Ok(Some(read))
        })
        .collect()
}

fn from_binary(bytes: &mut Bytes, kind: Oid) -> Option<String> {
    let text = match kind {
        kinds::BOOL => if bytes.try_get_u8().ok()? == 0 { "false" } else { "true" }.to_owned(),
        kinds::INT2 => bytes.try_get_i16().ok()?.to_string(),
        kinds::INT4 => bytes.try_get_i32().ok()?.to_string(),
        kinds::INT8 => bytes.try_get_i64().ok()?.to_string(),
        kinds::OID | kinds::REGCLASS | kinds::REGTYPE | kinds::REGPROC | kinds::XID => {
            bytes.try_get_u32().ok()?.to_string()
        }
        kinds::FLOAT4 => bytes.try_get_f32().ok()?.to_string(),
        kinds::FLOAT8 => bytes.try_get_f64().ok()?.to_string(),
        kinds::NUMERIC => numeric(bytes)?,
        kinds::DATE => {
            let days = i64::from(bytes.try_get_i32().ok()?);
            let start = NaiveDate::from_ymd_opt(2000, 1, 1)?;
            start.checked_add_signed(Duration::try_days(days)?)?.format("%Y-%m-%d").to_string()
        }
        kinds::TIME => {
            let time = DateTime::from_timestamp_micros(bytes.try_get_i64().ok()?)?;
            time.format("%H:%M:%S%.6f").to_string()
        }
        kinds::TIMESTAMP => moment(bytes)?.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        kinds::TIMESTAMPTZ => moment(bytes)?.format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string(),
        kinds::INTERVAL => {
            let microseconds = bytes.try_get_i64().ok()?;
            let (days, months) = (bytes.try_get_i32().ok()?, bytes.try_get_i32().ok()?);
            format!("{months} months {days} days {microseconds} microseconds")
        }
        kinds::UUID => {
            let hex: String = bytes.split_to(bytes.len()).iter().map(hex).collect();
            if hex.len() != 32 {
                return None;
            }
            [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
        }
        kinds::BYTEA => {
            let hex: String = bytes.split_to(bytes.len()).iter().map(hex).collect();
            format!("\\x{hex}")
        }
        kinds::JSONB => {
            bytes.try_get_u8().ok()?;
            String::from_utf8(bytes.split_to(bytes.len()).to_vec()).ok()?
        }
        _ if kinds::element_of(kind).is_some() => return array(bytes),
        _ => String::from_utf8(bytes.split_to(bytes.len()).to_vec()).ok()?,
    };
    bytes.is_empty().then_some(text)
}

fn hex(byte: &u8) -> String {
    format!("{byte:02x}")
}

fn moment(bytes: &mut Bytes) -> Option<DateTime<chrono::Utc>> {
    let microseconds = bytes.try_get_i64().ok()?.checked_add(EPOCH_MICROSECONDS)?;
    DateTime::from_timestamp_micros(microseconds)
}

fn numeric(bytes: &mut Bytes) -> Option<String> {
    let count = bytes.try_get_i16().ok()?;
    let weight = bytes.try_get_i16().ok()?;
    let (sign, scale) = (bytes.try_get_u16().ok()?, bytes.try_get_i16().ok()?);
    if sign == 0xc000 {
        return Some("NaN".to_owned());
    }
    let mut groups = Vec::new();
    for _ in 0..count {
        groups.push(bytes.try_get_i16().ok()?);
    }
    let group =
        |place: i16| usize::try_from(place).ok().and_then(|at| groups.get(at)).unwrap_or(&0);
    let mut whole = String::new();
    for place in 0..=weight.max(-1) {
        whole.push_str(&format!("{:04}", group(place)));
    }
    let whole = whole.trim_start_matches('0');
    let mut part = String::new();
    let scale = usize::try_from(scale).ok()?;
    let mut place = weight.checked_add(1)?;
    // Groups left of the first one sent are zeros.
    let mut skipped = place.min(0);
    while skipped < 0 && part.len() < scale {
        part.push_str("0000");
        skipped += 1;
    }
    place = place.max(0);
    while part.len() < scale {
        part.push_str(&format!("{:04}", group(place)));
        place += 1;
    }
    part.truncate(scale);
    let sign = if sign == 0x4000 { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") })
}

fn array(bytes: &mut Bytes) -> Option<String> {
    let dimensions = bytes.try_get_i32().ok()?;
    bytes.try_get_i32().ok()?;
    let element = bytes.try_get_u32().ok()?;
    if dimensions == 0 {
        return Some("{}".to_owned());
    }
    if dimensions != 1 {
        return None;
    }
    let count = bytes.try_get_i32().ok()?;
    bytes.try_get_i32().ok()?;
    if !(0..=ITEMS_MAX).contains(&count) {
        return None;
    }
    let mut items = Vec::new();
    for _ in 0..count {
        let length = bytes.try_get_i32().ok()?;
        let Ok(length) = usize::try_from(length) else {
            items.push("NULL".to_owned());
            continue;
        };
        if length > bytes.len() {
            return None;
        }
        items.push(array_item(&from_binary(&mut bytes.split_to(length), element)?));
    }
    Some(format!("{{{}}}", items.join(",")))
}

/// What stands in the engine's SQL for a parameter.
pub(super) fn literal(value: &Parameter, kind: Oid) -> Result<String, SqlError> {
    let Some(value) = value else { return Ok(missing(kind)) };
    let trimmed = value.trim();
    let invalid = || {
        let kind = kinds::name(kind);
        SqlError::new("22P02", format!("invalid input syntax for type {kind}: \"{value}\""))
    };
    Ok(match kind {
        kinds::BOOL => match trimmed.to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => "true".to_owned(),
            "f" | "false" | "n" | "no" | "off" | "0" => "false".to_owned(),
            _ => return Err(invalid()),
        },
        kinds::INT2 | kinds::INT4 | kinds::INT8 | kinds::OID => {
            let number: i64 = trimmed.parse().map_err(|_| invalid())?;
            if number < 0 { format!("({number})") } else { number.to_string() }
        }
        kinds::NUMERIC => {
            let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
            let plain =
                !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
            if !plain || digits.matches('.').count() > 1 {
                return Err(invalid());
            }
            let whole = if digits.contains('.') { "" } else { ".0" };
            let sign = if trimmed.starts_with('-') { "-" } else { "" };
            format!("({sign}{digits}{whole})")
        }
        kinds::FLOAT4 | kinds::FLOAT8 => {
            let _: f64 = trimmed.parse().map_err(|_| invalid())?;
            format!("cast('{trimmed}' as {})", sql_name(kind))
        }
        kinds::DATE | kinds::TIME | kinds::TIMESTAMP | kinds::TIMESTAMPTZ | kinds::INTERVAL => {
            format!("cast({} as {})", quoted(value), sql_name(kind))
        }
        kinds::BYTEA => match trimmed.strip_prefix("\\x") {
            Some(hex) if hex.chars().all(|c| c.is_ascii_hexdigit()) => format!("X'{hex}'"),
            Some(_) => return Err(invalid()),
            None => {
                let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
                format!("X'{hex}'")
            }
        },
        _ => match kinds::element_of(kind) {
            Some(element) => {
                let items = array_from_text(trimmed).ok_or_else(invalid)?;
                let items = items.into_iter().map(|item| literal(&item, element));
                let items = items.collect::<Result<Vec<_>, _>>()?;
                match items.is_empty() {
                    true => missing(kind),
                    false => format!("array[{}]", items.join(", ")),
                }
            }
            None => quoted(value),
        },
    })
}

/// A missing value of a type.
pub(super) fn missing(kind: Oid) -> String {
    match kinds::element_of(kind) {
        Some(element) => format!("array[{}]", missing(element)),
        None => format!("cast(null as {})", sql_name(kind)),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn sql_name(kind: Oid) -> &'static str {
    match kind {
        kinds::BOOL => "boolean",
        kinds::INT2 => "smallint",
        kinds::INT4 => "integer",
        kinds::INT8 | kinds::OID => "bigint",
        kinds::FLOAT4 => "real",
        kinds::FLOAT8 => "double precision",
        kinds::NUMERIC => "decimal(38, 10)",
        kinds::DATE => "date",
        kinds::TIME => "time",
        kinds::TIMESTAMP => "timestamp",
        kinds::TIMESTAMPTZ => "timestamp with time zone",
        kinds::INTERVAL => "interval",
        kinds::BYTEA => "bytea",
        _ => "text",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::BytesMut;

    use super::super::encode;
    use super::*;

    #[test]
    fn decimals_come_back_as_they_were_sent() {
        for text in ["-12345.0600", "0.05", "0.00001234", "100000", "0", "9999.9"] {
            let mut out = BytesMut::new();
            encode::numeric(&mut out, text).unwrap();
            assert_eq!(from_binary(&mut out.freeze(), kinds::NUMERIC).unwrap(), text);
        }
    }

    #[test]
    fn a_value_that_does_not_fit_its_type_is_refused() {
        assert_eq!(literal(&Some("x".into()), kinds::INT4).unwrap_err().state, "22P02");
        assert_eq!(literal(&Some("-3".into()), kinds::INT8).unwrap(), "(-3)");
        assert_eq!(literal(&Some("it's".into()), kinds::TEXT).unwrap(), "'it''s'");
        assert_eq!(literal(&Some("{1,2}".into()), 1016).unwrap(), "array[1, 2]");
        assert_eq!(literal(&None, kinds::DATE).unwrap(), "cast(null as date)");
    }

    #[test]
    fn binary_values_of_the_wrong_length_are_refused() {
        let bytes = [Some(Bytes::from_static(&[0, 0, 1]))];
        assert_eq!(read(&bytes, &[1], &[kinds::INT4]).unwrap_err().state, "22P03");
        let bytes = [Some(Bytes::from_static(&[0, 0, 0, 7]))];
        assert_eq!(read(&bytes, &[1], &[kinds::INT4]).unwrap(), [Some("7".to_owned())]);
    }
}
