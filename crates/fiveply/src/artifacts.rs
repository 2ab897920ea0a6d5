//! What a command leaves in `target/` for other tools: `run_results.json` (version 6) and
//! `manifest.json` (version 12), in dbt's shape.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base::NodeId;
use chrono::{DateTime, Utc};
use ledger::{StepStatus, TestStatus};
use project::manifest;
use project::{ManifestFacts, NodeKind, Project};
use serde_json::{Map, Value, json};
use transformation::{StepReport, TestReport};

use crate::events;
use crate::failure::Failure;

/// The schema that dbt publishes for results.
const RUN_RESULTS: &str = "https://schemas.getdbt.com/dbt/run-results/v6.json";

/// What a command leaves behind.
pub(crate) struct Artifacts<'a> {
    pub(crate) project: &'a Project,
    /// Where they go.
    pub(crate) folder: PathBuf,
    /// The command's name.
    pub(crate) which: &'a str,
    /// The run's id.
    pub(crate) invocation: String,
    pub(crate) arguments: Map<String, Value>,
    pub(crate) compiled: BTreeMap<NodeId, String>,
    pub(crate) finished: DateTime<Utc>,
    pub(crate) elapsed: Duration,
    /// Selected nodes that are passed and not carried out.
    pub(crate) no_ops: Vec<NodeId>,
}

impl Artifacts<'_> {
    /// Writes both files.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn write(&self, reports: &[StepReport]) -> Result<(), Failure> {
        if !events::writes_json() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder)?;
        let results = self.run_results(reports);
        self.write_file("run_results.json", &results)?;
        self.write_manifest()
    }

    /// Writes the manifest alone.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn write_manifest(&self) -> Result<(), Failure> {
        if !events::writes_json() {
            return Ok(());
        }
        self.write_file("manifest.json", &self.manifest())?;
        self.write_file("semantic_manifest.json", &self.project.semantic_manifest())?;
        for (id, sql) in &self.compiled {
            let Some(node) = self.project.graph.node(id) else { continue };
            let mut path = self.folder.join("compiled").join(&node.package).join(&node.path);
            if path.extension().is_none_or(|end| end != "sql") {
                path = path.join(format!("{}.sql", node.name));
            }
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(path, sql)?;
        }
        Ok(())
    }

    /// The manifest, version 12.
    pub(crate) fn manifest(&self) -> Value {
        self.project.manifest(&ManifestFacts {
            generated_at: self.moment(self.finished),
            invocation_id: self.invocation.clone(),
            compiled: self.compiled.clone(),
        })
    }

    /// Writes one file of JSON.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn write_file(&self, name: &str, content: &Value) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.folder)?;
        Ok(std::fs::write(self.folder.join(name), content.to_string())?)
    }

    /// The `metadata` of an artifact.
    pub(crate) fn metadata(&self, schema: &str) -> Value {
        json!({
            "dbt_schema_version": schema,
            "dbt_version": events::DBT_VERSION,
            "generated_at": self.moment(self.finished),
            "invocation_id": self.invocation,
            "invocation_started_at": self.moment(self.finished - self.elapsed),
            "env": {},
        })
    }

    fn moment(&self, at: DateTime<Utc>) -> String {
        at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }

    fn run_results(&self, reports: &[StepReport]) -> Value {
        let mut results = self.results(reports);
        results.extend(self.no_ops.iter().map(|id| self.no_op(id, reports)));
        json!({
            "metadata": self.metadata(RUN_RESULTS),
            "results": results,
            "elapsed_time": self.elapsed.as_secs_f64(),
            "args": self.args(),
        })
    }

    fn args(&self) -> Value {
        let mut args = self.arguments.clone();
        args.insert("which".to_owned(), self.which.into());
        Value::Object(args)
    }

    /// One result for each node, tests that ran on a staged version among them.
    pub(crate) fn results(&self, reports: &[StepReport]) -> Vec<Value> {
        let mut results = Vec::new();
        for report in reports {
            let kind = self.project.graph.node(&report.node).map(|node| node.kind);
            let is_test = matches!(kind, Some(NodeKind::Test | NodeKind::UnitTest));
            match report.tests.first().filter(|_| is_test) {
                Some(test) => results.push(self.test_result(test)),
                None => {
                    results.push(self.node_result(report));
                    results.extend(report.tests.iter().map(|test| self.test_result(test)));
                }
            }
        }
        results
    }

    /// A node that a build only passes, such as an exposure.
    fn no_op(&self, id: &NodeId, reports: &[StepReport]) -> Value {
        let node = self.project.graph.node(id);
        let parents = node.map(|node| node.depends_on.as_slice()).unwrap_or_default();
        let failed = reports.iter().any(|one| !one.is_good() && parents.contains(&one.node));
        let status = if failed { "skipped" } else { "no-op" };
        self.result(id, status, None, None, Duration::ZERO, Map::new())
    }

    fn node_result(&self, report: &StepReport) -> Value {
        let is_test = report.node.as_str().starts_with("test.");
        let status = match report.status {
            StepStatus::Succeeded | StepStatus::Warned if is_test => "pass",
            StepStatus::Succeeded | StepStatus::Warned => "success",
            StepStatus::Failed | StepStatus::Interrupted => "error",
            StepStatus::Skipped
            | StepStatus::Cancelled
            | StepStatus::Pending
            | StepStatus::Running => "skipped",
        };
        let message = match (&report.message, status) {
            (Some(message), _) => Some(message.clone()),
            (None, "success") => Some("OK".to_owned()),
            (None, _) => None,
        };
        let rows = report.version.as_ref().map(|version| version.account.inserted);
        let mut response = Map::new();
        if status == "success" {
            response.insert("_message".to_owned(), "OK".into());
            if let Some(rows) = rows {
                response.insert("rows_affected".to_owned(), rows.into());
            }
        }
        self.result(&report.node, status, message, None, report.duration, response)
    }

    fn test_result(&self, test: &TestReport) -> Value {
        let status = match test.status {
            TestStatus::Passed => "pass",
            TestStatus::Warned => "warn",
            TestStatus::Failed => "fail",
            TestStatus::Errored => "error",
            TestStatus::Skipped => "skipped",
        };
        let message = test.message.clone();
        // As in dbt: rows that a passing test found within its thresholds are no failures.
        let failures = test.failures.map(|count| if status == "pass" { 0 } else { count });
        self.result(&test.node, status, message, failures, test.duration, Map::new())
    }

    fn result(
        &self,
        id: &NodeId,
        status: &str,
        message: Option<String>,
        failures: Option<u64>,
        duration: Duration,
        response: Map<String, Value>,
    ) -> Value {
        let node = self.project.graph.node(id);
        let compiled = self.compiled.get(id);
        let timing = |name: &str, from: DateTime<Utc>, to: DateTime<Utc>| {
            json!({
                "name": name,
                "started_at": self.moment(from),
                "completed_at": self.moment(to),
            })
        };
        let start = self.finished - duration;
        let timing = match status {
            "skipped" => Vec::new(),
            _ => vec![timing("compile", start, start), timing("execute", start, self.finished)],
        };
        // As in dbt, what has no SQL of its own has neither code nor a relation here.
        let has_sql = node.is_some_and(|node| {
            matches!(
                node.kind,
                NodeKind::Model
                    | NodeKind::Snapshot
                    | NodeKind::Test
                    | NodeKind::Analysis
                    | NodeKind::Operation
            )
        });
        let relation = node.filter(|node| {
            let stored = node.test.as_ref().map(|test| test.store_failures == Some(true));
            has_sql && stored.unwrap_or(true)
        });
        let relation = relation.and_then(|node| node.relation.as_ref()).map(ToString::to_string);
        json!({
            "status": status,
            "timing": timing,
            "thread_id": "Thread-1",
            "execution_time": duration.as_secs_f64(),
            "adapter_response": response,
            "message": message,
            "failures": failures,
            "unique_id": id,
            "compiled": has_sql.then_some(compiled.is_some()),
            "compiled_code": compiled.filter(|_| has_sql),
            "relation_name": relation,
            "batch_results": null,
        })
    }

    /// Results as the hooks at the end of a run see them.
    pub(crate) fn for_hooks(&self, reports: &[StepReport]) -> Vec<Value> {
        let mut results = self.results(reports);
        for result in &mut results {
            let id = result.get("unique_id").and_then(Value::as_str).unwrap_or_default();
            let node = self.project.graph.node(&NodeId::new(id));
            let shape = node.map(manifest::node);
            if let Value::Object(fields) = result {
                fields.insert("node".to_owned(), shape.unwrap_or_default());
            }
        }
        results
    }
}
