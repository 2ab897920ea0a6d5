//! Rendering a text, and rendering natively: values of YAML files and arguments of tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use minijinja::{AutoEscape, Error, Value, machinery};
use serde_json::Value as Json;

use crate::jinja::call::MacroObject;
use crate::jinja::collections::{List, dict_of, kwargs_of};
use crate::jinja::context::{Context, locked};
use crate::jinja::engine::engine;
use crate::jinja::signal::{Raised, raise};
use crate::jinja::unit::{Origin, Unit};
use crate::jinja::value::{from_json, to_json};
use crate::jinja::{Failure, TestCall};

/// Renders a text in a context, with some names laid over it.
pub(crate) fn run_text(
    context: &Arc<Context>,
    text: &str,
    origin: Origin,
    names: BTreeMap<String, Value>,
) -> Result<String, Error> {
    let name = context.node.unique_id.as_str();
    context.note_origin(name, &origin);
    let unit = match &context.marks {
        Some(marks) => Unit::template(name, text, origin, Some(&mut *locked(marks)))?,
        None => Unit::template(name, text, origin, None)?,
    };
    let mut out = String::new();
    let mut output = machinery::make_string_output(&mut out);
    let root = Context::root_with(context, names);
    machinery::eval(
        engine(),
        &unit.instructions,
        root,
        &unit.blocks,
        &mut output,
        AutoEscape::None,
    )?;
    context.count_output(Value::from(out)).map(|text| text.to_string())
}

/// A text that a template made, rendered where that template is: hooks are.
pub(crate) fn rendered(context: &Arc<Context>, text: &str) -> Result<Value, Error> {
    run_text(context, text, made_up(context), BTreeMap::new()).map(Value::from)
}

/// A variable's text that holds a template, rendered where it is asked for.
pub(crate) fn variable(context: &Arc<Context>, name: &str, text: &str) -> Result<Value, Error> {
    if !locked(&context.record).open_variables.insert(name.to_owned()) {
        let failure =
            Failure::new(format!("variable \"{name}\" holds a template that asks for it"))
                .help("Take the variable out of its own value.");
        return Err(raise(Raised::Name, failure));
    }
    let text = rendered(context, text);
    locked(&context.record).open_variables.remove(name);
    text
}

/// The value of an expression in a context.
fn evaluated(context: &Arc<Context>, expression: &str) -> Result<Value, Error> {
    let slot = Arc::new(Mutex::new(Value::UNDEFINED));
    let keep = Arc::clone(&slot);
    let function = Value::from_function(move |value: Value| {
        *locked(&keep) = value;
        Value::from("")
    });
    let names = BTreeMap::from([("_fiveply_keep".to_owned(), function)]);
    let text = format!("{{{{ _fiveply_keep({expression}) }}}}");
    run_text(context, &text, made_up(context), names)?;
    let value = locked(&slot).clone();
    Ok(value)
}

/// The origin of text that stands nowhere as such: all of it is the node's place.
fn made_up(context: &Context) -> Origin {
    let range = context.node.range.clone();
    Origin { file: Arc::clone(&context.node.file), start: range.start, stands_for: Some(range) }
}

/// The inside of a string that is exactly one `{{ expression }}`.
fn sole_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let inner = inner.strip_suffix('-').unwrap_or(inner);
    (!inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%")).then_some(inner)
}

fn has_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// A string rendered natively.
fn native(context: &Arc<Context>, text: &str) -> Result<Value, Error> {
    if let Some(expression) = sole_expression(text) {
        return evaluated(context, expression);
    }
    if !has_template(text) {
        return Ok(Value::from(text));
    }
    run_text(context, text, made_up(context), BTreeMap::new()).map(Value::from)
}

pub(crate) fn json_of(context: &Arc<Context>, json: &Json) -> Result<Json, Error> {
    Ok(match json {
        Json::String(text) if has_template(text) => to_json(&native(context, text)?),
        Json::Array(items) => {
            Json::Array(items.iter().map(|item| json_of(context, item)).collect::<Result<_, _>>()?)
        }
        Json::Object(pairs) => Json::Object(
            pairs
                .iter()
                .map(|(key, value)| Ok((key.clone(), json_of(context, value)?)))
                .collect::<Result<_, Error>>()?,
        ),
        other => other.clone(),
    })
}

/// A test's argument: `ref(...)`, `source(...)` and `var(...)` count as expressions even without
/// braces.
fn test_argument(context: &Arc<Context>, json: &Json) -> Result<Value, Error> {
    match json {
        Json::String(text) => {
            let bare = text.trim();
            let is_call = ["ref(", "source(", "var("].iter().any(|start| bare.starts_with(start));
            if is_call && bare.ends_with(')') {
                evaluated(context, bare)
            } else {
                native(context, text)
            }
        }
        Json::Array(items) => {
            let items: Result<Vec<Value>, Error> =
                items.iter().map(|item| test_argument(context, item)).collect();
            items.map(List::value)
        }
        Json::Object(pairs) => {
            let pairs: Result<Vec<(String, Value)>, Error> = pairs
                .iter()
                .map(|(key, value)| Ok((key.clone(), test_argument(context, value)?)))
                .collect();
            pairs.map(dict_of)
        }
        other => Ok(from_json(other)),
    }
}

pub(crate) fn run_test(context: &Arc<Context>, test: &TestCall) -> Result<String, Error> {
    let mut arguments = Vec::new();
    for (name, json) in &test.arguments {
        let value = match json {
            Json::String(text) if name == "column_name" => Value::from(text.as_str()),
            other => test_argument(context, other)?,
        };
        arguments.push((name.clone(), value));
    }
    let package = context.node.package.as_str();
    let Some(declared) = context.library.find_test(test.package.as_deref(), package, &test.name)
    else {
        let failure = Failure::new(format!("test \"{}\" does not exist", test.name));
        return Err(raise(Raised::Name, failure));
    };
    context.note_origin(&context.node.unique_id, &made_up(context));
    let object = MacroObject { context: Arc::clone(context), declared: Arc::clone(declared) };
    object.invoke(&[kwargs_of(arguments)]).map(|value| value.to_string())
}
