//! What is wrong with a number, and making it good.

use clap::{Args, Subcommand};

/// Options of `diagnose`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply diagnose signups_daily --on 2026-05-22
  fiveply diagnose revenue_daily.refunded_usd --on 2026-05-22
  fiveply diagnose fact_orders --from 2026-05-18 --to 2026-05-24
  fiveply diagnose signups_daily --on 2026-05-22 --postmortem > postmortem.md")]
pub(crate) struct DiagnoseArguments {
    /// A metric, a table, `table.column`, or `source.stream`
    pub(crate) name: String,
    /// The day [default: the last complete day]
    #[arg(long, value_name = "DAY")]
    pub(crate) on: Option<chrono::NaiveDate>,
    /// The first of several days
    #[arg(long, value_name = "DAY", conflicts_with = "on")]
    pub(crate) from: Option<chrono::NaiveDate>,
    /// The last of several days
    #[arg(long, value_name = "DAY", conflicts_with = "on")]
    pub(crate) to: Option<chrono::NaiveDate>,
    /// The column that tells a row's day [default: event_time of the config, else the likeliest]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) time_column: Option<String>,
    /// Write the draft of a post-mortem, in Markdown
    #[arg(long)]
    pub(crate) postmortem: bool,
    /// End with exit code 1 when something is wrong
    #[arg(long)]
    pub(crate) check: bool,
}

/// Options of `backfill`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:
  fiveply backfill int_signups_deduplicated --from 2026-05-22 --to 2026-05-22")]
pub(crate) struct BackfillArguments {
    /// The incremental model
    pub(crate) node: String,
    /// The first day
    #[arg(long, value_name = "DAY")]
    pub(crate) from: chrono::NaiveDate,
    /// The last day [default: the first]
    #[arg(long, value_name = "DAY")]
    pub(crate) to: Option<chrono::NaiveDate>,
    /// The column that tells a row's day [default: event_time of the config, else the likeliest]
    #[arg(long, value_name = "COLUMN")]
    pub(crate) time_column: Option<String>,
    /// Nodes at a time [default: the target's threads]
    #[arg(long, value_name = "COUNT")]
    pub(crate) threads: Option<usize>,
}

/// What to do with incidents.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum IncidentCommand {
    /// List open incidents
    List {
        /// Closed ones too
        #[arg(long)]
        all: bool,
    },
    /// One incident with its timeline and its diagnosis as of now
    Show {
        /// Its id, or the beginning of it
        id: String,
    },
    /// Look now, as `fiveply up` does every minute, and send what is to be sent
    Watch,
}

/// What to do with promises.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PromiseCommand {
    /// List promises and what is left of their budgets
    List,
}
