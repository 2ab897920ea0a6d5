//! Writes data files: partitioned, rolled at a size, compressed, with statistics, synced.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef as ArrowSchemaRef;
use base::limits::{DATA_FILE_BYTES_TARGET, LOAD_BUFFER_BYTES};
use bytes::Bytes;
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, PartitionSpecRef, SchemaRef, Struct,
};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowWriter, encode_arrow_schema};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::WriterProperties;

use crate::files::busy;
use crate::partition::Partitioner;
use crate::statistics::{count_nans, of_file};
use crate::{Lake, Result, StorageError};

/// Rows of one row group: the grain in which readers skip.
const ROW_GROUP_ROWS: usize = 122_880;
/// Encoded bytes of one row group, for wide rows.
const ROW_GROUP_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of a text bound; the whole of most keys, and never the whole of a document.
const BOUND_BYTES: usize = 64;

/// Where new files of one stage go and how they are named.
#[derive(Clone, Debug)]
pub(crate) struct FileNames {
    location: String,
    commit: String,
    count: Arc<std::sync::atomic::AtomicU64>,
}

impl FileNames {
    pub(crate) fn new(location: &str, commit: &str) -> Self {
        let commit = crate::lake::path_part(commit);
        Self { location: location.to_owned(), commit, count: Arc::default() }
    }

    /// A name that no file ever had: commit, number within it, random part.
    pub(crate) fn next(&self, lake: &Lake, folder: &str, suffix: &str) -> String {
        let number = self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let token = lake.randomness().token();
        format!("{}/{folder}/{}-{number:05}-{token}{suffix}", self.location, self.commit)
    }
}

/// A growing data file in memory; it reaches the disk whole.
#[derive(Clone, Debug, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

struct OpenFile {
    /// Parquet's encoders are not `Sync`; behind a lock that is never contended, a stage can be
    /// held across an await by a step on any thread.
    writer: Mutex<ArrowWriter<Buffer>>,
    buffer: Buffer,
    decoded_bytes: usize,
    nans: HashMap<i32, u64>,
}

impl OpenFile {
    fn writer(&mut self) -> &mut ArrowWriter<Buffer> {
        self.writer.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_bytes(&self) -> usize {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.memory_size() + writer.bytes_written()
    }
}

/// Writes rows that already have the table's shape.
pub(crate) struct DataWriter {
    lake: Lake,
    names: FileNames,
    schema: SchemaRef,
    shape: ArrowSchemaRef,
    spec: PartitionSpecRef,
    partitioner: Partitioner,
    open: HashMap<Struct, OpenFile>,
    done: Vec<DataFile>,
    rows: u64,
}

impl DataWriter {
    pub(crate) fn new(
        lake: &Lake,
        names: FileNames,
        schema: &SchemaRef,
        spec: &PartitionSpecRef,
    ) -> Result<Self> {
        Ok(Self {
            lake: lake.clone(),
            names,
            schema: Arc::clone(schema),
            shape: crate::schema::arrow_schema(schema)?,
            spec: Arc::clone(spec),
            partitioner: Partitioner::new(spec, schema)?,
            open: HashMap::new(),
            done: Vec::new(),
            rows: 0,
        })
    }

    /// Rows taken so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes rows; full files are written out on the way.
    pub(crate) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows() as u64;
        for (partition, rows) in self.partitioner.split(batch)? {
            if !self.open.contains_key(&partition) {
                self.open.insert(partition.clone(), open_file(&self.shape)?);
            }
            let Some(file) = self.open.get_mut(&partition) else { continue };
            file.decoded_bytes += rows.get_array_memory_size();
            count_nans(rows.schema_ref().fields(), rows.columns(), &mut file.nans);
            busy(|| file.writer().write(&rows))?;
            if file.writer().in_progress_size() > ROW_GROUP_BYTES {
                busy(|| file.writer().flush())?;
            }
            if file.decoded_bytes >= DATA_FILE_BYTES_TARGET {
                self.close(&partition).await?;
            }
        }
        self.bound_memory().await
    }

    /// Many partitions at once must not hold more than one loader's buffer.
    async fn bound_memory(&mut self) -> Result<()> {
        loop {
            if self.open.values().map(OpenFile::held_bytes).sum::<usize>() <= LOAD_BUFFER_BYTES {
                return Ok(());
            }
            let largest = self.open.iter().max_by_key(|(_, file)| file.held_bytes());
            let Some(partition) = largest.map(|(partition, _)| partition.clone()) else {
                return Ok(());
            };
            self.close(&partition).await?;
        }
    }

    async fn close(&mut self, partition: &Struct) -> Result<()> {
        let Some(file) = self.open.remove(partition) else { return Ok(()) };
        let writer = file.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        let metadata = busy(|| writer.close())?;
        let content = file.buffer.take();
        let path = self.names.next(&self.lake, "data", ".parquet");
        let size = content.len() as u64;
        let entry = self.entry(&path, size, &metadata, partition, file.nans)?;
        self.lake
            .files()
            .write_new(&path, content)
            .await
            .map_err(|error| StorageError::file(&path, error))?;
        self.done.push(entry);
        Ok(())
    }

    fn entry(
        &self,
        path: &str,
        size: u64,
        metadata: &ParquetMetaData,
        partition: &Struct,
        nans: HashMap<i32, u64>,
    ) -> Result<DataFile> {
        let found = of_file(metadata, &self.schema)?;
        let offsets = split_offsets(metadata);
        let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
        DataFileBuilder::default()
            .content(DataContentType::Data)
            .file_path(path.to_owned())
            .file_format(DataFileFormat::Parquet)
            .partition(partition.clone())
            .partition_spec_id(self.spec.spec_id())
            .record_count(rows)
            .file_size_in_bytes(size)
            .column_sizes(found.sizes)
            .value_counts(found.values)
            .null_value_counts(found.nulls)
            .nan_value_counts(nans)
            .lower_bounds(found.lower)
            .upper_bounds(found.upper)
            .split_offsets(Some(offsets))
            .build()
            .map_err(|error| StorageError::Internal(error.to_string()))
    }

    /// Writes what is still open and names every file.
    pub(crate) async fn finish(mut self) -> Result<Vec<DataFile>> {
        let open: Vec<Struct> = self.open.keys().cloned().collect();
        for partition in open {
            self.close(&partition).await?;
        }
        Ok(self.done)
    }
}

impl std::fmt::Debug for DataWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataWriter").field("rows", &self.rows).finish_non_exhaustive()
    }
}

pub(crate) fn split_offsets(metadata: &ParquetMetaData) -> Vec<i64> {
    let starts = metadata.row_groups().iter().filter_map(|group| group.columns().first());
    starts.map(|column| i64::try_from(column.byte_range().0).unwrap_or(0)).collect()
}

fn open_file(shape: &ArrowSchemaRef) -> Result<OpenFile> {
    let buffer = Buffer::default();
    let options = ArrowWriterOptions::new()
        .with_properties(writer_properties(Some(shape)))
        .with_skip_arrow_metadata(true);
    let writer = ArrowWriter::try_new_with_options(buffer.clone(), Arc::clone(shape), options)?;
    Ok(OpenFile { writer: Mutex::new(writer), buffer, decoded_bytes: 0, nans: HashMap::new() })
}

/// The embedded Arrow schema names text and binary in their plain forms: PyArrow can neither
/// filter nor take from views, so PyIceberg could not apply a predicate or a position delete.
fn writer_properties(shape: Option<&ArrowSchemaRef>) -> WriterProperties {
    let embedded = shape.map(|shape| {
        let schema = encode_arrow_schema(&crate::schema::without_views(shape));
        vec![KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), schema)]
    });
    WriterProperties::builder()
        .set_key_value_metadata(embedded)
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_truncate_length(Some(BOUND_BYTES))
        .set_column_index_truncate_length(Some(BOUND_BYTES))
        .set_created_by(concat!("fiveply ", env!("CARGO_PKG_VERSION")).to_owned())
        .build()
}

/// Encodes a small file at once: position deletes.
pub(crate) fn encode(batch: &RecordBatch) -> Result<(Bytes, ParquetMetaData)> {
    let buffer = Buffer::default();
    let mut writer =
        ArrowWriter::try_new(buffer.clone(), batch.schema(), Some(writer_properties(None)))?;
    writer.write(batch)?;
    let metadata = writer.close()?;
    Ok((buffer.take(), metadata))
}
