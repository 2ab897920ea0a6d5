//! Writes one JSON object per line, fields in the order in which they are given.

use std::fmt::Write;

/// A line under construction, appended to a file's text.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    out: &'a mut String,
    first: bool,
}

impl<'a> Line<'a> {
    pub(crate) fn begin(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, first: true }
    }

    fn key(&mut self, key: &str) -> &mut String {
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
        self.out
    }

    /// A text without anything that JSON would escape: names and ids of ours.
    pub(crate) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        debug_assert!(!value.contains(['"', '\\', '\n']), "a text that needs escapes: {value}");
        let out = self.key(key);
        out.push('"');
        out.push_str(value);
        out.push('"');
        self
    }

    /// A text, or null.
    pub(crate) fn text_or_null(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(key, value),
            None => self.null(key),
        }
    }

    /// A text from a prefix and a number of at least so many digits.
    pub(crate) fn id(&mut self, key: &str, prefix: &str, number: u64, digits: usize) -> &mut Self {
        let out = self.key(key);
        out.push('"');
        out.push_str(prefix);
        push_padded(out, number, digits);
        out.push('"');
        self
    }

    /// A text of a prefix and sixteen hexadecimal digits.
    pub(crate) fn token(&mut self, key: &str, prefix: &str, number: u64) -> &mut Self {
        let out = self.key(key);
        out.push('"');
        out.push_str(prefix);
        for shift in (0..16).rev() {
            let digit = (number >> (shift * 4) & 0xf) as u32;
            out.push(char::from_digit(digit, 16).unwrap_or('0'));
        }
        out.push('"');
        self
    }

    pub(crate) fn number(&mut self, key: &str, value: i64) -> &mut Self {
        let out = self.key(key);
        // Writing into a string cannot fail.
        let _ = write!(out, "{value}");
        self
    }

    pub(crate) fn number_or_null(&mut self, key: &str, value: Option<i64>) -> &mut Self {
        match value {
            Some(value) => self.number(key, value),
            None => self.null(key),
        }
    }

    pub(crate) fn boolean(&mut self, key: &str, value: bool) -> &mut Self {
        self.key(key).push_str(if value { "true" } else { "false" });
        self
    }

    pub(crate) fn null(&mut self, key: &str) -> &mut Self {
        self.key(key).push_str("null");
        self
    }

    /// A moment in milliseconds since 1970, as `2026-05-22T14:03:07.123Z`.
    pub(crate) fn time(&mut self, key: &str, at_ms: i64) -> &mut Self {
        let out = self.key(key);
        out.push('"');
        push_time(out, at_ms);
        out.push('"');
        self
    }

    /// A nested object.
    pub(crate) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Line<'_>)) -> &mut Self {
        let mut inner = Line::begin(self.key(key));
        fill(&mut inner);
        inner.out.push('}');
        self
    }

    pub(crate) fn end(&mut self) {
        self.out.push_str("}\n");
    }
}

/// Writes a number with leading zeros.
pub(crate) fn push_padded(out: &mut String, number: u64, digits: usize) {
    let mut reversed = [b'0'; 20];
    let mut rest = number;
    let mut length = 0;
    while rest > 0 || length < digits.min(20) {
        reversed[length] = b'0' + (rest % 10) as u8;
        rest /= 10;
        length += 1;
    }
    out.extend(reversed[..length].iter().rev().map(|&digit| char::from(digit)));
}

/// Writes a moment in milliseconds since 1970, as `2026-05-22T14:03:07.123Z`.
pub(crate) fn push_time(out: &mut String, at_ms: i64) {
    let (days, rest) = (at_ms.div_euclid(86_400_000), at_ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    push_padded(out, year.unsigned_abs(), 4);
    for (sign, part) in [('-', month), ('-', day), ('T', rest / 3_600_000)] {
        out.push(sign);
        push_padded(out, part.unsigned_abs(), 2);
    }
    for part in [rest / 60_000 % 60, rest / 1_000 % 60] {
        out.push(':');
        push_padded(out, part.unsigned_abs(), 2);
    }
    out.push('.');
    push_padded(out, (rest % 1_000).unsigned_abs(), 3);
    out.push('Z');
}

/// Year, month and day of a day number since 1970 (Howard Hinnant's civil_from_days): a million
/// moments are written per play, and chrono's formatter costs ten times as much.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_shifted + 2) / 5 + 1;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, SecondsFormat, Utc};

    use super::*;

    #[test]
    fn moments_are_written_as_chrono_writes_them() {
        for at_ms in [0, 951_782_400_001, 1_771_977_600_000, 1_779_753_599_999] {
            let mut text = String::new();
            push_time(&mut text, at_ms);
            let moment: DateTime<Utc> =
                DateTime::from_timestamp_millis(at_ms).expect("a moment chrono knows");
            assert_eq!(text, moment.to_rfc3339_opts(SecondsFormat::Millis, true));
        }
    }
}
