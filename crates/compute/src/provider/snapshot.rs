//! One table version as its manifests describe it, read once and kept: every file in it is
//! immutable, so nothing here ever grows stale.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use futures::{StreamExt, TryStreamExt, stream};
use iceberg::io::FileIO;
use iceberg::spec::{
    DataContentType, DataFile, DataFileFormat, ManifestEntry, ManifestFile, ManifestList,
    ManifestMetadata, TableMetadata,
};
use tokio::sync::OnceCell;

use super::deletes::{DeleteFile, RowsToRead};
use super::schema::scan_schema;
use super::statistics::{file_statistics, maybe_nan};
use crate::error::QueryError;

/// Manifests, delete files or footers read at once.
pub(super) const READS_AT_ONCE: usize = 16;

/// A table version: its schema, and its files once somebody scans it.
#[derive(Debug)]
pub(crate) struct LakeVersion {
    metadata: Arc<TableMetadata>,
    schema: SchemaRef,
    files: OnceCell<Arc<VersionFiles>>,
}

/// The live files of a version.
#[derive(Debug, Default)]
pub(crate) struct VersionFiles {
    pub(super) data: Vec<Arc<DataFileFacts>>,
    pub(super) deletes: Vec<Arc<DeleteFile>>,
}

/// What planning needs to know of one data file.
#[derive(Debug)]
pub(crate) struct DataFileFacts {
    /// As the manifest spells it.
    pub(super) location: String,
    pub(super) bytes: u64,
    pub(super) rows: u64,
    /// Deletes of the same or a later commit apply to it.
    pub(super) sequence_number: i64,
    /// In the order of the scan schema.
    pub(super) statistics: Arc<Statistics>,
    /// Float columns that may hold NaN, by name.
    pub(super) maybe_nan: Vec<String>,
    /// Filled by the first scan that finds deletes for it.
    pub(super) rows_to_read: OnceCell<RowsToRead>,
}

impl LakeVersion {
    /// Reads the metadata file; manifests wait for the first scan.
    pub(crate) async fn open(file_io: &FileIO, location: &str) -> Result<Self, QueryError> {
        let metadata = TableMetadata::read_from(file_io, location)
            .await
            .map_err(|e| unreadable(location, &e))?;
        let schema =
            scan_schema(metadata.current_schema()).map_err(|e| unreadable(location, &e))?;
        Ok(Self { metadata: Arc::new(metadata), schema, files: OnceCell::new() })
    }

    /// The schema that scans speak.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The Iceberg snapshot that is read; none for a table that never had rows.
    pub(crate) fn snapshot_id(&self) -> Option<i64> {
        self.metadata.current_snapshot_id()
    }

    /// Names of the columns that identify a row.
    pub(crate) fn key(&self) -> Vec<String> {
        let schema = self.metadata.current_schema();
        let name = |id| schema.name_by_field_id(id).map(str::to_owned);
        schema.identifier_field_ids().filter_map(name).collect()
    }

    /// Bytes of the data files, from the counts that every commit writes into its summary.
    pub(crate) fn bytes(&self) -> u64 {
        let snapshot = self.metadata.current_snapshot();
        let size = snapshot.and_then(|snapshot| {
            snapshot.summary().additional_properties.get("total-files-size")?.parse().ok()
        });
        size.unwrap_or(0)
    }

    /// Rows of the version, from the counts that every commit writes into its summary.
    pub(crate) fn rows(&self) -> u64 {
        let Some(snapshot) = self.metadata.current_snapshot() else { return 0 };
        let total = |key: &str| -> u64 {
            snapshot
                .summary()
                .additional_properties
                .get(key)
                .and_then(|count| count.parse().ok())
                .unwrap_or(0)
        };
        total("total-records").saturating_sub(total("total-position-deletes"))
    }

    /// The live files, read on first use.
    pub(crate) async fn files(&self, file_io: &FileIO) -> Result<Arc<VersionFiles>, QueryError> {
        let files = self.files.get_or_try_init(|| self.read_files(file_io)).await?;
        Ok(Arc::clone(files))
    }

    async fn read_files(&self, file_io: &FileIO) -> Result<Arc<VersionFiles>, QueryError> {
        let Some(snapshot) = self.metadata.current_snapshot() else {
            return Ok(Arc::default());
        };
        let location = snapshot.manifest_list();
        let bytes = match file_io.new_input(location) {
            Ok(input) => input.read().await,
            Err(error) => Err(error),
        }
        .map_err(|e| unreadable(location, &e))?;
        let list = ManifestList::parse_with_version(&bytes, self.metadata.format_version())
            .map_err(|e| unreadable(location, &e))?;
        let manifests: Vec<ManifestFile> = list.consume_entries().into_iter().collect();
        let parts: Vec<VersionFiles> = stream::iter(manifests)
            .map(|manifest| self.read_manifest(file_io, manifest))
            .buffered(READS_AT_ONCE)
            .try_collect()
            .await?;
        let mut files = VersionFiles::default();
        for part in parts {
            files.data.extend(part.data);
            files.deletes.extend(part.deletes);
        }
        Ok(Arc::new(files))
    }

    async fn read_manifest(
        &self,
        file_io: &FileIO,
        file: ManifestFile,
    ) -> Result<VersionFiles, QueryError> {
        let path = &file.manifest_path;
        let manifest = file.load_manifest(file_io).await.map_err(|e| unreadable(path, &e))?;
        let written_under = manifest.metadata();
        let mut files = VersionFiles::default();
        for entry in manifest.entries().iter().filter(|entry| entry.is_alive()) {
            self.sort_in(&mut files, entry, written_under)?;
        }
        Ok(files)
    }

    fn sort_in(
        &self,
        files: &mut VersionFiles,
        entry: &ManifestEntry,
        written_under: &ManifestMetadata,
    ) -> Result<(), QueryError> {
        let file = entry.data_file();
        if file.file_format() != DataFileFormat::Parquet {
            return Err(QueryError::unsupported(format!(
                "file \"{}\" is {}; only Parquet files are read",
                file.file_path(),
                file.file_format()
            ))
            .help("Rewrite the table with Parquet data and delete files."));
        }
        let sequence_number = entry.sequence_number().unwrap_or(0);
        match file.content_type() {
            DataContentType::Data => {
                files.data.push(Arc::new(self.facts(file, sequence_number, written_under)));
            }
            DataContentType::PositionDeletes => {
                files.deletes.push(Arc::new(DeleteFile::new(file, sequence_number)));
            }
            DataContentType::EqualityDeletes => {
                return Err(QueryError::unsupported(format!(
                    "file \"{}\" holds equality deletes, which are not read",
                    file.file_path()
                ))
                .help("Compact the table with the engine that wrote it."));
            }
        }
        Ok(())
    }

    fn facts(
        &self,
        file: &DataFile,
        sequence_number: i64,
        written_under: &ManifestMetadata,
    ) -> DataFileFacts {
        DataFileFacts {
            location: file.file_path().to_owned(),
            bytes: file.file_size_in_bytes(),
            rows: file.record_count(),
            sequence_number,
            statistics: Arc::new(file_statistics(&self.schema, file, written_under)),
            maybe_nan: maybe_nan(&self.schema, file, written_under),
            rows_to_read: OnceCell::new(),
        }
    }
}

/// A metadata file or manifest that cannot be read.
pub(super) fn unreadable(location: &str, error: &iceberg::Error) -> QueryError {
    QueryError::new(
        base::ErrorKind::Corrupt,
        format!("table file \"{location}\" could not be read"),
    )
    .detail(error.to_string())
    .help("Restore the file from a backup, or go back to an earlier version of the table.")
}

/// Positions to leave out, by the location of the data file.
pub(super) type PositionsByFile = HashMap<String, Vec<u64>>;
