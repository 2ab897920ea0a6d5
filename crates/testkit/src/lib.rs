//! For tests only: projects as strings, the real binary run in them, and the fault suite that ends
//! the process at every commit step.

mod command;
mod fault;
mod folder;

pub use command::{Finished, Fiveply};
pub use fault::{FaultReport, every_kill_point};
pub use folder::Folder;
