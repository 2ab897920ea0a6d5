//! Objects that only hold names: a package, `dbt`, `builtins`, `context`, `flags`.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};

use crate::jinja::Failure;
use crate::jinja::arguments::Arguments;
use crate::jinja::call::MacroObject;
use crate::jinja::context::{Context, Resolve};
use crate::jinja::library::GLOBAL_PACKAGE;
use crate::jinja::signal::{Raised, raise};
use crate::jinja::value::{Missing, from_json, from_map};

/// The project as dbt holds it in memory, with the command's own arguments.
pub(crate) fn project(context: &Context) -> Value {
    let mut project = context.settings.project.clone();
    let arguments = context.settings.arguments.clone();
    project.insert("args".to_owned(), serde_json::Value::Object(arguments));
    from_map(&project)
}

enum Kind {
    Package(String),
    Builtins,
    Everything,
}

/// A place with names in it.
pub(crate) struct Namespace {
    context: Arc<Context>,
    kind: Kind,
}

impl Namespace {
    pub(crate) fn package(context: &Arc<Context>, name: &str) -> Value {
        let kind = Kind::Package(name.to_owned());
        Value::from_object(Self { context: Arc::clone(context), kind })
    }

    pub(crate) fn builtins(context: &Arc<Context>, everything: bool) -> Value {
        let kind = if everything { Kind::Everything } else { Kind::Builtins };
        Value::from_object(Self { context: Arc::clone(context), kind })
    }

    fn get(&self, name: &str) -> Option<Value> {
        match &self.kind {
            Kind::Package(package) => {
                if let Some(json) = self.context.node.macros.get(&format!("{package}.{name}")) {
                    return Some(Constant::value(json));
                }
                let library = &self.context.library;
                let found = library.in_package(package, name).or_else(|| {
                    // `dbt.x` sees what the project puts in the place of a built-in macro only
                    // through dispatch, so the built-in one it is.
                    library.in_package(GLOBAL_PACKAGE, name).filter(|_| package == GLOBAL_PACKAGE)
                });
                found.map(|found| MacroObject::value(&self.context, found))
            }
            Kind::Builtins => self.context.builtin(name),
            Kind::Everything => match self.context.resolve(name) {
                Some(value) if Missing::holds(&value) => None,
                found => found,
            },
        }
    }

    fn missing(&self, name: &str) -> Error {
        let Kind::Package(package) = &self.kind else {
            return Error::from(ErrorKind::UnknownMethod);
        };
        let known = self.context.library.macros();
        let names: Vec<&str> = known
            .filter(|known| known.package == *package)
            .map(|known| known.name.as_str())
            .collect();
        let mut failure = Failure::new(format!("package \"{package}\" has no macro \"{name}\""));
        if let Some(help) = crate::suggest::did_you_mean(name, names) {
            failure = failure.help(help);
        }
        raise(Raised::Name, failure)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<namespace>")
    }
}

impl Object for Namespace {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        if let Some(found) = self.get(method) {
            return found.call(state, args);
        }
        if method == "get" {
            let mut arguments = Arguments::new(args);
            let key = arguments.text("key")?;
            let default = arguments.optional("default").unwrap_or_else(|| Value::from(()));
            return Ok(self.get(&key).unwrap_or(default));
        }
        if self.context.parsing() {
            return Ok(Missing::value());
        }
        Err(self.missing(method))
    }
}

/// A macro whose value a unit test gives.
#[derive(Debug)]
pub(crate) struct Constant(Value);

impl Constant {
    pub(crate) fn value(json: &serde_json::Value) -> Value {
        Value::from_object(Self(from_json(json)))
    }
}

impl Object for Constant {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, _args: &[Value]) -> Result<Value, Error> {
        Ok(self.0.clone())
    }
}

/// The `flags` variable.
#[derive(Debug)]
pub(crate) struct Flags(pub(crate) Arc<Context>);

impl Object for Flags {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let flags = &self.0.settings.flags;
        let known = flags.get(name).or_else(|| flags.get(&name.to_uppercase()));
        Some(match (known, name) {
            (Some(flag), _) => from_json(flag),
            (None, "FULL_REFRESH" | "STORE_FAILURES" | "EMPTY") => Value::from(false),
            (None, _) => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(
            self.0.settings.flags.keys().map(|name| Value::from(name.as_str())).collect(),
        )
    }
}
