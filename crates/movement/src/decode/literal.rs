//! From the letters of a value to a number, a day or a moment; never silently lossy.

/// Integers beyond this magnitude are not all exact in a double.
const DOUBLE_EXACT_MAX: i64 = 1 << 53;

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberShape {
    /// Digits alone, perhaps with a minus.
    Integer,
    /// With a point or an exponent.
    Fraction,
}

/// Checks that the text is a number as JSON writes one.
pub(crate) fn number_shape(text: &str) -> Option<NumberShape> {
    let bytes = text.as_bytes();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let digits =
        |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(at);
    if whole == 0 || (whole > 1 && bytes[at] == b'0') {
        return None;
    }
    at += whole;
    let mut shape = NumberShape::Integer;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
        shape = NumberShape::Fraction;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return None;
        }
        at += exponent;
        shape = NumberShape::Fraction;
    }
    (at == bytes.len()).then_some(shape)
}

/// A whole number of 64 bits; `2.0` and `1e3` count where they are exact.
pub(crate) fn integer(text: &str) -> Option<i64> {
    if let Some(number) = plain_integer(text.as_bytes()) {
        return Some(number);
    }
    if number_shape(text)? == NumberShape::Integer {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "the bound is a power of two")]
    let exact = number.fract() == 0.0 && number.abs() <= DOUBLE_EXACT_MAX as f64;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within the bound")]
    let whole = number as i64;
    (exact && decimal(text, 38, 0) == Some(i128::from(whole))).then_some(whole)
}

fn plain_integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() || digits.len() > 19 || (digits.len() > 1 && digits[0] == b'0') {
        return None;
    }
    // Negative numbers reach one further than positive ones, so count downwards.
    let mut number: i64 = 0;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number.checked_mul(10)?.checked_sub(i64::from(byte - b'0'))?;
    }
    if negative { Some(number) } else { number.checked_neg() }
}

/// A double; none when a whole number would change or the size is out of reach.
pub(crate) fn double(text: &str) -> Option<f64> {
    let shape = number_shape(text)?;
    let number: f64 = text.parse().ok()?;
    if !number.is_finite() {
        return None;
    }
    if shape == NumberShape::Integer {
        let whole = decimal(text, 38, 0)?;
        #[expect(clippy::cast_possible_truncation, reason = "saturates, and is compared")]
        let back = number as i128;
        return (back == whole).then_some(number);
    }
    Some(number)
}

/// An exact number of so many digits, `scale` of them after the point, as its unscaled integer.
pub(crate) fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    number_shape(text)?;
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction_length = i32::try_from(fraction.len()).ok()?;
    let mut unscaled: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
    }
    if unscaled == 0 {
        return Some(0);
    }
    let mut shift = i32::from(scale) - fraction_length + exponent;
    while shift > 0 {
        unscaled = unscaled.checked_mul(10)?;
        shift -= 1;
    }
    while shift < 0 {
        if unscaled % 10 != 0 {
            return None;
        }
        unscaled /= 10;
        shift += 1;
    }
    let limit = 10_i128.checked_pow(u32::from(precision))?;
    (unscaled < limit).then_some(if negative { -unscaled } else { unscaled })
}

/// A day as days since 1970-01-01, written `2026-05-22`.
pub(crate) fn date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..])?);
    days(year, month, day)
}

fn number(digits: &[u8]) -> Option<u32> {
    let mut value = 0;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u32::from(byte - b'0');
    }
    Some(value)
}

/// Howard Hinnant's civil calendar, for years 0 to 9999.
fn days(year: u32, month: u32, day: u32) -> Option<i32> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    let (year, month, day) =
        (i32::try_from(year).ok()?, i32::try_from(month).ok()?, i32::try_from(day).ok()?);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// A time of day in microseconds, written `14:03`, `14:03:00` or `14:03:00.123456`.
pub(crate) fn time(text: &str) -> Option<i64> {
    let (micros, used) = time_of_day(text.as_bytes())?;
    (used == text.len()).then_some(micros)
}

fn time_of_day(bytes: &[u8]) -> Option<(i64, usize)> {
    if bytes.len() < 5 || bytes[2] != b':' {
        return None;
    }
    let (hour, minute) = (number(&bytes[..2])?, number(&bytes[3..5])?);
    let (mut second, mut micros, mut used) = (0, 0, 5);
    if bytes.get(5) == Some(&b':') {
        second = number(bytes.get(6..8)?)?;
        used = 8;
        if matches!(bytes.get(8), Some(b'.' | b',')) {
            let fraction: &[u8] = &bytes[9..];
            let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if length == 0
                || length > 9
                || fraction[length.min(6)..length].iter().any(|b| *b != b'0')
            {
                // Finer than a microsecond would be cut off without a word.
                return None;
            }
            micros = number(&fraction[..length.min(6)])?;
            for _ in length.min(6)..6 {
                micros *= 10;
            }
            used = 9 + length;
        }
    }
    // A leap second has no place in a timestamp.
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour * 3_600 + minute * 60 + second);
    Some((seconds * 1_000_000 + i64::from(micros), used))
}

/// A date and time in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Without a zone, as written.
    Local(i64),
    /// With a zone, in UTC.
    Zoned(i64),
}

/// A date and time, written `2026-05-22T14:03:00Z`, `2026-05-22 14:03:00+02:00` or without zone.
pub(crate) fn moment(text: &str) -> Option<Moment> {
    if text.len() < 16 || !text.is_char_boundary(10) || !matches!(text.as_bytes()[10], b'T' | b' ')
    {
        return None;
    }
    let day = i64::from(date(&text[..10])?);
    let (time, used) = time_of_day(&text.as_bytes()[11..])?;
    let local = day * 86_400_000_000 + time;
    let zone = text.as_bytes().get(11 + used..)?;
    match zone {
        [] => Some(Moment::Local(local)),
        [b'Z' | b'z'] => Some(Moment::Zoned(local)),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let (hours, minutes) = match rest {
                [a, b] => (number(&[*a, *b])?, 0),
                [a, b, c, d] => (number(&[*a, *b])?, number(&[*c, *d])?),
                [a, b, b':', c, d] => (number(&[*a, *b])?, number(&[*c, *d])?),
                _ => return None,
            };
            if hours > 18 || minutes > 59 {
                return None;
            }
            let offset = i64::from(hours * 3_600 + minutes * 60) * 1_000_000;
            Some(Moment::Zoned(if *sign == b'+' { local - offset } else { local + offset }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_fit_are_refused_not_rounded() {
        assert_eq!(integer("9223372036854775807"), Some(i64::MAX));
        assert_eq!(integer("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer("9223372036854775808"), None);
        assert_eq!(integer("2.0"), Some(2));
        assert_eq!(integer("2.5"), None);
        assert_eq!(integer("007"), None);
        assert_eq!(double("0.1"), Some(0.1));
        assert_eq!(double("9007199254740993"), None);
        assert_eq!(double("1e999"), None);
        assert_eq!(decimal("12.30", 5, 2), Some(1_230));
        assert_eq!(decimal("12.345", 5, 2), None);
        assert_eq!(decimal("1234.00", 5, 2), None);
        assert_eq!(decimal("1e3", 10, 0), Some(1_000));
        let large = "123456789012345678901234567890";
        assert_eq!(decimal(large, 38, 0), Some(123_456_789_012_345_678_901_234_567_890));
    }

    #[test]
    fn moments_are_read_as_chrono_reads_them() {
        for text in ["2026-05-22T14:03:00Z", "1969-12-31T23:59:59.999999+00:00"] {
            let expected = chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros();
            assert_eq!(moment(text), Some(Moment::Zoned(expected)), "{text}");
        }
        let local = chrono::DateTime::parse_from_rfc3339("2024-02-29T01:02:03Z").unwrap();
        let local = local.timestamp_micros();
        assert_eq!(moment("2024-02-29 01:02:03"), Some(Moment::Local(local)));
        assert_eq!(moment("2024-02-29T03:02:03+0200"), Some(Moment::Zoned(local)));
        assert_eq!(moment("2024-02-30T01:02:03Z"), None);
        assert_eq!(moment("2024-02-29T01:02:03.1234567Z"), None);
        assert_eq!(date("2023-02-29"), None);
        assert_eq!(time("23:59:60"), None);
    }
}
