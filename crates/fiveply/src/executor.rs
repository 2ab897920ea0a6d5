//! Carries out the steps of a run, each through the crate that knows how, and remembers what became
//! of each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base::{Diagnostic, EnvironmentName, ErrorKind, NodeId, RunId};
use consumption::ConsumptionContext;
use ledger::{Ledger, NewAttempt, StepStatus};
use orchestration::{Executor, Outcome, Step};
use project::{NodeKind, Project};
use tokio_util::sync::CancellationToken;
use transformation::{Audits, StepReport, Workshop};

use crate::consumer;
use crate::loader::Loader;

/// Pause before another look at a node that another process works on; it doubles.
const HELD_PAUSE: Duration = Duration::from_millis(200);
/// Longest such pause.
const HELD_PAUSE_MAX: Duration = Duration::from_secs(5);

/// What became of each step, shared with the progress display.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    reports: Mutex<BTreeMap<NodeId, StepReport>>,
    /// What was drawn before the first step.
    foreseen: Mutex<Vec<Diagnostic>>,
}

impl Reports {
    pub(crate) fn add(&self, report: StepReport) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.insert(report.node.clone(), report);
    }

    pub(crate) fn get(&self, node: &NodeId) -> Option<StepReport> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).get(node).cloned()
    }

    pub(crate) fn all(&self) -> Vec<StepReport> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Remembers what was drawn before the first step.
    pub(crate) fn foresee(&self, drawn: Vec<Diagnostic>) {
        *self.foreseen.lock().unwrap_or_else(PoisonError::into_inner) = drawn;
    }

    /// Whether people have seen it already.
    pub(crate) fn was_foreseen(&self, diagnostic: &Diagnostic) -> bool {
        let foreseen = self.foreseen.lock().unwrap_or_else(PoisonError::into_inner);
        foreseen.iter().any(|one| one.message == diagnostic.message)
    }
}

/// Whether what reads the node may run.
pub(crate) fn outcome_of(report: &StepReport) -> Outcome {
    match report.status {
        StepStatus::Succeeded | StepStatus::Warned => Outcome::Succeeded,
        StepStatus::Cancelled => Outcome::Cancelled,
        StepStatus::Failed
        | StepStatus::Skipped
        | StepStatus::Interrupted
        | StepStatus::Pending
        | StepStatus::Running => Outcome::Failed,
    }
}

/// Records a step that does not run.
pub(crate) async fn record_skip(
    ledger: &Ledger,
    run: &RunId,
    environment: &EnvironmentName,
    reports: &Reports,
    step: &Step,
    because: Option<&NodeId>,
) {
    let (status, message) = match because {
        Some(node) => (StepStatus::Skipped, format!("skipped: \"{node}\" did not succeed")),
        None => (StepStatus::Cancelled, "the run was ended before this step".to_owned()),
    };
    let new =
        NewAttempt { run: run.clone(), node: step.node.clone(), environment: environment.clone() };
    let mut report = StepReport::new(&step.node, status);
    if let Err(error) = ledger.skip_step(&new, status, message.as_str()).await {
        tracing::warn!(%error, node = %step.node, "skipped step was not recorded");
    }
    report.message = Some(message);
    reports.add(report);
}

/// Carries out nodes of every kind.
pub(crate) struct Carrier {
    pub(crate) workshop: Arc<Workshop>,
    pub(crate) loader: Loader,
    pub(crate) consumption: ConsumptionContext,
    pub(crate) project: Arc<Project>,
    pub(crate) ledger: Ledger,
    pub(crate) run: RunId,
    pub(crate) environment: EnvironmentName,
    pub(crate) reports: Arc<Reports>,
    /// How long a step waits for another process that works on its node.
    pub(crate) patience: Duration,
}

impl Carrier {
    async fn carry_out(&self, step: &Step, cancel: &CancellationToken) -> StepReport {
        let kind = self.project.graph.node(&step.node).map(|node| node.kind);
        match kind {
            Some(NodeKind::Stream) => self.loader.load(&step.node, cancel).await,
            Some(NodeKind::Test | NodeKind::UnitTest) => {
                self.workshop.test(&step.node, cancel).await
            }
            Some(NodeKind::Sync) => {
                consumer::send(&self.consumption, &self.run, &step.node, cancel).await
            }
            Some(NodeKind::FeatureView) => {
                consumer::refresh(&self.consumption, &self.run, &step.node, cancel).await
            }
            _ => {
                let audits = Audits { gates: &step.gates, warnings: &step.warnings };
                self.workshop.build(&step.node, audits, cancel).await
            }
        }
    }
}

#[async_trait]
impl Executor for Carrier {
    async fn execute(&self, step: &Step, cancel: &CancellationToken) -> Outcome {
        let since = Instant::now();
        let mut pause = HELD_PAUSE;
        let report = loop {
            let report = self.carry_out(step, cancel).await;
            let held = report.error_kind == Some(ErrorKind::Held);
            if !held || since.elapsed() >= self.patience || cancel.is_cancelled() {
                break report;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(HELD_PAUSE_MAX);
        };
        let outcome = outcome_of(&report);
        self.reports.add(report);
        outcome
    }

    async fn skip(&self, step: &Step, because: Option<&NodeId>) {
        let Self { ledger, run, environment, reports, .. } = self;
        record_skip(ledger, run, environment, reports, step, because).await;
    }
}
