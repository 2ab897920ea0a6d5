//! The driver: carries a plan out, independent steps side by side.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use base::NodeId;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::plan::{Plan, Step};
use crate::scheduler::Stops;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What reads it may run.
    Succeeded,
    /// What reads it is skipped.
    Failed,
    /// It was asked to stop.
    Cancelled,
}

/// Carries out one step. The executor keeps its own record of what happened.
#[async_trait]
pub trait Executor: Send + Sync + 'static {
    /// Carries the step out; ends soon after `cancel`.
    async fn execute(&self, step: &Step, cancel: &CancellationToken) -> Outcome;
    /// Records that the step does not run, because of a step above it or because the run ends.
    async fn skip(&self, step: &Step, because: Option<&NodeId>);
}

/// Hears of progress.
pub trait Observer: Send + Sync + 'static {
    /// A step starts, the `index`-th of `total`, counted from 1.
    fn started(&self, step: &Step, index: usize, total: usize);
    /// A step ended or was skipped.
    fn ended(&self, step: &Step, result: &StepResult, index: usize, total: usize);
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepResult {
    /// It ran.
    Ran(Outcome),
    /// It did not run: a step above it failed, or the run was ended early.
    Skipped {
        /// The step above that failed, if that was the reason.
        because: Option<NodeId>,
    },
}

/// How a plan is carried out.
#[derive(Clone, Copy, Debug)]
pub struct DriveOptions {
    /// Steps at a time.
    pub concurrency: usize,
    /// Whether the first failure ends the run.
    pub fail_fast: bool,
}

/// Carries the plan out and returns what became of each step.
///
/// A step starts when all it waits for have succeeded; it is skipped when one of them did not.
/// After `stops.halt`, running steps come to their end and the rest is skipped; after
/// `stops.cancel`, running steps are asked to stop as well.
pub async fn drive(
    plan: &Plan,
    executor: Arc<dyn Executor>,
    observer: Arc<dyn Observer>,
    options: DriveOptions,
    stops: &Stops,
) -> BTreeMap<NodeId, StepResult> {
    assert!(options.concurrency > 0, "a run needs at least one step at a time");
    let mut drive = Drive::new(plan, executor, observer, options, stops);
    loop {
        drive.skip_what_cannot_run().await;
        drive.start_what_is_ready();
        match drive.running.join_next().await {
            Some(Ok((step, outcome))) => drive.record(&step, StepResult::Ran(outcome)),
            Some(Err(error)) if error.is_panic() => {
                // A panic is our bug: it must reach the top, not look like a failed model.
                std::panic::resume_unwind(error.into_panic())
            }
            Some(Err(_)) => {}
            None if drive.waiting.is_empty() => return drive.results,
            None => assert!(
                drive.is_ending() || !drive.doomed.is_empty(),
                "a plan is in graph order, so some waiting step can always start or be skipped"
            ),
        }
    }
}

struct Drive {
    total: usize,
    /// Steps that have not begun, by their place in the plan.
    waiting: BTreeMap<usize, Step>,
    /// How many steps each waits for still, by its place.
    missing: Vec<usize>,
    /// The places of the steps that wait for a step.
    readers: HashMap<NodeId, Vec<usize>>,
    /// Waiting steps that miss nothing any more.
    ready: BTreeSet<usize>,
    /// Waiting steps below one that did not succeed.
    doomed: BTreeSet<usize>,
    places: HashMap<NodeId, usize>,
    running: JoinSet<(Step, Outcome)>,
    results: BTreeMap<NodeId, StepResult>,
    halt: CancellationToken,
    stop: CancellationToken,
    executor: Arc<dyn Executor>,
    observer: Arc<dyn Observer>,
    options: DriveOptions,
}

impl Drive {
    fn new(
        plan: &Plan,
        executor: Arc<dyn Executor>,
        observer: Arc<dyn Observer>,
        options: DriveOptions,
        stops: &Stops,
    ) -> Self {
        let steps = &plan.steps;
        let mut readers: HashMap<NodeId, Vec<usize>> = HashMap::new();
        for (place, step) in steps.iter().enumerate() {
            for above in &step.after {
                readers.entry(above.clone()).or_default().push(place);
            }
        }
        let missing: Vec<usize> = steps.iter().map(|step| step.after.len()).collect();
        let free = missing.iter().enumerate().filter(|(_, missing)| **missing == 0);
        Self {
            total: steps.len(),
            ready: free.map(|(place, _)| place).collect(),
            missing,
            readers,
            doomed: BTreeSet::new(),
            places: steps.iter().enumerate().map(|(at, s)| (s.node.clone(), at)).collect(),
            waiting: steps.iter().cloned().enumerate().collect(),
            running: JoinSet::new(),
            results: BTreeMap::new(),
            halt: stops.halt.clone(),
            stop: stops.cancel.child_token(),
            executor,
            observer,
            options,
        }
    }

    fn is_ending(&self) -> bool {
        self.halt.is_cancelled() || self.stop.is_cancelled()
    }

    fn number(&self, node: &NodeId) -> usize {
        self.places.get(node).map_or(0, |place| place + 1)
    }

    fn record(&mut self, step: &Step, result: StepResult) {
        self.observer.ended(step, &result, self.number(&step.node), self.total);
        if result == StepResult::Ran(Outcome::Failed) && self.options.fail_fast {
            self.stop.cancel();
        }
        let succeeded = result == StepResult::Ran(Outcome::Succeeded);
        for place in self.readers.remove(&step.node).unwrap_or_default() {
            if !self.waiting.contains_key(&place) {
                continue;
            }
            if !succeeded {
                self.doomed.insert(place);
                continue;
            }
            self.missing[place] -= 1;
            if self.missing[place] == 0 {
                self.ready.insert(place);
            }
        }
        self.results.insert(step.node.clone(), result);
    }

    fn failure_above(&self, step: &Step) -> Option<NodeId> {
        let failed = |node: &&NodeId| {
            !matches!(self.results.get(*node), None | Some(StepResult::Ran(Outcome::Succeeded)))
        };
        step.after.iter().find(failed).cloned()
    }

    async fn skip_what_cannot_run(&mut self) {
        loop {
            let next = match self.is_ending() {
                true => self.waiting.first_key_value().map(|(place, _)| *place),
                false => self.doomed.first().copied(),
            };
            let Some(step) = next.and_then(|place| self.take(place)) else { return };
            let because = self.failure_above(&step);
            self.executor.skip(&step, because.as_ref()).await;
            self.record(&step, StepResult::Skipped { because });
        }
    }

    fn take(&mut self, place: usize) -> Option<Step> {
        self.ready.remove(&place);
        self.doomed.remove(&place);
        self.waiting.remove(&place)
    }

    fn start_what_is_ready(&mut self) {
        while self.running.len() < self.options.concurrency {
            let next = self.ready.first().copied();
            let Some(step) = next.and_then(|place| self.take(place)) else { return };
            self.observer.started(&step, self.number(&step.node), self.total);
            let (executor, stop) = (Arc::clone(&self.executor), self.stop.clone());
            self.running.spawn(async move {
                let outcome = executor.execute(&step, &stop).await;
                (step, outcome)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Scripted {
        fails: BTreeSet<String>,
        at_once: AtomicUsize,
        at_once_max: AtomicUsize,
        skipped: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Executor for Scripted {
        async fn execute(&self, step: &Step, _cancel: &CancellationToken) -> Outcome {
            let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.at_once_max.fetch_max(now, Ordering::SeqCst);
            tokio::task::yield_now().await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            if self.fails.contains(step.node.as_str()) {
                Outcome::Failed
            } else {
                Outcome::Succeeded
            }
        }

        async fn skip(&self, step: &Step, _because: Option<&NodeId>) {
            self.skipped.lock().expect("no test panics with it").push(step.node.to_string());
        }
    }

    struct Silent;

    impl Observer for Silent {
        fn started(&self, _: &Step, _: usize, _: usize) {}
        fn ended(&self, _: &Step, _: &StepResult, _: usize, _: usize) {}
    }

    fn chain_and_one_apart() -> Plan {
        let step = |node: &str, after: &[&str]| Step {
            node: node.into(),
            after: after.iter().map(|one| NodeId::from(*one)).collect(),
            gates: Vec::new(),
            warnings: Vec::new(),
        };
        Plan {
            steps: vec![step("a", &[]), step("b", &["a"]), step("c", &["b"]), step("apart", &[])],
        }
    }

    async fn run(script: Scripted, fail_fast: bool) -> (BTreeMap<NodeId, StepResult>, Vec<String>) {
        let executor = Arc::new(script);
        let options = DriveOptions { concurrency: 2, fail_fast };
        let stops = Stops::default();
        let shared: Arc<dyn Executor> = Arc::clone(&executor) as Arc<dyn Executor>;
        let results =
            drive(&chain_and_one_apart(), shared, Arc::new(Silent), options, &stops).await;
        assert!(executor.at_once_max.load(Ordering::SeqCst) <= 2);
        let skipped = executor.skipped.lock().expect("no test panics with it").clone();
        (results, skipped)
    }

    #[tokio::test]
    async fn what_reads_a_failed_step_is_skipped_and_the_rest_runs() {
        let script = Scripted { fails: ["a".to_owned()].into(), ..Scripted::default() };
        let (results, skipped) = run(script, false).await;
        assert_eq!(skipped, ["b", "c"]);
        assert_eq!(results[&"apart".into()], StepResult::Ran(Outcome::Succeeded));
        assert_eq!(results[&"c".into()], StepResult::Skipped { because: Some("b".into()) });
    }

    #[tokio::test]
    async fn all_steps_run_when_none_fails() {
        let (results, skipped) = run(Scripted::default(), true).await;
        assert!(skipped.is_empty());
        assert!(results.values().all(|one| *one == StepResult::Ran(Outcome::Succeeded)));
        assert_eq!(results.len(), 4);
    }

    #[tokio::test]
    async fn fail_fast_ends_the_run_at_the_first_failure() {
        let script = Scripted { fails: ["a".to_owned()].into(), ..Scripted::default() };
        let (results, _) = run(script, true).await;
        assert_eq!(results[&"b".into()], StepResult::Skipped { because: Some("a".into()) });
    }
}
