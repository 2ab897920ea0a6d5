//! The one engine behind every template: filters, tests, operators and methods that make it
//! answer as Jinja2 on Python does. It holds no project: that is the context's part.

use std::sync::{Arc, LazyLock};

use minijinja::value::{Kwargs, Rest, Tuple, ValueKind, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value};
use minijinja_contrib::pycompat;

use crate::jinja::arguments::{Arguments, text_of};
use crate::jinja::collections::{
    Dict, List, Set, dict_of, invalid, items, pairs_of, read_map, thawed,
};
use crate::jinja::datetime;
use crate::jinja::format::{percent_format, string_method};
use crate::jinja::json_text;
use crate::jinja::value::Missing;

/// Instructions one macro call or model may run; the engine counts per state. Far above what a
/// project needs, low enough that an endless loop ends within seconds.
const FUEL_PER_STATE: u64 = 200_000_000;
/// Nested template constructs within one state.
const RECURSION_MAX: usize = 400;

/// The engine.
pub(crate) fn engine() -> &'static Environment<'static> {
    static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(build);
    &ENGINE
}

/// Names that belong to the engine and so are never "missing" while parsing.
pub(crate) const ENGINE_NAMES: &[&str] = &[
    "range",
    "dict",
    "namespace",
    "cycler",
    "joiner",
    "lipsum",
    "debug",
    "loop",
    "caller",
    "varargs",
    "kwargs",
    "self",
    "super",
];

fn build() -> Environment<'static> {
    let mut engine = Environment::new();
    engine.set_auto_escape_callback(|_| AutoEscape::None);
    engine.set_debug(false);
    engine.set_undefined_behavior(UndefinedBehavior::Lenient);
    engine.set_fuel(Some(FUEL_PER_STATE));
    engine.set_recursion_limit(RECURSION_MAX);
    engine.set_formatter(|out, state, value| {
        if value.is_number() && !value.is_integer() {
            return out.write_str(&text_of(value)).map_err(Error::from);
        }
        minijinja::escape_formatter(out, state, value)
    });
    minijinja_contrib::add_to_environment(&mut engine);
    engine.set_unknown_method_callback(method);
    add_operators(&mut engine);
    add_filters(&mut engine);
    add_tests(&mut engine);
    engine
}

fn add_operators(engine: &mut Environment<'static>) {
    engine.add_function("__list", |items: Rest<Value>| List::value(items.0));
    engine.add_function("__dict", |parts: Rest<Value>| {
        let pairs = parts.0.chunks(2).filter_map(|pair| match pair {
            [key, value] => Some((key.clone(), value.clone())),
            _ => None,
        });
        Dict::value(pairs.collect::<Vec<_>>())
    });
    engine.add_function("__thaw", thawed);
    engine.add_function("__add", add);
    engine.add_function("__sub", sub);
    engine.add_function("__rem", rem);
    engine.add_global("dict", Value::from_object(DictFunction));
    engine.add_global("cycler", Value::from_object(CyclerFunction));
}

/// One of the engine's own operators.
fn native(operator: &'static str, left: Value, right: Value) -> Result<Value, Error> {
    let expression = engine().compile_expression(operator)?;
    expression.eval(minijinja::context!(a => left, b => right)).map_err(|error| {
        Error::new(
            error.kind(),
            error.detail().unwrap_or("these values do not go together").to_owned(),
        )
    })
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) && !value.is_tuple()
}

fn add(left: Value, right: Value) -> Result<Value, Error> {
    if let (Some(a), Some(b)) = (left.as_i64(), right.as_i64())
        && left.is_integer()
        && right.is_integer()
        && let Some(sum) = a.checked_add(b)
    {
        return Ok(Value::from(sum));
    }
    if let (Some(a), Some(b)) = (left.as_str(), right.as_str()) {
        return Ok(Value::from(format!("{a}{b}")));
    }
    if Missing::holds(&left) || Missing::holds(&right) {
        return Ok(Missing::value());
    }
    if let Some(sum) = datetime::add(&left, &right) {
        return sum;
    }
    if is_list(&left) && is_list(&right) {
        let mut all = items(&left)?;
        all.extend(items(&right)?);
        return Ok(List::value(all));
    }
    native("a + b", left, right)
}

fn sub(left: Value, right: Value) -> Result<Value, Error> {
    if Missing::holds(&left) || Missing::holds(&right) {
        return Ok(Missing::value());
    }
    if let Some(difference) = datetime::sub(&left, &right) {
        return difference;
    }
    if left.downcast_object_ref::<Set>().is_some() {
        let taken = items(&right)?;
        let kept = items(&left)?.into_iter().filter(|item| !taken.contains(item));
        return Ok(Set::value(kept));
    }
    native("a - b", left, right)
}

fn rem(left: Value, right: Value) -> Result<Value, Error> {
    match left.as_str() {
        Some(pattern) => percent_format(pattern, &right).map(Value::from),
        None if Missing::holds(&left) || Missing::holds(&right) => Ok(Missing::value()),
        None => native("a % b", left, right),
    }
}

fn add_filters(engine: &mut Environment<'static>) {
    engine.add_filter("list", |value: Value| -> Result<Value, Error> {
        match value.as_str() {
            Some(text) => {
                Ok(List::value(text.chars().map(|c| Value::from(c.to_string())).collect()))
            }
            None if value.is_undefined() => Ok(List::value(Vec::new())),
            None => items(&value).map(List::value),
        }
    });
    engine.add_filter("sort", |value: Value, rest: Rest<ValueOrKwargs>| {
        own_list("sort", value, rest)
    });
    engine.add_filter("dictsort", |value: Value, rest: Rest<ValueOrKwargs>| {
        own_list("dictsort", value, rest)
    });
    engine.add_filter("tojson", |value: Value| json_text::for_html(&value));
    engine.add_filter("int", filter_int);
    engine.add_filter("float", |value: Value, default: Option<f64>| {
        let parsed = match value.as_str() {
            Some(text) => text.trim().parse::<f64>().ok(),
            None => f64::try_from(value).ok(),
        };
        parsed.unwrap_or_else(|| default.unwrap_or(0.0))
    });
    engine.add_filter("default", filter_default);
    engine.add_filter("d", filter_default);
    for name in ["as_text", "as_bool", "as_native", "as_number"] {
        // dbt's own filters only mean something where YAML is rendered; see `render_value`.
        engine.add_filter(name, |value: Value| value);
    }
    engine.add_filter("string", |value: Value| text_of(&value));
    engine.add_filter("center", |value: String, width: Option<usize>| {
        crate::jinja::format::centred(&value, width.unwrap_or(80), ' ')
    });
    engine.add_filter("truncate", truncate);
    engine.add_filter("join", join);
}

fn arguments_of(rest: Rest<ValueOrKwargs>) -> Vec<Value> {
    rest.0.into_iter().map(ValueOrKwargs::into_value).collect()
}

fn filter_default(value: Value, rest: Rest<ValueOrKwargs>) -> Value {
    let mut arguments = Arguments::new(&arguments_of(rest));
    let default = arguments.optional("default_value");
    let falsy = arguments.optional("boolean").is_some_and(|flag| flag.is_true());
    let absent = value.is_undefined() || Missing::holds(&value);
    if absent || (falsy && !value.is_true()) {
        default.unwrap_or_else(|| Value::from(""))
    } else {
        value
    }
}

/// A filter of the engine whose list must be one that can be changed.
fn own_list(name: &'static str, value: Value, rest: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    // The engine's own filter is shadowed by this one: ask an engine that still has it.
    static PLAIN: LazyLock<Environment<'static>> = LazyLock::new(Environment::new);
    let mut inner = PLAIN.empty_state();
    let mut args = vec![value];
    args.extend(arguments_of(rest));
    let sorted = inner.apply_filter(name, &args)?;
    items(&sorted).map(List::value)
}

fn filter_int(value: Value, default: Option<i64>, rest: Kwargs) -> Value {
    let default = default.or_else(|| rest.get::<i64>("default").ok()).unwrap_or(0);
    let base = rest.get::<u32>("base").unwrap_or(10);
    let parsed = match value.as_str() {
        Some(text) => {
            let text = text.trim().replace('_', "");
            i64::from_str_radix(&text, base)
                .ok()
                .or_else(|| text.parse::<f64>().ok().filter(|n| n.is_finite()).map(|n| n as i64))
        }
        None if value.is_integer() => return value,
        None => match value.kind() {
            ValueKind::Bool => Some(i64::from(value.is_true())),
            ValueKind::Number => f64::try_from(value).ok().map(|number| number.trunc() as i64),
            _ => None,
        },
    };
    Value::from(parsed.unwrap_or(default))
}

fn truncate(
    text: String,
    length: Option<usize>,
    killwords: Option<bool>,
    end: Option<String>,
    leeway: Option<usize>,
) -> String {
    let (length, leeway) = (length.unwrap_or(255), leeway.unwrap_or(5));
    let end = end.unwrap_or_else(|| "...".to_owned());
    if text.chars().count() <= length + leeway {
        return text;
    }
    let kept: String = text.chars().take(length.saturating_sub(end.chars().count())).collect();
    if killwords.unwrap_or(false) {
        return kept + &end;
    }
    kept.rsplit_once(' ').map_or(kept.as_str(), |(words, _)| words).to_owned() + &end
}

fn join(value: Value, rest: Rest<ValueOrKwargs>) -> Result<String, Error> {
    if value.is_undefined() {
        return Ok(String::new());
    }
    let mut arguments = Arguments::new(&arguments_of(rest));
    let separator = arguments.optional("d").map(|separator| text_of(&separator));
    let attribute = arguments.optional("attribute");
    let mut texts = Vec::new();
    for item in items(&value)? {
        let item = match &attribute {
            Some(attribute) => item.get_item(attribute)?,
            None => item,
        };
        texts.push(text_of(&item));
    }
    Ok(texts.join(&separator.unwrap_or_default()))
}

fn add_tests(engine: &mut Environment<'static>) {
    let defined = |value: &Value| !value.is_undefined() && !Missing::holds(value);
    engine.add_test("defined", move |value: Value| defined(&value));
    engine.add_test("undefined", move |value: Value| !defined(&value));
    engine.add_test("sequence", |value: Value| {
        matches!(value.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map)
            && !Missing::holds(&value)
    });
    engine.add_test("callable", |value: Value| {
        value.kind() == ValueKind::Plain
            && value.as_object().is_some_and(|object| {
                let name = format!("{object:?}");
                name.starts_with("<macro") || name.starts_with("<function")
            })
    });
}

/// Methods that the engine's own values lack.
fn method(state: &mut State, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UnknownMethod));
    }
    if let Some(text) = value.as_str() {
        if let Some(result) = string_method(text, name, &mut Arguments::new(args)) {
            return result;
        }
        let result = pycompat::unknown_method_callback(state, value, name, args)?;
        return if matches!(name, "split" | "rsplit" | "splitlines") {
            thawed(result)
        } else {
            Ok(result)
        };
    }
    if value.kind() == ValueKind::Map {
        let get = |key: &Value| value.as_object().and_then(|object| object.get_value(key));
        let pairs = || pairs_of(value).unwrap_or_default();
        if let Some(result) = read_map(pairs, get, name, &mut Arguments::new(args))? {
            return Ok(result);
        }
    }
    pycompat::unknown_method_callback(state, value, name, args)
}

/// `dict(a=1)`, `dict(pairs)`, `dict(map, b=2)`.
#[derive(Debug)]
struct DictFunction;

impl minijinja::value::Object for DictFunction {
    fn repr(self: &Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        let mut pairs = match arguments.optional("mapping") {
            Some(given) => pairs_of(&given)?,
            None => Vec::new(),
        };
        for (name, value) in arguments.take_named() {
            pairs.push((Value::from(name), value));
        }
        Ok(Dict::value(pairs))
    }
}

/// `cycler('a', 'b')`: Jinja2's takes its items one by one.
#[derive(Debug)]
struct CyclerFunction;

impl minijinja::value::Object for CyclerFunction {
    fn repr(self: &Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        if args.is_empty() {
            return Err(invalid("at least one item has to be provided"));
        }
        let at = std::sync::atomic::AtomicUsize::new(0);
        Ok(Value::from_object(Cycler { items: args.to_vec(), at }))
    }
}

#[derive(Debug)]
struct Cycler {
    items: Vec<Value>,
    at: std::sync::atomic::AtomicUsize,
}

impl minijinja::value::Object for Cycler {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let at = self.at.load(std::sync::atomic::Ordering::Relaxed);
        (key.as_str()? == "current").then(|| self.items[at % self.items.len()].clone())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        _args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "next" => {
                let at = self.at.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Ok(self.items[at % self.items.len()].clone())
            }
            "reset" => {
                self.at.store(0, std::sync::atomic::Ordering::Relaxed);
                Ok(Value::from(()))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// `set(iterable)`; `strict` says what happens to things that cannot be looped over.
pub(crate) fn set_function(args: &[Value], strict: bool) -> Result<Value, Error> {
    let mut arguments = Arguments::new(args);
    let value = arguments.required("value")?;
    let default = arguments.optional("default");
    match items(&value) {
        Ok(items) => Ok(Set::value(items)),
        Err(error) if strict => Err(error),
        Err(_) => Ok(default.unwrap_or_else(|| Value::from(()))),
    }
}

/// `zip(a, b, ...)`.
pub(crate) fn zip_function(args: &[Value], strict: bool) -> Result<Value, Error> {
    let mut arguments = Arguments::new(args);
    let default = arguments.named("default");
    let mut columns = Vec::new();
    for value in arguments.take_positional() {
        match items(&value) {
            Ok(items) => columns.push(items),
            Err(error) if strict => return Err(error),
            Err(_) => return Ok(default.unwrap_or_else(|| Value::from(()))),
        }
    }
    let length = columns.iter().map(Vec::len).min().unwrap_or(0);
    let rows = (0..length).map(|row| {
        Value::from(Tuple::new(columns.iter().map(|column| column[row].clone()).collect()))
    });
    Ok(List::value(rows.collect()))
}

/// `diff_of_two_dicts(a, b)`: keys of `a` whose values `b` lacks, in lower case.
pub(crate) fn dict_difference(args: &[Value]) -> Result<Value, Error> {
    let mut arguments = Arguments::new(args);
    let left = pairs_of(&arguments.required("dict_a")?)?;
    let right = pairs_of(&arguments.required("dict_b")?)?;
    let lower = |value: &Value| text_of(value).to_lowercase();
    let mut difference = Vec::new();
    for (key, wanted) in left {
        let had: Vec<String> = right
            .iter()
            .filter(|(other, _)| lower(other) == lower(&key))
            .flat_map(|(_, values)| items(values).unwrap_or_default())
            .map(|value| lower(&value))
            .collect();
        let missing: Vec<Value> =
            items(&wanted)?.into_iter().filter(|value| !had.contains(&lower(value))).collect();
        if !missing.is_empty() {
            difference.push((text_of(&key), List::value(missing)));
        }
    }
    Ok(dict_of(difference))
}
