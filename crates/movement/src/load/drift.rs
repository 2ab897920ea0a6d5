//! What the schema did not know, and what the stream's policy makes of it.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::Array;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use indexmap::IndexMap;
use project::ingest::SchemaChangePolicy;
use storage::LakeTable;

use super::Load;
use crate::MovementError;
use crate::decode::{Decoded, Drift, Guess};
use crate::schema::{Kind, StreamSchema, type_name};

/// Rows of the table that are compared with the values of a new column.
const COMPARED_ROWS_MAX: usize = 200_000;
/// Share of a new column's values that the old one must hold, in percent.
const OVERLAP_PERCENT_MIN: usize = 30;

/// A column that seems to have another name now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameProposal {
    /// The column that no longer comes.
    pub column: String,
    /// The field that came in its place.
    pub field: String,
    /// Share of the field's values that the column held, in percent.
    pub overlap_percent: usize,
}

impl RenameProposal {
    /// The line that maps the new field to the old column.
    pub fn mapping(&self) -> String {
        format!("rename: {{{}: {}}}", self.field, self.column)
    }
}

/// What to do with a decoded chunk.
pub(super) enum Judgement {
    /// Take it as it is.
    Take,
    /// Decode it again under this schema; tells whether a type became wider.
    Evolve { schema: StreamSchema, widened: bool },
}

impl Load<'_> {
    /// Asks the policy about what the schema did not know.
    pub(super) fn judge(&self, drift: &Drift) -> Result<Judgement, MovementError> {
        if drift.is_empty() {
            return Ok(Judgement::Take);
        }
        let first = self.rules.first;
        match self.stream.schema_change {
            SchemaChangePolicy::Freeze if !first => return Ok(Judgement::Take),
            SchemaChangePolicy::Stop if !first && !drift.unknown.is_empty() => {
                return Err(self.stopped(drift));
            }
            SchemaChangePolicy::Evolve | SchemaChangePolicy::Freeze | SchemaChangePolicy::Stop => {}
        }
        let added: IndexMap<String, Kind> =
            drift.unknown.iter().map(|(name, new)| (name.clone(), new.kind())).collect();
        let widened: Vec<(usize, Guess)> =
            drift.misfit.iter().map(|(place, guess)| (*place, *guess)).collect();
        let schema = self.schema.evolved(&added, &widened);
        if schema.columns == self.schema.columns {
            return Ok(Judgement::Take);
        }
        self.check_columns(&schema)?;
        Ok(Judgement::Evolve { schema, widened: !widened.is_empty() })
    }

    fn stopped(&self, drift: &Drift) -> MovementError {
        let changes: Vec<String> = drift
            .unknown
            .iter()
            .map(|(name, new)| format!("new column \"{name}\" of type {}", type_name(&new.kind())))
            .collect();
        MovementError::SchemaChanged { stream: self.name.clone(), changes: changes.join(", ") }
    }

    /// Looks for columns that vanished while others of their type and with their values came.
    pub(super) async fn propose_renames(&mut self, decoded: &Decoded) -> Result<(), MovementError> {
        if self.rules.first || decoded.drift.unknown.is_empty() {
            return Ok(());
        }
        let Some(table) = self.table.clone() else { return Ok(()) };
        let schema = Arc::clone(&self.schema);
        for (field, new) in &decoded.drift.unknown {
            let known = self.outcome.renames.iter().any(|proposal| proposal.field == *field);
            if known || new.sample.is_empty() {
                continue;
            }
            let wanted: HashSet<&str> = new.sample.iter().map(String::as_str).collect();
            for (place, column) in schema.columns.iter().enumerate() {
                let present = decoded.present.get(place).copied().unwrap_or(true);
                if present || !column.committed || column.kind != new.kind() {
                    continue;
                }
                let held = self.held_values(&table, &column.name, &wanted).await?;
                let overlap_percent = held * 100 / wanted.len();
                if overlap_percent >= OVERLAP_PERCENT_MIN {
                    let (column, field) = (column.name.clone(), field.clone());
                    let proposal = RenameProposal { column, field, overlap_percent };
                    let (stream, mapping) = (&self.name, proposal.mapping());
                    tracing::warn!(%stream, mapping, "a column seems to have another name");
                    self.outcome.renames.push(proposal);
                    break;
                }
            }
        }
        Ok(())
    }

    /// How many of the values the column holds.
    async fn held_values(
        &self,
        table: &LakeTable,
        column: &str,
        wanted: &HashSet<&str>,
    ) -> Result<usize, MovementError> {
        // Under `rename` the table's present version may still have the old name.
        if table.arrow_schema().field_with_name(column).is_err() {
            return Ok(0);
        }
        let mut rows = table.scan(&self.context.lake, Some(&[column])).await?;
        let (mut found, mut compared) = (HashSet::new(), 0);
        while let Some(batch) = rows.try_next().await? {
            let formatter = ArrayFormatter::try_new(batch.column(0), &FormatOptions::default())?;
            for row in (0..batch.num_rows()).filter(|row| batch.column(0).is_valid(*row)) {
                let text = formatter.value(row).to_string();
                if let Some(value) = wanted.get(text.as_str()) {
                    found.insert(*value);
                }
            }
            compared += batch.num_rows();
            if compared >= COMPARED_ROWS_MAX || found.len() == wanted.len() {
                break;
            }
        }
        Ok(found.len())
    }
}
