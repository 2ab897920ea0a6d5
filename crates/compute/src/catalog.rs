//! What a session can see: the tables and views of one environment, pinned when the session opens.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use base::{EnvironmentName, TableName};
use datafusion::catalog::TableProvider;
use datafusion::datasource::ViewTable;
use iceberg::io::FileIO;
use ledger::{Ledger, Pointer, PointerKind, PointerMap};
use object_store::ObjectStore;
use storage::Lake;

use crate::error::QueryError;
use crate::front::Dialect;
use crate::session::Prepared;

/// Pinned tables and views under their names; a cheap clone.
#[derive(Clone, Debug)]
pub struct Catalog {
    environment: EnvironmentName,
    warehouse: Option<Warehouse>,
    /// What the ledger points to.
    pointers: PointerMap,
    /// What stands over it; none hides a name.
    own: Arc<BTreeMap<TableName, Option<Entry>>>,
}

/// Where files are read from.
#[derive(Clone, Debug)]
pub(crate) struct Warehouse {
    /// Absent when files are read without the lake's help; then views need their text.
    pub(crate) lake: Option<Lake>,
    pub(crate) file_io: FileIO,
    pub(crate) store: Arc<dyn ObjectStore>,
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// A table version in the lake, by its metadata file.
    Table(String),
    /// A view.
    View(Arc<ViewText>),
    /// A view in the lake, by its metadata file.
    StoredView(String),
    /// Rows in memory.
    Batches(SchemaRef, Vec<RecordBatch>),
    /// A reader other than the lake's own.
    Provider(Arc<dyn TableProvider>),
}

impl Entry {
    fn pointed_to(pointer: &Pointer) -> Self {
        Self::stored(pointer.kind, pointer.metadata_location.clone())
    }

    fn stored(kind: PointerKind, metadata_location: String) -> Self {
        match kind {
            PointerKind::Table => Self::Table(metadata_location),
            PointerKind::View => Self::StoredView(metadata_location),
        }
    }
}

/// A view as it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewText {
    /// Its query, as compiled.
    pub sql: String,
    /// The dialect of its query.
    pub dialect: Dialect,
    /// Where bare names in its query are looked up.
    pub default_namespace: Option<String>,
}

impl Catalog {
    /// An environment without tables.
    pub fn empty(environment: EnvironmentName) -> Self {
        let pointers = PointerMap::default();
        Self { environment, warehouse: None, pointers, own: Arc::default() }
    }

    /// An environment without tables whose later ones are read through these.
    pub fn over(
        environment: EnvironmentName,
        file_io: FileIO,
        store: Arc<dyn ObjectStore>,
    ) -> Self {
        let warehouse = Some(Warehouse { lake: None, file_io, store });
        Self { warehouse, ..Self::empty(environment) }
    }

    /// Pins every table and view of an environment where it stands now.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn of_environment(
        ledger: &Ledger,
        lake: &Lake,
        environment: &EnvironmentName,
    ) -> Result<Self, QueryError> {
        let pointers = ledger.pointer_map(environment).await?;
        let lake_of_views = Some(lake.clone());
        let warehouse = Some(Warehouse {
            lake: lake_of_views,
            file_io: lake.file_io().clone(),
            store: lake.object_store(),
        });
        Ok(Self { environment: environment.clone(), warehouse, pointers, own: Arc::default() })
    }

    /// Puts a version, staged or older, in place of what the name stood for.
    #[must_use]
    pub fn with_version(
        self,
        name: TableName,
        metadata_location: impl Into<String>,
        kind: PointerKind,
    ) -> Self {
        self.with(name, Entry::stored(kind, metadata_location.into()))
    }

    /// Puts a view in place of what the name stood for.
    #[must_use]
    pub fn with_view(self, name: TableName, view: ViewText) -> Self {
        self.with(name, Entry::View(Arc::new(view)))
    }

    /// Puts rows in memory in place of what the name stood for.
    #[must_use]
    pub fn with_batches(
        self,
        name: TableName,
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
    ) -> Self {
        self.with(name, Entry::Batches(schema, batches))
    }

    /// Puts the rows of a planned query, which may stand over another environment, in place of what
    /// the name stood for.
    #[must_use]
    pub fn with_query(self, name: TableName, query: &Prepared) -> Self {
        let rows = ViewTable::new(query.plan().clone(), None);
        self.with(name, Entry::Provider(Arc::new(rows)))
    }

    /// Puts another reader in place of what the name stood for: the benchmark that holds the
    /// lake's own reader against DataFusion's must change nothing else.
    #[doc(hidden)]
    #[must_use]
    pub fn with_provider(self, name: TableName, provider: Arc<dyn TableProvider>) -> Self {
        self.with(name, Entry::Provider(provider))
    }

    /// Takes a name away.
    #[must_use]
    pub fn without(mut self, name: &TableName) -> Self {
        let own = Arc::make_mut(&mut self.own);
        match self.pointers.get(name) {
            Some(_) => own.insert(name.clone(), None),
            None => own.remove(name),
        };
        self
    }

    /// The environment.
    pub fn environment(&self) -> &EnvironmentName {
        &self.environment
    }

    /// Whether it holds a name.
    pub fn holds(&self, name: &TableName) -> bool {
        match self.own.get(name) {
            Some(own) => own.is_some(),
            None => self.pointers.get(name).is_some(),
        }
    }

    /// The names it holds, in order, upper and lower case side by side.
    pub fn names(&self) -> impl Iterator<Item = &TableName> {
        let stored = self.pointers.iter().map(|pointer| &pointer.table);
        let stored = stored.filter(|name| !self.own.contains_key(*name));
        let own = self.own.iter().filter(|(_, entry)| entry.is_some()).map(|(name, _)| name);
        let mut names: Vec<&TableName> = stored.chain(own).collect();
        if !self.own.is_empty() {
            names.sort();
        }
        names.into_iter()
    }

    /// What it holds, sorted by name.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&TableName, Entry)> {
        self.names().filter_map(|name| Some((name, self.entry(name)?)))
    }

    pub(crate) fn entry(&self, name: &TableName) -> Option<Entry> {
        match self.own.get(name) {
            Some(own) => own.clone(),
            None => self.pointers.get(name).map(Entry::pointed_to),
        }
    }

    /// The table of this name: as spelt, else the only one spelt so but for case.
    pub(crate) fn find(&self, name: &TableName) -> Option<&TableName> {
        match self.own.get_key_value(name) {
            Some((held, Some(_))) => return Some(held),
            Some((_, None)) => {}
            None => {
                if let Some(pointer) = self.pointers.get(name) {
                    return Some(&pointer.table);
                }
            }
        }
        let same = |held: &TableName| {
            held.name.eq_ignore_ascii_case(&name.name)
                && held.namespace.eq_ignore_ascii_case(&name.namespace)
        };
        let stored = self.pointers.alike(name).map(|pointer| &pointer.table);
        let stored = stored.filter(|held| !self.own.contains_key(*held));
        let own = self.own.iter().filter(|(held, entry)| entry.is_some() && same(held));
        let mut alike = stored.chain(own.map(|(held, _)| held));
        alike.next().filter(|_| alike.next().is_none())
    }

    pub(crate) fn warehouse(&self) -> Option<&Warehouse> {
        self.warehouse.as_ref()
    }

    fn with(mut self, name: TableName, entry: Entry) -> Self {
        Arc::make_mut(&mut self.own).insert(name, Some(entry));
        self
    }
}
