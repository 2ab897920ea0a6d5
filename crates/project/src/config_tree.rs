//! Config trees of dbt_project.yml: `models: {shop: {staging: {+materialized: view}}}`.

use std::collections::BTreeSet;

use base::Diagnostic;
use serde_json::{Map, Value as Json};

use crate::codes;
use crate::config;
use crate::yaml::{Data, Mapping, Value};

/// Merges what a tree says for a node onto `settings`, level by level along its fqn.
pub(crate) fn apply(tree: &Value, fqn: &[String], settings: &mut Map<String, Json>) {
    let Some(mut level) = tree.as_mapping() else { return };
    config::merge(settings, &settings_of(level));
    for part in fqn {
        let Some(next) = level.get(part).and_then(Value::as_mapping) else { return };
        config::merge(settings, &settings_of(next));
        level = next;
    }
}

/// Keys with `+` are settings; so is everything that is not a mapping.
fn settings_of(level: &Mapping) -> Map<String, Json> {
    let mut settings = Map::new();
    for entry in &level.entries {
        if let Some(key) = entry.key.strip_prefix('+') {
            settings.insert(key.trim().to_owned(), entry.value.to_json());
        } else if !matches!(entry.value.data, Data::Mapping(_)) {
            settings.insert(entry.key.clone(), entry.value.to_json());
        }
    }
    settings
}

/// Mappings without `+` that hold settings themselves: not folders, and so not worth a warning.
const MAPPING_SETTINGS: &[&str] =
    &["meta", "docs", "persist_docs", "quoting", "column_types", "grants", "contract"];

/// Reports paths that lead to no node of the given fqns.
pub(crate) fn report_unused(
    key: &str,
    tree: &Value,
    fqns: &BTreeSet<&[String]>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut path = Vec::new();
    walk(key, tree, fqns, &mut path, diagnostics);
}

fn walk(
    key: &str,
    tree: &Value,
    fqns: &BTreeSet<&[String]>,
    path: &mut Vec<String>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Some(mapping) = tree.as_mapping() else { return };
    for entry in &mapping.entries {
        let folder = entry.value.as_mapping().is_some()
            && !entry.key.starts_with('+')
            && !MAPPING_SETTINGS.contains(&entry.key.as_str());
        if !folder {
            continue;
        }
        path.push(entry.key.clone());
        if fqns.iter().any(|fqn| fqn.starts_with(path)) {
            walk(key, &entry.value, fqns, path, diagnostics);
        } else {
            let message = format!("config path \"{key}.{}\" fits no resource", path.join("."));
            diagnostics.push(
                Diagnostic::warning(codes::CONFIG_PATH_UNUSED, message)
                    .at(entry.key_span.clone(), "")
                    .help("Check the spelling of package and folders, or remove the path."),
            );
        }
        path.pop();
    }
}
