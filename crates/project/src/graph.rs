//! The graph of nodes: who stands on whom, in which order to build, and how names find nodes.

mod definition;
mod method;
mod order;
mod pattern;
mod select;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base::{NodeId, TableName};

use crate::jinja::RefCall;
use crate::node::{Node, NodeKind};

pub(crate) use order::cycles;
pub(crate) use select::METHODS;
pub use select::{IndirectSelection, Selection};

/// The graph of nodes.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Every node that takes part.
    pub nodes: BTreeMap<NodeId, Node>,
    /// Nodes with `enabled: false`.
    pub disabled: BTreeMap<NodeId, Node>,
    /// The root project's name.
    pub root_package: String,
    children: BTreeMap<NodeId, Vec<NodeId>>,
    order: Vec<NodeId>,
    /// Nodes of the order that are in no circle and below none.
    placed: usize,
    by_name: HashMap<String, Vec<NodeId>>,
    by_table: BTreeMap<TableName, NodeId>,
    by_source: HashMap<(String, String), Vec<NodeId>>,
}

/// Why a `ref` finds no node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefProblem {
    /// Nothing has that name.
    Missing,
    /// The node is disabled.
    Disabled(NodeId),
    /// Several packages have one.
    Ambiguous(Vec<NodeId>),
    /// The model has no such version.
    NoVersion(Vec<String>),
}

impl Graph {
    /// Collects nodes; edges follow when [`Self::connect`] is called.
    pub(crate) fn new(root_package: &str, nodes: Vec<Node>) -> Self {
        let mut graph = Self { root_package: root_package.to_owned(), ..Self::default() };
        for node in nodes {
            if node.kind.is_referable() {
                graph.by_name.entry(node.name.clone()).or_default().push(node.id.clone());
            }
            if let Some(source) = &node.source {
                let key = (source.source.clone(), node.name.clone());
                graph.by_source.entry(key).or_default().push(node.id.clone());
            }
            let nodes = if node.config.enabled { &mut graph.nodes } else { &mut graph.disabled };
            nodes.insert(node.id.clone(), node);
        }
        graph
    }

    /// Computes children, order and the table index from every node's `depends_on`.
    pub(crate) fn connect(&mut self) {
        self.children.clear();
        self.by_table.clear();
        for (id, node) in &self.nodes {
            for parent in &node.depends_on {
                self.children.entry(parent.clone()).or_default().push(id.clone());
            }
            if let Some(relation) = node.relation.as_ref().filter(|_| !node.is_ephemeral()) {
                // A source declared over a stream has the stream's table: the stream owns it.
                let owner = self.by_table.entry(relation.table()).or_insert_with(|| id.clone());
                if node.kind == NodeKind::Stream {
                    *owner = id.clone();
                }
            }
        }
        (self.order, self.placed) = order::topological(self);
    }

    /// A node by its id.
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// Direct parents that take part.
    pub fn parents(&self, id: &NodeId) -> &[NodeId] {
        self.nodes.get(id).map(|node| node.depends_on.as_slice()).unwrap_or_default()
    }

    /// Direct children.
    pub fn children(&self, id: &NodeId) -> &[NodeId] {
        self.children.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// Every node, parents before children; equal ones by id.
    pub fn order(&self) -> &[NodeId] {
        &self.order
    }

    /// The node whose rows live in a table.
    pub fn node_of_table(&self, table: &TableName) -> Option<&Node> {
        self.nodes.get(self.by_table.get(table)?)
    }

    /// Nodes reached from `from` over parents, `depth` steps at most; without `from` itself.
    pub fn ancestors(&self, from: &NodeId, depth: Option<usize>) -> BTreeSet<NodeId> {
        self.reach(from, depth, |id| self.parents(id))
    }

    /// Nodes reached from `from` over children, `depth` steps at most; without `from` itself.
    pub fn descendants(&self, from: &NodeId, depth: Option<usize>) -> BTreeSet<NodeId> {
        self.reach(from, depth, |id| self.children(id))
    }

    fn reach<'g>(
        &'g self,
        from: &NodeId,
        depth: Option<usize>,
        next: impl Fn(&NodeId) -> &'g [NodeId],
    ) -> BTreeSet<NodeId> {
        let mut found: BTreeSet<NodeId> = BTreeSet::new();
        let mut edge = vec![from.clone()];
        let mut steps = 0;
        while !edge.is_empty() && depth.is_none_or(|depth| steps < depth) {
            steps += 1;
            let mut further = Vec::new();
            for id in &edge {
                for neighbour in next(id) {
                    if neighbour != from && found.insert(neighbour.clone()) {
                        further.push(neighbour.clone());
                    }
                }
            }
            edge = further;
        }
        found
    }

    /// What `ref(...)` means to a node of `package`: its own package first, then the root
    /// project, then any other; a package that is named is the only one looked at.
    ///
    /// # Errors
    /// When nothing that takes part fits.
    pub fn find_ref(&self, call: &RefCall, package: &str) -> Result<&Node, RefProblem> {
        let candidates = self.by_name.get(&call.name).map(Vec::as_slice).unwrap_or_default();
        let packages: Vec<Option<&str>> = match call.package.as_deref() {
            Some(named) => vec![Some(named)],
            None if package == self.root_package => vec![Some(package), None],
            None => vec![Some(package), Some(&self.root_package), None],
        };
        let any = |id: &&NodeId| {
            self.nodes.get(*id).or_else(|| self.disabled.get(*id)).map(|node| node.package.clone())
        };
        let mut problem = RefProblem::Missing;
        for wanted in packages {
            let fitting: Vec<&NodeId> = candidates
                .iter()
                .filter(|id| wanted.is_none() || any(id).as_deref() == wanted)
                .collect();
            let enabled: Vec<&Node> = fitting.iter().filter_map(|id| self.nodes.get(*id)).collect();
            match self.pick(call, &enabled) {
                Ok(Some(node)) => return Ok(node),
                Ok(None) => {}
                Err(found) => return Err(found),
            }
            if let (RefProblem::Missing, Some(id)) = (&problem, fitting.first()) {
                problem = RefProblem::Disabled((*id).clone());
            }
        }
        Err(problem)
    }

    fn pick<'n>(&self, call: &RefCall, found: &[&'n Node]) -> Result<Option<&'n Node>, RefProblem> {
        let Some(first) = found.first() else { return Ok(None) };
        if found.iter().any(|node| node.package != first.package) {
            return Err(RefProblem::Ambiguous(found.iter().map(|node| node.id.clone()).collect()));
        }
        if first.version.is_none() {
            return match call.version {
                None => Ok(Some(first)),
                Some(_) => Err(RefProblem::NoVersion(Vec::new())),
            };
        }
        let wanted = call.version.as_ref().or(first.latest_version.as_ref());
        match found.iter().find(|node| node.version.as_ref() == wanted) {
            Some(node) => Ok(Some(node)),
            None => Err(RefProblem::NoVersion(
                found.iter().filter_map(|node| node.version.clone()).collect(),
            )),
        }
    }

    /// What `source(...)` means to a node of `package`. A declared source table is preferred to
    /// the stream that loads it, which is its parent.
    ///
    /// # Errors
    /// When nothing that takes part fits.
    pub fn find_source(
        &self,
        source: &str,
        table: &str,
        package: &str,
    ) -> Result<&Node, RefProblem> {
        let key = (source.to_owned(), table.to_owned());
        let candidates = self.by_source.get(&key).map(Vec::as_slice).unwrap_or_default();
        let rank = |node: &Node| {
            (
                node.kind == NodeKind::Stream,
                node.package != package,
                node.package != self.root_package,
            )
        };
        let enabled = candidates.iter().filter_map(|id| self.nodes.get(id));
        match enabled.min_by_key(|node| rank(node)) {
            Some(node) => Ok(node),
            None => Err(candidates
                .first()
                .map_or(RefProblem::Missing, |id| RefProblem::Disabled(id.clone()))),
        }
    }

    /// Names that `ref` can find.
    pub(crate) fn referable_names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// `source.table` names that `source` can find.
    pub(crate) fn source_names(&self) -> impl Iterator<Item = &(String, String)> {
        self.by_source.keys()
    }
}
