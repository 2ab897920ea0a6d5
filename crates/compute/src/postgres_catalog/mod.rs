//! PostgreSQL's own view of the lake: `pg_catalog`, `information_schema`, and the functions about
//! the connection that drivers call.
//!
//! Drivers ask for the catalog with everything PostgreSQL has: correlated and lateral subqueries,
//! functions that give rows, subscripts, `any(array)`, names cast to numbers. DataFusion plans only
//! part of that, and takes milliseconds to plan any of it. So these statements have a small
//! evaluator of their own over rows in memory: names are settled once (`bind`, `bind_from`,
//! `bind_expressions`, `bind_operators`, `bind_calls`), joins go by lookup (`run`), and a
//! reflection of hundreds of tables costs a few milliseconds. The relations (`relations`,
//! `information_schema`, `statics`) are made once for each version of the environment (`facts`) and
//! shared by all connections.
//!
//! A statement that reads a table of the lake is the engine's, also when it reads the catalog
//! beside it: [`PostgresCatalog::rows_of`] hands the relation over.

mod bind;
mod bind_calls;
mod bind_expressions;
mod bind_from;
mod bind_operators;
mod casts;
mod evaluate;
mod facts;
mod functions;
mod functions_catalog;
mod functions_session;
mod host;
mod information_schema;
mod json;
pub mod kinds;
mod names;
mod plan;
mod prepare;
mod project;
mod relations;
mod run;
mod scope;
mod sets;
mod state;
mod statics;
#[cfg(test)]
mod tests;
mod value;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Ident;

pub use facts::{CatalogReader, Notes, TableNotes};
pub(crate) use facts::{TableFacts, columns_of};
pub use functions_session::version;
pub use host::{Activity, Host, Setting};
pub use kinds::Oid;
pub use plan::Column;
pub use prepare::CatalogQuery;
pub(crate) use relations::table_number;
pub(crate) use state::{CatalogState, session_relations};
pub use value::{Row, Value, array_from_text, array_item};

/// Who owns everything that can be seen.
pub(crate) const OWNER_NAME: &str = "fiveply";

/// The catalog of one environment at one moment; immutable and shared.
#[derive(Debug)]
pub struct PostgresCatalog {
    tables: Vec<Arc<TableFacts>>,
    by_number: HashMap<Oid, usize>,
    relations: relations::Relations,
}

impl PostgresCatalog {
    pub(crate) fn of(tables: Vec<Arc<TableFacts>>, database: &str) -> Self {
        let relations = relations::build(&tables, database);
        let by_number =
            tables.iter().enumerate().map(|(place, facts)| (facts.oid, place)).collect();
        Self { tables, by_number, relations }
    }

    pub(crate) fn tables(&self) -> &[Arc<TableFacts>] {
        &self.tables
    }

    pub(crate) fn facts_of(&self, number: Oid) -> Option<&Arc<TableFacts>> {
        self.by_number.get(&number).and_then(|place| self.tables.get(*place))
    }

    /// The number that clients know a table by; 0 for one that is not there.
    pub fn number_of(&self, namespace: &str, name: &str) -> Oid {
        let found = self
            .tables
            .iter()
            .find(|facts| facts.name.namespace == namespace && facts.name.name == name);
        found.map_or(0, |facts| facts.oid)
    }
}

/// An identifier as it is looked up: as written in quotes, else in lower case.
pub(crate) fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}
