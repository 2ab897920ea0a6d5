//! The end of a command: what became of each node, as one screen or one JSON document.

use std::process::ExitCode;
use std::time::Duration;

use base::{LoadAccount, NodeId, RunId};
use ledger::{RunStatus, StepStatus, TestStatus};
use serde_json::{Value, json};
use transformation::{StepReport, TestReport};

use crate::console::{Console, Ink, count, seconds};
use crate::draw;
use crate::events;
use crate::failure::{Failure, NODE_FAILED};
use crate::workplace::Workplace;

/// What a run did.
#[derive(Debug)]
pub(crate) struct Summary {
    command: String,
    environment: String,
    /// When, by the business clock.
    pub(crate) business_time: String,
    /// The run; none when there was nothing to do.
    pub(crate) run: Option<RunId>,
    status: RunStatus,
    /// What became of each node.
    pub(crate) reports: Vec<StepReport>,
    /// How long the run took.
    pub(crate) duration: Duration,
    /// Nodes that stayed as they are published, because they would have come out the same.
    pub(crate) reused: Vec<NodeId>,
}

impl Summary {
    pub(crate) fn new(
        command: &str,
        place: &Workplace,
        run: RunId,
        status: RunStatus,
        reports: Vec<StepReport>,
        duration: Duration,
    ) -> Self {
        Self { run: Some(run), status, reports, duration, ..Self::nothing(command, place) }
    }

    /// A command that had nothing to do.
    pub(crate) fn nothing(command: &str, place: &Workplace) -> Self {
        Self {
            command: command.to_owned(),
            environment: place.environment.to_string(),
            business_time: place.clocks.business.now().to_rfc3339(),
            run: None,
            status: RunStatus::Succeeded,
            reports: Vec::new(),
            duration: Duration::ZERO,
            reused: Vec::new(),
        }
    }

    /// Says which nodes stayed as they are.
    #[must_use]
    pub(crate) fn reusing(mut self, reused: Vec<NodeId>) -> Self {
        self.reused = reused;
        self
    }

    /// Whether every node succeeded.
    pub(crate) fn is_good(&self) -> bool {
        self.status == RunStatus::Succeeded
    }

    /// How the run ended.
    pub(crate) fn status(&self) -> RunStatus {
        self.status
    }

    /// What was read and where it went, over all streams.
    pub(crate) fn loaded(&self) -> LoadAccount {
        let mut sum = LoadAccount::default();
        for load in self.reports.iter().filter_map(|report| report.load) {
            sum.add(&load);
        }
        sum
    }

    /// Every test that ran, on a staged version or as a step of its own.
    pub(crate) fn tests(&self) -> impl Iterator<Item = &TestReport> {
        self.reports.iter().flat_map(|report| &report.tests)
    }

    /// Nodes that ended in a status.
    pub(crate) fn with(&self, status: StepStatus) -> usize {
        self.reports.iter().filter(|report| report.status == status).count()
    }

    /// Prints the end of the command, and gives its exit code.
    ///
    /// # Errors
    /// When standard output is closed.
    pub(crate) fn show(&self, console: &Console) -> Result<ExitCode, Failure> {
        if console.json {
            console.print(&self.as_json().to_string())?;
        } else if self.run.is_some() && !events::speaks_dbt() {
            console.say(&self.last_line(console));
        }
        Ok(if self.is_good() { ExitCode::SUCCESS } else { ExitCode::from(NODE_FAILED) })
    }

    /// One line: `build: 23 ok, 1 failed, 2 skipped; 40 tests passed, 1 failed; 3.2 s`.
    pub(crate) fn last_line(&self, console: &Console) -> String {
        let mut parts = Vec::new();
        let words = [
            (StepStatus::Succeeded, "ok", Ink::Good),
            (StepStatus::Warned, "warned", Ink::Warning),
            (StepStatus::Failed, "failed", Ink::Bad),
            (StepStatus::Skipped, "skipped", Ink::Faint),
            (StepStatus::Cancelled, "cancelled", Ink::Warning),
        ];
        for (status, word, ink) in words {
            match self.with(status) {
                0 => {}
                number => parts.push(console.paint(ink, &format!("{number} {word}"))),
            }
        }
        if !self.reused.is_empty() {
            parts.push(format!("{} reused", count(self.reused.len() as u64)));
        }
        let mut line = format!("{}: {}", self.command, parts.join(", "));
        let tests = [
            (TestStatus::Passed, "passed"),
            (TestStatus::Warned, "warned"),
            (TestStatus::Failed, "failed"),
            (TestStatus::Errored, "errored"),
        ];
        let counted: Vec<String> = tests
            .iter()
            .map(|(status, word)| (self.tests().filter(|t| t.status == *status).count(), word))
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{number} {word}"))
            .collect();
        if !counted.is_empty() {
            line.push_str(&format!("; tests: {}", counted.join(", ")));
        }
        let load = self.loaded();
        if self.command == "load" {
            line.push_str(&format!("; rows: {} read", count(load.read)));
            if load.rejected > 0 {
                line.push_str(&format!(", {} rejected", count(load.rejected)));
            }
        }
        format!("{line}; {}", seconds(self.duration))
    }

    /// The whole run for scripts.
    pub(crate) fn as_json(&self) -> Value {
        json!({
            "command": self.command,
            "status": self.status.as_str(),
            "run": self.run,
            "environment": self.environment,
            "business_time": self.business_time,
            "duration_ms": milliseconds(self.duration),
            "reused": self.reused,
            "nodes": self.reports.iter().map(node_json).collect::<Vec<_>>(),
        })
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn node_json(report: &StepReport) -> Value {
    let version = report.version.as_ref();
    json!({
        "node": report.node,
        "status": report.status.as_str(),
        "message": report.message,
        "error_kind": report.error_kind,
        "help": report.help,
        "table": report.table.as_ref().map(ToString::to_string),
        "published": report.published,
        "rows": report.rows,
        "load": report.load,
        "account": version.map(|version| version.account),
        "inputs": version.map(|version| &version.inputs),
        "snapshot_id": version.and_then(|version| version.snapshot_id),
        "tests": report.tests.iter().map(test_json).collect::<Vec<_>>(),
        "duration_ms": milliseconds(report.duration),
        "diagnostics": report.diagnostics.iter().map(draw::as_json).collect::<Vec<_>>(),
    })
}

fn test_json(test: &TestReport) -> Value {
    json!({
        "node": test.node,
        "status": test.status.as_str(),
        "failures": test.failures,
        "message": test.message,
        "sample": test.sample,
        "duration_ms": milliseconds(test.duration),
        "diagnostics": test.diagnostics.iter().map(draw::as_json).collect::<Vec<_>>(),
    })
}
