//! Files into batches: a reader thread, decoders beside it, and the lake's own pace.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use base::Position;
use futures::{Stream as FutureStream, StreamExt, stream};
use project::ingest::{Connection, FileFormat, FilesStream};

use super::Load;
use super::batch::Batch;
use super::drift::Judgement;
use crate::MovementError;
use crate::decode::{DecodeRules, Decoded, Drift, decode};
use crate::files::{
    FileContent, FileEvent, FileMark, FilePiece, FileSet, FilesPosition, OpenFile, PendingFile,
    ReadFiles, Seen, fit_parquet, read_files, sample_file,
};
use crate::rejects::Reject;
use crate::schema::StreamSchema;

/// Times one load may begin a batch anew because of what it found in it.
const RESTARTS_MAX: u32 = 64;
/// Restarts for columns that come late in a first load; after them a batch is published early.
const RESTARTS_FOR_COLUMNS_MAX: u32 = 4;

/// How far the batch under way has come.
#[derive(Clone)]
struct Place {
    position: FilesPosition,
    seen: Seen,
}

impl Place {
    fn apply(&mut self, pending: &[PendingFile], mark: &FileMark) {
        let file = &pending[mark.file];
        if mark.done {
            self.seen.add(&file.name, &file.entry);
            self.position.last = Some(file.name.to_string());
            self.position.open = None;
        } else {
            self.position.open = Some(OpenFile {
                name: file.name.to_string(),
                size_bytes: file.entry.size_bytes,
                modified_ms: file.entry.modified_ms,
                offset: mark.offset,
                line: mark.line,
            });
        }
    }
}

/// How a reading ended.
enum Ending {
    Done,
    /// The batch under way is dropped and read anew.
    Again,
}

struct FilesLoad<'l, 'a> {
    load: &'l mut Load<'a>,
    stream: &'l FilesStream,
    listed: Vec<PendingFile>,
    committed: Place,
    /// Files that broke after rows of them were read.
    broken: HashMap<Arc<str>, Reject>,
    /// Files that were written to while they were read.
    changing: HashSet<Arc<str>>,
    restarts: u32,
}

pub(super) async fn run(load: &mut Load<'_>, stream: &FilesStream) -> Result<(), MovementError> {
    let Connection::Files(connection) = &load.source.connection else {
        let reason = format!("stream \"{}\" reads files, its connection has none", load.name);
        return Err(MovementError::Settings { reason });
    };
    let root = load.context.project_root.join(&connection.path);
    let position: FilesPosition = match &load.position {
        Some(position) => position.decode().map_err(|error| MovementError::PositionUnreadable {
            reason: format!("it was written by another kind of source: {error}"),
        })?,
        None => FilesPosition::default(),
    };
    let seen = position.seen()?;
    let set = FileSet::new(root, stream)?;
    let now_ms = load.context.clocks.machine.now().timestamp_millis();
    let listing = set.look(&load.context.files, now_ms, &position, &seen).await?;
    for file in &listing.changed {
        tracing::warn!(stream = %load.name, file = %file, "file changed after it was read");
    }
    load.outcome.changed_files = listing.changed.iter().map(ToString::to_string).collect();
    load.outcome.unstable_files = listing.unstable;
    if listing.pending.is_empty() {
        return Ok(());
    }
    let mut files = FilesLoad {
        load,
        stream,
        listed: listing.pending,
        committed: Place { position, seen },
        broken: HashMap::new(),
        changing: HashSet::new(),
        restarts: 0,
    };
    files.sample().await?;
    while let Ending::Again = files.read().await? {
        files.restarts += 1;
        if files.restarts > RESTARTS_MAX {
            let reason = format!("a batch was read {RESTARTS_MAX} times and never to its end");
            return Err(MovementError::Internal(reason));
        }
    }
    Ok(())
}

/// The schema under which pieces are decoded from now on.
#[derive(Clone)]
struct SharedSchema(Arc<Mutex<Arc<StreamSchema>>>);

impl SharedSchema {
    fn get(&self) -> Arc<StreamSchema> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, schema: &Arc<StreamSchema>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(schema);
    }
}

/// An event and, of a piece with rows, what became of them.
struct Decoding {
    event: FileEvent,
    decoded: Option<Decoded>,
}

fn decode_content(
    content: &FileContent,
    schema: &StreamSchema,
    rules: &DecodeRules,
) -> Option<Decoded> {
    match content {
        FileContent::Text(chunk) => Some(decode(chunk, schema, rules)),
        FileContent::Rows(rows) => Some(fit_parquet(rows, schema, rules)),
        FileContent::Broken(_) | FileContent::Nothing => None,
    }
}

async fn decode_event(event: FileEvent, schema: SharedSchema, rules: Arc<DecodeRules>) -> Decoding {
    let schema = schema.get();
    let work = tokio::task::spawn_blocking(move || {
        let decoded = match &event {
            FileEvent::Piece(piece) => decode_content(&piece.content, &schema, &rules),
            FileEvent::BrokenLate { .. } | FileEvent::Changing { .. } | FileEvent::Failed(_) => {
                None
            }
        };
        Decoding { event, decoded }
    });
    work.await.unwrap_or_else(|error| {
        let failed = MovementError::Internal(format!("a decoder ended early: {error}"));
        Decoding { event: FileEvent::Failed(failed), decoded: None }
    })
}

/// What the policy made of a piece.
struct Judged {
    decoded: Decoded,
    /// The schema from now on, when it changed.
    schema: Option<Arc<StreamSchema>>,
    /// Whether the rows before the piece are published first.
    publish: bool,
    /// Whether the batch is read anew.
    again: bool,
}

impl FilesLoad<'_, '_> {
    /// Looks into the first, the middle and the last file before a table is made, so that most
    /// columns have their final type from the first row on.
    async fn sample(&mut self) -> Result<(), MovementError> {
        if self.load.table.is_some() {
            return Ok(());
        }
        let last = self.listed.len() - 1;
        let mut places = vec![0, last / 2, last];
        places.dedup();
        // The second round sees values against the types of the first.
        for _round in 0..2 {
            let mut drift = Drift::default();
            for place in &places {
                let file = self.listed[*place].clone();
                if file.format == FileFormat::Parquet {
                    continue;
                }
                let read = self.reading(vec![file]);
                let (schema, rules) = (Arc::clone(&self.load.schema), Arc::clone(&self.load.rules));
                let work = tokio::task::spawn_blocking(move || {
                    sample_file(&read).map(|chunk| decode(&chunk, &schema, &rules).drift)
                });
                let found = work.await.map_err(ended_early)?;
                drift.merge(found.unwrap_or_default());
            }
            match self.load.judge(&drift)? {
                Judgement::Take => return Ok(()),
                Judgement::Evolve { schema, .. } => self.load.schema = Arc::new(schema),
            }
        }
        Ok(())
    }

    fn reading(&self, pending: Vec<PendingFile>) -> ReadFiles {
        ReadFiles {
            files: Arc::clone(&self.load.context.files),
            pending: Arc::new(pending),
            csv: self.stream.csv.clone(),
            hive_partitions: self.stream.hive_partitions,
        }
    }

    /// What is still to be read behind what is committed.
    fn pending(&self) -> Vec<PendingFile> {
        let open = self.committed.position.open.as_ref();
        let left = self.listed.iter().filter(|file| {
            !self.changing.contains(&file.name) && !self.committed.seen.holds(&file.name)
        });
        let pending = left.cloned().map(|mut file| {
            (file.offset, file.line) = (0, 0);
            if let Some(open) = open.filter(|open| open.name == *file.name) {
                (file.offset, file.line) = (open.offset, open.line);
            }
            file.broken = self.broken.get(&file.name).cloned();
            file
        });
        pending.collect()
    }

    /// Reads batch after batch to the end, or until something is found that asks to begin the
    /// batch anew.
    async fn read(&mut self) -> Result<Ending, MovementError> {
        let read = self.reading(self.pending());
        let pending = Arc::clone(&read.pending);
        let shared = SharedSchema(Arc::new(Mutex::new(Arc::clone(&self.load.schema))));
        let mut pieces = Box::pin(self.pieces(read, &shared));
        let mut batch = Batch::new(self.load);
        let mut place = self.committed.clone();
        let mut may_end = true;
        while let Some(Decoding { event, mut decoded }) = pieces.next().await {
            self.load.check_cancelled()?;
            let piece = match event {
                FileEvent::Piece(piece) => piece,
                FileEvent::Failed(error) => return Err(error),
                FileEvent::BrokenLate { file, reject } => {
                    self.broken.insert(Arc::clone(&pending[file].name), reject);
                    return Ok(Ending::Again);
                }
                FileEvent::Changing { file } => {
                    self.leave_changing(&pending[file], &place)?;
                    return Ok(Ending::Again);
                }
            };
            if let Some(first) = decoded.take() {
                let judged = self.settle(&piece, first, &batch, may_end).await?;
                if judged.publish {
                    self.publish(&mut batch, &place).await?;
                }
                if let Some(schema) = judged.schema {
                    self.load.schema = Arc::new(schema.committed_as(&self.load.schema));
                    shared.set(&self.load.schema);
                }
                if judged.again {
                    return Ok(Ending::Again);
                }
                decoded = Some(judged.decoded);
            }
            self.take(&mut batch, &piece, decoded).await?;
            place.apply(&pending, &piece.mark);
            may_end = piece.boundary;
            if may_end && batch.is_full(self.load) {
                self.publish(&mut batch, &place).await?;
                shared.set(&self.load.schema);
            }
        }
        self.publish(&mut batch, &place).await?;
        Ok(Ending::Done)
    }

    fn pieces(
        &self,
        read: ReadFiles,
        shared: &SharedSchema,
    ) -> impl FutureStream<Item = Decoding> + use<> {
        let receiver = read_files(read);
        let (shared, rules) = (shared.clone(), Arc::clone(&self.load.rules));
        let events = stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|event| (event, receiver))
        });
        let decoders = self.load.context.limits.decode_threads.max(1) + 1;
        events
            .map(move |event| decode_event(event, shared.clone(), Arc::clone(&rules)))
            .buffered(decoders)
    }

    /// A file that is being written to is left for the next load, unless a part of it is in the
    /// table already.
    fn leave_changing(&mut self, file: &PendingFile, place: &Place) -> Result<(), MovementError> {
        let open = self.committed.position.open.as_ref();
        if open.is_some_and(|open| open.name == *file.name) {
            let line = place.position.open.as_ref().map_or(0, |open| open.line);
            return Err(MovementError::HalfReadFileChanged { file: file.name.to_string(), line });
        }
        self.changing.insert(Arc::clone(&file.name));
        self.load.outcome.unstable_files += 1;
        Ok(())
    }

    async fn take(
        &mut self,
        batch: &mut Batch,
        piece: &FilePiece,
        decoded: Option<Decoded>,
    ) -> Result<(), MovementError> {
        let before = batch.read;
        if let Some(decoded) = decoded {
            self.load.progress.rejected +=
                decoded.rejects.iter().map(|reject| reject.rows).sum::<u64>();
            batch.take(self.load, decoded).await?;
        }
        if let FileContent::Broken(reject) = &piece.content {
            self.load.progress.rejected += reject.rows;
            batch.take_reject(self.load, reject.clone()).await?;
        }
        batch.bytes += piece.bytes;
        self.load.progress.bytes += piece.bytes;
        self.load.progress.read += batch.read - before;
        self.load.tell_progress();
        Ok(())
    }

    /// Publishes the batch up to a place and begins the next one.
    async fn publish(&mut self, batch: &mut Batch, place: &Place) -> Result<(), MovementError> {
        let mut position = place.position.clone();
        position.keep(&place.seen);
        let files = position.files.saturating_sub(self.committed.position.files);
        let encoded = Position::encode(&position)
            .map_err(|error| MovementError::Internal(error.to_string()))?;
        let full = std::mem::replace(batch, Batch::new(self.load));
        self.load.commit(full, Some(encoded)).await?;
        self.load.outcome.files += files;
        self.committed = Place { position, seen: place.seen.clone() };
        Ok(())
    }

    /// Asks the policy what the rows of a piece mean for the schema, and decodes them again where
    /// it changes.
    async fn settle(
        &mut self,
        piece: &FilePiece,
        decoded: Decoded,
        batch: &Batch,
        may_end: bool,
    ) -> Result<Judged, MovementError> {
        let mut judged = Judged { decoded, schema: None, publish: false, again: false };
        if judged.decoded.drift.is_empty() {
            return Ok(judged);
        }
        // Pieces on their way were decoded before the schema last changed.
        judged.decoded = self.decode_again(piece).await?;
        self.load.propose_renames(&judged.decoded).await?;
        let before = Arc::clone(&self.load.schema);
        while let Judgement::Evolve { schema, widened } = self.load.judge(&judged.decoded.drift)? {
            self.load.schema = Arc::new(schema);
            judged.decoded = self.decode_again(piece).await?;
            // Rows under a narrower type are in the stage: only reading them anew mends that. In
            // a first load it also keeps the types open; later the rows before are published.
            let late = self.load.rules.first && self.restarts < RESTARTS_FOR_COLUMNS_MAX;
            judged.again |= batch.has_rows() && (widened || late || !may_end);
            judged.schema = Some(Arc::clone(&self.load.schema));
        }
        self.load.schema = before;
        judged.publish = judged.schema.is_some() && batch.has_rows() && !judged.again;
        Ok(judged)
    }

    async fn decode_again(&self, piece: &FilePiece) -> Result<Decoded, MovementError> {
        let (content, schema) = (piece.content.clone(), Arc::clone(&self.load.schema));
        let rules = Arc::clone(&self.load.rules);
        let work = tokio::task::spawn_blocking(move || decode_content(&content, &schema, &rules));
        let lost = || MovementError::Internal("a piece lost its rows".to_owned());
        work.await.map_err(ended_early)?.ok_or_else(lost)
    }
}

fn ended_early(error: tokio::task::JoinError) -> MovementError {
    MovementError::Internal(format!("a decoder ended early: {error}"))
}
