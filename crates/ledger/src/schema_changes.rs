//! What changed in the schemas of tables, so that a drift can be dated and explained.

use base::{CommitId, EnvironmentName, NodeId, RunId, TableName};
use chrono::{DateTime, Utc};

use crate::transaction::{Write, sql};
use crate::words::{moment, words};
use crate::{Commit, Ledger, LedgerError};

words! {
    /// What happened to a column.
    SchemaChangeKind {
        /// It is new.
        ColumnAdded => "column_added",
        /// It has another name.
        ColumnRenamed => "column_renamed",
        /// Its type holds more.
        ColumnWidened => "column_widened",
        /// It is gone.
        ColumnDropped => "column_dropped",
        /// It may now be empty.
        ColumnMadeOptional => "column_made_optional",
    }
}

/// One change to one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaChange {
    /// The table.
    pub table: TableName,
    /// What happened.
    pub kind: SchemaChangeKind,
    /// The column, by its name before the change (after it, when it is new); dots lead into
    /// nested types.
    pub column: String,
    /// Name or type before.
    pub from: Option<String>,
    /// Name or type after.
    pub to: Option<String>,
}

/// A schema change as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaChangeRecord {
    /// The change.
    pub change: SchemaChange,
    /// The commit that published it.
    pub commit_id: CommitId,
    /// The environment.
    pub environment: EnvironmentName,
    /// The run that made it.
    pub run: Option<RunId>,
    /// The node that made it.
    pub node: Option<NodeId>,
    /// When, by the business clock.
    pub business_time: DateTime<Utc>,
    /// When, by the machine clock.
    pub machine_time: DateTime<Utc>,
}

impl Ledger {
    /// Every schema change of a table, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn schema_changes(
        &self,
        environment: &EnvironmentName,
        table: &TableName,
    ) -> Result<Vec<SchemaChangeRecord>, LedgerError> {
        let statement = sql(concat!(
            "SELECT * FROM schema_changes WHERE environment = ? AND namespace = ? AND name = ? ",
            "ORDER BY sequence"
        ));
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(table.namespace.clone())
            .bind(table.name.clone());
        let records = self.rows(statement).await?;
        records
            .iter()
            .map(|record| {
                Ok(SchemaChangeRecord {
                    change: SchemaChange {
                        table: record.table()?,
                        kind: record.word("kind")?,
                        column: record.text("column_name")?,
                        from: record.maybe_text("changed_from")?,
                        to: record.maybe_text("changed_to")?,
                    },
                    commit_id: CommitId::new(record.text("commit_id")?),
                    environment: record.environment()?,
                    run: record.maybe_run()?,
                    node: record.maybe_node()?,
                    business_time: record.time("business_time")?,
                    machine_time: record.time("machine_time")?,
                })
            })
            .collect()
    }
}

impl Write<'_> {
    pub(crate) async fn insert_schema_change(
        &mut self,
        commit: &Commit,
        change: &SchemaChange,
    ) -> Result<(), LedgerError> {
        let made_by = commit.versions.iter().find(|version| version.table == change.table);
        let node = made_by.and_then(|version| version.node.as_ref()).or(commit.node.as_ref());
        let statement = sql(concat!(
            "INSERT INTO schema_changes (commit_id, environment, run, node, namespace, name, ",
            "kind, column_name, changed_from, changed_to, business_time, machine_time) ",
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ));
        let statement = statement
            .bind(commit.id.as_str().to_owned())
            .bind(commit.environment.as_str().to_owned())
            .bind(commit.run.as_ref().map(|run| run.as_str().to_owned()))
            .bind(node.map(|node| node.as_str().to_owned()))
            .bind(change.table.namespace.clone())
            .bind(change.table.name.clone())
            .bind(change.kind.as_str())
            .bind(change.column.clone())
            .bind(change.from.clone())
            .bind(change.to.clone())
            .bind(moment(self.ledger.clocks().business.now()))
            .bind(moment(self.ledger.clocks().machine.now()));
        self.execute(statement).await.map(drop)
    }
}
