//! Text files cut into chunks of whole records, with bounded memory whatever a file holds.

use std::sync::Arc;

use base::Files;
use base::limits::TEXT_LINE_BYTES_MAX;
use memchr::{memchr, memrchr};

use super::PendingFile;
use super::input::{Input, InputProblem};
use crate::decode::{Chunk, Layout, Record, Scan, Shape, header_names, scan};
use crate::rejects::{REJECT_SOURCE_BYTES_MAX, Reject};

/// Bytes of a chunk, unless a line is longer.
pub(super) const CHUNK_BYTES: usize = 2 * 1024 * 1024;
const READ_BYTES: usize = 256 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A piece of a file and where it ends.
pub(super) struct TextPiece {
    pub(super) chunk: Chunk,
    pub(super) offset: u64,
    pub(super) line: u64,
    pub(super) done: bool,
}

/// How the records of a file are told apart.
#[derive(Clone, Debug)]
pub(super) enum TextFormat {
    Ndjson,
    Csv { shape: Shape, header: bool },
}

pub(super) struct TextReader {
    input: Input,
    format: TextFormat,
    origin: Arc<str>,
    constants: Arc<Vec<(String, String)>>,
    header: Option<Arc<Vec<String>>>,
    buffer: Vec<u8>,
    /// Place of the buffer's first byte in the file.
    offset: u64,
    /// Line of the buffer's first byte, from 1.
    line: u64,
    ended: bool,
    broken: Vec<Reject>,
    /// A line beyond the limit whose end was not found yet.
    skipping: Option<Skipped>,
}

struct Skipped {
    prefix: Vec<u8>,
    bytes: u64,
}

impl TextReader {
    pub(super) fn open(
        files: &dyn Files,
        file: &PendingFile,
        format: TextFormat,
        constants: Vec<(String, String)>,
    ) -> Result<Self, InputProblem> {
        let mut reader = Self {
            input: Input::open(files, file)?,
            format,
            origin: Arc::clone(&file.name),
            constants: Arc::new(constants),
            header: None,
            buffer: Vec::new(),
            offset: 0,
            line: 1,
            ended: false,
            broken: Vec::new(),
            skipping: None,
        };
        reader.begin()?;
        if file.offset > 0 {
            reader.input = Input::open_at(files, file, file.offset)?;
            reader.buffer.clear();
            reader.broken.clear();
            (reader.offset, reader.line, reader.ended) = (file.offset, file.line, false);
        }
        Ok(reader)
    }

    /// Takes the byte order mark away and reads a CSV file's header.
    fn begin(&mut self) -> Result<(), InputProblem> {
        self.fill(READ_BYTES)?;
        if self.buffer.starts_with(b"\xff\xfe") || self.buffer.starts_with(b"\xfe\xff") {
            return Err(InputProblem::Broken("the file is UTF-16; save it as UTF-8".to_owned()));
        }
        if self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.advance(BYTE_ORDER_MARK.len());
        }
        let TextFormat::Csv { shape, header } = &mut self.format else { return Ok(()) };
        let (shape, header) = (*shape, *header);
        let record = loop {
            let bytes_max = TEXT_LINE_BYTES_MAX;
            match scan(&self.buffer, 0, self.line, shape, self.ended, bytes_max) {
                _ if self.buffer.is_empty() && self.ended => return Ok(()),
                Scan::Record { record, next, next_line } => break (record, next, next_line),
                Scan::More if self.buffer.len() < TEXT_LINE_BYTES_MAX => {
                    self.fill(self.buffer.len() + READ_BYTES)?;
                }
                Scan::More => {
                    return Err(InputProblem::Broken("the header has no end".to_owned()));
                }
                Scan::Broken { reason, .. } => {
                    return Err(InputProblem::Broken(format!("the header: {reason}")));
                }
            }
        };
        let (record, next, next_line) = record;
        let text = std::str::from_utf8(&self.buffer[record.start..record.end])
            .map_err(|_| InputProblem::Broken("the header is not UTF-8".to_owned()))?;
        let mut names = header_names(text, shape);
        if !header {
            names = (1..=names.len()).map(|number| format!("column_{number}")).collect();
        }
        let width = Some(names.len());
        self.format = TextFormat::Csv { shape: Shape { width, ..shape }, header };
        self.header = Some(Arc::new(names));
        if header {
            self.advance(next);
            self.line = next_line;
        }
        Ok(())
    }

    fn advance(&mut self, bytes: usize) {
        self.buffer.drain(..bytes);
        self.offset += bytes as u64;
    }

    /// Reads until the buffer holds so many bytes or the file ends.
    fn fill(&mut self, bytes: usize) -> Result<(), InputProblem> {
        let mut length = self.buffer.len();
        while !self.ended && length < bytes {
            self.buffer.resize(bytes.max(length + READ_BYTES), 0);
            match self.input.read(&mut self.buffer[length..]) {
                Ok(0) => self.ended = true,
                Ok(read) => length += read,
                Err(InputProblem::Broken(reason)) => {
                    // What came before is sound: it is loaded, and the break is counted.
                    self.ended = true;
                    let reason = format!("the file cannot be read further: {reason}");
                    self.broken.push(Reject::row(&self.origin, self.line, b"", reason));
                }
                Err(problem) => {
                    self.buffer.truncate(length);
                    return Err(problem);
                }
            }
        }
        self.buffer.truncate(length);
        Ok(())
    }

    /// The next chunk; none after the last one.
    pub(super) fn next(&mut self) -> Result<Option<TextPiece>, InputProblem> {
        if self.ended && self.buffer.is_empty() && self.broken.is_empty() {
            return Ok(None);
        }
        let mut wanted = CHUNK_BYTES;
        loop {
            self.fill(wanted)?;
            self.finish_skipping();
            let found = match self.format {
                TextFormat::Ndjson => self.lines(),
                TextFormat::Csv { shape, .. } => self.records(shape),
            };
            if let Some(piece) = found {
                return Ok(Some(piece));
            }
            if self.skipping.is_some() {
                wanted = CHUNK_BYTES;
            } else if self.buffer.len() >= TEXT_LINE_BYTES_MAX {
                self.begin_skipping();
                wanted = CHUNK_BYTES;
            } else {
                wanted = self.buffer.len() + CHUNK_BYTES;
            }
        }
    }

    fn begin_skipping(&mut self) {
        let prefix = self.buffer[..REJECT_SOURCE_BYTES_MAX.min(self.buffer.len())].to_vec();
        self.skipping = Some(Skipped { prefix, bytes: 0 });
    }

    /// Drops the bytes of a line beyond the limit up to its end.
    fn finish_skipping(&mut self) {
        let Some(mut skipped) = self.skipping.take() else { return };
        let found = memchr(b'\n', &self.buffer);
        let bytes = found.unwrap_or(self.buffer.len());
        skipped.bytes += bytes as u64;
        self.advance(found.map_or(bytes, |end| end + 1));
        if found.is_none() && !self.ended {
            self.skipping = Some(skipped);
            return;
        }
        let reason = format!(
            "the line has {} bytes, more than the {TEXT_LINE_BYTES_MAX} a line may have",
            skipped.bytes
        );
        let mut reject = Reject::row(&self.origin, self.line, &skipped.prefix, reason);
        reject.source_bytes = skipped.bytes;
        self.broken.push(reject);
        self.line += 1;
    }

    fn lines(&mut self) -> Option<TextPiece> {
        if self.skipping.is_some() {
            return None;
        }
        let whole = memrchr(b'\n', &self.buffer).map(|end| end + 1);
        let length = if self.ended { self.buffer.len() } else { whole? };
        let truncated = self.ended && whole != Some(length);
        let bytes = self.take(length);
        let first_line = self.line;
        self.line += memchr::memchr_iter(b'\n', &bytes).count() as u64;
        Some(self.piece(bytes, Layout::Ndjson { first_line }, truncated))
    }

    fn records(&mut self, shape: Shape) -> Option<TextPiece> {
        if self.skipping.is_some() {
            return None;
        }
        let header = self.header.clone().unwrap_or_default();
        let (mut at, mut records) = (0, Vec::new());
        while at < self.buffer.len() {
            let max = TEXT_LINE_BYTES_MAX;
            match scan(&self.buffer, at, self.line, shape, self.ended, max) {
                Scan::Record { record, next, next_line } => {
                    if record.end > record.start {
                        records.push(record);
                    }
                    (at, self.line) = (next, next_line);
                }
                Scan::Broken { record, next, next_line, reason } => {
                    let Record { start, end, line } = record;
                    let source = &self.buffer[start..end.max(start)];
                    self.broken.push(Reject::row(&self.origin, line, source, reason));
                    (at, self.line) = (next, next_line);
                }
                Scan::More => break,
            }
        }
        if at == 0 && !self.ended {
            return None;
        }
        let bytes = self.take(at);
        Some(self.piece(bytes, Layout::Csv { header, records, shape }, false))
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(length);
        self.offset += length as u64;
        std::mem::replace(&mut self.buffer, rest)
    }

    fn piece(&mut self, bytes: Vec<u8>, layout: Layout, truncated: bool) -> TextPiece {
        let chunk = Chunk {
            origin: Arc::clone(&self.origin),
            bytes,
            layout,
            constants: Arc::clone(&self.constants),
            broken: std::mem::take(&mut self.broken),
            truncated,
        };
        let done = self.ended && self.buffer.is_empty();
        TextPiece { chunk, offset: self.offset, line: self.line, done }
    }
}
