//! The lake's own file layer: what is written is synced under a temporary name, renamed and its
//! folder synced, so that a pointer never names a file that a power cut can take away.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use base::Files;
use base::system::SystemFiles;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use iceberg::io::{
    FileMetadata, FileRead, FileWrite, InputFile, OutputFile, Storage, StorageConfig,
    StorageFactory,
};
use iceberg::{Error, ErrorKind};
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt};

const FILE_SCHEME: &str = "file://";

/// The path on disk of a location: `file:///a`, `file:/a` as Hadoop and so Spark write it, or `/a`.
pub(crate) fn disk_path(location: &str) -> &Path {
    let Some(path) = location.strip_prefix("file:") else { return Path::new(location) };
    let path = path.strip_prefix("//").unwrap_or(path);
    Path::new(path.strip_prefix("localhost").unwrap_or(path))
}

/// The location of a path on disk.
pub(crate) fn location_of(path: &Path) -> String {
    format!("{FILE_SCHEME}{}", path.display())
}

/// Where a location lies in the object store that [`crate::Lake::object_store`] gives.
///
/// # Errors
/// When the location is no absolute path.
pub fn object_path(location: &str) -> crate::Result<object_store::path::Path> {
    object_store::path::Path::from_absolute_path(disk_path(location))
        .map_err(|error| crate::StorageError::corrupt(location, error))
}

/// Synced files on a local disk, as the Iceberg library sees them.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct LakeFiles {
    #[serde(skip, default = "system_files")]
    files: Arc<dyn Files>,
    #[serde(skip, default = "local_store")]
    store: Arc<dyn ObjectStore>,
}

fn system_files() -> Arc<dyn Files> {
    Arc::new(SystemFiles)
}

fn local_store() -> Arc<dyn ObjectStore> {
    Arc::new(LocalFileSystem::new())
}

impl LakeFiles {
    pub(crate) fn new(files: Arc<dyn Files>) -> Self {
        Self { files, store: local_store() }
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(crate) fn exists(&self, location: &str) -> bool {
        self.files.exists(disk_path(location))
    }

    /// Writes a new file, synced; a taken name is an error.
    pub(crate) async fn write_new(&self, location: &str, content: Bytes) -> std::io::Result<()> {
        let files = Arc::clone(&self.files);
        let path = disk_path(location).to_path_buf();
        on_blocking_thread(move || files.write_new(&path, &content)).await
    }

    pub(crate) async fn read_all(&self, location: &str) -> std::io::Result<Bytes> {
        let files = Arc::clone(&self.files);
        let path = disk_path(location).to_path_buf();
        on_blocking_thread(move || files.read(&path).map(Bytes::from)).await
    }

    pub(crate) fn remove_now(&self, location: &str) -> std::io::Result<()> {
        self.files.remove(disk_path(location))
    }

    pub(crate) async fn remove(&self, location: &str) -> std::io::Result<()> {
        let files = Arc::clone(&self.files);
        let path: PathBuf = disk_path(location).to_path_buf();
        on_blocking_thread(move || files.remove(&path)).await
    }
}

/// Runs work that waits for the disk on a thread that may wait.
pub(crate) async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Err(std::io::Error::other(error)),
    }
}

/// Runs work that keeps a processor busy without holding up the tasks beside it.
pub(crate) fn busy<T>(work: impl FnOnce() -> T) -> T {
    let flavor = tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor());
    match flavor {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

fn refused(path: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let error = error.into();
    Error::new(ErrorKind::Unexpected, format!("could not use \"{path}\": {error}"))
}

#[typetag::serde]
#[async_trait]
impl Storage for LakeFiles {
    async fn exists(&self, path: &str) -> iceberg::Result<bool> {
        Ok(Self::exists(self, path))
    }

    async fn metadata(&self, path: &str) -> iceberg::Result<FileMetadata> {
        let place = object_path(path).map_err(|error| refused(path, error))?;
        let head = self.store.head(&place).await.map_err(|error| refused(path, error))?;
        Ok(FileMetadata { size: head.size })
    }

    async fn read(&self, path: &str) -> iceberg::Result<Bytes> {
        self.read_all(path).await.map_err(|error| refused(path, error))
    }

    async fn reader(&self, path: &str) -> iceberg::Result<Box<dyn FileRead>> {
        let place = object_path(path).map_err(|error| refused(path, error))?;
        Ok(Box::new(RangeReader { store: Arc::clone(&self.store), place }))
    }

    async fn write(&self, path: &str, content: Bytes) -> iceberg::Result<()> {
        self.write_new(path, content).await.map_err(|error| refused(path, error))
    }

    async fn writer(&self, path: &str) -> iceberg::Result<Box<dyn FileWrite>> {
        let (files, path) = (self.clone(), path.to_owned());
        Ok(Box::new(WholeFileWriter { files, path, content: BytesMut::new() }))
    }

    async fn delete(&self, path: &str) -> iceberg::Result<()> {
        self.remove(path).await.map_err(|error| refused(path, error))
    }

    async fn delete_prefix(&self, path: &str) -> iceberg::Result<()> {
        // A folder holds files of several table versions and environments.
        Err(refused(path, "folders of the lake are never removed as a whole"))
    }

    async fn delete_stream(&self, mut paths: BoxStream<'static, String>) -> iceberg::Result<()> {
        while let Some(path) = paths.next().await {
            Storage::delete(self, &path).await?;
        }
        Ok(())
    }

    fn new_input(&self, path: &str) -> iceberg::Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), path.to_owned()))
    }

    fn new_output(&self, path: &str) -> iceberg::Result<OutputFile> {
        Ok(OutputFile::new(Arc::new(self.clone()), path.to_owned()))
    }
}

#[typetag::serde]
impl StorageFactory for LakeFiles {
    fn build(&self, _config: &StorageConfig) -> iceberg::Result<Arc<dyn Storage>> {
        Ok(Arc::new(self.clone()))
    }
}

struct RangeReader {
    store: Arc<dyn ObjectStore>,
    place: object_store::path::Path,
}

#[async_trait]
impl FileRead for RangeReader {
    async fn read(&self, range: Range<u64>) -> iceberg::Result<Bytes> {
        let read = self.store.get_range(&self.place, range).await;
        read.map_err(|error| refused(self.place.as_ref(), error))
    }
}

/// Collects a metadata file in memory; it reaches the disk as a whole or not at all.
struct WholeFileWriter {
    files: LakeFiles,
    path: String,
    content: BytesMut,
}

#[async_trait]
impl FileWrite for WholeFileWriter {
    async fn write(&mut self, content: Bytes) -> iceberg::Result<()> {
        self.content.extend_from_slice(&content);
        Ok(())
    }

    async fn close(&mut self) -> iceberg::Result<()> {
        let content = std::mem::take(&mut self.content).freeze();
        let written = self.files.write_new(&self.path, content).await;
        written.map_err(|error| refused(&self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_of_other_engines_are_the_same_file() {
        for location in ["file:///a/b", "file:/a/b", "file://localhost/a/b", "/a/b"] {
            assert_eq!(disk_path(location), Path::new("/a/b"), "{location}");
        }
    }
}
