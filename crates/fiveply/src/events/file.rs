//! `logs/dbt.log`: grows to a limit, then five older ones are kept beside it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::arguments::{LogFormat, LogLevel};

/// Older files that are kept.
const KEPT: u32 = 5;

/// The file.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
    bytes_max: u64,
    pub(super) format: LogFormat,
    pub(super) level: LogLevel,
}

impl LogFile {
    /// Opens it for more lines; none where nothing can be written: a command does its work there
    /// all the same.
    pub(super) fn open(
        folder: &Path,
        format: LogFormat,
        level: LogLevel,
        bytes_max: u64,
    ) -> Option<Self> {
        std::fs::create_dir_all(folder).ok()?;
        let path = folder.join("dbt.log");
        let file = OpenOptions::new().create(true).append(true).open(&path).ok()?;
        let bytes = file.metadata().map(|facts| facts.len()).unwrap_or_default();
        Some(Self { path, file, bytes, bytes_max, format, level })
    }

    /// Writes a line; a full disk ends no command.
    pub(super) fn write(&mut self, line: &str) {
        let length = line.len() as u64 + 1;
        if self.bytes_max > 0 && self.bytes > 0 && self.bytes + length > self.bytes_max {
            self.turn_over();
        }
        if self.file.write_all(format!("{line}\n").as_bytes()).is_ok() {
            self.bytes += length;
        }
    }

    fn turn_over(&mut self) {
        let numbered = |number: u32| self.path.with_extension(format!("log.{number}"));
        for number in (1..KEPT).rev() {
            let _ = std::fs::rename(numbered(number), numbered(number + 1));
        }
        let _ = std::fs::rename(&self.path, numbered(1));
        if let Ok(file) = OpenOptions::new().create(true).append(true).open(&self.path) {
            (self.file, self.bytes) = (file, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_makes_room_and_five_old_ones_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = LogFile::open(folder.path(), LogFormat::Debug, LogLevel::Debug, 10).unwrap();
        for number in 0..8 {
            file.write(&format!("line number {number}"));
        }
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["dbt.log", "dbt.log.1", "dbt.log.2", "dbt.log.3", "dbt.log.4", "dbt.log.5"]
        );
        assert_eq!(
            std::fs::read_to_string(folder.path().join("dbt.log")).unwrap(),
            "line number 7\n"
        );
    }
}
