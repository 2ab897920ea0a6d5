//! One step of a run: claim the node, stage its new version, test that version, and only then
//! point to it.

use std::time::Instant;

use base::{CommitId, ErrorKind, NodeId};
use compute::ViewText;
use ledger::{
    Attempt, AttemptEnd, Claim, Commit, Lease, NewAttempt, SchemaChange, StepStatus, Swing,
    TableVersion, TestRecord, TestStatus, Tested,
};
use project::{Node, NodeKind};
use tokio_util::sync::CancellationToken;

use crate::report::{StepReport, TestReport};
use crate::staged::StagedNode;
use crate::{TransformationError, Workshop, audit};

/// Tries of one step against writers that were faster.
const TRIES_MAX: u32 = 3;

/// The attempt and the lease under which a version is made.
#[derive(Debug)]
pub(crate) struct Making {
    pub(crate) attempt: Attempt,
    pub(crate) lease: Lease,
}

/// A version as the lake made it.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) swing: Swing,
    pub(crate) version: TableVersion,
    pub(crate) schema_changes: Vec<SchemaChange>,
    pub(crate) view: Option<ViewText>,
    pub(crate) changed: bool,
}

impl Made {
    /// Rows that the lake wrote.
    pub(crate) fn rows(staged: &storage::Staged) -> Self {
        Self {
            swing: staged.swing.clone(),
            version: staged.version.clone(),
            schema_changes: staged.schema_changes.clone(),
            view: None,
            changed: staged.changed(),
        }
    }
}

impl Making {
    /// Binds a version to the attempt that made it.
    pub(crate) fn staged(self, node: &Node, made: Made) -> StagedNode {
        let Made { swing, mut version, schema_changes, view, changed } = made;
        version.run = Some(self.attempt.run.clone());
        version.node = Some(node.id.clone());
        StagedNode {
            node: node.id.clone(),
            attempt: self.attempt,
            lease: self.lease,
            swing,
            version,
            schema_changes,
            view,
            changed,
            published: false,
            tests: Vec::new(),
        }
    }
}

/// Tests that run on a node's staged version.
#[derive(Clone, Copy, Debug, Default)]
pub struct Audits<'a> {
    /// Tests that hold the version back when they fail.
    pub gates: &'a [NodeId],
    /// Tests that only warn.
    pub warnings: &'a [NodeId],
}

impl Workshop {
    /// Carries out a model or seed: stages its version, runs the audits on it, and publishes it
    /// if they let it pass. What was published before stays when anything fails.
    pub async fn build(
        &self,
        node: &NodeId,
        audits: Audits<'_>,
        cancel: &CancellationToken,
    ) -> StepReport {
        let started = Instant::now();
        let mut report = StepReport::new(node, StepStatus::Failed);
        for try_number in 1..=TRIES_MAX {
            report = match self.attempt(node, audits, cancel).await {
                Ok(report) => report,
                Err(error) => failed(node, &error),
            };
            let raced = report.error_kind == Some(ErrorKind::Conflict);
            if !raced || try_number == TRIES_MAX {
                break;
            }
        }
        report.duration = started.elapsed();
        report
    }

    async fn attempt(
        &self,
        id: &NodeId,
        audits: Audits<'_>,
        cancel: &CancellationToken,
    ) -> Result<StepReport, TransformationError> {
        let Some(node) = self.project.graph.node(id) else {
            return Err(TransformationError::Internal(format!("no node \"{id}\" in the graph")));
        };
        let (attempt, claim) = self.ledger.begin_claimed(&self.new_attempt(id)).await?;
        let outcome = match claim {
            Claim::Granted(lease) => self.make(node, &attempt, lease, audits, cancel).await,
            Claim::Held { by, until } => Err(TransformationError::Held {
                node: id.clone(),
                by,
                until: until.format("%H:%M:%S UTC").to_string(),
            }),
        };
        if let Err(error) = &outcome {
            let end = AttemptEnd {
                status: status_of(error.kind()),
                message: Some(error.to_string()),
                error_kind: Some(error.kind()),
                rows: None,
            };
            self.ledger.finish_attempt(&attempt, &end).await?;
        }
        outcome
    }

    fn new_attempt(&self, node: &NodeId) -> NewAttempt {
        NewAttempt {
            run: self.run.clone(),
            node: node.clone(),
            environment: self.environment.clone(),
        }
    }

    async fn make(
        &self,
        node: &Node,
        attempt: &Attempt,
        lease: Lease,
        audits: Audits<'_>,
        cancel: &CancellationToken,
    ) -> Result<StepReport, TransformationError> {
        let work = async {
            let making = Making { attempt: attempt.clone(), lease: lease.clone() };
            let staged = match node.kind {
                NodeKind::Model => Box::pin(self.stage_model(node, making, cancel)).await?,
                NodeKind::Seed => Box::pin(self.stage_seed(node, making, cancel)).await?,
                NodeKind::Snapshot => Box::pin(self.stage_snapshot(node, making, cancel)).await?,
                other => {
                    return Err(TransformationError::Unsupported {
                        message: format!("a {} is not built yet", other.word()),
                        help: "Leave it out with --exclude.".to_owned(),
                    });
                }
            };
            self.check_constraints(node, &staged).await?;
            let tests = Box::pin(self.audit(&staged, audits, cancel)).await?;
            Ok((staged, tests))
        };
        let made =
            self.ledger.hold(&lease, Box::pin(work)).await.map_err(TransformationError::from);
        match made.and_then(|made| made) {
            Ok((staged, tests)) => self.judge(staged, tests, audits).await,
            Err(error) => {
                // A lease that was lost meanwhile belongs to somebody else; nothing to give back.
                let _ = self.ledger.release(&lease).await;
                Err(error)
            }
        }
    }

    /// Runs the audits on the staged version, in the environment as it would be with it.
    async fn audit(
        &self,
        staged: &StagedNode,
        audits: Audits<'_>,
        cancel: &CancellationToken,
    ) -> Result<Vec<TestReport>, TransformationError> {
        if audits.gates.is_empty() && audits.warnings.is_empty() {
            return Ok(Vec::new());
        }
        let world = self.world(self.session(staged.shown_in(self.catalog().await?))).await?;
        let ids = audits.gates.iter().chain(audits.warnings);
        let tests: Vec<&Node> = ids.filter_map(|id| self.project.graph.node(id)).collect();
        let reports = audit::run_all(self, &tests, staged, &world, cancel).await;
        if cancel.is_cancelled() {
            return Err(TransformationError::Cancelled);
        }
        Ok(reports)
    }

    /// Publishes what passed; keeps the results of what did not.
    async fn judge(
        &self,
        mut staged: StagedNode,
        tests: Vec<TestReport>,
        audits: Audits<'_>,
    ) -> Result<StepReport, TransformationError> {
        let table = staged.swing.table.clone();
        staged.tests = tests.iter().map(|test| self.record_of(test, &staged)).collect();
        staged.version.tested = match (tests.is_empty(), tests.iter().all(passed)) {
            (true, _) => Tested::Untested,
            (false, true) => Tested::Passed,
            (false, false) => Tested::Warned,
        };
        let mut report = StepReport::new(&staged.node, StepStatus::Succeeded);
        report.table = Some(table.clone());
        report.version = Some(staged.version.clone());
        report.load = staged.version.load;
        report.rows = staged.view.is_none().then_some(staged.version.account.after);
        let held_back =
            tests.iter().find(|test| test.holds_back() && audits.gates.contains(&test.node));
        if let Some(test) = held_back {
            let shown = test.message.as_deref().unwrap_or("it did not run");
            let reader = match &staged.swing.expected {
                Some(_) => "readers keep the last good version",
                None => "nothing is published under this name",
            };
            report.message = Some(format!("test \"{}\" failed: {shown}; {reader}", test.node));
            report.error_kind = Some(ErrorKind::Data);
            report.status = StepStatus::Failed;
            report.tests = tests;
            self.hold_back(&staged, &report).await?;
            return Ok(report);
        }
        if !tests.iter().all(passed) {
            report.status = StepStatus::Warned;
        }
        report.tests = tests;
        let (attempt, end) = (staged.attempt.clone(), end_of(&report));
        if self.options.publish_at_end {
            self.staged.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(staged);
            return Ok(report);
        }
        let commit =
            Commit::new(self.commit_of(&staged), self.environment.clone()).attempt(&attempt);
        let commit = staged.joined_to(commit).end(attempt, end).release(staged.lease.clone());
        if let Err(error) = self.ledger.commit(&commit).await {
            let _ = self.ledger.release(&staged.lease).await;
            return Err(error.into());
        }
        report.published = true;
        Ok(report)
    }

    /// The commit announced in the version's own files; an unchanged version belongs to another.
    pub(crate) fn commit_of(&self, staged: &StagedNode) -> CommitId {
        match staged.changed {
            true => staged.version.commit_id.clone(),
            false => self.ledger.new_commit_id(),
        }
    }

    async fn hold_back(
        &self,
        staged: &StagedNode,
        report: &StepReport,
    ) -> Result<(), TransformationError> {
        self.ledger.record_tests(&staged.tests).await?;
        self.ledger.finish_attempt(&staged.attempt, &end_of(report)).await?;
        Ok(self.ledger.release(&staged.lease).await?)
    }

    fn record_of(&self, test: &TestReport, staged: &StagedNode) -> TestRecord {
        let mut record = self.test_record(test);
        record.table = Some(staged.swing.table.clone());
        record.metadata_location = Some(staged.version.metadata_location.clone());
        record
    }

    fn test_record(&self, test: &TestReport) -> TestRecord {
        let mut record = TestRecord::new(self.environment.clone(), test.node.clone(), test.status);
        record.run = Some(self.run.clone());
        record.failures = test.failures;
        record.message.clone_from(&test.message);
        let rows = test.sample.iter().cloned().map(serde_json::Value::Object);
        record.sample = (!test.sample.is_empty()).then(|| rows.collect());
        record.duration_ms = u64::try_from(test.duration.as_millis()).ok();
        record
    }

    /// Carries out a test as a step of its own, on what is published.
    pub async fn test(&self, node: &NodeId, cancel: &CancellationToken) -> StepReport {
        let started = Instant::now();
        let mut report = match Box::pin(self.try_test(node, cancel)).await {
            Ok(report) => report,
            Err(error) => failed(node, &error),
        };
        report.duration = started.elapsed();
        report
    }

    async fn try_test(
        &self,
        id: &NodeId,
        cancel: &CancellationToken,
    ) -> Result<StepReport, TransformationError> {
        let Some(node) = self.project.graph.node(id) else {
            return Err(TransformationError::Internal(format!("no node \"{id}\" in the graph")));
        };
        let attempt = self.ledger.begin_attempt(&self.new_attempt(id)).await?;
        let world = self.world(self.session(self.catalog().await?)).await?;
        let test = audit::run(self, node, &world, cancel).await;
        let mut report = StepReport::new(id, StepStatus::Succeeded);
        report.status = match test.status {
            TestStatus::Passed => StepStatus::Succeeded,
            TestStatus::Warned => StepStatus::Warned,
            TestStatus::Failed | TestStatus::Errored => StepStatus::Failed,
            TestStatus::Skipped => StepStatus::Skipped,
        };
        if cancel.is_cancelled() {
            report.status = StepStatus::Cancelled;
        }
        report.message.clone_from(&test.message);
        report.error_kind = test.holds_back().then_some(ErrorKind::Data);
        report.diagnostics.clone_from(&test.diagnostics);
        self.ledger.record_test(&self.test_record(&test)).await?;
        self.ledger.finish_attempt(&attempt, &end_of(&report)).await?;
        report.tests = vec![test];
        Ok(report)
    }
}

fn passed(test: &TestReport) -> bool {
    test.status == TestStatus::Passed
}

fn end_of(report: &StepReport) -> AttemptEnd {
    AttemptEnd {
        status: report.status,
        message: report.message.clone(),
        error_kind: report.error_kind,
        rows: report.rows,
    }
}

fn status_of(kind: ErrorKind) -> StepStatus {
    if kind == ErrorKind::Cancelled { StepStatus::Cancelled } else { StepStatus::Failed }
}

fn failed(node: &NodeId, error: &TransformationError) -> StepReport {
    let mut report = StepReport::new(node, status_of(error.kind()));
    report.message = Some(error.to_string());
    report.error_kind = Some(error.kind());
    report.help = error.help();
    report.diagnostics = error.diagnostics();
    report
}
