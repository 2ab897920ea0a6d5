//! What a session can see: the tables and views of one environment, pinned when the session opens.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use base::{EnvironmentName, TableName};
use datafusion::catalog::TableProvider;
use datafusion::datasource::ViewTable;
use iceberg::io::FileIO;
use ledger::{Ledger, Pointer, PointerKind};
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
    entries: Arc<BTreeMap<TableName, Entry>>,
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
        Self { environment, warehouse: None, entries: Arc::default() }
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
        let pointers = ledger.pointers(environment).await?;
        let lake_of_views = Some(lake.clone());
        let warehouse = Some(Warehouse {
            lake: lake_of_views,
            file_io: lake.file_io().clone(),
            store: lake.object_store(),
        });
        let entry = |pointer: Pointer| {
            (pointer.table, Entry::stored(pointer.kind, pointer.metadata_location))
        };
        let entries = Arc::new(pointers.into_iter().map(entry).collect());
        Ok(Self { environment: environment.clone(), warehouse, entries })
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
        Arc::make_mut(&mut self.entries).remove(name);
        self
    }

    /// The environment.
    pub fn environment(&self) -> &EnvironmentName {
        &self.environment
    }

    /// Whether it holds a name.
    pub fn holds(&self, name: &TableName) -> bool {
        self.entries.contains_key(name)
    }

    /// The names it holds, sorted.
    pub fn names(&self) -> impl Iterator<Item = &TableName> {
        self.entries.keys()
    }

    /// What it holds, sorted by name.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&TableName, &Entry)> {
        self.entries.iter()
    }

    pub(crate) fn entry(&self, name: &TableName) -> Option<&Entry> {
        self.entries.get(name)
    }

    pub(crate) fn warehouse(&self) -> Option<&Warehouse> {
        self.warehouse.as_ref()
    }

    fn with(mut self, name: TableName, entry: Entry) -> Self {
        Arc::make_mut(&mut self.entries).insert(name, entry);
        self
    }
}
