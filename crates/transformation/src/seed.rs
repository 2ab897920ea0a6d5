//! Loads a seed: a CSV file in the project becomes a table.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use base::{Diagnostic, LoadAccount, SourceFile, TableName};
use futures::StreamExt;
use project::Node;
use serde_json::{Map, Value};
use storage::WriteMode;
use tokio_util::sync::CancellationToken;

use crate::csv_table::SEED_UNREADABLE;
use crate::model::table_of;
use crate::staged::StagedNode;
use crate::step::{Made, Making};
use crate::{TransformationError, Workshop, csv_table};

/// The name under which the file's text is cast.
const SEED_TEXT: &str = "fiveply_seed_text";

impl Workshop {
    /// Stages a seed's new version: all of its rows, read again.
    pub(crate) async fn stage_seed(
        &self,
        node: &Node,
        making: Making,
        cancel: &CancellationToken,
    ) -> Result<StagedNode, TransformationError> {
        let table = table_of(node)?;
        let file = self.seed_file(node)?;
        let (read, batches) = self.seed_rows(node, &file, cancel).await?;
        let world = self.world(self.session(self.catalog().await?)).await?;
        self.run_hooks(node, &node.config.pre_hooks, &world).await?;
        let before = self.before(&table).await?;
        let commit = self.commit_id();
        let mut options = self.stage_options(node, &commit, None);
        options.replaces = before.view();
        let mut stage = self.lake.stage(&self.environment, &table, before.table.as_ref(), options);
        if before.table.is_some() {
            stage.mode(WriteMode::ReplaceAll)?;
        }
        if let Some(first) = batches.first() {
            if before.table.is_some() {
                stage.replace_schema(first.schema_ref())?;
            } else {
                stage.evolve_to(first.schema_ref())?;
            }
        }
        for batch in batches {
            stage.write(batch).await?;
        }
        let staged = stage.finish().await?;
        let mut made = Made::rows(&staged);
        made.version.load = Some(LoadAccount { read, inserted: read, ..LoadAccount::default() });
        Box::pin(self.after(node, making.staged(node, made), &world)).await
    }

    /// The rows of a seed's file, and how many they are.
    async fn seed_rows(
        &self,
        node: &Node,
        file: &Arc<SourceFile>,
        cancel: &CancellationToken,
    ) -> Result<(u64, Vec<RecordBatch>), TransformationError> {
        let empty = Map::new();
        let types = node.config.all.get("column_types").and_then(Value::as_object);
        let types = types.unwrap_or(&empty);
        let cast = |name: &str| types.keys().any(|known| known.eq_ignore_ascii_case(name));
        let batch = csv_table::read(file, delimiter(node), &cast)
            .map_err(|diagnostic| TransformationError::Project(vec![*diagnostic]))?;
        let read = batch.num_rows() as u64;
        Ok((read, self.cast(batch, types, cancel).await?))
    }

    /// The columns that a seed's file gives.
    pub(crate) async fn seed_columns(
        &self,
        node: &Node,
        file: &Arc<SourceFile>,
    ) -> Result<SchemaRef, TransformationError> {
        let (_, batches) = self.seed_rows(node, file, &CancellationToken::new()).await?;
        let first = batches.first().map(RecordBatch::schema);
        Ok(first.unwrap_or_else(|| Arc::new(Schema::empty())))
    }

    pub(crate) fn seed_file(&self, node: &Node) -> Result<Arc<SourceFile>, TransformationError> {
        let refuse = |message: String| {
            let diagnostic = Diagnostic::error(SEED_UNREADABLE, message)
                .help("Save the seed as UTF-8 text, readable for whoever runs fiveply.");
            TransformationError::Project(vec![diagnostic])
        };
        let content = self.files.read(&self.project.root.join(&node.path));
        let content = content.map_err(|error| refuse(format!("seed was not read: {error}")))?;
        let text = String::from_utf8(content).map_err(|error| {
            let place = error.utf8_error().valid_up_to();
            refuse(format!("seed \"{}\" is no UTF-8 text from byte {place} on", node.path))
        })?;
        Ok(SourceFile::new(node.path.clone(), text.replace("\r\n", "\n")))
    }

    /// Casts the columns that `column_types` names, in the project's own dialect.
    async fn cast(
        &self,
        batch: RecordBatch,
        types: &Map<String, Value>,
        cancel: &CancellationToken,
    ) -> Result<Vec<RecordBatch>, TransformationError> {
        if types.is_empty() {
            return Ok(vec![batch]);
        }
        let schema = batch.schema();
        let columns: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| {
                let name = field.name().replace('"', "\"\"");
                let known = types.iter().find(|(key, _)| key.eq_ignore_ascii_case(field.name()));
                match known.and_then(|(_, kind)| kind.as_str()) {
                    Some(kind) => format!("cast(\"{name}\" as {kind}) as \"{name}\""),
                    None => format!("\"{name}\""),
                }
            })
            .collect();
        let namespace = &self.project.target.schema;
        let sql = format!("select {} from \"{namespace}\".{SEED_TEXT}", columns.join(", "));
        let name = TableName::new(namespace.as_str(), SEED_TEXT);
        let catalog = self.catalog().await?.with_batches(name, Arc::clone(&schema), vec![batch]);
        let session = self.session(catalog);
        let own = |error| TransformationError::from_query(error, None);
        let prepared = session.prepare(&sql).await.map_err(own)?;
        let mut rows = session.stream(&prepared, cancel.clone()).await.map_err(own)?;
        let mut batches = vec![RecordBatch::new_empty(prepared.schema())];
        while let Some(batch) = rows.next().await {
            batches.push(batch.map_err(own)?);
        }
        Ok(batches)
    }
}

fn delimiter(node: &Node) -> u8 {
    let text = node.config.all.get("delimiter").and_then(Value::as_str).unwrap_or(",");
    text.bytes().next().unwrap_or(b',')
}
