//! `fiveply sync` and `fiveply features`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What to do with syncs.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SyncCommand {
    /// List the syncs of the project and how they stand
    List,
    /// Send what changed since the destination last acknowledged it
    #[command(after_help = "Examples:
  fiveply sync run account_health --dry-run    counts and sample requests; nothing is sent
  fiveply sync run account_health
  fiveply sync run account_health --confirm    also when the guard would stop it
  fiveply sync run account_health --resync     every row, changed or not")]
    Run(SyncRunArguments),
    /// Show request and answer of the rows that were sent last
    #[command(after_help = "Examples:
  fiveply sync log account_health
  fiveply sync log account_health --outcome refused
  fiveply sync log account_health --key '[\"acc_000007\"]' --output json")]
    Log(SyncLogArguments),
}

/// Options of `sync run`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SyncRunArguments {
    /// Syncs: names of files in syncs/
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go on where the guard would stop
    #[arg(long)]
    pub(crate) confirm: bool,
    /// Send every row, changed or not
    #[arg(long)]
    pub(crate) resync: bool,
}

/// Options of `sync log`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SyncLogArguments {
    /// The sync
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Only rows with this outcome
    #[arg(long, value_enum)]
    pub(crate) outcome: Option<SyncOutcomeWord>,
    /// Only the row of this key, a JSON list
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Entries to show
    #[arg(long, default_value_t = 20, value_name = "ROWS")]
    pub(crate) limit: u32,
}

/// What came of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SyncOutcomeWord {
    /// The destination has it.
    Acknowledged,
    /// The destination refused it.
    Refused,
    /// Nobody answered.
    Unanswered,
}

/// What to do with features.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum FeaturesCommand {
    /// List feature views and services, and what is served of them
    List,
    /// Join features to entities as they were at each row's moment
    #[command(after_help = "Examples:
  fiveply features training-set --service churn_model --entities people.csv --file set.parquet
  fiveply features training-set --features churn:events_28d --file set.csv \\
      --sql \"select user_id, signed_up_at as event_timestamp from marts.dim_users\"")]
    TrainingSet(TrainingSetArguments),
    /// Serve the newest row of each entity from now on
    Refresh(RefreshArguments),
    /// Ask for the features of some entities, as a model would over HTTP
    #[command(after_help = "Example:
  fiveply features get --service churn_model --entity user_id=usr_0000001,usr_0000002")]
    Get(GetFeaturesArguments),
}

/// Options of `features training-set`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TrainingSetArguments {
    /// Features as `view:feature`, or `view` for all of its features
    #[arg(long, num_args = 1.., value_name = "FEATURE", required_unless_present = "service")]
    pub(crate) features: Vec<String>,
    /// A feature service instead
    #[arg(long, value_name = "NAME", conflicts_with = "features")]
    pub(crate) service: Option<String>,
    /// A CSV or Parquet file with join keys and moments
    #[arg(long, value_name = "FILE", required_unless_present_any = ["sql", "model"])]
    pub(crate) entities: Option<PathBuf>,
    /// A query with join keys and moments instead
    #[arg(long, value_name = "SQL", conflicts_with = "entities")]
    pub(crate) sql: Option<String>,
    /// A model with join keys and moments instead
    #[arg(long, value_name = "NAME", conflicts_with_all = ["entities", "sql"])]
    pub(crate) model: Option<String>,
    /// The column of moments
    #[arg(long, default_value = "event_timestamp", value_name = "COLUMN")]
    pub(crate) timestamp: String,
    /// Name columns `view__feature`
    #[arg(long)]
    pub(crate) full_feature_names: bool,
    /// Leave out rows that were made after the moment, so that late corrections do not leak
    #[arg(long)]
    pub(crate) as_known_then: bool,
    /// Where the training set goes: a .parquet or .csv file
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// Options of `features refresh`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RefreshArguments {
    /// Feature views [default: all that are served online]
    #[arg(value_name = "VIEW")]
    pub(crate) views: Vec<String>,
}

/// Options of `features get`.
#[derive(Clone, Debug, Args)]
pub(crate) struct GetFeaturesArguments {
    /// Features as `view:feature`, or `view` for all of its features
    #[arg(long, num_args = 1.., value_name = "FEATURE", required_unless_present = "service")]
    pub(crate) features: Vec<String>,
    /// A feature service instead
    #[arg(long, value_name = "NAME", conflicts_with = "features")]
    pub(crate) service: Option<String>,
    /// A join key and its values: user_id=1,2,3
    #[arg(long, required = true, value_name = "KEY=VALUES")]
    pub(crate) entity: Vec<String>,
    /// Name columns `view__feature`
    #[arg(long)]
    pub(crate) full_feature_names: bool,
}
