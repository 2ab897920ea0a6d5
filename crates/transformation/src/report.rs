//! What became of a node and of the tests that ran on it.

use std::time::Duration;

use base::{Diagnostic, ErrorKind, LoadAccount, NodeId, TableName};
use ledger::{StepStatus, TableVersion, TestStatus};
use serde_json::{Map, Value};

/// What became of one node.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// The node.
    pub node: NodeId,
    /// How it ended.
    pub status: StepStatus,
    /// Why it did not succeed.
    pub message: Option<String>,
    /// What kind of thing went wrong.
    pub error_kind: Option<ErrorKind>,
    /// What to do about it.
    pub help: Option<String>,
    /// What is to be drawn in the user's files.
    pub diagnostics: Vec<Diagnostic>,
    /// The table or view, for nodes that have one.
    pub table: Option<TableName>,
    /// The version it made, published or not.
    pub version: Option<TableVersion>,
    /// What became of the rows it read, for loads and seeds.
    pub load: Option<LoadAccount>,
    /// Rows of its table now; a view has none of its own.
    pub rows: Option<u64>,
    /// Whether the version is what readers see now.
    pub published: bool,
    /// Tests that ran on the version.
    pub tests: Vec<TestReport>,
    /// How long it took.
    pub duration: Duration,
}

impl StepReport {
    /// A report about nothing yet.
    pub fn new(node: &NodeId, status: StepStatus) -> Self {
        Self {
            node: node.clone(),
            status,
            message: None,
            error_kind: None,
            help: None,
            diagnostics: Vec::new(),
            table: None,
            version: None,
            load: None,
            rows: None,
            published: false,
            tests: Vec::new(),
            duration: Duration::ZERO,
        }
    }

    /// Whether what reads the node may run.
    pub fn is_good(&self) -> bool {
        matches!(self.status, StepStatus::Succeeded | StepStatus::Warned)
    }
}

/// What a test said.
#[derive(Clone, Debug)]
pub struct TestReport {
    /// The test.
    pub node: NodeId,
    /// What it said.
    pub status: TestStatus,
    /// The number that was compared with the thresholds.
    pub failures: Option<u64>,
    /// What is wrong, with an example.
    pub message: Option<String>,
    /// The first failing rows.
    pub sample: Vec<Map<String, Value>>,
    /// What is to be drawn in the user's files.
    pub diagnostics: Vec<Diagnostic>,
    /// How long it took.
    pub duration: Duration,
}

impl TestReport {
    /// Whether it holds its table back where it gates it.
    pub fn holds_back(&self) -> bool {
        match self.status {
            TestStatus::Failed | TestStatus::Errored => true,
            TestStatus::Passed | TestStatus::Warned | TestStatus::Skipped => false,
        }
    }
}
