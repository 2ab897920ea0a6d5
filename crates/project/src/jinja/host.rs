//! What a template may ask of the world outside: one trait, implemented by whoever renders.

use std::fmt;

use crate::jinja::{Column, Relation, Table};

/// A call of `ref`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefCall {
    /// The package, when the call names one.
    pub package: Option<String>,
    /// The model, seed or snapshot.
    pub name: String,
    /// The version, when the call names one.
    pub version: Option<String>,
}

impl fmt::Display for RefCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ref(")?;
        if let Some(package) = &self.package {
            write!(f, "'{package}', ")?;
        }
        write!(f, "'{}'", self.name)?;
        if let Some(version) = &self.version {
            write!(f, ", v={version}")?;
        }
        f.write_str(")")
    }
}

/// A call of an `adapter` method that changes something, or that this module has no own trait
/// method for.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterCall {
    /// The method, such as `drop_relation`.
    pub method: String,
    /// Relations among the arguments, in order.
    pub relations: Vec<Relation>,
    /// All arguments as JSON: positional, then named; relations as their rendered text.
    pub arguments: Vec<serde_json::Value>,
    /// Named arguments.
    pub named: serde_json::Map<String, serde_json::Value>,
}

/// Why the host did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Primary line: lowercase, no full stop.
    pub message: String,
    /// Sentences that explain.
    pub notes: Vec<String>,
    /// Sentences that say what to do next.
    pub help: Vec<String>,
}

impl Failure {
    /// A failure with its primary line.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), notes: Vec::new(), help: Vec::new() }
    }

    /// Adds a sentence that says what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// Answers what a template asks while it renders for a run (`execute` is true). Handed over in
/// an `Arc`, since the template engine keeps its values alive for as long as it likes.
///
/// Every method has an answer for hosts that cannot help, so that a host states only what it can.
pub trait Host: Send + Sync {
    /// The relation behind `ref(...)`; for an ephemeral model [`Relation::ephemeral`].
    ///
    /// # Errors
    /// When the graph has no such node, or the node may not be used here.
    fn reference(&self, call: &RefCall) -> Result<Relation, Failure> {
        Err(Failure::new(format!("{call} names no model, seed or snapshot")))
    }

    /// The relation behind `source(...)`.
    ///
    /// # Errors
    /// When no source file declares it.
    fn source(&self, source: &str, table: &str) -> Result<Relation, Failure> {
        Err(Failure::new(format!("source('{source}', '{table}') names no declared source table")))
    }

    /// The relation behind `function(...)`, dbt's name for a user-defined function.
    ///
    /// # Errors
    /// When the graph has no such function.
    fn function(&self, name: &str) -> Result<Relation, Failure> {
        Err(Failure::new(format!("function('{name}') names no declared function")))
    }

    /// The table or view of that name with its kind, when it exists.
    ///
    /// # Errors
    /// When the catalog did not answer.
    fn relation(&self, _wanted: &Relation) -> Result<Option<Relation>, Failure> {
        Ok(None)
    }

    /// Everything in one schema.
    ///
    /// # Errors
    /// When the catalog did not answer.
    fn relations(&self, _database: Option<&str>, _schema: &str) -> Result<Vec<Relation>, Failure> {
        Ok(Vec::new())
    }

    /// The columns of a relation, in order; empty when it does not exist.
    ///
    /// # Errors
    /// When the catalog did not answer.
    fn columns(&self, _relation: &Relation) -> Result<Vec<Column>, Failure> {
        Ok(Vec::new())
    }

    /// The columns a query would have.
    ///
    /// # Errors
    /// When the query does not plan.
    fn query_columns(&self, _sql: &str) -> Result<Vec<Column>, Failure> {
        Err(Failure::new("this template asks for the columns of a query, and nobody can answer"))
    }

    /// The rows of a query, or an empty table for a statement that changes something.
    ///
    /// # Errors
    /// When the query fails, or nobody can run one here.
    fn query(&self, _sql: &str) -> Result<Table, Failure> {
        Err(Failure::new("this template runs a query, and no query can run here"))
    }

    /// Any other `adapter` method. The answer is turned into a template value.
    ///
    /// # Errors
    /// When the method is not known or failed.
    fn adapter(&self, call: &AdapterCall) -> Result<serde_json::Value, Failure> {
        Err(Failure::new(format!("adapter.{} is not known here", call.method)))
    }

    /// `log(...)`; `info` says whether it is also shown.
    fn log(&self, _message: &str, _info: bool) {}

    /// `print(...)`.
    fn print(&self, message: &str) {
        self.log(message, true);
    }

    /// Whether `exceptions.warn(...)` is an error.
    fn warnings_raise(&self) -> bool {
        false
    }

    /// `exceptions.warn(...)`.
    fn warn(&self, _message: &str) {}

    /// The `graph` variable: nodes, sources, exposures, metrics, groups.
    fn graph(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// The `selected_resources` variable: unique ids.
    fn selected_resources(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A host that knows nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoHost;

impl Host for NoHost {}
