//! Plain scalars as PyYAML's safe loader resolves them.

use super::Data;

/// Resolves a scalar written without quotes.
pub(super) fn plain(text: &str) -> Data {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Data::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Data::Bool(true);
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Data::Bool(false);
        }
        _ => {}
    }
    integer(text).or_else(|| float(text)).unwrap_or_else(|| Data::Text(text.to_owned()))
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn digits(text: &str, radix: u32) -> Option<String> {
    let plain: String = text.chars().filter(|letter| *letter != '_').collect();
    (!plain.is_empty() && plain.chars().all(|letter| letter.is_digit(radix))).then_some(plain)
}

fn integer(text: &str) -> Option<Data> {
    let (negative, rest) = split_sign(text);
    if !rest.starts_with(|letter: char| letter.is_ascii_digit()) {
        return None;
    }
    let (plain, radix) = if let Some(rest) = rest.strip_prefix("0b") {
        (digits(rest, 2)?, 2)
    } else if let Some(rest) = rest.strip_prefix("0x") {
        (digits(rest, 16)?, 16)
    } else if rest.contains(':') {
        (sexagesimal(rest)?.to_string(), 10)
    } else if rest.len() > 1 && rest.starts_with('0') {
        (digits(rest, 8)?, 8)
    } else {
        (digits(rest, 10)?, 10)
    };
    let signed = if negative { format!("-{plain}") } else { plain };
    match i64::from_str_radix(&signed, radix) {
        Ok(number) => Some(Data::Integer(number)),
        Err(_) if radix == 10 => signed.parse().ok().map(Data::Float),
        Err(_) => None,
    }
}

/// `1:30` is 90 in YAML 1.1.
fn sexagesimal(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let first = parts.next()?;
    if first.starts_with('0') {
        return None;
    }
    let mut total: i64 = digits(first, 10)?.parse().ok()?;
    for part in parts {
        let two_digits_at_most =
            !part.is_empty() && part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        let part: i64 = if two_digits_at_most { part.parse().ok()? } else { return None };
        if part > 59 {
            return None;
        }
        total = total.checked_mul(60)?.checked_add(part)?;
    }
    Some(total)
}

/// A number needs a point, and an exponent needs a sign: `1e3` and `1.5e3` are text in YAML 1.1.
fn float(text: &str) -> Option<Data> {
    let (negative, rest) = split_sign(text);
    let sign = if negative { -1.0 } else { 1.0 };
    match rest {
        ".inf" | ".Inf" | ".INF" => return Some(Data::Float(sign * f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if rest == text => return Some(Data::Float(f64::NAN)),
        _ => {}
    }
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let valid = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let starts_right = whole.starts_with(|letter: char| letter.is_ascii_digit())
        || (whole.is_empty() && fraction.starts_with(|letter: char| letter.is_ascii_digit()));
    let exponent_right = exponent.is_none_or(|exponent| {
        exponent.starts_with(['-', '+'])
            && exponent.len() > 1
            && exponent[1..].bytes().all(|byte| byte.is_ascii_digit())
    });
    if !(starts_right && valid(whole) && valid(fraction) && exponent_right) {
        return None;
    }
    let plain: String = rest.chars().filter(|letter| *letter != '_').collect();
    let plain = if plain.starts_with('.') { format!("0{plain}") } else { plain };
    plain.parse::<f64>().ok().map(|number| Data::Float(sign * number))
}

/// A float as Python's `repr` prints it.
pub(crate) fn python_float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".to_owned() } else { "-inf".to_owned() };
    }
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{number:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{mantissa}e{sign}{exponent:0>2}");
    }
    format!("{number:?}")
}

#[cfg(test)]
mod tests {
    use super::super::Data;
    use super::{plain, python_float};

    #[test]
    fn scalars_are_read_as_pyyaml_reads_them() {
        for (text, expected) in [
            ("yes", Data::Bool(true)),
            ("Off", Data::Bool(false)),
            ("y", Data::Text("y".into())),
            ("~", Data::Null),
            ("017", Data::Integer(15)),
            ("08", Data::Text("08".into())),
            ("0x1F", Data::Integer(31)),
            ("-1_000", Data::Integer(-1000)),
            ("1:30", Data::Integer(90)),
            ("12:99", Data::Text("12:99".into())),
            ("1e3", Data::Text("1e3".into())),
            ("1.5e+3", Data::Float(1500.0)),
            ("1.", Data::Float(1.0)),
            (".5", Data::Float(0.5)),
            ("-.inf", Data::Float(f64::NEG_INFINITY)),
            ("2020-01-01", Data::Text("2020-01-01".into())),
            ("1.2.3", Data::Text("1.2.3".into())),
            ("+", Data::Text("+".into())),
            (".", Data::Text(".".into())),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
    }

    #[test]
    fn floats_print_as_in_python() {
        assert_eq!(python_float(1.0), "1.0");
        assert_eq!(python_float(1e16), "1e+16");
        assert_eq!(python_float(1e-5), "1e-05");
        assert_eq!(python_float(0.1), "0.1");
    }
}
