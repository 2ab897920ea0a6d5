//! What all steps of one run share: the project, the ledger, the lake, the engine, and the
//! versions that are staged and not pointed to yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use base::{CommitId, EnvironmentName, Files, NodeId, RunId};
use chrono::{DateTime, Utc};
use compute::{Catalog, Dialect, Engine, Session};
use ledger::{Lease, Ledger};
use project::Project;
use storage::Lake;

use crate::TransformationError;
use crate::backfill::BackfillWindow;
use crate::batches::ComputedPeriods;
use crate::invocation::Invocation;
use crate::staged::StagedNode;
use crate::world::{Existing, Hands};

/// How nodes of a run are built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// Build incremental models from nothing.
    pub full_refresh: bool,
    /// Point to all tables at the end of the run, or to none.
    pub publish_at_end: bool,
}

/// What all steps of one run share.
#[derive(Debug)]
pub struct Workshop {
    pub(crate) project: Arc<Project>,
    pub(crate) ledger: Ledger,
    pub(crate) lake: Lake,
    pub(crate) engine: Engine,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) environment: EnvironmentName,
    pub(crate) dialect: Dialect,
    pub(crate) run: RunId,
    pub(crate) options: BuildOptions,
    pub(crate) backfill: BTreeMap<NodeId, BackfillWindow>,
    pub(crate) invocation: Arc<Invocation>,
    /// Namespaces that the project's nodes go to.
    pub(crate) namespaces: Arc<BTreeSet<String>>,
    /// When the run started, on the business clock.
    pub(crate) started: DateTime<Utc>,
    /// The one commit of a run that publishes at its end, announced in each version's own files.
    pub(crate) run_commit: Option<CommitId>,
    pub(crate) staged: Mutex<Vec<StagedNode>>,
    /// The SQL that nodes compiled to.
    pub(crate) compiled: Mutex<BTreeMap<NodeId, String>>,
    /// The periods that microbatch models computed.
    pub(crate) periods: Mutex<BTreeMap<NodeId, ComputedPeriods>>,
}

/// What a workshop is made of.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The user's project.
    pub project: Arc<Project>,
    /// What must never be forgotten.
    pub ledger: Ledger,
    /// The tables.
    pub lake: Lake,
    /// Runs queries.
    pub engine: Engine,
    /// The project's files.
    pub files: Arc<dyn Files>,
    /// Where tables are read and published.
    pub environment: EnvironmentName,
    /// The dialect of the project's SQL.
    pub dialect: Dialect,
}

impl Workshop {
    /// Opens the workshop for a run that the ledger knows.
    pub fn new(tools: Tools, run: RunId, options: BuildOptions) -> Self {
        let Tools { project, ledger, lake, engine, files, environment, dialect } = tools;
        let run_commit = options.publish_at_end.then(|| ledger.new_commit_id());
        let staged = Mutex::default();
        let started = ledger.clocks().business.now();
        let relations = project.graph.nodes.values().filter_map(|node| node.relation.as_ref());
        let namespaces: BTreeSet<&str> = relations.map(|one| one.schema.as_str()).collect();
        let namespaces = Arc::new(namespaces.into_iter().map(str::to_owned).collect());
        Self {
            project,
            ledger,
            lake,
            engine,
            files,
            environment,
            dialect,
            run,
            options,
            backfill: BTreeMap::new(),
            invocation: Arc::default(),
            namespaces,
            started,
            run_commit,
            staged,
            compiled: Mutex::default(),
            periods: Mutex::default(),
        }
    }

    /// Says how the command was called.
    #[must_use]
    pub fn called(mut self, invocation: Invocation) -> Self {
        self.invocation = Arc::new(invocation);
        self
    }

    /// When the run started, by the business clock.
    pub fn started(&self) -> DateTime<Utc> {
        self.started
    }

    /// What statements are carried out with.
    pub(crate) fn hands(&self) -> Hands {
        Hands {
            ledger: self.ledger.clone(),
            lake: self.lake.clone(),
            engine: self.engine.clone(),
            environment: self.environment.clone(),
            dialect: self.dialect,
            run: self.run.clone(),
            namespace: self.project.target.schema.clone(),
        }
    }

    /// Makes rows of a stretch of time anew in these incremental models, from all rows that their
    /// inputs hold; the rest of each table stays.
    #[must_use]
    pub fn with_backfill(mut self, windows: BTreeMap<NodeId, BackfillWindow>) -> Self {
        self.backfill = windows;
        self
    }

    /// The environment as it is now, with the run's own staged versions in place of what they
    /// will replace.
    pub(crate) async fn catalog(&self) -> Result<Catalog, TransformationError> {
        let catalog = Catalog::of_environment(&self.ledger, &self.lake, &self.environment)
            .await
            .map_err(|error| TransformationError::from_query(error, None))?;
        let beneath = self.invocation.beneath.iter();
        let catalog =
            beneath.fold(catalog, |catalog, version| match catalog.holds(&version.table) {
                true => catalog,
                false => {
                    let location = version.metadata_location.clone();
                    catalog.with_version(version.table.clone(), location, version.kind)
                }
            });
        let staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(staged.iter().fold(catalog, |catalog, node| node.shown_in(catalog)))
    }

    /// A session of the project's dialect over what a catalog shows.
    pub(crate) fn session(&self, catalog: Catalog) -> Session {
        self.hands().session(catalog)
    }

    /// The kinds of what the environment holds, staged versions included.
    pub(crate) async fn existing(&self) -> Result<Existing, TransformationError> {
        let mut found = Existing::new(self.ledger.pointer_map(&self.environment).await?);
        let staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        for version in &self.invocation.beneath {
            if found.get(&version.table).is_none() {
                found.insert(version.table.clone(), version.kind);
            }
        }
        for node in staged.iter() {
            found.insert(node.swing.table.clone(), node.swing.kind);
        }
        Ok(found)
    }

    /// The commit that will publish a node's version.
    pub(crate) fn commit_id(&self) -> CommitId {
        self.run_commit.clone().unwrap_or_else(|| self.ledger.new_commit_id())
    }

    /// The SQL of a node, against what is published. `from_nothing` compiles an incremental model
    /// as its first run would.
    ///
    /// # Errors
    /// When the template, or a query that it asks, is wrong.
    pub async fn compile_node(
        &self,
        id: &NodeId,
        from_nothing: bool,
    ) -> Result<String, TransformationError> {
        let Some(node) = self.project.graph.node(id) else {
            return Err(TransformationError::Internal(format!("no node \"{id}\" in the graph")));
        };
        let session = self.session(self.catalog().await?);
        Ok(self.compile(node, &session, from_nothing).await?.sql)
    }

    /// The SQL that nodes compiled to so far.
    pub fn compiled(&self) -> BTreeMap<NodeId, String> {
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs a text of any number of statements in the environment, and gives the rows of the last
    /// query.
    ///
    /// # Errors
    /// When a statement is wrong.
    pub async fn statement(
        &self,
        sql: &str,
    ) -> Result<Option<(SchemaRef, Vec<RecordBatch>)>, TransformationError> {
        let world = self.world(self.session(self.catalog().await?)).await?;
        Ok(world.carry_out(sql).await?.map(|rows| (rows.schema, rows.batches)))
    }

    /// The SQL of a text in the project's Jinja, against what is published.
    ///
    /// # Errors
    /// When the text is wrong.
    pub async fn compile_text(&self, text: &str) -> Result<String, TransformationError> {
        let world = self.world(self.session(self.catalog().await?)).await?;
        let (context, _) = self.context(&world, self.options.full_refresh);
        let (project, text) = (Arc::clone(&self.project), text.to_owned());
        tokio::task::spawn_blocking(move || project.compile_text(&text, &context))
            .await
            .map_err(|error| TransformationError::Internal(format!("a text broke off: {error}")))?
            .map_err(TransformationError::Project)
    }

    /// The periods that microbatch models computed so far, published or not.
    pub fn computed_periods(&self) -> BTreeMap<NodeId, ComputedPeriods> {
        self.periods.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The leases under which versions wait for the end of the run; they must be renewed.
    pub fn staged_leases(&self) -> Vec<Lease> {
        let staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        staged.iter().map(|node| node.lease.clone()).collect()
    }

    /// Versions that wait for the end of the run.
    pub(crate) fn take_staged(&self) -> Vec<StagedNode> {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *staged)
    }
}

/// A table or view as it is, for catalogs.
#[derive(Clone, Debug)]
pub struct DescribedTable {
    /// The node whose rows it holds.
    pub node: NodeId,
    /// Whether it is a view.
    pub is_view: bool,
    /// Its columns and their types, in the project's dialect.
    pub columns: Vec<(String, String)>,
}

impl Workshop {
    /// What is published for the project's nodes.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn described(&self) -> Result<Vec<DescribedTable>, TransformationError> {
        let existing = self.existing().await?;
        let session = self.session(self.catalog().await?);
        let mut found = Vec::new();
        for node in self.project.graph.nodes.values() {
            let Some(relation) = &node.relation else { continue };
            let Some(kind) = existing.get(&relation.table()) else { continue };
            let sql = format!("select * from {relation}");
            let Ok(prepared) = session.prepare(&sql).await else { continue };
            let schema = prepared.schema();
            let columns = schema.fields().iter().map(|field| {
                let column = crate::facts::column(field.name(), field.data_type(), self.dialect);
                (field.name().clone(), column.data_type)
            });
            found.push(DescribedTable {
                node: node.id.clone(),
                is_view: kind == ledger::PointerKind::View,
                columns: columns.collect(),
            });
        }
        Ok(found)
    }
}
