//! Compiles a node: the project renders its Jinja on a thread of its own, and asks the lake
//! whatever the template asks.

use std::ops::Range;
use std::sync::Arc;

use base::{Diagnostic, ErrorKind, Span};
use compute::{QueryError, Session};
use project::{CompileContext, Compiled, Node, Project};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::TransformationError;
use crate::facts::Facts;
use crate::workshop::Workshop;

/// Code of a query that the engine refused or that failed.
const QUERY_REFUSED: &str = "E0701";

/// A node's SQL, and the way back into the user's files.
#[derive(Clone)]
pub struct CompiledNode {
    /// The SQL.
    pub sql: String,
    compiled: Compiled,
    project: Arc<Project>,
    context: CompileContext,
}

impl Workshop {
    /// Renders a node's SQL. `full_refresh` is what templates see as `flags.FULL_REFRESH`;
    /// `is_incremental()` asks the lake besides.
    ///
    /// # Errors
    /// When the template, or a query that it asks, is wrong.
    pub async fn compile(
        &self,
        node: &Node,
        session: &Session,
        full_refresh: bool,
    ) -> Result<CompiledNode, TransformationError> {
        let context = self.context(session, full_refresh).await?;
        let (project, id, asked) = (Arc::clone(&self.project), node.id.clone(), context.clone());
        let rendered = tokio::task::spawn_blocking(move || project.compile(&id, &asked)).await;
        let compiled = rendered.map_err(broke_off)?.map_err(TransformationError::Project)?;
        let (sql, project) = (compiled.sql.clone(), Arc::clone(&self.project));
        Ok(CompiledNode { sql, compiled, project, context })
    }

    /// A model's hooks as SQL, those before it and those after it.
    pub(crate) async fn hooks(
        &self,
        node: &Node,
        session: &Session,
        full_refresh: bool,
    ) -> Result<Vec<String>, TransformationError> {
        let hooks = node.config.pre_hooks.iter().chain(&node.config.post_hooks);
        let texts: Vec<String> = hooks.map(|hook| hook.sql.clone()).collect();
        if texts.is_empty() {
            return Ok(texts);
        }
        let context = self.context(session, full_refresh).await?;
        let (project, id) = (Arc::clone(&self.project), node.id.clone());
        let render =
            move || texts.iter().map(|text| project.render_text(&id, text, &context)).collect();
        let rendered: Result<Vec<String>, _> =
            tokio::task::spawn_blocking(render).await.map_err(broke_off)?;
        rendered.map_err(TransformationError::Project)
    }

    async fn context(
        &self,
        session: &Session,
        full_refresh: bool,
    ) -> Result<CompileContext, TransformationError> {
        let existing = self.existing().await?;
        let facts = Facts::new(session.clone(), existing, Handle::current(), self.dialect);
        let started = self.ledger.clocks().business.now();
        let mut context = CompileContext::new(Arc::new(facts), started, self.run.as_str());
        context.full_refresh = full_refresh;
        Ok(context)
    }
}

impl CompiledNode {
    /// What the engine said about the SQL, drawn in the file the user wrote.
    pub(crate) fn query_error(&self, error: QueryError) -> TransformationError {
        if error.kind == ErrorKind::Cancelled {
            return TransformationError::Cancelled;
        }
        let mut diagnostic =
            Diagnostic::error(QUERY_REFUSED, format!("{} ({})", error.message, self.compiled.node));
        if let Some((place, through)) = error.span.clone().and_then(|range| self.origin(range)) {
            diagnostic = diagnostic.at(place, "");
            if let Some(through) = through {
                diagnostic = diagnostic.also(through, "called from here");
            }
        } else if let Some(node) = self.project.graph.node(&self.compiled.node) {
            diagnostic = diagnostic.note(format!("The SQL is in {}.", node.path));
        }
        diagnostic.notes.extend(error.detail.clone());
        diagnostic.help.extend(error.help.clone());
        TransformationError::Query { error, diagnostic: Box::new(diagnostic) }
    }

    /// Where a stretch of the SQL was written. Rendering again may ask the lake, which blocks, so
    /// it happens on a thread of its own.
    fn origin(&self, range: Range<usize>) -> Option<(Span, Option<Span>)> {
        let map = || self.project.source_map(&self.compiled, &self.context);
        let map = std::thread::scope(|scope| scope.spawn(map).join()).ok()?;
        map.origin(range)
    }

    /// Names the code, so that a version says what made it: SQL and settings.
    pub(crate) fn fingerprint(&self, node: &Node) -> String {
        let mut hash = Sha256::new();
        hash.update(self.sql.as_bytes());
        hash.update(serde_json::Value::Object(node.config.all.clone()).to_string().as_bytes());
        hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            use std::fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

fn broke_off(error: tokio::task::JoinError) -> TransformationError {
    TransformationError::Internal(format!("rendering broke off: {error}"))
}

impl TransformationError {
    /// An engine's error that is about no node's SQL.
    pub(crate) fn from_query(error: QueryError, node: Option<&CompiledNode>) -> Self {
        match node {
            Some(node) => node.query_error(error),
            None => {
                let diagnostic = Diagnostic::error(QUERY_REFUSED, error.message.clone());
                Self::Query { error, diagnostic: Box::new(diagnostic) }
            }
        }
    }
}
