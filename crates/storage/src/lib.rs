//! The lake: Apache Iceberg tables and views with a commit of our own. A change is made in the dark
//! (data files, manifests and a complete new metadata file, all synced, named as nothing was ever
//! named before), and becomes true when the ledger swings the pointer to it.
//!
//! This crate knows no SQL and never moves a pointer by itself. Read `compute` next: it plans
//! queries over the files that [`LakeTable::files`] lists.
//!
//! ```
//! # use std::sync::Arc;
//! # use arrow::array::{Int64Array, RecordBatch};
//! # use base::{clock::Clocks, system::SystemRandomness, TableName};
//! # use ledger::{Commit, Ledger};
//! # use storage::{Lake, StageOptions};
//! # let folder = tempfile::tempdir()?;
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! # let (clocks, randomness) = (Clocks::system(), Arc::new(SystemRandomness));
//! # let path = folder.path().join("ledger.db");
//! # let ledger = Ledger::open(&path, clocks.clone(), randomness.clone()).await?;
//! let lake = Lake::local(&folder.path().join("warehouse"), clocks, randomness)?;
//! let orders = TableName::new("main", "orders");
//! let commit = ledger.new_commit_id();
//! let mut stage = lake.stage(&"prod".into(), &orders, None, StageOptions::new(commit.clone()));
//! let ids = Int64Array::from(vec![1, 2, 3]);
//! stage.write(RecordBatch::try_from_iter([("id", Arc::new(ids) as _)])?).await?;
//! let staged = stage.finish().await?;
//! ledger.commit(&staged.into_commit(Commit::new(commit, "prod"))).await?;
//! let table = lake.open(&ledger, &"prod".into(), &orders).await?;
//! assert_eq!(table.map(|table| table.row_count()), Some(3));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cache;
mod commit;
mod conform;
pub mod deletes;
mod error;
mod evolve;
mod files;
mod fileset;
mod keybounds;
mod keyed;
mod lake;
mod manifests;
mod merge;
mod partition;
mod read;
mod schema;
mod spool;
mod stage;
mod staged;
mod statistics;
mod summary;
mod table;
mod view;
mod write;

pub use error::{Result, StorageError};
pub use evolve::SchemaEdit;
pub use files::object_path;
pub use fileset::{DataFileEntry, DeleteFileEntry, FileSet};
pub use iceberg::spec::Transform;
pub use lake::Lake;
pub use partition::PartitionField;
pub use schema::{arrow_schema, field_id, table_schema, uuid_metadata};
pub use stage::{RewritePolicy, Stage, StageOptions, WriteMode};
pub use staged::{MergeCounts, Staged, append_with_retry};
pub use table::{
    BUSINESS_TIME_KEY, CODE_FINGERPRINT_KEY, COMMIT_ID_KEY, LakeTable, POSITION_KEY, RUN_ID_KEY,
    VersionInfo,
};
pub use view::{StagedPointer, ViewDefinition};
