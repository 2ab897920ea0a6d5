//! The lake through its own door: every kind of change, then read back.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod changes;
mod contention;
mod model;
mod pyiceberg;
mod statistics;
mod world;
mod writers;
