//! Unit tests as written: the rows a model is given, and the rows it must then give.

use base::{Diagnostic, NodeId};
use serde_json::{Map, Value as Json};

use crate::assemble::{Reference, parse_reference};
use crate::codes;
use crate::node::{Node, NodeKind};
use crate::project::Project;

/// Rows as a test writes them.
#[derive(Clone, Debug, PartialEq)]
pub enum FixtureRows {
    /// Values by column, as they stand in YAML.
    Values(Vec<Map<String, Json>>),
    /// A CSV text with a header.
    Csv(String),
    /// A query.
    Sql(String),
    /// A file below the test paths, with its extension.
    File(String),
}

/// What a fixture stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FixtureInput {
    /// The model's own table, for the increment.
    This,
    /// A parent.
    Parent(NodeId),
}

/// A unit test, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitTest {
    /// The model under test.
    pub model: NodeId,
    /// What it is given.
    pub given: Vec<(FixtureInput, FixtureRows)>,
    /// What it must give.
    pub expect: FixtureRows,
    /// Values that macros give, by name.
    pub macros: Map<String, Json>,
    /// Variables of the project.
    pub vars: Map<String, Json>,
    /// Variables of the environment.
    pub env_vars: Map<String, Json>,
}

impl Project {
    /// What a unit test's declaration means.
    ///
    /// # Errors
    /// When it names what does not exist, or its rows are none.
    pub fn unit_test(&self, node: &Node) -> Result<UnitTest, Vec<Diagnostic>> {
        let refuse = |message: String| {
            vec![Diagnostic::error(codes::WRONG_VALUE, message).at(node.span.clone(), "").help(
                "Write given: [{input: ref('model'), rows: [...]}] and expect: {rows: [...]}.",
            )]
        };
        let written = node.declaration.clone().unwrap_or_default();
        let model = node
            .depends_on
            .iter()
            .find(|id| self.graph.node(id).is_some_and(|parent| parent.kind == NodeKind::Model));
        let model =
            model.cloned().ok_or_else(|| refuse("the tested model does not exist".into()))?;
        let mut given = Vec::new();
        for item in written.get("given").and_then(Json::as_array).into_iter().flatten() {
            let input = item.get("input").and_then(Json::as_str).unwrap_or_default();
            let found = match parse_reference(input) {
                _ if input.trim() == "this" => Some(FixtureInput::This),
                Some(Reference::Ref(call)) => self
                    .graph
                    .find_ref(&call, &node.package)
                    .ok()
                    .map(|parent| FixtureInput::Parent(parent.id.clone())),
                Some(Reference::Source(source, table)) => self
                    .graph
                    .find_source(&source, &table, &node.package)
                    .ok()
                    .map(|parent| FixtureInput::Parent(parent.id.clone())),
                None => None,
            };
            let found = found.ok_or_else(|| refuse(format!("\"{input}\" names no input")))?;
            given.push((found, rows(item)));
        }
        let expect = written.get("expect").map_or(FixtureRows::Values(Vec::new()), rows);
        let overrides = |key: &str| {
            let inner = written.get("overrides").and_then(|all| all.get(key));
            inner.and_then(Json::as_object).cloned().unwrap_or_default()
        };
        let (macros, vars, env_vars) =
            (overrides("macros"), overrides("vars"), overrides("env_vars"));
        Ok(UnitTest { model, given, expect, macros, vars, env_vars })
    }
}

fn rows(item: &Json) -> FixtureRows {
    let format = item.get("format").and_then(Json::as_str).unwrap_or("dict");
    if let Some(name) = item.get("fixture").and_then(Json::as_str) {
        let extension = if format == "sql" { "sql" } else { "csv" };
        return FixtureRows::File(format!("{name}.{extension}"));
    }
    match item.get("rows") {
        Some(Json::String(text)) if format == "sql" => FixtureRows::Sql(text.clone()),
        Some(Json::String(text)) => FixtureRows::Csv(text.clone()),
        Some(Json::Array(items)) => {
            let rows = items.iter().filter_map(Json::as_object).cloned();
            FixtureRows::Values(rows.collect())
        }
        _ => FixtureRows::Values(Vec::new()),
    }
}
