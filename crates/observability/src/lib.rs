//! Is the number right, fresh and complete; why not; whose is it: promises with their error
//! budgets, incidents, and the diagnosis that walks from a number back to its source.
//!
//! This crate never runs a step. Read `orchestration` next.

mod alerts;
mod budget;
mod case;
mod clock_column;
mod count;
mod diagnose;
pub mod diagnosis;
mod drift;
mod dropped;
mod duplicates;
mod error;
mod model_hop;
pub mod promise;
mod question;
mod scene;
mod shift;
mod story;
mod stream_hop;
mod verdict;
mod watch;
mod words;

pub use budget::promises;
pub use clock_column::time_columns_below;
pub use diagnose::diagnose;
pub use diagnosis::Diagnosis;
pub use error::ObservabilityError;
pub use promise::PromiseState;
pub use question::{Question, question, questions};
pub use story::{IncidentStory, incident_story};
pub use verdict::figure;
pub use watch::{Watched, Watcher};
