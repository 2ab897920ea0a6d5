//! The lake: where tables lie, and how their present and older versions are found.

use std::path::Path;
use std::sync::Arc;

use base::clock::Clocks;
use base::system::SystemFiles;
use base::{EnvironmentName, Files, Randomness, TableName};
use iceberg::io::{FileIO, FileIOBuilder};
use iceberg::spec::{Manifest, ManifestFile, TableMetadata};
use ledger::{Ledger, PointerKind};
use object_store::ObjectStore;

use crate::cache::Cache;
use crate::deletes::DeleteContent;
use crate::files::{LakeFiles, location_of};
use crate::{LakeTable, Result, Stage, StageOptions, StorageError};

/// Bytes of decoded manifests kept for the next reader; they never change.
const MANIFEST_CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of deleted positions kept for the next reader; they never change.
const DELETE_CACHE_BYTES: usize = 64 * 1024 * 1024;

/// A warehouse folder and everything needed to read and write tables in it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lake {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: String,
    files: LakeFiles,
    file_io: FileIO,
    clocks: Clocks,
    randomness: Arc<dyn Randomness>,
    manifests: Cache<Manifest>,
    deletes: Cache<DeleteContent>,
    positions: Cache<Vec<u64>>,
}

impl Lake {
    /// A lake in a local folder. The folder is made when the first file is written.
    ///
    /// # Errors
    /// When the path cannot be made absolute.
    pub fn local(root: &Path, clocks: Clocks, randomness: Arc<dyn Randomness>) -> Result<Self> {
        Self::with_files(root, Arc::new(SystemFiles), clocks, randomness)
    }

    /// A lake that writes through other files, for tests that break them.
    ///
    /// # Errors
    /// When the path cannot be made absolute.
    pub fn with_files(
        root: &Path,
        files: Arc<dyn Files>,
        clocks: Clocks,
        randomness: Arc<dyn Randomness>,
    ) -> Result<Self> {
        let absolute = std::path::absolute(root)
            .map_err(|error| StorageError::file(&root.to_string_lossy(), error))?;
        let files = LakeFiles::new(files);
        let file_io = FileIOBuilder::new(Arc::new(files.clone())).build();
        let inner = Inner {
            root: location_of(&absolute).trim_end_matches('/').to_owned(),
            files,
            file_io,
            clocks,
            randomness,
            manifests: Cache::new(MANIFEST_CACHE_BYTES),
            deletes: Cache::new(DELETE_CACHE_BYTES),
            positions: Cache::new(DELETE_CACHE_BYTES),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The warehouse folder as a URL.
    pub fn root(&self) -> &str {
        &self.inner.root
    }

    /// Both clocks.
    pub fn clocks(&self) -> &Clocks {
        &self.inner.clocks
    }

    /// The source of names that are never used twice.
    pub fn randomness(&self) -> &Arc<dyn Randomness> {
        &self.inner.randomness
    }

    /// The synced file layer, as the Iceberg library sees it.
    pub fn file_io(&self) -> &FileIO {
        &self.inner.file_io
    }

    /// The store for readers; [`crate::object_path`] tells where in it a location lies.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(self.inner.files.store())
    }

    pub(crate) fn files(&self) -> &LakeFiles {
        &self.inner.files
    }

    pub(crate) fn delete_cache(&self) -> &Cache<DeleteContent> {
        &self.inner.deletes
    }

    pub(crate) fn position_cache(&self) -> &Cache<Vec<u64>> {
        &self.inner.positions
    }

    /// The present version of a table; none when the environment has no table of this name (a
    /// view is no table).
    ///
    /// # Errors
    /// When the ledger or the table's metadata cannot be read.
    pub async fn open(
        &self,
        ledger: &Ledger,
        environment: &EnvironmentName,
        name: &TableName,
    ) -> Result<Option<LakeTable>> {
        let Some(pointer) = ledger.pointer(environment, name).await? else { return Ok(None) };
        match pointer.kind {
            PointerKind::View => Ok(None),
            PointerKind::Table => {
                let table = self.read(&pointer.metadata_location).await?;
                Ok(Some(table.named(name)))
            }
        }
    }

    /// Any version of a table by its metadata file, staged ones too.
    ///
    /// # Errors
    /// When the file is absent or is no table metadata.
    pub async fn read(&self, metadata_location: &str) -> Result<LakeTable> {
        if !self.files().exists(metadata_location) {
            let what = format!("table metadata \"{metadata_location}\"");
            return Err(StorageError::NotFound { what });
        }
        let metadata = TableMetadata::read_from(self.file_io(), metadata_location)
            .await
            .map_err(|error| StorageError::corrupt(metadata_location, error))?;
        LakeTable::load(self, Arc::new(metadata), metadata_location).await
    }

    /// Starts a new version of a table in the dark: `base` is the version it is made from, none
    /// for a table that is new.
    pub fn stage(
        &self,
        environment: &EnvironmentName,
        name: &TableName,
        base: Option<&LakeTable>,
        options: StageOptions,
    ) -> Stage {
        Stage::new(self, environment, name, base, options)
    }

    /// A folder for a table or view that is new; no two ever share one.
    pub(crate) fn new_location(&self, name: &TableName) -> String {
        let (namespace, table) = (path_part(&name.namespace), path_part(&name.name));
        format!("{}/{namespace}/{table}-{}", self.root(), self.randomness().token())
    }

    /// A manifest, decoded once.
    pub(crate) async fn manifest(&self, file: &ManifestFile) -> Result<Arc<Manifest>> {
        if let Some(known) = self.inner.manifests.get(&file.manifest_path) {
            return Ok(known);
        }
        let manifest = file
            .load_manifest(self.file_io())
            .await
            .map_err(|error| StorageError::corrupt(&file.manifest_path, error))?;
        let manifest = Arc::new(manifest);
        // Decoded entries take a multiple of their compressed bytes.
        let bytes = usize::try_from(file.manifest_length).unwrap_or(0) * 8;
        self.inner.manifests.put(&file.manifest_path, &manifest, bytes);
        Ok(manifest)
    }
}

/// A name as one part of a path: letters, digits, `-`, `_` and `.` stay, the rest is `_`. Names
/// need not be told apart by their paths: a random part follows.
pub(crate) fn path_part(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    let part: String = name.chars().take(64).map(plain).collect();
    if part.is_empty() { "_".to_owned() } else { part }
}
