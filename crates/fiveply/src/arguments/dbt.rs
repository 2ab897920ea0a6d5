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
  fiveply run-operation drop_old --args '{days: 30}'
  fiveply run-operation --sql \"delete from {{ ref('log') }} where day < '2024-01-01'\"")]
pub(crate) struct RunOperationArguments {
    /// The macro, with its package where needed: dbt_utils.star
    #[arg(value_name = "MACRO", required_unless_present = "sql")]
    pub(crate) name: Option<String>,
    /// Its arguments, as YAML or JSON
    #[arg(long, value_name = "YAML", default_value = "{}", conflicts_with = "sql")]
    pub(crate) args: String,
    /// Run this statement, which may hold Jinja, instead of a macro
    #[arg(long, value_name = "SQL", conflicts_with = "name")]
    pub(crate) sql: Option<String>,
}

/// Options of `clean`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply clean
  fiveply clean --no-clean-project-files-only   folders outside the project too")]
pub(crate) struct CleanArguments {
    /// Remove folders outside the project too, when clean-targets names them
    #[arg(long)]
    pub(crate) no_clean_project_files_only: bool,
}

/// Options of `debug`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply debug
  fiveply debug --connection     only whether ledger and warehouse answer
  fiveply debug --config-dir     only where profiles.yml is looked for")]
pub(crate) struct DebugArguments {
    /// Only try whether ledger and warehouse answer
    #[arg(long, conflicts_with = "config_dir")]
    pub(crate) connection: bool,
    /// Only say in which folder profiles.yml is looked for
    #[arg(long)]
    pub(crate) config_dir: bool,
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
    /// Write the results to this file too; `--output FILE` of dbt means the same
    #[arg(long = "to", short = 'o', value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
}

/// What can be done about documentation.
#[derive(Debug, Subcommand)]
pub(crate) enum DocsCommand {
    /// Write manifest.json and catalog.json
    Generate(DocsArguments),
    /// Show the page that `docs generate` wrote, in a browser
    Serve(ServeDocsArguments),
}

/// Options of `docs serve`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply docs generate && fiveply docs serve
  fiveply docs serve --port 8081 --no-browser")]
pub(crate) struct ServeDocsArguments {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub(crate) host: String,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    pub(crate) port: u16,
    /// Open no browser
    #[arg(long)]
    pub(crate) no_browser: bool,
}

/// Options of `clone`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply clone --state prod-target --target dev
  fiveply clone --state prod-target --select +orders --full-refresh")]
pub(crate) struct CloneArguments {
    /// Which nodes.
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// Tables that are here already are replaced too
    #[arg(long, short)]
    pub(crate) full_refresh: bool,
    /// Accepted for dbt's sake: all pointers move in one transaction
    #[arg(long, value_name = "COUNT", hide = true)]
    pub(crate) threads: Option<usize>,
    /// Only nodes of these kinds: model, seed, snapshot, all
    #[arg(long, alias = "resource-types", num_args = 1.., value_name = "KIND")]
    pub(crate) resource_type: Vec<String>,
    /// Nodes of these kinds are left out
    #[arg(long, alias = "exclude-resource-types", num_args = 1.., value_name = "KIND")]
    pub(crate) exclude_resource_type: Vec<String>,
}

/// Where a package that is added comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PackageSource {
    /// dbt's hub.
    #[default]
    Hub,
    /// A git repository.
    Git,
    /// A folder.
    Local,
}

/// Options of `deps`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply deps                                    what packages.yml names, as it is pinned
  fiveply deps --upgrade                          pin anew, then install
  fiveply deps --lock                             pin and install nothing
  fiveply deps --add-package ../shared --source local
  fiveply deps --add-package https://example.org/pkg.git@v1.2 --source git")]
pub(crate) struct DepsArguments {
    /// Write this package into packages.yml first: name, address or folder, `@` and a version
    #[arg(long, value_name = "PACKAGE")]
    pub(crate) add_package: Option<String>,
    /// Where the added package comes from
    #[arg(long, value_enum, default_value_t = PackageSource::Hub)]
    pub(crate) source: PackageSource,
    /// Write package-lock.yml and install nothing
    #[arg(long)]
    pub(crate) lock: bool,
    /// Pin anew what package-lock.yml holds
    #[arg(long)]
    pub(crate) upgrade: bool,
}

/// Options of `docs generate`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply docs generate
  fiveply docs generate --static       one page that needs no server: static_index.html
  fiveply docs generate --select +orders --empty-catalog")]
pub(crate) struct DocsArguments {
    /// Which nodes the catalog describes.
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// Write everything into one page, static_index.html
    #[arg(long = "static")]
    pub(crate) one_page: bool,
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
    /// A query that is run as it stands
    #[arg(long, value_name = "SQL", conflicts_with = "inline")]
    pub(crate) inline_direct: Option<String>,
    /// Rows to print; -1 prints all
    #[arg(long, default_value_t = 5, allow_hyphen_values = true, value_name = "ROWS")]
    pub(crate) limit: i64,
}
