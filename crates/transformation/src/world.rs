//! The environment as one rendering sees it, and the statements that change it: hooks, operations
//! and custom materializations create, fill, rename and drop tables as they go. Each statement is
//! a ledger commit of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use base::{EnvironmentName, ErrorKind, RunId, TableAccount, TableName};
use compute::statement::{Statement, StatementName, quoted, statements};
use compute::{Catalog, Dialect, Engine, QueryError, Session, SessionOptions, ViewText};
use ledger::{Ledger, Pointer, PointerKind, Swing, TableVersion};
use storage::{Lake, LakeTable, ViewDefinition, WriteMode};

mod existing;
mod write;

pub(crate) use self::existing::Existing;
use self::write::fitted;
use crate::TransformationError;

/// Tries of one statement against writers that were faster.
const TRIES_MAX: u32 = 8;

/// What statements are carried out with.
#[derive(Clone, Debug)]
pub(crate) struct Hands {
    pub(crate) ledger: Ledger,
    pub(crate) lake: Lake,
    pub(crate) engine: Engine,
    pub(crate) environment: EnvironmentName,
    pub(crate) dialect: Dialect,
    pub(crate) run: RunId,
    /// Where names without a namespace are.
    pub(crate) namespace: String,
}

/// Rows that a statement answered with.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
}

/// The environment as one rendering sees it.
#[derive(Debug)]
pub(crate) struct World {
    hands: Hands,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    session: Session,
    existing: Existing,
    /// Tables that go with this world.
    temporary: BTreeMap<TableName, SchemaRef>,
}

fn refuse(message: impl Into<String>) -> TransformationError {
    TransformationError::from_query(QueryError::project(message), None)
}

fn query_error(error: QueryError) -> TransformationError {
    TransformationError::from_query(error, None)
}

impl World {
    pub(crate) fn new(hands: Hands, session: Session, existing: Existing) -> Self {
        let seen = Seen { session, existing, temporary: BTreeMap::new() };
        Self { hands, seen: Mutex::new(seen) }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn session(&self) -> Session {
        self.seen().session.clone()
    }

    /// What stands under a name, whatever its case.
    pub(crate) fn found(&self, name: &TableName) -> Option<(TableName, PointerKind)> {
        let seen = self.seen();
        match seen.existing.get(name) {
            Some(kind) => Some((name.clone(), kind)),
            None => seen.existing.alike(name),
        }
    }

    /// Everything in one namespace.
    pub(crate) fn within(&self, namespace: &str) -> Vec<(TableName, PointerKind)> {
        self.seen().existing.within(namespace)
    }

    /// The namespaces that hold something.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        self.seen().existing.namespaces()
    }

    /// Carries out a text of any number of statements, and gives the rows of the last query.
    pub(crate) async fn carry_out(&self, sql: &str) -> Result<Option<Rows>, TransformationError> {
        let mut answer = None;
        for statement in statements(sql).map_err(query_error)? {
            answer = match statement {
                Statement::Query(sql) => Some(self.ask(&sql).await?),
                statement => {
                    self.change(&statement).await?;
                    None
                }
            };
        }
        Ok(answer)
    }

    /// Plans and runs a query.
    pub(crate) async fn ask(&self, sql: &str) -> Result<Rows, TransformationError> {
        let session = self.session();
        let prepared = session.prepare(sql).await.map_err(query_error)?;
        let batches = session.rows(sql).await.map_err(query_error)?;
        Ok(Rows { schema: prepared.schema(), batches })
    }

    async fn change(&self, statement: &Statement) -> Result<(), TransformationError> {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.try_change(statement).await {
                // Another writer moved the pointer meanwhile: look again and do it on top.
                Err(error) if error.kind() == ErrorKind::Conflict && tried < TRIES_MAX => {}
                done => return done,
            }
        }
    }

    async fn try_change(&self, statement: &Statement) -> Result<(), TransformationError> {
        match statement {
            Statement::Query(_) | Statement::Nothing | Statement::CreateSchema(_) => Ok(()),
            Statement::DropSchema(schema) => {
                for (name, _) in self.within(schema) {
                    self.drop_name(&name).await?;
                }
                Ok(())
            }
            Statement::CreateTable { .. } => self.create_table(statement).await,
            Statement::CreateView { name, query, replace, unless_exists } => {
                let name = self.resolved(name);
                match self.pointer(&name).await? {
                    Some(_) if *unless_exists => Ok(()),
                    Some(_) if !replace => Err(refuse(format!("view \"{name}\" exists already"))),
                    before => self.create_view(&name, query, before.as_ref()).await,
                }
            }
            Statement::Drop { names, if_exists } => {
                for name in names {
                    let name = self.resolved(name);
                    if !self.drop_name(&name).await? && !if_exists {
                        return Err(refuse(format!("table \"{name}\" does not exist")));
                    }
                }
                Ok(())
            }
            Statement::Rename { name, to } => {
                let from = self.resolved(name);
                let namespace = to.namespace.clone().unwrap_or_else(|| from.namespace.clone());
                self.rename(&from, &TableName::new(namespace, to.name.clone())).await
            }
            Statement::Alter { name, edits } => self.alter(&self.resolved(name), edits).await,
            Statement::Truncate(names) => {
                for name in names {
                    let name = self.resolved(name);
                    if let Some(schema) = self.temporary(&name) {
                        self.keep_for_now(&name, Rows { schema, batches: Vec::new() });
                        continue;
                    }
                    let base = self.table(&name).await?;
                    let rows =
                        Rows { schema: Arc::clone(base.arrow_schema()), batches: Vec::new() };
                    self.write(&name, Some(&base), WriteMode::ReplaceAll, rows).await?;
                }
                Ok(())
            }
            Statement::Insert { name, columns, by_name, query } => {
                self.insert(&self.resolved(name), columns, *by_name, query).await
            }
            Statement::Rewrite { name, how } => {
                let name = self.resolved(name);
                let base = match self.temporary(&name) {
                    Some(_) => None,
                    None => Some(self.table(&name).await?),
                };
                let shape = base.as_ref().map(|base| Arc::clone(base.arrow_schema()));
                let Some(shape) = shape.or_else(|| self.temporary(&name)) else { return Ok(()) };
                let columns: Vec<String> =
                    shape.fields().iter().map(|field| field.name().clone()).collect();
                let rows = self.ask(&how.query(&shown(&name), &columns)).await?;
                let rows = fitted(rows, &shape, &name)?;
                match base {
                    Some(base) => self.write(&name, Some(&base), WriteMode::ReplaceAll, rows).await,
                    None => {
                        self.keep_for_now(&name, rows);
                        Ok(())
                    }
                }
            }
        }
    }

    /// The name as the environment has it.
    fn resolved(&self, name: &StatementName) -> TableName {
        let namespace = name.namespace.clone().unwrap_or_else(|| self.hands.namespace.clone());
        let wanted = TableName::new(namespace, name.name.clone());
        let temporary = self.seen().temporary.keys().find(|held| held.name == name.name).cloned();
        temporary.or_else(|| self.found(&wanted).map(|(name, _)| name)).unwrap_or(wanted)
    }

    async fn pointer(&self, name: &TableName) -> Result<Option<Pointer>, TransformationError> {
        Ok(self.hands.ledger.pointer(&self.hands.environment, name).await?)
    }

    /// The present version of a table, shown from now on.
    async fn table(&self, name: &TableName) -> Result<LakeTable, TransformationError> {
        match self.pointer(name).await? {
            Some(pointer) if pointer.kind == PointerKind::Table => {
                self.show(name, &pointer.metadata_location, pointer.kind);
                Ok(self.hands.lake.read(&pointer.metadata_location).await?)
            }
            Some(_) => Err(refuse(format!("\"{name}\" is a view and cannot be changed"))),
            None if self.seen().temporary.contains_key(name) => {
                Err(refuse(format!("temporary table \"{name}\" cannot be changed")))
            }
            None => Err(refuse(format!("table \"{name}\" does not exist"))),
        }
    }

    /// The columns of a table that goes with this world.
    fn temporary(&self, name: &TableName) -> Option<SchemaRef> {
        self.seen().temporary.get(name).map(Arc::clone)
    }

    fn show(&self, name: &TableName, location: &str, kind: PointerKind) {
        let mut seen = self.seen();
        let catalog = seen.session.catalog().clone().with_version(name.clone(), location, kind);
        seen.session = self.hands.session(catalog);
        seen.existing.insert(name.clone(), kind);
    }

    /// Sees what a name points to now.
    pub(crate) async fn look_again(&self, name: &TableName) -> Result<(), TransformationError> {
        match self.pointer(name).await? {
            Some(pointer) => self.show(name, &pointer.metadata_location, pointer.kind),
            None => self.hide(name),
        }
        Ok(())
    }

    fn hide(&self, name: &TableName) {
        let mut seen = self.seen();
        let catalog = seen.session.catalog().clone().without(name);
        seen.session = self.hands.session(catalog);
        seen.existing.remove(name);
        seen.temporary.remove(name);
    }

    async fn create_table(&self, statement: &Statement) -> Result<(), TransformationError> {
        let Statement::CreateTable { name, query, columns, replace, unless_exists, temporary } =
            statement
        else {
            return Ok(());
        };
        let name = self.resolved(name);
        let before = self.pointer(&name).await?;
        if before.is_some() && *unless_exists {
            return Ok(());
        }
        if before.is_some() && !replace && !temporary {
            return Err(refuse(format!("table \"{name}\" exists already")));
        }
        let declared = || {
            let columns = columns
                .iter()
                .map(|(name, kind)| format!("cast(null as {kind}) as {}", quoted(name)));
            format!("select {} where false", columns.collect::<Vec<_>>().join(", "))
        };
        let rows = match query {
            Some(query) => self.ask(query).await?,
            None => self.ask(&declared()).await?,
        };
        if *temporary {
            self.keep_for_now(&name, rows);
            return Ok(());
        }
        let base = match &before {
            Some(pointer) if pointer.kind == PointerKind::Table => {
                Some(self.hands.lake.read(&pointer.metadata_location).await?)
            }
            Some(_) | None => None,
        };
        let mut options = self.options();
        if base.is_none() {
            options.replaces = before.map(|pointer| pointer.metadata_location);
        }
        self.stage(&name, base.as_ref(), WriteMode::ReplaceAll, rows, options, true).await
    }

    /// A table that goes with this world.
    pub(crate) fn keep_for_now(&self, name: &TableName, rows: Rows) {
        let rows = write::nullable(rows);
        let mut seen = self.seen();
        let catalog = seen.session.catalog().clone();
        let catalog = catalog.with_batches(name.clone(), Arc::clone(&rows.schema), rows.batches);
        seen.session = self.hands.session(catalog);
        seen.existing.insert(name.clone(), PointerKind::Table);
        seen.temporary.insert(name.clone(), rows.schema);
    }

    /// Tables that are not there yet, without rows.
    pub(crate) fn expect(&self, tables: Vec<(TableName, SchemaRef)>) {
        let mut seen = self.seen();
        let mut catalog = seen.session.catalog().clone();
        for (name, schema) in tables {
            catalog = catalog.with_batches(name.clone(), schema, Vec::new());
            if seen.existing.get(&name).is_none() {
                seen.existing.insert(name, PointerKind::Table);
            }
        }
        seen.session = self.hands.session(catalog);
    }

    /// A view that only this world sees.
    pub(crate) fn imagine(&self, name: &TableName, view: ViewText) {
        let mut seen = self.seen();
        let catalog = seen.session.catalog().clone().with_view(name.clone(), view);
        seen.session = self.hands.session(catalog);
        seen.existing.insert(name.clone(), PointerKind::Table);
    }

    async fn create_view(
        &self,
        name: &TableName,
        query: &str,
        before: Option<&Pointer>,
    ) -> Result<(), TransformationError> {
        let prepared = self.session().prepare(query).await.map_err(query_error)?;
        let definition = ViewDefinition {
            sql: query.to_owned(),
            dialect: self.hands.dialect.to_string(),
            schema: prepared.schema(),
            default_namespace: self.hands.namespace.clone(),
        };
        let options = self.options();
        let before = before.map(|pointer| pointer.metadata_location.as_str());
        let staged = self.hands.lake.stage_view(name, before, &definition, &options).await?;
        let location = staged.metadata_location.clone();
        let commit = self.commit(&options).swing(staged.swing).version(staged.version);
        self.hands.ledger.commit(&commit).await?;
        self.show(name, &location, PointerKind::View);
        Ok(())
    }

    /// Whether there was something to drop.
    pub(crate) async fn drop_name(&self, name: &TableName) -> Result<bool, TransformationError> {
        if self.seen().temporary.contains_key(name) {
            self.hide(name);
            return Ok(true);
        }
        let Some(pointer) = self.pointer(name).await? else { return Ok(false) };
        let swing = Swing::drop(name.clone(), pointer.kind, pointer.metadata_location);
        let commit = self.commit(&self.options()).swing(swing);
        self.hands.ledger.commit(&commit).await?;
        self.hide(name);
        Ok(true)
    }

    /// Gives a table or view another name; its files stay where they are.
    pub(crate) async fn rename(
        &self,
        from: &TableName,
        to: &TableName,
    ) -> Result<(), TransformationError> {
        let Some(pointer) = self.pointer(from).await? else {
            return Err(refuse(format!("table \"{from}\" does not exist")));
        };
        if self.pointer(to).await?.is_some() {
            return Err(refuse(format!("table \"{to}\" exists already")));
        }
        let location = pointer.metadata_location;
        let options = self.options();
        let now = self.hands.ledger.clocks().business.now();
        let mut version =
            TableVersion::new(to.clone(), location.clone(), options.commit.clone(), now);
        version.run = Some(self.hands.run.clone());
        if pointer.kind == PointerKind::Table {
            let table = self.hands.lake.read(&location).await?;
            let rows = table.row_count();
            version.snapshot_id = table.snapshot_id();
            version.account =
                TableAccount { inserted: rows, after: rows, ..TableAccount::default() };
        }
        let commit = self
            .commit(&options)
            .swing(Swing::drop(from.clone(), pointer.kind, location.clone()))
            .swing(Swing::create(to.clone(), pointer.kind, location.clone()))
            .version(version);
        self.hands.ledger.commit(&commit).await?;
        self.hide(from);
        self.show(to, &location, pointer.kind);
        Ok(())
    }
}

/// A table's name as a statement has it.
fn shown(name: &TableName) -> String {
    format!("{}.{}", quoted(&name.namespace), quoted(&name.name))
}

impl Hands {
    /// A session of the project's dialect over what a catalog shows.
    pub(crate) fn session(&self, catalog: Catalog) -> Session {
        let options = SessionOptions {
            dialect: self.dialect,
            business_now: self.ledger.clocks().business.now(),
            time_zone: "UTC".to_owned(),
            default_namespace: Some(self.namespace.clone()),
        };
        self.engine.session(catalog, options)
    }
}
