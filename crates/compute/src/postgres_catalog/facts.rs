//! What the catalog knows of each table and view, read once for each version and kept.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::Schema;
use base::TableName;

use super::PostgresCatalog;
use super::kinds::{self, Oid};
use crate::Session;
use crate::catalog::Entry;
use crate::error::QueryError;

/// Numbers below are PostgreSQL's own.
const FIRST_OID: u64 = 20_000;
/// Clients read numbers as signed in places.
const LAST_OID: u64 = i32::MAX as u64;
/// Tables and views whose facts are kept.
const FACTS_KEPT_MAX: usize = 10_000;
/// Catalogs kept: a few environments, and the one before.
const CATALOGS_KEPT_MAX: usize = 8;

/// What people wrote about a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TableNotes {
    /// What it is.
    pub description: Option<String>,
    /// What its columns are.
    pub columns: BTreeMap<String, String>,
    /// Columns that are unique together and never missing.
    pub key: Vec<String>,
}

/// Notes on tables, by name.
pub type Notes = BTreeMap<TableName, TableNotes>;

/// A table or view.
#[derive(Clone, Debug)]
pub(crate) struct TableFacts {
    pub(crate) name: TableName,
    /// The environment, which clients know as the database.
    pub(crate) database: String,
    pub(crate) oid: Oid,
    /// The text of a view.
    pub(crate) view: Option<String>,
    pub(crate) columns: Vec<ColumnFacts>,
    /// Places of the columns of its primary key.
    pub(crate) key: Vec<usize>,
    pub(crate) description: Option<String>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct ColumnFacts {
    pub(crate) name: String,
    pub(crate) kind: Oid,
    pub(crate) modifier: i32,
    pub(crate) required: bool,
    pub(crate) description: Option<String>,
}

impl TableFacts {
    pub(crate) fn key_name(&self) -> String {
        format!("{}_pkey", self.name.name)
    }

    pub(crate) fn key_oid(&self) -> Oid {
        number_of("constraint", &self.name)
    }

    pub(crate) fn index_oid(&self) -> Oid {
        number_of("index", &self.name)
    }
}

/// The same name has the same number in every process and for ever, without anybody keeping it.
pub(crate) fn number_of(what: &str, name: &TableName) -> Oid {
    stable_number(&[what, &name.namespace, &name.name])
}

pub(crate) fn stable_number(parts: &[&str]) -> Oid {
    // FNV-1a: small, and the same everywhere.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let number = FIRST_OID + (hash ^ (hash >> 32)) % (LAST_OID - FIRST_OID);
    Oid::try_from(number).unwrap_or(Oid::MAX)
}

/// Makes catalogs for sessions and keeps what it read: a file's facts never change.
#[derive(Debug, Default)]
pub struct CatalogReader {
    facts: Mutex<HashMap<(String, u64), Arc<TableFacts>>>,
    catalogs: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    stands: Vec<(TableName, String)>,
    notes: Arc<Notes>,
    catalog: Arc<PostgresCatalog>,
}

impl CatalogReader {
    /// A reader that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The catalog over what a session sees; one that was made for the same versions is used again.
    ///
    /// # Errors
    /// When a table's metadata cannot be read.
    pub async fn read(
        &self,
        session: &Session,
        notes: &Arc<Notes>,
    ) -> Result<Arc<PostgresCatalog>, QueryError> {
        let stands: Vec<(TableName, String)> = session
            .catalog()
            .entries()
            .map(|(name, entry)| (name.clone(), stand(&entry)))
            .collect();
        if let Some(known) = self.known(&stands, notes) {
            return Ok(known);
        }
        let mut tables = Vec::with_capacity(stands.len());
        for (name, stand) in &stands {
            if !session.is_view(name) {
                tables.push(self.facts(session, name, stand, 0).await?);
            }
        }
        // A view's columns follow from those of the tables, not from their rows.
        let shape = shape(&tables);
        for (name, stand) in &stands {
            if session.is_view(name) {
                tables.push(self.facts(session, name, stand, shape).await?);
            }
        }
        tables.sort_by(|left, right| left.name.cmp(&right.name));
        let noted = tables.iter().map(|facts| noted(facts, notes.get(&facts.name))).collect();
        let catalog =
            Arc::new(PostgresCatalog::of(noted, session.catalog().environment().as_str()));
        let mut catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        if catalogs.len() >= CATALOGS_KEPT_MAX {
            catalogs.remove(0);
        }
        let kept = Kept { stands, notes: Arc::clone(notes), catalog: Arc::clone(&catalog) };
        catalogs.push(kept);
        Ok(catalog)
    }

    fn known(
        &self,
        stands: &[(TableName, String)],
        notes: &Arc<Notes>,
    ) -> Option<Arc<PostgresCatalog>> {
        let catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        let known = catalogs.iter().rev().find(|kept| {
            kept.stands == stands && (Arc::ptr_eq(&kept.notes, notes) || kept.notes == *notes)
        });
        known.map(|kept| Arc::clone(&kept.catalog))
    }

    async fn facts(
        &self,
        session: &Session,
        name: &TableName,
        stand: &str,
        shape: u64,
    ) -> Result<Arc<TableFacts>, QueryError> {
        let key = (format!("{name}\n{stand}"), shape);
        let known = {
            let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
            facts.get(&key).cloned()
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let read = Arc::new(session.facts(name).await?);
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.len() >= FACTS_KEPT_MAX {
            facts.clear();
        }
        facts.insert(key, Arc::clone(&read));
        Ok(read)
    }
}

/// What tells one version of an entry from another.
fn stand(entry: &Entry) -> String {
    match entry {
        Entry::Table(location) | Entry::StoredView(location) => location.clone(),
        Entry::View(view) => format!("{}\n{}", view.dialect, view.sql),
        Entry::Batches(schema, batches) => {
            let rows: usize = batches.iter().map(arrow::array::RecordBatch::num_rows).sum();
            format!("{rows} {schema:?}")
        }
        Entry::Provider(provider) => format!("{:?}", provider.schema()),
    }
}

fn shape(tables: &[Arc<TableFacts>]) -> u64 {
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    for facts in tables {
        facts.name.hash(&mut hasher);
        facts.columns.hash(&mut hasher);
    }
    hasher.finish()
}

/// The columns of an Arrow schema.
pub(crate) fn columns_of(schema: &Schema) -> Vec<ColumnFacts> {
    let column = |field: &Arc<arrow::datatypes::Field>| {
        let (kind, modifier) = kinds::of_field(field);
        ColumnFacts {
            name: field.name().clone(),
            kind,
            modifier,
            required: !field.is_nullable(),
            description: None,
        }
    };
    schema.fields().iter().map(column).collect()
}

fn noted(facts: &Arc<TableFacts>, notes: Option<&TableNotes>) -> Arc<TableFacts> {
    let Some(notes) = notes else { return Arc::clone(facts) };
    let mut facts = facts.as_ref().clone();
    facts.description = notes.description.clone().or(facts.description);
    for column in &mut facts.columns {
        if let Some(said) = notes.columns.get(&column.name) {
            column.description = Some(said.clone());
        }
    }
    if facts.key.is_empty() {
        let place = |name: &String| facts.columns.iter().position(|column| column.name == *name);
        let key: Option<Vec<usize>> = notes.key.iter().map(place).collect();
        facts.key = key.unwrap_or_default();
    }
    Arc::new(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_across_processes() {
        assert_eq!(number_of("relation", &TableName::new("shop", "orders")), 1_839_494_473);
        let other = number_of("relation", &TableName::new("shoporders", ""));
        assert_ne!(other, 1_839_494_473);
    }
}
