//! How everything stands at this moment, one row per thing: what a page that is looked at every
//! few seconds asks for.

use std::collections::BTreeMap;

use base::{EnvironmentName, NodeId, RunId, TableName};
use chrono::{DateTime, Utc};

use crate::attempts::read_step;
use crate::records::Record;
use crate::runs::read_run;
use crate::test_results::read_result;
use crate::transaction::sql;
use crate::{Ledger, LedgerError, PointerKind, RunRecord, StepRecord, TestResult, Tested};

/// What a pointer points to, and where that came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableStanding {
    /// The table or view.
    pub table: TableName,
    /// Which of the two it is.
    pub kind: PointerKind,
    /// Rows of its present version; none for a view.
    pub rows: Option<u64>,
    /// What tests said before it was published.
    pub tested: Option<Tested>,
    /// The run that published it.
    pub run: Option<RunId>,
    /// The node that made it.
    pub node: Option<NodeId>,
    /// When, by the business clock.
    pub business_time: DateTime<Utc>,
    /// Changes that the run read for it.
    pub changes_read: u64,
    /// Changes that the run put aside for it.
    pub changes_rejected: u64,
}

/// A run and what came of it, summed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// The run.
    pub run: RunRecord,
    /// Its steps that are no tests, by status.
    pub steps: BTreeMap<String, u64>,
    /// Tests that failed or could not be run.
    pub tests_failed: u64,
    /// Rows that went into tables.
    pub rows_written: u64,
    /// Rows that were put aside.
    pub rows_rejected: u64,
}

macro_rules! select_summaries {
    ($rest:literal) => {
        concat!(
            "SELECT r.*, (SELECT json_group_object(status, n) FROM (SELECT status, count(*) AS n ",
            "FROM steps s WHERE s.run = r.run AND s.node NOT LIKE 'test.%' GROUP BY status)) ",
            "AS step_counts, (SELECT count(*) FROM test_results t WHERE t.run = r.run ",
            "AND t.status IN ('failed', 'errored')) AS tests_failed, ",
            "(SELECT coalesce(sum(a.rows_inserted), 0) FROM row_accounts a WHERE a.run = r.run) ",
            "AS rows_written, (SELECT coalesce(sum(a.changes_rejected), 0) FROM row_accounts a ",
            "WHERE a.run = r.run) AS rows_rejected FROM runs r ",
            $rest
        )
    };
}

fn read_summary(record: &Record) -> Result<RunSummary, LedgerError> {
    Ok(RunSummary {
        run: read_run(record)?,
        steps: record.json("step_counts")?,
        tests_failed: record.count("tests_failed")?,
        rows_written: record.count("rows_written")?,
        rows_rejected: record.count("rows_rejected")?,
    })
}

fn read_standing(record: &Record) -> Result<TableStanding, LedgerError> {
    let kind = record.maybe_text("iceberg_type")?;
    let tested = match record.maybe_text("tested")? {
        Some(_) => Some(record.word("tested")?),
        None => None,
    };
    let kind = if kind.as_deref() == Some("VIEW") { PointerKind::View } else { PointerKind::Table };
    Ok(TableStanding {
        table: record.table()?,
        rows: record.maybe_count("rows_after")?.filter(|_| kind == PointerKind::Table),
        kind,
        tested,
        run: record.maybe_run()?,
        node: record.maybe_node()?,
        business_time: record.time("business_time")?,
        changes_read: record.count("changes_read")?,
        changes_rejected: record.count("changes_rejected")?,
    })
}

impl Ledger {
    /// The newest step of every node that a run came to.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn node_standings(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<StepRecord>, LedgerError> {
        let statement = sql(concat!(
            "SELECT * FROM steps WHERE rowid IN (SELECT max(rowid) FROM steps ",
            "WHERE environment = ? AND status <> 'pending' GROUP BY node) ORDER BY node"
        ));
        let statement = statement.bind(environment.as_str().to_owned());
        self.rows(statement).await?.iter().map(read_step).collect()
    }

    /// The newest result of every test.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn test_standings(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<TestResult>, LedgerError> {
        let statement = sql(concat!(
            "SELECT * FROM test_results WHERE sequence IN (SELECT max(sequence) ",
            "FROM test_results WHERE environment = ? GROUP BY node) ORDER BY node"
        ));
        let statement = statement.bind(environment.as_str().to_owned());
        self.rows(statement).await?.iter().map(read_result).collect()
    }

    /// What every pointer points to, and where that came from.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn table_standings(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<TableStanding>, LedgerError> {
        let statement = sql(concat!(
            "SELECT p.table_namespace AS namespace, p.table_name AS name, p.iceberg_type, ",
            "v.rows_after, v.tested, c.run, c.node, c.business_time, max(s.sequence), ",
            "(SELECT coalesce(sum(a.changes_read), 0) FROM row_accounts a WHERE a.run = c.run ",
            "AND a.namespace = p.table_namespace AND a.name = p.table_name) AS changes_read, ",
            "(SELECT coalesce(sum(a.changes_rejected), 0) FROM row_accounts a ",
            "WHERE a.run = c.run AND a.namespace = p.table_namespace ",
            "AND a.name = p.table_name) AS changes_rejected ",
            "FROM iceberg_tables p JOIN swings s ON s.environment = p.catalog_name ",
            "AND s.namespace = p.table_namespace AND s.name = p.table_name ",
            "AND s.metadata_location = p.metadata_location ",
            "JOIN commits c ON c.commit_id = s.commit_id ",
            "LEFT JOIN table_versions v ON v.metadata_location = p.metadata_location ",
            "AND v.environment = p.catalog_name WHERE p.catalog_name = ? ",
            "GROUP BY p.table_namespace, p.table_name ORDER BY 1, 2"
        ));
        let statement = statement.bind(environment.as_str().to_owned());
        self.rows(statement).await?.iter().map(read_standing).collect()
    }

    /// Runs and what came of them, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn run_summaries(
        &self,
        environment: &EnvironmentName,
        limit: u32,
    ) -> Result<Vec<RunSummary>, LedgerError> {
        let statement = sql(select_summaries!(
            "WHERE r.environment = ? ORDER BY r.machine_started DESC, r.rowid DESC LIMIT ?"
        ));
        let statement = statement.bind(environment.as_str().to_owned()).bind(limit);
        self.rows(statement).await?.iter().map(read_summary).collect()
    }

    /// One run and what came of it.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn run_summary(&self, run: &RunId) -> Result<Option<RunSummary>, LedgerError> {
        let statement = sql(select_summaries!("WHERE r.run = ?")).bind(run.as_str().to_owned());
        self.row(statement).await?.as_ref().map(read_summary).transpose()
    }
}
