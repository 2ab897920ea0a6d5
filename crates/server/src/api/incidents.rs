//! What is wrong and whose it is: incidents, promises with their budgets, and the diagnosis of any
//! number on any day.

use std::sync::Arc;

use access::Permission;
use axum::Json;
use axum::extract::{Path, Query, State};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use ledger::{IncidentRecord, IncidentStatus};
use observability::{
    Diagnosis, IncidentStory, ObservabilityError, PromiseState, diagnose, incident_story, promises,
    question,
};
use serde::{Deserialize, Serialize};
use transformation::Tools;

use crate::{Answer, Platform, Routes, ServerError, SharedPlatform};

/// Incidents that one answer lists unless `limit` says otherwise.
const LISTED: u32 = 100;
/// Incidents that one answer lists at most.
const LISTED_MAX: u32 = 1_000;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .get("/api/v1/incidents", Permission::See, "incidents, open ones first", list)
        .get("/api/v1/incidents/{id}", Permission::See, "one incident, explained", show)
        .get("/api/v1/promises", Permission::See, "promises and their error budgets", promised)
        .get("/api/v1/diagnose/{name}", Permission::See, "why a number is what it is", explain)
}

#[derive(Debug, Deserialize)]
struct Which {
    /// `open` or `closed`; both when absent.
    status: Option<IncidentStatus>,
    limit: Option<u32>,
}

/// Incidents, open ones first.
#[derive(Debug, Serialize)]
struct Incidents {
    /// Now, by the business clock.
    business_time: DateTime<Utc>,
    open: usize,
    incidents: Vec<IncidentRecord>,
}

async fn list(
    State(platform): State<SharedPlatform>,
    Query(which): Query<Which>,
) -> Answer<Incidents> {
    let limit = which.limit.unwrap_or(LISTED).min(LISTED_MAX);
    let found = platform.ledger.incidents(&platform.environment, which.status, limit).await;
    let mut incidents =
        found.map_err(|error| ServerError::refused(error.kind(), error.to_string()))?;
    let open = incidents.iter().filter(|one| one.status == IncidentStatus::Open).count();
    // A list does not carry every diagnosis; one incident does.
    for incident in &mut incidents {
        if let Some(details) = incident.details.as_object_mut() {
            details.remove("diagnosis");
        }
    }
    Ok(Json(Incidents { business_time: platform.clocks.business.now(), open, incidents }))
}

async fn show(
    State(platform): State<SharedPlatform>,
    Path(id): Path<String>,
) -> Answer<IncidentStory> {
    let story = Box::pin(incident_story(&tools(&platform), &id)).await;
    story.map(Json).map_err(refused)
}

/// Promises and their error budgets.
#[derive(Debug, Serialize)]
struct Promises {
    /// Now, by the business clock.
    business_time: DateTime<Utc>,
    promises: Vec<PromiseState>,
}

async fn promised(State(platform): State<SharedPlatform>) -> Answer<Promises> {
    let states = Box::pin(promises(&tools(&platform))).await.map_err(refused)?;
    let business_time = platform.clocks.business.now();
    Ok(Json(Promises { business_time, promises: states }))
}

#[derive(Debug, Deserialize)]
struct When {
    /// The day; the last complete one when absent.
    on: Option<NaiveDate>,
    time_column: Option<String>,
}

async fn explain(
    State(platform): State<SharedPlatform>,
    Path(name): Path<String>,
    Query(when): Query<When>,
) -> Answer<Diagnosis> {
    let tools = tools(&platform);
    let mut asked = question(&tools, &name).map_err(refused)?;
    asked.time_column = when.time_column.or(asked.time_column);
    // The last minute of a day counts as its end.
    let now = platform.clocks.business.now() + TimeDelta::minutes(1);
    let day = when.on.unwrap_or_else(|| now.date_naive() - Days::new(1));
    Box::pin(diagnose(&tools, &asked, day)).await.map(Json).map_err(refused)
}

fn tools(platform: &Platform) -> Tools {
    Tools {
        project: platform.project(),
        ledger: platform.ledger.clone(),
        lake: platform.lake.clone(),
        engine: platform.engine.clone(),
        files: Arc::clone(&platform.files),
        environment: platform.environment.clone(),
        dialect: platform.dialect,
    }
}

fn refused(error: ObservabilityError) -> ServerError {
    let refused = ServerError::refused(error.kind(), error.to_string());
    match error.help() {
        Some(help) => refused.with_help(help),
        None => refused,
    }
}
