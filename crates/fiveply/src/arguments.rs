//! The command line, as clap reads it. Verbs and flags that dbt has keep dbt's meaning.

mod compare;
mod consume;
mod dbt;
mod log;
pub(crate) mod metric;
mod up;
mod watch;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::arguments::metric::{DashboardCommand, MetricCommand};
pub(crate) use compare::{
    DiffArguments, EnvironmentCommand, IntervalsArguments, LineageArguments, PlanArguments,
    PromoteArguments,
};
pub(crate) use consume::{
    FeaturesCommand, GetFeaturesArguments, RefreshArguments, SyncCommand, SyncLogArguments,
    SyncOutcomeWord, SyncRunArguments, TrainingSetArguments,
};
pub(crate) use dbt::{
    CleanArguments, CloneArguments, DebugArguments, DepsArguments, DocsArguments, DocsCommand,
    FreshnessArguments, Indirect, InitArguments, PackageSource, RunOperationArguments,
    ServeDocsArguments, ShowArguments, SourceCommand,
};
pub(crate) use log::{LogArguments, LogFormat, LogLevel};
pub(crate) use up::{
    DEFAULT_PORT, DEFAULT_SQL_PORT, JobCommand, TokenCommand, UpArguments, UserCommand,
};
pub(crate) use watch::{BackfillArguments, DiagnoseArguments, IncidentCommand, PromiseCommand};

/// The modern data stack in one binary: load, transform, test, publish, query.
#[derive(Debug, Parser)]
#[command(
    name = "fiveply",
    version,
    about,
    propagate_version = true,
    disable_help_subcommand = true,
    after_help = "Examples:
  fiveply demo                           a synthetic company, loaded, built and tested
  fiveply load && fiveply build          load all sources, then build and test all models
  fiveply build --select +orders         one model and everything it reads
  fiveply query \"select * from marts.orders limit 5\"

Exit codes: 0 all good, 1 a node failed, 2 the command or the project is wrong."
)]
pub(crate) struct Arguments {
    /// What applies to every command.
    #[command(flatten)]
    pub(crate) common: Common,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Folder of the project [default: the nearest folder upward with a dbt_project.yml]
    #[arg(long, global = true, value_name = "FOLDER", env = "DBT_PROJECT_DIR")]
    pub(crate) project_dir: Option<PathBuf>,
    /// Folder of profiles.yml [default: the project's folder]
    #[arg(long, global = true, value_name = "FOLDER", env = "DBT_PROFILES_DIR")]
    pub(crate) profiles_dir: Option<PathBuf>,
    /// dbt's target; its name is the environment
    #[arg(long, short, global = true, value_name = "NAME", env = "DBT_TARGET")]
    pub(crate) target: Option<String>,
    /// Environment to read and write [default: the target's name]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Profile of profiles.yml [default: what dbt_project.yml names]
    #[arg(long, global = true, value_name = "NAME", env = "DBT_PROFILE")]
    pub(crate) profile: Option<String>,
    /// Folder of manifest.json, run_results.json and compiled SQL [default: target]
    #[arg(long, global = true, value_name = "FOLDER", env = "DBT_TARGET_PATH")]
    pub(crate) target_path: Option<PathBuf>,
    /// Variables of the project, as YAML or JSON: '{day: 2026-05-22}'
    #[arg(long, global = true, value_name = "YAML")]
    pub(crate) vars: Option<String>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    /// Say only what went wrong
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// What is written down, and which warnings are errors.
    #[command(flatten)]
    pub(crate) log: LogArguments,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// One JSON document on standard output; `ls` writes one a line.
    Json,
    /// Names alone, for `ls`.
    #[value(hide = true)]
    Name,
    /// Files, for `ls`.
    #[value(hide = true)]
    Path,
    /// What selects each node, for `ls`.
    #[value(hide = true)]
    Selector,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a synthetic company, load it, build and test its models, serve them
    Demo(DemoArguments),
    /// Load streams of the sources in ingest/
    Load(LoadArguments),
    /// Load the project's CSV files as tables
    Seed(RunArguments),
    /// Build models without tests
    Run(RunArguments),
    /// Call a macro of the project
    RunOperation(RunOperationArguments),
    /// Print the first rows of a model, or of a query in the project's Jinja
    Show(ShowArguments),
    /// Keep what changed in the tables that snapshots watch
    Snapshot(RunArguments),
    /// Ask about sources
    #[command(subcommand)]
    Source(SourceCommand),
    /// Run tests on what is published
    Test(RunArguments),
    /// Build seeds and models; publish only what passes its tests
    Build(RunArguments),
    /// Print the SQL that nodes compile to
    Compile(CompileArguments),
    /// Remove what commands leave: target/ and the like
    Clean(CleanArguments),
    /// Point to the tables of another environment, without a copy of a row
    Clone(CloneArguments),
    /// Install the packages that the project names
    Deps(DepsArguments),
    /// Describe what is published, and show it
    #[command(subcommand)]
    Docs(DocsCommand),
    /// Make a new project
    Init(InitArguments),
    /// List the nodes of the project
    #[command(visible_alias = "list")]
    Ls(ListArguments),
    /// Check the project's files and say what is wrong with them
    Parse,
    /// Where columns come from and who reads them
    Lineage(LineageArguments),
    /// Compare a model's rows in two environments, or two of its versions
    Diff(DiffArguments),
    /// Say what a build in an environment would make, reuse and touch
    Plan(PlanArguments),
    /// Point one environment's names to what was built in another, all at once
    Promote(PromoteArguments),
    /// List, make and drop environments
    #[command(subcommand)]
    Environment(EnvironmentCommand),
    /// Say which periods of a microbatch model were ever computed, and which never
    Intervals(IntervalsArguments),
    /// Run again what did not succeed in the last run
    Retry(RetryArguments),
    /// Ask a question in SQL
    Query(QueryArguments),
    /// Send rows to the tools of other teams
    #[command(subcommand)]
    Sync(SyncCommand),
    /// Training sets and online features for models
    #[command(subcommand)]
    Features(FeaturesCommand),
    /// List metrics, or ask for their numbers
    #[command(subcommand)]
    Metric(MetricCommand),
    /// List dashboards, or show one as text
    #[command(subcommand)]
    Dashboard(DashboardCommand),
    /// Check project, warehouse and ledger, and show where everything is
    Debug(DebugArguments),
    /// List jobs, or run one now
    Job {
        /// What to do.
        #[command(subcommand)]
        command: JobCommand,
    },
    /// Make, list and revoke tokens of programs
    Token {
        /// What to do.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Add, list and remove users
    User {
        /// What to do.
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Run the schedule and serve web UI, API and SQL
    #[command(after_help = "Examples:
  fiveply up                        schedule, web UI, API and SQL of this project
  fiveply up --port 8080 --no-schedule
  fiveply user add ana --role administer && fiveply up --host 0.0.0.0")]
    Up(UpArguments),
    /// Say why a number is what it is on a day: what is real, what is missing, whose it is
    Diagnose(DiagnoseArguments),
    /// Make days of an incremental model anew, and build what reads it
    Backfill(BackfillArguments),
    /// What is wrong, since when, and whose it is
    #[command(subcommand)]
    Incident(IncidentCommand),
    /// What was promised, and what is left of the error budget
    #[command(subcommand)]
    Promise(PromiseCommand),
    /// Print the completion script of a shell
    #[command(after_help = "Example: fiveply completion bash > ~/.local/share/bash-completion/\
        completions/fiveply")]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Which nodes.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SelectionArguments {
    /// Nodes to take: names, tag:x, path:models/x, source:x, +x, x+, @x
    #[arg(long, short, visible_short_alias = 'm', aliases = ["models", "model"], num_args = 1..,
        value_name = "SELECTOR")]
    pub(crate) select: Vec<String>,
    /// Nodes to leave out, in the same words
    #[arg(long, num_args = 1.., value_name = "SELECTOR")]
    pub(crate) exclude: Vec<String>,
    /// Which tests come along with the nodes they test
    #[arg(long, value_enum, value_name = "MODE", env = "DBT_INDIRECT_SELECTION")]
    pub(crate) indirect_selection: Option<Indirect>,
    /// A named selector of selectors.yml
    #[arg(long, value_name = "NAME")]
    pub(crate) selector: Option<String>,
    /// Folder of an earlier command's files, for state:, result: and --defer
    #[arg(long, value_name = "FOLDER", env = "DBT_STATE")]
    pub(crate) state: Option<PathBuf>,
}

/// When tables of a run are pointed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Publish {
    /// Each as soon as its own tests pass
    #[default]
    Node,
    /// All at once, after all tests of the run passed
    Run,
}

/// Options of `run`, `test`, `seed` and `build`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  fiveply build                             everything
  fiveply build --select tag:daily --exclude staging
  fiveply build --publish run               all tables of the run at once, or none
  fiveply build --changed                   only what would come out otherwise
  fiveply run --select orders --full-refresh")]
pub(crate) struct RunArguments {
    /// Which nodes.
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// Only what would come out other than it is published; the rest is reused
    #[arg(long)]
    pub(crate) changed: bool,
    /// Build incremental models and seeds from nothing
    #[arg(long, short)]
    pub(crate) full_refresh: bool,
    /// End the run at the first failure
    #[arg(long, short = 'x')]
    pub(crate) fail_fast: bool,
    /// Nodes at a time [default: the target's threads]
    #[arg(long, value_name = "COUNT")]
    pub(crate) threads: Option<usize>,
    /// When tables are pointed to
    #[arg(long, value_enum, default_value_t = Publish::Node)]
    pub(crate) publish: Publish,
    /// Publish before testing, in dbt's order
    #[arg(long)]
    pub(crate) no_audit: bool,
    /// What `build` carries out: model, seed, snapshot, test, unit_test, all
    #[arg(long, alias = "resource-types", num_args = 1.., value_name = "KIND")]
    pub(crate) resource_type: Vec<String>,
    /// What it leaves out
    #[arg(long, alias = "exclude-resource-types", num_args = 1.., value_name = "KIND")]
    pub(crate) exclude_resource_type: Vec<String>,
    /// Read no rows: models get their columns alone
    #[arg(long)]
    pub(crate) empty: bool,
    /// Read only rows of a time: "3 days", or "{'start': '2024-01-01', 'end': '2024-02-01'}"
    #[arg(long, value_name = "TIME", env = "DBT_SAMPLE")]
    pub(crate) sample: Option<String>,
    /// First moment that microbatch models compute
    #[arg(long, value_name = "TIME")]
    pub(crate) event_time_start: Option<String>,
    /// Moment before which microbatch models end
    #[arg(long, value_name = "TIME")]
    pub(crate) event_time_end: Option<String>,
    /// Keep failing rows of tests as tables
    #[arg(long)]
    pub(crate) store_failures: bool,
    /// Read parents that are not built here where --state has them
    #[arg(long, overrides_with = "no_defer")]
    pub(crate) defer: bool,
    /// Build and read here alone
    #[arg(long)]
    pub(crate) no_defer: bool,
    /// The folder for --defer, when it is another than that of --state
    #[arg(long, value_name = "FOLDER", env = "DBT_DEFER_STATE")]
    pub(crate) defer_state: Option<PathBuf>,
    /// Read parents that are not built here where another environment has them
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) defer_to: Option<String>,
    /// With --defer, read parents there even when they are here
    #[arg(long)]
    pub(crate) favor_state: bool,
    /// Print the first rows of each seed
    #[arg(long)]
    pub(crate) show: bool,
}

/// Options of `load`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  fiveply load                     every stream of every source
  fiveply load app                 the streams of ingest/app.yml
  fiveply load app.signups billing")]
pub(crate) struct LoadArguments {
    /// Sources or streams, as `source` or `source.stream` [default: all]
    #[arg(value_name = "STREAM")]
    pub(crate) streams: Vec<String>,
    /// Streams at a time [default: the target's threads]
    #[arg(long, value_name = "COUNT")]
    pub(crate) threads: Option<usize>,
}

/// Options of `compile`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply compile --select orders
  fiveply compile --inline \"select * from {{ ref('orders') }}\"
  fiveply compile --select tag:daily --output json")]
pub(crate) struct CompileArguments {
    /// Which nodes.
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// Only what would come out other than it is published; the rest is reused
    #[arg(long)]
    pub(crate) changed: bool,
    /// Compile incremental models as if they were built from nothing
    #[arg(long, short)]
    pub(crate) full_refresh: bool,
    /// A query in the project's Jinja
    #[arg(long, value_name = "SQL")]
    pub(crate) inline: Option<String>,
    /// Models read no rows
    #[arg(long)]
    pub(crate) empty: bool,
}

/// Options of `ls`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply ls --select +orders --resource-type model
  fiveply ls --output json --output-keys name config")]
pub(crate) struct ListArguments {
    /// Which nodes.
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// Only what would come out other than it is published, and why
    #[arg(long)]
    pub(crate) changed: bool,
    /// Only nodes of these kinds: model, seed, test, source, snapshot, …
    #[arg(long, alias = "resource-types", num_args = 1.., value_name = "KIND")]
    pub(crate) resource_type: Vec<String>,
    /// Nodes of these kinds are left out
    #[arg(long, alias = "exclude-resource-types", num_args = 1.., value_name = "KIND")]
    pub(crate) exclude_resource_type: Vec<String>,
    /// What each line of JSON says: name, resource_type, config, …
    #[arg(long, num_args = 1.., value_name = "KEY")]
    pub(crate) output_keys: Vec<String>,
}

/// Options of `retry`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Example: fiveply build || fiveply retry")]
pub(crate) struct RetryArguments {
    /// Build incremental models and seeds from nothing
    #[arg(long, short)]
    pub(crate) full_refresh: bool,
    /// Nodes at a time [default: the target's threads]
    #[arg(long, value_name = "COUNT")]
    pub(crate) threads: Option<usize>,
}

/// Options of `query`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply query \"select count(*) from marts.orders\"
  fiveply query \"select metric_time__day, measure(signups) from metrics group by 1\"
  fiveply query --format csv \"select * from marts.orders\" > orders.csv
  fiveply query --format parquet --file orders.parquet \"select * from marts.orders\"
  echo \"select 1\" | fiveply query -")]
pub(crate) struct QueryArguments {
    /// SQL in the project's dialect; `-` reads it from standard input
    pub(crate) sql: String,
    /// How rows are printed
    #[arg(long, value_enum)]
    pub(crate) format: Option<QueryFormat>,
    /// Write the rows to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Rows to print as a table; 0 prints all
    #[arg(long, default_value_t = 1_000, value_name = "ROWS")]
    pub(crate) limit: usize,
    /// Seconds after which the query is ended
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueryFormat {
    /// Aligned columns.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a row.
    Json,
    /// A Parquet file; needs --file.
    Parquet,
}

/// Options of `demo`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply demo
  fiveply demo --scale 0.1 --seed 7 --dir /tmp/company
  fiveply demo --no-serve                end when all is built and tested
  fiveply demo --incident none           a company to which nothing happens
  fiveply demo --generate && cd fiveply-demo && fiveply load && fiveply build
  fiveply demo --until 2026-05-22T14:00:00Z   play up to a moment; a later call goes on")]
pub(crate) struct DemoArguments {
    /// Size of the company; 1 makes about a million events
    #[arg(long, default_value_t = 1.0)]
    pub(crate) scale: f64,
    /// The same seed makes the same company
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Folder of the demo project
    #[arg(long, default_value = "fiveply-demo", value_name = "FOLDER")]
    pub(crate) dir: PathBuf,
    /// Only make the folder and the sources
    #[arg(long)]
    pub(crate) generate: bool,
    /// Play the company up to this moment [default: its last day]
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// What goes wrong: w1, w5, w6, or none [default: w1]
    #[arg(long, value_name = "NAME")]
    pub(crate) incident: Vec<String>,
    /// End when all is built and tested, instead of serving it
    #[arg(long)]
    pub(crate) no_serve: bool,
    /// How it is served.
    #[command(flatten)]
    pub(crate) serve: UpArguments,
}
