//! The doors: web UI, HTTP API and the PostgreSQL wire protocol. This crate decides nothing: every
//! answer comes from a lower floor, and every route declares the permission it needs.
//!
//! [`Platform`] is what every door is handed. A module of [`api`] has `pub(crate) fn routes() ->
//! Routes`; a route that declares no need cannot be written, and [`routes`] is the one list from
//! which the router, the table in `docs/access.md` and the test of every combination are made.
//! [`serve`] opens the HTTP door.

pub mod api;
mod caller;
mod critical;
mod error;
mod folder;
mod guard;
mod layout;
mod open_api;
mod operations;
mod overview;
mod platform;
mod routes;
mod rows;
mod samples;
mod serve;
pub mod sql;
mod ui;

pub use caller::Caller;
pub use error::{Answer, ServerError};
pub use folder::serve_folder;
pub use operations::{FiringReference, Operations, RunCommand, RunRequest};
pub use platform::{Loaded, Platform, PlatformParts, ProjectStanding};
pub use routes::{Method, Needs, RouteInfo, Routes, SharedPlatform};
pub use serve::{HttpOptions, SHUTDOWN_SECONDS_MAX, serve};

/// Every route of the HTTP door.
pub fn routes() -> Routes {
    Routes::new().merge(api::routes()).merge(ui::routes())
}
