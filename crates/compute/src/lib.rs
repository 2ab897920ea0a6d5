//! SQL over the lake: DataFusion sessions over pinned table versions, dialects, limits.
//!
//! This crate plans and runs queries; it never changes a table. Read `transformation` next, which
//! turns answers into published tables, or `storage` below, which keeps the tables.

mod admission;
mod catalog;
mod engine;
pub mod error;
mod fence;
pub mod front;
mod names;
pub mod output;
mod provider;
mod session;
mod spans;
mod stream;
mod translate;

pub use catalog::{Catalog, ViewText};
pub use engine::{Engine, EngineOptions};
pub use error::QueryError;
pub use front::Dialect;
pub use session::{Prepared, Session, SessionOptions};
pub use stream::RowStream;
