//! `dbt_project.yml` of the project and of every package.

use std::collections::BTreeMap;

use base::{Diagnostic, Span};
use serde_json::{Map, Value as Json};

use crate::node::NodeKind;
use crate::yaml::{Data, Fields, Value};
use crate::{codes, dbt_version};

/// What one `dbt_project.yml` says.
#[derive(Clone, Debug)]
pub(crate) struct ProjectFile {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) paths: ResourcePaths,
    /// Folder of installed packages.
    pub(crate) packages_folder: String,
    pub(crate) vars: Map<String, Json>,
    /// Config trees by the resource's plural: `models`, `data_tests`, ...
    trees: BTreeMap<&'static str, Value>,
    pub(crate) dispatch: BTreeMap<String, Vec<String>>,
    pub(crate) on_run_start: Vec<(String, Span)>,
    pub(crate) on_run_end: Vec<(String, Span)>,
    pub(crate) flags: Map<String, Json>,
    pub(crate) query_comment: Option<Json>,
    /// Whether other packages may only `ref` its public models.
    pub(crate) restrict_access: bool,
}

/// Folders of a package, relative to it.
#[derive(Clone, Debug)]
pub(crate) struct ResourcePaths {
    pub(crate) models: Vec<String>,
    pub(crate) seeds: Vec<String>,
    pub(crate) tests: Vec<String>,
    pub(crate) macros: Vec<String>,
    pub(crate) snapshots: Vec<String>,
    pub(crate) analyses: Vec<String>,
    pub(crate) docs: Vec<String>,
}

impl ProjectFile {
    /// The config tree that applies to a kind of node.
    pub(crate) fn tree(&self, kind: NodeKind) -> Option<&Value> {
        self.trees.get(tree_key(kind)?)
    }

    /// Every config tree, with the key it is written under.
    pub(crate) fn trees(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.trees.iter().map(|(key, value)| (*key, value))
    }
}

/// The key of a kind's config tree.
pub(crate) fn tree_key(kind: NodeKind) -> Option<&'static str> {
    match kind {
        NodeKind::Model => Some("models"),
        NodeKind::Seed => Some("seeds"),
        NodeKind::Snapshot => Some("snapshots"),
        NodeKind::Source | NodeKind::Stream => Some("sources"),
        NodeKind::Test => Some("data_tests"),
        NodeKind::Analysis => Some("analyses"),
        NodeKind::Exposure => Some("exposures"),
        NodeKind::Metric => Some("metrics"),
        NodeKind::SemanticModel => Some("semantic-models"),
        NodeKind::SavedQuery => Some("saved-queries"),
        NodeKind::UnitTest => Some("unit_tests"),
        NodeKind::Operation | NodeKind::Sync | NodeKind::FeatureView | NodeKind::Dashboard => None,
    }
}

/// Reads the file, its Jinja rendered. Without a usable name there is no project.
pub(crate) fn read(value: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<ProjectFile> {
    let mut fields = Fields::open(value, "dbt_project.yml", diagnostics)?;
    let name = fields.required_text("name")?;
    if !is_name(&name)
        && let Some(value) = fields.value("name")
    {
        let message = format!("\"{name}\" is no name for a project");
        let problem = Diagnostic::error(codes::WRONG_VALUE, message).at(value.span.clone(), "");
        let help = "Use letters, digits and underscores, and begin with a letter.";
        fields.diagnostics().push(problem.help(help));
    }
    if let Some(required) = fields.value("require-dbt-version") {
        dbt_version::check(required, &name, fields.diagnostics());
    }
    let paths = resource_paths(&mut fields);
    let project = ProjectFile {
        version: fields.text("version"),
        packages_folder: fields
            .text("packages-install-path")
            .or_else(|| fields.text("modules-path"))
            .unwrap_or_else(|| "dbt_packages".to_owned()),
        vars: fields.mapping("vars").map(crate::yaml::Mapping::to_json).unwrap_or_default(),
        trees: trees(&mut fields),
        dispatch: dispatch(&mut fields),
        on_run_start: operations(fields.value("on-run-start")),
        on_run_end: operations(fields.value("on-run-end")),
        flags: fields.mapping("flags").map(crate::yaml::Mapping::to_json).unwrap_or_default(),
        query_comment: fields.value("query-comment").map(Value::to_json),
        restrict_access: fields.boolean("restrict-access").unwrap_or(false),
        name,
        paths,
    };
    for accepted in [
        "profile",
        "config-version",
        "asset-paths",
        "function-paths",
        "target-path",
        "log-path",
        "clean-targets",
        "quoting",
        "packages",
        "dbt-cloud",
        "functions",
        "docs",
        "anchors",
    ] {
        fields.entry(accepted);
    }
    fields.finish_leniently();
    Some(project)
}

/// Ids and macro calls are made of it.
fn is_name(name: &str) -> bool {
    let first = name.chars().next();
    first.is_some_and(|letter| letter.is_alphabetic() || letter == '_')
        && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
}

fn resource_paths(fields: &mut Fields<'_, '_>) -> ResourcePaths {
    let mut paths = |key: &'static str, old: Option<&'static str>, default: &[&str]| {
        let mut found = fields.texts(key);
        if let Some(old) = old {
            found.extend(fields.texts(old));
        }
        if found.is_empty() {
            found = default.iter().map(|path| (*path).to_owned()).collect();
        }
        found
    };
    ResourcePaths {
        models: paths("model-paths", Some("source-paths"), &["models"]),
        seeds: paths("seed-paths", Some("data-paths"), &["seeds"]),
        tests: paths("test-paths", None, &["tests"]),
        macros: paths("macro-paths", None, &["macros"]),
        snapshots: paths("snapshot-paths", None, &["snapshots"]),
        analyses: paths("analysis-paths", None, &["analyses"]),
        docs: paths("docs-paths", None, &[]),
    }
}

fn trees(fields: &mut Fields<'_, '_>) -> BTreeMap<&'static str, Value> {
    let mut trees = BTreeMap::new();
    for (key, tree) in [
        ("models", "models"),
        ("seeds", "seeds"),
        ("snapshots", "snapshots"),
        ("sources", "sources"),
        ("tests", "data_tests"),
        ("data_tests", "data_tests"),
        ("analyses", "analyses"),
        ("exposures", "exposures"),
        ("metrics", "metrics"),
        ("semantic-models", "semantic-models"),
        ("saved-queries", "saved-queries"),
        ("unit_tests", "unit_tests"),
    ] {
        if fields.mapping(key).is_some()
            && let Some(value) = fields.value(key)
        {
            trees.insert(tree, value.clone());
        }
    }
    trees
}

fn dispatch(fields: &mut Fields<'_, '_>) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for item in fields.list("dispatch") {
        let Some(mut inner) = Fields::open(item, "an entry of dispatch", fields.diagnostics())
        else {
            continue;
        };
        if let Some(namespace) = inner.required_text("macro_namespace") {
            found.insert(namespace, inner.texts("search_order"));
        }
        inner.finish_leniently();
    }
    found
}

fn operations(value: Option<&Value>) -> Vec<(String, Span)> {
    let Some(value) = value else { return Vec::new() };
    match &value.data {
        Data::Text(text) if text.trim().is_empty() => Vec::new(),
        Data::Text(text) => vec![(text.clone(), value.span.clone())],
        Data::List(items) => items.iter().flat_map(|item| operations(Some(item))).collect(),
        Data::Mapping(mapping) => operations(mapping.get("sql")),
        Data::Null | Data::Bool(_) | Data::Integer(_) | Data::Float(_) => Vec::new(),
    }
}
