//! What the fifth layer promises, through the doors that its users use.
#![allow(missing_docs, clippy::unwrap_used)]

mod metrics;
