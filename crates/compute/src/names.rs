//! Names in a query: `"environment"."namespace"."table"`, `namespace.table`, or a bare name in the
//! default namespace; and views, expanded by planning their SQL where the reader stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use base::{InputVersion, TableName};
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::{MemTable, ViewTable};
use datafusion::sql::sqlparser::ast::Ident;

use crate::admission::NamedTable;
use crate::catalog::{Catalog, Entry, ViewText};
use crate::error::QueryError;
use crate::provider::{LakeTableProvider, store_url};
use crate::session::Scope;
use crate::spans;
use crate::translate::query_error;

/// The namespace in which DataFusion describes all others.
const INFORMATION_SCHEMA: &str = "information_schema";
/// Views inside views inside views.
const VIEW_DEPTH_MAX: usize = 64;

/// The names of one planning; remembers what was read.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    scope: Arc<Scope>,
    reads: Arc<Mutex<BTreeMap<TableName, InputVersion>>>,
    /// Views being expanded, outermost first.
    inside: Vec<TableName>,
}

/// What a table or view is, for PostgreSQL's catalog.
#[derive(Debug)]
pub(crate) struct NamedFacts {
    pub(crate) schema: SchemaRef,
    pub(crate) view: Option<String>,
    pub(crate) key: Vec<String>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

impl Default for NamedFacts {
    fn default() -> Self {
        let schema = Arc::new(arrow::datatypes::Schema::empty());
        Self { schema, view: None, key: Vec::new(), rows: 0, bytes: 0 }
    }
}

impl Names {
    pub(crate) fn new(scope: Arc<Scope>) -> Self {
        Self { scope, reads: Arc::default(), inside: Vec::new() }
    }

    /// Table versions that were read, sorted by name.
    pub(crate) fn reads(&self) -> Vec<InputVersion> {
        let reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.values().cloned().collect()
    }

    /// Refuses names that stand for nothing, before DataFusion says it with fewer words.
    pub(crate) fn check(
        &self,
        sql: &str,
        tables: &[NamedTable],
        default_namespace: Option<&str>,
    ) -> Result<(), QueryError> {
        for table in tables {
            self.check_one(&table.parts, default_namespace).map_err(|mut error| {
                let first = table.parts.first().map(|part| part.span);
                let last = table.parts.last().map(|part| part.span);
                error.span = first.zip(last).and_then(|(first, last)| {
                    Some(spans::bytes(sql, first)?.start..spans::bytes(sql, last)?.end)
                });
                error
            })?;
        }
        Ok(())
    }

    fn check_one(
        &self,
        parts: &[Ident],
        default_namespace: Option<&str>,
    ) -> Result<(), QueryError> {
        let catalog = &self.scope.catalog;
        let words: Vec<String> = parts.iter().map(normal).collect();
        let (environment, namespace, name) = match words.as_slice() {
            [name] => (None, default_namespace, name),
            [namespace, name] => (None, Some(namespace.as_str()), name),
            [environment, namespace, name] => {
                (Some(environment.as_str()), Some(namespace.as_str()), name)
            }
            _ => return Ok(()),
        };
        if let Some(environment) = environment
            && !self.takes_environment(environment)
        {
            let own = catalog.environment();
            return Err(QueryError::new(
                base::ErrorKind::NotFound,
                format!("environment \"{environment}\" is not open in this session"),
            )
            .help(format!("Name tables of \"{own}\", or open a session in \"{environment}\".")));
        }
        let Some(namespace) = namespace else {
            return Err(not_found(&format!("table \"{name}\" names no namespace")).help(
                meant(catalog, None, name).unwrap_or_else(|| {
                    "Write the namespace before the name: namespace.table.".to_owned()
                }),
            ));
        };
        if namespace == INFORMATION_SCHEMA || find(catalog, namespace, name).is_some() {
            return Ok(());
        }
        let help = meant(catalog, Some(namespace), name)
            .unwrap_or_else(|| "Build or load the table first; `fiveply ls` lists all.".to_owned());
        Err(not_found(&format!("table \"{namespace}.{name}\" does not exist"))
            .detail(format!("Looked in environment \"{}\".", catalog.environment()))
            .help(help))
    }

    fn takes_environment(&self, name: &str) -> bool {
        // A view names the environment it was written in; a reader elsewhere means their own.
        !self.inside.is_empty()
            || self.scope.catalog.environment().as_str().eq_ignore_ascii_case(name)
    }

    async fn provide(&self, name: &TableName) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(entry) = self.scope.catalog.entry(name) else { return Ok(None) };
        match entry {
            Entry::Table(location) => {
                let provider = self.table(name, &location).await.map_err(external)?;
                Ok(Some(Arc::new(provider)))
            }
            Entry::View(view) => Ok(Some(Arc::new(self.view(name, &view).await?))),
            Entry::StoredView(location) => {
                let view = self.stored_view(&location).await.map_err(external)?;
                Ok(Some(Arc::new(self.view(name, &view).await?)))
            }
            Entry::Batches(schema, batches) => {
                let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
                self.remember(InputVersion { table: name.clone(), snapshot_id: None, rows });
                let table = MemTable::try_new(schema, vec![batches])?;
                Ok(Some(Arc::new(table)))
            }
            Entry::Provider(provider) => Ok(Some(provider)),
        }
    }

    /// What a name stands for, without reading its rows.
    pub(crate) async fn facts(&self, name: &TableName) -> Result<NamedFacts, QueryError> {
        if let Some(Entry::Table(location)) = self.scope.catalog.entry(name)
            && let Some(warehouse) = self.scope.catalog.warehouse()
        {
            let version = self.scope.engine.version(&warehouse.file_io, &location).await?;
            let (schema, key) = (Arc::clone(version.schema()), version.key());
            let (rows, bytes) = (version.rows(), version.bytes());
            return Ok(NamedFacts { schema, key, rows, bytes, view: None });
        }
        let provided = self.provide(name).await;
        let provided =
            provided.map_err(|error| query_error(error, None, self.scope.engine.options()))?;
        let Some(provider) = provided else { return Ok(NamedFacts::default()) };
        let view = provider.get_table_definition().map(str::to_owned);
        Ok(NamedFacts { schema: provider.schema(), view, ..NamedFacts::default() })
    }

    async fn table(
        &self,
        name: &TableName,
        location: &str,
    ) -> Result<LakeTableProvider, QueryError> {
        let Some(warehouse) = self.scope.catalog.warehouse() else {
            return Err(QueryError::internal(format!("table \"{name}\" has no warehouse")));
        };
        let version = self.scope.engine.version(&warehouse.file_io, location).await?;
        self.remember(InputVersion {
            table: name.clone(),
            snapshot_id: version.snapshot_id(),
            rows: version.rows(),
        });
        let store = store_url(location);
        self.scope
            .engine
            .environment()
            .register_object_store(store.as_ref(), Arc::clone(&warehouse.store));
        Ok(LakeTableProvider::new(version, warehouse.file_io.clone(), store))
    }

    async fn stored_view(&self, location: &str) -> Result<ViewText, QueryError> {
        let warehouse = self.scope.catalog.warehouse();
        let Some(lake) = warehouse.and_then(|warehouse| warehouse.lake.as_ref()) else {
            return Err(QueryError::internal(format!("view file \"{location}\" has no lake")));
        };
        let view = lake.read_view(location).await?;
        let dialect = view.dialect.parse()?;
        let default_namespace = Some(view.default_namespace).filter(|name| !name.is_empty());
        Ok(ViewText { sql: view.sql, dialect, default_namespace })
    }

    async fn view(&self, name: &TableName, view: &ViewText) -> Result<ViewTable> {
        if self.inside.contains(name) || self.inside.len() >= VIEW_DEPTH_MAX {
            return Err(external(
                QueryError::project(format!("view \"{name}\" reads itself"))
                    .help("Break the circle: one of the views has to read a table."),
            ));
        }
        let mut names = self.clone();
        names.inside.push(name.clone());
        let (plan, _) = self
            .scope
            .plan(&view.sql, view.dialect, view.default_namespace.as_deref(), &names)
            .await
            .map_err(|error| external(inside_view(name, error)))?;
        Ok(ViewTable::new(plan, Some(view.sql.clone())))
    }

    fn remember(&self, read: InputVersion) {
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.insert(read.table.clone(), read);
    }
}

/// A fault inside a view's SQL points into that SQL, which the reader did not write.
fn inside_view(name: &TableName, error: QueryError) -> QueryError {
    QueryError {
        message: format!("view \"{name}\" cannot be planned: {}", error.message),
        span: None,
        ..error
    }
}

fn not_found(message: &str) -> QueryError {
    QueryError::new(base::ErrorKind::NotFound, message)
}

fn external(error: QueryError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// An identifier as it is looked up: as written in quotes, else in lower case.
fn normal(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// The table of this name: as spelt, else the only one spelt so but for case.
fn find<'a>(catalog: &'a Catalog, namespace: &str, name: &str) -> Option<&'a TableName> {
    catalog.find(&TableName::new(namespace, name))
}

fn meant(catalog: &Catalog, namespace: Option<&str>, name: &str) -> Option<String> {
    let same = |held: &&TableName| held.name.eq_ignore_ascii_case(name);
    if let Some(elsewhere) = catalog.names().find(same) {
        return Some(format!("Did you mean \"{elsewhere}\"?"));
    }
    let near_here = catalog
        .names()
        .filter(|held| namespace.is_none_or(|space| held.namespace.eq_ignore_ascii_case(space)))
        .map(|held| held.name.as_str());
    let near = spans::nearest(name, near_here)
        .or_else(|| spans::nearest(name, catalog.names().map(|held| held.name.as_str())))?;
    let held = catalog.names().find(|held| held.name == near)?;
    Some(format!("Did you mean \"{held}\"?"))
}

impl CatalogProviderList for Names {
    fn register_catalog(
        &self,
        _name: String,
        _catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![self.scope.catalog.environment().to_string()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        self.takes_environment(name).then(|| Arc::new(self.clone()) as Arc<dyn CatalogProvider>)
    }
}

impl CatalogProvider for Names {
    fn schema_names(&self) -> Vec<String> {
        let names: BTreeSet<&str> =
            self.scope.catalog.names().map(|name| name.namespace.as_str()).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(Namespace { names: self.clone(), namespace: name.to_owned() }))
    }
}

#[derive(Debug)]
struct Namespace {
    names: Names,
    namespace: String,
}

#[async_trait]
impl SchemaProvider for Namespace {
    fn table_names(&self) -> Vec<String> {
        self.names
            .scope
            .catalog
            .names()
            .filter(|name| name.namespace == self.namespace)
            .map(|name| name.name.clone())
            .collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match find(&self.names.scope.catalog, &self.namespace, name) {
            Some(found) => self.names.provide(found).await,
            None => Ok(None),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        find(&self.names.scope.catalog, &self.namespace, name).is_some()
    }
}
