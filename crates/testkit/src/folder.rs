//! A project folder written as one string.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A temporary folder that goes away with its owner.
#[derive(Debug)]
pub struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    /// An empty folder.
    ///
    /// # Errors
    /// When the system has no temporary folder to give.
    pub fn empty() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("fiveply-test-").tempdir()?;
        Ok(Self { folder })
    }

    /// A folder with the files of `text`: each starts with a line `-- path/of/file --`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn with(text: &str) -> Result<Self> {
        let folder = Self::empty()?;
        folder.add(text)?;
        Ok(folder)
    }

    /// Writes further files in the same form; a file that is there is replaced.
    ///
    /// # Errors
    /// When a file cannot be written, or text stands before the first file.
    pub fn add(&self, text: &str) -> Result<()> {
        let mut open: Option<(PathBuf, String)> = None;
        for line in text.lines() {
            let named = line.strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --"));
            if let Some(name) = named {
                self.close(open.take())?;
                open = Some((PathBuf::from(name), String::new()));
            } else if let Some((_, content)) = &mut open {
                content.push_str(line);
                content.push('\n');
            } else {
                anyhow::ensure!(line.trim().is_empty(), "text before the first file: {line}");
            }
        }
        self.close(open)
    }

    fn close(&self, file: Option<(PathBuf, String)>) -> Result<()> {
        match file {
            Some((name, content)) => self.write(&name, content.as_bytes()),
            None => Ok(()),
        }
    }

    /// Writes one file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: impl AsRef<Path>, content: &[u8]) -> Result<()> {
        let path = self.path().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, content).with_context(|| path.display().to_string())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes this folder hold what `other` holds and nothing else. Tables name their files by
    /// absolute paths, so a project with tables is only whole in the place where it was made.
    ///
    /// # Errors
    /// When a file cannot be removed or copied.
    pub fn become_like(&self, other: &Self) -> Result<()> {
        std::fs::remove_dir_all(self.path())?;
        copy_folder(other.path(), self.path())
    }

    /// A copy of the whole folder, to disturb one and compare with the other.
    ///
    /// # Errors
    /// When a file cannot be copied.
    pub fn copy(&self) -> Result<Self> {
        let copy = Self::empty()?;
        copy_folder(self.path(), copy.path())?;
        Ok(copy)
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            // Hard copies would share the file that a loader compares by modification time.
            std::fs::copy(entry.path(), &target)?;
            let modified = entry.metadata()?.modified()?;
            std::fs::File::options().write(true).open(&target)?.set_modified(modified)?;
        }
    }
    Ok(())
}
