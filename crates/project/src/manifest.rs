//! A node in the shape of dbt's manifest: the `model` variable and the `graph` variable.

mod whole;

use serde_json::{Map, Value as Json, json};

use crate::graph::Graph;
use crate::node::{Access, Column, Node, NodeKind};
use crate::python;

pub use whole::ManifestFacts;

/// A node as templates see it in `model`.
pub fn node(node: &Node) -> Json {
    let mut shape = json!({
        "unique_id": node.id.as_str(),
        "name": node.name,
        "resource_type": node.kind.word(),
        "package_name": node.package,
        "path": node.path.split_once('/').map_or(node.path.as_str(), |(_, below)| below),
        "original_file_path": node.path,
        "patch_path": node.patch_path,
        "fqn": node.fqn,
        "alias": alias(node),
        "description": node.description,
        "columns": columns(&node.columns),
        "config": config(node),
        "tags": node.tags,
        "meta": node.meta,
        "group": node.group,
        "access": access(node.access),
        "version": node.version,
        "latest_version": node.latest_version,
        "language": "sql",
        "raw_code": node.raw_sql,
        "raw_sql": node.raw_sql,
        "checksum": {"name": "md5", "checksum": python::md5(&node.raw_sql)},
        "refs": refs(node),
        "sources": sources(node),
        "depends_on": {"nodes": node.depends_on, "macros": []},
        "database": node.relation.as_ref().map(|relation| &relation.database),
        "schema": node.relation.as_ref().map(|relation| &relation.schema),
        "relation_name": node.relation.as_ref().map(ToString::to_string),
        "contract": {"enforced": node.config.contract_enforced},
        "docs": {"show": true},
    });
    if let (Json::Object(fields), Some(source)) = (&mut shape, &node.source) {
        fields.insert("source_name".to_owned(), source.source.as_str().into());
        fields.insert("source_description".to_owned(), source.source_description.as_str().into());
        fields.insert("loader".to_owned(), source.loader.as_str().into());
        fields.insert("identifier".to_owned(), alias(node).into());
    }
    if let (Json::Object(fields), Some(test)) = (&mut shape, &node.test) {
        fields.insert("attached_node".to_owned(), json!(test.attached));
        if let crate::test_node::TestKind::Generic { namespace, name, arguments, column } =
            &test.kind
        {
            fields.insert("column_name".to_owned(), column.as_deref().into());
            let metadata = json!({"namespace": namespace, "name": name, "kwargs": arguments});
            fields.insert("test_metadata".to_owned(), metadata);
        }
    }
    let Json::Object(fields) = &mut shape else { return shape };
    match node.kind {
        NodeKind::Source | NodeKind::Stream => whole::source_shape(node, fields),
        NodeKind::Exposure
        | NodeKind::Metric
        | NodeKind::SemanticModel
        | NodeKind::SavedQuery
        | NodeKind::UnitTest => whole::declared_shape(node, fields),
        _ => {}
    }
    shape
}

fn alias(node: &Node) -> &str {
    node.relation.as_ref().map_or(node.name.as_str(), |relation| &relation.identifier)
}

fn access(access: Access) -> &'static str {
    match access {
        Access::Private => "private",
        Access::Protected => "protected",
        Access::Public => "public",
    }
}

fn refs(node: &Node) -> Vec<Json> {
    let refs = node.refs.iter().map(
        |(call, _)| json!({"name": call.name, "package": call.package, "version": call.version}),
    );
    refs.collect()
}

fn sources(node: &Node) -> Vec<Json> {
    node.sources.iter().map(|call| json!([call.source, call.table])).collect()
}

fn columns(columns: &[Column]) -> Map<String, Json> {
    let one = |column: &Column| {
        json!({
            "name": column.name,
            "description": column.description,
            "data_type": column.data_type,
            "quote": column.quote,
            "tags": column.tags,
            "meta": column.meta,
            "constraints": column.constraints,
        })
    };
    columns.iter().map(|column| (column.name.clone(), one(column))).collect()
}

/// Everything written, with what dbt fills in.
fn config(node: &Node) -> Json {
    let mut all = node.config.all.clone();
    all.insert("enabled".to_owned(), node.config.enabled.into());
    let materialized = match node.kind {
        NodeKind::Model => node.config.materialized.word(),
        NodeKind::Stream
        | NodeKind::Source
        | NodeKind::Seed
        | NodeKind::Snapshot
        | NodeKind::Test
        | NodeKind::Analysis
        | NodeKind::Operation
        | NodeKind::Exposure
        | NodeKind::Metric
        | NodeKind::SemanticModel
        | NodeKind::SavedQuery
        | NodeKind::UnitTest
        | NodeKind::Sync
        | NodeKind::FeatureView
        | NodeKind::Dashboard => node.kind.word(),
    };
    all.insert("materialized".to_owned(), materialized.into());
    all.insert("tags".to_owned(), json!(node.tags));
    all.insert("meta".to_owned(), json!(node.meta));
    for (key, value) in [
        ("schema", Json::Null),
        ("alias", Json::Null),
        ("database", Json::Null),
        ("full_refresh", Json::Null),
        ("unique_key", Json::Null),
        ("incremental_strategy", Json::Null),
        ("on_schema_change", "ignore".into()),
        ("pre-hook", json!([])),
        ("post-hook", json!([])),
        ("quoting", json!({})),
        ("column_types", json!({})),
        ("persist_docs", json!({})),
        ("grants", json!({})),
        ("packages", json!([])),
        ("docs", json!({"show": true})),
        ("contract", json!({"enforced": node.config.contract_enforced, "alias_types": true})),
    ] {
        all.entry(key).or_insert(value);
    }
    if let Some(test) = &node.test {
        test_config(&mut all, test);
    }
    Json::Object(all)
}

fn test_config(all: &mut Map<String, Json>, test: &crate::test_node::Test) {
    all.insert("severity".to_owned(), test.severity.word().into());
    all.insert("fail_calc".to_owned(), test.fail_calculation.as_str().into());
    all.insert("warn_if".to_owned(), test.warn_if.as_str().into());
    all.insert("error_if".to_owned(), test.error_if.as_str().into());
    all.insert("where".to_owned(), test.where_condition.as_deref().into());
    all.insert("limit".to_owned(), test.limit.into());
    all.insert("store_failures".to_owned(), test.store_failures.into());
}

/// The config as `config.get` sees it.
pub(crate) fn config_of(node: &Node) -> Map<String, Json> {
    match config(node) {
        Json::Object(fields) => fields,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Map::new()
        }
    }
}

/// The `graph` variable.
pub fn graph(graph: &Graph) -> Json {
    let mut parts: [Map<String, Json>; 5] = Default::default();
    for (id, found) in &graph.nodes {
        let place = match found.kind {
            NodeKind::Source | NodeKind::Stream => 1,
            NodeKind::Exposure => 2,
            NodeKind::Metric => 3,
            NodeKind::SemanticModel
            | NodeKind::SavedQuery
            | NodeKind::UnitTest
            | NodeKind::Sync
            | NodeKind::FeatureView
            | NodeKind::Dashboard => continue,
            NodeKind::Seed
            | NodeKind::Model
            | NodeKind::Snapshot
            | NodeKind::Test
            | NodeKind::Analysis
            | NodeKind::Operation => 0,
        };
        parts[place].insert(id.as_str().to_owned(), node(found));
    }
    let [nodes, sources, exposures, metrics, groups] = parts;
    json!({
        "nodes": nodes,
        "sources": sources,
        "exposures": exposures,
        "metrics": metrics,
        "groups": groups,
    })
}
