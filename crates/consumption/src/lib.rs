//! The fifth layer: metrics, dashboards, activation (rows sent to the tools of other teams) and
//! features for models.
//!
//! Read `server` next, which opens the doors to them.

pub mod activation;
mod cells;
mod context;
pub mod dashboards;
mod error;
pub mod features;
pub mod metrics;

pub use context::ConsumptionContext;
pub use error::ConsumptionError;
