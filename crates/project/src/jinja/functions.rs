//! dbt's functions.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr};
use minijinja::{Error, State, Value};
use serde_json::{Map, Value as Json};

use crate::jinja::agate::TableObject;
use crate::jinja::arguments::{Arguments, text_of};
use crate::jinja::call::Caller;
use crate::jinja::collections::{dict_of, invalid, pairs_of, unknown_method};
use crate::jinja::context::{Context, Phase, SECRET_PREFIX, locked};
use crate::jinja::engine::{dict_difference, set_function, zip_function};
use crate::jinja::json_text;
use crate::jinja::names;
use crate::jinja::native::{rendered, variable};
use crate::jinja::render::{ConfigCall, SourceCall, VarCall};
use crate::jinja::rewrite::Site;
use crate::jinja::signal::{Raised, raise, returned};
use crate::jinja::value::{Missing, from_json, to_json};
use crate::jinja::{Failure, RefCall};

/// Functions that are called by name; `config`, `var` and the objects have methods too and stand
/// on their own.
pub(crate) const FUNCTIONS: &[&str] = &[
    "ref",
    "source",
    "function",
    "metric",
    "env_var",
    "log",
    "print",
    "return",
    "load_result",
    "store_result",
    "store_raw_result",
    "tojson",
    "fromjson",
    "toyaml",
    "fromyaml",
    "set",
    "set_strict",
    "zip",
    "zip_strict",
    "local_md5",
    "diff_of_two_dicts",
    "try_or_compiler_error",
    "render",
    "write",
    "doc",
];

/// One function of the context.
pub(crate) struct Function {
    context: Arc<Context>,
    name: &'static str,
}

impl Function {
    pub(crate) fn value(context: &Arc<Context>, name: &'static str) -> Value {
        Value::from_object(Self { context: Arc::clone(context), name })
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<function {}>", self.name)
    }
}

impl Object for Function {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let asked = key.as_str() == Some("config") && matches!(self.name, "ref" | "source");
        asked.then(|| names::project(&self.context))
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let context = &self.context;
        let mut arguments = Arguments::new(args);
        note_site(context, &mut arguments);
        let nothing = || Ok(Value::from(""));
        match self.name {
            "__caller" => Caller::value(context, args),
            "ref" => reference(context, &mut arguments),
            "source" => source(context, &mut arguments),
            "function" | "metric" => function(context, &mut arguments),
            "env_var" => environment_variable(context, &mut arguments),
            "log" => {
                let message = context.scrubbed(&arguments.text("msg")?);
                let info = arguments.optional("info").is_some_and(|info| info.is_true());
                context.host.log(&message, info);
                nothing()
            }
            "print" => {
                let message = context.scrubbed(&arguments.text("msg")?);
                context.host.print(&message);
                nothing()
            }
            "return" => {
                Err(returned(arguments.optional("data").unwrap_or_else(|| Value::from(()))))
            }
            "load_result" => load_result(context, &mut arguments),
            "store_result" | "store_raw_result" => store_result(context, &mut arguments),
            "try_or_compiler_error" => {
                let message = arguments.text("message_if_exception")?;
                let function = arguments.required("func")?;
                let rest = arguments.take_positional();
                function
                    .call(state, &rest)
                    .map_err(|_| raise(Raised::ByTemplate, Failure::new(message)))
            }
            "render" => rendered(context, &arguments.text("string")?),
            "write" => nothing(),
            "doc" => nothing(),
            other => plain_function(other, args),
        }
    }
}

/// Functions that need nothing but their arguments.
fn plain_function(name: &str, args: &[Value]) -> Result<Value, Error> {
    let mut arguments = Arguments::new(args);
    match name {
        "tojson" => {
            let value = arguments.required("value")?;
            let default = arguments.optional("default");
            let sorted = arguments.optional("sort_keys").is_some_and(|sorted| sorted.is_true());
            Ok(json_text::tojson(&value, default, sorted))
        }
        "fromjson" => {
            let text = arguments.text("string")?;
            Ok(json_text::fromjson(&text, arguments.optional("default")))
        }
        "toyaml" => {
            let value = arguments.required("value")?;
            let _default = arguments.optional("default");
            let sorted = arguments.optional("sort_keys").is_some_and(|sorted| sorted.is_true());
            json_text::toyaml(&value, sorted).map(Value::from)
        }
        "fromyaml" => {
            let text = arguments.text("value")?;
            let file = base::SourceFile::new("fromyaml", text);
            let mut problems = Vec::new();
            let read = crate::yaml::read(&file, &mut problems).map(|value| value.to_json());
            let failed = problems.iter().any(base::Diagnostic::is_error);
            let default = arguments.optional("default").unwrap_or_else(|| Value::from(()));
            Ok(read.filter(|_| !failed).map_or(default, |json| from_json(&json)))
        }
        "set" => set_function(args, false),
        "set_strict" => set_function(args, true),
        "zip" => zip_function(args, false),
        "zip_strict" => zip_function(args, true),
        "local_md5" => Ok(Value::from(crate::jinja::md5::hex(arguments.text("value")?.as_bytes()))),
        "diff_of_two_dicts" => dict_difference(args),
        other => Err(invalid(format!("function \"{other}\" is not there"))),
    }
}

/// Takes the hidden place of the call, so that records and errors can point to it.
pub(crate) fn note_site(context: &Context, arguments: &mut Arguments) {
    if let Some(site) = arguments.named("__site")
        && let Some(site) = site.downcast_object_ref::<Site>()
    {
        context.at(site.0.clone());
    }
}

fn reference(context: &Arc<Context>, arguments: &mut Arguments) -> Result<Value, Error> {
    let version = ["version", "v"]
        .into_iter()
        .filter_map(|name| arguments.named(name))
        .find(|version| !version.is_none())
        .map(|version| text_of(&version));
    let names: Vec<Value> = arguments.take_positional();
    if let Some((unknown, _)) = arguments.take_named().first() {
        let failure = Failure::new(format!("ref takes no argument \"{unknown}\""));
        return Err(raise(Raised::Other, failure));
    }
    let call = match names.as_slice() {
        [name] => RefCall { package: None, name: text_of(name), version },
        [package, name] => {
            RefCall { package: Some(text_of(package)), name: text_of(name), version }
        }
        _ => {
            let failure = Failure::new(format!("ref takes one or two names, not {}", names.len()))
                .help("Write {{ ref('model') }} or {{ ref('package', 'model') }}.");
            return Err(raise(Raised::Other, failure));
        }
    };
    if context.parsing() {
        let site = context.site();
        locked(&context.record).parsed.refs.push((call, site));
        return Ok(context.this());
    }
    let relation = context.host.reference(&call)?;
    let mut record = locked(&context.record);
    if !record.resolved.contains(&call) {
        record.resolved.push(call);
    }
    drop(record);
    Ok(context.relation(relation))
}

fn source(context: &Arc<Context>, arguments: &mut Arguments) -> Result<Value, Error> {
    let names = arguments.take_positional();
    let [source, table] = names.as_slice() else {
        let failure = Failure::new(format!("source takes two names, not {}", names.len()))
            .help("Write {{ source('source', 'table') }}.");
        return Err(raise(Raised::Other, failure));
    };
    let (source, table) = (text_of(source), text_of(table));
    if context.parsing() {
        let span = context.site();
        locked(&context.record).parsed.sources.push(SourceCall { source, table, span });
        return Ok(context.this());
    }
    let relation = context.host.source(&source, &table)?;
    Ok(context.relation(relation))
}

fn function(context: &Arc<Context>, arguments: &mut Arguments) -> Result<Value, Error> {
    let name = arguments.text("name")?;
    if context.parsing() {
        return Ok(context.this());
    }
    let relation = context.host.function(&name)?;
    Ok(context.relation(relation))
}

fn environment_variable(context: &Arc<Context>, arguments: &mut Arguments) -> Result<Value, Error> {
    let name = arguments.text("var")?;
    let default = arguments.optional("default").filter(|default| !default.is_none());
    if name.starts_with(SECRET_PREFIX) && context.phase != Phase::Value {
        let failure = Failure::new(format!("secret \"{name}\" is read where it would be shown"))
            .help("Secrets may be read in connections and profiles only.");
        return Err(raise(Raised::Other, failure));
    }
    locked(&context.record).parsed.environment_variables.insert(name.clone());
    if let Some(value) = context.settings.environment_variables.get(&name) {
        return Ok(Value::from(value.as_str()));
    }
    default.ok_or_else(|| {
        let failure = Failure::new(format!("environment variable \"{name}\" is not set"))
            .help(format!("Set it, or give a default: {{{{ env_var('{name}', 'default') }}}}."));
        raise(Raised::Name, failure)
    })
}

fn load_result(context: &Arc<Context>, arguments: &mut Arguments) -> Result<Value, Error> {
    let name = arguments.text("name")?;
    let found = locked(&context.results).get(&name).cloned();
    Ok(match found {
        Some(result) => result,
        None if context.parsing() => Missing::value(),
        None => Value::from(()),
    })
}

fn store_result(context: &Arc<Context>, arguments: &mut Arguments) -> Result<Value, Error> {
    let name = arguments.text("name")?;
    let response = arguments.optional("response").or_else(|| arguments.named("message"));
    let table = arguments.named("agate_table").or_else(|| arguments.optional("agate_table"));
    let table = table.unwrap_or_else(|| Value::from(()));
    let data = match table.downcast_object_ref::<TableObject>() {
        Some(table) => table.data(),
        None => crate::jinja::collections::List::value(Vec::new()),
    };
    let result = dict_of([
        ("response".to_owned(), response.unwrap_or_else(|| Value::from("OK"))),
        ("data".to_owned(), data),
        ("table".to_owned(), table),
    ]);
    locked(&context.results).insert(name, result);
    Ok(Value::from(""))
}

/// `config(...)` and its methods.
#[derive(Debug)]
pub(crate) struct Config(pub(crate) Arc<Context>);

impl Config {
    fn lookup(&self, name: &str) -> Option<Value> {
        let config = &self.0.node.config;
        config
            .get(name)
            .or_else(|| config.get(&name.replace('_', "-")))
            .or_else(|| config.get("meta").and_then(|meta| meta.get(name)))
            .filter(|value| !value.is_null())
            .map(from_json)
    }

    fn require(&self, name: &str) -> Result<Value, Error> {
        self.lookup(name).ok_or_else(|| {
            let failure = Failure::new(format!("required config \"{name}\" is not set"))
                .help(format!("Add {name} to the config of {}.", self.0.node.unique_id));
            raise(Raised::Name, failure)
        })
    }

    fn nested(&self, outer: &str, name: &str) -> Option<Value> {
        self.0.node.config.get(outer)?.get(name).map(from_json)
    }
}

impl Object for Config {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "model" => Some(from_json(&self.0.node.model)),
            name => self.lookup(name),
        }
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        note_site(&self.0, &mut arguments);
        if !self.0.parsing() {
            return Ok(Value::from(""));
        }
        let mut values = Map::new();
        if let Some(given) = arguments.optional("options") {
            for (key, value) in pairs_of(&given)? {
                values.insert(text_of(&key), to_json(&value));
            }
        }
        for (key, value) in arguments.take_named() {
            values.insert(key, to_json(&value));
        }
        let span = self.0.site();
        locked(&self.0.record).parsed.configs.push(ConfigCall { values, span });
        Ok(Value::from(""))
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        let none = || Value::from(());
        if method == "set" {
            return Ok(Value::from(""));
        }
        if self.0.parsing() {
            return match method {
                "get" | "require" | "meta_get" | "meta_require" => Ok(Value::from("")),
                "persist_relation_docs" | "persist_column_docs" => Ok(Value::from(false)),
                _ => Err(unknown_method()),
            };
        }
        Ok(match method {
            "get" => {
                let found = self.lookup(&arguments.text("name")?);
                found.or_else(|| arguments.optional("default")).unwrap_or_else(none)
            }
            "require" => self.require(&arguments.text("name")?)?,
            "meta_get" => {
                let found = self.nested("meta", &arguments.text("name")?);
                found.or_else(|| arguments.optional("default")).unwrap_or_else(none)
            }
            "meta_require" => {
                let name = arguments.text("name")?;
                self.nested("meta", &name).map_or_else(|| self.require(&name), Ok)?
            }
            "persist_relation_docs" => {
                self.nested("persist_docs", "relation").unwrap_or_else(|| Value::from(false))
            }
            "persist_column_docs" => {
                self.nested("persist_docs", "columns").unwrap_or_else(|| Value::from(false))
            }
            _ => return Err(unknown_method()),
        })
    }
}

/// `var(...)` and `var.has_var(...)`.
#[derive(Debug)]
pub(crate) struct Var(pub(crate) Arc<Context>);

impl Var {
    fn lookup(&self, name: &str) -> Option<&Json> {
        let variables = &self.0.settings.variables;
        let own = variables.get(&self.0.node.package);
        let root = variables.get(self.0.library.root());
        own.and_then(|own| own.get(name)).or_else(|| root.and_then(|root| root.get(name)))
    }
}

impl Object for Var {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        note_site(&self.0, &mut arguments);
        let name = arguments.text("name")?;
        if self.0.parsing() {
            let span = self.0.site();
            locked(&self.0.record).parsed.vars.push(VarCall { name: name.clone(), span });
        }
        match self.lookup(&name) {
            // `vars: {orders: "{{ source('shop', 'orders') }}"}`: a text is rendered where it is
            // asked for, what is inside of lists and mappings is not.
            Some(Json::String(text)) if crate::templates::holds_jinja(text) => {
                return variable(&self.0, &name, text);
            }
            Some(value) => return Ok(from_json(value)),
            None => {}
        }
        match arguments.optional("default") {
            Some(default) => Ok(default),
            None if self.0.parsing() => Ok(Value::from(())),
            None => {
                let known = self.0.settings.variables.get(&self.0.node.package);
                let names = known.into_iter().flat_map(|known| known.keys().map(String::as_str));
                let near = crate::suggest::did_you_mean(&name, names);
                let mut failure =
                    Failure::new(format!("variable \"{name}\" has no value and no default"));
                failure.help.extend(near);
                failure.help.push(format!(
                    "Set it under vars: in dbt_project.yml, or pass --vars '{{{name}: ...}}'."
                ));
                Err(raise(Raised::Name, failure))
            }
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "has_var" => {
                let name = Arguments::new(args).text("name")?;
                Ok(Value::from(self.lookup(&name).is_some()))
            }
            _ => Err(unknown_method()),
        }
    }
}

/// `exceptions`.
#[derive(Debug)]
pub(crate) struct Exceptions(pub(crate) Arc<Context>);

impl Object for Exceptions {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, _key: &Value) -> Option<Value> {
        None
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        if method == "warn" || method == "warn_snapshot_timestamp_data_types" {
            let message = self.0.scrubbed(&arguments.text("msg")?);
            if self.0.host.warnings_raise() {
                return Err(raise(Raised::ByTemplate, Failure::new(message)));
            }
            self.0.warn(&message);
            return Ok(Value::from(""));
        }
        let message = match method {
            "raise_not_implemented" => arguments.text("msg")?,
            "missing_config" => {
                let _model = arguments.optional("model");
                format!("required config \"{}\" is not set", arguments.text("name")?)
            }
            "relation_wrong_type" => {
                let relation = arguments.text("relation")?;
                let expected = arguments.text("expected_type")?;
                format!("{relation} is not a {expected}")
            }
            "ref_invalid_args" => "ref takes one or two names".to_owned(),
            name if name.starts_with("raise_") || name.ends_with("_error") => arguments
                .optional("msg")
                .map_or_else(|| name.to_owned(), |message| text_of(&message)),
            _ => arguments.optional("msg").map_or_else(|| method.to_owned(), |m| text_of(&m)),
        };
        Err(raise(Raised::ByTemplate, Failure::new(self.0.scrubbed(message.trim()))))
    }
}
