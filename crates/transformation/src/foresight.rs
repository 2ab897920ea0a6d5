//! Looks ahead: the selected models are planned over the columns that their parents will have, so
//! that wrong names and types are told before the first one runs. What cannot be known before the
//! run (templates that ask the lake for rows, materializations of the project's own, sources that
//! are not loaded) is left to its own turn, and so is everything that stands on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::{Field, Schema, SchemaRef};
use base::{Diagnostic, ErrorKind, NodeId};
use futures::{StreamExt, stream};
use project::config::OnSchemaChange;
use project::jinja::{AdapterCall, Column, Failure, Host, Relation, Table};
use project::{Materialization, Node, NodeKind};

use crate::compile::CompiledNode;
use crate::facts::Facts;
use crate::world::World;
use crate::{TransformationError, Workshop};

/// Nodes that are planned at once.
const AT_ONCE: usize = 4;
/// Seeds above this size are not read twice; their readers are planned when their turn comes.
const SEED_BYTES_MAX: usize = 1 << 20;

/// What is wrong with a node that has not run yet.
#[derive(Debug)]
pub struct Foreseen {
    /// The node.
    pub node: NodeId,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

/// Answers templates about tables and columns, and never runs anything.
struct Careful {
    facts: Arc<Facts>,
    /// Whether something was asked whose answer only the run will know.
    at_a_loss: AtomicBool,
}

impl Careful {
    fn unknown<T>(&self) -> Result<T, Failure> {
        self.at_a_loss.store(true, Ordering::SeqCst);
        Err(Failure::new("nothing is asked before the run"))
    }
}

impl Host for Careful {
    fn relation(&self, wanted: &Relation) -> Result<Option<Relation>, Failure> {
        self.facts.relation(wanted)
    }

    fn relations(&self, _database: Option<&str>, _schema: &str) -> Result<Vec<Relation>, Failure> {
        self.unknown()
    }

    fn columns(&self, relation: &Relation) -> Result<Vec<Column>, Failure> {
        match self.facts.relation(relation)? {
            Some(_) => self.facts.columns(relation),
            None => self.unknown(),
        }
    }

    fn query_columns(&self, sql: &str) -> Result<Vec<Column>, Failure> {
        self.facts.query_columns(sql)
    }

    fn query(&self, _sql: &str) -> Result<Table, Failure> {
        self.unknown()
    }

    fn adapter(&self, _call: &AdapterCall) -> Result<serde_json::Value, Failure> {
        self.unknown()
    }

    fn selected_resources(&self) -> Vec<String> {
        self.facts.selected_resources()
    }
}

/// What looking at one node told.
enum Seen {
    /// The columns its table will have.
    Columns(SchemaRef),
    /// Nobody can tell before its turn.
    Unknown,
    /// It cannot be built.
    Wrong(TransformationError),
}

/// The environment as it will be, level by level.
struct Ahead {
    world: Arc<World>,
    /// Nodes whose readers cannot be planned.
    dark: BTreeSet<NodeId>,
    found: Vec<Foreseen>,
}

impl Workshop {
    /// Plans nodes, parents first, and tells which of them cannot be built, in the graph's order.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn foresee(
        &self,
        nodes: &BTreeSet<NodeId>,
    ) -> Result<Vec<Foreseen>, TransformationError> {
        let world = self.world(self.session(self.catalog().await?)).await?;
        let mut ahead = Ahead { world, dark: BTreeSet::new(), found: Vec::new() };
        for level in self.levels(nodes) {
            let nodes = level.iter().filter_map(|id| self.project.graph.node(id));
            let known_so_far = &ahead;
            let looks = nodes
                .map(|node| async move { (node, self.look(node, known_so_far).await) })
                .collect::<Vec<_>>();
            let seen: Vec<(&Node, Seen)> = stream::iter(looks).buffered(AT_ONCE).collect().await;
            let mut known = Vec::new();
            for (node, seen) in seen {
                match seen {
                    Seen::Columns(schema) => {
                        let relation = node.relation.as_ref().map(project::Relation::table);
                        known.extend(relation.map(|name| (name, schema)));
                    }
                    Seen::Unknown => {
                        ahead.dark.insert(node.id.clone());
                    }
                    Seen::Wrong(error) => {
                        ahead.dark.insert(node.id.clone());
                        let diagnostics = self.told(node, &error);
                        ahead.found.push(Foreseen { node: node.id.clone(), diagnostics });
                    }
                }
            }
            ahead.world.expect(known);
        }
        let order: BTreeMap<&NodeId, usize> =
            self.project.graph.order().iter().enumerate().map(|(at, id)| (id, at)).collect();
        ahead.found.sort_by_key(|foreseen| order.get(&foreseen.node).copied());
        Ok(ahead.found)
    }

    /// The nodes in layers: none stands on another of its own layer, or of a later one.
    fn levels(&self, nodes: &BTreeSet<NodeId>) -> Vec<Vec<NodeId>> {
        let graph = &self.project.graph;
        let mut depths: BTreeMap<&NodeId, usize> = BTreeMap::new();
        let mut levels: Vec<Vec<NodeId>> = Vec::new();
        for id in graph.order() {
            let parents = graph.parents(id).iter();
            let above = parents.filter_map(|parent| depths.get(parent)).max().copied();
            let chosen = nodes.contains(id);
            let depth = above.unwrap_or(0) + usize::from(chosen);
            depths.insert(id, depth);
            if chosen {
                levels.resize_with(levels.len().max(depth), Vec::new);
                levels[depth - 1].push(id.clone());
            }
        }
        levels
    }

    /// What is said of a node; an error without a place is said of the node's own.
    fn told(&self, node: &Node, error: &TransformationError) -> Vec<Diagnostic> {
        let drawn = error.diagnostics();
        if !drawn.is_empty() {
            return drawn;
        }
        let mut diagnostic = Diagnostic::error(crate::compile::QUERY_REFUSED, error.to_string())
            .at(node.span.clone(), "");
        diagnostic.help.extend(error.help());
        vec![diagnostic]
    }

    async fn look(&self, node: &Node, ahead: &Ahead) -> Seen {
        let word = node.config.materialized.word();
        if matches!(node.config.materialized, Materialization::Custom(_))
            && node.kind == NodeKind::Model
            && self.project.macros().find_materialization(word).is_none()
        {
            let unknown = self.project.unknown_materialization(node);
            return Seen::Wrong(TransformationError::Project(vec![unknown]));
        }
        if !self.can_be_told(node, ahead) {
            return Seen::Unknown;
        }
        let looked = match node.kind {
            NodeKind::Seed => self.look_at_seed(node).await,
            NodeKind::Model => Box::pin(self.look_at_model(node, ahead)).await,
            NodeKind::Snapshot => Box::pin(self.look_at_snapshot(node, ahead)).await,
            _ => Ok(None),
        };
        match looked {
            Ok(Some(schema)) => Seen::Columns(schema),
            Ok(None) => Seen::Unknown,
            Err(error) if self.is_certain(&error) => Seen::Wrong(error),
            Err(_) => Seen::Unknown,
        }
    }

    /// Whether all that a node reads is there, or is known by now.
    fn can_be_told(&self, node: &Node, ahead: &Ahead) -> bool {
        if node.is_python() || (node.kind == NodeKind::Model && self.is_custom(node)) {
            return false;
        }
        let mut open: Vec<&NodeId> = node.depends_on.iter().collect();
        let mut seen: BTreeSet<&NodeId> = BTreeSet::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            let Some(parent) = self.project.graph.node(id) else { return false };
            if ahead.dark.contains(id) {
                return false;
            }
            if parent.is_ephemeral() {
                open.extend(&parent.depends_on);
                continue;
            }
            let deferred = self.invocation.stands_for.contains_key(id);
            let there =
                |relation: &project::Relation| ahead.world.found(&relation.table()).is_some();
            if !deferred && parent.relation.as_ref().is_some_and(|relation| !there(relation)) {
                return false;
            }
        }
        true
    }

    /// Whether an error will still be one when the node's turn comes. A table that nobody declares
    /// may be made by a hook of somebody else's; and only the user's mistakes are told early.
    fn is_certain(&self, error: &TransformationError) -> bool {
        let hooked = || {
            let nodes = self.project.graph.nodes.values();
            let mut nodes = nodes.filter(|node| node.config.enabled);
            nodes.any(|node| {
                node.kind == NodeKind::Operation
                    || !node.config.pre_hooks.is_empty()
                    || !node.config.post_hooks.is_empty()
                    || (node.kind == NodeKind::Model && self.is_custom(node))
            })
        };
        match error.kind() {
            ErrorKind::NotFound => !hooked(),
            ErrorKind::Project | ErrorKind::Unsupported => true,
            _ => false,
        }
    }

    async fn look_at_seed(&self, node: &Node) -> Result<Option<SchemaRef>, TransformationError> {
        let file = self.seed_file(node)?;
        if file.text.len() > SEED_BYTES_MAX {
            return Ok(None);
        }
        let rows = self.seed_columns(node, &file).await?;
        Ok(stored(&rows))
    }

    async fn look_at_model(
        &self,
        node: &Node,
        ahead: &Ahead,
    ) -> Result<Option<SchemaRef>, TransformationError> {
        let Some(compiled) = self.compile_ahead(node, &ahead.world).await? else { return Ok(None) };
        let session = ahead.world.session();
        let sql = self.contracted(node, &compiled, &session).await?;
        let prepared = session.prepare(&sql).await.map_err(|error| compiled.query_error(error))?;
        let rows = prepared.schema();
        if node.config.materialized == Materialization::View {
            return Ok(Some(rows));
        }
        let Some(table) = stored(&rows) else { return Ok(None) };
        let incremental = node.config.materialized == Materialization::Incremental
            && !node.config.full_refresh.unwrap_or(self.options.full_refresh);
        match self.present(node, &ahead.world).await {
            Some(present) if incremental => {
                let fixed = node.config.on_schema_change == OnSchemaChange::Ignore;
                Ok(Some(if fixed { present } else { joined(&present, &table) }))
            }
            Some(_) | None => Ok(Some(table)),
        }
    }

    async fn look_at_snapshot(
        &self,
        node: &Node,
        ahead: &Ahead,
    ) -> Result<Option<SchemaRef>, TransformationError> {
        let Some(compiled) = self.compile_ahead(node, &ahead.world).await? else { return Ok(None) };
        let rows = self.snapshot_columns(node, &compiled, &ahead.world).await?;
        let Some(table) = stored(&rows) else { return Ok(None) };
        match self.present(node, &ahead.world).await {
            Some(present) => Ok(Some(joined(&present, &table))),
            None => Ok(Some(table)),
        }
    }

    /// The columns that a node's table has now.
    async fn present(&self, node: &Node, world: &Arc<World>) -> Option<SchemaRef> {
        let relation = node.relation.as_ref()?;
        world.found(&relation.table())?;
        let prepared = world.session().prepare(&format!("select * from {relation}")).await.ok()?;
        Some(prepared.schema())
    }

    /// Renders a node and leaves no trace of it; none when its template needs rows to know its
    /// text.
    async fn compile_ahead(
        &self,
        node: &Node,
        world: &Arc<World>,
    ) -> Result<Option<CompiledNode>, TransformationError> {
        let (mut context, facts) = self.context(world, self.options.full_refresh);
        let host = Arc::new(Careful { facts, at_a_loss: AtomicBool::new(false) });
        context.facts = Arc::clone(&host) as Arc<dyn Host>;
        let compiled = self.render(node, context).await;
        if host.at_a_loss.load(Ordering::SeqCst) { Ok(None) } else { compiled.map(Some) }
    }
}

/// Columns as a table keeps them; none when no table can.
fn stored(rows: &Schema) -> Option<SchemaRef> {
    storage::arrow_schema(&storage::table_schema(rows).ok()?).ok()
}

/// The columns of both, those of the first first.
fn joined(first: &Schema, second: &Schema) -> SchemaRef {
    let has = |field: &Arc<Field>| first.column_with_name(field.name()).is_none();
    let more = second.fields().iter().filter(|field| has(field));
    Arc::new(Schema::new(first.fields().iter().chain(more).map(Arc::clone).collect::<Vec<_>>()))
}
