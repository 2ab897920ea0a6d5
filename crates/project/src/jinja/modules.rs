//! `modules.datetime`, `modules.pytz`, `modules.re` and `modules.itertools`.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use minijinja::value::{Object, ObjectRepr, Tuple};
use minijinja::{Error, State, Value};

use crate::jinja::arguments::{Arguments, text_of};
use crate::jinja::collections::{List, dict_of, invalid, items, unknown_method};
use crate::jinja::datetime::{self, Class};

/// Items an itertools function may make.
const COMBINATIONS_MAX: usize = 100_000;

/// A module, or a class of one.
#[derive(Clone, Copy)]
pub(crate) enum Module {
    /// `modules` itself.
    All,
    /// `modules.datetime`.
    DateTime,
    /// `modules.pytz`.
    Pytz,
    /// `modules.re`.
    Re,
    /// `modules.itertools`.
    Itertools,
    /// A class of `modules.datetime`.
    Class(Class),
}

/// A module with the time that counts as now.
pub(crate) struct ModuleObject {
    module: Module,
    now: DateTime<Utc>,
}

impl ModuleObject {
    pub(crate) fn value(module: Module, now: DateTime<Utc>) -> Value {
        Value::from_object(Self { module, now })
    }
}

impl fmt::Debug for ModuleObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<function module>")
    }
}

impl Object for ModuleObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let module = match (self.module, key.as_str()?) {
            (Module::All, "datetime") => Module::DateTime,
            (Module::All, "pytz") => Module::Pytz,
            (Module::All, "re") => Module::Re,
            (Module::All, "itertools") => Module::Itertools,
            (Module::DateTime, "datetime") => Module::Class(Class::DateTime),
            (Module::DateTime, "date") => Module::Class(Class::Date),
            (Module::DateTime, "time") => Module::Class(Class::Time),
            (Module::DateTime, "timedelta") => Module::Class(Class::Delta),
            (Module::Pytz, "utc" | "UTC") => return Some(datetime::utc_zone()),
            (Module::Re, "IGNORECASE" | "I") => return Some(Value::from(2)),
            (Module::Re, "MULTILINE" | "M") => return Some(Value::from(8)),
            (Module::Re, "DOTALL" | "S") => return Some(Value::from(16)),
            (Module::Re, "VERBOSE" | "X") => return Some(Value::from(64)),
            _ => return None,
        };
        Some(Self::value(module, self.now))
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        match self.module {
            Module::Class(class) => datetime::construct(class, args),
            _ => Err(invalid("a module is not callable")),
        }
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match self.module {
            Module::All => Err(unknown_method()),
            Module::DateTime => match self.get_value(&Value::from(method)) {
                Some(class) => class.call(state, args),
                None => Err(unknown_method()),
            },
            Module::Class(class) => datetime::class_method(class, self.now, method, args),
            Module::Pytz => match method {
                "timezone" => datetime::timezone(&Arguments::new(args).text("zone")?),
                _ => Err(unknown_method()),
            },
            Module::Re => regular_expression(method, args),
            Module::Itertools => itertools(method, args),
        }
    }
}

/// Compiles a Python pattern. `fancy-regex` knows look-around, which the plain engine does not.
fn pattern(value: &Value, flags: i64) -> Result<fancy_regex::Regex, Error> {
    if let Some(known) = value.downcast_object_ref::<PatternObject>() {
        return Ok(known.0.clone());
    }
    let letters: String = [(2, 'i'), (8, 'm'), (16, 's'), (64, 'x')]
        .into_iter()
        .filter(|(bit, _)| flags & bit != 0)
        .map(|(_, letter)| letter)
        .collect();
    let text = text_of(value);
    let text = if letters.is_empty() { text } else { format!("(?{letters}){text}") };
    fancy_regex::Regex::new(&text).map_err(|error| invalid(format!("pattern {text:?}: {error}")))
}

fn failed(error: fancy_regex::Error) -> Error {
    invalid(format!("the pattern could not be matched: {error}"))
}

fn flags_of(arguments: &mut Arguments) -> i64 {
    arguments.optional("flags").and_then(|flags| flags.as_i64()).unwrap_or(0)
}

fn regular_expression(method: &str, args: &[Value]) -> Result<Value, Error> {
    let mut arguments = Arguments::new(args);
    if method == "escape" {
        return Ok(Value::from(escaped(&arguments.text("pattern")?)));
    }
    let pattern_value = arguments.required("pattern")?;
    if method == "compile" {
        let flags = flags_of(&mut arguments);
        return pattern(&pattern_value, flags)
            .map(|regex| Value::from_object(PatternObject(regex)));
    }
    if method == "sub" || method == "subn" {
        let replacement = arguments.required("repl")?;
        let text = arguments.text("string")?;
        let count = arguments.optional("count").and_then(|count| count.as_usize()).unwrap_or(0);
        let flags = flags_of(&mut arguments);
        let regex = pattern(&pattern_value, flags)?;
        return substitute(&regex, &text_of(&replacement), &text, count).map(Value::from);
    }
    let text = arguments.text("string")?;
    if method == "split" {
        let limit = arguments.optional("maxsplit").and_then(|limit| limit.as_usize()).unwrap_or(0);
        let flags = flags_of(&mut arguments);
        return split(&pattern(&pattern_value, flags)?, &text, limit);
    }
    let flags = flags_of(&mut arguments);
    search(&pattern(&pattern_value, flags)?, method, &text)
}

fn search(regex: &fancy_regex::Regex, method: &str, text: &str) -> Result<Value, Error> {
    let first = || regex.captures(text).map_err(failed);
    let found = match method {
        "search" => first()?,
        "match" => first()?.filter(|found| found.get(0).is_some_and(|whole| whole.start() == 0)),
        "fullmatch" => {
            let anchored = fancy_regex::Regex::new(&format!("^(?:{})$", regex.as_str()));
            anchored.map_err(failed)?.captures(text).map_err(failed)?
        }
        "findall" | "finditer" => {
            let mut all = Vec::new();
            for found in regex.captures_iter(text) {
                let found = MatchObject::new(regex, &found.map_err(failed)?);
                all.push(if method == "findall" {
                    found.findall()
                } else {
                    Value::from_object(found)
                });
            }
            return Ok(List::value(all));
        }
        _ => return Err(unknown_method()),
    };
    Ok(match found {
        Some(found) => Value::from_object(MatchObject::new(regex, &found)),
        None => Value::from(()),
    })
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Python's replacement text: `\1`, `\g<name>`, `\n`.
fn expand(found: &fancy_regex::Captures<'_>, replacement: &str, out: &mut String) {
    let mut characters = replacement.chars().peekable();
    while let Some(c) = characters.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match characters.next() {
            Some(digit) if digit.is_ascii_digit() => {
                let mut number = digit.to_digit(10).unwrap_or(0) as usize;
                if let Some(second) = characters.peek().and_then(|c| c.to_digit(10)) {
                    number = number * 10 + second as usize;
                    characters.next();
                }
                out.push_str(found.get(number).map_or("", |group| group.as_str()));
            }
            Some('g') if characters.peek() == Some(&'<') => {
                let name: String = characters.by_ref().skip(1).take_while(|c| *c != '>').collect();
                let group = match name.parse::<usize>() {
                    Ok(number) => found.get(number),
                    Err(_) => found.name(&name),
                };
                out.push_str(group.map_or("", |group| group.as_str()));
            }
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('\\') | None => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
        }
    }
}

fn substitute(
    regex: &fancy_regex::Regex,
    replacement: &str,
    text: &str,
    count: usize,
) -> Result<String, Error> {
    let mut out = String::new();
    let mut at = 0;
    for (number, found) in regex.captures_iter(text).enumerate() {
        if count > 0 && number >= count {
            break;
        }
        let found = found.map_err(failed)?;
        let Some(whole) = found.get(0) else { continue };
        out.push_str(&text[at..whole.start()]);
        expand(&found, replacement, &mut out);
        at = whole.end();
    }
    out.push_str(&text[at..]);
    Ok(out)
}

fn split(regex: &fancy_regex::Regex, text: &str, limit: usize) -> Result<Value, Error> {
    let mut parts = Vec::new();
    let mut at = 0;
    for (number, found) in regex.captures_iter(text).enumerate() {
        if limit > 0 && number >= limit {
            break;
        }
        let found = found.map_err(failed)?;
        let Some(whole) = found.get(0) else { continue };
        parts.push(Value::from(&text[at..whole.start()]));
        for group in 1..found.len() {
            parts.push(
                found.get(group).map_or(Value::from(()), |group| Value::from(group.as_str())),
            );
        }
        at = whole.end();
    }
    parts.push(Value::from(&text[at..]));
    Ok(List::value(parts))
}

/// A compiled pattern.
#[derive(Debug)]
struct PatternObject(fancy_regex::Regex);

impl Object for PatternObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut all = vec![Value::from_dyn_object(Arc::clone(self))];
        all.extend_from_slice(args);
        regular_expression(method, &all)
    }
}

/// One match.
#[derive(Debug)]
struct MatchObject {
    groups: Vec<Option<String>>,
    names: Vec<Option<String>>,
    start: usize,
    end: usize,
}

impl MatchObject {
    fn new(regex: &fancy_regex::Regex, found: &fancy_regex::Captures<'_>) -> Self {
        let groups =
            (0..found.len()).map(|group| found.get(group).map(|m| m.as_str().to_owned())).collect();
        let names = regex.capture_names().map(|name| name.map(str::to_owned)).collect();
        let (start, end) = found.get(0).map_or((0, 0), |whole| (whole.start(), whole.end()));
        Self { groups, names, start, end }
    }

    fn group(&self, key: &Value) -> Option<Value> {
        let index = match key.as_str() {
            Some(name) => self.names.iter().position(|known| known.as_deref() == Some(name))?,
            None => key.as_usize()?,
        };
        let group = self.groups.get(index)?;
        Some(group.as_ref().map_or(Value::from(()), |text| Value::from(text.as_str())))
    }

    fn findall(&self) -> Value {
        let text = |group: &Option<String>| Value::from(group.as_deref().unwrap_or(""));
        match self.groups.len() {
            0 | 1 => self.groups.first().map(text).unwrap_or_default(),
            2 => text(&self.groups[1]),
            _ => Value::from(Tuple::new(self.groups[1..].iter().map(text).collect())),
        }
    }
}

impl Object for MatchObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.group(key)
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let missing = || invalid("no such group");
        Ok(match method {
            "group" => match args {
                [] => self.group(&Value::from(0)).ok_or_else(missing)?,
                [one] => self.group(one).ok_or_else(missing)?,
                many => {
                    let groups: Option<Vec<Value>> =
                        many.iter().map(|key| self.group(key)).collect();
                    Value::from(Tuple::new(groups.ok_or_else(missing)?))
                }
            },
            "groups" => {
                let groups = (1..self.groups.len()).filter_map(|at| self.group(&Value::from(at)));
                Value::from(Tuple::new(groups.collect()))
            }
            "groupdict" => {
                dict_of(self.names.iter().flatten().filter_map(|name| {
                    Some((name.clone(), self.group(&Value::from(name.as_str()))?))
                }))
            }
            "start" => Value::from(self.start),
            "end" => Value::from(self.end),
            "span" => Value::from((self.start, self.end)),
            _ => return Err(unknown_method()),
        })
    }
}

fn itertools(method: &str, args: &[Value]) -> Result<Value, Error> {
    let mut arguments = Arguments::new(args);
    let tuples = |rows: Vec<Vec<Value>>| {
        List::value(rows.into_iter().map(|row| Value::from(Tuple::new(row))).collect())
    };
    match method {
        "chain" => {
            let mut all = Vec::new();
            for value in arguments.take_positional() {
                all.extend(items(&value)?);
            }
            Ok(List::value(all))
        }
        "product" => {
            let repeat = arguments.named("repeat").and_then(|value| value.as_usize()).unwrap_or(1);
            let pools: Result<Vec<Vec<Value>>, Error> =
                arguments.take_positional().iter().map(items).collect();
            let pools = pools?;
            let pools = std::iter::repeat_n(pools, repeat.min(64)).flatten();
            pools_product(pools.collect()).map(tuples)
        }
        "combinations" | "permutations" | "combinations_with_replacement" => {
            let pool = items(&arguments.required("iterable")?)?;
            let length = arguments.optional("r").and_then(|value| value.as_usize());
            let length = length.unwrap_or(pool.len());
            let mut rows = Vec::new();
            choose(method, pool.len(), length, &mut Vec::new(), &mut rows)?;
            Ok(tuples(
                rows.into_iter()
                    .map(|row| row.into_iter().map(|index| pool[index].clone()).collect())
                    .collect(),
            ))
        }
        "accumulate" => {
            let mut sum: Option<i64> = None;
            let mut sums = Vec::new();
            for item in items(&arguments.required("iterable")?)? {
                let item =
                    item.as_i64().ok_or_else(|| invalid("accumulate takes whole numbers"))?;
                let next = sum.unwrap_or(0).saturating_add(item);
                sum = Some(next);
                sums.push(Value::from(next));
            }
            Ok(List::value(sums))
        }
        "islice" => {
            let pool = items(&arguments.required("iterable")?)?;
            let bounds = arguments.take_positional();
            let number = |at: usize| bounds.get(at).and_then(|value: &Value| value.as_usize());
            let (start, stop) = match bounds.len() {
                0 | 1 => (0, number(0)),
                _ => (number(0).unwrap_or(0), number(1)),
            };
            let step = number(2).unwrap_or(1).max(1);
            let stop = stop.unwrap_or(pool.len()).min(pool.len());
            let kept = pool.into_iter().take(stop).skip(start).step_by(step);
            Ok(List::value(kept.collect()))
        }
        "repeat" => {
            let item = arguments.required("object")?;
            let times = arguments.required("times")?.as_usize().unwrap_or(0).min(COMBINATIONS_MAX);
            Ok(List::value(vec![item; times]))
        }
        "zip_longest" => {
            let fill = arguments.named("fillvalue").unwrap_or_else(|| Value::from(()));
            let pools: Result<Vec<Vec<Value>>, Error> =
                arguments.take_positional().iter().map(items).collect();
            let pools = pools?;
            let length = pools.iter().map(Vec::len).max().unwrap_or(0);
            let row = |at: usize| {
                pools
                    .iter()
                    .map(|pool| pool.get(at).cloned().unwrap_or_else(|| fill.clone()))
                    .collect()
            };
            Ok(tuples((0..length).map(row).collect()))
        }
        _ => Err(unknown_method()),
    }
}

fn too_many() -> Error {
    invalid(format!("more than {COMBINATIONS_MAX} combinations"))
}

fn pools_product(pools: Vec<Vec<Value>>) -> Result<Vec<Vec<Value>>, Error> {
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for pool in pools {
        if rows.len().saturating_mul(pool.len()) > COMBINATIONS_MAX {
            return Err(too_many());
        }
        rows = rows
            .iter()
            .flat_map(|row| {
                pool.iter().map(move |item| row.iter().cloned().chain([item.clone()]).collect())
            })
            .collect();
    }
    Ok(rows)
}

fn choose(
    method: &str,
    size: usize,
    length: usize,
    row: &mut Vec<usize>,
    rows: &mut Vec<Vec<usize>>,
) -> Result<(), Error> {
    if row.len() == length {
        if rows.len() >= COMBINATIONS_MAX {
            return Err(too_many());
        }
        rows.push(row.clone());
        return Ok(());
    }
    let first = match (method, row.last()) {
        ("combinations", Some(last)) => last + 1,
        ("combinations_with_replacement", Some(last)) => *last,
        _ => 0,
    };
    for index in first..size {
        if method == "permutations" && row.contains(&index) {
            continue;
        }
        row.push(index);
        choose(method, size, length, row, rows)?;
        row.pop();
    }
    Ok(())
}
