//! Setting runs and jobs going.

use access::Permission;
use axum::Json;
use axum::extract::{Path, State};
use base::RunId;
use serde_json::{Value, json};

use crate::{
    Answer, Caller, FiringReference, Routes, RunRequest, ServerError, SharedPlatform,
};

pub(super) fn routes() -> Routes {
    let run = Permission::Run;
    Routes::new()
        .post("/api/v1/runs", run, "start a run", start)
        .post("/api/v1/runs/{run}/retry", run, "repeat what did not succeed", retry)
        .post("/api/v1/runs/{run}/cancel", run, "stop a run", cancel)
        .post("/api/v1/jobs/{job}/run", run, "run a job now", run_job)
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

async fn cancel(
    State(platform): State<SharedPlatform>,
    Path(run): Path<String>,
) -> Answer<Value> {
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
