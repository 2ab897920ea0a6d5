//! The company through the door `fiveply` uses: folders as they are played, vendors over HTTP.

#![allow(clippy::unwrap_used, missing_docs)]

mod client;
mod folder;
mod incidents;
mod vendors;
