//! The arguments of a call, by position and by name, as Python functions take them.

use indexmap::IndexMap;
use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};

/// The arguments of one call; reading one takes it.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    positional: std::collections::VecDeque<Value>,
    named: IndexMap<String, Value>,
}

impl Arguments {
    pub(crate) fn new(args: &[Value]) -> Self {
        let mut arguments = Self::default();
        for value in args {
            match named_of(value) {
                Some(named) => arguments.named.extend(named),
                None => arguments.positional.push_back(value.clone()),
            }
        }
        arguments
    }

    /// The next argument: by position, or else by this name.
    pub(crate) fn optional(&mut self, name: &str) -> Option<Value> {
        self.positional.pop_front().or_else(|| self.named.shift_remove(name))
    }

    /// The same, and an error when it is missing.
    pub(crate) fn required(&mut self, name: &str) -> Result<Value, Error> {
        self.optional(name).ok_or_else(|| {
            Error::new(ErrorKind::MissingArgument, format!("argument \"{name}\" is missing"))
        })
    }

    /// The next argument as text.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, Error> {
        self.required(name).map(|value| text_of(&value))
    }

    /// The argument of this name only.
    pub(crate) fn named(&mut self, name: &str) -> Option<Value> {
        self.named.shift_remove(name)
    }

    /// Positional arguments that are left.
    pub(crate) fn take_positional(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.positional).into()
    }

    /// Named arguments that are left.
    pub(crate) fn take_named(&mut self) -> IndexMap<String, Value> {
        std::mem::take(&mut self.named)
    }
}

/// The named arguments that a value carries; `None` for any other value.
pub(crate) fn named_of(value: &Value) -> Option<Vec<(String, Value)>> {
    if !value.is_kwargs() {
        return None;
    }
    let kwargs = Kwargs::try_from(value.clone()).ok()?;
    let names: Vec<String> = kwargs.args().map(str::to_owned).collect();
    let pairs = names.into_iter().map(|name| {
        let value = kwargs.peek::<Value>(&name).unwrap_or(Value::UNDEFINED);
        (name, value)
    });
    Some(pairs.collect())
}

/// A value as the text it prints as.
pub(crate) fn text_of(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None if value.is_number() && !value.is_integer() => {
            f64::try_from(value.clone()).map_or_else(|_| value.to_string(), float_text)
        }
        None => value.to_string(),
    }
}

/// A float as Python prints it: with an exponent outside of 1e-4 to 1e16.
fn float_text(number: f64) -> String {
    let size = number.abs();
    if !number.is_finite() {
        return if number.is_nan() {
            "nan".to_owned()
        } else if number > 0.0 {
            "inf".to_owned()
        } else {
            "-inf".to_owned()
        };
    }
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{number:e}");
        return match text.split_once("e-") {
            Some((digits, power)) => format!("{digits}e-{power:0>2}"),
            None => text.replacen('e', "e+", 1),
        };
    }
    let text = number.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// A value as Python's `repr` writes it inside a list or dict.
pub(crate) struct Repr(pub(crate) Value);

impl std::fmt::Debug for Repr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = &self.0;
        if value.is_number() && !value.is_integer() {
            return f.write_str(&text_of(value));
        }
        // The engine prints and represents objects alike; ours tell the two apart.
        match value.as_object() {
            Some(object) if object.repr() == minijinja::value::ObjectRepr::Plain => {
                std::fmt::Debug::fmt(object, f)
            }
            Some(object) if crate::jinja::objects::RelationObject::of(value).is_some() => {
                std::fmt::Debug::fmt(object, f)
            }
            _ => std::fmt::Debug::fmt(value, f),
        }
    }
}
