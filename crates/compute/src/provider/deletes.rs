//! Position deletes as row selections: which rows of a data file are still there.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use futures::TryStreamExt;
use iceberg::spec::DataFile;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::arrow::async_reader::ParquetObjectReader;
use tokio::sync::OnceCell;

use super::place::store_path;
use super::snapshot::{DataFileFacts, PositionsByFile};
use crate::error::QueryError;

/// A position delete file.
#[derive(Debug)]
pub(crate) struct DeleteFile {
    location: String,
    bytes: u64,
    sequence_number: i64,
    /// The one data file it speaks of, when the manifest says so.
    data_file: Option<String>,
    positions: OnceCell<Arc<PositionsByFile>>,
}

/// The rows of a data file that are still there.
#[derive(Clone, Debug)]
pub(crate) struct RowsToRead {
    /// Rows that deletes took away, each counted once.
    pub(super) deleted: u64,
    /// None when no row is deleted after all.
    pub(super) plan: Option<ParquetAccessPlan>,
}

impl RowsToRead {
    pub(super) fn all() -> Self {
        Self { deleted: 0, plan: None }
    }
}

/// Where files and footers come from.
pub(crate) struct Reader<'a> {
    pub(crate) store: &'a Arc<dyn ObjectStore>,
    pub(crate) footers: Arc<dyn FileMetadataCache>,
}

impl DeleteFile {
    pub(super) fn new(file: &DataFile, sequence_number: i64) -> Self {
        // Bounds of the path column might name the one file too, but a writer may have cut them
        // short; only the full path that the manifest gives is trusted.
        let data_file = file.referenced_data_file();
        Self {
            location: file.file_path().to_owned(),
            bytes: file.file_size_in_bytes(),
            sequence_number,
            data_file,
            positions: OnceCell::new(),
        }
    }

    fn may_concern(&self, file: &DataFileFacts) -> bool {
        file.sequence_number <= self.sequence_number
            && self.data_file.as_ref().is_none_or(|path| *path == file.location)
    }

    async fn positions(&self, reader: &Reader<'_>) -> Result<Arc<PositionsByFile>, QueryError> {
        let read = || async {
            let path = store_path(&self.location)?;
            let object =
                ParquetObjectReader::new(Arc::clone(reader.store), path).with_file_size(self.bytes);
            let batches: Vec<RecordBatch> = ParquetRecordBatchStreamBuilder::new(object)
                .await
                .and_then(ParquetRecordBatchStreamBuilder::build)
                .map_err(|error| broken(&self.location, &error))?
                .try_collect()
                .await
                .map_err(|error| broken(&self.location, &error))?;
            let mut found = PositionsByFile::new();
            for batch in &batches {
                collect(batch, &mut found)
                    .ok_or_else(|| broken(&self.location, &"no columns file_path and pos"))?;
            }
            for positions in found.values_mut() {
                positions.sort_unstable();
                positions.dedup();
            }
            Ok(Arc::new(found))
        };
        self.positions.get_or_try_init(read).await.cloned()
    }
}

fn collect(batch: &RecordBatch, found: &mut PositionsByFile) -> Option<()> {
    let paths = arrow::compute::cast(batch.column_by_name("file_path")?, &DataType::Utf8).ok()?;
    let paths = paths.as_string_opt::<i32>()?;
    let positions = batch.column_by_name("pos")?.as_primitive_opt::<Int64Type>()?;
    let mut start = 0;
    while start < batch.num_rows() {
        // Rows come sorted by path: one look-up per run, not per row.
        let path = paths.value(start);
        let mut end = start + 1;
        while end < batch.num_rows() && paths.value(end) == path {
            end += 1;
        }
        let run = positions.values().slice(start, end - start);
        found
            .entry(path.to_owned())
            .or_default()
            .extend(run.iter().filter_map(|position| u64::try_from(*position).ok()));
        start = end;
    }
    Some(())
}

/// Finds the rows of `file` that are still there; remembered with the file.
pub(super) async fn rows_to_read(
    file: &DataFileFacts,
    deletes: &[Arc<DeleteFile>],
    reader: &Reader<'_>,
) -> Result<RowsToRead, QueryError> {
    let find = || async {
        let mut positions: Vec<u64> = Vec::new();
        for delete in deletes.iter().filter(|delete| delete.may_concern(file)) {
            let by_file = delete.positions(reader).await?;
            positions.extend(by_file.get(&file.location).into_iter().flatten());
        }
        positions.sort_unstable();
        positions.dedup();
        positions.retain(|position| *position < file.rows);
        if positions.is_empty() {
            return Ok(RowsToRead::all());
        }
        let plan = access_plan(file, &positions, reader).await?;
        Ok(RowsToRead { deleted: positions.len() as u64, plan: Some(plan) })
    };
    file.rows_to_read.get_or_try_init(find).await.cloned()
}

async fn access_plan(
    file: &DataFileFacts,
    positions: &[u64],
    reader: &Reader<'_>,
) -> Result<ParquetAccessPlan, QueryError> {
    let meta = object_meta(&file.location, file.bytes)?;
    let footer = DFParquetMetadata::new(reader.store.as_ref(), &meta)
        .with_file_metadata_cache(Some(Arc::clone(&reader.footers)))
        .fetch_metadata()
        .await
        .map_err(|error| broken(&file.location, &error))?;
    let mut first_row = 0_u64;
    let mut groups = Vec::with_capacity(footer.num_row_groups());
    for group in footer.row_groups() {
        let rows = u64::try_from(group.num_rows()).unwrap_or(0);
        let from = positions.partition_point(|position| *position < first_row);
        let to = positions.partition_point(|position| *position < first_row + rows);
        groups.push(group_access(&positions[from..to], first_row, rows));
        first_row += rows;
    }
    Ok(ParquetAccessPlan::new(groups))
}

fn group_access(deleted: &[u64], first_row: u64, rows: u64) -> RowGroupAccess {
    if deleted.is_empty() {
        return RowGroupAccess::Scan;
    }
    if deleted.len() as u64 == rows {
        return RowGroupAccess::Skip;
    }
    let mut selectors: Vec<RowSelector> = Vec::with_capacity(deleted.len() * 2);
    let mut next = 0_u64;
    let mut skipped = 0_usize;
    for position in deleted.iter().map(|position| position - first_row) {
        if position > next {
            if skipped > 0 {
                selectors.push(RowSelector::skip(skipped));
                skipped = 0;
            }
            selectors.push(RowSelector::select(as_rows(position - next)));
        }
        skipped += 1;
        next = position + 1;
    }
    selectors.push(RowSelector::skip(skipped));
    if next < rows {
        selectors.push(RowSelector::select(as_rows(rows - next)));
    }
    RowGroupAccess::Selection(RowSelection::from(selectors))
}

fn as_rows(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Names are never used twice, so one fixed time serves every file in the footer cache.
pub(super) fn object_meta(location: &str, bytes: u64) -> Result<ObjectMeta, QueryError> {
    Ok(ObjectMeta {
        location: store_path(location)?,
        last_modified: chrono::DateTime::UNIX_EPOCH,
        size: bytes,
        e_tag: None,
        version: None,
    })
}

fn broken(location: &str, error: &dyn std::fmt::Display) -> QueryError {
    QueryError::new(base::ErrorKind::Corrupt, format!("data file \"{location}\" could not be read"))
        .detail(error.to_string())
        .help("Restore the file from a backup, or go back to an earlier version of the table.")
}
