//! Events of a run's steps. A test that ran on the version of its model is told of when that step
//! ended, as if it had been a step of its own: who counts tests in dbt's log finds each once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base::system::SystemClock;
use base::{Clock, NodeId};
use chrono::{DateTime, Utc};
use ledger::{StepStatus, TestStatus};
use orchestration::{Observer, Plan, Step, StepResult};
use project::{Node, NodeKind, Project};
use serde_json::{Value, json};
use transformation::{StepReport, TestReport};

use super::{Event, fire, nodes};
use crate::arguments::LogLevel;
use crate::executor::Reports;

/// Tells the log of each step, and somebody else too.
pub(crate) struct Told {
    project: Arc<Project>,
    reports: Arc<Reports>,
    next: Arc<dyn Observer>,
    total: usize,
    number: AtomicUsize,
    begun: Mutex<BTreeMap<NodeId, (usize, DateTime<Utc>)>>,
}

impl Told {
    /// Tells of the steps of a plan.
    pub(crate) fn new(
        project: Arc<Project>,
        plan: &Plan,
        reports: Arc<Reports>,
        next: Arc<dyn Observer>,
    ) -> Self {
        let tests = plan.steps.iter().map(|step| step.gates.len() + step.warnings.len());
        let total = plan.steps.len() + tests.sum::<usize>();
        let threads = project.target.threads;
        let target = &project.target.name;
        super::end::found(&project);
        let message = format!("Concurrency: {threads} threads (target='{target}')");
        fire(Event::new("Formatting", "Z017", "").with(json!({"msg": ""})));
        fire(
            Event::new("ConcurrencyLine", "Q027", message)
                .with(json!({"node_count": total, "num_threads": threads, "target_name": target})),
        );
        fire(Event::new("Formatting", "Z017", "").with(json!({"msg": ""})));
        let (number, begun) = (AtomicUsize::new(0), Mutex::default());
        Self { project, reports, next, total, number, begun }
    }

    fn begin(&self, node: &Node) -> (usize, DateTime<Utc>) {
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let now = SystemClock.now();
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.insert(node.id.clone(), (number, now));
        (number, now)
    }

    fn tell_start(&self, node: &Node, thread: &str) {
        let (number, now) = self.begin(node);
        let info = nodes::info(node, "started", Some(now), None);
        let description = nodes::description(&self.project, node);
        let message = format!("Began running node {}", node.id);
        fire(
            Event::new("NodeStart", "Q024", message)
                .at(LogLevel::Debug)
                .with(json!({"node_info": info}))
                .on(thread.to_owned()),
        );
        let place = (number, self.total);
        let text = nodes::line(place, &format!("START {description}"), "RUN", None);
        let data = json!({
            "description": description, "index": number, "total": self.total, "node_info": info,
        });
        fire(Event::new("LogStartLine", "Q011", text).with(data).on(thread.to_owned()));
    }

    fn tell_end(&self, ended: &Ended<'_>) {
        let node = ended.node;
        let (number, started) = {
            let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            begun.get(&node.id).copied().unwrap_or((self.total, SystemClock.now()))
        };
        let now = SystemClock.now();
        let started = (ended.status != "skipped").then_some(started);
        let info = nodes::info(node, ended.status, started, Some(now));
        let thread = format!("Thread-{number} (worker)");
        fire(ended.line(&self.project, (number, self.total), &info).on(thread.clone()));
        if ended.status == "skipped" {
            return;
        }
        let failures = ended.test.and_then(|test| test.failures).unwrap_or_default();
        let message = ended.message.clone().unwrap_or_default();
        fire(
            Event::new("NodeFinished", "Q025", format!("Finished running node {}", node.id))
                .at(LogLevel::Debug)
                .with(json!({
                    "node_info": info,
                    "run_result": {
                        "status": ended.status,
                        "message": message,
                        "num_failures": failures,
                        "execution_time": ended.seconds,
                        "thread": thread,
                        "timing_info": [],
                        "adapter_response": {},
                    },
                }))
                .on(thread),
        );
    }
}

impl Observer for Told {
    fn started(&self, step: &Step, index: usize, total: usize) {
        if let Some(node) = self.project.graph.node(&step.node) {
            self.tell_start(node, &format!("Thread-{index} (worker)"));
        }
        self.next.started(step, index, total);
    }

    fn ended(&self, step: &Step, result: &StepResult, index: usize, total: usize) {
        if let (Some(node), Some(report)) =
            (self.project.graph.node(&step.node), self.reports.get(&step.node))
        {
            let is_test = matches!(node.kind, NodeKind::Test | NodeKind::UnitTest);
            let skipped = matches!(report.status, StepStatus::Skipped | StepStatus::Cancelled);
            if skipped {
                self.begin(node);
            }
            let own = report.tests.first().filter(|_| is_test);
            self.tell_end(&Ended::of(node, &report, own));
            for test in report.tests.iter().filter(|_| !is_test) {
                let Some(node) = self.project.graph.node(&test.node) else { continue };
                self.tell_start(node, &format!("Thread-{index} (worker)"));
                self.tell_end(&Ended::of_test(node, test));
            }
        }
        self.next.ended(step, result, index, total);
    }
}

/// What became of a node, in dbt's words.
struct Ended<'a> {
    node: &'a Node,
    status: &'static str,
    message: Option<String>,
    seconds: f64,
    rows: Option<u64>,
    test: Option<&'a TestReport>,
}

impl<'a> Ended<'a> {
    fn of(node: &'a Node, report: &StepReport, test: Option<&'a TestReport>) -> Self {
        if let Some(test) = test {
            return Self::of_test(node, test);
        }
        let status = match report.status {
            StepStatus::Succeeded | StepStatus::Warned => "success",
            StepStatus::Failed | StepStatus::Interrupted => "error",
            StepStatus::Skipped
            | StepStatus::Cancelled
            | StepStatus::Pending
            | StepStatus::Running => "skipped",
        };
        Self {
            node,
            status,
            message: report.message.clone(),
            seconds: report.duration.as_secs_f64(),
            rows: report.version.as_ref().map(|version| version.account.inserted),
            test: None,
        }
    }

    fn of_test(node: &'a Node, test: &'a TestReport) -> Self {
        Self {
            node,
            status: test_word(test.status),
            message: test.message.clone(),
            seconds: test.duration.as_secs_f64(),
            rows: None,
            test: Some(test),
        }
    }

    fn line(&self, project: &Project, place: (usize, usize), info: &Value) -> Event {
        let (index, total) = place;
        let relation = nodes::relation(self.node);
        if self.status == "skipped" {
            let kind = self.node.kind;
            let what = match kind.is_referable() {
                true => format!("relation {relation}"),
                false => format!("{} {}", kind.word(), self.node.name),
            };
            let schema = self.node.relation.as_ref().map(|place| place.schema.as_str());
            let text = nodes::line(place, &format!("SKIP {what}"), "SKIP", None);
            return Event::new("SkippingDetails", "Q034", text).with(json!({
                "index": index, "total": total, "node_info": info, "node_name": self.node.name,
                "resource_type": kind.word(), "schema": schema.unwrap_or_default(),
            }));
        }
        match self.node.kind {
            NodeKind::Test | NodeKind::UnitTest => self.test_line(project, place, info),
            NodeKind::Seed => self.seed_line(place, info),
            NodeKind::Snapshot => self.snapshot_line(place, info),
            _ => self.model_line(project, place, info),
        }
    }

    fn level(&self) -> LogLevel {
        match self.status {
            "error" | "fail" => LogLevel::Error,
            "warn" => LogLevel::Warn,
            _ => LogLevel::Info,
        }
    }

    fn is_error(&self) -> bool {
        self.status == "error"
    }

    fn model_line(&self, project: &Project, place: (usize, usize), info: &Value) -> Event {
        let description = nodes::description(project, self.node);
        let (words, status) = match self.is_error() {
            true => (format!("ERROR creating {description}"), "ERROR"),
            false => (format!("OK created {description}"), "OK"),
        };
        let text = nodes::line(place, &words, status, Some(self.seconds));
        Event::new("LogModelResult", "Q012", text).at(self.level()).with(json!({
            "description": description, "status": status, "index": place.0, "total": place.1,
            "execution_time": self.seconds, "node_info": info,
        }))
    }

    fn seed_line(&self, place: (usize, usize), info: &Value) -> Event {
        let relation = nodes::relation(self.node);
        let result = match (self.is_error(), self.rows) {
            (true, _) => "ERROR".to_owned(),
            (false, Some(rows)) => format!("INSERT {rows}"),
            (false, None) => "OK".to_owned(),
        };
        let words = match self.is_error() {
            true => format!("ERROR loading seed file {relation}"),
            false => format!("OK loaded seed file {relation}"),
        };
        let text = nodes::line(place, &words, &result, Some(self.seconds));
        let of = self.node.relation.as_ref();
        Event::new("LogSeedResult", "Q016", text).at(self.level()).with(json!({
            "status": self.status, "result_message": result, "index": place.0, "total": place.1,
            "execution_time": self.seconds, "schema": of.map(|place| &place.schema),
            "relation": of.map(|place| &place.identifier), "node_info": info,
        }))
    }

    fn snapshot_line(&self, place: (usize, usize), info: &Value) -> Event {
        let relation = nodes::relation(self.node);
        let (words, result) = match self.is_error() {
            true => (format!("ERROR snapshotting {relation}"), "ERROR"),
            false => (format!("OK snapshotted {relation}"), "OK"),
        };
        let text = nodes::line(place, &words, result, Some(self.seconds));
        Event::new("LogSnapshotResult", "Q015", text).at(self.level()).with(json!({
            "description": relation, "status": self.status, "index": place.0, "total": place.1,
            "execution_time": self.seconds, "cfg": {}, "node_info": info, "result_message": result,
        }))
    }

    fn test_line(&self, project: &Project, place: (usize, usize), info: &Value) -> Event {
        let failures = self.test.and_then(|test| test.failures).unwrap_or_default();
        let name = match self.node.kind {
            NodeKind::UnitTest => nodes::unit_test(project, self.node),
            _ => self.node.name.clone(),
        };
        let word = match self.status {
            "pass" => "PASS".to_owned(),
            "warn" => format!("WARN {failures}"),
            "fail" => format!("FAIL {failures}"),
            _ => "ERROR".to_owned(),
        };
        let text = nodes::line(place, &format!("{word} {name}"), &word, Some(self.seconds));
        let attached = self.node.test.as_ref().and_then(|test| test.attached.clone());
        Event::new("LogTestResult", "Q007", text).at(self.level()).with(json!({
            "name": name, "status": self.status, "index": place.0, "num_models": place.1,
            "execution_time": self.seconds, "num_failures": failures, "node_info": info,
            "attached_node": attached.map(|id| id.to_string()).unwrap_or_default(),
        }))
    }
}

/// dbt's word for what a test said.
pub(super) fn test_word(status: TestStatus) -> &'static str {
    match status {
        TestStatus::Passed => "pass",
        TestStatus::Warned => "warn",
        TestStatus::Failed => "fail",
        TestStatus::Errored => "error",
        TestStatus::Skipped => "skipped",
    }
}
