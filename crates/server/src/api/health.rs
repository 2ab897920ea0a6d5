//! Whether the server is up, and how the project's files stand.

use access::Permission;
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Answer, Needs, Routes, SharedPlatform, open_api};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/api/v1/health", Needs::Open, "whether the server is up", health)
        .get("/api/v1/openapi.json", Needs::Open, "this API, described", open_api::document)
        .get("/api/v1/project", Permission::See, "the project and how its files stand", project)
}

async fn health() -> Json<Value> {
    Json(json!({"status": "ok", "product": "fiveply", "version": env!("CARGO_PKG_VERSION")}))
}

/// The project and how its files stand.
#[derive(Debug, Serialize)]
struct ProjectAnswer {
    name: String,
    environment: String,
    /// Now, by the business clock.
    business_time: DateTime<Utc>,
    /// When the project in use was read, by the machine clock.
    loaded_at: DateTime<Utc>,
    /// What is wrong with its files since then.
    problems: Vec<Problem>,
}

#[derive(Debug, Serialize)]
struct Problem {
    code: &'static str,
    message: String,
    location: Option<String>,
    help: Vec<String>,
}

async fn project(State(platform): State<SharedPlatform>) -> Answer<ProjectAnswer> {
    let (project, standing) = (platform.project(), platform.standing());
    let problems = standing.problems.into_iter().map(|problem| Problem {
        code: problem.code,
        location: problem.primary.map(|label| label.span.location()),
        message: problem.message,
        help: problem.help,
    });
    Ok(Json(ProjectAnswer {
        name: project.name.clone(),
        environment: platform.environment.to_string(),
        business_time: platform.clocks.business.now(),
        loaded_at: standing.loaded_at,
        problems: problems.collect(),
    }))
}
