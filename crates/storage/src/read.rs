//! Reads data files: chosen columns by field id, chosen row groups, chosen positions.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef as ArrowSchemaRef;
use base::limits::BATCH_ROWS;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector,
};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::conform::{Matching, conform_batch, find};
use crate::deletes::deleted_positions;
use crate::fileset::DataFileEntry;
use crate::schema::field_id;
use crate::{Lake, Result, StorageError, object_path};

/// Ranges of one file in the store.
#[derive(Clone)]
struct RangeReader {
    store: Arc<dyn ObjectStore>,
    place: object_store::path::Path,
    size: u64,
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for RangeReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move { self.store.get_range(&self.place, range).await.map_err(external) }.boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move { self.store.get_ranges(&self.place, &ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let size = self.size;
            let metadata = ParquetMetaDataReader::new().load_and_finish(self, size).await?;
            Ok(Arc::new(metadata))
        }
        .boxed()
    }
}

/// A Parquet file with its footer read.
#[derive(Clone)]
pub(crate) struct OpenFile {
    path: String,
    reader: RangeReader,
    footer: ArrowReaderMetadata,
}

impl OpenFile {
    pub(crate) async fn open(lake: &Lake, path: &str, size: u64) -> Result<Self> {
        let place = object_path(path)?;
        let mut reader = RangeReader { store: lake.object_store(), place, size };
        let footer = ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new())
            .await
            .map_err(|error| StorageError::corrupt(path, error))?;
        Ok(Self { path: path.to_owned(), reader, footer })
    }

    pub(crate) fn metadata(&self) -> &ParquetMetaData {
        self.footer.metadata()
    }

    /// Position of the first row of each row group.
    pub(crate) fn group_starts(&self) -> Vec<u64> {
        let mut starts = Vec::with_capacity(self.metadata().num_row_groups());
        let mut next = 0;
        for group in self.metadata().row_groups() {
            starts.push(next);
            next += u64::try_from(group.num_rows()).unwrap_or(0);
        }
        starts
    }

    /// Rows in the table's shape. A selection counts the rows of the chosen groups only.
    pub(crate) fn stream(
        &self,
        shape: &ArrowSchemaRef,
        groups: Option<Vec<usize>>,
        selection: Option<RowSelection>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let found = self.footer.schema().fields();
        let by_id = found.iter().any(|field| field_id(field).is_some());
        let matching = if by_id { Matching::FieldId } else { Matching::Name };
        let roots = shape.fields().iter().filter_map(|field| find(found, field, matching));
        let mask = ProjectionMask::roots(self.footer.parquet_schema(), roots);
        let (reader, footer) = (self.reader.clone(), self.footer.clone());
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, footer)
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS);
        if let Some(groups) = groups {
            builder = builder.with_row_groups(groups);
        }
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let (path, shape) = (self.path.clone(), Arc::clone(shape));
        let batches = builder.build()?.map(move |batch| {
            let batch = batch.map_err(|error| StorageError::corrupt(&path, error))?;
            conform_batch(&path, &batch, &shape, matching)
        });
        Ok(batches.boxed())
    }
}

/// The rows of a data file that are not deleted.
pub(crate) async fn live_rows(
    lake: &Lake,
    file: &DataFileEntry,
    shape: &ArrowSchemaRef,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let deleted = deleted_positions(lake, file).await?;
    rows_except(lake, file, shape, &deleted).await
}

/// The rows of a data file except those at sorted positions.
pub(crate) async fn rows_except(
    lake: &Lake,
    file: &DataFileEntry,
    shape: &ArrowSchemaRef,
    deleted: &[u64],
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let open = OpenFile::open(lake, file.path(), file.size_bytes()).await?;
    let rows = u64::try_from(open.metadata().file_metadata().num_rows()).unwrap_or(0);
    if rows != file.record_count() {
        let reason = format!("it has {rows} rows, the manifest says {}", file.record_count());
        return Err(StorageError::corrupt(file.path(), reason));
    }
    let selection = (!deleted.is_empty()).then(|| selection(deleted, rows, Chosen::Skipped));
    open.stream(shape, None, selection)
}

/// The rows of a data file at sorted positions, in that order.
pub(crate) async fn rows_at(
    open: &OpenFile,
    shape: &ArrowSchemaRef,
    positions: &[u64],
) -> Result<Vec<RecordBatch>> {
    let rows = u64::try_from(open.metadata().file_metadata().num_rows()).unwrap_or(0);
    let selection = selection(positions, rows, Chosen::Read);
    open.stream(shape, None, Some(selection))?.try_collect().await
}

/// What is done with the rows at the given positions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chosen {
    Read,
    Skipped,
}

fn selection(positions: &[u64], rows: u64, chosen: Chosen) -> RowSelection {
    let run = |count: u64, at_position: bool| {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        match (chosen, at_position) {
            (Chosen::Read, true) | (Chosen::Skipped, false) => RowSelector::select(count),
            (Chosen::Read, false) | (Chosen::Skipped, true) => RowSelector::skip(count),
        }
    };
    let mut selectors: Vec<RowSelector> = Vec::new();
    let mut next = 0;
    for position in positions {
        if *position > next {
            selectors.push(run(position - next, false));
        }
        selectors.push(run(1, true));
        next = position + 1;
    }
    if rows > next {
        selectors.push(run(rows - next, false));
    }
    // Neighbouring runs of one kind are joined here.
    selectors.into()
}
