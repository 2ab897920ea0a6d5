//! Macros as values. Every call gets a state of its own, as in dbt, where each call builds a
//! module: what a macro sets is gone when it ends.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::machinery;
use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Tuple};
use minijinja::{AutoEscape, Error, ErrorKind, State, Value};

use crate::jinja::Macro;
use crate::jinja::arguments::Arguments;
use crate::jinja::collections::dict_of;
use crate::jinja::context::{Context, Resolve};
use crate::jinja::engine::engine;
use crate::jinja::rewrite::Site;
use crate::jinja::signal::{called_from, return_value};
use crate::jinja::unit::{SharedUnit, Unit};

/// A macro of a package, called by name.
pub(crate) struct MacroObject {
    pub(crate) context: Arc<Context>,
    pub(crate) declared: Arc<Macro>,
}

impl MacroObject {
    pub(crate) fn value(context: &Arc<Context>, declared: &Arc<Macro>) -> Value {
        Value::from_object(Self { context: Arc::clone(context), declared: Arc::clone(declared) })
    }

    /// Calls the macro.
    pub(crate) fn invoke(&self, args: &[Value]) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        if let Some(site) = arguments.named("__site")
            && let Some(site) = site.downcast_object_ref::<Site>()
        {
            // The project overrides `ref` or its like: keep the caller's place for the original.
            self.context.at(site.0.clone());
        }
        self.context.note_macro(&self.declared.id);
        self.context.note_direct_call(&self.declared.id);
        let unit = self.context.unit(&self.declared)?;
        let _entered = self.context.enter(&self.declared.id)?;
        let root = Context::root(&self.context);
        match run_macro(&unit, root, arguments) {
            Ok(text) => self.context.count_output(text),
            Err(error) => match return_value(&error) {
                Some(value) => Ok(value),
                None => Err(called_from(&self.declared.name, error)),
            },
        }
    }
}

impl fmt::Debug for MacroObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<macro {}>", self.declared.name)
    }
}

impl Object for MacroObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "name" => Some(Value::from(self.declared.name.as_str())),
            "package_name" => Some(Value::from(self.declared.package.as_str())),
            "arguments" => {
                let names = self.declared.block.parameters.iter();
                Some(Value::from_iter(names.map(|parameter| parameter.name.as_str())))
            }
            _ => None,
        }
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        self.invoke(args)
    }
}

/// Runs a compiled macro in a state of its own.
fn run_macro(unit: &Unit, root: Value, arguments: Arguments) -> Result<Value, Error> {
    let name = unit.macro_name.unwrap_or_default();
    let args = bind(unit, arguments)?;
    let mut text = String::new();
    let mut output = machinery::make_string_output(&mut text);
    let (_, mut state) = machinery::eval(
        engine(),
        &unit.instructions,
        root,
        &unit.blocks,
        &mut output,
        AutoEscape::None,
    )?;
    let function = state
        .lookup(name)
        .ok_or_else(|| Error::new(ErrorKind::UnknownFunction, "the macro declares nothing"))?;
    function.call(&mut state, &args)
}

/// Lays the arguments out as the compiled macro takes them, Python's rules applied.
fn bind(unit: &Unit, mut arguments: Arguments) -> Result<Vec<Value>, Error> {
    let name = unit.macro_name.unwrap_or_default();
    let name = name.strip_prefix("dbt_macro__").unwrap_or(name);
    let positional = arguments.take_positional();
    let mut named: IndexMap<String, Value> = arguments.take_named();
    let caller = named.shift_remove("caller");
    let mut values = Vec::with_capacity(unit.parameters.len() + 3);
    let mut surplus = positional.into_iter();
    for parameter in &unit.parameters {
        let by_position = surplus.next();
        let by_name = named.shift_remove(*parameter);
        if by_position.is_some() && by_name.is_some() {
            let message = format!("macro '{name}' got two values for argument '{parameter}'");
            return Err(Error::new(ErrorKind::TooManyArguments, message));
        }
        values.push(by_position.or(by_name).unwrap_or(Value::UNDEFINED));
    }
    let surplus: Vec<Value> = surplus.collect();
    if unit.takes_varargs {
        values.push(Value::from(Tuple::new(surplus)));
    } else if !surplus.is_empty() {
        let limit = unit.parameters.len();
        let message =
            format!("macro '{name}' takes not more than {limit} argument(s){}", listed(unit));
        return Err(Error::new(ErrorKind::TooManyArguments, message));
    }
    if unit.takes_kwargs {
        values.push(dict_of(named));
    } else if let Some((unknown, _)) = named.first() {
        let message =
            format!("macro '{name}' takes no keyword argument '{unknown}'{}", listed(unit));
        return Err(Error::new(ErrorKind::TooManyArguments, message));
    }
    if let Some(caller) = caller
        && unit.takes_caller
    {
        let named: Kwargs = [("caller".to_owned(), caller)].into_iter().collect();
        values.push(Value::from(named));
    }
    Ok(values)
}

/// The arguments of a macro, for messages.
fn listed(unit: &Unit) -> String {
    match unit.parameters.as_slice() {
        [] => String::new(),
        names => format!("; its arguments are {}", names.join(", ")),
    }
}

/// The body of a `{% call %}` block, with the values its names had where it stands.
pub(crate) struct Caller {
    context: Arc<Context>,
    unit: Arc<SharedUnit>,
    captured: Arc<BTreeMap<String, Value>>,
}

impl Caller {
    /// `__caller(body, name=value, ...)`, as the rewriter writes it.
    pub(crate) fn value(context: &Arc<Context>, args: &[Value]) -> Result<Value, Error> {
        let mut arguments = Arguments::new(args);
        let unit = arguments
            .required("body")?
            .downcast_object::<SharedUnit>()
            .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "not the body of a call"))?;
        let captured =
            arguments.take_named().into_iter().filter(|(_, value)| !value.is_undefined()).collect();
        Ok(Value::from_object(Self {
            context: Arc::clone(context),
            unit,
            captured: Arc::new(captured),
        }))
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<macro caller>")
    }
}

impl Object for Caller {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let _entered = self.context.enter("caller")?;
        let root = Value::from_object(Overlay {
            context: Arc::clone(&self.context),
            names: Arc::clone(&self.captured),
        });
        // A `return()` inside the block ends the macro around the block, not the block: pass on.
        run_macro(&self.unit.0, root, Arguments::new(args))
    }
}

/// The context with some names laid over it.
#[derive(Debug)]
pub(crate) struct Overlay {
    pub(crate) context: Arc<Context>,
    pub(crate) names: Arc<BTreeMap<String, Value>>,
}

impl Object for Overlay {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.names.get(key).cloned().or_else(|| self.context.resolve(key))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}
