//! The incoming side of an upsert: rows by key, the last change of a key standing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{Schema as ArrowSchema, SchemaRef as ArrowSchemaRef};
use arrow::row::{RowConverter, Rows, SortField};
use base::TableName;

use crate::conform::{Matching, conform_batch};
use crate::spool::{Place, Spool};
use crate::{Lake, Result, StorageError};

/// What stands for a key at the end of the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// This row takes the place of what the table holds.
    Upsert(Place),
    /// What the table holds goes away.
    Delete,
}

/// What becomes of several rows with one key in the same step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// The last one stands.
    LastWins,
    /// All of them stand.
    KeepAll,
    /// All of them stand where the table has no such row; where it has one, which of them would
    /// replace it is not defined, and the step fails.
    RefuseMatched,
}

/// A key and what becomes of it.
#[derive(Clone, Debug)]
pub(crate) struct KeyState {
    pub(crate) action: Action,
    /// Incoming rows with the key that stand.
    pub(crate) rows: u32,
    /// Rows of the table that have the key.
    pub(crate) matches: u32,
    /// Whether the table's row equals the incoming one.
    pub(crate) unchanged: bool,
}

/// Incoming rows and keys.
#[derive(Debug)]
pub(crate) struct KeyedRows {
    table: String,
    repeats: Repeats,
    key_shape: ArrowSchemaRef,
    key_columns: Vec<usize>,
    converter: RowConverter,
    pub(crate) spool: Spool,
    /// For each spooled row whether it is still to be written.
    pub(crate) standing: Vec<Vec<bool>>,
    keys: HashMap<Box<[u8]>, u32>,
    pub(crate) states: Vec<KeyState>,
    /// Changes that a later change of the same key took the place of.
    pub(crate) deduplicated: u64,
    /// Rows with a NULL in the key: they match nothing and are all inserted.
    pub(crate) keyless_rows: u64,
    /// Deletes with a NULL in the key: they match nothing.
    pub(crate) keyless_deletes: u64,
}

impl KeyedRows {
    pub(crate) fn new(
        table: &TableName,
        shape: &ArrowSchemaRef,
        keys: &[String],
        repeats: Repeats,
    ) -> Result<Self> {
        let refuse = |reason: String| StorageError::Mode { table: table.to_string(), reason };
        if keys.is_empty() {
            return Err(refuse("an upsert needs at least one key column".to_owned()));
        }
        let mut key_columns = Vec::with_capacity(keys.len());
        for key in keys {
            let Ok(place) = shape.index_of(key) else {
                let names: Vec<_> =
                    shape.fields().iter().map(|field| format!("\"{}\"", field.name())).collect();
                return Err(StorageError::NoColumn {
                    table: table.to_string(),
                    column: key.clone(),
                    columns: names.join(", "),
                });
            };
            if shape.field(place).data_type().is_nested() {
                return Err(refuse(format!("key column \"{key}\" holds more than one value")));
            }
            if key_columns.contains(&place) {
                return Err(refuse(format!("key column \"{key}\" is named twice")));
            }
            key_columns.push(place);
        }
        let key_shape = Arc::new(shape.project(&key_columns)?);
        let fields = key_shape.fields().iter();
        let fields = fields.map(|field| SortField::new(field.data_type().clone())).collect();
        Ok(Self {
            table: table.to_string(),
            repeats,
            key_shape: nullable(&key_shape),
            key_columns,
            converter: RowConverter::new(fields)?,
            spool: Spool::default(),
            standing: Vec::new(),
            keys: HashMap::new(),
            states: Vec::new(),
            deduplicated: 0,
            keyless_rows: 0,
            keyless_deletes: 0,
        })
    }

    /// The key columns, as files are asked for them.
    pub(crate) fn key_shape(&self) -> &ArrowSchemaRef {
        &self.key_shape
    }

    /// Keys in the form in which they are compared; none for a NULL.
    pub(crate) fn encode(&self, columns: &[ArrayRef]) -> Result<(Rows, Vec<bool>)> {
        let rows = self.converter.convert_columns(columns)?;
        let whole = |row: usize| columns.iter().all(|column| column.is_valid(row));
        let complete = (0..rows.num_rows()).map(whole).collect();
        Ok((rows, complete))
    }

    /// The number of a key that came in.
    pub(crate) fn number(&self, key: &[u8]) -> Option<u32> {
        self.keys.get(key).copied()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.keys.keys().map(AsRef::as_ref)
    }

    /// Splits keys back into columns, some at a time.
    pub(crate) fn decode<'a>(
        &'a self,
        keys: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let rows = keys.map(|key| parser.parse(key));
        Ok(self.converter.convert_rows(rows)?)
    }

    /// Takes rows in the table's shape; tells how many.
    pub(crate) async fn upsert(&mut self, lake: &Lake, batch: RecordBatch) -> Result<usize> {
        let columns: Vec<ArrayRef> =
            self.key_columns.iter().map(|place| Arc::clone(batch.column(*place))).collect();
        let (rows, complete) = self.encode(&columns)?;
        let count = batch.num_rows();
        let number = self.spool.push(lake, batch).await?;
        self.standing.push(vec![true; count]);
        for (row, complete) in complete.into_iter().enumerate() {
            if !complete {
                self.keyless_rows += 1;
                continue;
            }
            let place = Place { batch: number, row: u32::try_from(row).unwrap_or(u32::MAX) };
            self.take(rows.row(row).data(), Action::Upsert(place))?;
        }
        Ok(count)
    }

    /// Takes keys to delete; tells how many.
    pub(crate) fn delete(&mut self, table: &str, batch: &RecordBatch) -> Result<usize> {
        for field in self.key_shape.fields() {
            if batch.schema_ref().index_of(field.name()).is_err() {
                let (table, column) = (self.table.clone(), field.name().clone());
                return Err(StorageError::Required { table, column });
            }
        }
        let keys = conform_batch(table, batch, &self.key_shape, Matching::Name)?;
        let (rows, complete) = self.encode(keys.columns())?;
        for (row, complete) in complete.into_iter().enumerate() {
            if complete {
                self.take(rows.row(row).data(), Action::Delete)?;
            } else {
                self.keyless_deletes += 1;
            }
        }
        Ok(keys.num_rows())
    }

    fn take(&mut self, key: &[u8], action: Action) -> Result<()> {
        let next = u32::try_from(self.states.len())
            .map_err(|_| StorageError::Internal("too many keys in one upsert".to_owned()))?;
        match self.keys.entry(key.into()) {
            Entry::Vacant(free) => {
                free.insert(next);
                self.states.push(KeyState { action, rows: 1, matches: 0, unchanged: false });
            }
            Entry::Occupied(taken) => {
                let state = &mut self.states[*taken.get() as usize];
                if self.repeats != Repeats::LastWins {
                    state.rows += 1;
                    return Ok(());
                }
                let older = std::mem::replace(&mut state.action, action);
                self.deduplicated += 1;
                self.withdraw(older);
            }
        }
        Ok(())
    }

    /// Fails when it is not defined which incoming row replaces the table's.
    pub(crate) fn check_matches(&self) -> Result<()> {
        let refused = self.repeats == Repeats::RefuseMatched;
        match self.states.iter().position(|state| state.rows > 1 && state.matches > 0) {
            Some(place) if refused => {
                let (table, rows) = (self.table.clone(), self.states[place].rows);
                Err(StorageError::AmbiguousMerge { table, rows })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A row that is not written after all.
    pub(crate) fn withdraw(&mut self, action: Action) {
        match action {
            Action::Upsert(place) => {
                self.standing[place.batch as usize][place.row as usize] = false;
            }
            Action::Delete => {}
        }
    }
}

/// Old files may hold NULL where the table now demands a value; they match nothing.
fn nullable(shape: &ArrowSchemaRef) -> ArrowSchemaRef {
    let fields = shape.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>()))
}
