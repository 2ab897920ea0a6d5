//! Arguments of what looks before it changes anything: lineage, differences, environments.

use clap::{Args, Subcommand};

/// Options of `lineage`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply lineage orders.amount              where it comes from and who reads it
  fiveply lineage orders.amount --down       who reads it
  fiveply lineage orders --up --depth 1      what each column is made of, one hop
  fiveply lineage orders.amount --output json")]
pub(crate) struct LineageArguments {
    /// A model, or `model.column`
    #[arg(value_name = "MODEL[.COLUMN]")]
    pub(crate) name: String,
    /// Only where it comes from
    #[arg(long)]
    pub(crate) up: bool,
    /// Only who reads it
    #[arg(long)]
    pub(crate) down: bool,
    /// At most so many hops
    #[arg(long, value_name = "HOPS")]
    pub(crate) depth: Option<usize>,
}

/// Options of `diff`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply diff prod dev orders               schema, counts and rows of a model in two environments
  fiveply diff prod@-1 prod orders           the version before against the present one
  fiveply diff prod dev orders --key customer_id,day --sample 20
  fiveply diff prod dev orders --check       exit code 1 when they differ")]
pub(crate) struct DiffArguments {
    /// An environment, or a version in it: prod, prod@-1 (the one before), prod@SNAPSHOT
    #[arg(value_name = "ENVIRONMENT")]
    pub(crate) one: String,
    /// Another
    #[arg(value_name = "ENVIRONMENT")]
    pub(crate) other: String,
    /// A model, seed or snapshot
    pub(crate) model: String,
    /// Columns that tell rows apart [default: unique_key, a unique test, or a primary key]
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    pub(crate) key: Vec<String>,
    /// Rows of each kind to show
    #[arg(long, default_value_t = 5, value_name = "ROWS")]
    pub(crate) sample: usize,
    /// End with exit code 1 when there is a difference
    #[arg(long)]
    pub(crate) check: bool,
}

/// Options of `plan`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply plan                   what a build in the default environment would do
  fiveply plan prod              the same for prod
  fiveply plan prod --select orders+ --output json")]
pub(crate) struct PlanArguments {
    /// The environment [default: the target's]
    #[arg(value_name = "ENVIRONMENT")]
    pub(crate) environment_name: Option<String>,
    /// Which nodes.
    #[command(flatten)]
    pub(crate) selection: super::SelectionArguments,
}

/// Options of `promote`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply promote dev prod                   everything that was built in dev
  fiveply promote dev prod --select orders+
  fiveply promote dev prod --dry-run         say what would be pointed to
  fiveply promote dev prod --expect 42       only while prod stands where `plan` saw it")]
pub(crate) struct PromoteArguments {
    /// Where versions were built
    pub(crate) from: String,
    /// Where they are published
    pub(crate) to: String,
    /// Which nodes.
    #[command(flatten)]
    pub(crate) selection: super::SelectionArguments,
    /// Publish versions whose tests did not run
    #[arg(long)]
    pub(crate) allow_untested: bool,
    /// The number that `plan` printed: refuse when the environment moved since
    #[arg(long, value_name = "NUMBER")]
    pub(crate) expect: Option<i64>,
    /// Only say what would be published
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Options of `intervals`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply intervals events_daily             what was computed, with which code, and what never
  fiveply intervals events_daily --check     exit code 1 when there is a gap
  fiveply build --select events_daily        fills the gaps")]
pub(crate) struct IntervalsArguments {
    /// A microbatch model
    pub(crate) model: String,
    /// End with exit code 1 when there is a gap
    #[arg(long)]
    pub(crate) check: bool,
}

/// What to do with environments.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum EnvironmentCommand {
    /// List environments
    List,
    /// Make an environment that shows what another one shows, without copying a row
    #[command(after_help = "Example: fiveply environment create dev --from prod")]
    Create {
        /// Its name
        name: String,
        /// The environment whose tables it shows first
        #[arg(long, value_name = "ENVIRONMENT")]
        from: String,
    },
    /// Take an environment's tables and views away; other environments keep theirs
    #[command(after_help = "Example: fiveply environment drop dev --yes")]
    Drop {
        /// Its name
        name: String,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
}
