//! Whether a node fits one value of one selection method.

use super::pattern::{fits, has_wildcard};
use crate::node::{Access, Node, NodeKind};

pub(super) fn text_fits(pattern: &str, text: &str) -> bool {
    pattern == text || (has_wildcard(pattern) && fits(pattern, text))
}

pub(super) fn name_fits(value: &str, node: &Node) -> bool {
    text_fits(value, &node.name) || text_fits(value, &format!("{}.{}", node.package, node.name))
}

/// Sources and resources that exist in YAML alone have methods of their own, as in dbt; streams
/// are found by name too.
pub(super) fn fqn_fits(value: &str, node: &Node) -> bool {
    match node.kind {
        NodeKind::Model
        | NodeKind::Seed
        | NodeKind::Snapshot
        | NodeKind::Test
        | NodeKind::Analysis
        | NodeKind::UnitTest
        | NodeKind::Sync
        | NodeKind::FeatureView
        | NodeKind::Stream => {
            let versioned = node.version.is_some();
            one_fqn_fits(value, &node.fqn, versioned)
                || node.fqn.get(1..).is_some_and(|fqn| one_fqn_fits(value, fqn, versioned))
        }
        NodeKind::Source
        | NodeKind::Operation
        | NodeKind::Exposure
        | NodeKind::Metric
        | NodeKind::SemanticModel
        | NodeKind::SavedQuery
        | NodeKind::Dashboard => false,
    }
}

pub(super) fn one_fqn_fits(value: &str, fqn: &[String], versioned: bool) -> bool {
    let parts: Vec<&str> = value.split('.').collect();
    let Some(last) = fqn.last() else { return false };
    if versioned && fqn.len() >= 2 {
        let name = &fqn[fqn.len() - 2];
        let tail = &parts[parts.len().saturating_sub(2)..];
        if name == value || format!("{name}_{last}") == tail.join("_") {
            return true;
        }
    } else if last == value {
        return true;
    }
    let flat: Vec<&str> = fqn.iter().flat_map(|part| part.split('.')).collect();
    if flat.len() < parts.len() {
        return false;
    }
    for (index, part) in parts.iter().enumerate() {
        if has_wildcard(part) {
            return fits(&parts[index..].join("."), &flat[index..].join("."));
        }
        if flat[index] != *part {
            return false;
        }
    }
    true
}

/// `source:app`, `source:app.signups`, `source:package.app.signups`.
pub(super) fn source_fits(value: &str, node: &Node) -> bool {
    let Some(source) = &node.source else { return false };
    let parts: Vec<&str> = value.split('.').collect();
    match parts.as_slice() {
        [one] => text_fits(one, &source.source),
        [one, table] => text_fits(one, &source.source) && text_fits(table, &node.name),
        [package, one, table] => {
            text_fits(package, &node.package)
                && text_fits(one, &source.source)
                && text_fits(table, &node.name)
        }
        _ => false,
    }
}

/// The file itself or any folder above it; the properties file of a test counts as its file.
pub(super) fn path_fits(matcher: &globset::GlobMatcher, node: &Node) -> bool {
    let mut path = node.path.as_str();
    loop {
        if matcher.is_match(path) {
            return true;
        }
        match path.rsplit_once('/') {
            Some((above, _)) => path = above,
            None => return false,
        }
    }
}

pub(super) fn file_fits(value: &str, node: &Node) -> bool {
    let name = node.path.rsplit('/').next().unwrap_or(&node.path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    text_fits(value, name) || text_fits(value, stem)
}

pub(super) fn test_type_fits(value: &str, node: &Node) -> bool {
    match value {
        "unit" => node.kind == NodeKind::UnitTest,
        "data" => node.test.is_some(),
        // dbt's old words.
        "schema" => node.test.as_ref().is_some_and(|test| test.type_word() == "generic"),
        other => node.test.as_ref().is_some_and(|test| text_fits(other, test.type_word())),
    }
}

pub(super) fn version_fits(value: &str, node: &Node) -> bool {
    if node.kind != NodeKind::Model {
        return false;
    }
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
    match value {
        "none" => node.version.is_none(),
        "latest" => node.version.is_some() && node.version == node.latest_version,
        "old" => number(&node.version) < number(&node.latest_version) && node.version.is_some(),
        "prerelease" => number(&node.version) > number(&node.latest_version),
        _ => false,
    }
}

/// `config.materialized:table`, `config.meta.team:core`; a list fits when one item does.
pub(super) fn config_fits(arguments: &[String], value: &str, node: &Node) -> bool {
    let mut path = arguments.iter();
    let Some(first) = path.next() else { return false };
    let owned;
    let mut found = match node.config.all.get(first) {
        Some(found) => found,
        None => {
            owned = match first.as_str() {
                "materialized" if node.kind == NodeKind::Model => {
                    node.config.materialized.word().into()
                }
                "enabled" => node.config.enabled.into(),
                _ => return false,
            };
            &owned
        }
    };
    for key in path {
        match found.get(key) {
            Some(inner) => found = inner,
            None => return false,
        }
    }
    json_fits(value, found)
}

pub(super) fn json_fits(value: &str, found: &serde_json::Value) -> bool {
    match found {
        serde_json::Value::Null => value.eq_ignore_ascii_case("none"),
        serde_json::Value::Bool(flag) => value.eq_ignore_ascii_case(&flag.to_string()),
        serde_json::Value::Number(number) => number.to_string() == value,
        serde_json::Value::String(text) => text_fits(value, text),
        serde_json::Value::Array(items) => items.iter().any(|item| json_fits(value, item)),
        serde_json::Value::Object(fields) => fields.contains_key(value),
    }
}

pub(super) fn access_word(access: Access) -> &'static str {
    match access {
        Access::Private => "private",
        Access::Protected => "protected",
        Access::Public => "public",
    }
}
