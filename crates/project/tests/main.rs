//! The `project` crate through its door: folders of text in, graphs and diagnostics out.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests say what they expect by failing")]

mod broken;
mod compiling;
mod fixture;
mod opening;
mod packages;
mod reading;
mod selecting;
