//! What dbt fills into a node's config, by kind: templates read it from `model.config` and `graph`.

use serde_json::{Map, Value as Json, json};

use crate::node::{Node, NodeKind};

/// Adds what is not written.
pub(super) fn fill(node: &Node, materialized: &str, all: &mut Map<String, Json>) {
    match node.kind {
        NodeKind::Source | NodeKind::Stream => source(node, all),
        NodeKind::Exposure => {}
        NodeKind::Metric | NodeKind::SemanticModel | NodeKind::SavedQuery => {}
        NodeKind::Test => {
            all.insert("materialized".to_owned(), materialized.into());
            test(node, all);
        }
        NodeKind::Seed
        | NodeKind::Model
        | NodeKind::Snapshot
        | NodeKind::Analysis
        | NodeKind::Operation
        | NodeKind::UnitTest
        | NodeKind::Sync
        | NodeKind::FeatureView
        | NodeKind::Dashboard => {
            all.insert("materialized".to_owned(), materialized.into());
            node_config(node, all);
        }
    }
}

/// `docs:` when nobody says anything.
pub(super) fn docs() -> Json {
    json!({"show": true, "node_color": null})
}

/// `docs:` as written, with what is not.
pub(super) fn docs_of(written: &Json) -> Json {
    let mut docs = docs();
    if let (Json::Object(docs), Json::Object(written)) = (&mut docs, written) {
        docs.extend(written.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    docs
}

fn add(all: &mut Map<String, Json>, defaults: Json) {
    let Json::Object(defaults) = defaults else { return };
    for (key, value) in defaults {
        all.entry(key).or_insert(value);
    }
}

/// Hooks as objects, under the names with a dash.
fn hooks(all: &mut Map<String, Json>) {
    for (name, other) in [("pre-hook", "pre_hook"), ("post-hook", "post_hook")] {
        let both = [all.remove(name), all.remove(other)];
        let hooks = both.iter().flat_map(|written| crate::config::hooks(written.as_ref()));
        let shapes = hooks
            .map(|hook| json!({"sql": hook.sql, "transaction": hook.transaction, "index": null}));
        let shapes: Vec<Json> = shapes.collect();
        all.insert(name.to_owned(), shapes.into());
    }
}

fn node_config(node: &Node, all: &mut Map<String, Json>) {
    hooks(all);
    let docs = all.get("docs").map_or_else(docs, docs_of);
    all.insert("docs".to_owned(), docs);
    let contract = json!({"enforced": node.config.contract_enforced, "alias_types": true});
    all.insert("contract".to_owned(), contract);
    add(
        all,
        json!({
            "alias": null,
            "schema": null,
            "database": null,
            "static_analysis": null,
            "incremental_strategy": null,
            "batch_size": null,
            "lookback": 1,
            "begin": null,
            "persist_docs": {},
            "quoting": {},
            "column_types": {},
            "full_refresh": null,
            "unique_key": null,
            "on_schema_change": "ignore",
            "on_configuration_change": "apply",
            "grants": {},
            "packages": [],
            "event_time": null,
            "concurrent_batches": null,
        }),
    );
    match node.kind {
        NodeKind::Model => add(
            all,
            json!({
                "access": super::access(node.access),
                "freshness": null,
                "on_error": null,
                "latest_version_pointer": {"enabled": null, "alias": null},
            }),
        ),
        NodeKind::Seed => add(all, json!({"delimiter": ",", "quote_columns": null})),
        NodeKind::Snapshot => add(
            all,
            json!({
                "strategy": null,
                "target_schema": null,
                "target_database": null,
                "updated_at": null,
                "check_cols": null,
                "dbt_valid_to_current": null,
                "snapshot_meta_column_names": {
                    "dbt_valid_to": null,
                    "dbt_valid_from": null,
                    "dbt_scd_id": null,
                    "dbt_updated_at": null,
                    "dbt_is_deleted": null,
                },
            }),
        ),
        _ => {}
    }
}

fn test(node: &Node, all: &mut Map<String, Json>) {
    let Some(test) = &node.test else { return };
    // dbt's own word is in capitals; what is written stays as written.
    add(all, json!({"severity": "ERROR", "schema": "dbt_test__audit"}));
    if all.get("schema").is_some_and(Json::is_null) {
        all.insert("schema".to_owned(), "dbt_test__audit".into());
    }
    all.insert("fail_calc".to_owned(), test.fail_calculation.as_str().into());
    all.insert("warn_if".to_owned(), test.warn_if.as_str().into());
    all.insert("error_if".to_owned(), test.error_if.as_str().into());
    all.insert("where".to_owned(), test.where_condition.as_deref().into());
    all.insert("limit".to_owned(), test.limit.into());
    all.insert("store_failures".to_owned(), test.store_failures.into());
    add(
        all,
        json!({
            "alias": null,
            "database": null,
            "static_analysis": null,
            "store_failures_as": null,
            "sql_header": null,
        }),
    );
}

fn source(node: &Node, all: &mut Map<String, Json>) {
    all.remove("group");
    let facts = node.source.clone().unwrap_or_default();
    all.insert("freshness".to_owned(), super::whole::freshness(facts.freshness.as_ref()));
    all.insert("loaded_at_field".to_owned(), facts.loaded_at_field.into());
    all.insert("loaded_at_query".to_owned(), facts.loaded_at_query.into());
    add(all, json!({"event_time": null, "static_analysis": null}));
}
