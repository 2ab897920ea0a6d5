//! Writing of tables by statements: each change is staged in the dark and pointed to at once.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use base::TableName;
use compute::statement::{ColumnEdit, quoted};
use ledger::{Commit, PointerKind};
use storage::{LakeTable, SchemaEdit, StageOptions, WriteMode};

use super::{Rows, World, query_error, refuse, shown};
use crate::TransformationError;
use crate::incremental::shaped;

impl World {
    pub(super) async fn alter(
        &self,
        name: &TableName,
        edits: &[ColumnEdit],
    ) -> Result<(), TransformationError> {
        for edit in edits {
            let base = self.table(name).await?;
            let has = |column: &str| base.arrow_schema().column_with_name(column).is_some();
            let edit = match edit {
                ColumnEdit::Add { name, unless_exists: true, .. } if has(name) => continue,
                ColumnEdit::Drop { name, if_exists: true } if !has(name) => continue,
                ColumnEdit::Add { name, data_type, .. } => SchemaEdit::AddColumn {
                    name: name.clone(),
                    kind: self.type_named(data_type).await?,
                    after: None,
                    doc: None,
                },
                ColumnEdit::Drop { name, .. } => SchemaEdit::DropColumn { name: name.clone() },
                ColumnEdit::Rename { from, to } => {
                    SchemaEdit::RenameColumn { from: from.clone(), to: to.clone() }
                }
                ColumnEdit::Retype { name: column, data_type } => {
                    self.retype(name, &base, column, data_type).await?;
                    continue;
                }
            };
            let options = self.options();
            let environment = &self.hands.environment;
            let mut stage = self.hands.lake.stage(environment, name, Some(&base), options.clone());
            stage.evolve(&edit)?;
            self.publish(name, stage.finish().await?, &options).await?;
        }
        Ok(())
    }

    pub(super) async fn type_named(
        &self,
        data_type: &str,
    ) -> Result<DataType, TransformationError> {
        let sql = format!("select cast(null as {data_type}) as c");
        let prepared = self.session().prepare(&sql).await.map_err(query_error)?;
        Ok(prepared.schema().field(0).data_type().clone())
    }

    pub(super) async fn retype(
        &self,
        name: &TableName,
        base: &LakeTable,
        column: &str,
        data_type: &str,
    ) -> Result<(), TransformationError> {
        let columns = base.arrow_schema().fields().iter().map(|field| {
            let own = quoted(field.name());
            match field.name().eq_ignore_ascii_case(column) {
                true => format!("cast({own} as {data_type}) as {own}"),
                false => own,
            }
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        let table = format!("{}.{}", quoted(&name.namespace), quoted(&name.name));
        let rows = self.ask(&format!("select {columns} from {table}")).await?;
        let options = self.options();
        self.stage(name, Some(base), WriteMode::ReplaceAll, rows, options, true).await
    }

    pub(super) async fn insert(
        &self,
        name: &TableName,
        columns: &[String],
        by_name: bool,
        query: &str,
    ) -> Result<(), TransformationError> {
        let temporary = self.temporary(name);
        let base = match &temporary {
            Some(_) => None,
            None => Some(self.table(name).await?),
        };
        let shape = match (&base, temporary) {
            (Some(base), _) => Arc::clone(base.arrow_schema()),
            (None, Some(schema)) => schema,
            (None, None) => return Err(refuse(format!("table \"{name}\" does not exist"))),
        };
        let mut rows = self.ask(query).await?;
        if !by_name {
            let own: Vec<String> =
                shape.fields().iter().map(|field| field.name().clone()).collect();
            let given = if columns.is_empty() { &own[..] } else { columns };
            if given.len() < rows.schema.fields().len()
                || (!columns.is_empty() && given.len() > rows.schema.fields().len())
            {
                return Err(refuse(format!(
                    "{} values are inserted into {} columns of \"{name}\"",
                    rows.schema.fields().len(),
                    given.len()
                )));
            }
            rows = renamed(rows, given, &shape)?;
        }
        let rows = fitted(rows, &shape, name)?;
        match base {
            Some(base) => self.write(name, Some(&base), WriteMode::Append, rows).await,
            None => {
                let there = self.ask(&format!("select * from {}", shown(name))).await?;
                let mut all = fitted(there, &shape, name)?;
                all.batches.extend(rows.batches);
                self.keep_for_now(name, all);
                Ok(())
            }
        }
    }

    pub(super) async fn write(
        &self,
        name: &TableName,
        base: Option<&LakeTable>,
        mode: WriteMode,
        rows: Rows,
    ) -> Result<(), TransformationError> {
        self.stage(name, base, mode, rows, self.options(), false).await
    }

    pub(super) async fn stage(
        &self,
        name: &TableName,
        base: Option<&LakeTable>,
        mode: WriteMode,
        rows: Rows,
        options: StageOptions,
        new_columns: bool,
    ) -> Result<(), TransformationError> {
        let environment = &self.hands.environment;
        let mut stage = self.hands.lake.stage(environment, name, base, options.clone());
        match base {
            Some(_) => {
                stage.mode(mode)?;
                if new_columns {
                    stage.replace_schema(&rows.schema)?;
                }
            }
            None => {
                stage.evolve_to(&rows.schema)?;
            }
        }
        for batch in rows.batches {
            stage.write(batch).await?;
        }
        self.publish(name, stage.finish().await?, &options).await
    }

    pub(super) async fn publish(
        &self,
        name: &TableName,
        staged: storage::Staged,
        options: &StageOptions,
    ) -> Result<(), TransformationError> {
        if staged.changed() {
            let commit = staged.into_commit(self.commit(options));
            self.hands.ledger.commit(&commit).await?;
        }
        self.show(name, &staged.metadata_location, PointerKind::Table);
        Ok(())
    }

    pub(super) fn options(&self) -> StageOptions {
        let mut options = StageOptions::new(self.hands.ledger.new_commit_id());
        options.run = Some(self.hands.run.clone());
        options.business_time = Some(self.hands.ledger.clocks().business.now());
        options
    }

    pub(super) fn commit(&self, options: &StageOptions) -> Commit {
        Commit::new(options.commit.clone(), self.hands.environment.clone())
            .run(self.hands.run.clone())
    }
}

/// Rows under the names of the columns they go into, matched by place.
fn renamed(rows: Rows, names: &[String], shape: &Schema) -> Result<Rows, TransformationError> {
    let fields = rows.schema.fields().iter().zip(names).map(|(field, name)| {
        let known = shape.fields().iter().find(|own| own.name().eq_ignore_ascii_case(name));
        let name = known.map_or_else(|| name.clone(), |own| own.name().clone());
        field.as_ref().clone().with_name(name)
    });
    let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    for field in schema.fields() {
        if shape.column_with_name(field.name()).is_none() {
            return Err(refuse(format!("the table has no column \"{}\"", field.name())));
        }
    }
    let rename = |batch: &RecordBatch| {
        RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())
            .map_err(|error| TransformationError::Internal(error.to_string()))
    };
    let batches = rows.batches.iter().map(rename).collect::<Result<Vec<_>, _>>()?;
    Ok(Rows { schema, batches })
}

/// Rows in the table's shape.
pub(super) fn fitted(
    rows: Rows,
    shape: &SchemaRef,
    name: &TableName,
) -> Result<Rows, TransformationError> {
    let fit = |batch: &RecordBatch| {
        shaped(batch, shape).map_err(|message| refuse(format!("table \"{name}\": {message}")))
    };
    let batches = rows.batches.iter().map(fit).collect::<Result<Vec<_>, _>>()?;
    Ok(Rows { schema: Arc::clone(shape), batches })
}

/// The same rows in columns that take NULL: what a query never gives may be inserted later.
pub(super) fn nullable(rows: Rows) -> Rows {
    let open = |field: &Arc<arrow::datatypes::Field>| field.as_ref().clone().with_nullable(true);
    let fields: Vec<_> = rows.schema.fields().iter().map(open).collect();
    let schema: SchemaRef =
        Arc::new(Schema::new_with_metadata(fields, rows.schema.metadata().clone()));
    let open = |batch: &RecordBatch| {
        // A plan and what carries it out may write one text type in two ways.
        let columns = batch.columns().iter().zip(schema.fields());
        let columns =
            columns.map(|(column, field)| arrow::compute::cast(column, field.data_type()));
        RecordBatch::try_new(Arc::clone(&schema), columns.collect::<Result<Vec<_>, _>>()?)
    };
    match rows.batches.iter().map(open).collect() {
        Ok(batches) => Rows { schema, batches },
        // Batches of another type than their schema says would be refused further on.
        Err(_) => rows,
    }
}
