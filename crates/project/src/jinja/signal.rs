//! How `return()` and errors of our own travel through the engine: as the source of its errors.

use std::error::Error as StdError;
use std::fmt;

use minijinja::{Error, ErrorKind, Value};

use crate::jinja::Failure;

/// `return(value)` on its way to the macro that ends.
#[derive(Debug)]
pub(crate) struct Returned(pub(crate) Value);

impl fmt::Display for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("return() outside of a macro")
    }
}

impl StdError for Returned {}

pub(crate) fn returned(value: Value) -> Error {
    Error::new(ErrorKind::InvalidOperation, "return() outside of a macro")
        .with_source(Returned(value))
}

/// The value of a `return()` that this error stands for.
pub(crate) fn return_value(error: &Error) -> Option<Value> {
    let mut source: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = source {
        if let Some(returned) = cause.downcast_ref::<Returned>() {
            return Some(returned.0.clone());
        }
        source = cause.source();
    }
    None
}

/// What class of diagnostic an error of ours becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raised {
    /// The template asked for it: `exceptions.raise_compiler_error`.
    ByTemplate,
    /// A name, variable or macro that does not exist.
    Name,
    /// A named limit was reached.
    Limit,
    /// Anything else.
    Other,
}

/// An error of ours with everything a diagnostic needs.
#[derive(Debug)]
pub(crate) struct Raise {
    pub(crate) class: Raised,
    pub(crate) failure: Failure,
}

impl fmt::Display for Raise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.failure.message)
    }
}

impl StdError for Raise {}

pub(crate) fn raise(class: Raised, failure: Failure) -> Error {
    Error::new(ErrorKind::InvalidOperation, failure.message.clone())
        .with_source(Raise { class, failure })
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        raise(Raised::Other, failure)
    }
}

/// One level of a chain of macro calls; its source is the error inside the macro.
pub(crate) fn called_from(name: &str, inner: Error) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("in macro {name}")).with_source(inner)
}
