//! Compiles a node: the project renders its Jinja on a thread of its own, and asks the lake
//! whatever the template asks.

use std::ops::Range;
use std::sync::Arc;

use base::{Diagnostic, ErrorKind, Span};
use compute::{QueryError, Session};
use project::{CompileContext, Compiled, Node, Project, RowFilter};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use crate::TransformationError;
use crate::facts::Facts;
use crate::workshop::Workshop;
use crate::world::World;

/// Code of a query that the engine refused or that failed.
pub(crate) const QUERY_REFUSED: &str = "E0701";

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
        let world = self.world(session.clone()).await?;
        self.compile_in(node, &world, full_refresh).await
    }

    /// The same in a world that hooks may have changed.
    pub(crate) async fn compile_in(
        &self,
        node: &Node,
        world: &Arc<World>,
        full_refresh: bool,
    ) -> Result<CompiledNode, TransformationError> {
        let (context, facts) = self.context(world, full_refresh);
        self.compile_with(node, context, &facts).await
    }

    /// The same with only some rows of the parents in sight.
    pub(crate) async fn compile_filtered(
        &self,
        node: &Node,
        world: &Arc<World>,
        full_refresh: bool,
        filter: &RowFilter,
    ) -> Result<CompiledNode, TransformationError> {
        let (mut context, facts) = self.context(world, full_refresh);
        context.filter = Some(filter.clone());
        self.compile_with(node, context, &facts).await
    }

    pub(crate) async fn compile_with(
        &self,
        node: &Node,
        context: CompileContext,
        facts: &Facts,
    ) -> Result<CompiledNode, TransformationError> {
        let rendered = self.render(node, context).await;
        facts.settle();
        let compiled = rendered?;
        let mut texts = self.compiled.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        texts.insert(node.id.clone(), compiled.sql.clone());
        drop(texts);
        Ok(compiled)
    }

    /// Renders a node on a thread of its own, and remembers nothing.
    pub(crate) async fn render(
        &self,
        node: &Node,
        context: CompileContext,
    ) -> Result<CompiledNode, TransformationError> {
        let (project, id, asked) = (Arc::clone(&self.project), node.id.clone(), context.clone());
        let rendered = tokio::task::spawn_blocking(move || project.compile(&id, &asked)).await;
        let compiled = rendered.map_err(broke_off)?.map_err(TransformationError::Project)?;
        let (sql, project) = (compiled.sql.clone(), Arc::clone(&self.project));
        Ok(CompiledNode { sql, compiled, project, context })
    }

    /// The environment as a session shows it, ready for statements that change it.
    pub(crate) async fn world(&self, session: Session) -> Result<Arc<World>, TransformationError> {
        let existing = self.existing().await?;
        Ok(Arc::new(World::new(self.hands(), session, existing)))
    }

    pub(crate) fn context(
        &self,
        world: &Arc<World>,
        full_refresh: bool,
    ) -> (CompileContext, Arc<Facts>) {
        let facts = Arc::new(Facts::new(
            Arc::clone(world),
            Handle::current(),
            self.dialect,
            Arc::clone(&self.invocation),
            Arc::clone(&self.namespaces),
        ));
        let started = self.started;
        let host: Arc<dyn project::jinja::Host> =
            Arc::clone(&facts) as Arc<dyn project::jinja::Host>;
        let mut context = CompileContext::new(host, started, self.run.as_str());
        context.full_refresh = full_refresh;
        context.flags.clone_from(&self.invocation.flags);
        context.arguments.clone_from(&self.invocation.arguments);
        context.extra.clone_from(&self.invocation.extra);
        context.filter.clone_from(&self.invocation.filter);
        context.stands_for.clone_from(&self.invocation.stands_for);
        (context, facts)
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
            diagnostic = diagnostic.at(node.span.clone(), "somewhere in this query");
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
