//! A node in the shape of dbt's manifest: the `model` variable and the `graph` variable.

mod defaults;
mod exact;
mod semantic;
mod whole;

use std::collections::BTreeMap;

use base::NodeId;
use serde_json::{Map, Value as Json, json};

use crate::graph::Graph;
use crate::jinja::{RefCall, SourceCall};
use crate::node::{Access, Column, Node, NodeKind};
use crate::python;
use crate::test_node::{Test, TestKind};

pub use whole::ManifestFacts;

/// A node as templates see it in `model`.
pub fn node(node: &Node) -> Json {
    let mut shape = json!({
        "unique_id": node.id.as_str(),
        "name": node.name,
        "resource_type": node.kind.word(),
        "package_name": node.package,
        "path": path(node),
        "original_file_path": node.original_path,
        "patch_path": patch_path(node),
        "fqn": node.fqn,
        "alias": alias(node),
        "description": node.description,
        "columns": columns(&node.columns),
        "config": config(node),
        "tags": node.tags,
        "meta": node.meta,
        "group": node.group,
        "language": "sql",
        "raw_code": node.raw_sql,
        "raw_sql": node.raw_sql,
        "checksum": checksum(node),
        "refs": refs(node),
        "sources": sources(node),
        "metrics": [],
        "functions": [],
        "doc_blocks": [],
        "depends_on": {"macros": node.macros, "nodes": parents(node)},
        "database": node.relation.as_ref().map(|relation| &relation.database),
        "schema": node.relation.as_ref().map(|relation| &relation.schema),
        "relation_name": relation_name(node),
        "contract": contract(node),
        "docs": node.config.all.get("docs").map_or_else(defaults::docs, defaults::docs_of),
    });
    let Json::Object(fields) = &mut shape else { return shape };
    if let Some(source) = &node.source {
        fields.insert("source_name".to_owned(), source.source.as_str().into());
        fields.insert("source_description".to_owned(), source.source_description.as_str().into());
        fields.insert("loader".to_owned(), source.loader.as_str().into());
        fields.insert("identifier".to_owned(), alias(node).into());
    }
    if let Some(test) = &node.test {
        test_fields(node, test, fields);
    }
    match node.kind {
        NodeKind::Model => model_fields(node, fields),
        NodeKind::Seed => {
            for gone in ["language", "refs", "sources", "metrics", "functions", "contract"] {
                fields.remove(gone);
            }
            fields.insert("depends_on".to_owned(), json!({"macros": []}));
        }
        NodeKind::Source | NodeKind::Stream => whole::source_shape(node, fields),
        NodeKind::Exposure
        | NodeKind::Metric
        | NodeKind::SemanticModel
        | NodeKind::SavedQuery
        | NodeKind::UnitTest => whole::declared_shape(node, fields),
        NodeKind::Snapshot
        | NodeKind::Test
        | NodeKind::Analysis
        | NodeKind::Operation
        | NodeKind::Sync
        | NodeKind::FeatureView
        | NodeKind::Dashboard => {}
    }
    shape
}

/// What a node stands on, in dbt's order: sources as they are called, then refs.
fn parents(node: &Node) -> Vec<&NodeId> {
    let of_source = |call: &SourceCall| {
        let end = format!(".{}.{}", call.source, call.table);
        let fits =
            move |id: &&NodeId| id.as_str().starts_with("source.") && id.as_str().ends_with(&end);
        node.depends_on.iter().filter(fits).collect::<Vec<_>>()
    };
    let of_ref = |call: &RefCall| {
        let fits = |id: &&NodeId| {
            let mut parts = id.as_str().splitn(4, '.');
            let kind = parts.next().unwrap_or_default();
            let package = parts.next().unwrap_or_default();
            kind != "source"
                && parts.next() == Some(call.name.as_str())
                && call.package.as_deref().is_none_or(|wanted| wanted == package)
        };
        node.depends_on.iter().filter(fits).collect::<Vec<_>>()
    };
    let called =
        node.sources.iter().map(of_source).chain(node.refs.iter().map(|(call, _)| of_ref(call)));
    let mut found: Vec<&NodeId> = Vec::new();
    for id in called.flatten().chain(&node.depends_on) {
        if !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

/// What only models have.
fn model_fields(node: &Node, fields: &mut Map<String, Json>) {
    fields.insert("access".to_owned(), access(node.access).into());
    fields.insert("version".to_owned(), version(node.version.as_deref()));
    fields.insert("latest_version".to_owned(), version(node.latest_version.as_deref()));
    let written = |key: &str, other: Json| node.config.all.get(key).cloned().unwrap_or(other);
    let deprecated = node.deprecation.as_ref().map(|one| one.date.to_rfc3339());
    fields.insert("deprecation_date".to_owned(), deprecated.into());
    fields.insert("constraints".to_owned(), written("constraints", json!([])));
    fields.insert("primary_key".to_owned(), json!([]));
    let spine = node.config.all.get("time_spine").and_then(Json::as_object).map(|written| {
        let mut spine = written.clone();
        spine.entry("custom_granularities").or_insert_with(|| json!([]));
        Json::Object(spine)
    });
    fields.insert("time_spine".to_owned(), spine.unwrap_or_default());
}

/// What only tests have.
fn test_fields(node: &Node, test: &Test, fields: &mut Map<String, Json>) {
    fields.insert("attached_node".to_owned(), json!(test.attached));
    let TestKind::Generic { namespace, name, arguments, column } = &test.kind else { return };
    fields.insert("column_name".to_owned(), column.as_deref().into());
    let metadata = json!({"namespace": namespace, "name": name, "kwargs": arguments});
    fields.insert("test_metadata".to_owned(), metadata);
    let Some(attached) = &test.attached else { return };
    let mut parts = attached.as_str().splitn(3, '.');
    let place = match parts.next() {
        Some("source") => "sources",
        Some("seed") => "seeds",
        Some("snapshot") => "snapshots",
        _ => "models",
    };
    let name = parts.nth(1).unwrap_or_default();
    let name = if place == "sources" { name.split('.').next() } else { Some(name) };
    fields.insert("file_key_name".to_owned(), json!(format!("{place}.{}", name.unwrap_or(""))));
    // What is tested is named first, as the test's own template does.
    if node.refs.is_empty() && node.sources.is_empty() {
        let parts: Vec<&str> = attached.as_str().split('.').collect();
        match parts.as_slice() {
            ["source", _, source, table] => {
                fields.insert("sources".to_owned(), json!([[source, table]]));
            }
            [_, _, name, rest @ ..] => {
                let written = rest.first().map(|text| text.trim_start_matches('v'));
                let call = json!({"name": name, "package": null, "version": version(written)});
                fields.insert("refs".to_owned(), json!([call]));
            }
            _ => {}
        }
    }
}

/// The path as dbt shortens it: a generic test has a file of its own name, a source its YAML file.
fn path(node: &Node) -> String {
    match (&node.test, node.kind) {
        (Some(test), _) if matches!(test.kind, TestKind::Generic { .. }) => {
            format!("{}.sql", test.short_name)
        }
        (_, NodeKind::Source | NodeKind::Stream) => node.original_path.clone(),
        (_, NodeKind::Analysis) => format!("analysis/{}", node.path_below),
        _ => node.path_below.clone(),
    }
}

/// `package://models/schema.yml`.
fn patch_path(node: &Node) -> Option<String> {
    let path = node.patch_path.as_deref()?;
    if node.kind == NodeKind::Source {
        return None;
    }
    let folder = node.path.strip_suffix(node.original_path.as_str()).unwrap_or_default();
    let below = path.strip_prefix(folder).unwrap_or(path);
    Some(format!("{}://{below}", node.package))
}

fn checksum(node: &Node) -> Json {
    match &node.test {
        Some(test) if matches!(test.kind, TestKind::Generic { .. }) => {
            json!({"name": "none", "checksum": ""})
        }
        _ => {
            let text = if node.file.text.is_empty() { &node.raw_sql } else { &node.file.text };
            json!({"name": "sha256", "checksum": python::sha256_of_words(text)})
        }
    }
}

/// None for what has no table.
fn relation_name(node: &Node) -> Option<String> {
    let kept = match &node.test {
        Some(test) => test.store_failures == Some(true),
        None => !node.is_ephemeral(),
    };
    node.relation.as_ref().filter(|_| kept).map(ToString::to_string)
}

fn contract(node: &Node) -> Json {
    json!({"enforced": node.config.contract_enforced, "alias_types": true, "checksum": null})
}

/// A version as YAML has it: a number where it is one.
fn version(written: Option<&str>) -> Json {
    let Some(text) = written else { return Json::Null };
    let whole = text.parse::<i64>().ok().map(Json::from);
    let number = whole.or_else(|| text.parse::<f64>().ok().map(Json::from));
    number.unwrap_or_else(|| text.into())
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
    let one = |call: &RefCall| {
        let number = version(call.version.as_deref());
        json!({"name": call.name, "package": call.package, "version": number})
    };
    node.refs.iter().map(|(call, _)| one(call)).collect()
}

fn sources(node: &Node) -> Vec<Json> {
    once(node.sources.iter().map(|call| json!([call.source, call.table])))
}

/// Each call once, in order of the first.
fn once(calls: impl Iterator<Item = Json>) -> Vec<Json> {
    let mut found: Vec<Json> = Vec::new();
    for call in calls {
        if !found.contains(&call) {
            found.push(call);
        }
    }
    found
}

fn columns(columns: &[Column]) -> Map<String, Json> {
    let one = |column: &Column| {
        json!({
            "name": column.name,
            "description": column.description,
            "meta": column.meta,
            "data_type": column.data_type,
            "constraints": column.constraints,
            "quote": column.quote,
            "config": {"meta": column.meta, "tags": column.tags},
            "tags": column.tags,
            "granularity": null,
            "dimension": null,
            "entity": null,
            "doc_blocks": [],
        })
    };
    columns.iter().map(|column| (column.name.clone(), one(column))).collect()
}

/// Everything written, with what dbt fills in.
fn config(node: &Node) -> Json {
    let mut all = node.config.all.clone();
    // These stand beside the config and not in it.
    for beside in ["constraints", "time_spine", "deprecation_date"] {
        all.remove(beside);
    }
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
    all.insert("tags".to_owned(), json!(node.tags));
    all.insert("meta".to_owned(), json!(node.meta));
    all.insert("group".to_owned(), json!(node.group));
    defaults::fill(node, materialized, &mut all);
    Json::Object(all)
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
    let mut parts: BTreeMap<&str, Map<String, Json>> = BTreeMap::new();
    for (id, found) in &graph.nodes {
        let Some(place) = whole::place(found.kind) else { continue };
        parts.entry(place).or_default().insert(id.as_str().to_owned(), node(found));
    }
    let mut part = |name: &str| Json::Object(parts.remove(name).unwrap_or_default());
    json!({
        "exposures": part("exposures"),
        "functions": {},
        "groups": whole::group_shapes(graph),
        "metrics": part("metrics"),
        "nodes": part("nodes"),
        "sources": part("sources"),
        "semantic_models": part("semantic_models"),
        "saved_queries": part("saved_queries"),
        "unit_tests": part("unit_tests"),
    })
}
