//! The shapes of manifest.json, kind by kind, key by key as dbt 1.12 writes them: who reads them
//! with a schema accepts no key too many. Templates see the fuller shape of [`super::node`].

use serde_json::{Map, Value as Json, json};

use crate::node::{Node, NodeKind};

/// Keys of the common shape that a kind does not have.
fn gone(kind: NodeKind) -> &'static [&'static str] {
    match kind {
        NodeKind::Model => &[],
        NodeKind::Seed => {
            &["access", "contract", "language", "latest_version", "refs", "sources", "version"]
        }
        NodeKind::Source => &["build_path"],
        NodeKind::Exposure => &[
            "build_path",
            "checksum",
            "columns",
            "database",
            "docs",
            "group",
            "patch_path",
            "relation_name",
            "schema",
            "version",
        ],
        NodeKind::Metric => &[
            "agg",
            "build_path",
            "checksum",
            "columns",
            "create_metric",
            "database",
            "docs",
            "expr",
            "patch_path",
            "relation_name",
            "schema",
            "version",
        ],
        NodeKind::SavedQuery => &[
            "build_path",
            "checksum",
            "columns",
            "database",
            "docs",
            "meta",
            "patch_path",
            "relation_name",
            "schema",
            "sources",
            "version",
        ],
        NodeKind::SemanticModel => &[
            "build_path",
            "checksum",
            "columns",
            "database",
            "docs",
            "meta",
            "patch_path",
            "relation_name",
            "schema",
            "sources",
            "tags",
            "version",
        ],
        NodeKind::UnitTest => &[
            "build_path",
            "columns",
            "database",
            "docs",
            "group",
            "meta",
            "patch_path",
            "refs",
            "relation_name",
            "sources",
            "tags",
            "unrendered_config",
        ],
        NodeKind::Test | NodeKind::Snapshot | NodeKind::Analysis | NodeKind::Operation => {
            &["access", "latest_version", "version"]
        }
        NodeKind::Stream | NodeKind::Sync | NodeKind::FeatureView | NodeKind::Dashboard => &[],
    }
}

/// Keys that a kind always has, with what they hold when nothing is said.
fn always(kind: NodeKind) -> Json {
    match kind {
        NodeKind::Model => json!({
            "constraints": [], "deprecation_date": null, "doc_blocks": [], "functions": [],
            "metrics": [], "primary_key": [], "time_spine": null,
        }),
        NodeKind::Seed => json!({"doc_blocks": []}),
        NodeKind::Snapshot | NodeKind::Analysis | NodeKind::Operation => {
            json!({"doc_blocks": [], "functions": [], "metrics": []})
        }
        NodeKind::Test => {
            json!({"doc_blocks": [], "functions": [], "metrics": [], "file_key_name": null})
        }
        NodeKind::Source => {
            json!({"doc_blocks": [], "unrendered_database": null, "unrendered_schema": null})
        }
        NodeKind::Metric => {
            json!({"filter": null, "metadata": null, "metrics": [], "time_granularity": null})
        }
        NodeKind::SavedQuery => json!({"label": null, "metadata": null}),
        NodeKind::SemanticModel => {
            json!({"label": null, "metadata": null, "primary_entity": null})
        }
        NodeKind::UnitTest => json!({"overrides": null, "versions": null}),
        _ => json!({}),
    }
}

/// Keys of the common config that stand with what is built alone.
const OF_TABLES: &[&str] = &[
    "alias",
    "column_types",
    "contract",
    "database",
    "docs",
    "full_refresh",
    "grants",
    "incremental_strategy",
    "materialized",
    "on_schema_change",
    "packages",
    "persist_docs",
    "post-hook",
    "pre-hook",
    "quoting",
    "schema",
    "unique_key",
];

fn config_gone(kind: NodeKind) -> Vec<&'static str> {
    let tables = OF_TABLES.iter().copied();
    match kind {
        NodeKind::Test => tables
            .filter(|key| !["alias", "database", "materialized", "schema"].contains(key))
            .collect(),
        NodeKind::Source | NodeKind::Exposure | NodeKind::UnitTest => tables.collect(),
        NodeKind::Metric | NodeKind::SemanticModel => tables.chain(["tags"]).collect(),
        NodeKind::SavedQuery => tables.filter(|key| *key != "schema").chain(["tags"]).collect(),
        _ => Vec::new(),
    }
}

fn config_always(kind: NodeKind) -> Json {
    let built = json!({
        "batch_size": null, "begin": null, "concurrent_batches": null, "event_time": null,
        "group": null, "lookback": 1, "on_configuration_change": "apply", "static_analysis": null,
    });
    let own = match kind {
        NodeKind::Model => json!({
            "access": "protected", "freshness": null, "on_error": null,
            "latest_version_pointer": {"enabled": null, "alias": null},
        }),
        NodeKind::Seed => json!({"delimiter": ",", "quote_columns": null}),
        NodeKind::Snapshot => json!({
            "check_cols": null, "dbt_valid_to_current": null, "target_database": null,
            "target_schema": null, "strategy": null, "updated_at": null, "hard_deletes": null,
            "snapshot_meta_column_names": {
                "dbt_valid_to": null, "dbt_valid_from": null, "dbt_scd_id": null,
                "dbt_updated_at": null, "dbt_is_deleted": null,
            },
        }),
        NodeKind::Analysis | NodeKind::Operation => json!({}),
        NodeKind::Test => {
            return json!({
                "group": null, "sql_header": null, "static_analysis": null,
                "store_failures_as": null,
            });
        }
        NodeKind::Source => {
            return json!({
                "event_time": null, "freshness": null, "loaded_at_field": null,
                "loaded_at_query": null, "static_analysis": null,
            });
        }
        NodeKind::UnitTest => return json!({"static_analysis": null}),
        NodeKind::Metric | NodeKind::SemanticModel => return json!({"group": null}),
        NodeKind::SavedQuery => {
            return json!({
                "cache": {"enabled": false}, "export_as": null, "group": null, "schema": null,
            });
        }
        _ => return json!({}),
    };
    let (Json::Object(mut all), Json::Object(own)) = (built, own) else { return json!({}) };
    all.extend(own);
    Json::Object(all)
}

fn fill(fields: &mut Map<String, Json>, defaults: Json) {
    let Json::Object(defaults) = defaults else { return };
    for (key, value) in defaults {
        fields.entry(key).or_insert(value);
    }
}

/// Brings a node's fields to what the manifest has for its kind.
pub(super) fn fit(node: &Node, fields: &mut Map<String, Json>) {
    for key in gone(node.kind) {
        fields.remove(*key);
    }
    fill(fields, always(node.kind));
    if let Some(Json::Object(config)) = fields.get_mut("config") {
        for key in config_gone(node.kind) {
            config.remove(key);
        }
        fill(config, config_always(node.kind));
        if let Some(Json::Object(docs)) = config.get_mut("docs") {
            docs.entry("node_color").or_insert(Json::Null);
        }
    }
    if let Some(Json::Object(docs)) = fields.get_mut("docs") {
        docs.entry("node_color").or_insert(Json::Null);
    }
    if let Some(Json::Object(contract)) = fields.get_mut("contract") {
        fill(contract, json!({"alias_types": true, "checksum": null}));
    }
    if let Some(Json::Object(columns)) = fields.get_mut("columns") {
        for column in columns.values_mut().filter_map(Json::as_object_mut) {
            let of = |key: &str, none: Json| column.get(key).cloned().unwrap_or(none);
            let config = json!({"meta": of("meta", json!({})), "tags": of("tags", json!([]))});
            fill(
                column,
                json!({
                    "config": config, "doc_blocks": [], "dimension": null, "entity": null,
                    "granularity": null,
                }),
            );
        }
    }
    special(node, fields);
}

/// What only one kind has.
fn special(node: &Node, fields: &mut Map<String, Json>) {
    match node.kind {
        NodeKind::Seed => {
            if let Some(Json::Object(depends)) = fields.get_mut("depends_on") {
                depends.remove("nodes");
            }
        }
        NodeKind::Source => {
            let of = |key: &str| fields.get(key).cloned().unwrap_or_default();
            let (freshness, field, query) =
                (of("freshness"), of("loaded_at_field"), of("loaded_at_query"));
            if let Some(Json::Object(config)) = fields.get_mut("config") {
                config.insert("freshness".to_owned(), freshness);
                config.insert("loaded_at_field".to_owned(), field);
                config.insert("loaded_at_query".to_owned(), query);
            }
            let quoting =
                json!({"database": null, "schema": null, "identifier": null, "column": null});
            fields.insert("quoting".to_owned(), quoting);
        }
        NodeKind::Test => {
            let attached = node.test.as_ref().and_then(|test| test.attached.as_ref());
            let name = attached.map(|id| {
                let mut parts = id.as_str().split('.');
                let kind = parts.next().unwrap_or_default();
                format!("{kind}s.{}", parts.nth(1).unwrap_or_default())
            });
            fields.insert("file_key_name".to_owned(), name.into());
            let kept = fields.get("config").and_then(|config| config.get("store_failures"));
            if kept.and_then(Json::as_bool) != Some(true) {
                fields.insert("relation_name".to_owned(), Json::Null);
            }
        }
        NodeKind::UnitTest => {
            if let Some(sum) = fields.get("checksum").and_then(|sum| sum.get("checksum")).cloned() {
                fields.insert("checksum".to_owned(), sum);
            }
            if let Some(Json::Object(expect)) = fields.get_mut("expect") {
                fill(expect, json!({"fixture": null, "format": "dict"}));
            }
            for given in fields.get_mut("given").and_then(Json::as_array_mut).into_iter().flatten()
            {
                if let Json::Object(given) = given {
                    fill(given, json!({"fixture": null, "format": "dict"}));
                }
            }
        }
        _ => {}
    }
}
