//! For tests only: projects as strings, the real binary run in them, and the fault suite that ends
//! the process at every commit step.

mod command;
mod fault;
mod folder;
mod http;
mod server;
mod state;

pub use command::{Finished, Fiveply};
pub use fault::{FaultReport, KillSuite, random_kills};
pub use folder::Folder;
pub use http::{Http, HttpAnswer};
pub use server::Up;
pub use state::{Depth, state};
