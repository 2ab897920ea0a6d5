//! One batch: rows go into a stage in the dark, rejects into one of their own, and one ledger
//! transaction publishes both with the position and the account.

use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use base::fault::KillPoint;
use base::system::kill_point;
use base::{CommitId, LoadAccount, Position, TableName};
use ledger::{AttemptEnd, Commit, LedgerError};
use storage::{LakeTable, SchemaEdit, Stage, StageOptions, WriteMode};

use super::{JSON_COLUMNS_PROPERTY, Load};
use crate::MovementError;
use crate::decode::Decoded;
use crate::rejects::{Reject, rejects_batch, rejects_schema};
use crate::schema::{FILE_COLUMN, LINE_COLUMN, LOADED_COLUMN};

/// Rejects that wait in memory before they are written.
const REJECTS_WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Rejects that an error message shows.
const EXAMPLES_MAX: usize = 3;
/// Looks at the ledger before an unknown outcome is handed on.
const SETTLE_TRIES_MAX: u32 = 5;
const SETTLE_PAUSE: Duration = Duration::from_millis(200);

/// What is read and not published yet.
pub(super) struct Batch {
    id: CommitId,
    stage: Option<Stage>,
    rejects_stage: Option<Stage>,
    waiting: Vec<Reject>,
    waiting_bytes: usize,
    examples: Vec<String>,
    /// Rows read, rejected ones among them.
    pub(super) read: u64,
    rejected: u64,
    /// Bytes read, as the source has them.
    pub(super) bytes: u64,
    /// Whether every row of the table goes when this batch is published.
    replace: bool,
}

impl Batch {
    pub(super) fn new(load: &Load<'_>) -> Self {
        Self {
            id: load.context.ledger.new_commit_id(),
            stage: None,
            rejects_stage: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
            examples: Vec::new(),
            read: 0,
            rejected: 0,
            bytes: 0,
            replace: false,
        }
    }

    /// A batch whose rows take the place of all rows.
    pub(super) fn replacing(load: &Load<'_>) -> Self {
        Self { replace: true, ..Self::new(load) }
    }

    /// A batch that makes the table and no rows.
    pub(super) fn empty_table(load: &Load<'_>) -> Result<Self, MovementError> {
        let mut batch = Self::new(load);
        batch.stage(load)?;
        Ok(batch)
    }

    /// Whether rows were handed to the lake already: their columns and types stand.
    pub(super) fn has_rows(&self) -> bool {
        self.stage.is_some()
    }

    /// Whether its rows take the place of all rows.
    pub(super) fn replaces(&self) -> bool {
        self.replace
    }

    pub(super) fn is_full(&self, load: &Load<'_>) -> bool {
        let limits = load.context.limits;
        self.read >= limits.batch_rows || self.bytes >= limits.batch_bytes
    }

    /// How versions of the stream's tables are made in a commit.
    pub(super) fn options(load: &Load<'_>, id: CommitId) -> StageOptions {
        let mut options = StageOptions::new(id);
        options.run = load.context.attempt.as_ref().map(|attempt| attempt.run.clone());
        options.node = Some(load.source.node_id(load.stream));
        options.business_time = Some(load.context.clocks.business.now());
        options.uncompared = [FILE_COLUMN, LINE_COLUMN, LOADED_COLUMN].map(str::to_owned).into();
        options
    }

    fn stage(&mut self, load: &Load<'_>) -> Result<&mut Stage, MovementError> {
        if self.stage.is_none() {
            self.stage = Some(self.open_stage(load)?);
        }
        let missing = || MovementError::Internal("a stage was opened and is gone".to_owned());
        self.stage.as_mut().ok_or_else(missing)
    }

    fn open_stage(&self, load: &Load<'_>) -> Result<Stage, MovementError> {
        let mut options = Self::options(load, self.id.clone());
        let json = load.schema.json_columns();
        if !json.is_empty() {
            options.properties.insert(JSON_COLUMNS_PROPERTY.to_owned(), json);
        }
        let (context, base) = (load.context, load.table.as_ref());
        let mut stage =
            context.lake.stage(&context.environment, &load.outcome.table, base, options);
        stage.mode(self.mode(load)?)?;
        if let Some(base) = base {
            let has = |name: &str| base.arrow_schema().field_with_name(name).is_ok();
            for (from, to) in &load.stream.rename {
                if has(from) && !has(to) {
                    let (from, to) = (from.clone(), to.clone());
                    stage.evolve(&SchemaEdit::RenameColumn { from, to })?;
                }
            }
        }
        stage.evolve_to(load.schema.arrow())?;
        Ok(stage)
    }

    fn mode(&self, load: &Load<'_>) -> Result<WriteMode, MovementError> {
        let keys = load.stream.primary_key.clone();
        if let Some(key) = keys.iter().find(|key| load.schema.place(key).is_none()) {
            let reason = format!(
                "stream \"{}\" has no column \"{key}\", which \"primary_key\" names; it has {}",
                load.name,
                load.schema.names()
            );
            return Err(MovementError::Settings { reason });
        }
        if self.replace {
            return Ok(WriteMode::ReplaceAll);
        }
        Ok(if keys.is_empty() { WriteMode::Append } else { WriteMode::Upsert { keys } })
    }

    /// Takes the rows and rejects of a chunk.
    pub(super) async fn take(
        &mut self,
        load: &Load<'_>,
        decoded: Decoded,
    ) -> Result<(), MovementError> {
        self.read += decoded.read;
        if decoded.rows.num_rows() > 0 {
            self.stage(load)?.write(decoded.rows).await?;
        }
        for reject in decoded.rejects {
            self.reject(load, reject).await?;
        }
        Ok(())
    }

    /// Takes the keys of rows that the source deleted.
    pub(super) async fn delete(
        &mut self,
        load: &Load<'_>,
        keys: RecordBatch,
    ) -> Result<(), MovementError> {
        self.read += keys.num_rows() as u64;
        if keys.num_rows() > 0 {
            self.stage(load)?.delete(keys).await?;
        }
        Ok(())
    }

    /// Takes a reject whose rows are not counted as read yet.
    pub(super) async fn take_reject(
        &mut self,
        load: &Load<'_>,
        reject: Reject,
    ) -> Result<(), MovementError> {
        self.read += reject.rows;
        self.reject(load, reject).await
    }

    async fn reject(&mut self, load: &Load<'_>, reject: Reject) -> Result<(), MovementError> {
        self.rejected += reject.rows;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(reject.summary());
        }
        self.waiting_bytes += reject.source.len() + reject.reason.len();
        self.waiting.push(reject);
        if self.waiting_bytes >= REJECTS_WAITING_BYTES_MAX {
            self.write_rejects(load).await?;
        }
        Ok(())
    }

    async fn write_rejects(&mut self, load: &Load<'_>) -> Result<(), MovementError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let context = load.context;
        if self.rejects_stage.is_none() {
            let name = rejects_table(load);
            let base = context.lake.open(&context.ledger, &context.environment, &name).await?;
            let options = Self::options(load, self.id.clone());
            let mut stage = context.lake.stage(&context.environment, &name, base.as_ref(), options);
            stage.evolve_to(&rejects_schema())?;
            self.rejects_stage = Some(stage);
        }
        let run = context.attempt.as_ref().map(|attempt| attempt.run.as_str());
        let rows = rejects_batch(&self.waiting, run, load.rules.loaded_at_micros)?;
        self.waiting.clear();
        self.waiting_bytes = 0;
        if let Some(stage) = &mut self.rejects_stage {
            stage.write(rows).await?;
        }
        Ok(())
    }

    fn complete(&self, mut account: LoadAccount) -> LoadAccount {
        account.rejected = self.rejected;
        account.read = self.read;
        account
    }
}

fn rejects_table(load: &Load<'_>) -> TableName {
    load.outcome.table.rejects()
}

impl Load<'_> {
    /// Publishes a batch and moves the position, in one ledger transaction.
    pub(super) async fn commit(
        &mut self,
        batch: Batch,
        position: Option<Position>,
    ) -> Result<(), MovementError> {
        Box::pin(self.commit_batch(batch, position)).await
    }

    async fn commit_batch(
        &mut self,
        mut batch: Batch,
        position: Option<Position>,
    ) -> Result<(), MovementError> {
        kill_point(KillPoint::BatchRead);
        self.check_reject_limit(&batch)?;
        batch.write_rejects(self).await?;
        if batch.replace && self.table.is_some() {
            // A list that became empty empties the table.
            batch.stage(self)?;
        }
        let mut commit = self.new_commit(batch.id.clone());
        let mut account = LoadAccount::default();
        let mut published = None;
        if let Some(stage) = batch.stage.take() {
            let mut staged = stage.finish().await?;
            account = batch.complete(staged.merge.load_account());
            if staged.changed() {
                staged.version.load = Some(account);
                commit = staged.into_commit(commit);
                self.outcome.schema_changes.extend(staged.schema_changes.iter().cloned());
                published = Some(staged.table);
            } else if account.read > 0 {
                commit = commit.load(self.outcome.table.clone(), account);
            }
        } else if batch.read > 0 {
            account = batch.complete(account);
            commit = commit.load(self.outcome.table.clone(), account);
        }
        if let Some(stage) = batch.rejects_stage.take() {
            commit = stage.finish().await?.into_commit(commit);
            self.outcome.rejects_table = Some(rejects_table(self));
        }
        let moved = position.filter(|new| self.position.as_ref() != Some(new));
        if let Some(new) = &moved {
            commit = commit.position(self.name.clone(), self.position.clone(), new.clone());
        } else if commit.swings.is_empty() && commit.loads.is_empty() {
            return Ok(());
        }
        if let (true, Some(attempt)) = (self.ends_attempt, &self.context.attempt) {
            let rows = published.as_ref().or(self.table.as_ref()).map_or(0, LakeTable::row_count);
            commit = commit.end(attempt.clone(), AttemptEnd::succeeded(Some(rows)));
        }
        self.publish(&commit).await?;
        kill_point(KillPoint::SourceAcknowledged);
        self.position = moved.or(self.position.take());
        self.after_commit(account, published);
        Ok(())
    }

    /// A commit of this load that does nothing yet.
    pub(super) fn new_commit(&self, id: CommitId) -> Commit {
        let environment = self.context.environment.clone();
        let commit = Commit::new(id, environment).lease(self.lease.clone());
        match &self.context.attempt {
            Some(attempt) => commit.attempt(attempt),
            None => commit.node(self.source.node_id(self.stream)),
        }
    }

    fn after_commit(&mut self, account: LoadAccount, published: Option<LakeTable>) {
        if let Some(table) = published {
            self.table = Some(table);
            self.schema = Arc::new(self.schema.all_committed());
            if self.rules.first {
                let mut rules = self.rules.as_ref().clone();
                rules.first = false;
                self.rules = Arc::new(rules);
            }
        }
        self.outcome.account.add(&account);
        self.outcome.batches += 1;
        self.progress.batches += 1;
        self.tell_progress();
    }

    /// Commits; an answer that was lost is settled by the commit's id before anything else.
    pub(super) async fn publish(&self, commit: &Commit) -> Result<(), MovementError> {
        let mut answer = self.context.ledger.commit(commit).await;
        for _try in 0..SETTLE_TRIES_MAX {
            let Err(LedgerError::OutcomeUnknown { .. }) = &answer else { break };
            tokio::time::sleep(SETTLE_PAUSE).await;
            // The same id commits at most once, whatever became of the first try.
            answer = self.context.ledger.commit(commit).await;
        }
        answer.map(drop).map_err(MovementError::from)
    }

    fn check_reject_limit(&self, batch: &Batch) -> Result<(), MovementError> {
        let rejected = self.outcome.account.rejected + batch.rejected;
        let read = self.outcome.account.read + batch.read;
        if !self.stream.reject_limit.exceeded(rejected, read) {
            return Ok(());
        }
        Err(MovementError::RejectLimit {
            stream: self.name.clone(),
            rejected,
            read,
            examples: batch.examples.join("; "),
        })
    }
}
