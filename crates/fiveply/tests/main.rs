//! The product through its front door: the real binary in folders of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

mod accounts;
mod activation;
mod bad_input;
mod behaviour;
mod benches;
mod browser;
mod cancelling;
mod conformance;
mod corpus;
mod dbt_commands;
mod diagnose;
mod docs;
mod fault;
mod pages;
mod tutorial;
mod unseen;
mod up;
mod watching;
