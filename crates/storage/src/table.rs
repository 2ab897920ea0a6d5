//! One version of a table: schema, row count, files, older versions, and a plain scan.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema as ArrowSchema, SchemaRef as ArrowSchemaRef};
use base::TableName;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use iceberg::spec::{PartitionSpecRef, SchemaRef, SnapshotRef, TableMetadataRef};

use crate::fileset::FileSet;
use crate::schema::arrow_schema;
use crate::{Lake, Result, StorageError};

/// Summary key: rows of the version, deletes taken off.
pub(crate) const ROWS_KEY: &str = "fiveply.rows";
/// Summary key: the ledger transaction that published the version.
pub const COMMIT_ID_KEY: &str = "fiveply.commit-id";
/// Summary key: the run.
pub const RUN_ID_KEY: &str = "fiveply.run-id";
/// Summary key: how far the source was read.
pub const POSITION_KEY: &str = "fiveply.position";
/// Summary key: the code that made the version.
pub const CODE_FINGERPRINT_KEY: &str = "fiveply.code-fingerprint";
/// Summary key: when, by the business clock.
pub const BUSINESS_TIME_KEY: &str = "fiveply.business-time";

/// A version of a table, as one metadata file and one snapshot of it describe it.
#[derive(Clone, Debug)]
pub struct LakeTable {
    name: Option<TableName>,
    metadata: TableMetadataRef,
    metadata_location: String,
    snapshot: Option<SnapshotRef>,
    schema: SchemaRef,
    arrow: ArrowSchemaRef,
    rows: u64,
}

/// One version in a table's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// The Iceberg snapshot.
    pub snapshot_id: i64,
    /// When it became the present one, by the machine clock.
    pub made_at: DateTime<Utc>,
    /// `append`, `overwrite`, `replace` or `delete`.
    pub operation: String,
    /// The ledger transaction that published it; none when another engine wrote it.
    pub commit_id: Option<String>,
    /// Rows it holds, as its summary says.
    pub rows: u64,
}

impl LakeTable {
    pub(crate) async fn load(
        lake: &Lake,
        metadata: TableMetadataRef,
        metadata_location: &str,
    ) -> Result<Self> {
        let schema = Arc::clone(metadata.current_schema());
        let snapshot = metadata.current_snapshot().cloned();
        let mut table = Self {
            name: None,
            arrow: arrow_schema(&schema)?,
            rows: snapshot.as_ref().map_or(0, |snapshot| rows_by_summary(snapshot).0),
            metadata,
            metadata_location: metadata_location.to_owned(),
            snapshot,
            schema,
        };
        let exact = table.snapshot.as_ref().is_none_or(|snapshot| rows_by_summary(snapshot).1);
        if !exact {
            // Another engine's delete files may overlap; only counting tells.
            table.rows = table.files(lake).await?.row_count(lake).await?;
        }
        Ok(table)
    }

    pub(crate) fn named(mut self, name: &TableName) -> Self {
        self.name = Some(name.clone());
        self
    }

    /// The table's name, when it was found by name.
    pub fn name(&self) -> Option<&TableName> {
        self.name.as_ref()
    }

    /// Its name for messages.
    pub(crate) fn label(&self) -> String {
        self.name.as_ref().map_or_else(|| self.metadata_location.clone(), ToString::to_string)
    }

    /// The whole metadata.
    pub fn metadata(&self) -> &TableMetadataRef {
        &self.metadata
    }

    /// The metadata file.
    pub fn metadata_location(&self) -> &str {
        &self.metadata_location
    }

    /// The schema of this version, with field ids.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The schema of this version in Arrow's words: text as views, `PARQUET:field_id` on each
    /// field.
    pub fn arrow_schema(&self) -> &ArrowSchemaRef {
        &self.arrow
    }

    /// How new rows are partitioned.
    pub fn partition_spec(&self) -> &PartitionSpecRef {
        self.metadata.default_partition_spec()
    }

    /// Rows of this version.
    pub fn row_count(&self) -> u64 {
        self.rows
    }

    /// The snapshot; none for a table that never had rows.
    pub fn snapshot_id(&self) -> Option<i64> {
        self.snapshot.as_ref().map(|snapshot| snapshot.snapshot_id())
    }

    /// The snapshot with its summary.
    pub fn snapshot(&self) -> Option<&SnapshotRef> {
        self.snapshot.as_ref()
    }

    /// The commit that published this version; none when another engine wrote it.
    pub fn commit_id(&self) -> Option<&str> {
        let summary = self.snapshot.as_ref()?.summary();
        summary.additional_properties.get(COMMIT_ID_KEY).map(String::as_str)
    }

    /// The versions there were, oldest first.
    pub fn versions(&self) -> Vec<VersionInfo> {
        let history = self.metadata.history().iter();
        let known = history.filter_map(|log| {
            let snapshot = self.metadata.snapshot_by_id(log.snapshot_id)?;
            let summary = snapshot.summary();
            Some(VersionInfo {
                snapshot_id: log.snapshot_id,
                made_at: DateTime::from_timestamp_millis(log.timestamp_ms()).unwrap_or_default(),
                operation: summary.operation.as_str().to_owned(),
                commit_id: summary.additional_properties.get(COMMIT_ID_KEY).cloned(),
                rows: rows_by_summary(snapshot).0,
            })
        });
        known.collect()
    }

    /// An older version, with the schema it had.
    ///
    /// # Errors
    /// When the table never had this snapshot, or it was expired.
    pub fn at_snapshot(&self, snapshot_id: i64) -> Result<Self> {
        let Some(snapshot) = self.metadata.snapshot_by_id(snapshot_id) else {
            let what = format!("version {snapshot_id} of table \"{}\"", self.label());
            return Err(StorageError::NotFound { what });
        };
        let schema = snapshot.schema(&self.metadata)?;
        Ok(Self {
            arrow: arrow_schema(&schema)?,
            schema,
            rows: rows_by_summary(snapshot).0,
            snapshot: Some(Arc::clone(snapshot)),
            ..self.clone()
        })
    }

    /// The version that was the present one at a time of the machine clock.
    ///
    /// # Errors
    /// When the table had no version yet.
    pub fn at_time(&self, time: DateTime<Utc>) -> Result<Self> {
        let millis = time.timestamp_millis();
        let mut past = self.metadata.history().iter().filter(|log| log.timestamp_ms() <= millis);
        match past.next_back() {
            Some(log) => self.at_snapshot(log.snapshot_id),
            None => {
                let what = format!("a version of table \"{}\" at {time}", self.label());
                Err(StorageError::NotFound { what })
            }
        }
    }

    /// The files of this version, each with its statistics and delete files.
    ///
    /// # Errors
    /// When a manifest cannot be read, or holds equality deletes or deletion vectors.
    pub async fn files(&self, lake: &Lake) -> Result<FileSet> {
        FileSet::load(lake, self).await
    }

    /// Every row of this version, of some columns or of all: a plain reader without SQL.
    ///
    /// # Errors
    /// When a column does not exist or the files cannot be listed. Errors in files come with the
    /// rows.
    pub async fn scan(
        &self,
        lake: &Lake,
        columns: Option<&[&str]>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let shape = self.shape(columns)?;
        let files = self.files(lake).await?;
        let lake = lake.clone();
        let batches = stream::iter(files.into_data()).then(move |file| {
            let (lake, shape) = (lake.clone(), Arc::clone(&shape));
            async move { crate::read::live_rows(&lake, &file, &shape).await }
        });
        Ok(batches.try_flatten().boxed())
    }

    /// Every row of this version at once; for small tables and tests.
    ///
    /// # Errors
    /// As [`LakeTable::scan`].
    pub async fn rows(&self, lake: &Lake) -> Result<Vec<RecordBatch>> {
        self.scan(lake, None).await?.try_collect().await
    }

    fn shape(&self, columns: Option<&[&str]>) -> Result<ArrowSchemaRef> {
        let Some(columns) = columns else { return Ok(Arc::clone(&self.arrow)) };
        let mut fields = Vec::with_capacity(columns.len());
        for column in columns {
            let Ok(field) = self.arrow.field_with_name(column) else {
                return Err(StorageError::NoColumn {
                    table: self.label(),
                    column: (*column).to_owned(),
                    columns: crate::evolve::names(self.schema.as_struct().fields()),
                });
            };
            fields.push(field.clone());
        }
        Ok(Arc::new(ArrowSchema::new(fields)))
    }
}

/// Rows that a summary tells, and whether it tells them for sure.
fn rows_by_summary(snapshot: &SnapshotRef) -> (u64, bool) {
    let summary = &snapshot.summary().additional_properties;
    let number = |key: &str| summary.get(key).and_then(|text| text.parse::<u64>().ok());
    // Another engine may carry our keys along from an older summary; the commit id is checked
    // against the counts it claims to belong to.
    if let (Some(rows), Some(_)) = (number(ROWS_KEY), summary.get(COMMIT_ID_KEY)) {
        return (rows, true);
    }
    let (total, deletes) = (number("total-records"), number("total-position-deletes"));
    match (total, deletes) {
        (Some(total), Some(0)) => (total, true),
        (Some(total), Some(deletes)) => (total.saturating_sub(deletes), false),
        _ => (0, false),
    }
}
