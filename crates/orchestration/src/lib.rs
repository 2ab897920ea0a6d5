//! Which step is next, and carrying it out: a pure planner ([`plan`]) and a small driver
//! ([`drive`]). Neither knows how a step works inside; that is the [`Executor`]'s. [`Scheduler`]
//! makes jobs due by their [`Calendar`] and has a [`JobCarrier`] carry them out, once each.
//!
//! Read `transformation` or `movement` for what a step does.

mod calendar;
mod drive;
mod error;
mod jobs;
mod plan;
mod scheduler;

pub use calendar::{Calendar, CalendarProblem};
pub use drive::{DriveOptions, Executor, Observer, Outcome, StepResult, drive};
pub use error::OrchestrationError;
pub use jobs::{check_jobs, selection};
pub use plan::{GraphView, Plan, Step, TestView, plan};
pub use scheduler::{Carried, CarriedEnd, JobCarrier, Scheduler, Stops};
