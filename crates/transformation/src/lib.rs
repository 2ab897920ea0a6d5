//! Models, seeds and tests: a node's new version is staged in the dark, its tests run on that
//! version, and only what passes is pointed to.
//!
//! This crate talks to nobody outside. Read `orchestration` next, which decides what runs when.

mod audit;
mod backfill;
mod batches;
mod compile;
mod contract;
mod csv_table;
mod error;
mod facts;
mod foresight;
mod hook;
mod incremental;
mod invocation;
mod materialize;
mod meaning;
mod model;
mod publish;
mod report;
mod seed;
mod shared_scan;
mod snapshot;
mod staged;
mod step;
mod threshold;
mod unit_test;
mod workshop;
mod world;

pub use backfill::BackfillWindow;
pub use batches::{BatchPlan, ComputedPeriods, EventTimes, Stretch, event_time};
pub use compile::CompiledNode;
pub use error::TransformationError;
pub use foresight::Foreseen;
pub use invocation::{Invocation, Listener};
pub use meaning::{KnownCode, NodeCode, NodeCodes, is_what_was_built};
pub use report::{StepReport, TestReport};
pub use step::Audits;
pub use workshop::{BuildOptions, DescribedTable, Tools, Workshop};
