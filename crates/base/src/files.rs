//! Files behind a trait: the lake's own layer syncs what it writes (decision 11).

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A file found in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Full path.
    pub path: PathBuf,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Modification time in milliseconds since 1970, 0 when the system keeps none.
    pub modified_ms: i64,
}

/// What the product does with files.
pub trait Files: Send + Sync + std::fmt::Debug {
    /// Reads a whole file.
    ///
    /// # Errors
    /// As the operating system reports them, with the path.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Opens a file for reading piece by piece.
    ///
    /// # Errors
    /// As the operating system reports them, with the path.
    fn open(&self, path: &Path) -> io::Result<File> {
        Err(io::Error::new(io::ErrorKind::Unsupported, path.display().to_string()))
    }

    /// Looks at one file; none when it is not there.
    ///
    /// # Errors
    /// As the operating system reports them, with the path.
    fn entry(&self, path: &Path) -> io::Result<Option<FileEntry>> {
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        Ok(self.list(folder)?.into_iter().find(|entry| entry.path == path))
    }

    /// Writes a new file so that it survives a crash: temporary name, sync, rename, sync of the
    /// folder. Missing folders are made.
    ///
    /// # Errors
    /// As the operating system reports them, with the path; `AlreadyExists` when the name is taken.
    fn write_new(&self, path: &Path, content: &[u8]) -> io::Result<()>;

    /// Makes a file that was written under a temporary name durable under its own: sync, rename,
    /// sync of the folder.
    ///
    /// # Errors
    /// As the operating system reports them, with the path.
    fn persist(&self, temporary: &Path, path: &Path) -> io::Result<()>;

    /// Files below a folder, sorted by path; an absent folder has none.
    ///
    /// # Errors
    /// As the operating system reports them, with the path.
    fn list(&self, folder: &Path) -> io::Result<Vec<FileEntry>>;

    /// Whether a file or folder is there.
    fn exists(&self, path: &Path) -> bool;

    /// Removes a file; an absent one is no error.
    ///
    /// # Errors
    /// As the operating system reports them, with the path.
    fn remove(&self, path: &Path) -> io::Result<()>;
}
