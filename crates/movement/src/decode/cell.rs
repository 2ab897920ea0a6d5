//! One value of a row before it has a type, and what type it could have.

use std::borrow::Cow;

use project::ingest::ColumnType;

use super::json::unescape;
use super::literal::{self, Moment, NumberShape};

/// A value as it stands in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    /// The row has no such column.
    Absent,
    /// The row says there is no value.
    Null,
    /// A JSON boolean.
    Boolean(bool),
    /// A JSON number.
    Number(&'a str),
    /// A JSON string without escapes.
    Text(&'a str),
    /// The inside of a JSON string with escapes.
    Escaped(&'a str),
    /// A JSON list or object.
    Nested(&'a str),
    /// Letters of a format that knows no types: CSV, names of folders.
    Letters(&'a str),
}

/// What type the values of a column could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// Whole numbers beyond 64 bits, up to 38 digits.
    Large,
    /// A type of a column.
    Of(ColumnType),
}

impl Guess {
    /// The column type that holds it.
    pub(crate) fn column_type(self) -> ColumnType {
        match self {
            Self::Large => ColumnType::Decimal(38, 0),
            Self::Of(kind) => kind,
        }
    }

    /// The narrowest type that holds both without losing anything.
    pub(crate) fn merge(self, other: Self) -> Self {
        use ColumnType::{Bigint, Date, Decimal, Double, Json, String, Timestamp};
        if self == other {
            return self;
        }
        match (self, other) {
            (Self::Of(Json), _) | (_, Self::Of(Json)) => Self::Of(Json),
            (Self::Of(Bigint), Self::Of(Double)) | (Self::Of(Double), Self::Of(Bigint)) => {
                Self::Of(Double)
            }
            (Self::Large | Self::Of(Decimal(38, 0)), Self::Of(Bigint) | Self::Large)
            | (Self::Of(Bigint), Self::Large | Self::Of(Decimal(38, 0)))
            | (Self::Large, Self::Of(Decimal(38, 0))) => Self::Large,
            (Self::Of(Date), Self::Of(Timestamp)) | (Self::Of(Timestamp), Self::Of(Date)) => {
                Self::Of(Timestamp)
            }
            _ => Self::Of(String),
        }
    }
}

impl<'a> Cell<'a> {
    /// Letters that need no copy.
    pub(crate) fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) | Self::Number(text) | Self::Nested(text) | Self::Letters(text) => {
                Some(text)
            }
            Self::Boolean(true) => Some("true"),
            Self::Boolean(false) => Some("false"),
            Self::Escaped(_) | Self::Absent | Self::Null => None,
        }
    }

    /// The letters of the value; none for no value and for wrong escapes.
    pub(crate) fn to_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Escaped(raw) => unescape(raw).map(Cow::Owned),
            other => other.text().map(Cow::Borrowed),
        }
    }

    /// The value as JSON text.
    pub(crate) fn to_json(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(Cow::Owned(format!("\"{text}\""))),
            Self::Escaped(raw) => unescape(raw).map(|_| Cow::Owned(format!("\"{raw}\""))),
            Self::Letters(text) => {
                let valid = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
                valid.then_some(Cow::Borrowed(text))
            }
            other => other.text().map(Cow::Borrowed),
        }
    }

    /// Whether there is a value.
    pub(crate) fn holds_value(self) -> bool {
        !matches!(self, Self::Absent | Self::Null)
    }

    /// The narrowest type that holds the value; none when there is no value.
    pub(crate) fn guess(self) -> Option<Guess> {
        Some(Guess::Of(match self {
            Self::Absent | Self::Null => return None,
            Self::Boolean(_) => ColumnType::Boolean,
            Self::Number(text) => {
                return Some(number(text).unwrap_or(Guess::Of(ColumnType::String)));
            }
            Self::Text(text) => moment(text).unwrap_or(ColumnType::String),
            Self::Escaped(_) => ColumnType::String,
            Self::Nested(_) => ColumnType::Json,
            Self::Letters(text) => return Some(letters(text)),
        }))
    }

    /// Whether nothing but the type was converted when letters became this type: in a format
    /// without types every value is letters, in JSON a string that looks like a number is none.
    pub(crate) fn typed(self) -> bool {
        !matches!(self, Self::Letters(_))
    }
}

fn number(text: &str) -> Option<Guess> {
    Some(match literal::number_shape(text)? {
        NumberShape::Integer if literal::integer(text).is_some() => Guess::Of(ColumnType::Bigint),
        NumberShape::Integer if literal::decimal(text, 38, 0).is_some() => Guess::Large,
        NumberShape::Integer => return None,
        NumberShape::Fraction => {
            literal::double(text)?;
            Guess::Of(ColumnType::Double)
        }
    })
}

fn moment(text: &str) -> Option<ColumnType> {
    if !text.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    if literal::date(text).is_some() {
        return Some(ColumnType::Date);
    }
    Some(match literal::moment(text)? {
        Moment::Local(_) => ColumnType::Timestamp,
        Moment::Zoned(_) => ColumnType::Timestamptz,
    })
}

fn letters(text: &str) -> Guess {
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return Guess::Of(ColumnType::Boolean);
    }
    // "-0" and "0042" are names of something: as numbers they would come out otherwise.
    let found = if text == "-0" { None } else { number(text) };
    found.unwrap_or_else(|| Guess::Of(moment(text).unwrap_or(ColumnType::String)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_become_the_narrowest_type_that_keeps_them() {
        for (text, expected) in [
            ("12", ColumnType::Bigint),
            ("0042", ColumnType::String),
            ("1.50", ColumnType::Double),
            ("123456789012345678901", ColumnType::Decimal(38, 0)),
            ("True", ColumnType::Boolean),
            ("2026-05-22", ColumnType::Date),
            ("2026-05-22 10:00:00", ColumnType::Timestamp),
            ("2026-05-22T10:00:00Z", ColumnType::Timestamptz),
            ("NA", ColumnType::String),
        ] {
            let guess = Cell::Letters(text).guess().unwrap();
            assert_eq!(guess.column_type(), expected, "{text}");
        }
    }

    #[test]
    fn merging_types_loses_nothing() {
        let of = Guess::Of;
        assert_eq!(of(ColumnType::Bigint).merge(of(ColumnType::Double)), of(ColumnType::Double));
        assert_eq!(of(ColumnType::Bigint).merge(Guess::Large), Guess::Large);
        assert_eq!(Guess::Large.merge(of(ColumnType::Double)), of(ColumnType::String));
        let zoned = of(ColumnType::Timestamptz);
        assert_eq!(of(ColumnType::Timestamp).merge(zoned), of(ColumnType::String));
    }
}
