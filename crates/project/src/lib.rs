//! What the user wrote: a folder of YAML, Jinja and SQL text becomes a checked graph of nodes, plus
//! diagnostics. One broken file never hides the others.
//!
//! This crate knows no network, no database and no async code, and reads files through
//! [`base::Files`] alone. Read `transformation` next, which carries the nodes out.

pub mod codes;
pub mod ingest;
pub mod jinja;
pub mod suggest;
pub mod yaml;
