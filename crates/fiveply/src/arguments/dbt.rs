//! Options of the commands that dbt has too and that are about its own things.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::SelectionArguments;

/// Which tests come along with the nodes they test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Indirect {
    /// Those with any selected parent.
    #[default]
    Eager,
    /// Those whose parents are all selected.
    Cautious,
    /// Those whose parents are all selected or stand above selected ones.
    Buildable,
    /// None.
    Empty,
}

impl From<Indirect> for project::IndirectSelection {
    fn from(word: Indirect) -> Self {
        match word {
            Indirect::Eager => Self::Eager,
            Indirect::Cautious => Self::Cautious,
            Indirect::Buildable => Self::Buildable,
            Indirect::Empty => Self::Empty,
        }
    }
}

/// Options of `run-operation`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply run-operation refresh_grants
  fiveply run-operation drop_old --args '{days: 30}'")]
pub(crate) struct RunOperationArguments {
    /// The macro, with its package where needed: dbt_utils.star
    #[arg(value_name = "MACRO")]
    pub(crate) name: String,
    /// Its arguments, as YAML or JSON
    #[arg(long, value_name = "YAML", default_value = "{}")]
    pub(crate) args: String,
}

/// What can be asked about sources.
#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Say how old the newest row of each source is, against its limits
    #[command(visible_alias = "snapshot-freshness")]
    Freshness(FreshnessArguments),
}

/// Options of `source freshness`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply source freshness
  fiveply source freshness --select source:app")]
pub(crate) struct FreshnessArguments {
    /// Which sources.
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// Write the results to this file too
    #[arg(long = "to", short = 'o', value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
}

/// What can be done about documentation.
#[derive(Debug, Subcommand)]
pub(crate) enum DocsCommand {
    /// Write manifest.json and catalog.json
    Generate(DocsArguments),
}

/// Options of `docs generate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DocsArguments {
    /// Do not compile the project's SQL
    #[arg(long)]
    pub(crate) no_compile: bool,
    /// Describe no table
    #[arg(long)]
    pub(crate) empty_catalog: bool,
}

/// Options of `init`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example: fiveply init shop && cd shop && fiveply build")]
pub(crate) struct InitArguments {
    /// The project's name: letters, digits and `_`
    pub(crate) name: String,
    /// Accepted for dbt's sake: no profile is asked for
    #[arg(long, short = 's', hide = true)]
    pub(crate) skip_profile_setup: bool,
}

/// Options of `show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply show --select orders
  fiveply show --inline \"select * from {{ ref('orders') }}\" --limit 3")]
pub(crate) struct ShowArguments {
    /// Which nodes.
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// A query in the project's Jinja
    #[arg(long, value_name = "SQL")]
    pub(crate) inline: Option<String>,
    /// Rows to print; -1 prints all
    #[arg(long, default_value_t = 5, allow_hyphen_values = true, value_name = "ROWS")]
    pub(crate) limit: i64,
}
