//! A new table version in the making: rows are taken, files are written, nobody points to them yet.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema as ArrowSchema, SchemaRef as ArrowSchemaRef};
use base::fault::KillPoint;
use base::limits::REWRITE_DELETED_PERCENT;
use base::system::kill_point;
use base::{CommitId, EnvironmentName, NodeId, RunId, TableName};
use chrono::{DateTime, Utc};
use ledger::SchemaChange;

use crate::commit::{Changes, Plan, Target};
use crate::conform::{Matching, conform_batch};
use crate::evolve::{Evolution, SchemaEdit};
use crate::keyed::{KeyedRows, Repeats};
use crate::partition::PartitionField;
use crate::schema::rows_fit;
use crate::write::DataWriter;
use crate::{Lake, LakeTable, Result, Staged, StorageError};

/// Bytes below which a data file with deleted rows is rewritten rather than given a delete file.
const SMALL_FILE_BYTES: u64 = 256 * 1024;

/// What the rows do to the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// They are added.
    Append,
    /// They take the place of all rows.
    ReplaceAll,
    /// They take the place of all rows in the partitions they belong to.
    ReplacePartitions,
    /// Each takes the place of the row with its key, or is added. The last row of a key wins.
    Upsert {
        /// The columns that make the key.
        keys: Vec<String>,
    },
    /// All rows with one of their keys go away, and all of these are added, also several of one
    /// key: what SQL calls delete and insert.
    ReplaceKeys {
        /// The columns that make the key.
        keys: Vec<String>,
    },
    /// As SQL's MERGE: each takes the place of the row with its key, or is added. Several rows of
    /// one key are an error where the table has such a row, and are all added where it has none.
    Merge {
        /// The columns that make the key.
        keys: Vec<String>,
    },
    /// Each takes away the row with its key; other columns are not looked at.
    DeleteKeys {
        /// The columns that make the key.
        keys: Vec<String>,
    },
}

/// When a data file with deleted rows is written anew, without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewritePolicy {
    /// Beyond this share of deleted rows, in percent.
    pub deleted_percent: u64,
    /// Below this size.
    pub small_file_bytes: u64,
}

impl Default for RewritePolicy {
    fn default() -> Self {
        Self { deleted_percent: REWRITE_DELETED_PERCENT, small_file_bytes: SMALL_FILE_BYTES }
    }
}

/// What a new version says about itself.
#[derive(Clone, Debug)]
pub struct StageOptions {
    /// The ledger transaction that will publish it.
    pub commit: CommitId,
    /// The run.
    pub run: Option<RunId>,
    /// The node.
    pub node: Option<NodeId>,
    /// How far the source was read, as text.
    pub position: Option<String>,
    /// The code that makes the rows.
    pub code_fingerprint: Option<String>,
    /// When, by the business clock; none is now.
    pub business_time: Option<DateTime<Utc>>,
    /// Table properties to set.
    pub properties: BTreeMap<String, String>,
    /// How new rows are partitioned; none leaves it as it is.
    pub partition: Option<Vec<PartitionField>>,
    /// The metadata file of a view that a new table takes the place of.
    pub replaces: Option<String>,
    /// When data files with deleted rows are written anew.
    pub rewrite: RewritePolicy,
    /// Columns that say how a row came rather than what it is: an upsert whose row differs in
    /// nothing else leaves the old row in place.
    pub uncompared: Vec<String>,
}

impl StageOptions {
    /// Options for a commit, everything else left open.
    pub fn new(commit: CommitId) -> Self {
        Self {
            commit,
            run: None,
            node: None,
            position: None,
            code_fingerprint: None,
            business_time: None,
            properties: BTreeMap::new(),
            partition: None,
            replaces: None,
            rewrite: RewritePolicy::default(),
            uncompared: Vec::new(),
        }
    }
}

/// Takes rows for a new version of a table.
#[derive(Debug)]
pub struct Stage {
    lake: Lake,
    environment: EnvironmentName,
    name: TableName,
    base: Option<LakeTable>,
    options: StageOptions,
    mode: WriteMode,
    evolution: Evolution,
    open: Option<Open>,
    written_rows: u64,
}

/// What is fixed once the first rows came.
#[derive(Debug)]
struct Open {
    target: Target,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Files(Box<DataWriter>),
    Keyed(Box<KeyedRows>),
}

impl Stage {
    pub(crate) fn new(
        lake: &Lake,
        environment: &EnvironmentName,
        name: &TableName,
        base: Option<&LakeTable>,
        options: StageOptions,
    ) -> Self {
        let schema = base.map(|base| base.schema().as_ref());
        let last_column_id = base.map_or(0, |base| base.metadata().last_column_id());
        Self {
            lake: lake.clone(),
            environment: environment.clone(),
            name: name.clone(),
            base: base.cloned(),
            options,
            mode: WriteMode::Append,
            evolution: Evolution::new(name, schema, last_column_id),
            open: None,
            written_rows: 0,
        }
    }

    /// Says what the rows do to the table; [`WriteMode::Append`] unless said otherwise.
    ///
    /// # Errors
    /// When rows were written already.
    pub fn mode(&mut self, mode: WriteMode) -> Result<()> {
        self.still_closed("the mode is set before the first rows")?;
        self.mode = mode;
        Ok(())
    }

    /// Changes the schema by one step. Old files stay as they are.
    ///
    /// # Errors
    /// When the change would make old rows unreadable, or rows were written already.
    pub fn evolve(&mut self, edit: &SchemaEdit) -> Result<()> {
        self.still_closed("the schema is changed before the first rows")?;
        self.evolution.apply(edit)
    }

    /// Adds and widens columns until rows of this schema fit; nothing is dropped. Tells what it
    /// did.
    ///
    /// # Errors
    /// When a column of the rows has a type that the table's cannot be widened to.
    pub fn evolve_to(&mut self, rows: &ArrowSchema) -> Result<Vec<SchemaChange>> {
        self.still_closed("the schema is changed before the first rows")?;
        let before = self.evolution.changes.len();
        self.evolution.fit(rows)?;
        Ok(self.evolution.changes[before..].to_vec())
    }

    /// Gives the table exactly the columns of these rows, in their order, as a model that is
    /// built anew has it. A column whose type fits keeps its field id, any other is a new one.
    ///
    /// # Errors
    /// When the mode keeps rows, or a column has a type that tables cannot hold.
    pub fn replace_schema(&mut self, rows: &ArrowSchema) -> Result<Vec<SchemaChange>> {
        self.still_closed("the schema is changed before the first rows")?;
        if self.base.is_some() && self.mode != WriteMode::ReplaceAll {
            return Err(self.refuse("the schema is replaced only together with all rows"));
        }
        let before = self.evolution.changes.len();
        self.evolution.replace(rows)?;
        Ok(self.evolution.changes[before..].to_vec())
    }

    /// The schema in which rows are taken: those of the table after all changes so far.
    ///
    /// # Errors
    /// When the table is new and nothing told its columns yet.
    pub fn arrow_schema(&mut self) -> Result<ArrowSchemaRef> {
        Ok(Arc::clone(&self.open()?.target.shape))
    }

    /// Schema changes so far; the columns of a new table are none.
    pub fn schema_changes(&self) -> &[SchemaChange] {
        if self.base.is_some() { &self.evolution.changes } else { &[] }
    }

    /// Rows taken so far.
    pub fn written_rows(&self) -> u64 {
        self.written_rows
    }

    /// Takes rows. Columns are found by name, absent ones are NULL; a column the table does not
    /// have is an error, never dropped.
    ///
    /// # Errors
    /// When the rows do not fit the table, or the disk refuses.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let delete = matches!(self.mode, WriteMode::DeleteKeys { .. });
        self.take(batch, delete).await
    }

    /// Takes keys whose rows go away, in order with the rows of [`Stage::write`]: of several
    /// changes to one key the last one counts.
    ///
    /// # Errors
    /// When the mode has no keys, or as [`Stage::write`].
    pub async fn delete(&mut self, batch: RecordBatch) -> Result<()> {
        match self.mode {
            WriteMode::Upsert { .. } | WriteMode::DeleteKeys { .. } => self.take(batch, true).await,
            WriteMode::Append
            | WriteMode::ReplaceAll
            | WriteMode::ReplacePartitions
            | WriteMode::ReplaceKeys { .. }
            | WriteMode::Merge { .. } => {
                Err(self.refuse("rows are deleted by key only in the modes that have keys"))
            }
        }
    }

    async fn take(&mut self, batch: RecordBatch, delete: bool) -> Result<()> {
        if self.open.is_none() && self.evolution.is_empty() {
            self.evolution.fit(batch.schema_ref())?;
        }
        self.open()?;
        self.check_columns(&batch)?;
        let (lake, label) = (self.lake.clone(), self.name.to_string());
        let Some(open) = &mut self.open else { return Ok(()) };
        let rows = match &mut open.rows {
            Rows::Keyed(keyed) if delete => keyed.delete(&label, &batch)?,
            Rows::Keyed(keyed) => {
                let shaped = conform_batch(&label, &batch, &open.target.shape, Matching::Name)?;
                keyed.upsert(&lake, shaped).await?
            }
            Rows::Files(writer) => {
                let shaped = conform_batch(&label, &batch, &open.target.shape, Matching::Name)?;
                writer.write(&shaped).await?;
                shaped.num_rows()
            }
        };
        self.written_rows += rows as u64;
        Ok(())
    }

    /// A column that would be lost, or turned into something else, is an error.
    fn check_columns(&self, batch: &RecordBatch) -> Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        let mut seen = HashSet::new();
        for found in batch.schema_ref().fields() {
            if !seen.insert(found.name()) {
                let reason = format!("the rows have column \"{}\" twice", found.name());
                return Err(self.refuse(&reason));
            }
            let Some(column) = open.target.schema().field_by_name(found.name()) else {
                return Err(StorageError::NoColumn {
                    table: self.name.to_string(),
                    column: found.name().clone(),
                    columns: crate::evolve::names(open.target.schema().as_struct().fields()),
                });
            };
            let fits = match column.field_type.as_primitive_type() {
                Some(kind) => rows_fit(found, kind),
                None => {
                    let schema = open.target.schema();
                    let mut trial = Evolution::new(&self.name, Some(schema), i32::MAX / 2);
                    trial.fit(&ArrowSchema::new(vec![Arc::clone(found)]))?;
                    trial.changes.is_empty()
                }
            };
            if !fits {
                return Err(StorageError::ColumnType {
                    table: self.name.to_string(),
                    column: found.name().clone(),
                    expected: column.field_type.to_string(),
                    found: found.data_type().to_string(),
                });
            }
        }
        Ok(())
    }

    fn open(&mut self) -> Result<&mut Open> {
        if self.open.is_none() {
            self.open = Some(self.make_open()?);
        }
        match &mut self.open {
            Some(open) => Ok(open),
            None => Err(StorageError::Internal("a stage that was opened is closed".to_owned())),
        }
    }

    fn make_open(&self) -> Result<Open> {
        if self.evolution.is_empty() {
            return Err(self.refuse("a new table needs columns: write rows or give a schema"));
        }
        let base = self.base.as_ref();
        if let Some(base) = base
            && base.snapshot_id() != base.metadata().current_snapshot_id()
        {
            return Err(self.refuse("a new version is made from the present one only"));
        }
        let target =
            Target::new(&self.lake, &self.name, base, &self.options, self.evolution.build()?)?;
        let rows = match &self.mode {
            WriteMode::Append | WriteMode::ReplaceAll | WriteMode::ReplacePartitions => {
                Rows::Files(Box::new(target.writer(&self.lake)?))
            }
            WriteMode::Upsert { keys } | WriteMode::DeleteKeys { keys } => {
                self.keyed(&target, keys, Repeats::LastWins)?
            }
            WriteMode::ReplaceKeys { keys } => self.keyed(&target, keys, Repeats::KeepAll)?,
            WriteMode::Merge { keys } => self.keyed(&target, keys, Repeats::RefuseMatched)?,
        };
        Ok(Open { target, rows })
    }

    fn keyed(&self, target: &Target, keys: &[String], repeats: Repeats) -> Result<Rows> {
        let keyed = KeyedRows::new(&self.name, &target.shape, keys, repeats)?;
        Ok(Rows::Keyed(Box::new(keyed)))
    }

    fn still_closed(&self, reason: &str) -> Result<()> {
        if self.open.is_none() { Ok(()) } else { Err(self.refuse(reason)) }
    }

    fn refuse(&self, reason: &str) -> StorageError {
        StorageError::Mode { table: self.name.to_string(), reason: reason.to_owned() }
    }

    /// Writes what is left, then manifests and metadata, all synced. The version can be read at
    /// once; a pointer names it only after the ledger's transaction.
    ///
    /// # Errors
    /// When the disk refuses, or the table's own files cannot be read.
    pub async fn finish(mut self) -> Result<Staged> {
        self.open()?;
        let schema_changes = self.schema_changes().to_vec();
        let Some(Open { target, rows }) = self.open.take() else {
            return Err(StorageError::Internal("a stage that was opened is closed".to_owned()));
        };
        let plan = Plan {
            lake: self.lake,
            environment: self.environment,
            name: self.name,
            base: self.base,
            options: self.options,
            target,
            schema_changes,
        };
        let changes = match rows {
            Rows::Keyed(keyed) => crate::merge::merge(&plan, *keyed).await?,
            Rows::Files(writer) => {
                let rows = writer.rows();
                let files = writer.finish().await?;
                match self.mode {
                    WriteMode::ReplaceAll => Changes::replace_all(&plan, files, rows).await?,
                    WriteMode::ReplacePartitions => {
                        Changes::replace_partitions(&plan, files, rows).await?
                    }
                    WriteMode::Append
                    | WriteMode::Upsert { .. }
                    | WriteMode::ReplaceKeys { .. }
                    | WriteMode::Merge { .. }
                    | WriteMode::DeleteKeys { .. } => Changes::append(&plan, files, rows),
                }
            }
        };
        kill_point(KillPoint::DataFilesWritten);
        plan.commit(changes).await
    }
}
