//! Test results: kept whether or not anything was published.

use base::{EnvironmentName, NodeId, RunId, TableName};
use chrono::{DateTime, Utc};

use crate::accounts::stored;
use crate::records::Record;
use crate::transaction::{Statement, sql};
use crate::words::{moment, words};
use crate::{Ledger, LedgerError};

words! {
    /// How a test ended.
    TestStatus {
        /// No failing row beyond the thresholds.
        Passed => "passed",
        /// Failing rows, at severity warn.
        Warned => "warned",
        /// Failing rows, at severity error.
        Failed => "failed",
        /// The test itself could not be run.
        Errored => "errored",
        /// It was not run, because what it tests was not made.
        Skipped => "skipped",
    }
}

/// One test, run once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRecord {
    /// The environment.
    pub environment: EnvironmentName,
    /// The run.
    pub run: Option<RunId>,
    /// The test.
    pub node: NodeId,
    /// The table it judged; none for a test over many.
    pub table: Option<TableName>,
    /// The metadata file of the version it judged.
    pub metadata_location: Option<String>,
    /// How it ended.
    pub status: TestStatus,
    /// Failing rows.
    pub failures: Option<u64>,
    /// What is said about it.
    pub message: Option<String>,
    /// Some failing rows, as JSON.
    pub sample: Option<serde_json::Value>,
    /// Milliseconds it took.
    pub duration_ms: Option<u64>,
}

impl TestRecord {
    /// A test's end; fill in what is known.
    pub fn new(
        environment: impl Into<EnvironmentName>,
        node: impl Into<NodeId>,
        status: TestStatus,
    ) -> Self {
        Self {
            environment: environment.into(),
            run: None,
            node: node.into(),
            table: None,
            metadata_location: None,
            status,
            failures: None,
            message: None,
            sample: None,
            duration_ms: None,
        }
    }
}

/// A test result as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// The test and its end.
    pub test: TestRecord,
    /// When, by the business clock.
    pub business_time: DateTime<Utc>,
    /// When, by the machine clock.
    pub machine_time: DateTime<Utc>,
}

impl Ledger {
    /// Records one test result.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn record_test(&self, test: &TestRecord) -> Result<(), LedgerError> {
        self.execute(self.test_statement(test)).await.map(drop)
    }

    /// Records the results of several tests at once, published or not.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn record_tests(&self, tests: &[TestRecord]) -> Result<(), LedgerError> {
        if tests.is_empty() {
            return Ok(());
        }
        let mut write = self.write().await?;
        for test in tests {
            write.execute(self.test_statement(test)).await?;
        }
        write.commit().await
    }

    /// The test results of a run, in the order in which they came.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn test_results(&self, run: &RunId) -> Result<Vec<TestResult>, LedgerError> {
        let statement = sql("SELECT * FROM test_results WHERE run = ? ORDER BY sequence");
        let statement = statement.bind(run.as_str().to_owned());
        self.rows(statement).await?.iter().map(read_result).collect()
    }

    /// The newest results of one test, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn test_history(
        &self,
        environment: &EnvironmentName,
        node: &NodeId,
        limit: u32,
    ) -> Result<Vec<TestResult>, LedgerError> {
        let statement = sql(concat!(
            "SELECT * FROM test_results WHERE environment = ? AND node = ? ",
            "ORDER BY sequence DESC LIMIT ?"
        ));
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(node.as_str().to_owned())
            .bind(limit);
        self.rows(statement).await?.iter().map(read_result).collect()
    }

    /// The newest result of every test of an environment.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn latest_test_results(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<TestResult>, LedgerError> {
        let statement = sql(concat!(
            "SELECT * FROM test_results WHERE sequence IN (SELECT max(sequence) FROM test_results ",
            "WHERE environment = ? AND status <> 'skipped' GROUP BY node) ORDER BY node"
        ));
        let statement = statement.bind(environment.as_str().to_owned());
        self.rows(statement).await?.iter().map(read_result).collect()
    }

    pub(crate) fn test_statement(&self, test: &TestRecord) -> Statement<'static> {
        let statement = sql(concat!(
            "INSERT INTO test_results (environment, run, node, namespace, name, ",
            "metadata_location, status, failures, message, sample, duration_ms, business_time, ",
            "machine_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ));
        statement
            .bind(test.environment.as_str().to_owned())
            .bind(test.run.as_ref().map(|run| run.as_str().to_owned()))
            .bind(test.node.as_str().to_owned())
            .bind(test.table.as_ref().map(|table| table.namespace.clone()))
            .bind(test.table.as_ref().map(|table| table.name.clone()))
            .bind(test.metadata_location.clone())
            .bind(test.status.as_str())
            .bind(test.failures.map(stored))
            .bind(test.message.clone())
            .bind(test.sample.as_ref().map(serde_json::Value::to_string))
            .bind(test.duration_ms.map(stored))
            .bind(moment(self.clocks().business.now()))
            .bind(moment(self.clocks().machine.now()))
    }
}

pub(crate) fn read_result(record: &Record) -> Result<TestResult, LedgerError> {
    let table = match record.maybe_text("namespace")? {
        Some(_) => Some(record.table()?),
        None => None,
    };
    Ok(TestResult {
        test: TestRecord {
            environment: record.environment()?,
            run: record.maybe_run()?,
            node: NodeId::new(record.text("node")?),
            table,
            metadata_location: record.maybe_text("metadata_location")?,
            status: record.word("status")?,
            failures: record.maybe_count("failures")?,
            message: record.maybe_text("message")?,
            sample: record.maybe_json("sample")?,
            duration_ms: record.maybe_count("duration_ms")?,
        },
        business_time: record.time("business_time")?,
        machine_time: record.time("machine_time")?,
    })
}
