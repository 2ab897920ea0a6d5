//! `fiveply job`: what runs when, and running it now.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ledger::{FiringClaim, FiringRecord, FiringStatus};
use orchestration::{Calendar, JobCarrier, Scheduler};
use project::jobs::{Concurrency, Job};
use project::suggest;
use serde_json::{Value, json};
use server::Loaded;

use crate::arguments::{Common, JobCommand};
use crate::commands::load::Vendors;
use crate::console::{Console, columns};
use crate::failure::{Failure, NODE_FAILED};
use crate::signals::cancel_on_signal;
use crate::up::Runner;
use crate::workplace::{self, Workplace};

/// Pause between two looks at a firing that another process carries out.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn run(
    common: &Common,
    command: &JobCommand,
    console: &Console,
) -> Result<ExitCode, Failure> {
    match command {
        JobCommand::List => {
            let opened = workplace::open_project(common, &[], console)?;
            list(&Workplace::open(opened, None).await?, console).await
        }
        JobCommand::Run { name } => {
            let vendors = Vendors::start(common).await?;
            let opened = workplace::open_project(common, vendors.variables(), console)?;
            run_now(&Workplace::open(opened, None).await?, name, console).await
        }
    }
}

async fn list(place: &Workplace, console: &Console) -> Result<ExitCode, Failure> {
    let now = place.clocks.business.now();
    let mut documents: Vec<Value> = Vec::new();
    let mut rows = Vec::new();
    for job in &place.project.jobs {
        let calendar = job.schedule.as_ref().and_then(|one| Calendar::new(one).ok());
        let next = calendar.as_ref().and_then(|calendar| calendar.next_after(now));
        let last = place.ledger.firings(&place.environment, Some(&job.name), 1).await?.pop();
        documents.push(json!({
            "name": job.name,
            "description": job.description,
            "owner": job.owner,
            "cron": job.schedule.as_ref().map(|schedule| &schedule.cron),
            "time_zone": job.schedule.as_ref().map(|schedule| &schedule.time_zone),
            "schedule": calendar.as_ref().map(Calendar::describe),
            "next": next,
            "last": last.as_ref().map(firing_json),
        }));
        let text = |time: chrono::DateTime<chrono::Utc>| time.format("%Y-%m-%d %H:%M").to_string();
        rows.push(vec![
            job.name.clone(),
            calendar.map_or_else(|| "when asked for".to_owned(), |known| known.describe()),
            next.map_or_else(String::new, |next| format!("next {}", text(next))),
            last.map_or_else(
                || "never ran".to_owned(),
                |last| format!("last {} {}", text(last.logical_time), last.status),
            ),
        ]);
    }
    if console.json {
        console.print(&Value::from(documents).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        console.say("no job yet; write jobs/daily.yml");
    }
    for line in columns(&rows, &[]) {
        console.print(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn run_now(place: &Workplace, name: &str, console: &Console) -> Result<ExitCode, Failure> {
    let Some(job) = place.project.jobs.iter().find(|job| job.name == name) else {
        let known = place.project.jobs.iter().map(|job| job.name.as_str());
        let hint = suggest::did_you_mean(name, known);
        return Err(Failure::usage(format!("there is no job \"{name}\""))
            .help(hint.unwrap_or_else(|| "`fiveply job list` lists them.".to_owned())));
    };
    let cancel = cancel_on_signal(console);
    let loaded = Loaded::new(Arc::clone(&place.project), place.clocks.machine.now());
    let runner = Runner::new(place.clone(), loaded, cancel.stops.clone(), console);
    let wake = runner.wake();
    let carrier: Arc<dyn JobCarrier> = runner;
    let (ledger, environment) = (place.ledger.clone(), place.environment.clone());
    let scheduler = Scheduler::new(ledger, environment, carrier, wake);
    let firing = place.ledger.fire_by_hand(&place.environment, &job.name, None).await?;
    let parallel = job.concurrency == Concurrency::Parallel;
    loop {
        match place.ledger.claim_firing(&firing, parallel).await? {
            FiringClaim::Granted(claimed) => {
                scheduler.carry(job.clone(), *claimed, cancel.stops.clone()).await;
            }
            FiringClaim::Busy if job.concurrency == Concurrency::Skip => {
                skip(place, job, &firing).await?;
            }
            // A server took it, or the one before is still running.
            FiringClaim::Busy | FiringClaim::Gone => {}
        }
        let firing = place
            .ledger
            .firing(&firing.environment, &firing.job, firing.logical_time)
            .await?
            .unwrap_or_else(|| firing.clone());
        if ended(firing.status) || cancel.stops.cancel.is_cancelled() {
            return show(&firing, console);
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

async fn skip(place: &Workplace, job: &Job, firing: &FiringRecord) -> Result<(), Failure> {
    let message = format!("job \"{}\" is still running", job.name);
    let end = ledger::FiringEnd::Over(FiringStatus::Skipped, Some(message));
    place.ledger.end_firing(firing, &end).await?;
    Ok(())
}

fn ended(status: FiringStatus) -> bool {
    match status {
        FiringStatus::Due | FiringStatus::Running | FiringStatus::Waiting => false,
        FiringStatus::Succeeded
        | FiringStatus::Failed
        | FiringStatus::Cancelled
        | FiringStatus::Skipped
        | FiringStatus::Missed => true,
    }
}

fn firing_json(firing: &FiringRecord) -> Value {
    json!({
        "job": firing.job,
        "logical_time": firing.logical_time,
        "cause": firing.cause,
        "status": firing.status,
        "tries": firing.tries,
        "run": firing.run,
        "message": firing.message,
    })
}

fn show(firing: &FiringRecord, console: &Console) -> Result<ExitCode, Failure> {
    if console.json {
        console.print(&firing_json(firing).to_string())?;
    } else {
        let message = firing.message.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
        console.print(&format!("job {} {}{message}", firing.job, firing.status))?;
    }
    let good = firing.status == FiringStatus::Succeeded;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(NODE_FAILED) })
}
