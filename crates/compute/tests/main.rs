//! The promises of the engine, kept against tables made by hand, byte for byte as Iceberg has them.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, unreachable_pub)]

mod by_hand;
mod compiled;
mod deletes;
mod dialects_page;
mod differential;
mod evolution;
mod lake;
mod limits;
mod names;
mod nested;
mod outputs;
mod places;
mod statistics;
