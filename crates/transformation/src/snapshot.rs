//! Snapshots: what a query gave over time. A row whose values changed is closed and written
//! again; a row that is gone is closed, kept open or marked, as `hard_deletes` says.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use compute::statement::quoted;
use project::Node;
use serde_json::Value;
use storage::WriteMode;
use tokio_util::sync::CancellationToken;

use crate::compile::CompiledNode;
use crate::incremental::shaped;
use crate::model::{RowsOf, table_of};
use crate::staged::StagedNode;
use crate::step::{Made, Making};
use crate::world::World;
use crate::{TransformationError, Workshop};

/// What happens to rows that the query no longer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HardDeletes {
    Ignore,
    Invalidate,
    NewRecord,
}

/// Which rows changed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Strategy {
    Timestamp,
    /// Columns to compare; none compares all.
    Check(Option<Vec<String>>),
}

/// A snapshot's settings.
#[derive(Clone, Debug)]
struct Settings {
    strategy: Strategy,
    unique_key: Vec<String>,
    updated_at: Option<String>,
    hard_deletes: HardDeletes,
    valid_to_current: Option<String>,
    names: Names,
}

/// The columns that a snapshot adds.
#[derive(Clone, Debug)]
struct Names {
    scd_id: String,
    updated_at: String,
    valid_from: String,
    valid_to: String,
    is_deleted: String,
}

/// Text that macros give.
struct Texts {
    now: String,
    updated_at: String,
    scd_id: String,
    deleted_scd_id: String,
}

fn refuse(node: &Node, message: &str, help: &str) -> TransformationError {
    TransformationError::Columns {
        message: format!("snapshot \"{}\" {message}", node.name),
        help: help.to_owned(),
    }
}

impl Settings {
    fn of(node: &Node) -> Result<Self, TransformationError> {
        let all = &node.config.all;
        let text = |key: &str| all.get(key).and_then(Value::as_str).map(str::to_owned);
        let strategy = match text("strategy").as_deref() {
            Some("timestamp") => Strategy::Timestamp,
            Some("check") => Strategy::Check(match all.get("check_cols") {
                Some(Value::Array(columns)) => {
                    Some(columns.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                }
                Some(Value::String(word)) if word == "all" => None,
                _ => {
                    let help = "Name columns, or write check_cols: all.";
                    return Err(refuse(node, "has no check_cols", help));
                }
            }),
            Some(other) => {
                let message = format!("has the strategy \"{other}\", which is not there");
                return Err(refuse(node, &message, "Use timestamp or check."));
            }
            None => return Err(refuse(node, "has no strategy", "Use timestamp or check.")),
        };
        let unique_key = node.config.unique_key.clone();
        if unique_key.is_empty() {
            return Err(refuse(
                node,
                "has no unique_key",
                "Name the columns that tell rows apart.",
            ));
        }
        let updated_at = text("updated_at");
        if strategy == Strategy::Timestamp && updated_at.is_none() {
            let help = "Name the column that says when a row changed.";
            return Err(refuse(node, "of strategy timestamp has no updated_at", help));
        }
        let invalidate = all.get("invalidate_hard_deletes").and_then(Value::as_bool);
        let hard_deletes = match text("hard_deletes").as_deref() {
            Some("invalidate") => HardDeletes::Invalidate,
            Some("new_record") => HardDeletes::NewRecord,
            None if invalidate == Some(true) => HardDeletes::Invalidate,
            None | Some("ignore") => HardDeletes::Ignore,
            Some(other) => {
                let message = format!("has hard_deletes \"{other}\"");
                return Err(refuse(node, &message, "Use ignore, invalidate or new_record."));
            }
        };
        let given = all.get("snapshot_meta_column_names");
        let name = |key: &str| {
            let given = given.and_then(|names| names.get(key)).and_then(Value::as_str);
            given.unwrap_or(key).to_owned()
        };
        Ok(Self {
            strategy,
            unique_key,
            updated_at,
            hard_deletes,
            valid_to_current: text("dbt_valid_to_current"),
            names: Names {
                scd_id: name("dbt_scd_id"),
                updated_at: name("dbt_updated_at"),
                valid_from: name("dbt_valid_from"),
                valid_to: name("dbt_valid_to"),
                is_deleted: name("dbt_is_deleted"),
            },
        })
    }

    fn texts_template(&self) -> String {
        let updated_at = match &self.updated_at {
            Some(column) => format!("{column:?}"),
            None => "snapshot_get_time() | trim".to_owned(),
        };
        let keys: Vec<String> = self.unique_key.iter().map(|key| format!("{key:?}")).collect();
        format!(
            "{{{{ tojson([snapshot_get_time() | trim, {updated_at}, \
             snapshot_hash_arguments([{}, {updated_at}]) | trim, \
             snapshot_hash_arguments([{:?}, snapshot_get_time() | trim]) | trim]) }}}}",
            keys.join(", "),
            self.names.scd_id,
        )
    }

    fn keys(&self) -> String {
        let keys = self.unique_key.iter().enumerate();
        keys.map(|(at, key)| format!(", {key} as __key_{at}")).collect()
    }

    fn joined(&self) -> String {
        let keys = (0..self.unique_key.len())
            .map(|at| format!("snapshotted_data.__key_{at} = source_data.__key_{at}"));
        keys.collect::<Vec<_>>().join(" and ")
    }

    /// The rows of the first run.
    fn first(&self, sql: &str, texts: &Texts) -> String {
        let Names { scd_id, updated_at, valid_from, valid_to, is_deleted } = &self.names;
        let at = &texts.updated_at;
        let deleted = match self.hard_deletes {
            HardDeletes::NewRecord => format!(", 'False' as {is_deleted}"),
            HardDeletes::Ignore | HardDeletes::Invalidate => String::new(),
        };
        format!(
            "select *, {scd} as {scd_id}, {at} as {updated_at}, {at} as {valid_from}, \
             {until} as {valid_to}{deleted} from (\n{sql}\n) sbq",
            scd = texts.scd_id,
            until = self.until(at),
        )
    }

    /// `dbt_valid_to` of an open row.
    fn until(&self, at: &str) -> String {
        let current = self.valid_to_current.as_deref().unwrap_or("null");
        format!("coalesce(nullif({at}, {at}), {current})")
    }

    fn open(&self, prefix: &str) -> String {
        let valid_to = format!("{prefix}{}", self.names.valid_to);
        match &self.valid_to_current {
            Some(current) => format!("({valid_to} = {current} or {valid_to} is null)"),
            None => format!("{valid_to} is null"),
        }
    }

    /// Whether a row that is there in both changed.
    fn changed(&self, source: &[String], target: &[String]) -> String {
        let has = |columns: &[String], name: &str| {
            columns.iter().any(|column| column.eq_ignore_ascii_case(name))
        };
        match &self.strategy {
            Strategy::Timestamp => format!(
                "(snapshotted_data.{} < source_data.{})",
                self.names.valid_from,
                self.updated_at.as_deref().unwrap_or_default()
            ),
            Strategy::Check(columns) => {
                let columns = columns.as_deref().unwrap_or(source);
                if columns.iter().any(|column| !has(target, column)) {
                    return "true".to_owned();
                }
                let compared = columns.iter().map(|column| {
                    // As the query and the table spell it.
                    let known = source.iter().find(|own| own.eq_ignore_ascii_case(column));
                    let name = quoted(known.unwrap_or(column));
                    format!("(snapshotted_data.{name} is distinct from source_data.{name})")
                });
                format!("({})", compared.collect::<Vec<_>>().join(" or "))
            }
        }
    }

    /// Rows that take the place of those with their `dbt_scd_id`, or are new.
    fn next(
        &self,
        sql: &str,
        table: &str,
        source: &[String],
        target: &[String],
        texts: &Texts,
    ) -> String {
        let Names { scd_id, valid_to, is_deleted, .. } = &self.names;
        let (keys, joined, now) = (self.keys(), self.joined(), &texts.now);
        let changed = self.changed(source, target);
        let changed = match self.hard_deletes {
            HardDeletes::NewRecord => {
                format!("({changed} or snapshotted_data.{is_deleted} = 'True')")
            }
            HardDeletes::Ignore | HardDeletes::Invalidate => changed,
        };
        let still_marked = match self.hard_deletes {
            HardDeletes::NewRecord => format!(
                " and not (snapshotted_data.{is_deleted} = 'True' and {})",
                self.open("snapshotted_data.")
            ),
            HardDeletes::Ignore | HardDeletes::Invalidate => String::new(),
        };
        let mut closing = format!(
            "select snapshotted_data.{scd_id} as __scd, source_data.__at as __until \
             from snapshotted_data join source_data on {joined} where {changed}"
        );
        if self.hard_deletes != HardDeletes::Ignore {
            closing.push_str(&format!(
                " union all select snapshotted_data.{scd_id}, {now} from snapshotted_data \
                 left join source_data on {joined} \
                 where source_data.__key_0 is null{still_marked}"
            ));
        }
        let columns = self.columns(source, target);
        let closed = columns.iter().map(|column| {
            let name = quoted(column);
            match (column.eq_ignore_ascii_case(valid_to), target.contains(column)) {
                (true, _) => format!("closing.__until as {name}"),
                (false, true) => format!("snapshotted_data.{name}"),
                (false, false) => format!("null as {name}"),
            }
        });
        let closed = closed.collect::<Vec<_>>().join(", ");
        let new = columns.iter().map(|column| self.new_value(column, source));
        let new = new.collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "with snapshot_query as (\n{sql}\n),\n\
             snapshotted_data as (select *{keys} from {table} where {open}),\n\
             source_data as (select *{keys}, {at} as __at, {until} as __to, {scd} as __scd \
             from snapshot_query),\n\
             closing as ({closing})\n\
             select {closed} from snapshotted_data join closing \
             on snapshotted_data.{scd_id} = closing.__scd\n\
             union all select {new} from source_data left join snapshotted_data on {joined} \
             where snapshotted_data.__key_0 is null or {changed}",
            open = self.open(""),
            at = texts.updated_at,
            until = self.until(&texts.updated_at),
            scd = texts.scd_id,
        );
        if self.hard_deletes == HardDeletes::NewRecord {
            let gone = columns.iter().map(|column| self.gone_value(column, target, texts));
            let gone = gone.collect::<Vec<_>>().join(", ");
            text.push_str(&format!(
                "\nunion all select {gone} from snapshotted_data left join source_data \
                 on {joined} where source_data.__key_0 is null{still_marked}"
            ));
        }
        text
    }

    /// The table's columns, then those that only the query has.
    fn columns(&self, source: &[String], target: &[String]) -> Vec<String> {
        let mut columns = target.to_vec();
        let known =
            |columns: &[String], name: &str| columns.iter().any(|c| c.eq_ignore_ascii_case(name));
        for column in source {
            if !known(&columns, column) {
                columns.push(column.clone());
            }
        }
        if self.hard_deletes == HardDeletes::NewRecord && !known(&columns, &self.names.is_deleted) {
            columns.push(self.names.is_deleted.clone());
        }
        columns
    }

    fn new_value(&self, column: &str, source: &[String]) -> String {
        let Names { scd_id, updated_at, valid_from, valid_to, is_deleted } = &self.names;
        let name = quoted(column);
        let is = |other: &String| column.eq_ignore_ascii_case(other);
        let value = if is(scd_id) {
            "source_data.__scd".to_owned()
        } else if is(updated_at) || is(valid_from) {
            "source_data.__at".to_owned()
        } else if is(valid_to) {
            "source_data.__to".to_owned()
        } else if is(is_deleted) && self.hard_deletes == HardDeletes::NewRecord {
            "'False'".to_owned()
        } else {
            match source.iter().find(|own| own.eq_ignore_ascii_case(column)) {
                Some(own) => format!("source_data.{}", quoted(own)),
                None => "null".to_owned(),
            }
        };
        format!("{value} as {name}")
    }

    fn gone_value(&self, column: &str, target: &[String], texts: &Texts) -> String {
        let Names { scd_id, updated_at, valid_from, is_deleted, .. } = &self.names;
        let name = quoted(column);
        let is = |other: &String| column.eq_ignore_ascii_case(other);
        let value = if is(scd_id) {
            // The macro names the column bare; only the snapshot's own table has it.
            texts.deleted_scd_id.clone()
        } else if is(updated_at) || is(valid_from) {
            texts.now.clone()
        } else if is(is_deleted) {
            "'True'".to_owned()
        } else if target.iter().any(|own| own.eq_ignore_ascii_case(column)) {
            format!("snapshotted_data.{name}")
        } else {
            "null".to_owned()
        };
        format!("{value} as {name}")
    }
}

impl Workshop {
    /// The columns of a snapshot that is taken for the first time.
    pub(crate) async fn snapshot_columns(
        &self,
        node: &Node,
        compiled: &CompiledNode,
        world: &Arc<World>,
    ) -> Result<SchemaRef, TransformationError> {
        let settings = Settings::of(node)?;
        let own = |error| compiled.query_error(error);
        let session = world.session();
        session.prepare(&compiled.sql).await.map_err(own)?;
        let texts = self.texts(node, &settings, world).await?;
        let first = settings.first(&compiled.sql, &texts);
        Ok(session.prepare(&first).await.map_err(own)?.schema())
    }

    /// Stages a snapshot's new version: rows that changed are closed and written again.
    pub(crate) async fn stage_snapshot(
        &self,
        node: &Node,
        making: Making,
        cancel: &CancellationToken,
    ) -> Result<StagedNode, TransformationError> {
        let settings = Settings::of(node)?;
        let table = table_of(node)?;
        let before = self.before(&table).await?;
        let world = self.world(self.session(self.catalog().await?)).await?;
        self.run_hooks(node, &node.config.pre_hooks, &world).await?;
        let compiled = self.compile_in(node, &world, self.options.full_refresh).await?;
        let texts = self.texts(node, &settings, &world).await?;
        let session = world.session();
        let own = |error| compiled.query_error(error);
        let source = session.prepare(&compiled.sql).await.map_err(own)?;
        let names = |schema: &arrow::datatypes::Schema| -> Vec<String> {
            schema.fields().iter().map(|field| field.name().clone()).collect()
        };
        let sql = match &before.table {
            None => settings.first(&compiled.sql, &texts),
            Some(base) => {
                let relation = node.relation.as_ref().map(ToString::to_string).unwrap_or_default();
                let (source, target) = (names(&source.schema()), names(base.arrow_schema()));
                settings.next(&compiled.sql, &relation, &source, &target, &texts)
            }
        };
        let prepared = session.prepare(&sql).await.map_err(own)?;
        let commit = self.commit_id();
        let mut options = self.stage_options(node, &commit, Some(&compiled));
        options.replaces = before.view();
        let mut stage = self.lake.stage(&self.environment, &table, before.table.as_ref(), options);
        let shape = if before.table.is_some() {
            stage.mode(WriteMode::Merge { keys: vec![settings.names.scd_id.clone()] })?;
            let rows = prepared.schema();
            let known = before.table.as_ref().map(|base| Arc::clone(base.arrow_schema()));
            let added = rows.fields().iter().filter(|field| {
                known.as_ref().is_none_or(|known| known.column_with_name(field.name()).is_none())
            });
            let added: Vec<_> = added.map(Arc::clone).collect();
            if !added.is_empty() {
                stage.evolve_to(&arrow::datatypes::Schema::new(added))?;
            }
            Some(stage.arrow_schema()?)
        } else {
            stage.evolve_to(&prepared.schema())?;
            None
        };
        let rows = RowsOf { session: &session, prepared: &prepared, compiled: &compiled };
        rows.write_to(&mut stage, cancel, |batch| match &shape {
            None => Ok(batch),
            Some(shape) => {
                shaped(&batch, shape).map_err(|message| refuse(node, &message, SHAPE_HELP))
            }
        })
        .await?;
        let staged = stage.finish().await?;
        let mut made = Made::rows(&staged);
        made.version.inputs = prepared.inputs();
        made.version.code_fingerprint = Some(compiled.fingerprint(node));
        Box::pin(self.after(node, making.staged(node, made), &world)).await
    }

    async fn texts(
        &self,
        node: &Node,
        settings: &Settings,
        world: &Arc<World>,
    ) -> Result<Texts, TransformationError> {
        let text = self.rendered(node, &settings.texts_template(), world).await?;
        let texts: Vec<String> = serde_json::from_str(&text).map_err(|error| {
            TransformationError::Internal(format!("snapshot macros gave no texts: {error}"))
        })?;
        let [now, updated_at, scd_id, deleted_scd_id]: [String; 4] =
            texts.try_into().map_err(|_| {
                TransformationError::Internal("snapshot macros gave too few texts".to_owned())
            })?;
        Ok(Texts { now, updated_at, scd_id, deleted_scd_id })
    }
}

const SHAPE_HELP: &str = "Cast the column in the snapshot's query to the type of its table.";
