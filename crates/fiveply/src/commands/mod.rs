//! The commands, one module each.

pub(crate) mod backfill;
pub(crate) mod clean;
pub(crate) mod clone;
pub(crate) mod compile;
pub(crate) mod completion;
pub(crate) mod dashboard;
pub(crate) mod debug;
pub(crate) mod demo;
pub(crate) mod deps;
pub(crate) mod diagnose;
pub(crate) mod diff;
pub(crate) mod docs;
pub(crate) mod docs_serve;
pub(crate) mod environment;
pub(crate) mod features;
pub(crate) mod freshness;
pub(crate) mod incident;
pub(crate) mod init;
pub(crate) mod intervals;
pub(crate) mod job;
pub(crate) mod lineage;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod metric;
pub(crate) mod parse;
pub(crate) mod plan;
pub(crate) mod promote;
pub(crate) mod query;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod run_operation;
pub(crate) mod show;
pub(crate) mod sync;
pub(crate) mod token;
pub(crate) mod user;

use base::NodeId;
use project::{NodeKind, Project, Selection};
use serde_json::json;

use crate::arguments::{Output, SelectionArguments};
use crate::console::Console;
use crate::events::{self, warnings};
use crate::failure::Failure;
use crate::state;

/// A command that carries out nodes of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Streams alone.
    Load,
    /// Seeds alone.
    Seed,
    /// Models alone, without tests.
    Run,
    /// Snapshots alone.
    Snapshot,
    /// Tests alone, on what is published.
    Test,
    /// Seeds, models, snapshots and tests.
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
            Self::Snapshot => "snapshot",
            Self::Test => "test",
            Self::Build => "build",
            Self::Job => "job",
        }
    }

    /// The verb of a command's name.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all =
            [Self::Load, Self::Seed, Self::Run, Self::Snapshot, Self::Test, Self::Build, Self::Job];
        all.into_iter().find(|one| one.word() == word)
    }

    /// Whether the command carries out nodes of a kind.
    pub(crate) fn takes(self, kind: NodeKind) -> bool {
        match self {
            Self::Load => kind == NodeKind::Stream,
            Self::Seed => kind == NodeKind::Seed,
            Self::Run => kind == NodeKind::Model,
            Self::Snapshot => kind == NodeKind::Snapshot,
            Self::Test => matches!(kind, NodeKind::Test | NodeKind::UnitTest),
            Self::Build => matches!(
                kind,
                NodeKind::Seed
                    | NodeKind::Model
                    | NodeKind::Snapshot
                    | NodeKind::Test
                    | NodeKind::UnitTest
            ),
            Self::Job => {
                kind == NodeKind::Stream || kind.is_activation() || Self::Build.takes(kind)
            }
        }
    }

    /// Whether tests run on the staged version of what they test.
    pub(crate) fn audits(self) -> bool {
        matches!(self, Self::Build | Self::Job)
    }
}

/// The nodes that `--select`, `--exclude` and `--selector` mean, in graph order.
///
/// # Errors
/// When a selector is wrong.
pub(crate) fn selected(
    project: &Project,
    arguments: &SelectionArguments,
) -> Result<Vec<NodeId>, Failure> {
    let graph = &project.graph;
    let selection = Selection {
        select: arguments.select.clone(),
        exclude: arguments.exclude.clone(),
        indirect: arguments.indirect_selection.unwrap_or_default().into(),
        facts: state::facts(project, arguments)?,
    };
    let open = selection.select.is_empty() && selection.exclude.is_empty();
    let named = arguments.selector.as_ref();
    let named = named.or(project.default_selector.as_ref().filter(|_| open));
    let chosen = match named {
        Some(name) => graph.select_named(name, &project.selectors, &selection),
        None => graph.select(&selection),
    };
    warn_of_what_fits_nothing(project, &selection)?;
    if chosen.as_ref().is_err_and(|one| one.code == project::codes::SELECTOR_EMPTY) {
        return Ok(Vec::new());
    }
    let chosen = chosen.map_err(|diagnostic| {
        Failure::usage(diagnostic.message.clone())
            .help("`fiveply ls` lists what the project has.")
            .diagnostics(vec![*diagnostic])
    })?;
    Ok(graph.order().iter().filter(|id| chosen.contains(*id)).cloned().collect())
}

/// As in dbt, a criterion that fits nothing is a warning: scripts go on.
fn warn_of_what_fits_nothing(project: &Project, selection: &Selection) -> Result<(), Failure> {
    let words = selection.select.iter().chain(&selection.exclude);
    for word in words.flat_map(|words| words.split([' ', ','])).filter(|word| !word.is_empty()) {
        let alone =
            Selection { select: vec![word.to_owned()], exclude: Vec::new(), ..selection.clone() };
        let Err(problem) = project.graph.select(&alone) else { continue };
        if problem.code != project::codes::SELECTOR_EMPTY {
            continue;
        }
        let message = format!("The selection criterion '{word}' does not match any enabled nodes");
        let data = json!({"spec_raw": word});
        let shown = warnings::warn("NoNodesForSelectionCriteria", &message, data)?;
        if shown && !events::speaks_dbt() {
            let help = problem.help.join(" ");
            Console::new(Output::Text, false)
                .complain(&format!("warning: {}\n  help: {help}", problem.message));
        }
    }
    Ok(())
}

/// Nothing of what was selected is carried out by the command.
///
/// # Errors
/// When that is an error here.
pub(crate) fn nothing_to_do(console: &Console) -> Result<(), Failure> {
    let message = "Nothing to do. Try checking your model configs and model specification args";
    if warnings::warn("NothingToDo", message, json!({}))? && !events::speaks_dbt() {
        console.say("nothing to do: no node of the selection is carried out by this command");
    }
    Ok(())
}
