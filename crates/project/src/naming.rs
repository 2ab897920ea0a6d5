//! Where a node's rows live: dbt's `generate_schema_name` and `generate_alias_name`, which a
//! project may write itself. The database is always the environment.

use std::sync::Arc;

use base::Diagnostic;
use serde_json::{Map, Value as Json};

use crate::jinja::{GLOBAL_PACKAGE, NoHost, NodeSource, Renderer};
use crate::manifest;
use crate::node::{Node, NodeKind, Relation};

/// Where rows of stored test failures go.
const TEST_SCHEMA: &str = "dbt_test__audit";

/// Names relations.
pub(crate) struct Namer {
    renderer: Renderer,
    environment: String,
    schema: String,
}

impl Namer {
    pub(crate) fn new(renderer: &Renderer, environment: &str, schema: &str) -> Self {
        Self {
            renderer: renderer.clone(),
            environment: environment.to_owned(),
            schema: schema.to_owned(),
        }
    }

    pub(crate) fn environment(&self) -> &str {
        &self.environment
    }

    /// The relation of a node that has one.
    pub(crate) fn relation(
        &self,
        node: &Node,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Relation> {
        match node.kind {
            NodeKind::Model | NodeKind::Seed | NodeKind::Snapshot | NodeKind::Test => {}
            NodeKind::Stream | NodeKind::Source => return node.relation.clone(),
            NodeKind::Analysis
            | NodeKind::Operation
            | NodeKind::Exposure
            | NodeKind::Metric
            | NodeKind::SemanticModel
            | NodeKind::SavedQuery
            | NodeKind::UnitTest
            | NodeKind::Sync
            | NodeKind::FeatureView
            | NodeKind::Dashboard => return None,
        }
        let target_schema = node.config.all.get("target_schema").and_then(Json::as_str);
        let custom = match node.kind {
            NodeKind::Test => Some(node.config.schema.as_deref().unwrap_or(TEST_SCHEMA)),
            NodeKind::Stream
            | NodeKind::Source
            | NodeKind::Seed
            | NodeKind::Model
            | NodeKind::Snapshot
            | NodeKind::Analysis
            | NodeKind::Operation
            | NodeKind::Exposure
            | NodeKind::Metric
            | NodeKind::SemanticModel
            | NodeKind::SavedQuery
            | NodeKind::UnitTest
            | NodeKind::Sync
            | NodeKind::FeatureView
            | NodeKind::Dashboard => node.config.schema.as_deref(),
        };
        let schema = match (node.kind, target_schema) {
            (NodeKind::Snapshot, Some(schema)) => schema.to_owned(),
            _ => self.generated("generate_schema_name", custom, node, diagnostics).unwrap_or_else(
                || match custom {
                    Some(custom) => format!("{}_{}", self.schema, custom.trim()),
                    None => self.schema.clone(),
                },
            ),
        };
        let alias = node.config.alias.as_deref();
        let identifier = self
            .generated("generate_alias_name", alias, node, diagnostics)
            .unwrap_or_else(|| match (alias, &node.version) {
                (Some(alias), _) => alias.trim().to_owned(),
                (None, Some(version)) => format!("{}_v{}", node.name, version.replace('.', "_")),
                (None, None) => node.name.clone(),
            });
        Some(Relation { database: self.environment.clone(), schema, identifier })
    }

    /// What a macro of the user's own answers; none when only the built-in one exists.
    fn generated(
        &self,
        name: &str,
        custom: Option<&str>,
        node: &Node,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let found = self.renderer.library().find(&node.package, name)?;
        if found.package == GLOBAL_PACKAGE {
            return None;
        }
        let mut source = NodeSource::file(&node.file, &node.package, node.id.as_str());
        source.config.clone_from(&node.config.all);
        source.model = manifest::node(node);
        let arguments = [custom.into(), source.model.clone()];
        let named = Map::new();
        match self.renderer.call(&found.id, &arguments, &named, &source, Arc::new(NoHost)) {
            Ok(Json::String(text)) => Some(text.trim().to_owned()),
            Ok(other) => Some(crate::python::text(&other)),
            Err(problem) => {
                diagnostics.push(*problem);
                None
            }
        }
    }
}
