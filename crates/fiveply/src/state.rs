//! What an earlier command left, held against the project as it is: the selectors `state:`,
//! `result:` and `source_status:`, and parents that are read from elsewhere (`--defer`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base::NodeId;
use project::jinja::Relation;
use project::{Node, NodeKind, Project, manifest};
use serde_json::{Map, Value};

use crate::arguments::SelectionArguments;
use crate::failure::Failure;

/// Words after `state:`.
const CHANGES: &[&str] = &[
    "new",
    "old",
    "unmodified",
    "modified",
    "modified.body",
    "modified.configs",
    "modified.relation",
    "modified.persisted_descriptions",
    "modified.macros",
    "modified.contract",
];

/// An earlier state: a folder with manifest.json and what else there is.
pub(crate) struct State {
    manifest: Value,
}

impl State {
    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn read(root: &Path, folder: &Path) -> Result<Self, Failure> {
        let folder = root.join(folder);
        let manifest = read_json(&folder.join("manifest.json"))?;
        Ok(Self { manifest })
    }

    fn earlier(&self, node: &Node) -> Option<&Value> {
        let part = match node.kind {
            NodeKind::Source => "sources",
            NodeKind::Exposure => "exposures",
            NodeKind::Metric => "metrics",
            NodeKind::SemanticModel => "semantic_models",
            NodeKind::SavedQuery => "saved_queries",
            NodeKind::UnitTest => "unit_tests",
            NodeKind::Stream
            | NodeKind::Seed
            | NodeKind::Model
            | NodeKind::Snapshot
            | NodeKind::Test
            | NodeKind::Analysis
            | NodeKind::Operation
            | NodeKind::Sync
            | NodeKind::FeatureView
            | NodeKind::Dashboard => "nodes",
        };
        self.manifest.get(part)?.get(node.id.as_str())
    }

    /// The relation that a node had.
    pub(crate) fn relation(&self, node: &Node) -> Option<Relation> {
        self.place(node).map(|place| place.for_templates())
    }

    /// Where a node's rows were.
    pub(crate) fn place(&self, node: &Node) -> Option<project::Relation> {
        let earlier = self.earlier(node)?;
        let text = |key: &str| earlier.get(key).and_then(Value::as_str).map(str::to_owned);
        let identifier = text("alias").or_else(|| text("identifier"))?;
        Some(project::Relation { database: text("database")?, schema: text("schema")?, identifier })
    }
}

fn read_json(path: &Path) -> Result<Value, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("\"{}\" cannot be read: {error}", path.display()))
            .help("Name a folder that holds an earlier command's manifest.json: --state FOLDER.")
    })?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("\"{}\" is no JSON: {error}", path.display())))
}

/// The nodes behind selectors that ask about an earlier state.
///
/// # Errors
/// When such a selector is used and there is no earlier state.
pub(crate) fn facts(
    project: &Project,
    arguments: &SelectionArguments,
) -> Result<BTreeMap<String, BTreeSet<NodeId>>, Failure> {
    let mut facts = BTreeMap::new();
    let words = arguments.select.iter().chain(&arguments.exclude);
    let words: Vec<&String> = words.collect();
    let asks = |method: &str| words.iter().any(|word| word.contains(method));
    let folder = || {
        arguments.state.clone().ok_or_else(|| {
            Failure::usage("the selector asks about an earlier state, and none is given")
                .help("Name a folder that holds an earlier command's files: --state FOLDER.")
        })
    };
    if asks("state:") {
        let state = State::read(&project.root, &folder()?)?;
        for change in CHANGES {
            facts.insert(format!("state:{change}"), BTreeSet::new());
        }
        for node in project.graph.nodes.values() {
            for change in changes(node, state.earlier(node)) {
                facts.entry(format!("state:{change}")).or_default().insert(node.id.clone());
            }
        }
    }
    if asks("result:") {
        let path = project.root.join(folder()?).join("run_results.json");
        for status in ["success", "pass", "error", "fail", "warn", "skipped", "runtime error"] {
            facts.insert(format!("result:{status}"), BTreeSet::new());
        }
        let read = read_json(&path)?;
        for result in read.get("results").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| result.get(key).and_then(Value::as_str).unwrap_or_default();
            let key = format!("result:{}", text("status"));
            facts.entry(key).or_default().insert(NodeId::new(text("unique_id")));
        }
    }
    if asks("source_status:") {
        fresher(project, &folder()?, &mut facts)?;
    }
    Ok(facts)
}

/// Sources whose newest row is newer than it was, by two files of `source freshness`.
fn fresher(
    project: &Project,
    folder: &Path,
    facts: &mut BTreeMap<String, BTreeSet<NodeId>>,
) -> Result<(), Failure> {
    let newest = |path: PathBuf| -> Result<Map<String, Value>, Failure> {
        let read = read_json(&path)?;
        let results = read.get("results").and_then(Value::as_array).cloned().unwrap_or_default();
        let pair = |result: &Value| {
            let id = result.get("unique_id")?.as_str()?.to_owned();
            Some((id, result.get("max_loaded_at")?.clone()))
        };
        Ok(results.iter().filter_map(pair).collect())
    };
    let before = newest(project.root.join(folder).join("sources.json"))?;
    let now = newest(project.root.join("target/sources.json"))?;
    let newer = now
        .iter()
        .filter(|(id, at)| before.get(*id).is_none_or(|before| before.as_str() < at.as_str()));
    let newer = newer.map(|(id, _)| NodeId::new(id.clone())).collect();
    facts.insert("source_status:fresher".to_owned(), newer);
    Ok(())
}

/// The words that fit a node.
fn changes(node: &Node, earlier: Option<&Value>) -> Vec<&'static str> {
    let Some(earlier) = earlier else {
        return vec!["new", "modified"];
    };
    let now = manifest::node(node);
    let differs = |key: &str| match (now.get(key), earlier.get(key)) {
        (Some(now), Some(before)) => now != before,
        (None, None) => false,
        _ => true,
    };
    let text = |shape: &Value, key: &str| {
        shape.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned()
    };
    let mut found = Vec::new();
    if text(&now, "raw_code") != text(earlier, "raw_code") {
        found.push("modified.body");
    }
    let config = |shape: &Value| shape.get("config").cloned().unwrap_or_default();
    if configured(node.kind, &config(&now)) != configured(node.kind, &config(earlier)) {
        found.push("modified.configs");
    }
    if differs("alias") || differs("schema") {
        found.push("modified.relation");
    }
    let described = |shape: &Value| {
        let persisted = config(shape).get("persist_docs").cloned().unwrap_or_default();
        let relation = persisted.get("relation").and_then(Value::as_bool) == Some(true);
        relation.then(|| text(shape, "description"))
    };
    if described(&now) != described(earlier) {
        found.push("modified.persisted_descriptions");
    }
    let contract = |shape: &Value| {
        let enforced = shape.get("contract").and_then(|contract| contract.get("enforced")).cloned();
        let enforced = enforced.and_then(|flag| flag.as_bool()).unwrap_or_default();
        enforced.then(|| promised(shape))
    };
    if contract(&now) != contract(earlier) {
        found.push("modified.contract");
    }
    found.push("old");
    found.push(if found.len() > 1 { "modified" } else { "unmodified" });
    found
}

/// What a contract says of each column.
fn promised(shape: &Value) -> Vec<(String, Value, Value)> {
    let columns = shape.get("columns").and_then(Value::as_object);
    let part = |column: &Value, key: &str| column.get(key).cloned().unwrap_or_default();
    let columns = columns.into_iter().flatten();
    columns
        .map(|(name, column)| {
            (name.clone(), part(column, "data_type"), part(column, "constraints"))
        })
        .collect()
}

/// The settings that both sides write the same way.
fn configured(kind: NodeKind, config: &Value) -> BTreeMap<String, Value> {
    /// Manifests have these only where a table or view is made.
    const OF_TABLES: &[&str] = &[
        "column_types",
        "full_refresh",
        "incremental_strategy",
        "materialized",
        "on_schema_change",
        "post-hook",
        "pre-hook",
        "unique_key",
    ];
    const KEYS: &[&str] = &[
        "enabled",
        "materialized",
        "unique_key",
        "incremental_strategy",
        "on_schema_change",
        "full_refresh",
        "tags",
        "meta",
        "pre-hook",
        "post-hook",
        "severity",
        "where",
        "limit",
        "warn_if",
        "error_if",
        "column_types",
        "strategy",
        "updated_at",
        "check_cols",
    ];
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    let makes = kind.is_referable() || matches!(kind, NodeKind::Analysis | NodeKind::Operation);
    let untagged =
        matches!(kind, NodeKind::Metric | NodeKind::SemanticModel | NodeKind::SavedQuery);
    let keys = KEYS
        .iter()
        .filter(|key| makes || !OF_TABLES.contains(*key))
        .filter(|key| !untagged || **key != "tags");
    let pairs = keys.filter_map(|key| Some(((*key).to_owned(), config.get(*key)?.clone())));
    pairs.filter(|(_, value)| !empty(value)).collect()
}

/// Parents that are not built here and are read where they were.
///
/// # Errors
/// When the state cannot be read.
pub(crate) fn deferred(
    project: &Project,
    folder: &Path,
    selected: &BTreeSet<NodeId>,
    exists: impl Fn(&Node) -> bool,
    favor_state: bool,
) -> Result<BTreeMap<NodeId, Relation>, Failure> {
    let state = State::read(&project.root, folder)?;
    let mut found = BTreeMap::new();
    for node in project.graph.nodes.values().filter(|node| node.kind.is_referable()) {
        if selected.contains(&node.id) || node.is_ephemeral() || (!favor_state && exists(node)) {
            continue;
        }
        if let Some(relation) = state.relation(node) {
            found.insert(node.id.clone(), relation);
        }
    }
    Ok(found)
}
