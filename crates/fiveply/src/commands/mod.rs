//! The commands, one module each.

pub(crate) mod backfill;
pub(crate) mod compile;
pub(crate) mod completion;
pub(crate) mod debug;
pub(crate) mod demo;
pub(crate) mod diagnose;
pub(crate) mod features;
pub(crate) mod incident;
pub(crate) mod job;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod parse;
pub(crate) mod query;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod sync;
pub(crate) mod token;
pub(crate) mod user;

use base::NodeId;
use project::{Graph, NodeKind, Selection};

use crate::arguments::SelectionArguments;
use crate::failure::Failure;

/// A command that carries out nodes of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Streams alone.
    Load,
    /// Seeds alone.
    Seed,
    /// Models alone, without tests.
    Run,
    /// Tests alone, on what is published.
    Test,
    /// Seeds, models and tests.
    Build,
    /// Whatever a job does: streams, then seeds, models and tests, then what is handed on.
    Job,
}

impl Verb {
    /// The command's name.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Seed => "seed",
            Self::Run => "run",
            Self::Test => "test",
            Self::Build => "build",
            Self::Job => "job",
        }
    }

    /// The verb of a command's name.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Load, Self::Seed, Self::Run, Self::Test, Self::Build, Self::Job];
        all.into_iter().find(|one| one.word() == word)
    }

    /// Whether the command carries out nodes of a kind.
    pub(crate) fn takes(self, kind: NodeKind) -> bool {
        match self {
            Self::Load => kind == NodeKind::Stream,
            Self::Seed => kind == NodeKind::Seed,
            Self::Run => kind == NodeKind::Model,
            Self::Test => kind == NodeKind::Test,
            Self::Build => matches!(kind, NodeKind::Seed | NodeKind::Model | NodeKind::Test),
            Self::Job => {
                matches!(kind, NodeKind::Stream | NodeKind::Seed | NodeKind::Model | NodeKind::Test)
                    || kind.is_activation()
            }
        }
    }

    /// Whether tests run on the staged version of what they test.
    pub(crate) fn audits(self) -> bool {
        matches!(self, Self::Build | Self::Job)
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
