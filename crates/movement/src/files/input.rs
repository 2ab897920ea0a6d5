//! A file as a stream of bytes, decompressed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use base::Files;
use flate2::read::MultiGzDecoder;
use project::ingest::Compression;

use super::PendingFile;

/// Bytes that a decompressor takes at once.
const READ_BYTES: usize = 256 * 1024;

/// A file's bytes.
pub(super) struct Input {
    reader: Box<dyn Read + Send>,
    /// Whether what the reader refuses may be the file's fault rather than the disk's.
    compressed: bool,
}

/// Why no more bytes come.
pub(super) enum InputProblem {
    /// The file does not hold what its compression promises.
    Broken(String),
    /// The disk refused.
    Disk(io::Error),
}

impl Input {
    /// Opens a file; text files start with their byte order mark, if any.
    pub(super) fn open(files: &dyn Files, file: &PendingFile) -> Result<Self, InputProblem> {
        let handle = files.open(&file.entry.path).map_err(InputProblem::Disk)?;
        match file.compression {
            Compression::None | Compression::Auto => {
                Ok(Self { reader: Box::new(handle), compressed: false })
            }
            Compression::Gzip => {
                let buffered = io::BufReader::with_capacity(READ_BYTES, handle);
                Ok(Self { reader: Box::new(MultiGzDecoder::new(buffered)), compressed: true })
            }
            Compression::Zstd => {
                let decoder = zstd::stream::read::Decoder::new(handle)
                    .map_err(|error| InputProblem::Broken(error.to_string()))?;
                Ok(Self { reader: Box::new(decoder), compressed: true })
            }
        }
    }

    /// Opens a file and goes to a place in its decompressed bytes.
    pub(super) fn open_at(
        files: &dyn Files,
        file: &PendingFile,
        offset: u64,
    ) -> Result<Self, InputProblem> {
        if file.compression == Compression::None && offset > 0 {
            let mut handle: File = files.open(&file.entry.path).map_err(InputProblem::Disk)?;
            handle.seek(SeekFrom::Start(offset)).map_err(InputProblem::Disk)?;
            return Ok(Self { reader: Box::new(handle), compressed: false });
        }
        let mut input = Self::open(files, file)?;
        let mut left = offset;
        let mut scratch = vec![0; READ_BYTES];
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(READ_BYTES).min(READ_BYTES);
            match input.read(&mut scratch[..wanted])? {
                0 => break,
                read => left -= read as u64,
            }
        }
        Ok(input)
    }

    /// Reads some bytes; none at the end.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<usize, InputProblem> {
        loop {
            match self.reader.read(into) {
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if self.compressed && error.raw_os_error().is_none() => {
                    return Err(InputProblem::Broken(error.to_string()));
                }
                Err(error) => return Err(InputProblem::Disk(error)),
            }
        }
    }
}
