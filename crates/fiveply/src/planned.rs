//! Plans nodes' SQL before anything is built: the columns each would have, and where each column
//! comes from. A node is a hop of its own, whether it is a table, a view or nothing yet; ephemeral
//! models are part of whoever uses them.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use base::NodeId;
use compute::{Catalog, How, Lineage, SessionOptions};
use ledger::PointerKind;
use project::{Node, NodeKind};
use transformation::Invocation;

use crate::changed;
use crate::failure::Failure;
use crate::workplace::Workplace;

/// What is known about nodes' SQL without running it.
#[derive(Debug, Default)]
pub(crate) struct Planned {
    /// The columns that nodes would have.
    pub(crate) schemas: BTreeMap<NodeId, SchemaRef>,
    /// Where columns come from.
    pub(crate) lineages: BTreeMap<NodeId, Lineage>,
    /// Nodes whose SQL could not be planned, and why.
    pub(crate) unplanned: BTreeMap<NodeId, String>,
}

/// Plans these nodes and everything they read that has SQL.
///
/// # Errors
/// When the ledger cannot be read.
pub(crate) async fn plan(place: &Workplace, nodes: &BTreeSet<NodeId>) -> Result<Planned, Failure> {
    let graph = &place.project.graph;
    let mut wanted = nodes.clone();
    for id in nodes {
        wanted.extend(graph.ancestors(id, None));
    }
    let mut catalog =
        Catalog::of_environment(&place.ledger, &place.lake, &place.environment).await?;
    for pointer in place.ledger.pointers(&place.environment).await? {
        if pointer.kind == PointerKind::View {
            // A view stands for its rows here, not for its query.
            let schema = place.lake.read_view(&pointer.metadata_location).await?.schema;
            catalog = catalog.with_batches(pointer.table, schema, Vec::new());
        }
    }
    let workshop = changed::workshop(place, &Invocation::default());
    let mut planned = Planned::default();
    for node in graph.order().iter().filter(|id| wanted.contains(*id)) {
        let Some(node) = graph.node(node).filter(|node| has_sql(node)) else { continue };
        let options = SessionOptions {
            dialect: place.dialect,
            business_now: place.clocks.business.now(),
            time_zone: "UTC".to_owned(),
            default_namespace: Some(place.project.target.schema.clone()),
        };
        let session = place.engine.session(catalog.clone(), options);
        // As its first run would be: later ones read the table itself besides.
        let prepared = match workshop.compile_node(&node.id, true).await {
            Ok(sql) => session.prepare(&sql).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match prepared {
            Ok(prepared) => {
                planned.lineages.insert(node.id.clone(), prepared.lineage());
                planned.schemas.insert(node.id.clone(), prepared.schema());
                let relation = node.relation.as_ref().filter(|_| node.kind == NodeKind::Model);
                if let Some(relation) = relation {
                    let schema = prepared.schema();
                    catalog = catalog.with_batches(relation.table(), schema, Vec::new());
                }
            }
            Err(why) => {
                planned.unplanned.insert(node.id.clone(), why);
            }
        }
    }
    Ok(planned)
}

fn has_sql(node: &Node) -> bool {
    let kind = matches!(node.kind, NodeKind::Model | NodeKind::Snapshot);
    kind && node.declaration.is_none() && !node.is_python() && !node.is_ephemeral()
}

/// How a column relates to another, in one word.
pub(crate) fn word(how: How) -> &'static str {
    match how {
        How::Copied => "copied",
        How::Cast => "cast",
        How::Computed => "computed",
        How::Aggregated => "aggregated",
    }
}

/// Writes where columns come from into a manifest, under each node's
/// `meta.fiveply_column_lineage`: for each column, the columns it is made of.
///
/// # Errors
/// When the ledger cannot be read.
pub(crate) async fn into_manifest(
    place: &Workplace,
    manifest: &mut serde_json::Value,
) -> Result<(), Failure> {
    let graph = &place.project.graph;
    let all = graph.nodes.keys().cloned().collect();
    let planned = plan(place, &all).await?;
    for (id, lineage) in &planned.lineages {
        let columns: serde_json::Map<String, serde_json::Value> = lineage
            .columns
            .iter()
            .map(|column| {
                let origins = column.origins.iter().filter_map(|origin| {
                    let node = &graph.node_of_table(&origin.table)?.id;
                    let how = word(origin.how);
                    Some(serde_json::json!({"node": node, "column": origin.column, "how": how}))
                });
                (column.name.clone(), origins.collect())
            })
            .collect();
        let meta = manifest
            .get_mut("nodes")
            .and_then(|nodes| nodes.get_mut(id.as_str()))
            .and_then(|node| node.get_mut("meta"))
            .and_then(serde_json::Value::as_object_mut);
        if let Some(meta) = meta {
            meta.insert("fiveply_column_lineage".to_owned(), columns.into());
        }
    }
    Ok(())
}
