//! A ledger, two clocks moved by hand, and a carrier of jobs that does as it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base::clock::{Clock, Clocks};
use base::random::SeededRandomness;
use base::{EnvironmentName, SourceFile, Span};
use chrono::{DateTime, TimeDelta, Utc};
use ledger::{FiringRecord, FiringStatus, Ledger};
use orchestration::{Carried, CarriedEnd, JobCarrier, Scheduler, Stops};
use project::jobs::{CatchUp, Concurrency, Job, Retries, Schedule};
use tokio::sync::Notify;

/// How long a test waits for what must come to pass.
const PATIENCE: Duration = Duration::from_secs(60);

/// A clock that stands until it is moved.
#[derive(Debug)]
pub(crate) struct HandClock(Mutex<DateTime<Utc>>);

impl HandClock {
    fn at(text: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(text.parse().unwrap())))
    }

    pub(crate) fn advance(&self, seconds: i64) {
        *self.0.lock().unwrap() += TimeDelta::seconds(seconds);
    }
}

impl Clock for HandClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// What a firing does when it is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Ends at once.
    Ends(CarriedEnd),
    /// Goes on until it is stopped; looks at `halt` too, as a run between two steps does.
    GoesOn,
    /// Goes on until it is asked to stop what runs, and then says that a step failed.
    FailsWhenStopped,
}

/// Carries jobs out as it is told, and remembers which.
#[derive(Debug)]
pub(crate) struct Hand {
    jobs: Mutex<Vec<Job>>,
    deeds: Mutex<BTreeMap<String, Deed>>,
    begun: Mutex<Vec<String>>,
    /// Lets those that go on end well.
    pub(crate) release: Notify,
}

#[async_trait]
impl JobCarrier for Hand {
    fn jobs(&self) -> Vec<Job> {
        self.jobs.lock().unwrap().clone()
    }

    async fn carry_out(&self, job: &Job, firing: &FiringRecord, stops: &Stops) -> Carried {
        self.begun.lock().unwrap().push(shown(firing));
        let deed = self.deeds.lock().unwrap().get(&job.name).copied();
        let end = match deed.unwrap_or(Deed::Ends(CarriedEnd::Succeeded)) {
            Deed::Ends(end) => end,
            Deed::GoesOn => tokio::select! {
                () = self.release.notified() => CarriedEnd::Succeeded,
                () = stops.cancel.cancelled() => CarriedEnd::Stopped,
                () = stops.halt.cancelled() => CarriedEnd::Stopped,
            },
            Deed::FailsWhenStopped => {
                stops.cancel.cancelled().await;
                CarriedEnd::Failed { may_pass: true }
            }
        };
        let message = matches!(end, CarriedEnd::Failed { .. }).then(|| "it failed".to_owned());
        Carried { end, message }
    }
}

fn shown(firing: &FiringRecord) -> String {
    format!("{} {}", firing.job, firing.logical_time.format("%H:%M"))
}

/// Everything a test needs.
pub(crate) struct Bench {
    pub(crate) ledger: Ledger,
    pub(crate) business: Arc<HandClock>,
    pub(crate) machine: Arc<HandClock>,
    pub(crate) hand: Arc<Hand>,
    environment: EnvironmentName,
    _folder: tempfile::TempDir,
}

/// A scheduler at work.
pub(crate) struct Running {
    pub(crate) stops: Stops,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Ends it as SIGTERM does: nothing new begins, and what runs comes to its end.
    pub(crate) async fn halt(self) {
        self.stops.halt.cancel();
        self.task.await.unwrap();
    }
}

/// A job that is due every five minutes.
pub(crate) fn job(name: &str) -> Job {
    let nowhere = || Span::new(&SourceFile::new("jobs/load.yml", ""), 0..0);
    Job {
        name: name.to_owned(),
        description: String::new(),
        owner: None,
        schedule: Some(Schedule {
            cron: "*/5 * * * *".to_owned(),
            time_zone: "UTC".to_owned(),
            cron_span: nowhere(),
            time_zone_span: nowhere(),
        }),
        select: Vec::new(),
        exclude: Vec::new(),
        retries: Retries::default(),
        concurrency: Concurrency::default(),
        catch_up: CatchUp::default(),
        timeout: None,
        span: nowhere(),
    }
}

impl Bench {
    /// At noon of a day, with these jobs; their schedules are known, and nothing is due yet.
    pub(crate) async fn with(jobs: Vec<Job>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let business = HandClock::at("2026-05-22T12:00:30Z");
        let machine = HandClock::at("2026-07-01T08:00:00Z");
        let clocks = Clocks {
            business: Arc::<HandClock>::clone(&business),
            machine: Arc::<HandClock>::clone(&machine),
        };
        let randomness = Arc::new(SeededRandomness::new(1));
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, clocks, randomness).await.unwrap();
        let hand = Arc::new(Hand {
            jobs: Mutex::new(jobs),
            deeds: Mutex::default(),
            begun: Mutex::default(),
            release: Notify::new(),
        });
        let environment = EnvironmentName::new("prod");
        let bench = Self { ledger, business, machine, hand, environment, _folder: folder };
        let running = bench.start();
        for job in bench.hand.jobs() {
            bench
                .until("its schedule to be known", async || {
                    let text =
                        job.schedule.as_ref().map(|one| format!("{} UTC", one.cron)).unwrap();
                    let known = bench.ledger.schedule_through(&bench.environment, &job.name, &text);
                    known.await.unwrap().is_some()
                })
                .await;
        }
        running.halt().await;
        bench
    }

    pub(crate) fn does(&self, job: &str, deed: Deed) {
        self.hand.deeds.lock().unwrap().insert(job.to_owned(), deed);
    }

    /// A scheduler, as one `up` has it.
    pub(crate) fn start(&self) -> Running {
        let carrier: Arc<dyn JobCarrier> = Arc::<Hand>::clone(&self.hand);
        let (ledger, environment) = (self.ledger.clone(), self.environment.clone());
        let scheduler = Scheduler::new(ledger, environment, carrier, Arc::default());
        let stops = Stops::default();
        let own = stops.clone();
        let task = tokio::spawn(async move { scheduler.run(&own).await });
        Running { stops, task }
    }

    /// What was begun so far, in order.
    pub(crate) fn begun(&self) -> Vec<String> {
        self.hand.begun.lock().unwrap().clone()
    }

    /// Every firing, oldest first, as `12:05 succeeded`.
    pub(crate) async fn firings(&self) -> Vec<String> {
        let all = self.all().await;
        let shown = all.iter().map(|one| {
            let time = one.logical_time.format("%H:%M");
            format!("{time} {}", one.status)
        });
        shown.collect()
    }

    pub(crate) async fn all(&self) -> Vec<FiringRecord> {
        let mut all = self.ledger.firings(&self.environment, None, 1_000).await.unwrap();
        all.reverse();
        all
    }

    pub(crate) async fn last(&self) -> FiringRecord {
        self.all().await.pop().unwrap()
    }

    /// Waits until the newest firing stands so.
    pub(crate) async fn until_last(&self, status: FiringStatus) {
        let stands = async || self.all().await.last().is_some_and(|one| one.status == status);
        self.until(&format!("the last firing to be {status}"), stands).await;
    }

    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let waited = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waited).await.is_err() {
            let (firings, begun) = (self.firings().await, self.begun());
            panic!("{what} did not come to pass: {firings:?}, begun {begun:?}");
        }
    }
}
