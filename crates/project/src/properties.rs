//! Properties files: any `.yml` below the resource paths, describing what stands beside it.

mod declared;
mod source;

use std::sync::Arc;

use base::{Diagnostic, SourceFile, Span};
use serde_json::{Map, Value as Json};

use crate::config;
use crate::governance::{self, Deprecation};
use crate::node::{Access, Column, NodeKind, Owner};
use crate::semantics::{SemanticText, TextKind};
use crate::yaml::{Fields, Value};

pub(crate) use declared::Declared;
pub(crate) use source::SourceTable;

/// Everything one properties file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties {
    pub(crate) patches: Vec<Patch>,
    pub(crate) sources: Vec<SourceTable>,
    pub(crate) groups: Vec<Group>,
    pub(crate) declared: Vec<Declared>,
    pub(crate) semantic: Vec<SemanticText>,
}

/// Where a properties file stands.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) package: String,
    pub(crate) file: Arc<SourceFile>,
    /// Folders below the resource path: part of the fqn of what is declared here.
    pub(crate) folders: Vec<String>,
}

/// What a file says about a model, seed, snapshot, analysis or singular test.
#[derive(Clone, Debug)]
pub(crate) struct Patch {
    pub(crate) place: Place,
    pub(crate) kind: NodeKind,
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) facts: Facts,
    pub(crate) tests: Vec<TestDeclaration>,
    pub(crate) columns: Vec<ColumnPatch>,
    pub(crate) access: Option<Access>,
    pub(crate) deprecation: Option<Deprecation>,
    pub(crate) latest_version: Option<String>,
    pub(crate) versions: Vec<Version>,
    /// For a snapshot written in YAML alone.
    pub(crate) relation: Option<String>,
}

/// What can be said about anything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) description: String,
    /// `config:` and the settings that may also stand beside it.
    pub(crate) config: Map<String, Json>,
    pub(crate) owner: Option<Owner>,
    /// Where it is said.
    pub(crate) span: Option<Span>,
}

/// One version of a model.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) version: String,
    pub(crate) defined_in: Option<String>,
    pub(crate) facts: Facts,
    pub(crate) columns: Option<Vec<ColumnPatch>>,
    pub(crate) tests: Option<Vec<TestDeclaration>>,
    pub(crate) access: Option<Access>,
    pub(crate) deprecation: Option<Deprecation>,
    pub(crate) span: Span,
}

/// What a file says about a column.
#[derive(Clone, Debug)]
pub(crate) struct ColumnPatch {
    pub(crate) column: Column,
    pub(crate) tests: Vec<TestDeclaration>,
}

/// A test as written; its arguments are not rendered yet.
#[derive(Clone, Debug)]
pub(crate) struct TestDeclaration {
    pub(crate) value: Value,
    pub(crate) column: Option<String>,
    pub(crate) column_quote: bool,
    pub(crate) column_tags: Vec<String>,
}

/// A group of models with an owner.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) package: String,
    pub(crate) name: String,
    pub(crate) owner: Option<Owner>,
}

/// Reads one properties file, its early Jinja rendered.
pub(crate) fn read(place: &Place, value: &Value, diagnostics: &mut Vec<Diagnostic>) -> Properties {
    let mut properties = Properties::default();
    let what = format!("\"{}\"", place.file.path);
    let Some(mut fields) = Fields::open(value, what, diagnostics) else { return properties };
    for key in ["version", "anchors"] {
        fields.entry(key);
    }
    for (key, kind) in [
        ("models", NodeKind::Model),
        ("seeds", NodeKind::Seed),
        ("snapshots", NodeKind::Snapshot),
        ("analyses", NodeKind::Analysis),
        ("tests", NodeKind::Test),
        ("data_tests", NodeKind::Test),
    ] {
        for item in fields.list(key) {
            properties.patches.extend(patch(place, kind, item, fields.diagnostics()));
            if kind == NodeKind::Model {
                properties.semantic.extend(SemanticText::of_model(place, item));
            }
        }
    }
    for item in fields.list("sources") {
        properties.sources.extend(source::read(place, item, fields.diagnostics()));
    }
    for item in fields.list("macros") {
        // Descriptions of macros are for docs alone; a nameless one is still a mistake.
        if let Some(mut fields) = Fields::open(item, "a macro", fields.diagnostics()) {
            fields.required("name");
        }
    }
    for item in fields.list("groups") {
        properties.groups.extend(group(place, item, fields.diagnostics()));
    }
    for (key, kind) in [("exposures", NodeKind::Exposure), ("unit_tests", NodeKind::UnitTest)] {
        for item in fields.list(key) {
            properties.declared.extend(declared::read(place, kind, item, fields.diagnostics()));
        }
    }
    for (key, kind) in [
        ("metrics", TextKind::Metric),
        ("semantic_models", TextKind::SemanticModel),
        ("saved_queries", TextKind::SavedQuery),
    ] {
        for value in fields.list(key) {
            let (place, value) = (place.clone(), value.clone());
            properties.semantic.push(SemanticText { place, kind, value });
        }
    }
    if let Some(functions) = fields.entry("functions") {
        let message = "functions declared in properties are not built yet".to_owned();
        let problem = Diagnostic::warning(crate::codes::UNSUPPORTED_RESOURCE, message)
            .at(functions.key_span.clone(), "")
            .help("Write them as macros.");
        fields.diagnostics().push(problem);
    }
    fields.finish_leniently();
    properties
}

fn patch(
    place: &Place,
    kind: NodeKind,
    item: &Value,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Patch> {
    let mut fields = Fields::open(item, format!("a {}", kind.word()), diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("{} \"{name}\"", kind.word()));
    let span = fields.value("name").map_or_else(|| item.span.clone(), |name| name.span.clone());
    let mut facts = facts(&mut fields);
    if let Some(constraints) = fields.value("constraints") {
        facts.config.insert("constraints".to_owned(), constraints.to_json());
    }
    for key in ["time_spine", "deprecation_date"] {
        if let Some(value) = fields.value(key) {
            facts.config.insert(key.to_owned(), value.to_json());
        }
    }
    let columns = columns(&mut fields);
    let patch = Patch {
        place: place.clone(),
        kind,
        span,
        tests: tests(&mut fields, None),
        access: access(&mut fields),
        deprecation: governance::deprecation(&mut fields),
        latest_version: fields.text("latest_version"),
        versions: versions(&mut fields, &columns),
        relation: (kind == NodeKind::Snapshot).then(|| fields.text("relation")).flatten(),
        name,
        facts,
        columns,
    };
    for accepted in ["docs", "constraints", "time_spine", "primary_entity", "semantic_model"] {
        fields.entry(accepted);
    }
    for accepted in ["agg_time_dimension", "metrics", "derived_semantics"] {
        fields.entry(accepted);
    }
    let latest = fields.value("latest_version");
    governance::check_versions(&patch, latest, fields.diagnostics());
    fields.finish_leniently();
    Some(patch)
}

/// Description, config, owner. Settings that dbt also accepts beside `config:` go into it.
pub(super) fn facts(fields: &mut Fields<'_, '_>) -> Facts {
    let mut settings = Map::new();
    for key in ["meta", "tags", "group", "access", "enabled"] {
        if let Some(value) = fields.value(key) {
            settings.insert(key.to_owned(), value.to_json());
        }
    }
    if let Some(config) = fields.mapping("config") {
        config::merge(&mut settings, &plain_keys(config.to_json()));
    }
    let owner = fields.value("owner").and_then(|value| owner(value, fields.diagnostics()));
    let owner = owner.or_else(|| owner_of_meta(settings.get("meta")));
    Facts {
        description: fields.text("description").unwrap_or_default(),
        config: settings,
        owner,
        span: Some(fields.span().clone()),
    }
}

/// `+materialized` inside a config block means `materialized`.
fn plain_keys(config: Map<String, Json>) -> Map<String, Json> {
    config.into_iter().map(|(key, value)| (key.trim_start_matches('+').to_owned(), value)).collect()
}

/// `owner: Ana`, or a mapping with `name` and `email`.
fn owner(value: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Owner> {
    if let Some(name) = value.as_text() {
        return Some(Owner { name: name.to_owned(), email: None });
    }
    let mut fields = Fields::open(value, "\"owner\"", diagnostics)?;
    let email = fields.value("email").and_then(Value::scalar_text);
    let name = fields.text("name").or_else(|| email.clone())?;
    Some(Owner { name, email })
}

/// The habit of writing `meta: {owner: "@ana"}`.
pub(crate) fn owner_of_meta(meta: Option<&Json>) -> Option<Owner> {
    let owner = meta?.get("owner")?;
    match owner {
        Json::String(name) => Some(Owner { name: name.clone(), email: None }),
        Json::Object(fields) => {
            let text = |key: &str| fields.get(key).and_then(Json::as_str).map(str::to_owned);
            Some(Owner { name: text("name").or_else(|| text("email"))?, email: text("email") })
        }
        Json::Array(items) => {
            let names: Vec<&str> = items.iter().filter_map(Json::as_str).collect();
            (!names.is_empty()).then(|| Owner { name: names.join(", "), email: None })
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => None,
    }
}

fn access(fields: &mut Fields<'_, '_>) -> Option<Access> {
    let words = [
        ("private", Access::Private),
        ("protected", Access::Protected),
        ("public", Access::Public),
    ];
    fields.choice("access", &words)
}

/// Tests of a node or column; both spellings of the key count.
pub(super) fn tests(
    fields: &mut Fields<'_, '_>,
    column: Option<(&str, bool, &[String])>,
) -> Vec<TestDeclaration> {
    let mut found = Vec::new();
    for key in ["tests", "data_tests"] {
        for item in fields.list(key) {
            found.push(TestDeclaration {
                value: item.clone(),
                column: column.map(|(name, _, _)| name.to_owned()),
                column_quote: column.is_some_and(|(_, quote, _)| quote),
                column_tags: column.map(|(_, _, tags)| tags.to_vec()).unwrap_or_default(),
            });
        }
    }
    found
}

/// Columns of a node.
pub(super) fn columns(fields: &mut Fields<'_, '_>) -> Vec<ColumnPatch> {
    let mut found = Vec::new();
    for item in fields.list("columns") {
        let what = format!("a column of {}", fields.what());
        found.extend(column(item, what, fields.diagnostics()));
    }
    found
}

fn column(item: &Value, what: String, diagnostics: &mut Vec<Diagnostic>) -> Option<ColumnPatch> {
    // `- include: all` and `- exclude: [x]` in a version are read by the version.
    if item.as_mapping().is_some_and(|mapping| mapping.get("include").is_some()) {
        return None;
    }
    let mut fields = Fields::open(item, what, diagnostics)?;
    let name = fields.required_text("name")?;
    let mut settings = Map::new();
    for key in ["meta", "tags"] {
        if let Some(value) = fields.value(key) {
            settings.insert(key.to_owned(), value.to_json());
        }
    }
    if let Some(config) = fields.mapping("config") {
        config::merge(&mut settings, &config.to_json());
    }
    let tags = config::tags(&settings);
    let quote = fields.boolean("quote");
    let column = Column {
        description: fields.text("description").unwrap_or_default(),
        data_type: fields.text("data_type"),
        quote,
        meta: config::meta(&settings),
        constraints: fields.list("constraints").iter().map(Value::to_json).collect(),
        tags: tags.clone(),
        span: fields.value("name").map(|name| name.span.clone()),
        name: name.clone(),
    };
    let tests = tests(&mut fields, Some((&name, quote == Some(true), &tags)));
    for accepted in ["docs", "granularity", "policy_tags", "entity", "dimension", "type"] {
        fields.entry(accepted);
    }
    fields.rename(format!("column \"{name}\""));
    fields.finish_leniently();
    Some(ColumnPatch { column, tests })
}

fn versions(fields: &mut Fields<'_, '_>, base: &[ColumnPatch]) -> Vec<Version> {
    let mut found = Vec::new();
    for item in fields.list("versions") {
        let Some(mut inner) = Fields::open(item, "a version", fields.diagnostics()) else {
            continue;
        };
        let Some(version) = inner.required_text("v") else { continue };
        inner.rename(format!("version \"{version}\""));
        let has_columns = inner.value("columns").is_some();
        let taken = Inclusion::of(inner.value("columns"));
        let has_tests = inner.value("tests").is_some() || inner.value("data_tests").is_some();
        let own = columns(&mut inner);
        // The model's columns first; a version that describes one of them again means its own.
        let is_own = |name: &str| own.iter().any(|own| own.column.name == name);
        let inherited = base.iter().filter(|one| taken.has(&one.column.name));
        let inherited = inherited.filter(|one| !is_own(&one.column.name)).cloned();
        let columns: Vec<ColumnPatch> = inherited.chain(own.iter().cloned()).collect();
        let tests = tests(&mut inner, None);
        let mut facts = facts(&mut inner);
        if let Some(constraints) = inner.value("constraints") {
            facts.config.insert("constraints".to_owned(), constraints.to_json());
        }
        found.push(Version {
            defined_in: inner.text("defined_in"),
            facts,
            columns: has_columns.then_some(columns),
            tests: has_tests.then_some(tests),
            access: access(&mut inner),
            deprecation: governance::deprecation(&mut inner),
            span: item.span.clone(),
            version,
        });
        inner.entry("docs");
        inner.finish_leniently();
    }
    found
}

/// Which of a model's columns a version has: `- include: all`, `exclude: [x]`.
struct Inclusion {
    /// All when none.
    include: Option<Vec<String>>,
    exclude: Vec<String>,
}

impl Inclusion {
    fn of(columns: Option<&Value>) -> Self {
        let written = columns.map(Value::to_json);
        let items = written.as_ref().and_then(Json::as_array).into_iter().flatten();
        let found = items.into_iter().find(|item| item.get("include").is_some());
        let texts = |key: &str| -> Option<Vec<String>> {
            let items = found?.get(key)?.as_array()?.iter();
            Some(items.filter_map(Json::as_str).map(str::to_owned).collect())
        };
        Self { include: texts("include"), exclude: texts("exclude").unwrap_or_default() }
    }

    fn has(&self, name: &str) -> bool {
        let holds = |names: &[String]| names.iter().any(|one| one == name);
        self.include.as_deref().is_none_or(holds) && !holds(&self.exclude)
    }
}

fn group(place: &Place, item: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Group> {
    let mut fields = Fields::open(item, "a group", diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("group \"{name}\""));
    let owner = fields.required("owner").and_then(|value| owner(value, fields.diagnostics()));
    for accepted in ["description", "config", "meta"] {
        fields.entry(accepted);
    }
    fields.finish_leniently();
    Some(Group { package: place.package.clone(), name, owner })
}
