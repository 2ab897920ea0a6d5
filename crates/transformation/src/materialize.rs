//! Models that are built by statements: materializations and incremental strategies that the
//! project or a package writes itself. Each statement takes effect at once, as in dbt.

use std::sync::Arc;

use base::{CommitId, TableName};
use ledger::{PointerKind, Swing, TableVersion};
use project::{Materialization, Node};

use crate::model::table_of;
use crate::staged::StagedNode;
use crate::step::{Made, Making};
use crate::world::{Rows, World};
use crate::{TransformationError, Workshop, incremental};

impl Workshop {
    /// Whether a macro of the project builds the node: a word of its own, or one of dbt's that
    /// the root project writes anew.
    pub(crate) fn is_custom(&self, node: &Node) -> bool {
        let word = node.config.materialized.word();
        let found = self.project.macros().find_materialization(word);
        match &node.config.materialized {
            Materialization::Custom(_) => true,
            Materialization::MaterializedView => found.is_some(),
            Materialization::View
            | Materialization::Table
            | Materialization::Incremental
            | Materialization::Ephemeral => {
                found.is_some_and(|found| found.package == self.project.name)
            }
        }
    }

    /// Calls the node's own materialization.
    pub(crate) async fn stage_custom(
        &self,
        node: &Node,
        table: &TableName,
        making: Making,
        world: &Arc<World>,
    ) -> Result<StagedNode, TransformationError> {
        let compiled = self.compile_in(node, world, self.options.full_refresh).await?;
        let (context, _) = self.context(world, self.options.full_refresh);
        let (project, id, sql) = (Arc::clone(&self.project), node.id.clone(), compiled.sql.clone());
        let call = move || match project.graph.node(&id) {
            Some(node) => project.materialize(node, &sql, &context).map(drop),
            None => Ok(()),
        };
        tokio::task::spawn_blocking(call)
            .await
            .map_err(|error| {
                TransformationError::Internal(format!("a materialization broke off: {error}"))
            })?
            .map_err(TransformationError::Project)?;
        self.already_published(node, table, making).await
    }

    /// Lets the strategy's macro say how new rows enter the table.
    pub(crate) async fn stage_by_statement(
        &self,
        node: &Node,
        table: &TableName,
        making: Making,
        world: &Arc<World>,
        rows: Rows,
    ) -> Result<StagedNode, TransformationError> {
        let name = TableName::new(table.namespace.clone(), format!("{}__dbt_tmp", table.name));
        world.keep_for_now(&name, rows);
        let template = format!(
            "{{%- set existing = adapter.get_relation(this.database, this.schema, \
             this.identifier) -%}}\
             {{%- set incoming = make_temp_relation(this) -%}}\
             {{%- set mode = incremental_validate_on_schema_change(\
             config.get('on_schema_change')) -%}}\
             {{%- set columns = process_schema_changes(mode, incoming, existing) \
             or adapter.get_columns_in_relation(existing) -%}}\
             {{{{ {}({{'target_relation': this, 'temp_relation': incoming, \
             'unique_key': config.get('unique_key'), 'dest_columns': columns, \
             'incremental_predicates': config.get('predicates') \
             or config.get('incremental_predicates')}}) }}}}",
            incremental::macro_of(node)
        );
        let sql = self.rendered(node, &template, world).await?;
        world.carry_out(&sql).await?;
        world.drop_name(&name).await?;
        self.already_published(node, table, making).await
    }

    /// The version that statements made, which is pointed to already.
    async fn already_published(
        &self,
        node: &Node,
        table: &TableName,
        making: Making,
    ) -> Result<StagedNode, TransformationError> {
        debug_assert!(table_of(node).is_ok());
        let now = self.ledger.clocks().business.now();
        let pointer = self.ledger.pointer(&self.environment, table).await?;
        let location = pointer.as_ref().map(|pointer| pointer.metadata_location.clone());
        let kind = pointer.as_ref().map_or(PointerKind::Table, |pointer| pointer.kind);
        let mut version = TableVersion::new(
            table.clone(),
            location.clone().unwrap_or_default(),
            CommitId::new(String::new()),
            now,
        );
        if let (Some(location), PointerKind::Table) = (&location, kind) {
            let read = self.lake.read(location).await?;
            version.snapshot_id = read.snapshot_id();
            version.account.before = read.row_count();
            version.account.after = read.row_count();
        }
        let swing = Swing { table: table.clone(), kind, expected: location.clone(), new: location };
        let made = Made { swing, version, schema_changes: Vec::new(), view: None, changed: false };
        let mut staged = making.staged(node, made);
        staged.published = true;
        Ok(staged)
    }
}
