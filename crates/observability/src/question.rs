//! What is asked: which number of which table.

mod metric;

use base::NodeId;
use project::{NodeKind, suggest};
use transformation::Tools;

use crate::ObservabilityError;
use crate::model_hop::short;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// As typed.
    pub name: String,
    /// The node whose number it is.
    pub node: NodeId,
    /// The column that is added up; none: the likeliest, or rows are counted.
    pub measure: Option<String>,
    /// The column that tells the day of a row; none: the likeliest.
    pub time_column: Option<String>,
    /// What is added up instead of a column, in the project's dialect.
    pub expression: Option<String>,
    /// Rows that count, as a condition in the project's dialect; none: all.
    pub filter: Option<String>,
    /// Whether rows are counted, whatever columns there are.
    pub counts_rows: bool,
    /// What the answer leaves out.
    pub notes: Vec<String>,
}

impl Question {
    /// The number of a node's table.
    pub fn of(name: &str, node: NodeId) -> Self {
        Self {
            name: name.to_owned(),
            node,
            measure: None,
            time_column: None,
            expression: None,
            filter: None,
            counts_rows: false,
            notes: Vec::new(),
        }
    }
}

/// Finds what a name means: a metric, `table`, `table.column`, `source.stream` or a node's id.
///
/// # Errors
/// When nothing of this name has rows, or it is a metric that is made of several numbers.
pub fn question(tools: &Tools, asked: &str) -> Result<Question, ObservabilityError> {
    let mut found = questions(tools, asked)?;
    if found.len() > 1 {
        let inputs = found.into_iter().map(|one| one.name).collect();
        return Err(ObservabilityError::SeveralNumbers { name: asked.to_owned(), inputs });
    }
    let missing = || ObservabilityError::NotFound { name: asked.to_owned(), help: None };
    found.pop().ok_or_else(missing)
}

/// As [`question`], but a metric that is made of several numbers gives each of them.
///
/// # Errors
/// When nothing of this name has rows.
pub fn questions(tools: &Tools, asked: &str) -> Result<Vec<Question>, ObservabilityError> {
    let graph = &tools.project.graph;
    let rows = |kind: NodeKind| {
        matches!(
            kind,
            NodeKind::Model
                | NodeKind::Seed
                | NodeKind::Snapshot
                | NodeKind::Stream
                | NodeKind::Source
        )
    };
    let known = || graph.nodes.values().filter(|node| rows(node.kind));
    let named = |name: &str| {
        let exact = known().find(|node| node.id.as_str() == name || short(&node.id) == name);
        let table = || {
            known().find(|node| {
                let relation = node.relation.as_ref();
                relation.is_some_and(|relation| relation.table().to_string() == name)
            })
        };
        let found = exact.or_else(table)?;
        let relation = found.relation.as_ref()?;
        let owner = graph.node_of_table(&relation.table()).unwrap_or(found);
        Some(owner.id.clone())
    };
    if let Some(of_metric) = metric::questions(tools, asked) {
        return Ok(of_metric);
    }
    if let Some(node) = named(asked) {
        return Ok(vec![Question::of(asked, node)]);
    }
    if let Some((table, column)) = asked.rsplit_once('.')
        && let Some(node) = named(table)
    {
        let measure = Some(column.to_owned());
        return Ok(vec![Question { measure, ..Question::of(asked, node) }]);
    }
    let names: Vec<&str> = known().map(|node| short(&node.id)).collect();
    Err(ObservabilityError::NotFound {
        name: asked.to_owned(),
        help: suggest::did_you_mean(asked, names),
    })
}
