//! What became of one node over many runs: its steps, its attempts, its tests.

use base::{EnvironmentName, NodeId, TableName};

use crate::attempts::{read_attempt, read_step};
use crate::test_results::read_result;
use crate::transaction::sql;
use crate::{AttemptRecord, Ledger, LedgerError, StepRecord, TestResult};

impl Ledger {
    /// The steps of a node in all runs that have come to it, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn node_steps(
        &self,
        environment: &EnvironmentName,
        node: &NodeId,
        limit: u32,
    ) -> Result<Vec<StepRecord>, LedgerError> {
        let statement = sql(concat!(
            "SELECT * FROM steps WHERE environment = ? AND node = ? AND status <> 'pending' ",
            "ORDER BY coalesce(machine_finished, machine_started) DESC, rowid DESC LIMIT ?"
        ));
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(node.as_str().to_owned())
            .bind(limit);
        self.rows(statement).await?.iter().map(read_step).collect()
    }

    /// The attempts of a node in all runs, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn node_attempts(
        &self,
        environment: &EnvironmentName,
        node: &NodeId,
        limit: u32,
    ) -> Result<Vec<AttemptRecord>, LedgerError> {
        let statement = sql(concat!(
            "SELECT * FROM attempts WHERE environment = ? AND node = ? ",
            "ORDER BY machine_started DESC, rowid DESC LIMIT ?"
        ));
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(node.as_str().to_owned())
            .bind(limit);
        self.rows(statement).await?.iter().map(read_attempt).collect()
    }

    /// The test results about versions of a table, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn table_tests(
        &self,
        environment: &EnvironmentName,
        table: &TableName,
        limit: u32,
    ) -> Result<Vec<TestResult>, LedgerError> {
        let statement = sql(concat!(
            "SELECT * FROM test_results WHERE environment = ? AND namespace = ? AND name = ? ",
            "ORDER BY sequence DESC LIMIT ?"
        ));
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(table.namespace.clone())
            .bind(table.name.clone())
            .bind(limit);
        self.rows(statement).await?.iter().map(read_result).collect()
    }
}
