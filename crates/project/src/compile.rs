//! From a node to the SQL that runs: the template rendered, ephemeral parents put in front as
//! common table expressions, byte for byte as dbt does it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use base::{Diagnostic, NodeId, SourceFile};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};

use crate::host::GraphHost;
use crate::inject;
use crate::jinja::{
    Host, NodeSource, Relation, RelationKind, Renderer, RowFilter, SourceMap, TestCall,
};
use crate::node::{Node, NodeKind};
use crate::project::Project;
use crate::test_node::{Test, TestKind};
use crate::{codes, manifest};

/// Levels of ephemeral models that use each other.
const EPHEMERAL_DEPTH_MAX: usize = 100;

/// What a command knows while nodes are compiled.
#[derive(Clone)]
pub struct CompileContext {
    /// Answers what templates ask about tables, columns and rows.
    pub facts: Arc<dyn Host>,
    /// `--full-refresh`.
    pub full_refresh: bool,
    /// When the run started, on the business clock.
    pub run_started_at: DateTime<Utc>,
    /// The command's own id.
    pub invocation_id: String,
    /// Further entries of the `flags` variable, such as `WHICH`.
    pub flags: Map<String, Json>,
    /// The `invocation_args_dict` variable.
    pub arguments: Map<String, Json>,
    /// Further names for templates, such as `results` at the end of a run.
    pub extra: Map<String, Json>,
    /// Which rows of their parents nodes read; all when none.
    pub filter: Option<RowFilter>,
    /// What stands in the place of a parent, by its id: the rows of a unit test.
    pub stands_for: BTreeMap<NodeId, Relation>,
    /// Values that macros give instead of being called, by name.
    pub macros: Map<String, Json>,
    /// Variables that outrank the project's.
    pub vars: Map<String, Json>,
    /// Environment variables that outrank the process's.
    pub env_vars: Map<String, Json>,
}

impl CompileContext {
    /// A context for a command that starts now and can ask `facts`.
    pub fn new(facts: Arc<dyn Host>, run_started_at: DateTime<Utc>, invocation_id: &str) -> Self {
        Self {
            facts,
            full_refresh: false,
            run_started_at,
            invocation_id: invocation_id.to_owned(),
            flags: Map::new(),
            arguments: Map::new(),
            extra: Map::new(),
            filter: None,
            stands_for: BTreeMap::new(),
            macros: Map::new(),
            vars: Map::new(),
            env_vars: Map::new(),
        }
    }
}

/// A compiled node.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The node.
    pub node: NodeId,
    /// The SQL.
    pub sql: String,
    /// Direct parents, ephemeral ones included.
    pub depends_on: Vec<NodeId>,
    /// Ephemeral models that became common table expressions, in their order.
    pub ephemerals: Vec<NodeId>,
    /// Ids of the macros that were called.
    pub macros: Vec<String>,
    /// Warnings raised by the template.
    pub warnings: Vec<Diagnostic>,
    /// What each node's template rendered to, before anything was put in front.
    texts: BTreeMap<NodeId, String>,
    segments: Vec<Segment>,
}

/// A stretch of the SQL that is a stretch of one node's own text.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) sql: Range<usize>,
    pub(crate) node: NodeId,
    pub(crate) text_start: usize,
}

impl Project {
    /// Compiles a node.
    ///
    /// # Errors
    /// Everything that is wrong with the node's template and those of its ephemeral parents.
    pub fn compile(
        &self,
        id: &NodeId,
        context: &CompileContext,
    ) -> Result<Compiled, Vec<Diagnostic>> {
        let node = self.graph.node(id).ok_or_else(|| vec![no_such_node(id)])?;
        self.compilable(node)?;
        let mut work = Work {
            project: self,
            renderer: self.renderer_for(context),
            context,
            texts: BTreeMap::new(),
            order: Vec::new(),
            macros: Vec::new(),
            warnings: Vec::new(),
        };
        work.render(node, 0)?;
        let ephemerals: Vec<NodeId> =
            work.order.iter().filter(|other| *other != id).cloned().collect();
        let (sql, segments) = inject::assemble(id, &work.texts, &self.ctes(&ephemerals));
        Ok(Compiled {
            node: id.clone(),
            sql,
            depends_on: node.depends_on.clone(),
            ephemerals,
            macros: work.macros,
            warnings: work.warnings,
            texts: work.texts,
            segments,
        })
    }

    /// Where each byte of a compiled node's SQL was written, in the user's files. Renders again,
    /// so it is asked for only when there is something to point at.
    pub fn source_map(&self, compiled: &Compiled, context: &CompileContext) -> SourceMap {
        let renderer = self.renderer_for(context);
        let mut pieces = Vec::new();
        for segment in &compiled.segments {
            let Some(node) = self.graph.node(&segment.node) else { continue };
            let Some(text) = compiled.texts.get(&segment.node) else { continue };
            let map = renderer.map(&self.source_in(node, context), self.host(node, context), text);
            let (start, length) = (segment.text_start, segment.sql.len());
            for mut piece in map.pieces {
                let from = piece.start.max(start);
                let to = piece.end.min(start + length);
                if from >= to {
                    continue;
                }
                if piece.verbatim {
                    piece.origin.start += from - piece.start;
                    piece.origin.end = piece.origin.start + (to - from);
                }
                piece.start = from - start + segment.sql.start;
                piece.end = to - start + segment.sql.start;
                pieces.push(piece);
            }
        }
        pieces.sort_by_key(|piece| piece.start);
        SourceMap { pieces }
    }

    /// Renders a text in the context of a node: hooks, conditions.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn render_text(
        &self,
        id: &NodeId,
        text: &str,
        context: &CompileContext,
    ) -> Result<String, Vec<Diagnostic>> {
        let node = self.graph.node(id).ok_or_else(|| vec![no_such_node(id)])?;
        let file = SourceFile::new(node.path.clone(), text);
        let mut source = self.source_in(node, context);
        source.range = 0..file.text.len();
        source.file = file;
        source.test = None;
        let rendered = self.renderer_for(context).render(&source, self.host(node, context));
        rendered.map(|rendered| rendered.text).map_err(|problem| vec![*problem])
    }

    /// Calls a macro by name, outside of any node.
    ///
    /// # Errors
    /// When there is no such macro, or it fails.
    pub fn run_operation(
        &self,
        name: &str,
        arguments: &Map<String, Json>,
        context: &CompileContext,
    ) -> Result<Json, Vec<Diagnostic>> {
        let file = SourceFile::new("run-operation", "");
        let package = match name.split_once('.') {
            Some((package, _)) if self.macros().has_package(package) => package,
            _ => self.name.as_str(),
        };
        let mut source = NodeSource::file(&file, package, "operation");
        source.extra.clone_from(&context.extra);
        let facts = Arc::clone(&context.facts);
        let host = GraphHost::for_package(Arc::clone(&self.graph), package, facts);
        let called = self.renderer_for(context).call(name, &[], arguments, &source, Arc::new(host));
        called.map_err(|problem| vec![*problem])
    }

    /// Renders a text that belongs to no node, ephemeral parents put in front.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn compile_text(
        &self,
        text: &str,
        context: &CompileContext,
    ) -> Result<String, Vec<Diagnostic>> {
        let file = SourceFile::new("inline", text);
        let mut source = NodeSource::file(&file, &self.name, "sql_operation.inline");
        source.extra.clone_from(&context.extra);
        let facts = Arc::clone(&context.facts);
        let host = GraphHost::for_package(Arc::clone(&self.graph), &self.name, facts);
        let renderer = self.renderer_for(context);
        let rendered =
            renderer.render(&source, Arc::new(host)).map_err(|problem| vec![*problem])?;
        let mut work = Work {
            project: self,
            renderer,
            context,
            texts: BTreeMap::new(),
            order: Vec::new(),
            macros: Vec::new(),
            warnings: Vec::new(),
        };
        for call in &rendered.refs {
            let Ok(parent) = self.graph.find_ref(call, &self.name) else { continue };
            if parent.is_ephemeral() {
                work.render(parent, 1)?;
            }
        }
        let id = NodeId::new("sql_operation.inline");
        let ephemerals = work.order.clone();
        work.texts.insert(id.clone(), rendered.text);
        Ok(inject::assemble(&id, &work.texts, &self.ctes(&ephemerals)).0)
    }

    /// What is said of a node whose materialization nobody wrote.
    pub fn unknown_materialization(&self, node: &Node) -> Diagnostic {
        let word = node.config.materialized.word();
        let message = format!("materialization \"{word}\" of \"{}\" does not exist", node.name);
        let built_in = ["view", "table", "incremental", "ephemeral", "materialized_view"];
        let help = crate::suggest::did_you_mean(word, built_in).unwrap_or_else(|| {
            "Use view, table, incremental, ephemeral, or write the materialization.".to_owned()
        });
        Diagnostic::error(codes::COMPILE_UNSUPPORTED, message).at(node.span.clone(), "").help(help)
    }

    /// Calls the macro of a node's own materialization, with its compiled SQL.
    ///
    /// # Errors
    /// When there is no such macro, or it fails.
    pub fn materialize(
        &self,
        node: &Node,
        sql: &str,
        context: &CompileContext,
    ) -> Result<Json, Vec<Diagnostic>> {
        let word = node.config.materialized.word();
        let Some(found) = self.macros().find_materialization(word) else {
            return Err(vec![self.unknown_materialization(node)]);
        };
        let mut source = self.source_in(node, context);
        for name in ["sql", "compiled_code", "compiled_sql"] {
            source.extra.insert(name.to_owned(), sql.into());
        }
        if let Json::Object(model) = &mut source.model {
            model.insert("compiled_code".to_owned(), sql.into());
            model.insert("compiled_sql".to_owned(), sql.into());
        }
        let id = found.id.clone();
        let host = self.host(node, context);
        let called = self.renderer_for(context).call(&id, &[], &Map::new(), &source, host);
        called.map_err(|problem| vec![*problem])
    }

    /// What a node gives the renderer in a command.
    fn source_in(&self, node: &Node, context: &CompileContext) -> NodeSource {
        let mut source = self.source_of(node);
        source.extra.clone_from(&context.extra);
        source.macros.clone_from(&context.macros);
        source
    }

    /// A renderer that knows a command's flags and times.
    pub fn renderer_for(&self, context: &CompileContext) -> Renderer {
        let mut settings = self.renderer.settings().clone();
        settings.run_started_at = context.run_started_at;
        settings.invocation_id.clone_from(&context.invocation_id);
        settings.flags.extend(context.flags.clone());
        settings.flags.insert("FULL_REFRESH".to_owned(), context.full_refresh.into());
        settings.arguments.extend(context.arguments.clone());
        for known in settings.variables.values_mut() {
            known.extend(context.vars.clone());
        }
        for (name, value) in &context.env_vars {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            settings.environment_variables.insert(name.clone(), text);
        }
        Renderer::new(Arc::clone(self.renderer.library()), settings)
    }

    /// The host that answers a node's `ref` and `source` from the graph, and the rest from the
    /// context's facts.
    pub fn host(&self, node: &Node, context: &CompileContext) -> Arc<dyn Host> {
        Arc::new(GraphHost::new(Arc::clone(&self.graph), node, context))
    }

    /// What a node gives the renderer.
    pub fn source_of(&self, node: &Node) -> NodeSource {
        let mut source = NodeSource::file(&node.file, &node.package, node.id.as_str());
        match node.test.as_ref().map(|test| &test.kind) {
            Some(TestKind::Generic { namespace, name, arguments, .. }) => {
                source.range = node.span.start..node.span.end;
                source.test = Some(TestCall {
                    name: name.clone(),
                    package: namespace.clone(),
                    arguments: arguments.clone(),
                });
            }
            Some(TestKind::Singular) | None => {
                source.range = node.sql_offset..node.sql_offset + node.raw_sql.len();
            }
        }
        source.this = node.relation.as_ref().map(|relation| {
            let kind = match node.config.materialized {
                crate::config::Materialization::View if node.kind == NodeKind::Model => {
                    RelationKind::View
                }
                crate::config::Materialization::View
                | crate::config::Materialization::Table
                | crate::config::Materialization::Incremental
                | crate::config::Materialization::Ephemeral
                | crate::config::Materialization::MaterializedView
                | crate::config::Materialization::Custom(_) => RelationKind::Table,
            };
            relation.for_templates().of_kind(kind)
        });
        source.model = manifest::node(node);
        source.config = manifest::config_of(node);
        source
    }

    fn compilable(&self, node: &Node) -> Result<(), Vec<Diagnostic>> {
        let has_sql = match node.kind {
            NodeKind::Model
            | NodeKind::Test
            | NodeKind::Analysis
            | NodeKind::Operation
            | NodeKind::Snapshot => node.declaration.is_none(),
            NodeKind::Stream
            | NodeKind::Source
            | NodeKind::Seed
            | NodeKind::Exposure
            | NodeKind::Metric
            | NodeKind::SemanticModel
            | NodeKind::SavedQuery
            | NodeKind::UnitTest
            | NodeKind::Sync
            | NodeKind::FeatureView
            | NodeKind::Dashboard => false,
        };
        if has_sql {
            return Ok(());
        }
        let message = format!("{} \"{}\" has no SQL to compile", node.kind.word(), node.name);
        let problem = Diagnostic::error(codes::COMPILE_UNSUPPORTED, message)
            .at(node.span.clone(), "")
            .help("Choose a SQL model, a test or an analysis.");
        Err(vec![problem])
    }

    fn ctes(&self, ephemerals: &[NodeId]) -> Vec<(NodeId, String)> {
        let name = |id: &NodeId| self.graph.node(id).map(cte_name).unwrap_or_default();
        ephemerals.iter().map(|id| (id.clone(), name(id))).collect()
    }
}

/// The name an ephemeral model has in whoever uses it.
pub(crate) fn cte_name(node: &Node) -> String {
    let identifier = node.relation.as_ref().map_or(&node.name, |relation| &relation.identifier);
    format!("__dbt__cte__{identifier}")
}

fn no_such_node(id: &NodeId) -> Diagnostic {
    Diagnostic::error(codes::SELECTOR_EMPTY, format!("the project has no node \"{id}\""))
        .help("`fiveply ls` lists what the project has.")
}

struct Work<'w> {
    project: &'w Project,
    renderer: Renderer,
    context: &'w CompileContext,
    texts: BTreeMap<NodeId, String>,
    /// Nodes in the order they are complete: ephemeral parents before those who use them.
    order: Vec<NodeId>,
    macros: Vec<String>,
    warnings: Vec<Diagnostic>,
}

impl Work<'_> {
    fn render(&mut self, node: &Node, depth: usize) -> Result<(), Vec<Diagnostic>> {
        if self.texts.contains_key(&node.id) {
            return Ok(());
        }
        if depth > EPHEMERAL_DEPTH_MAX {
            let message = format!("ephemeral models are nested deeper than {EPHEMERAL_DEPTH_MAX}");
            return Err(vec![
                Diagnostic::error(codes::GRAPH_LIMIT, message)
                    .at(node.span.clone(), "")
                    .help("Make one of them a view."),
            ]);
        }
        let source = self.project.source_in(node, self.context);
        let host = self.project.host(node, self.context);
        let rendered = self.renderer.render(&source, host).map_err(|problem| vec![*problem])?;
        self.texts.insert(node.id.clone(), rendered.text);
        self.macros.extend(rendered.macros);
        self.warnings.extend(rendered.warnings);
        for call in &rendered.refs {
            // The host has answered this call already, so it is known to fit.
            let Ok(parent) = self.project.graph.find_ref(call, &node.package) else { continue };
            if parent.is_ephemeral() && !self.context.stands_for.contains_key(&parent.id) {
                self.render(parent, depth + 1)?;
            }
        }
        self.order.push(node.id.clone());
        Ok(())
    }
}

impl Test {
    /// The query whose one row says how many rows failed and whether that warns or fails.
    pub fn query(&self, sql: &str) -> String {
        let (calculation, warn, error) = (&self.fail_calculation, &self.warn_if, &self.error_if);
        let limit = self.limit.map(|limit| format!("limit {limit}")).unwrap_or_default();
        format!(
            "select\n      {calculation} as failures,\n      {calculation} {warn} as should_warn,\n\
             \x20     {calculation} {error} as should_error\n    from (\n      {sql}\n\
             \x20     {limit}\n\
             \x20   ) dbt_internal_test"
        )
    }
}
