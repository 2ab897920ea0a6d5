//! Answers a template's `ref` and `source` from the graph; everything else goes to the facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::NodeId;
use serde_json::Value as Json;

use crate::compile::{CompileContext, cte_name};
use crate::graph::{Graph, RefProblem};
use crate::jinja::{
    AdapterCall, Column, Failure, Host, RefCall, Relation, RelationKind, RowFilter, Table,
};
use crate::manifest;
use crate::node::{Node, NodeKind};

pub(crate) struct GraphHost {
    graph: Arc<Graph>,
    package: String,
    /// Parents that were known when the project was read; none when anything may be named.
    parents: Option<Vec<NodeId>>,
    shown: String,
    facts: Arc<dyn Host>,
    filter: Option<RowFilter>,
    stands_for: BTreeMap<NodeId, Relation>,
}

impl GraphHost {
    pub(crate) fn new(graph: Arc<Graph>, node: &Node, context: &CompileContext) -> Self {
        let strict = matches!(node.kind, NodeKind::Model | NodeKind::Test | NodeKind::Snapshot);
        Self {
            graph,
            package: node.package.clone(),
            parents: strict.then(|| node.depends_on.clone()),
            shown: format!("{} \"{}\"", node.kind.word(), node.name),
            facts: Arc::clone(&context.facts),
            filter: context.filter.clone().filter(|_| node.kind != NodeKind::Test),
            stands_for: context.stands_for.clone(),
        }
    }

    /// Answers a macro that is called outside of any node.
    pub(crate) fn for_package(graph: Arc<Graph>, package: &str, facts: Arc<dyn Host>) -> Self {
        let shown = "the operation".to_owned();
        let package = package.to_owned();
        let stands_for = BTreeMap::new();
        Self { graph, package, parents: None, shown, facts, filter: None, stands_for }
    }

    /// The relation with only those rows in sight that the command reads.
    fn narrowed(&self, relation: &crate::node::Relation, node: &Node) -> Relation {
        let mut relation = relation.for_templates();
        let event_time = node.config.event_time.as_deref();
        relation.filter = self.filter.as_ref().and_then(|filter| filter.on(event_time));
        relation
    }

    fn known(&self, node: &Node, call: &str) -> Result<(), Failure> {
        let known = self.parents.as_ref().is_none_or(|parents| parents.contains(&node.id));
        if known {
            return Ok(());
        }
        let message = format!("{call} of {} was not seen when the project was read", self.shown);
        let comment = format!("-- depends_on: {{{{ {call} }}}}");
        Err(Failure::new(message).help(format!("Add this line to the template: {comment}")))
    }
}

impl Host for GraphHost {
    fn reference(&self, call: &RefCall) -> Result<Relation, Failure> {
        let node = self.graph.find_ref(call, &self.package).map_err(|problem| match problem {
            RefProblem::Missing => Failure::new(format!("{call} names no model, seed or snapshot")),
            RefProblem::Disabled(id) => {
                Failure::new(format!("{call} names {id}, which is disabled"))
            }
            RefProblem::Ambiguous(_) => {
                Failure::new(format!("{call} fits nodes of several packages"))
                    .help("Name the package.")
            }
            RefProblem::NoVersion(_) => Failure::new(format!("{call} names no version there is")),
        })?;
        self.known(node, &call.to_string())?;
        if let Some(relation) = self.stands_for.get(&node.id) {
            return Ok(relation.clone());
        }
        if node.is_ephemeral() {
            let name = cte_name(node);
            return Ok(Relation::ephemeral(name.trim_start_matches("__dbt__cte__")));
        }
        let relation = node.relation.as_ref().map(|relation| self.narrowed(relation, node));
        relation.ok_or_else(|| Failure::new(format!("{call} names a node without a table")))
    }

    fn source(&self, source: &str, table: &str) -> Result<Relation, Failure> {
        let found = self.graph.find_source(source, table, &self.package).ok();
        if let Some(relation) = found.and_then(|node| self.stands_for.get(&node.id)) {
            return Ok(relation.clone());
        }
        let relation = found.and_then(|node| {
            let relation = self.narrowed(node.relation.as_ref()?, node);
            Some(relation.of_kind(RelationKind::Table))
        });
        relation.ok_or_else(|| {
            Failure::new(format!("source('{source}', '{table}') is declared nowhere"))
        })
    }

    fn function(&self, name: &str) -> Result<Relation, Failure> {
        self.facts.function(name)
    }

    fn relation(&self, wanted: &Relation) -> Result<Option<Relation>, Failure> {
        self.facts.relation(wanted)
    }

    fn relations(&self, database: Option<&str>, schema: &str) -> Result<Vec<Relation>, Failure> {
        self.facts.relations(database, schema)
    }

    fn columns(&self, relation: &Relation) -> Result<Vec<Column>, Failure> {
        self.facts.columns(relation)
    }

    fn query_columns(&self, sql: &str) -> Result<Vec<Column>, Failure> {
        self.facts.query_columns(sql)
    }

    fn query(&self, sql: &str) -> Result<Table, Failure> {
        self.facts.query(sql)
    }

    fn adapter(&self, call: &AdapterCall) -> Result<Json, Failure> {
        self.facts.adapter(call)
    }

    fn log(&self, message: &str, info: bool) {
        self.facts.log(message, info);
    }

    fn print(&self, message: &str) {
        self.facts.print(message);
    }

    fn warn(&self, message: &str) {
        self.facts.warn(message);
    }

    fn warnings_raise(&self) -> bool {
        self.facts.warnings_raise()
    }

    fn graph(&self) -> Json {
        manifest::graph(&self.graph)
    }

    fn selected_resources(&self) -> Vec<String> {
        self.facts.selected_resources()
    }
}
