//! Position deletes: which rows of a data file are gone, and the files that say so.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema as ArrowSchema, SchemaRef};
use futures::TryStreamExt;
use iceberg::spec::{DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use crate::fileset::{DataFileEntry, DeleteFileEntry};
use crate::read::OpenFile;
use crate::write::{FileNames, encode, split_offsets};
use crate::{Lake, Result, StorageError};

/// Field id of `file_path` in position delete files, by Iceberg's specification.
pub const FILE_PATH_ID: i32 = 2_147_483_546;
/// Field id of `pos` in position delete files, by Iceberg's specification.
pub const POSITION_ID: i32 = 2_147_483_545;

/// What a delete file says, by data file.
pub(crate) type DeleteContent = HashMap<String, Vec<u64>>;

/// The deleted positions of a data file, sorted, each once. Kept in memory for the next reader.
///
/// # Errors
/// When a delete file cannot be read.
pub async fn deleted_positions(lake: &Lake, file: &DataFileEntry) -> Result<Arc<Vec<u64>>> {
    if !file.has_deletes() {
        return Ok(Arc::default());
    }
    let mut key = file.path().to_owned();
    for delete in file.deletes() {
        key.push('\n');
        key.push_str(delete.path());
    }
    if let Some(known) = lake.position_cache().get(&key) {
        return Ok(known);
    }
    let mut positions = Vec::new();
    for delete in file.deletes() {
        let content = load(lake, delete).await?;
        positions.extend(content.get(file.path()).into_iter().flatten());
    }
    positions.sort_unstable();
    positions.dedup();
    if positions.last().is_some_and(|last| *last >= file.record_count()) {
        return Err(StorageError::corrupt(file.path(), "a delete file names rows beyond its end"));
    }
    let positions = Arc::new(positions);
    lake.position_cache().put(&key, &positions, positions.len() * 8 + key.len());
    Ok(positions)
}

/// Everything a delete file says.
async fn load(lake: &Lake, delete: &DeleteFileEntry) -> Result<Arc<DeleteContent>> {
    if let Some(known) = lake.delete_cache().get(delete.path()) {
        return Ok(known);
    }
    let file = OpenFile::open(lake, delete.path(), delete.size_bytes()).await?;
    let mut content = DeleteContent::new();
    let mut batches = file.stream(&delete_shape(), None, None)?;
    while let Some(batch) = batches.try_next().await? {
        read_positions(delete.path(), &batch, &mut content)?;
    }
    let content = Arc::new(content);
    let bytes = content.iter().map(|(path, positions)| path.len() + positions.len() * 8).sum();
    lake.delete_cache().put(delete.path(), &content, bytes);
    Ok(content)
}

fn read_positions(path: &str, batch: &RecordBatch, into: &mut DeleteContent) -> Result<()> {
    let paths = batch.column(0).as_string::<i32>();
    let positions = batch.column(1).as_primitive::<Int64Type>();
    let mut last: Option<(&str, Vec<u64>)> = None;
    for (row, position) in positions.iter().enumerate() {
        let position = position.and_then(|position| u64::try_from(position).ok());
        let Some(position) = position.filter(|_| paths.is_valid(row)) else {
            return Err(StorageError::corrupt(path, "a position delete without file or position"));
        };
        let file = paths.value(row);
        match &mut last {
            Some((same, found)) if *same == file => found.push(position),
            _ => {
                if let Some((file, found)) = last.take() {
                    into.entry(file.to_owned()).or_default().extend(found);
                }
                last = Some((file, vec![position]));
            }
        }
    }
    if let Some((file, found)) = last {
        into.entry(file.to_owned()).or_default().extend(found);
    }
    Ok(())
}

pub(crate) fn delete_shape() -> SchemaRef {
    let field = |name: &str, kind: DataType, id: i32| {
        let id = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]);
        Field::new(name, kind, false).with_metadata(id)
    };
    Arc::new(ArrowSchema::new(vec![
        field("file_path", DataType::Utf8, FILE_PATH_ID),
        field("pos", DataType::Int64, POSITION_ID),
    ]))
}

/// Writes the delete file of one data file; positions are sorted and each once.
pub(crate) async fn write_deletes(
    lake: &Lake,
    names: &FileNames,
    file: &DataFileEntry,
    positions: &[u64],
) -> Result<DataFile> {
    assert!(
        positions.windows(2).all(|pair| pair[0] < pair[1]),
        "positions of a delete file are sorted, each once"
    );
    assert!(
        positions.last().is_none_or(|last| *last < file.record_count()),
        "positions of a delete file lie inside its data file"
    );
    let paths = StringArray::from_iter_values(positions.iter().map(|_| file.path()));
    let wide = |position: &u64| i64::try_from(*position).unwrap_or(i64::MAX);
    let rows = Int64Array::from_iter_values(positions.iter().map(wide));
    let batch = RecordBatch::try_new(delete_shape(), vec![Arc::new(paths), Arc::new(rows)])?;
    let (content, metadata) = encode(&batch)?;
    let path = names.next(lake, "data", "-deletes.parquet");
    let size = content.len() as u64;
    lake.files()
        .write_new(&path, content)
        .await
        .map_err(|error| StorageError::file(&path, error))?;
    // Uncut bounds: readers compare them to know that the file is about one data file.
    let bound = HashMap::from([(FILE_PATH_ID, Datum::string(file.path()))]);
    DataFileBuilder::default()
        .content(DataContentType::PositionDeletes)
        .file_path(path)
        .file_format(DataFileFormat::Parquet)
        .partition(file.partition().clone())
        .partition_spec_id(file.partition_spec().spec_id())
        .record_count(positions.len() as u64)
        .file_size_in_bytes(size)
        .lower_bounds(bound.clone())
        .upper_bounds(bound)
        .split_offsets(Some(split_offsets(&metadata)))
        .referenced_data_file(Some(file.path().to_owned()))
        .build()
        .map_err(|error| StorageError::Internal(error.to_string()))
}
