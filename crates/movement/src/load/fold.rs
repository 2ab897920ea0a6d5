//! A column that came under a new name before the stream's `rename` said so: its values move to
//! the column they belong to.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::is_not_null;
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::{Field, Schema};
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use storage::{LakeTable, SchemaEdit, WriteMode};

use super::batch::Batch;
use super::{Load, schema_of};
use crate::MovementError;

/// A column that goes, and the one that takes its values.
type Pair = (String, String);

impl Load<'_> {
    /// Folds columns that `rename` maps into those they are mapped to, in a version of its own
    /// before anything is read: the same rows, in one column less.
    pub(super) async fn fold_renamed(&mut self) -> Result<(), MovementError> {
        let Some(table) = self.table.clone() else { return Ok(()) };
        let pairs = self.pairs(&table);
        if pairs.is_empty() {
            return Ok(());
        }
        let context = self.context;
        let id = context.ledger.new_commit_id();
        let options = Batch::options(self, id.clone());
        let name = &self.outcome.table;
        let mut stage = context.lake.stage(&context.environment, name, Some(&table), options);
        stage.mode(WriteMode::ReplaceAll)?;
        for (from, _) in &pairs {
            stage.evolve(&SchemaEdit::DropColumn { name: from.clone() })?;
        }
        let mut rows = table.scan(&context.lake, None).await?;
        while let Some(batch) = rows.try_next().await? {
            self.check_cancelled()?;
            stage.write(folded(&batch, &pairs)?).await?;
        }
        let staged = stage.finish().await?;
        self.publish(&staged.into_commit(self.new_commit(id))).await?;
        self.outcome.schema_changes.extend(staged.schema_changes.iter().cloned());
        self.schema = Arc::new(schema_of(Some(&staged.table), self.stream));
        self.table = Some(staged.table);
        Ok(())
    }

    /// Columns of one type that the table has both of. Any other pair is left as it is: what the
    /// user meant by it cannot be known.
    fn pairs(&self, table: &LakeTable) -> Vec<Pair> {
        let schema = table.arrow_schema();
        let kind = |name: &str| schema.field_with_name(name).ok().map(Field::data_type);
        let both =
            |from: &str, to: &str| from != to && kind(from).is_some() && kind(from) == kind(to);
        let renames = self.stream.rename.iter().filter(|(from, to)| both(from, to));
        renames.map(|(from, to)| (from.clone(), to.clone())).collect()
    }
}

/// The batch without the columns that go; where one that stays is null, it takes their value.
fn folded(batch: &RecordBatch, pairs: &[Pair]) -> Result<RecordBatch, MovementError> {
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if pairs.iter().any(|(from, _)| from == field.name()) {
            continue;
        }
        let mut column = Arc::clone(column);
        for (from, _) in pairs.iter().filter(|(_, to)| to == field.name()) {
            if let Some(other) = batch.column_by_name(from) {
                let present = is_not_null(&column)?;
                let (own, other): (&dyn Array, &dyn Array) = (&column, other);
                column = zip(&present, &own, &other)?;
            }
        }
        fields.push(field.as_ref().clone().with_nullable(true));
        columns.push(column);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
