//! Plain functions over texts, numbers and arrays, and the table in which all are found.

use super::kinds::{self, Oid};
use super::run::Run;
use super::value::{Value, array_text, number};
use super::{functions_catalog, functions_session, json};
use crate::error::QueryError;

/// Bytes of a text that a function may make.
const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a function gives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Returns {
    /// Always this type.
    Is(Oid),
    /// The type of its first argument.
    First,
}

pub(crate) type Call = fn(&Run<'_>, &[Value]) -> Result<Value, QueryError>;

/// A function of PostgreSQL.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) returns: Returns,
    /// Types that literals as arguments take; `UNKNOWN` where anything goes.
    pub(crate) takes: &'static [Oid],
    /// Arguments: at least, at most.
    pub(crate) counts: (usize, usize),
    /// A missing argument makes the result missing.
    pub(crate) strict: bool,
    /// Also answered here when the statement reads no relation.
    pub(crate) plain: bool,
    pub(crate) call: Call,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    pub(crate) const fn new(
        name: &'static str,
        kind: Oid,
        takes: &'static [Oid],
        counts: (usize, usize),
        call: Call,
    ) -> Self {
        let returns = Returns::Is(kind);
        Self { name, returns, takes, counts, strict: true, plain: true, call }
    }

    /// Missing arguments are handed in.
    pub(crate) const fn lenient(mut self) -> Self {
        self.strict = false;
        self
    }

    pub(crate) const fn returning(mut self, returns: Returns) -> Self {
        self.returns = returns;
        self
    }

    /// The engine has it too, with its own meaning.
    pub(crate) const fn shared(mut self) -> Self {
        self.plain = false;
        self
    }
}

/// The function of this name that takes so many arguments.
pub(crate) fn find(name: &str, count: usize) -> Option<&'static Function> {
    let all = TEXTS.iter().chain(functions_catalog::FUNCTIONS).chain(functions_session::FUNCTIONS);
    let mut fitting = all.filter(|function| {
        function.name == name && (function.counts.0..=function.counts.1).contains(&count)
    });
    fitting.next()
}

pub(crate) fn text_argument(arguments: &[Value], place: usize) -> String {
    arguments.get(place).and_then(Value::written).unwrap_or_default()
}

pub(crate) fn number_argument(arguments: &[Value], place: usize) -> Result<i64, QueryError> {
    arguments.get(place).and_then(Value::as_int).ok_or_else(|| {
        QueryError::new(base::ErrorKind::Data, "a whole number is expected as an argument")
    })
}

fn array_argument(arguments: &[Value], place: usize) -> &[Value] {
    match arguments.get(place) {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

fn text(value: impl Into<String>) -> Result<Value, QueryError> {
    let value: String = value.into();
    if value.len() > TEXT_BYTES_MAX {
        return Err(QueryError::new(
            base::ErrorKind::Limit,
            format!("a text of more than {TEXT_BYTES_MAX} bytes is not made here"),
        ));
    }
    Ok(Value::text(value))
}

#[expect(clippy::cast_possible_wrap, reason = "lengths are far below 2^63")]
fn count(number: usize) -> Result<Value, QueryError> {
    Ok(Value::Int(number as i64))
}

fn place(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

const ANY: Oid = kinds::UNKNOWN;
const T: Oid = kinds::TEXT;
const I: Oid = kinds::INT4;

static TEXTS: &[Function] = &[
    Function::new("lower", T, &[T], (1, 1), |_, a| text(text_argument(a, 0).to_lowercase())),
    Function::new("upper", T, &[T], (1, 1), |_, a| text(text_argument(a, 0).to_uppercase())),
    Function::new("length", I, &[T], (1, 1), |_, a| count(text_argument(a, 0).chars().count())),
    Function::new("char_length", I, &[T], (1, 1), |_, a| {
        count(text_argument(a, 0).chars().count())
    }),
    Function::new("octet_length", I, &[T], (1, 1), |_, a| count(text_argument(a, 0).len())),
    Function::new("replace", T, &[T, T, T], (3, 3), |_, a| {
        text(text_argument(a, 0).replace(&text_argument(a, 1), &text_argument(a, 2)))
    }),
    Function::new("split_part", T, &[T, T, I], (3, 3), |_, a| {
        let (whole, by) = (text_argument(a, 0), text_argument(a, 1));
        let part = place(number_argument(a, 2)?);
        text(whole.split(&by).nth(part.wrapping_sub(1)).unwrap_or_default())
    }),
    Function::new("substring", T, &[T, ANY, I], (2, 3), substring),
    Function::new("substr", T, &[T, I, I], (2, 3), substring),
    Function::new("left", T, &[T, I], (2, 2), |_, a| {
        let taken = place(number_argument(a, 1)?);
        text(text_argument(a, 0).chars().take(taken).collect::<String>())
    })
    .shared(),
    Function::new("right", T, &[T, I], (2, 2), |_, a| {
        let whole = text_argument(a, 0);
        let skipped = whole.chars().count().saturating_sub(place(number_argument(a, 1)?));
        text(whole.chars().skip(skipped).collect::<String>())
    })
    .shared(),
    Function::new("btrim", T, &[T, T], (1, 2), |_, a| {
        text(trimmed(a, |whole, set| whole.trim_matches(|c| set.contains(c)).to_owned()))
    }),
    Function::new("trim", T, &[T, T], (1, 2), |_, a| {
        text(trimmed(a, |whole, set| whole.trim_matches(|c| set.contains(c)).to_owned()))
    }),
    Function::new("ltrim", T, &[T, T], (1, 2), |_, a| {
        text(trimmed(a, |whole, set| whole.trim_start_matches(|c| set.contains(c)).to_owned()))
    }),
    Function::new("rtrim", T, &[T, T], (1, 2), |_, a| {
        text(trimmed(a, |whole, set| whole.trim_end_matches(|c| set.contains(c)).to_owned()))
    }),
    Function::new("strpos", I, &[T, T], (2, 2), |_, a| {
        let (whole, part) = (text_argument(a, 0), text_argument(a, 1));
        count(whole.find(&part).map_or(0, |at| whole[..at].chars().count() + 1))
    }),
    Function::new("starts_with", kinds::BOOL, &[T, T], (2, 2), |_, a| {
        Ok(Value::Bool(text_argument(a, 0).starts_with(&text_argument(a, 1))))
    }),
    Function::new("concat", T, &[], (1, 100), |_, a| {
        text(a.iter().filter_map(Value::written).collect::<String>())
    })
    .lenient(),
    Function::new("concat_ws", T, &[], (2, 100), |_, a| {
        let rest: Vec<String> = a[1..].iter().filter_map(Value::written).collect();
        text(rest.join(&text_argument(a, 0)))
    })
    .lenient(),
    Function::new("repeat", T, &[T, I], (2, 2), |_, a| {
        let (part, times) = (text_argument(a, 0), place(number_argument(a, 1)?));
        if part.len().saturating_mul(times) > TEXT_BYTES_MAX {
            return text(" ".repeat(TEXT_BYTES_MAX + 1));
        }
        text(part.repeat(times))
    })
    .shared(),
    Function::new("reverse", T, &[T], (1, 1), |_, a| {
        text(text_argument(a, 0).chars().rev().collect::<String>())
    }),
    Function::new("translate", T, &[T, T, T], (3, 3), |_, a| {
        let from: Vec<char> = text_argument(a, 1).chars().collect();
        let to: Vec<char> = text_argument(a, 2).chars().collect();
        let moved = |letter: char| match from.iter().position(|held| *held == letter) {
            Some(at) => to.get(at).copied(),
            None => Some(letter),
        };
        text(text_argument(a, 0).chars().filter_map(moved).collect::<String>())
    }),
    Function::new("regexp_replace", T, &[T, T, T, T], (3, 4), |run, a| {
        let flags = text_argument(a, 3);
        let pattern = run.pattern(&text_argument(a, 1), flags.contains('i'))?;
        let (whole, with) = (text_argument(a, 0), text_argument(a, 2).replace('\\', "$"));
        let replaced = match flags.contains('g') {
            true => pattern.replace_all(&whole, with.as_str()),
            false => pattern.replace(&whole, with.as_str()),
        };
        text(replaced.into_owned())
    })
    .shared(),
    Function::new("quote_ident", T, &[T], (1, 1), |_, a| text(quoted(&text_argument(a, 0)))),
    Function::new("quote_literal", T, &[], (1, 1), |_, a| {
        text(format!("'{}'", text_argument(a, 0).replace('\'', "''")))
    }),
    Function::new("ascii", I, &[T], (1, 1), |_, a| {
        Ok(Value::Int(text_argument(a, 0).chars().next().map_or(0, |c| i64::from(u32::from(c)))))
    }),
    Function::new("chr", T, &[I], (1, 1), |_, a| {
        let letter = u32::try_from(number_argument(a, 0)?).ok().and_then(char::from_u32);
        text(letter.map(String::from).unwrap_or_default())
    }),
    Function::new("abs", I, &[I], (1, 1), |_, a| {
        Ok(match a.first() {
            Some(Value::Float(number)) => Value::Float(number.abs()),
            _ => Value::Int(number_argument(a, 0)?.saturating_abs()),
        })
    })
    .returning(Returns::First)
    .shared(),
    Function::new("mod", I, &[I, I], (2, 2), |_, a| {
        let (left, right) = (number_argument(a, 0)?, number_argument(a, 1)?);
        left.checked_rem(right).map(Value::Int).ok_or_else(super::evaluate::division_by_zero)
    })
    .shared(),
    Function::new("floor", kinds::FLOAT8, &[], (1, 1), |_, a| {
        Ok(number(&a[0]).map_or(Value::Null, |number| Value::Float(number.floor())))
    })
    .shared(),
    Function::new("ceil", kinds::FLOAT8, &[], (1, 1), |_, a| {
        Ok(number(&a[0]).map_or(Value::Null, |number| Value::Float(number.ceil())))
    })
    .shared(),
    Function::new("greatest", T, &[], (1, 100), |_, a| Ok(extreme(a, std::cmp::Ordering::Greater)))
        .returning(Returns::First)
        .lenient()
        .shared(),
    Function::new("least", T, &[], (1, 100), |_, a| Ok(extreme(a, std::cmp::Ordering::Less)))
        .returning(Returns::First)
        .lenient()
        .shared(),
    Function::new("array_length", I, &[], (2, 2), |_, a| length(a)),
    Function::new("array_upper", I, &[], (2, 2), |_, a| length(a)),
    Function::new("array_lower", I, &[], (2, 2), |_, a| {
        Ok(if array_argument(a, 0).is_empty() { Value::Null } else { Value::Int(1) })
    }),
    Function::new("cardinality", I, &[], (1, 1), |_, a| count(array_argument(a, 0).len())),
    Function::new("array_to_string", T, &[ANY, T, T], (2, 3), |_, a| {
        let (items, by) = (array_argument(a, 0), text_argument(a, 1));
        let missing = a.get(2).and_then(Value::written);
        let parts: Vec<String> =
            items.iter().filter_map(|item| item.written().or_else(|| missing.clone())).collect();
        text(parts.join(&by))
    }),
    Function::new("string_to_array", 1009, &[T, T], (2, 2), |_, a| {
        let (whole, by) = (text_argument(a, 0), text_argument(a, 1));
        Ok(Value::array(whole.split(&by).map(Value::text)))
    }),
    Function::new("array_position", I, &[], (2, 2), |_, a| {
        let wanted = a.get(1).unwrap_or(&Value::Null);
        let found = array_argument(a, 0)
            .iter()
            .position(|item| super::value::equal(item, wanted) == Some(true));
        found.map_or(Ok(Value::Null), |at| count(at + 1))
    }),
    Function::new("array_append", 1009, &[], (2, 2), |_, a| {
        let items = array_argument(a, 0).iter().cloned().chain(a.get(1).cloned());
        Ok(Value::array(items))
    })
    .returning(Returns::First)
    .lenient(),
    Function::new("array_cat", 1009, &[], (2, 2), |_, a| {
        let items = array_argument(a, 0).iter().chain(array_argument(a, 1)).cloned();
        Ok(Value::array(items))
    })
    .returning(Returns::First),
    Function::new("array_out", T, &[], (1, 1), |_, a| text(array_text(array_argument(a, 0)))),
    Function::new("json_build_object", kinds::JSON, &[], (0, 100), |_, a| json::object(a))
        .lenient(),
    Function::new("jsonb_build_object", kinds::JSONB, &[], (0, 100), |_, a| json::object(a))
        .lenient(),
    Function::new("json_build_array", kinds::JSON, &[], (0, 100), |_, a| Ok(json::array(a)))
        .lenient(),
    Function::new("to_json", kinds::JSON, &[], (1, 1), |_, a| Ok(json::of(&a[0]))),
    Function::new("to_jsonb", kinds::JSONB, &[], (1, 1), |_, a| Ok(json::of(&a[0]))),
    Function::new("array_to_json", kinds::JSON, &[], (1, 1), |_, a| Ok(json::of(&a[0]))),
];

fn trimmed(arguments: &[Value], cut: fn(&str, &str) -> String) -> String {
    let set = if arguments.len() > 1 { text_argument(arguments, 1) } else { " ".to_owned() };
    cut(&text_argument(arguments, 0), &set)
}

fn substring(run: &Run<'_>, arguments: &[Value]) -> Result<Value, QueryError> {
    let whole = text_argument(arguments, 0);
    if let Some(Value::Text(pattern)) = arguments.get(1) {
        let pattern = run.pattern(pattern, false)?;
        let found = pattern.captures(&whole);
        let part = found.and_then(|found| found.get(1).or_else(|| found.get(0)));
        return Ok(part.map_or(Value::Null, |part| Value::text(part.as_str())));
    }
    let start = number_argument(arguments, 1)?;
    let end = match arguments.len() {
        3 => start.saturating_add(number_argument(arguments, 2)?),
        _ => i64::MAX,
    };
    let first = start.max(1);
    let taken = place(end.saturating_sub(first).max(0));
    text(whole.chars().skip(place(first - 1)).take(taken).collect::<String>())
}

fn length(arguments: &[Value]) -> Result<Value, QueryError> {
    match array_argument(arguments, 0).len() {
        0 => Ok(Value::Null),
        length => count(length),
    }
}

fn extreme(values: &[Value], wanted: std::cmp::Ordering) -> Value {
    let mut best = Value::Null;
    for value in values {
        let better = super::value::compare(value, &best).is_none_or(|order| order == wanted);
        if !value.is_null() && better {
            best = value.clone();
        }
    }
    best
}

/// A name as it must be written in SQL.
pub(crate) fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !RESERVED.contains(&name);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

const RESERVED: &[&str] = &[
    "all",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "both",
    "case",
    "cast",
    "check",
    "column",
    "create",
    "default",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "intersect",
    "into",
    "limit",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "primary",
    "references",
    "select",
    "some",
    "table",
    "then",
    "to",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "when",
    "where",
    "window",
    "with",
];
