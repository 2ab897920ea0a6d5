//! The commands, one module each.

pub(crate) mod compile;
pub(crate) mod completion;
pub(crate) mod debug;
pub(crate) mod demo;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod parse;
pub(crate) mod query;
pub(crate) mod retry;
pub(crate) mod run;

use base::NodeId;
use project::{Graph, NodeKind, Selection};

use crate::arguments::SelectionArguments;
use crate::failure::Failure;

/// A command that carries out nodes of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Seeds alone.
    Seed,
    /// Models alone, without tests.
    Run,
    /// Tests alone, on what is published.
    Test,
    /// Seeds, models and tests.
    Build,
}

impl Verb {
    /// The command's name.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Seed => "seed",
            Self::Run => "run",
            Self::Test => "test",
            Self::Build => "build",
        }
    }

    /// The verb of a command's name.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Seed, Self::Run, Self::Test, Self::Build].into_iter().find(|one| one.word() == word)
    }

    /// Whether the command carries out nodes of a kind.
    pub(crate) fn takes(self, kind: NodeKind) -> bool {
        match self {
            Self::Seed => kind == NodeKind::Seed,
            Self::Run => kind == NodeKind::Model,
            Self::Test => kind == NodeKind::Test,
            Self::Build => matches!(kind, NodeKind::Seed | NodeKind::Model | NodeKind::Test),
        }
    }
}

/// The nodes that `--select` and `--exclude` mean, in graph order.
///
/// # Errors
/// When a selector is wrong.
pub(crate) fn selected(
    graph: &Graph,
    arguments: &SelectionArguments,
) -> Result<Vec<NodeId>, Failure> {
    let selection = Selection {
        select: arguments.select.clone(),
        exclude: arguments.exclude.clone(),
        ..Selection::default()
    };
    let chosen = graph.select(&selection).map_err(|diagnostic| {
        Failure::usage(diagnostic.message.clone())
            .help("`fiveply ls` lists what the project has.")
            .diagnostics(vec![*diagnostic])
    })?;
    Ok(graph.order().iter().filter(|id| chosen.contains(*id)).cloned().collect())
}
