//! Names in statements.

use datafusion::sql::sqlparser::ast::{ObjectName, ObjectNamePart};

use crate::error::QueryError;

/// A name as written: the table's own last, its namespace before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementName {
    /// The namespace, when the statement gives one.
    pub namespace: Option<String>,
    /// The table's own name.
    pub name: String,
}

/// A name in double quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(crate) fn last(name: &ObjectName) -> String {
    match name.0.last() {
        Some(ObjectNamePart::Identifier(part)) => part.value.clone(),
        _ => String::new(),
    }
}

pub(super) fn named(name: &ObjectName) -> Result<StatementName, QueryError> {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(|part| match part {
            ObjectNamePart::Identifier(part) => Some(part.value.clone()),
            ObjectNamePart::Function(_) => None,
        })
        .collect();
    match parts.as_slice() {
        [name] => Ok(StatementName { namespace: None, name: name.clone() }),
        [.., namespace, name] => {
            Ok(StatementName { namespace: Some(namespace.clone()), name: name.clone() })
        }
        [] => Err(QueryError::project("the statement names no table")),
    }
}
