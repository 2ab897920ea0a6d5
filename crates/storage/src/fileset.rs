//! The files of one table version: data files with their statistics, delete files resolved to them.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{
    DataContentType, DataFile, DataFileFormat, Datum, ManifestContentType, ManifestEntryRef,
    ManifestFile, ManifestList, PartitionSpecRef, PrimitiveLiteral, SchemaRef, Struct,
};

use crate::deletes::FILE_PATH_ID;
use crate::{Lake, LakeTable, Result, StorageError};

/// Manifests read at the same time.
const MANIFEST_READS_MAX: usize = 8;

/// A data file that holds rows of a version.
#[derive(Clone, Debug)]
pub struct DataFileEntry {
    entry: ManifestEntryRef,
    schema: SchemaRef,
    spec: PartitionSpecRef,
    deletes: Vec<Arc<DeleteFileEntry>>,
}

impl DataFileEntry {
    /// Its location.
    pub fn path(&self) -> &str {
        self.entry.file_path()
    }

    /// Its size.
    pub fn size_bytes(&self) -> u64 {
        self.entry.file_size_in_bytes()
    }

    /// Rows in the file, deleted ones counted.
    pub fn record_count(&self) -> u64 {
        self.entry.record_count()
    }

    /// The manifest entry with all it says.
    pub fn entry(&self) -> &ManifestEntryRef {
        &self.entry
    }

    /// The data file as the manifest describes it.
    pub fn data_file(&self) -> &DataFile {
        self.entry.data_file()
    }

    /// Lower bounds by field id; text may be cut.
    pub fn lower_bounds(&self) -> &HashMap<i32, Datum> {
        self.data_file().lower_bounds()
    }

    /// Upper bounds by field id; text may be cut and rounded up.
    pub fn upper_bounds(&self) -> &HashMap<i32, Datum> {
        self.data_file().upper_bounds()
    }

    /// NULLs by field id.
    pub fn null_counts(&self) -> &HashMap<i32, u64> {
        self.data_file().null_value_counts()
    }

    /// NaN values by field id; bounds say nothing about them.
    pub fn nan_counts(&self) -> &HashMap<i32, u64> {
        self.data_file().nan_value_counts()
    }

    /// Values, NULLs counted, by field id.
    pub fn value_counts(&self) -> &HashMap<i32, u64> {
        self.data_file().value_counts()
    }

    /// Bytes on disk by field id.
    pub fn column_sizes(&self) -> &HashMap<i32, u64> {
        self.data_file().column_sizes()
    }

    /// Where row groups start.
    pub fn split_offsets(&self) -> Option<&[i64]> {
        self.data_file().split_offsets()
    }

    /// The partition all its rows belong to.
    pub fn partition(&self) -> &Struct {
        self.data_file().partition()
    }

    /// The partitioning it was written with.
    pub fn partition_spec(&self) -> &PartitionSpecRef {
        &self.spec
    }

    /// The schema of its manifest: a field id that is missing here is missing in the file.
    pub fn manifest_schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// When its rows came into the table, in the table's own order.
    pub fn sequence_number(&self) -> i64 {
        self.entry.sequence_number().unwrap_or(0)
    }

    /// The position delete files that may delete rows of it.
    pub fn deletes(&self) -> &[Arc<DeleteFileEntry>] {
        &self.deletes
    }

    /// Whether rows of it may be deleted; [`crate::deletes::deleted_positions`] tells which.
    pub fn has_deletes(&self) -> bool {
        !self.deletes.is_empty()
    }
}

/// A position delete file.
#[derive(Clone, Debug)]
pub struct DeleteFileEntry {
    entry: ManifestEntryRef,
    spec_id: i32,
    only_file: Option<String>,
}

impl DeleteFileEntry {
    /// Its location.
    pub fn path(&self) -> &str {
        self.entry.file_path()
    }

    /// Its size.
    pub fn size_bytes(&self) -> u64 {
        self.entry.file_size_in_bytes()
    }

    /// Positions in it.
    pub fn record_count(&self) -> u64 {
        self.entry.record_count()
    }

    /// The manifest entry with all it says.
    pub fn entry(&self) -> &ManifestEntryRef {
        &self.entry
    }

    /// The one data file it is about, when it is about one.
    pub fn only_file(&self) -> Option<&str> {
        self.only_file.as_deref()
    }

    /// Deletes apply to rows that were there when they were written, not to later ones.
    fn sequence_number(&self) -> i64 {
        self.entry.sequence_number().unwrap_or(0)
    }

    fn new(entry: &ManifestEntryRef, spec_id: i32) -> Self {
        let only_file = one_file(entry.data_file());
        Self { entry: Arc::clone(entry), spec_id, only_file }
    }
}

/// A delete file names its data file, or has bounds of `file_path` that leave only one.
fn one_file(file: &DataFile) -> Option<String> {
    if let Some(path) = file.referenced_data_file() {
        return Some(path);
    }
    let low = file.lower_bounds().get(&FILE_PATH_ID)?;
    let high = file.upper_bounds().get(&FILE_PATH_ID)?;
    match (low.literal(), high.literal()) {
        // Bounds of other engines may be cut short; a cut one never ends like a data file.
        (PrimitiveLiteral::String(low), PrimitiveLiteral::String(high))
            if low == high && low.ends_with(".parquet") =>
        {
            Some(low.clone())
        }
        _ => None,
    }
}

/// The files of a table version.
#[derive(Clone, Debug)]
pub struct FileSet {
    data: Vec<DataFileEntry>,
    deletes: Vec<Arc<DeleteFileEntry>>,
}

impl FileSet {
    pub(crate) async fn load(lake: &Lake, table: &LakeTable) -> Result<Self> {
        let label = table.label();
        let mut found = Self { data: Vec::new(), deletes: Vec::new() };
        let files = manifest_files(lake, table).await?;
        let manifests = stream::iter(files.into_iter().map(|file| async move {
            let manifest = lake.manifest(&file).await?;
            Ok::<_, StorageError>((file, manifest))
        }));
        let loaded: Vec<_> = manifests.buffered(MANIFEST_READS_MAX).try_collect().await?;
        for (file, manifest) in loaded {
            let schema = manifest.metadata().schema();
            let spec = Arc::new(manifest.metadata().partition_spec().clone());
            for entry in manifest.entries().iter().filter(|entry| entry.is_alive()) {
                check_readable(&label, entry)?;
                match entry.content_type() {
                    DataContentType::Data => found.data.push(DataFileEntry {
                        entry: Arc::clone(entry),
                        schema: Arc::clone(schema),
                        spec: Arc::clone(&spec),
                        deletes: Vec::new(),
                    }),
                    DataContentType::PositionDeletes => {
                        let delete = DeleteFileEntry::new(entry, file.partition_spec_id);
                        found.deletes.push(Arc::new(delete));
                    }
                    DataContentType::EqualityDeletes => {
                        let rule = format!("equality deletes in {}", entry.file_path());
                        return Err(StorageError::Internal(rule));
                    }
                }
            }
        }
        found.resolve();
        Ok(found)
    }

    /// Gives each data file the delete files that may be about it.
    fn resolve(&mut self) {
        let mut by_file: HashMap<&str, Vec<&Arc<DeleteFileEntry>>> = HashMap::new();
        let mut by_partition: HashMap<(i32, &Struct), Vec<&Arc<DeleteFileEntry>>> = HashMap::new();
        for delete in &self.deletes {
            match delete.only_file() {
                Some(path) => by_file.entry(path).or_default().push(delete),
                None => {
                    let key = (delete.spec_id, delete.entry.data_file().partition());
                    by_partition.entry(key).or_default().push(delete);
                }
            }
        }
        for file in &mut self.data {
            let key = (file.spec.spec_id(), file.entry.data_file().partition());
            let named = by_file.get(file.entry.file_path()).into_iter().flatten();
            let shared = by_partition.get(&key).into_iter().flatten();
            let sequence = file.entry.sequence_number().unwrap_or(0);
            let about = named.chain(shared).filter(|delete| delete.sequence_number() >= sequence);
            file.deletes = about.map(|delete| Arc::clone(delete)).collect();
        }
    }

    /// The data files.
    pub fn data(&self) -> &[DataFileEntry] {
        &self.data
    }

    /// The data files, handed over.
    pub fn into_data(self) -> Vec<DataFileEntry> {
        self.data
    }

    /// Every position delete file, also those that delete nothing any more.
    pub fn position_deletes(&self) -> &[Arc<DeleteFileEntry>] {
        &self.deletes
    }

    /// Whether any row may be deleted.
    pub fn has_deletes(&self) -> bool {
        self.data.iter().any(DataFileEntry::has_deletes)
    }

    /// Rows that are not deleted.
    ///
    /// # Errors
    /// When a delete file cannot be read.
    pub async fn row_count(&self, lake: &Lake) -> Result<u64> {
        let mut rows = 0;
        for file in &self.data {
            rows += file.record_count();
            if file.has_deletes() {
                rows -= crate::deletes::deleted_positions(lake, file).await?.len() as u64;
            }
        }
        Ok(rows)
    }
}

/// The manifests of a version.
pub(crate) async fn manifest_files(lake: &Lake, table: &LakeTable) -> Result<Vec<ManifestFile>> {
    let Some(snapshot) = table.snapshot() else { return Ok(Vec::new()) };
    let path = snapshot.manifest_list();
    let content =
        lake.files().read_all(path).await.map_err(|error| StorageError::file(path, error))?;
    let list = ManifestList::parse_with_version(&content, table.metadata().format_version())
        .map_err(|error| StorageError::corrupt(path, error))?;
    Ok(list.consume_entries().into_iter().collect())
}

fn check_readable(table: &str, entry: &ManifestEntryRef) -> Result<()> {
    let what = match (entry.content_type(), entry.file_format()) {
        (DataContentType::EqualityDeletes, _) => "equality deletes".to_owned(),
        (DataContentType::PositionDeletes, DataFileFormat::Puffin) => "deletion vectors".to_owned(),
        (_, DataFileFormat::Parquet) => return Ok(()),
        (_, format) => format!("{format} files"),
    };
    let what = format!("table \"{table}\" holds {what}, which");
    let advice = "rewrite the table with the engine that wrote it (Spark: rewrite_data_files)";
    Err(StorageError::Unsupported { what, advice })
}

/// Whether a manifest lists delete files.
pub(crate) fn lists_deletes(file: &ManifestFile) -> bool {
    match file.content {
        ManifestContentType::Data => false,
        ManifestContentType::Deletes => true,
    }
}

#[cfg(test)]
mod tests {
    use iceberg::spec::{DataFileBuilder, ManifestEntry, ManifestStatus, PartitionSpec, Schema};

    use super::*;

    fn entry(
        content: DataContentType,
        path: &str,
        sequence: i64,
        partition: i32,
    ) -> DataFileBuilder {
        let mut file = DataFileBuilder::default();
        file.content(content)
            .file_path(format!("{path}-{sequence}.parquet"))
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::from_iter([Some(iceberg::spec::Literal::int(partition))]))
            .record_count(10)
            .file_size_in_bytes(1);
        file
    }

    fn wrap(file: &DataFileBuilder, sequence: i64) -> ManifestEntryRef {
        let entry = ManifestEntry::builder()
            .status(ManifestStatus::Added)
            .sequence_number(sequence)
            .data_file(file.build().expect("a whole data file"))
            .build();
        Arc::new(entry)
    }

    fn data(sequence: i64, partition: i32) -> DataFileEntry {
        DataFileEntry {
            entry: wrap(&entry(DataContentType::Data, "data", sequence, partition), sequence),
            schema: Arc::new(Schema::builder().build().expect("an empty schema")),
            spec: Arc::new(PartitionSpec::unpartition_spec()),
            deletes: Vec::new(),
        }
    }

    fn deletes(sequence: i64, partition: i32, spec_id: i32, file: Option<&str>) -> DeleteFileEntry {
        let mut delete = entry(DataContentType::PositionDeletes, "delete", sequence, partition);
        if let Some(path) = file {
            let bound = HashMap::from([(FILE_PATH_ID, Datum::string(path))]);
            delete.lower_bounds(bound.clone()).upper_bounds(bound);
        }
        DeleteFileEntry::new(&wrap(&delete, sequence), spec_id)
    }

    fn applied(file: DataFileEntry, delete: DeleteFileEntry) -> bool {
        let mut set = FileSet { data: vec![file], deletes: vec![Arc::new(delete)] };
        set.resolve();
        set.data[0].has_deletes()
    }

    #[test]
    fn deletes_reach_rows_of_their_partition_that_were_there() {
        assert!(applied(data(3, 1), deletes(3, 1, 0, None)), "same commit");
        assert!(applied(data(3, 1), deletes(4, 1, 0, None)), "later delete");
        assert!(!applied(data(3, 1), deletes(2, 1, 0, None)), "earlier delete");
        assert!(!applied(data(3, 1), deletes(4, 2, 0, None)), "another partition");
        assert!(!applied(data(3, 1), deletes(4, 1, 7, None)), "another partitioning");
    }

    #[test]
    fn deletes_of_one_file_reach_that_file_alone() {
        assert!(applied(data(3, 1), deletes(4, 2, 7, Some("data-3.parquet"))));
        assert!(!applied(data(3, 1), deletes(4, 1, 0, Some("data-4.parquet"))));
        assert!(!applied(data(3, 1), deletes(2, 1, 0, Some("data-3.parquet"))), "earlier delete");
    }

    #[test]
    fn equality_deletes_are_refused_by_name() {
        let equality = wrap(&entry(DataContentType::EqualityDeletes, "e", 1, 1), 1);
        let refused = check_readable("main.t", &equality).expect_err("equality deletes");
        let said = refused.to_string();
        assert!(said.starts_with("table \"main.t\" holds equality deletes"), "{said}");
    }
}
