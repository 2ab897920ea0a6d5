//! `modules.datetime`, `modules.pytz`, `modules.re` and `modules.itertools`.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use minijinja::value::{Object, ObjectRepr, Tuple};
use minijinja::{Error, State, Value};

use crate::jinja::arguments::{Arguments, text_of};
use crate::jinja::collections::{List, dict_of, invalid, unknown_method};
use crate::jinja::datetime_classes::{self as classes, Class};
use crate::jinja::itertools;

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
            (Module::Pytz, "utc" | "UTC") => return Some(classes::utc_zone()),
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
            Module::Class(class) => classes::construct(class, args),
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
            Module::Class(class) => classes::class_method(class, self.now, method, args),
            Module::Pytz => match method {
                "timezone" => classes::timezone(&Arguments::new(args).text("zone")?),
                _ => Err(unknown_method()),
            },
            Module::Re => regular_expression(method, args),
            Module::Itertools => itertools::call(method, args),
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
