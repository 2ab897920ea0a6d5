//! Carries out what doors and schedules ask for, in the background.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use access::Identity;
use async_trait::async_trait;
use base::{ErrorKind, RunId};
use ledger::{FiringRecord, RunCause, RunStatus, StepStatus};
use orchestration::{Carried, CarriedEnd, JobCarrier, Stops};
use project::jobs::Job;
use project::suggest;
use server::{FiringReference, Loaded, Operations, RunCommand, RunRequest, ServerError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::again::{self, Failed, may_pass};
use crate::arguments::{RunArguments, SelectionArguments};
use crate::commands::{Verb, selected};
use crate::console::{Console, Ink};
use crate::executor::Reports;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::summary::Summary;
use crate::work::{self, Begun, Order};
use crate::workplace::Workplace;

/// How long a step of a server's run waits for another process that works on its node.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Carries runs out, each in a task of its own.
#[derive(Debug)]
pub(crate) struct Runner {
    place: Workplace,
    loaded: Loaded,
    stops: Stops,
    console: Console,
    wake: Arc<Notify>,
    tasks: TaskTracker,
    active: Mutex<HashMap<RunId, CancellationToken>>,
}

impl Runner {
    /// A runner for a server, or for one command.
    pub(crate) fn new(
        place: Workplace,
        loaded: Loaded,
        stops: Stops,
        console: &Console,
    ) -> Arc<Self> {
        Arc::new(Self {
            place,
            loaded,
            stops,
            console: console.clone(),
            wake: Arc::default(),
            tasks: TaskTracker::new(),
            active: Mutex::default(),
        })
    }

    /// Makes the scheduler look at once.
    pub(crate) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Waits for every run that a door asked for.
    pub(crate) async fn wait(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Everything, with the project as it is now.
    fn place(&self) -> Workplace {
        self.place.with_project(self.loaded.project())
    }

    async fn carry_out_run(
        &self,
        place: &Workplace,
        begun: Begun,
        stops: &Stops,
    ) -> Result<Summary, Failure> {
        let run = begun.run.clone();
        let own = Stops { halt: stops.halt.clone(), cancel: stops.cancel.child_token() };
        self.active().insert(run.clone(), own.cancel.clone());
        let reports = Arc::new(Reports::default());
        let progress = Progress::of_trouble(&self.console, Arc::clone(&reports));
        let carried =
            begun.carry_out_with(place, &own, &self.console, reports, Arc::new(progress)).await;
        self.active().remove(&run);
        carried
    }

    fn active(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, CancellationToken>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a run in a task of its own.
    fn set_going(self: &Arc<Self>, place: Workplace, begun: Begun) -> RunId {
        let run = begun.run.clone();
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            match this.carry_out_run(&place, begun, &this.stops).await {
                Ok(summary) => this.console.say(&summary.last_line(&this.console)),
                Err(failure) => this.console.complain(failure.message()),
            }
        });
        run
    }

    async fn carry_out_firing(
        &self,
        job: &Job,
        firing: &FiringRecord,
        stops: &Stops,
    ) -> Result<Carried, Failure> {
        let place = self.place();
        let cause = RunCause {
            job: Some(job.name.clone()),
            logical_time: Some(firing.logical_time),
            started_by: firing.started_by.clone(),
        };
        place.ledger.interrupt_abandoned_runs().await?;
        let last = match &firing.run {
            Some(run) => place.ledger.run(run).await?,
            None => None,
        };
        let (order, hopeless) = match last {
            Some(last) => {
                let failed = last.status == RunStatus::Failed;
                let failed = if failed { Failed::MayHavePassed } else { Failed::All };
                let rest = again::rest_of(&place, &last, failed, cause).await?;
                (rest.order, rest.hopeless)
            }
            None => (Some(self.fresh(&place, job, cause)?), None),
        };
        let begun = match order {
            Some(order) => {
                let order = Order { patience: PATIENCE, ..order };
                work::begin(&place, order).await?
            }
            None => None,
        };
        let mut carried = match begun {
            Some(begun) => {
                let summary = self.carry_out_run(&place, begun, stops).await?;
                self.tell(job, firing, &summary);
                carried(&summary)
            }
            None => Carried { end: CarriedEnd::Succeeded, message: None },
        };
        if let Some(node) = hopeless
            && carried.end == CarriedEnd::Succeeded
        {
            let message = format!("\"{node}\" failed, and trying again does not help");
            carried.end = CarriedEnd::Failed { may_pass: false };
            carried.message = Some(message);
        }
        Ok(carried)
    }

    fn fresh(&self, place: &Workplace, job: &Job, cause: RunCause) -> Result<Order, Failure> {
        let selection = SelectionArguments {
            select: job.select.clone(),
            exclude: job.exclude.clone(),
            ..SelectionArguments::default()
        };
        let nodes = selected(&place.project, &selection)?;
        let mut order = Order::of_command(Verb::Job, nodes, &RunArguments::default());
        order.words = vec![job.name.clone()];
        order.cause = cause;
        Ok(order)
    }

    fn tell(&self, job: &Job, firing: &FiringRecord, summary: &Summary) {
        let time = firing.logical_time.format("%Y-%m-%d %H:%M:%S");
        let name = self.console.paint(Ink::Strong, &job.name);
        let line = summary.last_line(&self.console);
        self.console.say(&format!("{time}  {name}  {line}"));
    }
}

/// What a run's end means for its firing.
fn carried(summary: &Summary) -> Carried {
    let failed = summary.reports.iter().filter(|report| report.status == StepStatus::Failed);
    let kinds: Vec<ErrorKind> = failed.clone().filter_map(|report| report.error_kind).collect();
    let message = failed.clone().next().map(|report| {
        let reason = report.message.as_deref().unwrap_or("no message");
        match failed.clone().count() - 1 {
            0 => format!("\"{}\" failed: {reason}", report.node),
            more => format!("\"{}\" and {more} more failed: {reason}", report.node),
        }
    });
    // A run that was stopped beside a failure still has steps to carry out.
    let stopped = summary.with(StepStatus::Cancelled) > 0;
    let end = match summary.status() {
        RunStatus::Failed if stopped => CarriedEnd::Stopped,
        RunStatus::Succeeded => CarriedEnd::Succeeded,
        RunStatus::Cancelled => CarriedEnd::Stopped,
        RunStatus::Failed | RunStatus::Running | RunStatus::Interrupted => {
            CarriedEnd::Failed { may_pass: kinds.iter().any(|kind| may_pass(kind.retry())) }
        }
    };
    Carried { end, message }
}

#[async_trait]
impl JobCarrier for Runner {
    fn jobs(&self) -> Vec<Job> {
        self.loaded.project().jobs.clone()
    }

    async fn carry_out(&self, job: &Job, firing: &FiringRecord, stops: &Stops) -> Carried {
        self.carry_out_firing(job, firing, stops).await.unwrap_or_else(|failure| {
            self.console.complain(&format!("job \"{}\": {}", job.name, failure.message()));
            Carried {
                end: CarriedEnd::Failed { may_pass: may_pass(failure.kind().retry()) },
                message: Some(failure.message().to_owned()),
            }
        })
    }
}

fn verb(command: RunCommand) -> Verb {
    match command {
        RunCommand::Load => Verb::Load,
        RunCommand::Seed => Verb::Seed,
        RunCommand::Run => Verb::Run,
        RunCommand::Test => Verb::Test,
        RunCommand::Build => Verb::Build,
        RunCommand::Job => Verb::Job,
    }
}

fn nothing_to_do() -> ServerError {
    ServerError::wrong(
        "the selection takes no node that this command carries out",
        "`fiveply ls` lists what the project has.",
    )
}

/// Doors share the runner: a run goes on when its request has ended.
#[derive(Clone, Debug)]
pub(crate) struct Counter(pub(crate) Arc<Runner>);

#[async_trait]
impl Operations for Counter {
    async fn start(&self, request: &RunRequest, by: &Identity) -> Result<RunId, ServerError> {
        let runner = &self.0;
        let place = runner.place();
        let selection = SelectionArguments {
            select: request.select.clone(),
            exclude: request.exclude.clone(),
            ..SelectionArguments::default()
        };
        let nodes = selected(&place.project, &selection).map_err(Failure::at_door)?;
        let options =
            RunArguments { full_refresh: request.full_refresh, ..RunArguments::default() };
        let mut order = Order::of_command(verb(request.command), nodes, &options);
        order.cause.started_by = Some(by.name.clone());
        order.patience = PATIENCE;
        let begun = work::begin(&place, order).await;
        let begun = begun.map_err(Failure::at_door)?.ok_or_else(nothing_to_do)?;
        Ok(runner.set_going(place, begun))
    }

    async fn retry(&self, run: &RunId, by: &Identity) -> Result<RunId, ServerError> {
        let runner = &self.0;
        let place = runner.place();
        place.ledger.interrupt_abandoned_runs().await?;
        let Some(last) = place.ledger.run(run).await? else {
            return Err(ServerError::not_found(format!("there is no run \"{run}\"")));
        };
        let cause = RunCause { started_by: Some(by.name.clone()), ..RunCause::default() };
        let rest = again::rest_of(&place, &last, Failed::All, cause).await;
        let begun = match rest.map_err(Failure::at_door)?.order {
            Some(order) => {
                let order = Order { patience: PATIENCE, ..order };
                work::begin(&place, order).await.map_err(Failure::at_door)?
            }
            None => None,
        };
        let Some(begun) = begun else {
            return Err(ServerError::wrong(
                format!("nothing to retry: run \"{run}\" left nothing undone"),
                "Start a new run instead.",
            ));
        };
        Ok(runner.set_going(place, begun))
    }

    async fn cancel(&self, run: &RunId) -> bool {
        let active = self.0.active();
        let token = active.get(run);
        token.inspect(|token| token.cancel()).is_some()
    }

    async fn run_job(&self, job: &str, by: &Identity) -> Result<FiringReference, ServerError> {
        let runner = &self.0;
        let project = runner.loaded.project();
        let Some(job) = project.jobs.iter().find(|known| known.name == job) else {
            let known = project.jobs.iter().map(|known| known.name.as_str());
            let hint = suggest::did_you_mean(job, known);
            let missing = ServerError::not_found(format!("there is no job \"{job}\""));
            return Err(missing
                .with_help(hint.unwrap_or_else(|| "`fiveply job list` lists them.".to_owned())));
        };
        let (ledger, environment) = (&runner.place.ledger, &runner.place.environment);
        let firing = ledger.fire_by_hand(environment, &job.name, Some(&by.name)).await?;
        runner.wake.notify_one();
        Ok(FiringReference { job: firing.job, logical_time: firing.logical_time })
    }
}
