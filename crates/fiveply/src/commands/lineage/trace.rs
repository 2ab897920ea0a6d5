//! Follows columns from hop to hop, upward and downward.

use std::collections::{BTreeSet, VecDeque};

use base::{NodeId, TableName};
use compute::Lineage;
use ledger::PointerKind;
use project::{Graph, Node, NodeKind, TestKind};
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::planned::{Planned, word};
use crate::workplace::Workplace;

/// A column of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Place {
    pub(crate) node: NodeId,
    pub(crate) column: String,
}

/// One hop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Edge {
    pub(crate) from: Place,
    pub(crate) to: Place,
    /// `copied`, `cast`, `computed` or `aggregated`.
    pub(crate) how: &'static str,
}

/// A column that decides which rows a node has, by a filter, a join or a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Decision {
    pub(crate) from: Place,
    pub(crate) to: NodeId,
}

/// Something at the end that is no column: a test, a dashboard, a metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct End {
    pub(crate) node: NodeId,
    pub(crate) reads: Place,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) starts: Vec<Place>,
    pub(crate) up: BTreeSet<Edge>,
    pub(crate) down: BTreeSet<Edge>,
    pub(crate) decisions: BTreeSet<Decision>,
    pub(crate) ends: BTreeSet<End>,
    pub(crate) unplanned: Vec<(NodeId, String)>,
}

/// The columns of a node: as planned, as published, or as declared.
///
/// # Errors
/// When the ledger or a table cannot be read.
pub(crate) async fn columns_of(
    place: &Workplace,
    planned: &Planned,
    node: &Node,
) -> Result<Vec<String>, Failure> {
    let names = |schema: &arrow::datatypes::Schema| {
        schema.fields().iter().map(|field| field.name().clone()).collect()
    };
    if let Some(schema) = planned.schemas.get(&node.id).filter(|_| node.kind == NodeKind::Model) {
        return Ok(names(schema));
    }
    let table = node.relation.as_ref().map(project::Relation::table);
    let pointer = match &table {
        Some(table) => place.ledger.pointer(&place.environment, table).await?,
        None => None,
    };
    match pointer {
        Some(pointer) if pointer.kind == PointerKind::Table => {
            Ok(names(place.lake.read(&pointer.metadata_location).await?.arrow_schema()))
        }
        Some(pointer) => Ok(names(&place.lake.read_view(&pointer.metadata_location).await?.schema)),
        None => Ok(node.columns.iter().map(|column| column.name.clone()).collect()),
    }
}

impl Trace {
    /// Follows columns from `starts`.
    pub(crate) fn of(
        graph: &Graph,
        planned: &Planned,
        starts: &[Place],
        up: bool,
        down: bool,
        depth: Option<usize>,
    ) -> Self {
        let mut trace = Self { starts: starts.to_vec(), ..Self::default() };
        let walk = Walk { graph, planned, depth };
        if up {
            trace.up = walk.edges(starts, |place| walk.above(place), |edge| &edge.from);
        }
        if down {
            trace.down = walk.edges(starts, |place| walk.below(place), |edge| &edge.to);
        }
        let mut reached: BTreeSet<&Place> = starts.iter().collect();
        reached.extend(trace.down.iter().map(|edge| &edge.to));
        if down {
            trace.ends = reached.iter().flat_map(|place| walk.ends(place)).collect();
        }
        let nodes: BTreeSet<&NodeId> = trace
            .up
            .iter()
            .map(|edge| &edge.to.node)
            .chain(starts.iter().map(|p| &p.node))
            .collect();
        if up {
            trace.decisions = nodes.into_iter().flat_map(|node| walk.decisions(node)).collect();
        }
        let pairs = planned.unplanned.iter();
        trace.unplanned = pairs.map(|(node, why)| (node.clone(), why.clone())).collect();
        trace
    }

    /// For scripts.
    pub(crate) fn json(&self) -> Value {
        let unplanned: Vec<Value> = self
            .unplanned
            .iter()
            .map(|(node, why)| json!({"node": node, "message": why}))
            .collect();
        json!({
            "columns": self.starts,
            "up": self.up,
            "down": self.down,
            "decides": self.decisions,
            "readers": self.ends,
            "unplanned": unplanned,
        })
    }
}

struct Walk<'a> {
    graph: &'a Graph,
    planned: &'a Planned,
    depth: Option<usize>,
}

impl Walk<'_> {
    fn edges(
        &self,
        starts: &[Place],
        next: impl Fn(&Place) -> Vec<Edge>,
        end: impl Fn(&Edge) -> &Place,
    ) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        let mut seen: BTreeSet<Place> = starts.iter().cloned().collect();
        let mut waiting: VecDeque<(Place, usize)> =
            starts.iter().map(|place| (place.clone(), 0)).collect();
        while let Some((place, hops)) = waiting.pop_front() {
            if self.depth.is_some_and(|depth| hops >= depth) {
                continue;
            }
            for edge in next(&place) {
                let further = end(&edge).clone();
                if seen.insert(further.clone()) {
                    waiting.push_back((further, hops + 1));
                }
                edges.insert(edge);
            }
        }
        edges
    }

    fn above(&self, place: &Place) -> Vec<Edge> {
        let Some(lineage) = self.planned.lineages.get(&place.node) else { return Vec::new() };
        let Some(column) = lineage.column(&place.column) else { return Vec::new() };
        let origins = column.origins.iter().filter_map(|origin| {
            let from = self.place(&origin.table, &origin.column)?;
            Some(Edge { from, to: place.clone(), how: word(origin.how) })
        });
        origins.collect()
    }

    fn below(&self, place: &Place) -> Vec<Edge> {
        let Some(table) = self.table(&place.node) else { return Vec::new() };
        let mut found = Vec::new();
        for (reader, lineage) in self.readers(&place.node) {
            for column in &lineage.columns {
                let origin = column.origins.iter().find(|origin| {
                    origin.table == table && origin.column.eq_ignore_ascii_case(&place.column)
                });
                if let Some(origin) = origin {
                    let to = Place { node: reader.clone(), column: column.name.clone() };
                    found.push(Edge { from: place.clone(), to, how: word(origin.how) });
                }
            }
        }
        found
    }

    fn decisions(&self, node: &NodeId) -> Vec<Decision> {
        let Some(lineage) = self.planned.lineages.get(node) else { return Vec::new() };
        let decides = lineage.decides.iter().filter_map(|origin| {
            let from = self.place(&origin.table, &origin.column)?;
            Some(Decision { from, to: node.clone() })
        });
        decides.collect()
    }

    /// Tests of the column, and what reads the node without columns of its own.
    fn ends(&self, place: &Place) -> Vec<End> {
        let children = self.graph.children(&place.node).iter();
        let reads =
            children.filter_map(|id| self.graph.node(id)).filter(|child| match child.kind {
                NodeKind::Test => child.test.as_ref().is_some_and(|test| match &test.kind {
                    TestKind::Generic { column: Some(column), .. } => {
                        test.attached.as_ref() == Some(&place.node)
                            && column.eq_ignore_ascii_case(&place.column)
                    }
                    TestKind::Generic { column: None, .. } | TestKind::Singular => true,
                }),
                NodeKind::Exposure
                | NodeKind::Metric
                | NodeKind::SemanticModel
                | NodeKind::SavedQuery
                | NodeKind::Dashboard
                | NodeKind::Sync
                | NodeKind::FeatureView => true,
                NodeKind::Stream
                | NodeKind::Source
                | NodeKind::Seed
                | NodeKind::Model
                | NodeKind::Snapshot
                | NodeKind::Analysis
                | NodeKind::Operation
                | NodeKind::UnitTest => false,
            });
        reads.map(|child| End { node: child.id.clone(), reads: place.clone() }).collect()
    }

    fn place(&self, table: &TableName, column: &str) -> Option<Place> {
        let node = self.graph.node_of_table(table)?.id.clone();
        Some(Place { node, column: column.to_owned() })
    }

    fn table(&self, node: &NodeId) -> Option<TableName> {
        let node = self.graph.node(node)?;
        node.relation.as_ref().filter(|_| !node.is_ephemeral()).map(project::Relation::table)
    }

    /// The planned nodes that read a node, through ephemeral ones too.
    fn readers(&self, node: &NodeId) -> Vec<(&NodeId, &Lineage)> {
        let mut readers = Vec::new();
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<&NodeId> = self.graph.children(node).iter().collect();
        while let Some(child) = waiting.pop() {
            if !seen.insert(child) {
                continue;
            }
            if self.graph.node(child).is_some_and(Node::is_ephemeral) {
                waiting.extend(self.graph.children(child));
            } else if let Some(lineage) = self.planned.lineages.get_key_value(child) {
                readers.push(lineage);
            }
        }
        readers
    }
}
