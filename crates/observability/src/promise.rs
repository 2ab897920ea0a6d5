//! Promises as they stand: what was promised, what was kept, and what is left of the error budget.

use base::NodeId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How a promise stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PromiseState {
    /// Its name.
    pub name: String,
    /// The node it is about.
    pub node: NodeId,
    /// Whose it is.
    pub owner: Option<String>,
    /// As written: `fresh by 06:00 UTC on 99.5% of days`.
    pub promise: String,
    /// How it stands now.
    pub status: PromiseStatus,
    /// What was measured last: `newest row is 12 minutes old`.
    pub measured: String,
    /// When it was evaluated, by the business clock.
    pub evaluated_at: DateTime<Utc>,
    /// The error budget.
    pub budget: Budget,
    /// The last periods, oldest first: a day each for daily promises.
    pub history: Vec<Period>,
    /// Where it is written: file, relative to the project.
    pub file: String,
}

/// How a promise stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromiseStatus {
    /// It is kept.
    Kept,
    /// It is broken now, and the budget bears it.
    Broken,
    /// The budget is spent.
    BudgetSpent,
    /// There is nothing to measure yet.
    Unknown,
}

/// How many periods may go wrong, and how many did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Days of the window.
    pub window_days: u32,
    /// The part of periods that must be good, in percent.
    pub objective_percent: f64,
    /// Periods of the window that were measured.
    pub periods: u32,
    /// Periods that may go wrong.
    pub allowed: f64,
    /// Periods that did.
    pub spent: f64,
    /// What is left; negative when more went wrong than may.
    pub left: f64,
    /// How fast it is spent: 1 spends it exactly by the window's end.
    pub burn: f64,
}

/// One measured period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Period {
    /// Its beginning.
    pub start: DateTime<Utc>,
    /// Whether the promise was kept.
    pub good: bool,
    /// What was measured.
    pub measured: String,
}
