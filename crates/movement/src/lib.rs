//! Layer 2 of the platform: outside → lake, exactly once. A stream is read from its position in
//! the ledger on; rows, rejects, row account and the new position are published in one ledger
//! transaction, so that a position moves with its data or not at all.
//!
//! This crate never plans SQL and never decides what runs next. It holds the one HTTP client for
//! outgoing calls. Read `transformation` next, which makes models of what was loaded.
//!
//! Types are inferred from the data and widened only while no row of a table version holds them
//! (see [`load_stream`]): boolean, bigint, double, date, timestamp, timestamptz, string; whole
//! numbers beyond 64 bits are decimal(38,0). Nested values of text formats stay JSON text in one
//! column, and SQL takes them apart; Parquet files keep their own nested types. What does not fit
//! is never rounded or cut: the row goes to `<table>__rejects` with its reason and origin.

mod decode;
mod download;
mod error;
mod files;
mod load;
mod rejects;
mod rest;
mod schema;
mod webhook;

pub use download::download;
pub use error::MovementError;
pub use load::{
    LoadContext, LoadLimits, LoadOutcome, LoadProgress, ProgressListener, RenameProposal,
    load_stream,
};
pub use rejects::REJECT_SOURCE_BYTES_MAX;
pub use rest::{Delivered, Delivery, Destination, records as json_values};
pub use schema::{FILE_COLUMN, LINE_COLUMN, LOADED_COLUMN};
pub use webhook::post_message;
