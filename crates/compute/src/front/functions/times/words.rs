//! Dates and moments as people type them, brought to the one spelling that Arrow reads.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::super::kernel::{Kernel, Want, returns};

pub(super) fn all() -> Vec<ScalarUDF> {
    const TEXT: &[Want] = &[Want::Text];
    vec![
        Kernel::udf("fp_moment_words", TEXT, returns!(DataType::Utf8), |call| {
            let all = call.texts(0)?.into_iter().map(|text| text.map(plain_moment));
            Ok(Arc::new(all.collect::<StringArray>()))
        }),
        Kernel::udf("fp_local_words", TEXT, returns!(DataType::Utf8), |call| {
            let all = call.texts(0)?.into_iter().map(|text| text.map(plain_local));
            Ok(Arc::new(all.collect::<StringArray>()))
        }),
    ]
}

/// Both homes pass over an offset when no zone is asked for.
fn plain_local(text: &str) -> String {
    let plain = plain_moment(text);
    let clock = plain.get(19..).unwrap_or("");
    let fraction = clock.strip_prefix('.').map_or(0, |digits| {
        1 + digits.find(|ch: char| !ch.is_ascii_digit()).unwrap_or(digits.len())
    });
    let offset = clock.get(fraction..).unwrap_or("").trim_start();
    let zone = offset.strip_prefix(['+', '-']).is_some_and(|hours| {
        hours.starts_with(|ch: char| ch.is_ascii_digit())
            && hours.chars().all(|ch| ch.is_ascii_digit() || ch == ':')
    });
    match zone || offset.eq_ignore_ascii_case("z") {
        true => plain.get(..19 + fraction).unwrap_or(&plain).to_owned(),
        false => plain.into_owned(),
    }
}

/// `2026-5-2`, `2026/05/22`, ` 2026-05-22 10:11 ` and the like as `2026-05-22 10:11:00`; what is
/// no such spelling stays as it is, and the cast says so.
fn plain_moment(text: &str) -> Cow<'_, str> {
    let trimmed = text.trim();
    if spelled_out(trimmed.as_bytes()) {
        return Cow::Borrowed(trimmed);
    }
    spell_out(trimmed).map_or(Cow::Borrowed(trimmed), Cow::Owned)
}

/// Whether it is `dddd-dd-dd` alone or goes on with a time that has seconds.
fn spelled_out(text: &[u8]) -> bool {
    let digits = |from: usize, to: usize| {
        text.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let mark = |at: usize, mark: u8| text.get(at) == Some(&mark);
    let date = digits(0, 4) && mark(4, b'-') && digits(5, 7) && mark(7, b'-') && digits(8, 10);
    date && (text.len() == 10
        || (digits(11, 13) && mark(13, b':') && digits(14, 16) && mark(16, b':') && digits(17, 19)))
}

fn spell_out(text: &str) -> Option<String> {
    let (year, rest) = number(text)?;
    let separator = rest.chars().next().filter(|mark| matches!(mark, '-' | '/'))?;
    let (month, rest) = number(&rest[1..])?;
    let (day, rest) = number(rest.strip_prefix(separator)?)?;
    if year.len() < 4 || month.len() > 2 || day.len() > 2 {
        return None;
    }
    let date = format!("{year}-{month:0>2}-{day:0>2}");
    if rest.is_empty() {
        return Some(date);
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?.trim_start();
    let (hour, rest) = number(rest)?;
    let (minute, rest) = number(rest.strip_prefix(':')?)?;
    let (second, rest) = match rest.strip_prefix(':') {
        Some(after) => number(after)?,
        None => ("00", rest),
    };
    if hour.len() > 2 || minute.len() > 2 || second.len() > 2 {
        return None;
    }
    Some(format!("{date} {hour:0>2}:{minute:0>2}:{second:0>2}{rest}"))
}

/// The digits at the start, of which there is at least one, and what follows.
fn number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|ch: char| !ch.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_as_people_type_them_get_one_spelling() {
        for (typed, plain) in [
            ("2026-05-22", "2026-05-22"),
            ("2026-5-2", "2026-05-02"),
            ("2026/05/22", "2026-05-22"),
            (" 2026-05-22 10:11 ", "2026-05-22 10:11:00"),
            ("2026-05-22T9:11:12.5Z", "2026-05-22 09:11:12.5Z"),
            ("2026-05-22 10:11:12+02", "2026-05-22 10:11:12+02"),
            ("22.5.2026", "22.5.2026"),
            ("", ""),
        ] {
            assert_eq!(plain_moment(typed), plain, "{typed}");
        }
    }

    #[test]
    fn an_offset_says_nothing_to_the_clock_on_the_wall() {
        for (typed, plain) in [
            ("1997-09-29 06:14:00-07:53", "1997-09-29 06:14:00"),
            ("1997-09-29T06:14:00.25Z", "1997-09-29T06:14:00.25"),
            ("1997-09-29 06:14:00 +02", "1997-09-29 06:14:00"),
            ("1997-09-29 06:14:00 Europe/Brussels", "1997-09-29 06:14:00 Europe/Brussels"),
            ("1997-09-29", "1997-09-29"),
        ] {
            assert_eq!(plain_local(typed), plain, "{typed}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_and_the_plain_spelling_is_left_alone(text in "\\PC{0,30}") {
            let once = plain_moment(&text).into_owned();
            prop_assert_eq!(plain_moment(&once).into_owned(), once);
        }

        #[test]
        fn dates_keep_their_numbers(y in 1000..9999u32, m in 1..13u32, d in 1..32u32) {
            let plain = format!("{y}-{m:02}-{d:02}");
            let typed = format!("{y}-{m}-{d}");
            prop_assert_eq!(plain_moment(&typed), plain);
        }
    }
}
