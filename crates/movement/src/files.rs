//! Files as a source: which are there, which were read, and what is in them.

mod input;
mod parquet_rows;
mod position;
mod reader;
mod text;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::Files;
use base::files::FileEntry;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use project::ingest::{Compression, FileFormat, FilesStream};

use crate::MovementError;
use crate::rejects::Reject;
pub(crate) use parquet_rows::fit as fit_parquet;
pub(crate) use position::{FileMark, FilesPosition, OpenFile, Seen};
pub(crate) use reader::{FileContent, FileEvent, FilePiece, ReadFiles, read_files, sample_file};

/// Age below which a file is looked at twice before it is read.
const STABLE_AGE_MS: i64 = 1_000;
/// Pause between the two looks.
const SECOND_LOOK_MS: u64 = 150;

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingFile {
    /// Its path below the connection's folder, with `/`.
    pub(crate) name: Arc<str>,
    pub(crate) entry: FileEntry,
    pub(crate) format: FileFormat,
    pub(crate) compression: Compression,
    /// Where reading goes on; zero for a file that was not begun.
    pub(crate) offset: u64,
    /// The line, or row, that comes next there.
    pub(crate) line: u64,
    /// What an earlier look found broken in it.
    pub(crate) broken: Option<Reject>,
}

/// What a folder held against what was read before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// To be read, in order of their names.
    pub(crate) pending: Vec<PendingFile>,
    /// Read before and different now.
    pub(crate) changed: Vec<Arc<str>>,
    /// Still being written; left for the next load.
    pub(crate) unstable: u64,
}

/// The files of a stream, as a user's globs name them.
#[derive(Clone, Debug)]
pub(crate) struct FileSet {
    root: PathBuf,
    globs: GlobSet,
    format: Option<FileFormat>,
    compression: Compression,
}

impl FileSet {
    pub(crate) fn new(root: PathBuf, stream: &FilesStream) -> Result<Self, MovementError> {
        let mut globs = GlobSetBuilder::new();
        for pattern in &stream.globs {
            let glob = GlobBuilder::new(pattern.trim_start_matches("./"))
                .literal_separator(true)
                .build()
                .map_err(|error| MovementError::Glob { error: error.to_string() })?;
            globs.add(glob);
        }
        let globs =
            globs.build().map_err(|error| MovementError::Glob { error: error.to_string() })?;
        Ok(Self { root, globs, format: stream.format, compression: stream.compression })
    }

    fn list(&self, files: &dyn Files) -> Result<Vec<(Arc<str>, FileEntry)>, MovementError> {
        let entries = files.list(&self.root).map_err(MovementError::files)?;
        let named = entries.into_iter().filter_map(|entry| {
            let name = relative_name(&self.root, &entry.path)?;
            let hidden = name.split('/').any(|part| part.starts_with('.'));
            (!hidden && self.globs.is_match(&name)).then(|| (Arc::from(name), entry))
        });
        let mut named: Vec<(Arc<str>, FileEntry)> = named.collect();
        named.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(named)
    }

    /// What is there and was not read yet. Files that were written to a moment ago are looked at
    /// twice, and left alone while they grow.
    pub(crate) async fn look(
        &self,
        files: &Arc<dyn Files>,
        now_ms: i64,
        position: &FilesPosition,
        seen: &Seen,
    ) -> Result<Listing, MovementError> {
        let found = self.list(files.as_ref())?;
        let mut unstable = BTreeSet::new();
        let young = |entry: &FileEntry| now_ms.saturating_sub(entry.modified_ms) < STABLE_AGE_MS;
        if found.iter().any(|(_, entry)| young(entry)) {
            tokio::time::sleep(std::time::Duration::from_millis(SECOND_LOOK_MS)).await;
            for (name, entry) in found.iter().filter(|(_, entry)| young(entry)) {
                let again = files.entry(&entry.path).map_err(MovementError::files)?;
                if again.as_ref() != Some(entry) {
                    unstable.insert(Arc::clone(name));
                }
            }
        }
        let mut listing = Listing { unstable: unstable.len() as u64, ..Listing::default() };
        for (name, entry) in found {
            if unstable.contains(&name) {
                continue;
            }
            self.sort(&name, entry, position, seen, &mut listing)?;
        }
        Ok(listing)
    }

    fn sort(
        &self,
        name: &Arc<str>,
        entry: FileEntry,
        position: &FilesPosition,
        seen: &Seen,
        listing: &mut Listing,
    ) -> Result<(), MovementError> {
        let (mut offset, mut line) = (0, 0);
        match &position.open {
            Some(open) if open.name == **name => {
                if (open.size_bytes, open.modified_ms) != (entry.size_bytes, entry.modified_ms) {
                    return Err(MovementError::HalfReadFileChanged {
                        file: name.to_string(),
                        line: open.line,
                    });
                }
                (offset, line) = (open.offset, open.line);
            }
            Some(_) | None => match seen.look_up(name, &entry) {
                position::Known::Read => return Ok(()),
                position::Known::Changed => {
                    listing.changed.push(Arc::clone(name));
                    return Ok(());
                }
                position::Known::New => {}
            },
        }
        let (format, compression) = self.kind(name)?;
        let name = Arc::clone(name);
        let broken = None;
        let file = PendingFile { name, entry, format, compression, offset, line, broken };
        listing.pending.push(file);
        Ok(())
    }

    /// Format and compression, by the stream's settings or the file's name.
    fn kind(&self, name: &str) -> Result<(FileFormat, Compression), MovementError> {
        let lower = name.to_ascii_lowercase();
        let (stem, by_name) = if let Some(stem) = lower.strip_suffix(".gz") {
            (stem, Compression::Gzip)
        } else if let Some(stem) =
            lower.strip_suffix(".zst").or_else(|| lower.strip_suffix(".zstd"))
        {
            (stem, Compression::Zstd)
        } else {
            (lower.as_str(), Compression::None)
        };
        let compression = match self.compression {
            Compression::Auto => by_name,
            given @ (Compression::None | Compression::Gzip | Compression::Zstd) => given,
        };
        if let Some(format) = self.format {
            return Ok((format, compression));
        }
        let format = match stem.rsplit_once('.').map(|(_, extension)| extension) {
            Some("csv" | "tsv" | "txt") => FileFormat::Csv,
            Some("ndjson" | "jsonl" | "json") => FileFormat::Ndjson,
            Some("parquet" | "pq") => FileFormat::Parquet,
            _ => return Err(MovementError::FormatUnknown { file: name.to_owned() }),
        };
        Ok((format, compression))
    }
}

fn relative_name(root: &Path, path: &Path) -> Option<String> {
    let relative = path.strip_prefix(root).ok()?;
    let parts: Vec<String> =
        relative.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    Some(parts.join("/"))
}

/// The columns that folders named `column=value` give to the rows below them.
pub(crate) fn hive_columns(name: &str) -> Vec<(String, String)> {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    let columns = parts.into_iter().filter_map(|part| part.split_once('='));
    columns.map(|(column, value)| (column.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_and_compression_follow_the_name_unless_given() {
        let stream = |format, compression| FilesStream {
            globs: vec!["**/*".to_owned()],
            format,
            compression,
            hive_partitions: false,
            csv: project::ingest::CsvStyle::default(),
        };
        let set = FileSet::new(PathBuf::new(), &stream(None, Compression::Auto)).unwrap();
        assert_eq!(set.kind("a/B.CSV.GZ").unwrap(), (FileFormat::Csv, Compression::Gzip));
        assert_eq!(set.kind("a.ndjson").unwrap(), (FileFormat::Ndjson, Compression::None));
        assert!(matches!(set.kind("a.xml"), Err(MovementError::FormatUnknown { .. })));
        let given = stream(Some(FileFormat::Csv), Compression::Zstd);
        let set = FileSet::new(PathBuf::new(), &given).unwrap();
        assert_eq!(set.kind("a.xml").unwrap(), (FileFormat::Csv, Compression::Zstd));
    }

    #[test]
    fn folders_become_columns() {
        let columns = hive_columns("day=2026-05-01/hour=3/a=b.csv");
        assert_eq!(columns.len(), 2);
        assert_eq!(columns[1], ("hour".to_owned(), "3".to_owned()));
    }
}
