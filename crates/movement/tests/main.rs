//! Loading through the door that commands use: real folders and servers, a real ledger and lake.

#![allow(missing_docs, clippy::unwrap_used, clippy::clone_on_ref_ptr)]

mod bad_files;
mod drift;
mod files;
mod house;
mod rest;
mod server;
mod vendors;
