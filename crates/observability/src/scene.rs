//! What a diagnosis looks at: the nodes between the sources and a number, their SQL as it builds
//! them from nothing, where their columns come from, and the tables as readers see them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use base::{NodeId, RunId, TableName};
use chrono::{DateTime, Utc};
use compute::{Catalog, Dialect, Lineage, Session, SessionOptions, ViewText, output};
use ledger::PointerKind;
use project::{Graph, Materialization, Node, NodeKind};
use serde_json::{Map, Value};
use transformation::{BuildOptions, Tools, Workshop};

use crate::ObservabilityError;

/// Namespace of tables that a diagnosis sets beside the real ones.
pub(crate) const BESIDE: &str = "__diagnosis";

pub(crate) type Row = Map<String, Value>;

/// What a diagnosis looks at.
pub(crate) struct Scene {
    pub(crate) tools: Tools,
    /// Every table and view as readers see it.
    pub(crate) published: Catalog,
    /// Nodes on the way that have a table, sources first, the asked one last.
    pub(crate) nodes: Vec<NodeId>,
    /// Parents with a table; models without one are looked through.
    pub(crate) parents: BTreeMap<NodeId, Vec<NodeId>>,
    /// The SQL of each model as it builds it from nothing.
    pub(crate) sql: BTreeMap<NodeId, String>,
    /// Where the columns of each model come from.
    pub(crate) lineage: BTreeMap<NodeId, Lineage>,
    pub(crate) schemas: BTreeMap<TableName, SchemaRef>,
    locations: BTreeMap<TableName, String>,
    /// What could not be looked at, and why.
    pub(crate) limits: Vec<String>,
}

impl Scene {
    pub(crate) async fn open(
        tools: &Tools,
        targets: &[NodeId],
    ) -> Result<Self, ObservabilityError> {
        let published =
            Catalog::of_environment(&tools.ledger, &tools.lake, &tools.environment).await?;
        let pointers = tools.ledger.pointers(&tools.environment).await?;
        let locations = pointers.into_iter().map(|one| (one.table, one.metadata_location));
        let locations = locations.collect();
        let mut scene = Self {
            tools: tools.clone(),
            published,
            nodes: Vec::new(),
            parents: BTreeMap::new(),
            sql: BTreeMap::new(),
            lineage: BTreeMap::new(),
            schemas: BTreeMap::new(),
            locations,
            limits: Vec::new(),
        };
        scene.collect(targets);
        scene.read_schemas().await?;
        scene.compile().await;
        Ok(scene)
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.tools.project.graph
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.tools.ledger.clocks().business.now()
    }

    pub(crate) fn node(&self, id: &NodeId) -> Option<&Node> {
        self.graph().node(id)
    }

    /// The table of a node on the way.
    pub(crate) fn table(&self, id: &NodeId) -> Option<TableName> {
        Some(self.node(id)?.relation.as_ref()?.table())
    }

    pub(crate) fn schema(&self, id: &NodeId) -> Option<&SchemaRef> {
        self.schemas.get(&self.table(id)?)
    }

    pub(crate) fn materialized(&self, id: &NodeId) -> Option<&Materialization> {
        let node = self.node(id).filter(|node| node.kind == NodeKind::Model)?;
        Some(&node.config.materialized)
    }

    pub(crate) fn is_incremental(&self, id: &NodeId) -> bool {
        matches!(self.materialized(id), Some(Materialization::Incremental))
    }

    /// Whether the rows of a node are what its SQL gives at this moment.
    pub(crate) fn is_view(&self, id: &NodeId) -> bool {
        matches!(self.materialized(id), Some(Materialization::View))
    }

    /// The nodes and everything they read, sources first.
    fn collect(&mut self, targets: &[NodeId]) {
        let graph = Arc::clone(&self.tools.project.graph);
        let mut wanted: BTreeSet<NodeId> = targets.iter().cloned().collect();
        for target in targets {
            wanted.extend(graph.ancestors(target, None));
        }
        for id in graph.order() {
            let Some(node) = graph.node(id).filter(|node| wanted.contains(&node.id)) else {
                continue;
            };
            if table_owner(&graph, node).as_ref() != Some(id) {
                continue;
            }
            self.parents.insert(id.clone(), parents_with_tables(&graph, id));
            self.nodes.push(id.clone());
        }
    }

    async fn read_schemas(&mut self) -> Result<(), ObservabilityError> {
        let known: BTreeSet<TableName> = self.published.names().cloned().collect();
        let mut missing = Vec::new();
        let session = self.session(self.published.clone());
        for id in &self.nodes {
            let Some(table) = self.table(id) else { continue };
            if !known.contains(&table) {
                missing.push(format!("{table} is not there yet"));
                continue;
            }
            match session.prepare(&format!("select * from {}", quoted(&table))).await {
                Ok(prepared) => {
                    self.schemas.insert(table, prepared.schema());
                }
                Err(error) => missing.push(format!("{table} cannot be read: {error}")),
            }
        }
        self.limits.extend(missing);
        Ok(())
    }

    /// Compiles each model from nothing and finds where its columns come from. A model that does
    /// not compile is left out and named.
    async fn compile(&mut self) {
        // The templates see the run's id; this is none that the ledger would know.
        let run = RunId::new("diagnosis");
        let workshop = Workshop::new(self.tools.clone(), run, BuildOptions::default());
        for id in self.nodes.clone() {
            if self.node(&id).is_none_or(|node| node.kind != NodeKind::Model) {
                continue;
            }
            let sql = match workshop.compile_node(&id, true).await {
                Ok(sql) => sql,
                Err(error) => {
                    self.limits.push(format!("{id} does not compile: {error}"));
                    continue;
                }
            };
            match self.trace(&id, &sql).await {
                Ok(lineage) => {
                    self.lineage.insert(id.clone(), lineage);
                    self.sql.insert(id, sql);
                }
                Err(error) => self.limits.push(format!("{id} cannot be planned: {error}")),
            }
        }
    }

    /// Plans a model over its direct parents, so that columns lead to them and not beyond.
    async fn trace(&self, id: &NodeId, sql: &str) -> Result<Lineage, ObservabilityError> {
        let mut catalog = self.published.clone();
        for parent in self.parents.get(id).into_iter().flatten() {
            if let (Some(table), Some(schema)) = (self.table(parent), self.schema(parent)) {
                let empty = RecordBatch::new_empty(Arc::clone(schema));
                catalog = catalog.with_batches(table, Arc::clone(schema), vec![empty]);
            }
        }
        let session = self.session_in(catalog, self.tools.dialect);
        Ok(session.prepare(sql).await?.lineage())
    }

    /// A session for our own queries.
    pub(crate) fn session(&self, catalog: Catalog) -> Session {
        self.session_in(catalog, Dialect::Postgres)
    }

    /// A session for the project's own SQL.
    pub(crate) fn project_session(&self, catalog: Catalog) -> Session {
        self.session_in(catalog, self.tools.dialect)
    }

    fn session_in(&self, catalog: Catalog, dialect: Dialect) -> Session {
        let options = SessionOptions {
            dialect,
            business_now: self.now(),
            time_zone: "UTC".to_owned(),
            default_namespace: Some(self.tools.project.target.schema.clone()),
        };
        self.tools.engine.session(catalog, options)
    }

    /// A model's SQL in place of its table.
    pub(crate) fn anew(&self, catalog: Catalog, id: &NodeId) -> Catalog {
        match (self.table(id), self.sql.get(id)) {
            (Some(table), Some(sql)) => catalog.with_view(table, self.view(sql)),
            _ => catalog,
        }
    }

    /// A view in the project's own dialect.
    pub(crate) fn view(&self, sql: &str) -> ViewText {
        ViewText {
            sql: sql.to_owned(),
            dialect: self.tools.dialect,
            default_namespace: Some(self.tools.project.target.schema.clone()),
        }
    }

    /// The metadata file that a table points to now.
    pub(crate) fn location(&self, table: &TableName) -> Option<String> {
        self.locations.get(table).cloned()
    }

    /// A view of ours.
    pub(crate) fn own_view(&self, sql: String) -> ViewText {
        ViewText { sql, dialect: Dialect::Postgres, default_namespace: None }
    }

    /// A version of a table under a name beside the real ones.
    pub(crate) fn beside(
        &self,
        catalog: Catalog,
        table: &TableName,
        metadata_location: &str,
    ) -> (Catalog, TableName) {
        let name = TableName::new(BESIDE, format!("{}__{}", table.namespace, table.name));
        let catalog = catalog.with_version(name.clone(), metadata_location, PointerKind::Table);
        (catalog, name)
    }

    /// The rows of a query of ours.
    pub(crate) async fn rows(
        &self,
        catalog: &Catalog,
        sql: &str,
    ) -> Result<Vec<Row>, ObservabilityError> {
        rows_of(&self.session(catalog.clone()), sql).await
    }

    /// Says that something could not be looked at, and goes on without.
    pub(crate) fn or_limit<T: Default>(
        &mut self,
        what: &str,
        looked: Result<T, ObservabilityError>,
    ) -> T {
        looked.unwrap_or_else(|error| {
            let said = format!("{what}: {error}");
            if !self.limits.contains(&said) {
                self.limits.push(said);
            }
            T::default()
        })
    }
}

/// The rows of a query as JSON objects.
pub(crate) async fn rows_of(session: &Session, sql: &str) -> Result<Vec<Row>, ObservabilityError> {
    let batches = session.rows(sql).await?;
    let mut text = Vec::new();
    output::json_lines(&batches, &mut text)?;
    let text = String::from_utf8_lossy(&text);
    let rows = text.lines().map(serde_json::from_str::<Row>);
    rows.collect::<Result<_, _>>()
        .map_err(|error| ObservabilityError::Internal(format!("a row is no JSON: {error}")))
}

/// The node in whose name a node's table is kept: a source declared over a stream is the stream.
fn table_owner(graph: &Graph, node: &Node) -> Option<NodeId> {
    let has_rows = matches!(
        node.kind,
        NodeKind::Stream | NodeKind::Source | NodeKind::Seed | NodeKind::Model | NodeKind::Snapshot
    );
    if !has_rows || node.is_ephemeral() {
        return None;
    }
    graph.node_of_table(&node.relation.as_ref()?.table()).map(|owner| owner.id.clone())
}

fn parents_with_tables(graph: &Graph, id: &NodeId) -> Vec<NodeId> {
    let mut found = BTreeSet::new();
    let mut edge: Vec<NodeId> = graph.parents(id).to_vec();
    while let Some(parent) = edge.pop() {
        let Some(node) = graph.node(&parent) else { continue };
        match table_owner(graph, node) {
            Some(owner) => {
                found.insert(owner);
            }
            None => edge.extend(graph.parents(&parent).iter().cloned()),
        }
    }
    found.into_iter().collect()
}

/// A table's name in our own queries.
pub(crate) fn quoted(table: &TableName) -> String {
    format!("{}.{}", name(&table.namespace), name(&table.name))
}

/// A name in our own queries.
pub(crate) fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A moment in our own queries.
pub(crate) fn moment(at: DateTime<Utc>) -> String {
    format!("cast('{}' as timestamp)", at.format("%Y-%m-%d %H:%M:%S%.6f"))
}

/// A number in a row, whatever its type.
pub(crate) fn number(row: &Row, column: &str) -> f64 {
    match row.get(column) {
        Some(Value::Number(number)) => number.as_f64().unwrap_or(0.0),
        Some(Value::String(text)) => text.parse().unwrap_or(0.0),
        _ => 0.0,
    }
}

/// A count in a row.
pub(crate) fn whole(row: &Row, column: &str) -> u64 {
    let number = number(row, column);
    if number > 0.0 { number.round() as u64 } else { 0 }
}

/// A text in a row.
pub(crate) fn text<'r>(row: &'r Row, column: &str) -> Option<&'r str> {
    row.get(column)?.as_str()
}

/// A moment in a row.
pub(crate) fn time(row: &Row, column: &str) -> Option<DateTime<Utc>> {
    let text = text(row, column)?.trim_end_matches('Z');
    let text = text.trim_end_matches("+00:00").replace(' ', "T");
    let naive = text.parse::<chrono::NaiveDateTime>().ok();
    let date = || text.parse::<chrono::NaiveDate>().ok()?.and_hms_opt(0, 0, 0);
    naive.or_else(date).map(|at| at.and_utc())
}
