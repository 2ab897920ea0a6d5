//! The doors, opened on loopback over a small project.
#![allow(clippy::unwrap_used, missing_docs)]

mod access;
mod house;
mod sql;
