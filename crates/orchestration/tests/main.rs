//! The scheduler over a real ledger, by clocks that a test moves by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod bench;
mod policies;
mod stopping;
