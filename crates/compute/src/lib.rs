//! SQL over the lake: DataFusion sessions over pinned table versions, dialects, limits.
//!
//! This crate plans and runs queries; it never changes a table. Read `transformation` next, which
//! turns answers into published tables, or `storage` below, which keeps the tables.

pub mod error;
pub mod front;

pub use error::QueryError;
pub use front::Dialect;
