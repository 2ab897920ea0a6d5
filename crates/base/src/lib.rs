//! The words every other crate shares: names, ids, positions, row accounts, spans and diagnostics,
//! error kinds, limits, and the traits behind which clock, randomness and files stand.
//!
//! This crate never does I/O outside [`system`]. Read `ledger` or `project` next.

pub mod account;
pub mod clock;
pub mod diagnostic;
pub mod error;
pub mod fault;
pub mod files;
pub mod identity;
pub mod limits;
pub mod position;
pub mod random;
pub mod secret;
pub mod system;

pub use account::{InputVersion, LoadAccount, TableAccount};
pub use clock::{Clock, Clocks};
pub use diagnostic::{Diagnostic, Label, Severity, SourceFile, Span};
pub use error::{ErrorKind, Retry};
pub use files::Files;
pub use identity::{CommitId, EnvironmentName, NodeId, RunId, StreamName, TableName};
pub use position::Position;
pub use random::Randomness;
pub use secret::Secret;
