//! The ledger's promises, through its public door.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![allow(clippy::disallowed_methods, reason = "these tests start processes and spoil files")]

mod commits;
mod equations;
mod incidents;
mod leases;
mod opening;
mod processes;
mod runs;
mod support;
