//! Jobs and when they run; setting runs and jobs going.

use access::Permission;
use axum::Json;
use axum::extract::{Path, State};
use base::RunId;
use chrono::{DateTime, Utc};
use ledger::FiringRecord;
use orchestration::Calendar;
use project::jobs::Job;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Answer, Caller, FiringReference, Routes, RunRequest, ServerError, SharedPlatform};

/// Firings that the answer about one job lists.
const FIRINGS_SHOWN: u32 = 50;

pub(super) fn routes() -> Routes {
    let (see, run) = (Permission::See, Permission::Run);
    Routes::new()
        .get("/api/v1/jobs", see, "jobs, when they run next and how they ended", jobs)
        .get("/api/v1/jobs/{job}", see, "a job and its latest firings", job)
        .post("/api/v1/jobs/{job}/run", run, "run a job now", run_job)
        .post("/api/v1/runs", run, "start a run", start)
        .post("/api/v1/runs/{run}/retry", run, "repeat what did not succeed", retry)
        .post("/api/v1/runs/{run}/cancel", run, "stop a run", cancel)
}

/// A job.
#[derive(Debug, Serialize)]
struct JobAnswer {
    name: String,
    description: String,
    owner: Option<String>,
    cron: Option<String>,
    time_zone: Option<String>,
    /// The schedule in words.
    schedule: Option<String>,
    /// When it runs next, by the business clock.
    next: Option<DateTime<Utc>>,
    last: Option<FiringAnswer>,
    select: Vec<String>,
    exclude: Vec<String>,
}

/// A job at one of its times.
#[derive(Debug, Serialize)]
struct FiringAnswer {
    job: String,
    logical_time: DateTime<Utc>,
    cause: &'static str,
    started_by: Option<String>,
    status: &'static str,
    tries: u32,
    run: Option<RunId>,
    message: Option<String>,
    business_started: Option<DateTime<Utc>>,
    business_finished: Option<DateTime<Utc>>,
}

impl From<FiringRecord> for FiringAnswer {
    fn from(firing: FiringRecord) -> Self {
        Self {
            job: firing.job,
            logical_time: firing.logical_time,
            cause: firing.cause.as_str(),
            started_by: firing.started_by,
            status: firing.status.as_str(),
            tries: firing.tries,
            run: firing.run,
            message: firing.message,
            business_started: firing.business_started,
            business_finished: firing.business_finished,
        }
    }
}

async fn about(platform: &SharedPlatform, job: &Job) -> Result<JobAnswer, ServerError> {
    let now = platform.clocks.business.now();
    let calendar = job.schedule.as_ref().and_then(|schedule| Calendar::new(schedule).ok());
    let last = platform.ledger.firings(&platform.environment, Some(&job.name), 1).await?.pop();
    Ok(JobAnswer {
        name: job.name.clone(),
        description: job.description.clone(),
        owner: job.owner.clone(),
        cron: job.schedule.as_ref().map(|schedule| schedule.cron.clone()),
        time_zone: job.schedule.as_ref().map(|schedule| schedule.time_zone.clone()),
        schedule: calendar.as_ref().map(Calendar::describe),
        next: calendar.and_then(|calendar| calendar.next_after(now)),
        last: last.map(FiringAnswer::from),
        select: job.select.clone(),
        exclude: job.exclude.clone(),
    })
}

async fn jobs(State(platform): State<SharedPlatform>) -> Answer<Vec<JobAnswer>> {
    let mut answers = Vec::new();
    for job in &platform.project().jobs {
        answers.push(about(&platform, job).await?);
    }
    Ok(Json(answers))
}

async fn job(State(platform): State<SharedPlatform>, Path(name): Path<String>) -> Answer<Value> {
    let project = platform.project();
    let Some(job) = project.jobs.iter().find(|job| job.name == name) else {
        let message = format!("there is no job \"{}\"", name.escape_debug());
        return Err(ServerError::not_found(message).with_help("/api/v1/jobs lists them."));
    };
    let about = about(&platform, job).await?;
    let (ledger, environment) = (&platform.ledger, &platform.environment);
    let firings = ledger.firings(environment, Some(&job.name), FIRINGS_SHOWN).await?;
    let firings: Vec<FiringAnswer> = firings.into_iter().map(FiringAnswer::from).collect();
    let mut answer = json!(about);
    answer["firings"] = json!(firings);
    Ok(Json(answer))
}

async fn start(
    State(platform): State<SharedPlatform>,
    Caller(identity): Caller,
    Json(request): Json<RunRequest>,
) -> Answer<Value> {
    let run = platform.operations.start(&request, &identity).await?;
    Ok(Json(json!({"run": run})))
}

async fn retry(
    State(platform): State<SharedPlatform>,
    Caller(identity): Caller,
    Path(run): Path<String>,
) -> Answer<Value> {
    let run = platform.operations.retry(&RunId::new(run), &identity).await?;
    Ok(Json(json!({"run": run})))
}

async fn cancel(State(platform): State<SharedPlatform>, Path(run): Path<String>) -> Answer<Value> {
    if platform.operations.cancel(&RunId::new(run.as_str())).await {
        return Ok(Json(json!({"run": run, "status": "stopping"})));
    }
    let message = format!("run \"{}\" is not at work in this process", run.escape_debug());
    Err(ServerError::not_found(message).with_help("It has ended, or another process has it."))
}

async fn run_job(
    State(platform): State<SharedPlatform>,
    Caller(identity): Caller,
    Path(job): Path<String>,
) -> Answer<FiringReference> {
    Ok(Json(platform.operations.run_job(&job, &identity).await?))
}
