//! Python's text formatting: `%` and the methods of `str` that the engine's companion lacks.

use minijinja::value::Tuple;
use minijinja::{Error, Value};

use crate::jinja::arguments::{Arguments, text_of};
use crate::jinja::collections::{invalid, items};

/// Columns a padded piece of text may have.
const WIDTH_MAX: usize = 1_000_000;

/// `pattern % arguments`.
pub(crate) fn percent_format(pattern: &str, arguments: &Value) -> Result<String, Error> {
    let mut positional =
        if arguments.is_tuple() { items(arguments)? } else { vec![arguments.clone()] };
    positional.reverse();
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut key = None;
        if let Some(inner) = rest.strip_prefix('(') {
            let end = inner.find(')').ok_or_else(|| invalid("incomplete format key"))?;
            key = Some(&inner[..end]);
            rest = &inner[end + 1..];
        }
        let length = rest.find(|c: char| !"#0- +.123456789".contains(c)).unwrap_or(rest.len());
        let flags = &rest[..length];
        let Some(conversion) = rest[length..].chars().next() else {
            return Err(invalid("incomplete format"));
        };
        rest = &rest[length + conversion.len_utf8()..];
        if conversion == '%' {
            text.push('%');
            continue;
        }
        let value = match key {
            Some(key) => arguments.get_item(&Value::from(key))?,
            None => {
                positional.pop().ok_or_else(|| invalid("not enough arguments for format string"))?
            }
        };
        text.push_str(&converted(flags, conversion, &value)?);
    }
    text.push_str(rest);
    let left_over = !positional.is_empty() && !pattern.contains("%(");
    let is_mapping = arguments.kind() == minijinja::value::ValueKind::Map;
    if left_over && !is_mapping {
        return Err(invalid("not all arguments converted during string formatting"));
    }
    Ok(text)
}

fn number(value: &Value) -> Result<f64, Error> {
    f64::try_from(value.clone())
        .map_err(|_| invalid(format!("a number is required, not {value:?}")))
}

fn converted(flags: &str, conversion: char, value: &Value) -> Result<String, Error> {
    let (sizes, precision) = match flags.split_once('.') {
        Some((sizes, precision)) => (sizes, Some(precision.parse::<usize>().unwrap_or(0))),
        None => (flags, None),
    };
    let width_text = sizes.trim_start_matches(['#', '0', '-', ' ', '+']);
    let width: usize = width_text.parse().unwrap_or(0).min(WIDTH_MAX);
    let modifiers = &sizes[..sizes.len() - width_text.len()];
    let precision = precision.map(|precision| precision.min(WIDTH_MAX));
    let mut body = match conversion {
        's' | 'r' | 'a' => {
            let text = if conversion == 's' { text_of(value) } else { format!("{value:?}") };
            match precision {
                Some(precision) => text.chars().take(precision).collect(),
                None => text,
            }
        }
        'd' | 'i' | 'u' => match value.as_i64().filter(|_| value.is_integer()) {
            Some(whole) => whole.to_string(),
            None if value.is_integer() => value.to_string(),
            None => format!("{:.0}", number(value)?.trunc()),
        },
        'f' | 'F' => format!("{:.*}", precision.unwrap_or(6), number(value)?),
        'e' | 'E' => exponent(number(value)?, precision.unwrap_or(6)),
        'g' | 'G' => number(value)?.to_string(),
        'x' => format!("{:x}", number(value)? as i64),
        'X' => format!("{:X}", number(value)? as i64),
        'o' => format!("{:o}", number(value)? as i64),
        'c' => text_of(value),
        other => return Err(invalid(format!("unsupported format character '{other}'"))),
    };
    let numeric = !matches!(conversion, 's' | 'r' | 'a' | 'c');
    if numeric && modifiers.contains('+') && !body.starts_with('-') {
        body.insert(0, '+');
    }
    let missing = width.saturating_sub(body.chars().count());
    if modifiers.contains('-') {
        body.push_str(&" ".repeat(missing));
    } else if numeric && modifiers.contains('0') {
        let sign = usize::from(body.starts_with(['-', '+']));
        body.insert_str(sign, &"0".repeat(missing));
    } else {
        body.insert_str(0, &" ".repeat(missing));
    }
    Ok(body)
}

fn exponent(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    match text.split_once('e') {
        Some((mantissa, power)) => {
            let power: i32 = power.parse().unwrap_or(0);
            format!("{mantissa}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
        }
        None => text,
    }
}

/// Text in the middle of `width` columns, Python's way of sharing an odd column.
pub(crate) fn centred(text: &str, width: usize, fill: char) -> String {
    let length = text.chars().count();
    let missing = width.min(WIDTH_MAX).saturating_sub(length);
    let left = missing / 2 + (missing & width & 1);
    let (left, right) = (left, missing - left);
    let repeat = |count| std::iter::repeat_n(fill, count).collect::<String>();
    format!("{}{text}{}", repeat(left), repeat(right))
}

fn padding(arguments: &mut Arguments) -> Result<(usize, char), Error> {
    let width = arguments.required("width")?.as_usize().unwrap_or(0).min(WIDTH_MAX);
    let fill = arguments.optional("fillchar").and_then(|fill| text_of(&fill).chars().next());
    Ok((width, fill.unwrap_or(' ')))
}

/// Methods of `str`; `None` when this is not one of them.
pub(crate) fn string_method(
    text: &str,
    method: &str,
    arguments: &mut Arguments,
) -> Option<Result<Value, Error>> {
    Some(match method {
        "center" => padding(arguments).map(|(width, fill)| Value::from(centred(text, width, fill))),
        "ljust" | "rjust" | "zfill" => padding(arguments).map(|(width, fill)| {
            let missing = width.saturating_sub(text.chars().count());
            let fill = if method == "zfill" { '0' } else { fill };
            let pad: String = std::iter::repeat_n(fill, missing).collect();
            Value::from(match method {
                "ljust" => format!("{text}{pad}"),
                "zfill" if text.starts_with(['-', '+']) => {
                    format!("{}{pad}{}", &text[..1], &text[1..])
                }
                _ => format!("{pad}{text}"),
            })
        }),
        "swapcase" => Ok(Value::from(
            text.chars()
                .flat_map(|c| -> Vec<char> {
                    if c.is_uppercase() {
                        c.to_lowercase().collect()
                    } else {
                        c.to_uppercase().collect()
                    }
                })
                .collect::<String>(),
        )),
        "casefold" => Ok(Value::from(text.to_lowercase())),
        "partition" | "rpartition" => arguments.text("sep").map(|separator| {
            let found = if method == "partition" {
                text.split_once(&separator)
            } else {
                text.rsplit_once(&separator)
            };
            let parts = match (found, method) {
                (Some((before, after)), _) => [before, separator.as_str(), after],
                (None, "partition") => [text, "", ""],
                (None, _) => ["", "", text],
            };
            Value::from(Tuple::new(parts.map(Value::from).to_vec()))
        }),
        "removeprefix" => arguments
            .text("prefix")
            .map(|prefix| Value::from(text.strip_prefix(prefix.as_str()).unwrap_or(text))),
        "removesuffix" => arguments
            .text("suffix")
            .map(|suffix| Value::from(text.strip_suffix(suffix.as_str()).unwrap_or(text))),
        "index" => arguments.text("sub").and_then(|part| match text.find(&part) {
            Some(at) => Ok(Value::from(text[..at].chars().count())),
            None => Err(invalid("substring not found")),
        }),
        "isidentifier" => {
            let mut characters = text.chars();
            let first = characters.next().is_some_and(|c| c.is_alphabetic() || c == '_');
            Ok(Value::from(first && characters.all(|c| c.is_alphanumeric() || c == '_')))
        }
        "isdecimal" => {
            Ok(Value::from(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())))
        }
        "encode" | "__str__" => Ok(Value::from(text)),
        "rsplit" => rsplit(text, arguments),
        _ => return None,
    })
}

fn rsplit(text: &str, arguments: &mut Arguments) -> Result<Value, Error> {
    let separator = arguments.optional("sep").filter(|value| !value.is_none());
    let limit = arguments.optional("maxsplit").and_then(|value| value.as_usize());
    let count = limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
    let mut parts: Vec<Value> = match separator {
        Some(separator) => {
            text.rsplitn(count, text_of(&separator).as_str()).map(Value::from).collect()
        }
        None => text.split_whitespace().rev().map(Value::from).collect(),
    };
    parts.reverse();
    Ok(crate::jinja::collections::List::value(parts))
}
