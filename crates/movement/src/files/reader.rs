//! Reads files one after the other on a thread of its own and hands over pieces in order; the
//! channel between is short, so that a slow lake slows the reader down.

use std::sync::Arc;

use base::Files;
use project::ingest::{CsvStyle, FileFormat};
use tokio::sync::mpsc;

use super::input::InputProblem;
use super::parquet_rows::{self, ParquetRows};
use super::text::{TextFormat, TextReader};
use super::{FileMark, PendingFile, hive_columns};
use crate::MovementError;
use crate::decode::{Chunk, Shape};
use crate::rejects::Reject;

/// Pieces that wait between the reader and the decoders.
const PIECES_WAITING_MAX: usize = 2;

/// What a piece holds.
#[derive(Clone, Debug)]
pub(crate) enum FileContent {
    Text(Chunk),
    Rows(ParquetRows),
    /// A file of which nothing could be used.
    Broken(Reject),
    /// A file without rows.
    Nothing,
}

/// A piece of a file.
#[derive(Clone, Debug)]
pub(crate) struct FilePiece {
    pub(crate) content: FileContent,
    pub(crate) mark: FileMark,
    pub(crate) bytes: u64,
    /// Whether a batch may end behind it.
    pub(crate) boundary: bool,
}

/// What the reader has to say.
#[derive(Debug)]
pub(crate) enum FileEvent {
    Piece(FilePiece),
    /// The file turned out broken after rows of it were handed over.
    BrokenLate {
        file: usize,
        reject: Reject,
    },
    /// The file was written to while it was read.
    Changing {
        file: usize,
    },
    Failed(MovementError),
}

/// What the reader needs to know.
#[derive(Clone, Debug)]
pub(crate) struct ReadFiles {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) pending: Arc<Vec<PendingFile>>,
    pub(crate) csv: CsvStyle,
    pub(crate) hive_partitions: bool,
}

type Sender = mpsc::Sender<FileEvent>;

/// The receiver hung up: the load has ended or starts anew.
struct HungUp;

/// Starts reading.
pub(crate) fn read_files(read: ReadFiles) -> mpsc::Receiver<FileEvent> {
    let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        for file in 0..read.pending.len() {
            if read_one(&read, file, &sender).is_err() {
                return;
            }
        }
    });
    receiver
}

fn send(sender: &Sender, event: FileEvent) -> Result<(), HungUp> {
    sender.blocking_send(event).map_err(|_| HungUp)
}

fn read_one(read: &ReadFiles, file: usize, sender: &Sender) -> Result<(), HungUp> {
    if let Some(reject) = &read.pending[file].broken {
        return send(sender, last_piece(FileContent::Broken(reject.clone()), file, 0));
    }
    match read.pending[file].format {
        FileFormat::Parquet => read_parquet(read, file, sender),
        FileFormat::Csv | FileFormat::Ndjson => read_text(read, file, sender),
    }
}

fn text_format(read: &ReadFiles, pending: &PendingFile) -> TextFormat {
    match pending.format {
        FileFormat::Csv => {
            let (delimiter, quote) = (read.csv.delimiter, read.csv.quote);
            let shape = Shape { delimiter, quote, width: None };
            TextFormat::Csv { shape, header: read.csv.header }
        }
        FileFormat::Ndjson | FileFormat::Parquet => TextFormat::Ndjson,
    }
}

/// The first chunk of the first file, to see what columns there are.
pub(crate) fn sample_file(read: &ReadFiles) -> Option<Chunk> {
    let pending = read.pending.first()?;
    let (format, constants) = (text_format(read, pending), constants(read, pending));
    let mut reader = TextReader::open(read.files.as_ref(), pending, format, constants).ok()?;
    reader.next().ok()?.map(|piece| piece.chunk)
}

fn constants(read: &ReadFiles, pending: &PendingFile) -> Vec<(String, String)> {
    if read.hive_partitions { hive_columns(&pending.name) } else { Vec::new() }
}

fn done_mark(file: usize, line: u64) -> FileMark {
    FileMark { file, offset: 0, line, done: true }
}

fn whole_file(pending: &PendingFile, reason: String, rows: u64) -> Reject {
    let mut reject = Reject::row(&pending.name, 0, b"", format!("the file is broken: {reason}"));
    reject.line = None;
    reject.rows = rows.max(1);
    reject.source_bytes = pending.entry.size_bytes;
    reject
}

fn last_piece(content: FileContent, file: usize, line: u64) -> FileEvent {
    let mark = done_mark(file, line);
    FileEvent::Piece(FilePiece { content, mark, bytes: 0, boundary: true })
}

fn problem_event(pending: &PendingFile, file: usize, problem: InputProblem) -> FileEvent {
    match problem {
        InputProblem::Broken(reason) => {
            let reject = whole_file(pending, reason, 1);
            last_piece(FileContent::Broken(reject), file, 0)
        }
        InputProblem::Disk(error) => FileEvent::Failed(MovementError::files(error)),
    }
}

fn read_text(read: &ReadFiles, file: usize, sender: &Sender) -> Result<(), HungUp> {
    let pending = &read.pending[file];
    let format = text_format(read, pending);
    let constants = constants(read, pending);
    let mut reader = match TextReader::open(read.files.as_ref(), pending, format, constants) {
        Ok(reader) => reader,
        Err(problem) => return send(sender, problem_event(pending, file, problem)),
    };
    loop {
        match reader.next() {
            Ok(Some(piece)) => {
                if piece.done && changed(read, file) {
                    return send(sender, FileEvent::Changing { file });
                }
                let mark =
                    FileMark { file, offset: piece.offset, line: piece.line, done: piece.done };
                let bytes = piece.chunk.bytes.len() as u64;
                let content = FileContent::Text(piece.chunk);
                let piece = FilePiece { content, mark, bytes, boundary: true };
                let done = piece.mark.done;
                send(sender, FileEvent::Piece(piece))?;
                if done {
                    return Ok(());
                }
            }
            Ok(None) => return send(sender, last_piece(FileContent::Nothing, file, 0)),
            Err(problem) => return send(sender, problem_event(pending, file, problem)),
        }
    }
}

/// Whether the file is no longer the one that was listed.
fn changed(read: &ReadFiles, file: usize) -> bool {
    let entry = &read.pending[file].entry;
    read.files.entry(&entry.path).ok().flatten().as_ref() != Some(entry)
}

fn read_parquet(read: &ReadFiles, file: usize, sender: &Sender) -> Result<(), HungUp> {
    let pending = &read.pending[file];
    let (reader, rows) = match parquet_rows::open(read.files.as_ref(), pending) {
        Ok(opened) => opened,
        Err((reason, rows)) => {
            let content = FileContent::Broken(whole_file(pending, reason, rows));
            return send(sender, last_piece(content, file, 0));
        }
    };
    let constants = Arc::new(constants(read, pending));
    let mut first_row = 1;
    for batch in reader {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                let reject = whole_file(pending, error.to_string(), rows);
                return send(sender, FileEvent::BrokenLate { file, reject });
            }
        };
        let bytes = batch.get_array_memory_size() as u64;
        let count = batch.num_rows() as u64;
        let rows = ParquetRows {
            origin: Arc::clone(&pending.name),
            batch,
            first_row,
            constants: Arc::clone(&constants),
        };
        first_row += count;
        let mark = FileMark { file, offset: 0, line: first_row, done: false };
        let content = FileContent::Rows(rows);
        // A file that breaks later is rejected whole, so no batch ends inside it.
        send(sender, FileEvent::Piece(FilePiece { content, mark, bytes, boundary: false }))?;
    }
    if changed(read, file) {
        return send(sender, FileEvent::Changing { file });
    }
    send(sender, last_piece(FileContent::Nothing, file, first_row))
}
