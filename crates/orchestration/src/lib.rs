//! Which step is next, and carrying it out: a pure planner ([`plan`]) and a small driver
//! ([`drive`]). Neither knows how a step works inside; that is the [`Executor`]'s.
//!
//! Read `transformation` or `movement` for what a step does.

mod drive;
mod error;
mod plan;

pub use drive::{DriveOptions, Executor, Observer, Outcome, StepResult, drive};
pub use error::OrchestrationError;
pub use plan::{GraphView, Plan, Step, TestView, plan};
