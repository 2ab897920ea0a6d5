//! What must never be forgotten: one SQL database that holds the pointer of every table and view,
//! the position of every stream, runs, steps, attempts, row accounts, table versions, test results
//! and leases. Its heart is [`Ledger::commit`]: one transaction that checks the lease tokens,
//! compares and swaps any number of pointers, moves positions and writes the accounts of the rows.
//!
//! The ledger never touches a data file and never decides what runs next. Read `storage` next: it
//! makes the metadata files that pointers point to.
//!
//! ```
//! # use std::sync::Arc;
//! # use base::{clock::Clocks, system::SystemRandomness, CommitId, TableName};
//! # use ledger::{Commit, Ledger, PointerKind, Swing};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("ledger.db");
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let ledger = Ledger::open(&path, Clocks::system(), Arc::new(SystemRandomness)).await?;
//! let orders = TableName::new("main", "orders");
//! let commit = Commit::new(ledger.new_commit_id(), "prod")
//!     .swing(Swing::create(orders.clone(), PointerKind::Table, "warehouse/orders/1.json"));
//! ledger.commit(&commit).await?;
//! let pointer = ledger.pointer(&"prod".into(), &orders).await?;
//! assert_eq!(pointer.map(|p| p.metadata_location), Some("warehouse/orders/1.json".to_owned()));
//! # Ok::<(), ledger::LedgerError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accounts;
mod alerts;
mod attempts;
mod business_clocks;
mod commit;
mod committing;
mod error;
mod firings;
mod health;
mod identities;
mod incidents;
mod intervals;
mod leases;
mod meanings;
mod node_history;
mod online;
mod open;
mod pointer_generations;
mod pointer_map;
mod pointers;
mod positions;
mod query_log;
mod records;
mod runs;
mod schema;
mod schema_changes;
mod standings;
mod sync_log;
mod sync_rows;
mod sync_runs;
mod test_results;
mod transaction;
mod versions;
mod words;

pub use accounts::{AccountFilter, AccountRecord};
pub use alerts::{AlertStatus, ClaimedAlert};
pub use attempts::{Attempt, AttemptEnd, AttemptRecord, NewAttempt, StepRecord, StepStatus};
pub use business_clocks::ClockRecord;
pub use commit::{Commit, Committed, LoadEntry, PositionMove, Swing};
pub use error::{Fault, LedgerError};
pub use firings::{FiringCause, FiringClaim, FiringEnd, FiringRecord, FiringStatus, NewFiring};
pub use health::Health;
pub use identities::{SessionRecord, TokenRecord, UserRecord};
pub use incidents::{
    IncidentEvent, IncidentKind, IncidentRecord, IncidentSeverity, IncidentStatus, NewIncident,
};
pub use intervals::{Interval, NewIntervals};
pub use leases::{Claim, Lease};
pub use meanings::{NodeMeaning, PresentVersion};
pub use online::{NewOnlineView, OnlineRow, OnlineView};
pub use open::Ledger;
pub use pointer_map::PointerMap;
pub use pointers::{Pointer, PointerKind};
pub use query_log::QueryRecord;
pub use runs::{NewRun, RunCause, RunRecord, RunStatus};
pub use schema_changes::{SchemaChange, SchemaChangeKind, SchemaChangeRecord};
pub use standings::{RunSummary, TableStanding};
pub use sync_log::{NewSyncEntry, SyncEntry, SyncLogFilter, SyncOutcome};
pub use sync_rows::{SyncAnswer, SyncBatchEnd, SyncOperation, SyncRow, SyncSend};
pub use sync_runs::{SyncCounts, SyncRun, sync_of_node};
pub use test_results::{TestRecord, TestResult, TestStatus};
pub use versions::{TableVersion, Tested};
