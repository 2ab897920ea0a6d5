//! Loading one stream: claim its lease, read batch after batch, publish each in one ledger
//! transaction, release.

mod batch;
mod drift;
mod fold;
mod from_files;
mod from_rest;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use base::limits::TABLE_COLUMNS_MAX;
use base::{Clocks, EnvironmentName, Files, LoadAccount, Position, StreamName, TableName};
use ledger::{Attempt, Claim, Lease, Ledger, SchemaChange};
use project::ingest::{DeclaredColumn, IngestSource, Stream, StreamKind};
use storage::{Lake, LakeTable};
use tokio_util::sync::CancellationToken;

use crate::MovementError;
use crate::decode::DecodeRules;
use crate::schema::{ServiceColumns, StreamSchema};
pub use drift::RenameProposal;

/// Property of a table that names the columns that hold JSON text.
const JSON_COLUMNS_PROPERTY: &str = "fiveply.json-columns";

/// How much is read before it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadLimits {
    /// Rows of one batch.
    pub batch_rows: u64,
    /// Bytes of one batch, as the source has them.
    pub batch_bytes: u64,
    /// Chunks that are decoded at one time.
    pub decode_threads: usize,
}

impl Default for LoadLimits {
    fn default() -> Self {
        Self { batch_rows: 2_000_000, batch_bytes: 1024 * 1024 * 1024, decode_threads: 2 }
    }
}

/// How far a load has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadProgress {
    /// Rows read.
    pub read: u64,
    /// Rows rejected.
    pub rejected: u64,
    /// Bytes read, as the source has them.
    pub bytes: u64,
    /// Batches published.
    pub batches: u64,
}

/// Is told how far a load has come; called often, from the load's own task.
pub trait ProgressListener: Send + Sync + std::fmt::Debug {
    /// Some rows were read or published.
    fn progressed(&self, stream: &StreamName, progress: LoadProgress);
}

/// What a load needs besides the stream.
#[derive(Clone, Debug)]
pub struct LoadContext {
    /// Where pointers and positions are.
    pub ledger: Ledger,
    /// Where tables are.
    pub lake: Lake,
    /// The environment whose tables are loaded.
    pub environment: EnvironmentName,
    /// The attempt this is part of; none outside a run.
    pub attempt: Option<Attempt>,
    /// The source's files.
    pub files: Arc<dyn Files>,
    /// Both clocks.
    pub clocks: Clocks,
    /// The folder that relative paths of connections start from.
    pub project_root: PathBuf,
    /// Asks the load to stop.
    pub cancel: CancellationToken,
    /// How much is read before it is published.
    pub limits: LoadLimits,
    /// Who is told how far it has come.
    pub progress: Option<Arc<dyn ProgressListener>>,
}

/// What a load did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOutcome {
    /// The table.
    pub table: TableName,
    /// The table of rejected rows, if this load rejected any.
    pub rejects_table: Option<TableName>,
    /// What became of the rows of all batches.
    pub account: LoadAccount,
    /// Batches published.
    pub batches: u64,
    /// The metadata file of the table's version after the load; none when the table does not
    /// exist yet.
    pub metadata_location: Option<String>,
    /// Rows of the table after the load.
    pub rows: u64,
    /// What changed in the table's schema.
    pub schema_changes: Vec<SchemaChange>,
    /// Columns that seem to have another name now.
    pub renames: Vec<RenameProposal>,
    /// Files that changed after they were read; what changed in them is not loaded.
    pub changed_files: Vec<String>,
    /// Files that were being written; the next load reads them.
    pub unstable_files: u64,
    /// Files read to their end.
    pub files: u64,
}

/// Loads what is new in a stream.
///
/// # Errors
/// When another process loads it, the source or the lake fails, or a policy of the stream stops
/// it. Batches that were published before stay, and the next load goes on behind them.
pub async fn load_stream(
    context: &LoadContext,
    source: &IngestSource,
    stream: &Stream,
) -> Result<LoadOutcome, MovementError> {
    let node = source.node_id(stream);
    let run = context.attempt.as_ref().map(|attempt| &attempt.run);
    let lease = match context.ledger.claim(&context.environment, &node, run).await? {
        Claim::Granted(lease) => lease,
        Claim::Held { by, .. } => {
            return Err(MovementError::Held { stream: source.stream_name(stream), by });
        }
    };
    let work = Box::pin(load_held(context, source, stream, &lease));
    let loaded = context.ledger.hold(&lease, work).await;
    let released = context.ledger.release(&lease).await;
    let outcome = loaded??;
    released?;
    Ok(outcome)
}

async fn load_held(
    context: &LoadContext,
    source: &IngestSource,
    stream: &Stream,
    lease: &Lease,
) -> Result<LoadOutcome, MovementError> {
    let mut load = Load::open(context, source, stream, lease).await?;
    Box::pin(load.fold_renamed()).await?;
    match &stream.kind {
        StreamKind::Files(files) => Box::pin(from_files::run(&mut load, files)).await?,
        StreamKind::Rest(rest) => Box::pin(from_rest::run(&mut load, rest)).await?,
    }
    load.create_declared().await?;
    Ok(load.finish())
}

/// A load under way.
struct Load<'a> {
    context: &'a LoadContext,
    source: &'a IngestSource,
    stream: &'a Stream,
    lease: &'a Lease,
    name: StreamName,
    /// The table's present version.
    table: Option<LakeTable>,
    schema: Arc<StreamSchema>,
    rules: Arc<DecodeRules>,
    /// The position as the ledger has it.
    position: Option<Position>,
    /// Whether the attempt ends with the next batch, in the same ledger transaction: killed behind
    /// it, the load is done, and nothing is asked of the source again.
    ends_attempt: bool,
    progress: LoadProgress,
    outcome: LoadOutcome,
}

impl<'a> Load<'a> {
    async fn open(
        context: &'a LoadContext,
        source: &'a IngestSource,
        stream: &'a Stream,
        lease: &'a Lease,
    ) -> Result<Self, MovementError> {
        let name = source.stream_name(stream);
        let table_name = source.table(stream);
        let table = context.lake.open(&context.ledger, &context.environment, &table_name).await?;
        let position = context.ledger.position(&context.environment, &name).await?;
        let schema = schema_of(table.as_ref(), stream);
        let rules = DecodeRules {
            policy: stream.schema_change,
            drop: stream.drop.iter().cloned().collect(),
            rename: stream.rename.clone().into_iter().collect::<HashMap<_, _>>(),
            null_values: match &stream.kind {
                StreamKind::Files(files) => files.csv.null_values.clone(),
                StreamKind::Rest(_) => Vec::new(),
            },
            loaded_at_micros: context.clocks.business.now().timestamp_micros(),
            first: table.is_none(),
        };
        let outcome = LoadOutcome {
            table: table_name,
            rejects_table: None,
            account: LoadAccount::default(),
            batches: 0,
            metadata_location: None,
            rows: 0,
            schema_changes: Vec::new(),
            renames: Vec::new(),
            changed_files: Vec::new(),
            unstable_files: 0,
            files: 0,
        };
        Ok(Self {
            context,
            source,
            stream,
            lease,
            name,
            table,
            schema: Arc::new(schema),
            rules: Arc::new(rules),
            position,
            ends_attempt: false,
            progress: LoadProgress::default(),
            outcome,
        })
    }

    fn check_cancelled(&self) -> Result<(), MovementError> {
        if self.context.cancel.is_cancelled() {
            return Err(MovementError::Cancelled { stream: self.name.clone() });
        }
        Ok(())
    }

    fn check_columns(&self, schema: &StreamSchema) -> Result<(), MovementError> {
        if schema.arrow().fields().len() > TABLE_COLUMNS_MAX {
            let (stream, limit) = (self.name.clone(), TABLE_COLUMNS_MAX);
            return Err(MovementError::TooManyColumns { stream, limit });
        }
        Ok(())
    }

    fn tell_progress(&self) {
        if let Some(listener) = &self.context.progress {
            listener.progressed(&self.name, self.progress);
        }
    }

    /// A source without rows yet still has the columns the user gave, so that models find them.
    async fn create_declared(&mut self) -> Result<(), MovementError> {
        if self.table.is_some() || self.schema.columns.is_empty() {
            return Ok(());
        }
        let batch = batch::Batch::empty_table(self)?;
        let position = self.position.clone();
        self.commit(batch, position).await
    }

    fn finish(mut self) -> LoadOutcome {
        if let Some(table) = &self.table {
            self.outcome.metadata_location = Some(table.metadata_location().to_owned());
            self.outcome.rows = table.row_count();
        }
        self.outcome
    }
}

/// What the table has, under the names the stream's `rename` gives, and what the user declared.
fn schema_of(table: Option<&LakeTable>, stream: &Stream) -> StreamSchema {
    let properties = table.map(|table| table.metadata().properties());
    let json = properties.and_then(|properties| properties.get(JSON_COLUMNS_PROPERTY));
    let json: Vec<&str> = json.map(|names| names.split(',').collect()).unwrap_or_default();
    let service = match stream.kind {
        StreamKind::Files(_) => ServiceColumns::Files,
        StreamKind::Rest(_) => ServiceColumns::Rest,
    };
    let arrow = table.map(|table| table.arrow_schema().as_ref());
    let declared: &[DeclaredColumn] = &stream.columns;
    // Renamed first, so that a type declared under the new name finds the old column.
    let mut schema = StreamSchema::new(arrow, &json, service);
    for (field, column) in &stream.rename {
        if schema.place(field).is_some() && schema.place(column).is_none() {
            schema = schema.renamed(field, column);
        }
    }
    schema.declared(declared)
}
