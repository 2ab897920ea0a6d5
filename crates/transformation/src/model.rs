//! Builds a model in the dark: its query's rows become a staged version that nobody points to.

use arrow::array::RecordBatch;
use base::{CommitId, TableName};
use compute::{Prepared, Session, ViewText};
use futures::StreamExt;
use ledger::PointerKind;
use project::{Materialization, Node};
use storage::{LakeTable, PartitionField, Stage, StageOptions, ViewDefinition, WriteMode};
use tokio_util::sync::CancellationToken;

use crate::compile::CompiledNode;
use crate::incremental;
use crate::staged::StagedNode;
use crate::step::{Made, Making};
use crate::{TransformationError, Workshop};

/// What a node's name points to before the step.
pub(crate) struct Before {
    /// The table's version; none for a view or a name that is free.
    pub(crate) table: Option<LakeTable>,
    pub(crate) pointer: Option<ledger::Pointer>,
}

impl Before {
    /// The metadata file of a view, which a table takes the place of.
    pub(crate) fn view(&self) -> Option<String> {
        let pointer = self.pointer.as_ref().filter(|_| self.table.is_none())?;
        Some(pointer.metadata_location.clone())
    }
}

impl Workshop {
    /// Stages a model's new version.
    pub(crate) async fn stage_model(
        &self,
        node: &Node,
        making: Making,
        cancel: &CancellationToken,
    ) -> Result<StagedNode, TransformationError> {
        let table = table_of(node)?;
        let world = self.world(self.session(self.catalog().await?)).await?;
        if self.is_custom(node) {
            return self.stage_custom(node, &table, making, &world).await;
        }
        let before = self.before(&table).await?;
        let incremental = matches!(node.config.materialized, Materialization::Incremental)
            && before.table.is_some()
            && !node.config.full_refresh.unwrap_or(self.options.full_refresh);
        let backfill = self.backfill.get(&node.id).filter(|_| incremental);
        let full_refresh = self.options.full_refresh || backfill.is_some();
        self.run_hooks(node, &node.config.pre_hooks, &world).await?;
        if incremental::is_microbatch(node) {
            let staged =
                Box::pin(self.stage_batches(node, making, &before, &world, cancel)).await?;
            return Box::pin(self.after(node, staged, &world)).await;
        }
        let compiled = self.compile_in(node, &world, full_refresh).await?;
        let session = world.session();
        let within = backfill.map(|window| window.within(node, &compiled.sql)).transpose()?;
        let sql = match within {
            Some(within) => within,
            None => self.contracted(node, &compiled, &session).await?,
        };
        let prepared = session.prepare(&sql).await.map_err(|error| compiled.query_error(error))?;
        let staged = match &node.config.materialized {
            Materialization::View => {
                self.stage_view(node, &table, making, &compiled, &prepared, &before).await?
            }
            Materialization::Ephemeral => {
                return Err(TransformationError::Internal(format!(
                    "ephemeral model \"{}\" is no step",
                    node.name
                )));
            }
            Materialization::Table
            | Materialization::Incremental
            | Materialization::MaterializedView
            | Materialization::Custom(_) => {
                if incremental
                    && backfill.is_none()
                    && incremental::is_by_statement(node, &self.project)
                {
                    let schema = prepared.schema();
                    let batches =
                        session.rows(&sql).await.map_err(|error| compiled.query_error(error))?;
                    let rows = crate::world::Rows { schema, batches };
                    Box::pin(self.stage_by_statement(node, &table, making, &world, rows)).await?
                } else {
                    let work =
                        Rows { node, table, incremental, compiled, prepared, session, before };
                    Box::pin(self.stage_rows(work, making, cancel)).await?
                }
            }
        };
        Box::pin(self.after(node, staged, &world)).await
    }

    /// What a name points to now.
    pub(crate) async fn before(&self, name: &TableName) -> Result<Before, TransformationError> {
        let pointer = self.ledger.pointer(&self.environment, name).await?;
        let table = match &pointer {
            Some(pointer) if pointer.kind == PointerKind::Table => {
                Some(self.lake.read(&pointer.metadata_location).await?)
            }
            Some(_) | None => None,
        };
        Ok(Before { table, pointer })
    }

    async fn stage_view(
        &self,
        node: &Node,
        table: &TableName,
        making: Making,
        compiled: &CompiledNode,
        prepared: &Prepared,
        before: &Before,
    ) -> Result<StagedNode, TransformationError> {
        let namespace = self.project.target.schema.clone();
        let definition = ViewDefinition {
            sql: compiled.sql.clone(),
            dialect: self.dialect.to_string(),
            schema: prepared.schema(),
            default_namespace: namespace.clone(),
        };
        let commit = self.commit_id();
        let options = self.stage_options(node, &commit, Some(compiled));
        let pointer = before.pointer.as_ref().map(|pointer| pointer.metadata_location.as_str());
        let staged = self.lake.stage_view(table, pointer, &definition, &options).await?;
        let mut version = staged.version;
        version.inputs = prepared.inputs();
        let view = ViewText {
            sql: compiled.sql.clone(),
            dialect: self.dialect,
            default_namespace: Some(namespace),
        };
        let made = Made {
            swing: staged.swing,
            version,
            schema_changes: Vec::new(),
            view: Some(view),
            changed: true,
        };
        Ok(making.staged(node, made))
    }

    async fn stage_rows(
        &self,
        work: Rows<'_>,
        making: Making,
        cancel: &CancellationToken,
    ) -> Result<StagedNode, TransformationError> {
        let Rows { node, table, incremental, compiled, prepared, session, before } = work;
        let commit = self.commit_id();
        let mut options = self.stage_options(node, &commit, Some(&compiled));
        options.replaces = before.view();
        if !incremental && !node.config.partition_by.is_empty() {
            options.partition = Some(partition_fields(node)?);
        }
        let mut stage = self.lake.stage(&self.environment, &table, before.table.as_ref(), options);
        let rows = prepared.schema();
        let shape = match &before.table {
            Some(base) if incremental => {
                stage.mode(incremental::mode_of(node))?;
                Some(incremental::fit_columns(node, base.arrow_schema(), &rows, &mut stage)?)
            }
            Some(_) => {
                stage.mode(WriteMode::ReplaceAll)?;
                stage.replace_schema(&rows)?;
                None
            }
            None => {
                stage.evolve_to(&rows)?;
                None
            }
        };
        let rows = RowsOf { session: &session, prepared: &prepared, compiled: &compiled };
        rows.write_to(&mut stage, cancel, |batch| match &shape {
            Some(shape) => {
                incremental::shaped(&batch, shape).map_err(|message| TransformationError::Columns {
                    message: format!("model \"{}\": {message}", node.name),
                    help: "Cast the column in the model, or build it from nothing with \
                           --full-refresh."
                        .to_owned(),
                })
            }
            None => Ok(batch),
        })
        .await?;
        let staged = stage.finish().await?;
        let mut made = Made::rows(&staged);
        made.version.inputs = prepared.inputs();
        made.version.code_fingerprint = Some(compiled.fingerprint(node));
        Ok(making.staged(node, made))
    }

    /// What a version of a node says about itself in its own files.
    pub(crate) fn stage_options(
        &self,
        node: &Node,
        commit: &CommitId,
        compiled: Option<&CompiledNode>,
    ) -> StageOptions {
        let mut options = StageOptions::new(commit.clone());
        options.run = Some(self.run.clone());
        options.node = Some(node.id.clone());
        options.code_fingerprint = compiled.map(|compiled| compiled.fingerprint(node));
        options.business_time = Some(self.ledger.clocks().business.now());
        options
    }
}

/// What is needed to write a model's rows.
struct Rows<'a> {
    node: &'a Node,
    table: TableName,
    incremental: bool,
    compiled: CompiledNode,
    prepared: Prepared,
    session: Session,
    before: Before,
}

/// A planned query whose rows go into a table.
pub(crate) struct RowsOf<'a> {
    pub(crate) session: &'a Session,
    pub(crate) prepared: &'a Prepared,
    pub(crate) compiled: &'a CompiledNode,
}

impl RowsOf<'_> {
    /// Writes them as they come, each batch shaped first.
    pub(crate) async fn write_to(
        &self,
        stage: &mut Stage,
        cancel: &CancellationToken,
        shape: impl Fn(RecordBatch) -> Result<RecordBatch, TransformationError> + Send,
    ) -> Result<(), TransformationError> {
        let own = |error| self.compiled.query_error(error);
        let mut batches = self.session.stream(self.prepared, cancel.clone()).await.map_err(own)?;
        while let Some(batch) = batches.next().await {
            stage.write(shape(batch.map_err(own)?)?).await?;
        }
        Ok(())
    }
}

/// The table of a node that has one.
pub(crate) fn table_of(node: &Node) -> Result<TableName, TransformationError> {
    node.relation.as_ref().map(project::Relation::table).ok_or_else(|| {
        TransformationError::Internal(format!("node \"{}\" has no relation", node.id))
    })
}

fn partition_fields(node: &Node) -> Result<Vec<PartitionField>, TransformationError> {
    node.config
        .partition_by
        .iter()
        .map(|text| {
            PartitionField::parse(text).map_err(|_| TransformationError::Columns {
                message: format!("partition_by of \"{}\" is \"{text}\"", node.name),
                help: "Name a column, or a transform of one: day(ts), month(ts), year(ts), \
                       hour(ts), bucket(16, id), truncate(4, name)."
                    .to_owned(),
            })
        })
        .collect()
}
