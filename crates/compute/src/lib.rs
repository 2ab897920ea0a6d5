//! SQL over the lake: DataFusion sessions over pinned table versions, dialects, limits.
//!
//! This crate plans and runs queries; it never changes a table. Read `transformation` next, which
//! turns answers into published tables, or `storage` below, which keeps the tables.
//!
//! ```
//! # use std::sync::Arc;
//! # use arrow::array::{Int64Array, RecordBatch};
//! # use compute::{Catalog, Dialect, Engine, EngineOptions, SessionOptions, output};
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let amounts = Int64Array::from(vec![1, 2, 3]);
//! let rows = RecordBatch::try_from_iter([("amount", Arc::new(amounts) as _)])?;
//! let orders = base::TableName::new("shop", "orders");
//! let catalog = Catalog::empty("prod".into()).with_batches(orders, rows.schema(), vec![rows]);
//! let session = Engine::new(EngineOptions::default())?.session(
//!     catalog,
//!     SessionOptions {
//!         dialect: Dialect::Duckdb,
//!         business_now: chrono::DateTime::UNIX_EPOCH,
//!         time_zone: "UTC".to_owned(),
//!         default_namespace: Some("shop".to_owned()),
//!     },
//! );
//! let sql = "select sum(amount) as total from orders";
//! let prepared = session.prepare(sql).await?;
//! assert_eq!(prepared.inputs()[0].rows, 3);
//! let answer = output::table(&prepared.schema(), &session.rows(sql).await?)?;
//! assert_eq!(answer, "total\n─────\n    6\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admission;
mod anatomy;
mod catalog;
mod distinct;
mod engine;
pub mod error;
mod fence;
pub mod front;
mod lineage;
mod meaning;
mod merge;
mod names;
pub mod output;
pub mod postgres_catalog;
mod provider;
mod rewrite;
mod session;
mod spans;
pub mod statement;
mod stream;
mod translate;
mod wording;

pub use anatomy::{OperatorRows, Stretch};
pub use catalog::{Catalog, ViewText};
pub use engine::{Engine, EngineOptions};
pub use error::QueryError;
pub use front::Dialect;
pub use lineage::{ColumnLineage, How, Lineage, Origin};
pub use meaning::{Meaning, Moving, meaning};
pub use merge::{Matched, MergeText, NotMatched};
pub use session::{Prepared, Session, SessionOptions};
pub use stream::RowStream;
