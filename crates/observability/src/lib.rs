//! Is the number right, fresh and complete; why not; whose is it: promises with their error
//! budgets, incidents, and the diagnosis that walks from a number back to its source.
//!
//! This crate never runs a step. Read `orchestration` next.
