//! Values put into a text: C's `printf`, DuckDB's `format` and PostgreSQL's.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;

use super::kernel::{Call, Kernel, Returns, Want, returns};
use super::show;

pub(crate) fn all() -> Vec<ScalarUDF> {
    const ANY: &[Want] = &[Want::Text, Want::Shown];
    let text: Returns = returns!(DataType::Utf8);
    vec![
        Kernel::open("fp_printf", ANY, text, |call| rows(call, printf)),
        Kernel::open("fp_format", ANY, text, |call| rows(call, braces)),
        Kernel::open("fp_format_postgres", ANY, text, |call| rows(call, postgres)),
    ]
}

/// The arguments of one row after the format.
struct Arguments<'a> {
    columns: &'a [ArrayRef],
    row: usize,
}

impl Arguments<'_> {
    fn column(&self, index: usize) -> Result<&ArrayRef> {
        match self.columns.get(index) {
            Some(column) => Ok(column),
            None => exec_err!("a format asks for argument {}, which is not given", index + 1),
        }
    }

    fn text(&self, index: usize) -> Result<String> {
        show::text(self.column(index)?, self.row, true)
    }

    fn whole(&self, index: usize) -> Result<i64> {
        let column = cast(self.column(index)?, &DataType::Int64)?;
        Ok(column.as_primitive::<Int64Type>().value(self.row))
    }

    fn double(&self, index: usize) -> Result<f64> {
        let column = cast(self.column(index)?, &DataType::Float64)?;
        Ok(column.as_primitive::<Float64Type>().value(self.row))
    }

    fn is_null(&self, index: usize) -> Result<bool> {
        Ok(self.column(index)?.is_null(self.row))
    }

    fn number(&self, index: usize) -> Result<bool> {
        Ok(self.column(index)?.data_type().is_numeric())
    }
}

fn rows(
    call: &Call<'_>,
    write: fn(&str, &Arguments<'_>) -> Result<Option<String>>,
) -> Result<ArrayRef> {
    let columns = call.columns.get(1..).unwrap_or(&[]);
    let all = call.texts(0)?.into_iter().enumerate().map(|(row, format)| match format {
        Some(format) => write(format, &Arguments { columns, row }),
        None => Ok(None),
    });
    Ok(Arc::new(all.collect::<Result<StringArray>>()?))
}

/// `[[fill]align][+][0][width][,][.precision][letter]`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    plus: bool,
    zero: bool,
    comma: bool,
    width: usize,
    precision: Option<usize>,
    letter: Option<char>,
}

/// Fields are at most this wide.
const WIDTH_MAX: usize = 10_000;

impl Spec {
    fn read(text: &str, comma: char) -> Option<Self> {
        let mut spec = Self::default();
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        let is_align = |ch: Option<&char>| matches!(ch, Some('<' | '>' | '^'));
        if is_align(chars.get(1)) {
            spec.fill = chars.first().copied();
            spec.align = chars.get(1).copied();
            at = 2;
        } else if is_align(chars.first()) {
            spec.align = chars.first().copied();
            at = 1;
        }
        let mut next = |wanted: &dyn Fn(char) -> bool| {
            let found = chars.get(at).copied().filter(|ch| wanted(*ch));
            at += usize::from(found.is_some());
            found
        };
        while let Some(flag) = next(&|ch| matches!(ch, '+' | '-' | ' ' | '#')) {
            spec.plus |= flag == '+';
            spec.align = if flag == '-' { Some('<') } else { spec.align };
        }
        spec.zero = next(&|ch| ch == '0').is_some();
        let mut digits = String::new();
        while let Some(digit) = next(&|ch| ch.is_ascii_digit()) {
            digits.push(digit);
        }
        spec.width = if digits.is_empty() { 0 } else { digits.parse().ok()? };
        spec.comma = next(&|ch| ch == comma).is_some();
        if next(&|ch| ch == '.').is_some() {
            let mut digits = String::new();
            while let Some(digit) = next(&|ch| ch.is_ascii_digit()) {
                digits.push(digit);
            }
            spec.precision = Some(if digits.is_empty() { 0 } else { digits.parse().ok()? });
        }
        spec.letter = next(&|ch| ch.is_ascii_alphabetic());
        let bounded = spec.width <= WIDTH_MAX && spec.precision.unwrap_or(0) <= WIDTH_MAX;
        (at == chars.len() && bounded).then_some(spec)
    }

    fn write(&self, arguments: &Arguments<'_>, index: usize) -> Result<Option<String>> {
        let body = match self.letter {
            Some('d' | 'i' | 'u') => self.grouped(arguments.whole(index)?.to_string()),
            Some('x') => format!("{:x}", arguments.whole(index)?),
            Some('X') => format!("{:X}", arguments.whole(index)?),
            Some('o') => format!("{:o}", arguments.whole(index)?),
            Some('b') => format!("{:b}", arguments.whole(index)?),
            Some('f' | 'F') => {
                let digits = self.precision.unwrap_or(6);
                self.grouped(format!("{:.*}", digits, arguments.double(index)?))
            }
            Some('e') => exponent(arguments.double(index)?, self.precision.unwrap_or(6)),
            Some('s') => self.cut(arguments.text(index)?),
            None => match (arguments.number(index)?, self.precision, self.comma) {
                (true, None, true) => self.grouped(arguments.text(index)?),
                (true, Some(_), _) => return Ok(None),
                _ => self.cut(arguments.text(index)?),
            },
            Some(_) => return Ok(None),
        };
        let number = arguments.number(index)? && self.letter != Some('s');
        let body = match self.plus && number && !body.starts_with('-') {
            true => format!("+{body}"),
            false => body,
        };
        Ok(Some(self.pad(body, number)))
    }

    fn cut(&self, text: String) -> String {
        match self.precision {
            Some(length) => text.chars().take(length).collect(),
            None => text,
        }
    }

    fn grouped(&self, digits: String) -> String {
        if !self.comma {
            return digits;
        }
        let (sign, rest) = match digits.strip_prefix('-') {
            Some(rest) => ("-", rest),
            None => ("", digits.as_str()),
        };
        let (whole, fraction) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
        let mut out = sign.to_owned();
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index) % 3 == 0 {
                out.push(',');
            }
            out.push(digit);
        }
        out + fraction
    }

    fn pad(&self, body: String, number: bool) -> String {
        let missing = self.width.saturating_sub(body.chars().count());
        if self.zero && number && self.align.is_none() {
            let sign = usize::from(body.starts_with(['-', '+']));
            return format!("{}{}{}", &body[..sign], "0".repeat(missing), &body[sign..]);
        }
        let fill = |count: usize| self.fill.unwrap_or(' ').to_string().repeat(count);
        match self.align.unwrap_or(if number { '>' } else { '<' }) {
            '>' => fill(missing) + &body,
            '^' => fill(missing / 2) + &body + &fill(missing - missing / 2),
            _ => body + &fill(missing),
        }
    }
}

/// C writes at least two digits of the power.
fn exponent(x: f64, digits: usize) -> String {
    let text = format!("{x:.digits$e}");
    let Some((body, power)) = text.split_once('e') else { return text };
    let power: i32 = power.parse().unwrap_or(0);
    format!("{body}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
}

/// `%05d`, `%-10s`, `%.2f`.
fn printf(format: &str, arguments: &Arguments<'_>) -> Result<Option<String>> {
    let mut out = String::new();
    let mut rest = format;
    let mut index = 0;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let end = after.find(|ch: char| ch.is_ascii_alphabetic()).map_or(after.len(), |at| at + 1);
        let (text, after) = after.split_at(end);
        let spec = text.replace(['l', 'h', 'q'], "");
        if arguments.is_null(index)? {
            return Ok(None);
        }
        let mut spec = Spec::read(&spec, ',');
        if let Some(spec) = &mut spec {
            // C puts everything to the right.
            spec.align = spec.align.or((!spec.zero).then_some('>'));
        }
        match spec.map(|spec| spec.write(arguments, index)).transpose()?.flatten() {
            Some(text) => out.push_str(&text),
            None => return exec_err!("\"printf\" does not know \"%{text}\""),
        }
        index += 1;
        rest = after;
    }
    out.push_str(rest);
    Ok(Some(out))
}

/// `{}`, `{0}`, `{:.2f}`, `{:>5}`.
fn braces(format: &str, arguments: &Arguments<'_>) -> Result<Option<String>> {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let mut next = 0;
    while let Some(ch) = chars.next() {
        match ch {
            '{' | '}' if chars.peek() == Some(&ch) => {
                chars.next();
                out.push(ch);
            }
            '{' => {
                let inside: String = chars.by_ref().take_while(|ch| *ch != '}').collect();
                let (place, spec) = inside.split_once(':').unwrap_or((&inside, ""));
                let index = match place.parse() {
                    Ok(index) => index,
                    Err(_) => next,
                };
                next = index + 1;
                if arguments.is_null(index)? {
                    return Ok(None);
                }
                let spec = Spec::read(spec, ',');
                match spec.map(|spec| spec.write(arguments, index)).transpose()?.flatten() {
                    Some(text) => out.push_str(&text),
                    None => return exec_err!("\"format\" does not know \"{{{inside}}}\""),
                }
            }
            other => out.push(other),
        }
    }
    Ok(Some(out))
}

/// `%s`, `%I` (a name), `%L` (a literal), `%2$s`.
fn postgres(format: &str, arguments: &Arguments<'_>) -> Result<Option<String>> {
    let mut out = String::new();
    let mut rest = format;
    let mut next = 0;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let end = after.find(|ch: char| ch.is_ascii_alphabetic()).map_or(after.len(), |at| at + 1);
        let (text, after) = after.split_at(end);
        let (place, letter) = text.split_at(text.len().saturating_sub(1));
        let index = match place.strip_suffix('$').map(str::parse::<usize>) {
            Some(Ok(place)) if place > 0 => place - 1,
            None if place.is_empty() => next,
            _ => return exec_err!("\"format\" does not know \"%{text}\""),
        };
        next = index + 1;
        let null = arguments.is_null(index)?;
        let value = if null { String::new() } else { arguments.text(index)? };
        out.push_str(&match letter {
            "s" => value,
            "I" => name(&value),
            "L" if null => "NULL".to_owned(),
            "L" => format!("'{}'", value.replace('\'', "''")),
            _ => return exec_err!("\"format\" does not know \"%{text}\""),
        });
        rest = after;
    }
    out.push_str(rest);
    Ok(Some(out))
}

fn name(value: &str) -> String {
    let plain = |ch: char| ch.is_ascii_lowercase() || ch == '_' || ch.is_ascii_digit();
    match value.chars().all(plain) && !value.starts_with(|ch: char| ch.is_ascii_digit()) {
        true => value.to_owned(),
        false => format!("\"{}\"", value.replace('"', "\"\"")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_format_is_written_or_refused(format in "[%{}:.0-9a-z$<>^+, -]{0,24}") {
            let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec!["x"]))];
            let arguments = Arguments { columns: &columns, row: 0 };
            let _ = printf(&format, &arguments);
            let _ = braces(&format, &arguments);
            let _ = postgres(&format, &arguments);
        }
    }
}
