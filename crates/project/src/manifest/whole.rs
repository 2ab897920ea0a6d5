//! The whole manifest, version 12: what other tools read of a project.

use std::collections::BTreeMap;

use base::NodeId;
use serde_json::{Map, Value as Json, json};

use super::node;
use crate::node::{Node, NodeKind};
use crate::project::Project;

/// The schema that dbt publishes for it.
const SCHEMA: &str = "https://schemas.getdbt.com/dbt/manifest/v12.json";

/// What a command adds to its manifest.
#[derive(Clone, Debug, Default)]
pub struct ManifestFacts {
    /// When it was written, as text.
    pub generated_at: String,
    /// The command's own id.
    pub invocation_id: String,
    /// The SQL that nodes compiled to.
    pub compiled: BTreeMap<NodeId, String>,
}

impl Project {
    /// The manifest.
    pub fn manifest(&self, facts: &ManifestFacts) -> Json {
        let graph = &self.graph;
        let mut parts: BTreeMap<&str, Map<String, Json>> = BTreeMap::new();
        for (id, found) in &graph.nodes {
            let Some(place) = place(found.kind) else { continue };
            let shape = self.shape(found, facts);
            parts.entry(place).or_default().insert(id.as_str().to_owned(), shape);
        }
        let mut disabled: Map<String, Json> = Map::new();
        for (id, found) in &graph.disabled {
            let shape = self.shape(found, facts);
            disabled.insert(id.as_str().to_owned(), json!([shape]));
        }
        let mut part = |name: &str| Json::Object(parts.remove(name).unwrap_or_default());
        let (parent_map, child_map) = self.edges();
        json!({
            "metadata": {
                "dbt_schema_version": SCHEMA,
                "dbt_version": "1.12.6",
                "generated_at": facts.generated_at,
                "invocation_id": facts.invocation_id,
                "invocation_started_at": facts.generated_at,
                "env": {},
                "project_name": self.name,
                "project_id": crate::python::md5(&self.name),
                "user_id": null,
                "send_anonymous_usage_stats": false,
                "adapter_type": self.dialect,
                "quoting": {"database": true, "schema": true, "identifier": true, "column": null},
                "run_started_at": facts.generated_at,
            },
            "nodes": part("nodes"),
            "sources": part("sources"),
            "macros": self.macro_shapes(),
            "docs": {},
            "exposures": part("exposures"),
            "metrics": part("metrics"),
            "groups": group_shapes(graph),
            "selectors": {},
            "disabled": disabled,
            "parent_map": parent_map,
            "child_map": child_map,
            "group_map": {},
            "saved_queries": part("saved_queries"),
            "semantic_models": part("semantic_models"),
            "unit_tests": part("unit_tests"),
            "functions": {},
        })
    }

    fn shape(&self, found: &Node, facts: &ManifestFacts) -> Json {
        let mut shape = node(found);
        let Json::Object(fields) = &mut shape else { return shape };
        fields.insert("created_at".to_owned(), json!(0.0));
        fields.insert("unrendered_config".to_owned(), json!({}));
        fields.insert("build_path".to_owned(), Json::Null);
        fields.remove("raw_sql");
        if let Some(sql) = facts.compiled.get(&found.id) {
            let path = format!("target/compiled/{}/{}", found.package, found.path);
            fields.insert("compiled".to_owned(), true.into());
            fields.insert("compiled_code".to_owned(), sql.as_str().into());
            fields.insert("compiled_path".to_owned(), path.into());
            fields.insert("extra_ctes_injected".to_owned(), true.into());
            fields.insert("extra_ctes".to_owned(), json!([]));
        }
        super::exact::fit(found, fields);
        self.as_metricflow_reads(found, fields);
        if matches!(found.kind, NodeKind::Operation | NodeKind::UnitTest) {
            // They make no table; dbt writes the target's schema.
            fields.insert("schema".to_owned(), self.target.schema.as_str().into());
        }
        if found.kind == NodeKind::Operation {
            let environment = self.environment.as_str();
            fields.insert("database".to_owned(), environment.into());
        }
        if found.kind == NodeKind::Seed {
            let root = self.root.to_string_lossy().into_owned();
            fields.insert("root_path".to_owned(), root.into());
        }
        shape
    }

    fn macro_shapes(&self) -> Map<String, Json> {
        let shape = |known: &crate::jinja::Macro| {
            json!({
                "name": known.name,
                "resource_type": "macro",
                "package_name": known.package,
                "path": known.block.span.file.path,
                "original_file_path": known.block.span.file.path,
                "unique_id": known.id,
                "macro_sql": known.block.source(),
                "depends_on": {"macros": []},
                "description": "",
                "meta": {},
                "docs": {"show": true, "node_color": null},
                "patch_path": null,
                "arguments": [],
                "created_at": 0.0,
                "supported_languages": null,
            })
        };
        self.macros().macros().map(|known| (known.id.clone(), shape(known))).collect()
    }

    fn edges(&self) -> (Map<String, Json>, Map<String, Json>) {
        let mut parents: Map<String, Json> = Map::new();
        let mut children: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, found) in &self.graph.nodes {
            if place(found.kind).is_none() {
                continue;
            }
            children.entry(id.as_str().to_owned()).or_default();
            for parent in &found.depends_on {
                let below = children.entry(parent.as_str().to_owned()).or_default();
                below.push(id.as_str().to_owned());
            }
            parents.insert(id.as_str().to_owned(), json!(found.depends_on));
        }
        let children = children.into_iter().map(|(id, below)| (id, json!(below))).collect();
        (parents, children)
    }
}

/// The groups that nodes belong to.
pub(super) fn group_shapes(graph: &crate::graph::Graph) -> Map<String, Json> {
    let mut groups = Map::new();
    for found in graph.nodes.values() {
        let Some(name) = &found.group else { continue };
        let id = format!("group.{}.{name}", found.package);
        let owner = found.owner.as_ref();
        groups.entry(id.clone()).or_insert_with(|| {
            json!({
                "name": name,
                "resource_type": "group",
                "package_name": found.package,
                "path": found.path_below,
                "original_file_path": found.original_path,
                "unique_id": id,
                "owner": {
                    "email": owner.and_then(|owner| owner.email.clone()),
                    "name": owner.map(|owner| owner.name.clone()),
                },
                "description": null,
                "config": {"meta": {}},
            })
        });
    }
    groups
}

pub(super) fn place(kind: NodeKind) -> Option<&'static str> {
    Some(match kind {
        NodeKind::Seed
        | NodeKind::Model
        | NodeKind::Snapshot
        | NodeKind::Test
        | NodeKind::Analysis
        | NodeKind::Operation => "nodes",
        NodeKind::Source => "sources",
        NodeKind::Exposure => "exposures",
        NodeKind::Metric => "metrics",
        NodeKind::SemanticModel => "semantic_models",
        NodeKind::SavedQuery => "saved_queries",
        NodeKind::UnitTest => "unit_tests",
        // What dbt does not have would only confuse who reads its manifests.
        NodeKind::Stream | NodeKind::Sync | NodeKind::FeatureView | NodeKind::Dashboard => {
            return None;
        }
    })
}

/// What only sources have, and without what they do not have.
pub(super) fn source_shape(found: &Node, fields: &mut Map<String, Json>) {
    let facts = found.source.clone().unwrap_or_default();
    for gone in ["language", "raw_code", "refs", "sources", "depends_on", "access", "group"] {
        fields.remove(gone);
    }
    for gone in ["alias", "contract", "docs", "checksum", "metrics", "functions"] {
        fields.remove(gone);
    }
    fields.insert("resource_type".to_owned(), "source".into());
    fields.insert("quoting".to_owned(), json!({}));
    fields.insert("loaded_at_field".to_owned(), facts.loaded_at_field.into());
    fields.insert("loaded_at_query".to_owned(), facts.loaded_at_query.into());
    fields.insert("freshness".to_owned(), freshness(facts.freshness.as_ref()));
    fields.insert("external".to_owned(), Json::Null);
    fields.insert("source_meta".to_owned(), json!({}));
}

pub(super) fn freshness(freshness: Option<&crate::node::Freshness>) -> Json {
    let Some(freshness) = freshness else { return Json::Null };
    let after = |written: Option<(i64, &str)>| {
        let (count, period) = written.unzip();
        json!({"count": count, "period": period})
    };
    json!({
        "warn_after": after(freshness.written[0]),
        "error_after": after(freshness.written[1]),
        "filter": freshness.filter,
    })
}

/// What stands in YAML alone: everything as written, under what every node has.
pub(super) fn declared_shape(found: &Node, fields: &mut Map<String, Json>) {
    let written = found.declaration.as_ref().and_then(Json::as_object);
    for (key, value) in written.into_iter().flatten() {
        if !["depends_on", "config", "description", "tags", "meta"].contains(&key.as_str()) {
            fields.insert(key.clone(), value.clone());
        }
    }
    if found.kind == NodeKind::Exposure {
        let owner = found.owner.as_ref();
        let email = owner.and_then(|owner| owner.email.clone());
        let name = owner.map(|owner| owner.name.clone());
        fields.insert("owner".to_owned(), json!({"email": email, "name": name}));
        for key in ["label", "maturity", "url"] {
            fields.entry(key).or_insert(Json::Null);
        }
    }
    if found.kind == NodeKind::Metric {
        metric_shape(fields);
    }
    for gone in ["language", "raw_code", "raw_sql", "alias", "contract", "functions", "doc_blocks"]
    {
        fields.remove(gone);
    }
    for gone in ["columns", "database", "relation_name", "docs", "patch_path"] {
        fields.remove(gone);
    }
    if !matches!(found.kind, NodeKind::Exposure | NodeKind::Metric) {
        fields.remove("metrics");
    }
    if found.kind != NodeKind::UnitTest {
        fields.remove("schema");
        fields.remove("checksum");
    }
}

/// A metric as dbt fills it up.
fn metric_shape(fields: &mut Map<String, Json>) {
    let fill = |shape: &mut Map<String, Json>, keys: &[&str]| {
        for key in keys {
            shape.entry(*key).or_insert(Json::Null);
        }
    };
    let of_filter = |written: &Json| match written {
        Json::String(text) => json!({"where_filters": [{"where_sql_template": text}]}),
        Json::Array(texts) => {
            let one = |text: &Json| json!({"where_sql_template": text});
            json!({"where_filters": texts.iter().map(one).collect::<Vec<_>>()})
        }
        other => other.clone(),
    };
    let filter = fields.get("filter").map(of_filter).unwrap_or_default();
    fields.insert("filter".to_owned(), filter);
    fill(fields, &["label", "metadata", "time_granularity"]);
    let Some(Json::Object(parameters)) = fields.get_mut("type_params") else { return };
    let keys = ["measure", "numerator", "denominator", "expr", "window", "grain_to_date"];
    fill(parameters, &keys);
    fill(parameters, &["conversion_type_params", "cumulative_type_params"]);
    let mut measure = match parameters.get("measure") {
        Some(Json::String(name)) => Map::from_iter([("name".to_owned(), json!(name))]),
        Some(Json::Object(written)) => written.clone(),
        _ => return,
    };
    let filter = measure.get("filter").map(of_filter).unwrap_or_default();
    measure.insert("filter".to_owned(), filter);
    fill(&mut measure, &["alias", "fill_nulls_with"]);
    measure.entry("join_to_timespine").or_insert(false.into());
    parameters.insert("measure".to_owned(), Json::Object(measure));
}
