//! Dates to text and back: DuckDB's percent signs and PostgreSQL's templates.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use datafusion::common::{Result, exec_err};

use super::kernel::Call;
use super::times::walls;

/// As both homes print it: no fraction when there is none, no zeros at its end.
pub(crate) fn plain(wall: NaiveDateTime) -> String {
    let mut text = wall.format("%Y-%m-%d %H:%M:%S").to_string();
    let micros = wall.nanosecond() / 1_000;
    if micros > 0 {
        let digits = format!("{micros:06}");
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
    text
}

/// `+00`, `-03:30`.
pub(crate) fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3_600, seconds.abs() / 60 % 60);
    match minutes {
        0 => format!("{sign}{hours:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}"),
    }
}

fn each(call: &Call<'_>, write: fn(NaiveDateTime, &str) -> Result<String>) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(call.rows);
    for (wall, format) in walls(call, 0)?.into_iter().zip(call.texts(1)?) {
        out.push(match wall.zip(format) {
            Some((wall, format)) => Some(write(wall, format)?),
            None => None,
        });
    }
    Ok(Arc::new(StringArray::from(out)))
}

/// DuckDB's `strftime`.
pub(crate) fn strftime(call: &Call<'_>) -> Result<ArrayRef> {
    each(call, |wall, format| {
        let mut out = String::new();
        let mut chars = format.chars();
        while let Some(ch) = chars.next() {
            if ch != '%' {
                out.push(ch);
                continue;
            }
            let mut code = chars.next();
            let bare = code == Some('-');
            if bare {
                code = chars.next();
            }
            let start = out.len();
            match code {
                Some('f') => {
                    let _ = write!(out, "{:06}", wall.nanosecond() / 1_000);
                }
                Some('g') => {
                    let _ = write!(out, "{:03}", wall.nanosecond() / 1_000_000);
                }
                Some('n') => {
                    let _ = write!(out, "{:09}", wall.nanosecond());
                }
                Some('%') => out.push('%'),
                Some('c') => {
                    let _ = write!(out, "{}", wall.format("%Y-%m-%d %H:%M:%S"));
                }
                Some('x') => {
                    let _ = write!(out, "{}", wall.format("%Y-%m-%d"));
                }
                Some('X') => {
                    let _ = write!(out, "{}", wall.format("%H:%M:%S"));
                }
                Some(
                    code @ ('a' | 'A' | 'w' | 'u' | 'd' | 'b' | 'B' | 'm' | 'y' | 'Y' | 'H' | 'I'
                    | 'p' | 'M' | 'S' | 'j' | 'U' | 'W' | 'G' | 'V'),
                ) => {
                    let _ = write!(out, "{}", wall.format(&format!("%{code}")));
                }
                _ => return exec_err!("\"strftime\" does not know a code of \"{format}\""),
            }
            if bare {
                let kept = out.split_off(start);
                let trimmed = kept.trim_start_matches('0');
                out.push_str(if trimmed.is_empty() { "0" } else { trimmed });
            }
        }
        Ok(out)
    })
}

/// PostgreSQL's `to_char` of a moment.
pub(crate) fn to_char(call: &Call<'_>) -> Result<ArrayRef> {
    each(call, |wall, format| {
        let mut out = String::new();
        let mut rest = format;
        while !rest.is_empty() {
            rest = template_step(rest, wall, &mut out)?;
        }
        Ok(out)
    })
}

/// Template words, longest first.
const WORDS: [&str; 36] = [
    "Y,YYY", "HH24", "HH12", "YYYY", "IYYY", "MONTH", "Month", "month", "YYY", "DDD", "DAY", "Day",
    "day", "MON", "Mon", "mon", "A.M.", "P.M.", "YY", "Q", "MM", "MI", "DD", "DY", "Dy", "dy",
    "HH", "SS", "MS", "US", "WW", "IW", "AM", "PM", "ID", "D",
];

fn template_step<'a>(rest: &'a str, wall: NaiveDateTime, out: &mut String) -> Result<&'a str> {
    if let Some(quoted) = rest.strip_prefix('"') {
        let (text, after) = quoted.split_once('"').unwrap_or((quoted, ""));
        out.push_str(text);
        return Ok(after);
    }
    let (bare, rest) = match rest.strip_prefix("FM").or_else(|| rest.strip_prefix("fm")) {
        Some(after) => (true, after),
        None => (false, rest),
    };
    let word = WORDS.iter().find(|word| {
        rest.starts_with(**word)
            || (rest.len() >= word.len()
                && rest.is_char_boundary(word.len())
                && numeric_word(word)
                && rest[..word.len()].eq_ignore_ascii_case(word))
    });
    let Some(word) = word else {
        let Some(ch) = rest.chars().next() else { return Ok("") };
        if ch.is_ascii_alphabetic() && !matches!(ch, 'T' | 'Z') {
            return exec_err!(
                "\"to_char\" does not know \"{ch}\" here; put fixed text into double quotes"
            );
        }
        out.push(ch);
        return Ok(&rest[ch.len_utf8()..]);
    };
    out.push_str(&template_word(word, wall, bare));
    let after = &rest[word.len()..];
    if after.starts_with("TH") || after.starts_with("th") {
        return exec_err!("\"to_char\" with \"th\" is not run; write the number alone");
    }
    Ok(after)
}

fn numeric_word(word: &str) -> bool {
    !matches!(
        word,
        "MONTH"
            | "Month"
            | "month"
            | "DAY"
            | "Day"
            | "day"
            | "MON"
            | "Mon"
            | "mon"
            | "DY"
            | "Dy"
            | "dy"
            | "AM"
            | "PM"
            | "A.M."
            | "P.M."
    )
}

fn template_word(word: &str, wall: NaiveDateTime, bare: bool) -> String {
    let number = |value: i64, width: usize| match bare {
        true => value.to_string(),
        false => format!("{value:0width$}"),
    };
    let name = |format: &str, pad: usize| {
        let text = wall.format(format).to_string();
        match bare {
            true => text,
            false => format!("{text:<pad$}"),
        }
    };
    let (_, hour12) = wall.hour12();
    let year = i64::from(wall.year());
    match word {
        "YYYY" => number(year, 4),
        "Y,YYY" => format!("{},{:03}", year / 1_000, year % 1_000),
        "YYY" => number(year % 1_000, 3),
        "YY" => number(year % 100, 2),
        "IYYY" => number(i64::from(wall.iso_week().year()), 4),
        "Q" => (wall.month0() / 3 + 1).to_string(),
        "MM" => number(i64::from(wall.month()), 2),
        "MONTH" => name("%B", 9).to_uppercase(),
        "Month" => name("%B", 9),
        "month" => name("%B", 9).to_lowercase(),
        "MON" => name("%b", 3).to_uppercase(),
        "Mon" => name("%b", 3),
        "mon" => name("%b", 3).to_lowercase(),
        "DAY" => name("%A", 9).to_uppercase(),
        "Day" => name("%A", 9),
        "day" => name("%A", 9).to_lowercase(),
        "DY" => name("%a", 3).to_uppercase(),
        "Dy" => name("%a", 3),
        "dy" => name("%a", 3).to_lowercase(),
        "DDD" => number(i64::from(wall.ordinal()), 3),
        "DD" => number(i64::from(wall.day()), 2),
        "D" => (wall.weekday().num_days_from_sunday() + 1).to_string(),
        "ID" => wall.weekday().number_from_monday().to_string(),
        "HH24" => number(i64::from(wall.hour()), 2),
        "HH" | "HH12" => number(i64::from(hour12), 2),
        "MI" => number(i64::from(wall.minute()), 2),
        "SS" => number(i64::from(wall.second()), 2),
        "MS" => number(i64::from(wall.nanosecond() / 1_000_000), 3),
        "US" => number(i64::from(wall.nanosecond() / 1_000), 6),
        "WW" => number(i64::from(wall.ordinal0() / 7 + 1), 2),
        "IW" => number(i64::from(wall.iso_week().week()), 2),
        "AM" | "PM" => if wall.hour() < 12 { "AM" } else { "PM" }.to_owned(),
        _ => if wall.hour() < 12 { "A.M." } else { "P.M." }.to_owned(),
    }
}

/// DuckDB's `strptime`, and with `true` its `try_` form; of several formats the first that fits.
pub(crate) fn strptime(call: &Call<'_>) -> Result<ArrayRef> {
    let soft = call.truths(2)?;
    let formats = formats_of(call)?;
    let mut out = Vec::with_capacity(call.rows);
    for ((text, formats), soft) in call.texts(0)?.into_iter().zip(formats).zip(soft) {
        let Some((text, formats)) = text.zip(formats) else {
            out.push(None);
            continue;
        };
        match formats.iter().find_map(|format| parse(text, format)) {
            Some(moment) => out.push(Some(moment.and_utc().timestamp_micros())),
            None if soft == Some(true) => out.push(None),
            None => return exec_err!("\"{text}\" does not read as \"{}\"", formats.join("\", \"")),
        }
    }
    Ok(Arc::new(TimestampMicrosecondArray::from(out)))
}

/// The second argument: one format, or a list of them.
fn formats_of(call: &Call<'_>) -> Result<Vec<Option<Vec<String>>>> {
    let column = call.any(1)?;
    let texts = |column: &ArrayRef| -> Result<Vec<Option<String>>> {
        let texts = arrow::compute::cast(column, &DataType::Utf8)?;
        Ok(texts.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
    };
    if let Some(lists) = column.as_list_opt::<i32>() {
        return lists
            .iter()
            .map(|list| list.map(|list| Ok(texts(&list)?.into_iter().flatten().collect())))
            .map(Option::transpose)
            .collect();
    }
    Ok(texts(&column)?.into_iter().map(|text| text.map(|text| vec![text])).collect())
}

fn parse(text: &str, format: &str) -> Option<NaiveDateTime> {
    // Chrono's %f counts nanoseconds; with a dot it reads a fraction of any length.
    let format = format.replace(".%f", "%.f").replace(".%g", "%.f").replace("%-", "%");
    NaiveDateTime::parse_from_str(text, &format)
        .ok()
        .or_else(|| NaiveDate::parse_from_str(text, &format).ok()?.and_hms_opt(0, 0, 0))
        .or_else(|| {
            NaiveDateTime::parse_from_str(&format!("{text} 00"), &format!("{format} %M")).ok()
        })
        .or_else(|| {
            NaiveDate::parse_from_str(&format!("{text} 01"), &format!("{format} %d"))
                .ok()?
                .and_hms_opt(0, 0, 0)
        })
}

/// PostgreSQL's `to_timestamp(text, template)` and `to_date`.
pub(crate) fn to_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    let mut out = Vec::with_capacity(call.rows);
    for (text, template) in call.texts(0)?.into_iter().zip(call.texts(1)?) {
        let Some((text, template)) = text.zip(template) else {
            out.push(None);
            continue;
        };
        let format = percent_signs(template)?;
        match parse(text.trim(), &format) {
            Some(moment) => out.push(Some(moment.and_utc().timestamp_micros())),
            None => return exec_err!("\"{text}\" does not read as \"{template}\""),
        }
    }
    Ok(Arc::new(TimestampMicrosecondArray::from(out)))
}

fn percent_signs(template: &str) -> Result<String> {
    const CODES: [(&str, &str); 12] = [
        ("YYYY", "%Y"),
        ("HH24", "%H"),
        ("Month", "%B"),
        ("HH12", "%I"),
        ("Mon", "%b"),
        ("MM", "%m"),
        ("DD", "%d"),
        ("HH", "%I"),
        ("MI", "%M"),
        ("SS", "%S"),
        ("AM", "%p"),
        ("PM", "%p"),
    ];
    let mut out = String::new();
    let mut rest = template;
    while let Some(ch) = rest.chars().next() {
        let code = CODES.iter().find(|(word, _)| {
            rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
        });
        match code {
            Some((word, code)) => {
                out.push_str(code);
                rest = &rest[word.len()..];
            }
            None if ch.is_ascii_alphabetic() && ch != 'T' => {
                return exec_err!("\"{template}\": \"{ch}\" is not read here");
            }
            None => {
                out.push(ch);
                rest = &rest[ch.len_utf8()..];
            }
        }
    }
    Ok(out)
}
