//! Where one column comes from and who reads it, found by planning each node's own SQL.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use access::Permission;
use axum::Json;
use axum::extract::{Path, State};
use base::{NodeId, RunId, TableName};
use compute::{Catalog, How, Lineage, Session, SessionOptions};
use ledger::PointerKind;
use project::{Graph, Node, NodeKind};
use serde::Serialize;
use transformation::{BuildOptions, Tools, Workshop};

use crate::{Answer, Platform, Routes, ServerError, SharedPlatform};

/// Columns of one answer.
const COLUMNS_MAX: usize = 1_000;
/// Nodes whose SQL is planned for one answer.
const NODES_MAX: usize = 300;

pub(super) fn routes() -> Routes {
    let path = "/api/v1/lineage/{node}/columns/{column}";
    Routes::new().get(path, Permission::See, "where a column comes from and who reads it", column)
}

/// A column and everything on the way to it and from it.
#[derive(Debug, Default, Serialize)]
struct ColumnAnswer {
    columns: Vec<ColumnPlace>,
    edges: Vec<ColumnEdge>,
    /// Nodes whose SQL could not be planned now.
    unplanned: Vec<NodeId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
struct ColumnPlace {
    node: NodeId,
    column: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct ColumnEdge {
    from: ColumnPlace,
    to: ColumnPlace,
    how: &'static str,
}

async fn column(
    State(platform): State<SharedPlatform>,
    Path((node, column)): Path<(String, String)>,
) -> Answer<ColumnAnswer> {
    let project = platform.project();
    let start = NodeId::new(node.as_str());
    if project.graph.node(&start).is_none() {
        let message = format!("there is no node \"{}\"", node.escape_debug());
        return Err(ServerError::not_found(message).with_help("/api/v1/tables lists them."));
    }
    let mut planner = Planner::open(&platform).await?;
    let start = ColumnPlace { node: start, column };
    let mut edges: BTreeSet<ColumnEdge> = BTreeSet::new();
    let mut places: BTreeSet<ColumnPlace> = [start.clone()].into();
    planner.walk(&start, true, &mut places, &mut edges).await;
    planner.walk(&start, false, &mut places, &mut edges).await;
    let unplanned = planner.known.iter().filter(|(_, found)| found.is_none());
    Ok(Json(ColumnAnswer {
        unplanned: unplanned.map(|(node, _)| node.clone()).collect(),
        columns: places.into_iter().collect(),
        edges: edges.into_iter().collect(),
    }))
}

/// Plans nodes' SQL, each once.
struct Planner {
    graph: Arc<Graph>,
    workshop: Workshop,
    session: Session,
    known: HashMap<NodeId, Option<Arc<Lineage>>>,
}

impl Planner {
    async fn open(platform: &Platform) -> Result<Self, ServerError> {
        let project = platform.project();
        let (ledger, lake) = (&platform.ledger, &platform.lake);
        let mut catalog = Catalog::of_environment(ledger, lake, &platform.environment).await?;
        // A view is a hop of its own here, so that it stands for its rows, not for its query.
        for pointer in ledger.pointers(&platform.environment).await? {
            if pointer.kind == PointerKind::View {
                let schema = lake.read_view(&pointer.metadata_location).await?.schema;
                catalog = catalog.with_batches(pointer.table, schema, Vec::new());
            }
        }
        let options = SessionOptions {
            dialect: platform.dialect,
            business_now: platform.clocks.business.now(),
            time_zone: "UTC".to_owned(),
            default_namespace: Some(project.target.schema.clone()),
        };
        let machine = platform.clocks.machine.as_ref();
        let run = RunId::generate(machine, ledger.randomness().as_ref());
        let tools = Tools {
            project: Arc::clone(&project),
            ledger: ledger.clone(),
            lake: lake.clone(),
            engine: platform.engine.clone(),
            files: Arc::clone(&platform.files),
            environment: platform.environment.clone(),
            dialect: platform.dialect,
        };
        Ok(Self {
            graph: Arc::clone(&project.graph),
            workshop: Workshop::new(tools, run, BuildOptions::default()),
            session: platform.engine.session(catalog, options),
            known: HashMap::new(),
        })
    }

    /// Where the columns of a node come from; nothing for what has no SQL or cannot be planned.
    async fn lineage(&mut self, id: &NodeId) -> Option<Arc<Lineage>> {
        if let Some(known) = self.known.get(id) {
            return known.clone();
        }
        let node = self.graph.node(id)?;
        let has_sql = node.kind == NodeKind::Model && !node.is_python();
        if !has_sql || self.known.len() >= NODES_MAX {
            return None;
        }
        let planned = match self.workshop.compile_node(id, false).await {
            Ok(sql) => self.session.prepare(&sql).await.ok(),
            Err(_) => None,
        };
        let lineage = planned.map(|prepared| Arc::new(prepared.lineage()));
        self.known.insert(id.clone(), lineage.clone());
        lineage
    }

    async fn walk(
        &mut self,
        start: &ColumnPlace,
        upward: bool,
        places: &mut BTreeSet<ColumnPlace>,
        edges: &mut BTreeSet<ColumnEdge>,
    ) {
        let mut seen: BTreeSet<ColumnPlace> = [start.clone()].into();
        let mut waiting: VecDeque<ColumnPlace> = [start.clone()].into();
        while let Some(place) = waiting.pop_front() {
            let found = if upward { self.above(&place).await } else { self.below(&place).await };
            for edge in found {
                let next = if upward { edge.from.clone() } else { edge.to.clone() };
                edges.insert(edge);
                if places.len() < COLUMNS_MAX && seen.insert(next.clone()) {
                    places.insert(next.clone());
                    waiting.push_back(next);
                }
            }
        }
    }

    async fn above(&mut self, place: &ColumnPlace) -> Vec<ColumnEdge> {
        let Some(lineage) = self.lineage(&place.node).await else { return Vec::new() };
        let Some(column) = lineage.column(&place.column) else { return Vec::new() };
        let origins = column.origins.iter().filter_map(|origin| {
            let node = self.graph.node_of_table(&origin.table)?.id.clone();
            let from = ColumnPlace { node, column: origin.column.clone() };
            Some(ColumnEdge { from, to: place.clone(), how: word(origin.how) })
        });
        origins.collect()
    }

    async fn below(&mut self, place: &ColumnPlace) -> Vec<ColumnEdge> {
        let Some(table) = self.table(&place.node) else { return Vec::new() };
        let mut found = Vec::new();
        for reader in self.readers(&place.node) {
            let Some(lineage) = self.lineage(&reader).await else { continue };
            for column in &lineage.columns {
                let from = column.origins.iter().find(|origin| {
                    origin.table == table && origin.column.eq_ignore_ascii_case(&place.column)
                });
                if let Some(origin) = from {
                    let to = ColumnPlace { node: reader.clone(), column: column.name.clone() };
                    found.push(ColumnEdge { from: place.clone(), to, how: word(origin.how) });
                }
            }
        }
        found
    }

    fn table(&self, node: &NodeId) -> Option<TableName> {
        let node = self.graph.node(node)?;
        node.relation.as_ref().filter(|_| !node.is_ephemeral()).map(project::Relation::table)
    }

    /// The models that read a node, through ephemeral ones too.
    fn readers(&self, node: &NodeId) -> Vec<NodeId> {
        let mut readers = Vec::new();
        let mut waiting: Vec<&NodeId> = self.graph.children(node).iter().collect();
        while let Some(child) = waiting.pop() {
            match self.graph.node(child) {
                Some(Node { kind: NodeKind::Model, .. }) if self.is_ephemeral(child) => {
                    waiting.extend(self.graph.children(child));
                }
                Some(Node { kind: NodeKind::Model, .. }) => readers.push(child.clone()),
                Some(_) | None => {}
            }
        }
        readers
    }

    fn is_ephemeral(&self, node: &NodeId) -> bool {
        self.graph.node(node).is_some_and(Node::is_ephemeral)
    }
}

fn word(how: How) -> &'static str {
    match how {
        How::Copied => "copied",
        How::Cast => "cast",
        How::Computed => "computed",
        How::Aggregated => "aggregated",
    }
}
