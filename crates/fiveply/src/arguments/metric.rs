//! `fiveply metric` and `fiveply dashboard`, as clap reads them.

use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};

/// What to do with metrics.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum MetricCommand {
    /// List metrics and what each can be grouped by
    List(MetricListArguments),
    /// Ask for numbers
    Query(Box<MetricQueryArguments>),
}

/// Options of `metric list`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply metric list
  fiveply metric list signups          one metric with its dimensions
  fiveply --output json metric list")]
pub(crate) struct MetricListArguments {
    /// Metrics to describe with their dimensions [default: all, without]
    #[arg(value_name = "METRIC")]
    pub(crate) metrics: Vec<String>,
}

/// Options of `metric query`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply metric query --metrics signups --group-by metric_time__day --from 2026-05-18
  fiveply metric query --metrics revenue,signups --group-by metric_time__month --order-by -revenue
  fiveply metric query --metrics signups --group-by signup__door --where \"signup__country = 'DE'\"
  fiveply metric query --metrics signups --group-by metric_time__day --explain")]
pub(crate) struct MetricQueryArguments {
    /// Metrics, with commas between them
    #[arg(long, value_delimiter = ',', value_name = "NAME", num_args = 1..)]
    pub(crate) metrics: Vec<String>,
    /// What they are grouped by: metric_time__day, entity__dimension
    #[arg(long, value_delimiter = ',', value_name = "NAME", num_args = 1..)]
    pub(crate) group_by: Vec<String>,
    /// A condition on dimensions, as SQL; may be given more than once
    #[arg(long = "where", value_name = "SQL")]
    pub(crate) conditions: Vec<String>,
    /// Columns to order by, with - before those that fall
    #[arg(long, value_delimiter = ',', value_name = "NAME", num_args = 1..,
        allow_hyphen_values = true)]
    pub(crate) order_by: Vec<String>,
    /// The most rows
    #[arg(long, value_name = "ROWS")]
    pub(crate) limit: Option<u64>,
    /// The first day that counts
    #[arg(long, visible_alias = "start-time", value_name = "DAY")]
    pub(crate) from: Option<NaiveDate>,
    /// The last day that counts
    #[arg(long, visible_alias = "end-time", value_name = "DAY")]
    pub(crate) to: Option<NaiveDate>,
    /// Ask the question of this saved query
    #[arg(long, value_name = "NAME", conflicts_with_all = ["metrics", "group_by"])]
    pub(crate) saved_query: Option<String>,
    /// How rows are printed
    #[arg(long, value_enum)]
    pub(crate) format: Option<MetricFormat>,
    /// Print the SQL and run nothing
    #[arg(long, visible_alias = "compile")]
    pub(crate) explain: bool,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetricFormat {
    /// Aligned columns.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a row.
    Json,
}

/// What to do with dashboards.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DashboardCommand {
    /// List dashboards
    List,
    /// Show a dashboard as text
    Show(DashboardShowArguments),
}

/// Options of `dashboard show`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  fiveply dashboard show company
  fiveply dashboard show company --filter \"period=last 7 days\" --filter country=DE
  fiveply --output json dashboard show company --tile signups_per_day")]
pub(crate) struct DashboardShowArguments {
    /// The dashboard
    pub(crate) name: String,
    /// Only this tile
    #[arg(long, value_name = "NAME")]
    pub(crate) tile: Option<String>,
    /// A filter and its value, as name=value; may be given more than once
    #[arg(long = "filter", value_name = "NAME=VALUE")]
    pub(crate) filters: Vec<String>,
}
