//! Metrics: a question (which metrics, by what, where, from when to when) becomes SQL over the
//! tables, and the SQL becomes rows.
//!
//! Each metric is counted in a branch of its own over its own table, and only the counted rows are
//! put together by what they are grouped by, so that no join of one metric can repeat the rows of
//! another. A join that would repeat rows is refused with the reason, never guessed.

mod answer;
mod ask;
mod branch;
mod catalog;
mod combine;
mod conversion;
mod cumulative;
mod expand;
mod keys;
mod lexer;
mod percentile;
mod plan;
mod reach;
mod rows;
mod spine;
mod sql;
mod tree;

use chrono::NaiveDate;
use project::dashboard::ColumnFormat;
use project::semantics::Grain;
use serde::{Deserialize, Serialize};

pub(crate) use answer::newest_row;
pub use answer::{ANSWER_ROWS_MAX, Answer, AnswerCache, AnsweredColumn, answer, answer_sql};
pub(crate) use ask::can_be_filtered;
pub use ask::{condition, saved};
pub use catalog::{DimensionInfo, MetricInfo, SavedQueryInfo, metrics, saved_queries};
pub use expand::{METRICS_TABLE, expand_sql};
pub(crate) use plan::falling;
pub use plan::plan;
pub(crate) use spine::start_of;

/// A question about metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricQuery {
    /// Names of metrics.
    pub metrics: Vec<String>,
    /// What they are grouped by: `metric_time__day`, `signup__country`, `user`.
    pub group_by: Vec<String>,
    /// Conditions, all of which must hold: SQL over names, plain or in dbt's Jinja.
    #[serde(rename = "where")]
    pub conditions: Vec<String>,
    /// Columns of the answer, with `-` before those that fall.
    pub order_by: Vec<String>,
    /// The most rows.
    pub limit: Option<u64>,
    /// The first day that counts.
    pub from: Option<NaiveDate>,
    /// The last day that counts.
    pub to: Option<NaiveDate>,
}

/// The SQL of a question, and the columns it answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricPlan {
    /// SQL in the project's dialect.
    pub sql: String,
    /// Columns in order: groupings first, then metrics.
    pub columns: Vec<PlannedColumn>,
}

/// What a column of an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub role: ColumnRole,
    /// How it is shown.
    pub format: ColumnFormat,
}

/// What a column of an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnRole {
    /// A time, rounded to a grain.
    Time(Grain),
    /// What is grouped by.
    Dimension,
    /// A metric.
    Metric,
}
