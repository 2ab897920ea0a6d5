//! `fiveply up`: scheduler, web UI, HTTP API and SQL endpoint of a project, in one process.

mod doors;
mod lookout;
mod reload;
mod runner;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use access::Access;
use base::system::SystemFiles;
use ledger::Ledger;
use orchestration::{JobCarrier, Scheduler, Stops};
use serde_json::json;
use server::{HttpOptions, Loaded, Platform, PlatformParts, SharedPlatform};
use tokio_util::task::TaskTracker;

use crate::arguments::{Common, UpArguments};
use crate::commands::load::Vendors;
use crate::console::{Console, Ink};
use crate::failure::Failure;
use crate::signals::{Signals, end_at_next_signal};
use crate::workplace::{self, OwnClock, Workplace};
use doors::Doors;
pub(crate) use runner::{Counter, Runner};

/// Pause between two signs that the business clock runs.
const CLOCK_PAUSE: Duration = Duration::from_secs(1);
/// How long running steps may take to come to their end by themselves.
const HALT_PATIENCE: Duration = Duration::from_secs(20);
/// How long they may take after they were asked to stop.
const CANCEL_PATIENCE: Duration = Duration::from_secs(10);

/// Serves the project until Ctrl-C or SIGTERM.
pub(crate) async fn run(
    common: &Common,
    arguments: &UpArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let vendors = Vendors::start(common).await?;
    let opened = workplace::open_project(common, vendors.variables(), console)?;
    let place = Workplace::open(opened, None).await?;
    let up = Up::open(place, common, vendors, arguments, console).await?;
    up.announce()?;
    up.serve().await
}

/// A server whose doors are open and that serves as soon as it is told.
pub(crate) struct Up {
    place: Workplace,
    common: Common,
    /// They run as long as the server does.
    vendors: Vendors,
    console: Console,
    doors: Doors,
    platform: SharedPlatform,
    runner: Arc<Runner>,
    stops: Stops,
    schedules: bool,
    /// Listened to before anybody is told that the doors are open.
    signals: Signals,
}

impl Up {
    /// Opens the doors.
    ///
    /// # Errors
    /// When a port is taken, or a door would open beyond this machine without an administrator.
    pub(crate) async fn open(
        place: Workplace,
        common: &Common,
        vendors: Vendors,
        arguments: &UpArguments,
        console: &Console,
    ) -> Result<Self, Failure> {
        let access = Access::new(place.ledger.clone());
        let doors = Doors::open(arguments, &access, console).await?;
        if let Some(clock) = &place.own_clock {
            clock.run(&place.ledger).await?;
        }
        let loaded = Loaded::new(Arc::clone(&place.project), place.clocks.machine.now());
        let stops = Stops::default();
        let runner = Runner::new(place.clone(), loaded.clone(), stops.clone(), console);
        let operations = Arc::new(Counter(Arc::clone(&runner)));
        let platform = Platform::new(PlatformParts {
            root: place.root.clone(),
            loaded,
            ledger: place.ledger.clone(),
            lake: place.lake.clone(),
            engine: place.engine.clone(),
            environment: place.environment.clone(),
            dialect: place.dialect,
            clocks: place.clocks.clone(),
            files: Arc::new(SystemFiles),
            access,
            operations,
        });
        Ok(Self {
            place,
            common: common.clone(),
            vendors,
            console: console.clone(),
            doors,
            platform,
            runner,
            stops,
            schedules: !arguments.no_schedule,
            signals: Signals::listen(),
        })
    }

    /// Where the web UI is.
    pub(crate) fn url(&self) -> String {
        self.doors.url()
    }

    /// Where the lake is asked over PostgreSQL's protocol.
    pub(crate) fn sql_url(&self) -> String {
        self.doors.sql_url(self.place.environment.as_str())
    }

    /// Says where the doors are.
    ///
    /// # Errors
    /// When standard output is closed.
    pub(crate) fn announce(&self) -> Result<(), Failure> {
        if self.console.json {
            let document = json!({
                "status": "serving",
                "url": self.url(),
                "sql": self.sql_url(),
                "environment": self.place.environment,
                "process": std::process::id(),
            });
            self.console.print(&document.to_string())?;
            return Ok(());
        }
        let jobs = self.place.project.jobs.iter().filter(|job| job.schedule.is_some()).count();
        let schedule = match (self.schedules, jobs) {
            (false, _) => "off (--no-schedule)".to_owned(),
            (true, 0) => "no job has one; write jobs/*.yml".to_owned(),
            (true, count) => format!("{count} jobs; `fiveply job list` shows when"),
        };
        let url = self.console.paint(Ink::Strong, &self.url());
        self.console.print(&format!("web UI and API   {url}"))?;
        self.console.print(&format!("SQL              psql {}", self.sql_url()))?;
        self.console.print(&format!("schedule         {schedule}"))?;
        self.console.print("Ctrl-C ends it; running steps finish first.")?;
        Ok(())
    }

    /// Serves until Ctrl-C or SIGTERM, then lets running steps come to their end.
    ///
    /// # Errors
    /// When a door breaks.
    pub(crate) async fn serve(self) -> Result<ExitCode, Failure> {
        let Self {
            place,
            common,
            vendors,
            console,
            doors,
            platform,
            runner,
            stops,
            schedules,
            mut signals,
        } = self;
        let tasks = TaskTracker::new();
        let carrier: Arc<dyn JobCarrier> = Arc::clone(&runner) as _;
        let (ledger, environment) = (place.ledger.clone(), place.environment.clone());
        let speed = place.own_clock.as_ref().map_or(1.0, |clock| clock.speed);
        let scheduler = Scheduler::new(ledger, environment, carrier, runner.wake());
        let scheduler = scheduler.with_speed(speed);
        let scheduler = if schedules { scheduler } else { scheduler.without_calendar() };
        let scheduler_stops = stops.clone();
        tasks.spawn(async move { scheduler.run(&scheduler_stops).await });
        if let Some(clock) = place.own_clock.clone() {
            tasks.spawn(keep_clock(clock, place.ledger.clone(), stops.clone()));
        }
        let watcher = reload::Watcher::new(&place, &common, vendors.variables(), &console);
        tasks.spawn(watcher.run(platform.loaded.clone(), stops.halt.clone()));
        let (loaded, halt) = (platform.loaded.clone(), stops.halt.clone());
        tasks.spawn(lookout::look_out(place.tools(), loaded, halt));
        let http = doors.http;
        let closing = stops.halt.clone();
        let asked = server::sql::serve(
            Arc::clone(&platform),
            doors.sql,
            server::sql::SqlOptions::default(),
            stops.halt.clone(),
        );
        let mut asked = tokio::spawn(asked);
        let http = server::serve(platform, http, HttpOptions::default(), closing);
        let mut http = tokio::spawn(http);
        tasks.close();
        let broken = tokio::select! {
            () = signals.next() => None,
            ended = &mut http => Some(ended),
            ended = &mut asked => Some(ended),
        };
        if broken.is_none() {
            let http_ends = async move {
                let _ = http.await;
            };
            tasks.spawn(http_ends);
        }
        console.complain("stopping: running steps finish, what has not begun is handed back");
        stops.halt.cancel();
        let impatient = end_at_next_signal(&console, "the next `fiveply up` goes on");
        tokio::select! {
            () = impatient => {}
            () = come_to_an_end(&tasks, &runner, &stops, &console) => {}
        }
        if !asked.is_finished() {
            let _ = asked.await;
        }
        place.ledger.close().await;
        match broken {
            Some(Ok(Err(error))) => Err(error.into()),
            Some(Ok(Ok(())) | Err(_)) | None => Ok(ExitCode::SUCCESS),
        }
    }
}

async fn come_to_an_end(tasks: &TaskTracker, runner: &Runner, stops: &Stops, console: &Console) {
    let ended = async {
        tasks.wait().await;
        runner.wait().await;
    };
    let mut ended = std::pin::pin!(ended);
    if tokio::time::timeout(HALT_PATIENCE, &mut ended).await.is_ok() {
        return;
    }
    console.complain("still running: steps are asked to stop; the next `fiveply up` repeats them");
    stops.cancel.cancel();
    let _ = tokio::time::timeout(CANCEL_PATIENCE, ended).await;
}

/// Tells other processes that the business clock runs.
async fn keep_clock(clock: OwnClock, ledger: Ledger, stops: Stops) {
    loop {
        if let Err(error) = ledger.keep_business_clock(&clock.setting).await {
            tracing::warn!(%error, "business clock not kept");
        }
        tokio::select! {
            () = tokio::time::sleep(CLOCK_PAUSE) => {}
            () = stops.halt.cancelled() => return,
        }
    }
}
