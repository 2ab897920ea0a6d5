//! What can go wrong before a step runs.

use base::{ErrorKind, NodeId};
use thiserror::Error;

/// A plan that cannot be made.
#[derive(Debug, Error)]
pub enum OrchestrationError {
    /// Nodes that wait for each other.
    #[error("the nodes {} wait for each other", names(.nodes))]
    Cycle {
        /// The nodes of the cycle and those behind it.
        nodes: Vec<NodeId>,
    },
}

impl OrchestrationError {
    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Cycle { .. } => ErrorKind::Project,
        }
    }
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(|node| format!("`{node}`")).collect::<Vec<_>>().join(", ")
}
