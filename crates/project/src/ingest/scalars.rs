//! Small texts with a meaning: `30s`, `25/s`, `0.1%`, `decimal(18,2)`.

use std::time::Duration;

use super::{ColumnType, Rate, RejectLimit};

/// `500ms`, `30s`, `5m`, `2h`, `30d`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit.trim() {
        "ms" => return Some(Duration::from_millis(number)),
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// `25/s`, `10/m`, `1000/h`, `10/500ms`.
pub(super) fn rate(text: &str) -> Option<Rate> {
    let (requests, per) = text.split_once('/')?;
    let per = per.trim();
    let starts_with_digit = per.starts_with(|letter: char| letter.is_ascii_digit());
    let per = if starts_with_digit { duration(per)? } else { duration(&format!("1{per}"))? };
    let requests = requests.trim().parse().ok().filter(|requests| *requests > 0)?;
    (!per.is_zero()).then_some(Rate { requests, per })
}

/// `0.1%`, `5` rows.
pub(super) fn reject_limit(text: &str) -> Option<RejectLimit> {
    let text = text.trim();
    match text.strip_suffix('%') {
        Some(percent) => {
            let percent: f64 = percent.trim().parse().ok()?;
            (0.0..=100.0).contains(&percent).then_some(RejectLimit::Share(percent / 100.0))
        }
        None => text.parse().ok().map(RejectLimit::Rows),
    }
}

/// A column type by its name or one of its common other names.
pub(super) fn column_type(text: &str) -> Option<ColumnType> {
    let text = text.trim().to_ascii_lowercase();
    let (name, arguments) = match text.split_once('(') {
        Some((name, rest)) => (name.trim(), Some(rest.strip_suffix(')')?)),
        None => (text.as_str(), None),
    };
    if let Some(arguments) = arguments {
        return match name {
            "decimal" | "numeric" | "number" => decimal(arguments),
            "varchar" | "char" => Some(ColumnType::String),
            _ => None,
        };
    }
    Some(match name {
        "boolean" | "bool" => ColumnType::Boolean,
        "bigint" | "int" | "integer" | "int64" | "long" | "smallint" => ColumnType::Bigint,
        "double" | "float" | "float64" | "double precision" | "real" => ColumnType::Double,
        "decimal" | "numeric" => ColumnType::Decimal(38, 9),
        "date" => ColumnType::Date,
        "time" => ColumnType::Time,
        "timestamp" | "datetime" | "timestamp without time zone" => ColumnType::Timestamp,
        "timestamptz" | "timestamp with time zone" => ColumnType::Timestamptz,
        "string" | "text" | "varchar" => ColumnType::String,
        "json" | "jsonb" | "variant" => ColumnType::Json,
        _ => return None,
    })
}

fn decimal(arguments: &str) -> Option<ColumnType> {
    let (precision, scale) = arguments.split_once(',').unwrap_or((arguments, "0"));
    let precision: u8 = precision.trim().parse().ok()?;
    let scale: i8 = scale.trim().parse().ok()?;
    let valid = (1..=38).contains(&precision) && (0..=38).contains(&scale);
    (valid && scale.unsigned_abs() <= precision).then_some(ColumnType::Decimal(precision, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_texts_are_read_or_refused() {
        assert_eq!(duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("5 fortnights"), None);
        assert_eq!(rate("10/m"), Some(Rate { requests: 10, per: Duration::from_secs(60) }));
        assert_eq!(rate("0/s"), None);
        assert_eq!(reject_limit("0.1%"), Some(RejectLimit::Share(0.001)));
        assert_eq!(reject_limit("7"), Some(RejectLimit::Rows(7)));
        assert_eq!(reject_limit("101%"), None);
        assert_eq!(column_type("Decimal(18, 2)"), Some(ColumnType::Decimal(18, 2)));
        assert_eq!(column_type("decimal(3,4)"), None);
        assert_eq!(column_type("blob"), None);
    }
}
