//! Models, seeds and tests: a node's new version is staged in the dark, its tests run on that
//! version, and only what passes is pointed to.
//!
//! This crate talks to nobody outside. Read `orchestration` next, which decides what runs when.

mod audit;
mod backfill;
mod compile;
mod csv_table;
mod error;
mod facts;
mod hook;
mod incremental;
mod model;
mod publish;
mod report;
mod seed;
mod staged;
mod step;
mod threshold;
mod workshop;

pub use backfill::BackfillWindow;
pub use compile::CompiledNode;
pub use error::TransformationError;
pub use hook::hook_has_meaning;
pub use report::{StepReport, TestReport};
pub use step::Audits;
pub use workshop::{BuildOptions, Tools, Workshop};
