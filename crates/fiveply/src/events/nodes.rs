//! A node as events describe it, and the words that dbt uses for it.

use chrono::{DateTime, Utc};
use project::{Node, NodeKind, Project, manifest};
use serde_json::{Value, json};

/// Width of a line up to its status.
const LINE_WIDTH: usize = 80;

/// `node_info` of an event.
pub(super) fn info(
    node: &Node,
    status: &str,
    started: Option<DateTime<Utc>>,
    finished: Option<DateTime<Utc>>,
) -> Value {
    let shape = manifest::node(node);
    let text = |key: &str| shape.get(key).and_then(Value::as_str).unwrap_or_default();
    let config = |key: &str| shape.get("config").and_then(|config| config.get(key)).cloned();
    let at = |moment: Option<DateTime<Utc>>| {
        moment.map(|at| at.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()).unwrap_or_default()
    };
    let checksum = shape.get("checksum").and_then(|sum| sum.get("checksum")).cloned();
    json!({
        "materialized": config("materialized").unwrap_or_else(|| "".into()),
        "meta": shape.get("meta").cloned().unwrap_or_else(|| json!({})),
        "node_checksum": checksum.unwrap_or_else(|| "".into()),
        "node_finished_at": at(finished),
        "node_name": node.name,
        "node_path": text("path"),
        "node_relation": {
            "alias": text("alias"),
            "database": text("database"),
            "relation_name": text("relation_name"),
            "schema": text("schema"),
        },
        "node_started_at": at(started),
        "node_status": status,
        "resource_type": node.kind.word(),
        "unique_id": node.id,
    })
}

/// `main.orders`.
pub(super) fn relation(node: &Node) -> String {
    node.relation
        .as_ref()
        .map_or_else(|| node.name.clone(), |place| format!("{}.{}", place.schema, place.identifier))
}

/// `sql table model main.orders`.
pub(super) fn description(project: &Project, node: &Node) -> String {
    match node.kind {
        NodeKind::Model => {
            format!("sql {} model {}", node.config.materialized.word(), relation(node))
        }
        NodeKind::Seed => format!("seed file {}", relation(node)),
        NodeKind::Snapshot => format!("snapshot {}", relation(node)),
        NodeKind::UnitTest => format!("unit_test {}", unit_test(project, node)),
        _ => format!("{} {}", node.kind.word(), node.name),
    }
}

/// `orders::only_open_ones`.
pub(super) fn unit_test(project: &Project, node: &Node) -> String {
    let parents = node.depends_on.iter().filter_map(|id| project.graph.node(id));
    let model = parents.into_iter().find(|parent| parent.kind == NodeKind::Model);
    model.map_or_else(|| node.name.clone(), |model| format!("{}::{}", model.name, node.name))
}

/// `1 of 3 OK loaded seed file main.orders ............ [INSERT 2 in 0.48s]`.
pub(super) fn line(
    place: (usize, usize),
    message: &str,
    status: &str,
    seconds: Option<f64>,
) -> String {
    let head = format!("{} of {} {message} ", place.0, place.1);
    let dots = ".".repeat(LINE_WIDTH.saturating_sub(head.chars().count()));
    let time = seconds.map(|seconds| format!(" in {seconds:.2}s")).unwrap_or_default();
    format!("{head}{dots} [{status}{time}]")
}

/// `2 table models, 1 seed`, as dbt counts what a command is about.
pub(super) fn counted(parts: &[(usize, String)]) -> String {
    let words: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| match (*number, word.strip_suffix('y')) {
            (1, _) => format!("1 {word}"),
            (number, Some(stem)) => format!("{number} {stem}ies"),
            (number, None) => match word.strip_suffix("sis") {
                Some(stem) => format!("{number} {stem}ses"),
                None => format!("{number} {word}s"),
            },
        })
        .collect();
    words.join(", ")
}

/// dbt's word for what a node is, as it counts them.
pub(super) fn counted_as(node: &Node) -> String {
    match node.kind {
        NodeKind::Model => format!("{} model", node.config.materialized.word()),
        NodeKind::Test => "data test".to_owned(),
        NodeKind::UnitTest => "unit test".to_owned(),
        NodeKind::Operation => "project hook".to_owned(),
        NodeKind::SavedQuery => "saved query".to_owned(),
        NodeKind::SemanticModel => "semantic model".to_owned(),
        NodeKind::FeatureView => "feature view".to_owned(),
        kind => kind.word().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_dbts_lines_end() {
        assert_eq!(
            line((1, 12), "START seed file main.orders", "RUN", None),
            "1 of 12 START seed file main.orders \
             ............................................ [RUN]"
        );
        assert_eq!(
            line((4, 12), "OK created sql table model main.open_orders", "OK", Some(0.574)),
            "4 of 12 OK created sql table model main.open_orders \
             ............................ [OK in 0.57s]"
        );
    }

    #[test]
    fn things_are_counted_in_words() {
        let parts = [(2, "analysis".to_owned()), (1, "seed".to_owned()), (0, "x".to_owned())];
        assert_eq!(counted(&parts), "2 analyses, 1 seed");
        assert_eq!(counted(&[(2, "saved query".to_owned())]), "2 saved queries");
    }
}
