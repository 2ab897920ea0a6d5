//! The scheduler: looks at the calendar of each job by the business clock, makes firings due in
//! the ledger, claims them and has them carried out. Any number of schedulers may share a ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base::EnvironmentName;
use base::limits::LEASE_SECONDS;
use chrono::{DateTime, TimeDelta, Utc};
use ledger::{FiringClaim, FiringEnd, FiringRecord, FiringStatus, Ledger, LedgerError, NewFiring};
use project::jobs::{CatchUp, Concurrency, Job};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::calendar::Calendar;

/// Pause between two looks at the calendar and the ledger.
const LOOK_PAUSE: Duration = Duration::from_millis(250);
/// Times of one job that one look makes due at most.
const CAUGHT_UP_MAX: usize = 1_000;
/// Machine seconds after which a time counts as missed by everybody.
const GRACE_SECONDS: i64 = 60;
/// Longest pause before another try.
const BACK_OFF_MAX: Duration = Duration::from_secs(3_600);
/// Processes that may die over one firing before it is given up.
const TAKEOVERS_MAX: u32 = 25;

/// How a firing was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Whether all went well.
    pub end: CarriedEnd,
    /// What is said about it.
    pub message: Option<String>,
}

/// How a firing ended, as far as its run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarriedEnd {
    /// All steps succeeded.
    Succeeded,
    /// A step failed.
    Failed {
        /// Whether the fault may pass by itself, so that what failed is worth another try.
        may_pass: bool,
    },
    /// It was stopped before its end.
    Stopped,
}

/// How a firing is stopped.
#[derive(Clone, Debug, Default)]
pub struct Stops {
    /// Starts nothing new, and lets what runs come to its end.
    pub halt: CancellationToken,
    /// Ends what runs.
    pub cancel: CancellationToken,
}

/// Knows the jobs and carries them out.
#[async_trait]
pub trait JobCarrier: Send + Sync + 'static {
    /// The jobs as they are now.
    fn jobs(&self) -> Vec<Job>;

    /// Carries out a firing: from its beginning, or what its newest run left undone. The run that
    /// it begins must name the firing as its cause.
    async fn carry_out(&self, job: &Job, firing: &FiringRecord, stops: &Stops) -> Carried;
}

/// What a scheduler needs.
pub struct Scheduler {
    ledger: Ledger,
    environment: EnvironmentName,
    carrier: Arc<dyn JobCarrier>,
    wake: Arc<Notify>,
    /// Business seconds in a machine second.
    speed: f64,
    /// Whether calendars are looked at; without, only what is due by hand runs.
    watches_calendar: bool,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").field("environment", &self.environment).finish_non_exhaustive()
    }
}

impl Scheduler {
    /// A scheduler over a ledger. `wake` makes it look at once.
    pub fn new(
        ledger: Ledger,
        environment: EnvironmentName,
        carrier: Arc<dyn JobCarrier>,
        wake: Arc<Notify>,
    ) -> Self {
        Self { ledger, environment, carrier, wake, speed: 1.0, watches_calendar: true }
    }

    /// How fast the business clock runs, for judging what was missed.
    #[must_use]
    pub fn with_speed(self, speed: f64) -> Self {
        Self { speed, ..self }
    }

    /// Looks at no calendar: only what is asked for by hand runs.
    #[must_use]
    pub fn without_calendar(self) -> Self {
        Self { watches_calendar: false, ..self }
    }

    /// Runs until `stops.halt`; then starts nothing new, hands back what has not ended, and
    /// returns when everything it runs has come to an end.
    pub async fn run(self, stops: &Stops) {
        let scheduler = Arc::new(self);
        let mut running = JoinSet::new();
        while !stops.halt.is_cancelled() {
            if let Err(error) = scheduler.look(&mut running, stops).await {
                tracing::warn!(%error, "schedule not looked at");
            }
            while running.try_join_next().is_some() {}
            tokio::select! {
                () = tokio::time::sleep(LOOK_PAUSE) => {}
                () = scheduler.wake.notified() => {}
                () = stops.halt.cancelled() => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    async fn look(
        self: &Arc<Self>,
        running: &mut JoinSet<()>,
        stops: &Stops,
    ) -> Result<(), LedgerError> {
        let jobs = self.carrier.jobs();
        if self.watches_calendar {
            for job in &jobs {
                self.make_due(job).await?;
            }
        }
        let by_name: BTreeMap<&str, &Job> =
            jobs.iter().map(|job| (job.name.as_str(), job)).collect();
        let mut busy: BTreeSet<String> = BTreeSet::new();
        for firing in self.ledger.open_firings(&self.environment).await? {
            // Asking takes the ledger's write lock; what cannot be granted is not asked for.
            let waits_for_turn = busy.contains(&firing.job);
            busy.insert(firing.job.clone());
            if !self.ledger.is_free(&firing) {
                continue;
            }
            // A job that is gone from the project keeps what is due until it comes back.
            let Some(job) = by_name.get(firing.job.as_str()) else { continue };
            if waits_for_turn && job.concurrency == Concurrency::Queue {
                continue;
            }
            if let Some(claimed) = self.claim(job, &firing).await? {
                let (scheduler, job, stops) = (Arc::clone(self), (*job).clone(), stops.clone());
                running.spawn(async move { scheduler.carry(job, claimed, stops).await });
            }
        }
        Ok(())
    }

    /// Makes the times of a job due that came since the last look.
    async fn make_due(&self, job: &Job) -> Result<(), LedgerError> {
        let Some(schedule) = &job.schedule else { return Ok(()) };
        let Ok(calendar) = Calendar::new(schedule) else { return Ok(()) };
        let now = self.ledger.clocks().business.now();
        let text = format!("{} {}", schedule.cron, schedule.time_zone);
        let known = self.ledger.schedule_through(&self.environment, &job.name, &text).await?;
        let found = match known {
            Some(through) => {
                let times = calendar.between(through, now, CAUGHT_UP_MAX);
                if times.is_empty() {
                    return Ok(());
                }
                caught_up(job.catch_up, times, now - self.grace())
            }
            // A new schedule begins now; what it would have named before was never promised.
            None => Vec::new(),
        };
        let span = (known, now);
        self.ledger.advance_schedule(&self.environment, &job.name, &text, span, &found).await?;
        Ok(())
    }

    fn grace(&self) -> TimeDelta {
        #[expect(clippy::cast_possible_truncation, reason = "minutes times a speed; it saturates")]
        let seconds = (self.speed * 60.0) as i64;
        TimeDelta::seconds(seconds.max(GRACE_SECONDS))
    }

    async fn claim(
        &self,
        job: &Job,
        firing: &FiringRecord,
    ) -> Result<Option<FiringRecord>, LedgerError> {
        let parallel = job.concurrency == Concurrency::Parallel;
        match self.ledger.claim_firing(firing, parallel).await? {
            FiringClaim::Granted(claimed) if claimed.takeovers > TAKEOVERS_MAX => {
                let message = format!("given up: {TAKEOVERS_MAX} processes ended while it ran");
                let end = FiringEnd::Over(FiringStatus::Failed, Some(message));
                self.ledger.end_firing(&claimed, &end).await?;
                Ok(None)
            }
            FiringClaim::Granted(claimed) => Ok(Some(*claimed)),
            FiringClaim::Busy => {
                // What began once is never skipped, nor is what is caught up: all of it runs.
                let fresh = firing.status == FiringStatus::Due && firing.run.is_none();
                let missed_before = self.ledger.clocks().business.now() - self.grace();
                let caught_up = job.catch_up == CatchUp::All && firing.logical_time < missed_before;
                if job.concurrency == Concurrency::Skip && fresh && !caught_up {
                    let message = "the one before was still running".to_owned();
                    let end = FiringEnd::Over(FiringStatus::Skipped, Some(message));
                    self.ledger.end_firing(firing, &end).await?;
                }
                Ok(None)
            }
            FiringClaim::Gone => Ok(None),
        }
    }

    /// Carries a claimed firing out while keeping it, and writes down how it ended.
    pub async fn carry(&self, job: Job, firing: FiringRecord, stops: Stops) {
        let own = Stops { halt: stops.halt.clone(), cancel: stops.cancel.child_token() };
        let pause = Duration::from_secs(LEASE_SECONDS.unsigned_abs()) / 3;
        let keeping = async {
            loop {
                tokio::time::sleep(pause).await;
                match self.ledger.keep_firing(&firing).await {
                    Ok(true) => {}
                    Ok(false) => own.cancel.cancel(),
                    Err(error) => tracing::warn!(%error, job = %firing.job, "firing not kept"),
                }
            }
        };
        let work = self.carrier.carry_out(&job, &firing, &own);
        let (carried, late) = tokio::select! {
            done = within(job.timeout, work, &own.cancel) => done,
            never = keeping => {
                let never: std::convert::Infallible = never;
                match never {}
            }
        };
        let end = end_of(&job, &firing, carried, late, &stops, self.ledger.clocks().machine.now());
        match self.ledger.end_firing(&firing, &end).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(job = %firing.job, "firing was taken over by another"),
            Err(error) => tracing::error!(%error, job = %firing.job, "end of firing not written"),
        }
        self.wake.notify_one();
    }
}

/// The times of a schedule since the last look, and which of them are run.
fn caught_up(
    policy: CatchUp,
    times: Vec<DateTime<Utc>>,
    missed_before: DateTime<Utc>,
) -> Vec<NewFiring> {
    let last = times.last().copied();
    times
        .into_iter()
        .map(|logical_time| {
            let in_time = logical_time >= missed_before;
            let runs = match policy {
                CatchUp::All => true,
                CatchUp::Latest => in_time || Some(logical_time) == last,
                CatchUp::None => in_time,
            };
            let status = if runs { FiringStatus::Due } else { FiringStatus::Missed };
            NewFiring { logical_time, status }
        })
        .collect()
}

/// Lets work go on for a time; then stops it, and waits for it to have stopped.
async fn within(
    limit: Option<Duration>,
    work: impl Future<Output = Carried>,
    cancel: &CancellationToken,
) -> (Carried, bool) {
    let Some(limit) = limit else { return (work.await, false) };
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => (done, false),
        () = tokio::time::sleep(limit) => {
            cancel.cancel();
            (work.await, true)
        }
    }
}

fn end_of(
    job: &Job,
    firing: &FiringRecord,
    carried: Carried,
    late: bool,
    stops: &Stops,
    now: DateTime<Utc>,
) -> FiringEnd {
    let Carried { end, message } = carried;
    match end {
        CarriedEnd::Succeeded => FiringEnd::Over(FiringStatus::Succeeded, message),
        CarriedEnd::Stopped | CarriedEnd::Failed { .. } if late => {
            let seconds = job.timeout.unwrap_or_default().as_secs();
            let message = format!("it took longer than its timeout of {seconds} s");
            FiringEnd::Over(FiringStatus::Failed, Some(message))
        }
        CarriedEnd::Stopped if stops.halt.is_cancelled() || stops.cancel.is_cancelled() => {
            FiringEnd::HandedBack
        }
        CarriedEnd::Stopped => FiringEnd::Over(FiringStatus::Cancelled, message),
        CarriedEnd::Failed { may_pass: true } if firing.tries < job.retries.times => {
            let doubled = 2_u32.saturating_pow(firing.tries.min(30));
            let pause = job.retries.back_off.saturating_mul(doubled).min(BACK_OFF_MAX);
            let pause = TimeDelta::from_std(pause).unwrap_or_else(|_| TimeDelta::hours(1));
            FiringEnd::Again(now + pause, message)
        }
        CarriedEnd::Failed { .. } => FiringEnd::Over(FiringStatus::Failed, message),
    }
}
