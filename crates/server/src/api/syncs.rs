//! Syncs: what is sent to the tools of other teams, and what they answered.

use access::Permission;
use axum::Json;
use axum::extract::{Path, Query, State};
use ledger::{NewSyncEntry, SyncCounts, SyncEntry, SyncLogFilter, SyncOutcome, SyncRun};
use project::sync::Sync;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Answer, Platform, Routes, ServerError, SharedPlatform};

/// Entries of a log that one answer holds unless asked otherwise, and at most.
const ENTRIES_DEFAULT: u32 = 50;
const ENTRIES_MAX: u32 = 500;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/api/v1/syncs", Permission::See, "every sync and how it stands", list)
        .get("/api/v1/syncs/{name}", Permission::See, "one sync", one)
        .get("/api/v1/syncs/{name}/runs", Permission::See, "runs of a sync", runs)
        .get(
            "/api/v1/syncs/{name}/rows",
            Permission::Query,
            "request and answer of each row that was sent, newest first",
            rows,
        )
        .get(
            "/api/v1/syncs/{name}/refused",
            Permission::Query,
            "rows that the destination refused and that are tried again",
            refused,
        )
}

/// A sync and its last run.
#[derive(Debug, Serialize)]
struct SyncAnswer {
    name: String,
    node: String,
    description: String,
    owner: Option<String>,
    tags: Vec<String>,
    destination: &'static str,
    mode: &'static str,
    from: Vec<String>,
    key: Vec<String>,
    fields: Vec<String>,
    last_run: Option<RunAnswer>,
}

/// One run of a sync.
#[derive(Debug, Serialize)]
struct RunAnswer {
    run: String,
    attempt: u32,
    status: String,
    message: Option<String>,
    counts: SyncCounts,
    started_at: chrono::DateTime<chrono::Utc>,
    finished_at: Option<chrono::DateTime<chrono::Utc>>,
}

fn run_answer(run: SyncRun) -> RunAnswer {
    RunAnswer {
        run: run.run.to_string(),
        attempt: run.attempt,
        status: run.status.to_string(),
        message: run.message,
        counts: run.counts,
        started_at: run.business_started,
        finished_at: run.business_finished,
    }
}

async fn sync_answer(platform: &Platform, sync: &Sync) -> Result<SyncAnswer, ServerError> {
    let project = platform.project();
    let node_id = sync.node_id(&project.name);
    let node = project.graph.node(&node_id);
    let runs = platform.ledger.sync_runs(&platform.environment, Some(&sync.name), 1).await?;
    let parents = node.map(|node| node.depends_on.clone()).unwrap_or_default();
    Ok(SyncAnswer {
        name: sync.name.clone(),
        node: node_id.to_string(),
        description: sync.description.clone(),
        owner: node.and_then(|node| node.owner.as_ref()).map(|owner| owner.name.clone()),
        tags: sync.tags.clone(),
        destination: sync.destination.kind.word(),
        mode: sync.mode.word(),
        from: parents.iter().map(ToString::to_string).collect(),
        key: sync.key.clone(),
        fields: sync.fields.iter().map(|field| field.name.clone()).collect(),
        last_run: runs.into_iter().next().map(run_answer),
    })
}

async fn list(State(platform): State<SharedPlatform>) -> Answer<Value> {
    let mut syncs = Vec::new();
    for sync in &platform.project().syncs {
        syncs.push(sync_answer(&platform, sync).await?);
    }
    Ok(Json(json!({"syncs": syncs})))
}

fn find(platform: &Platform, name: &str) -> Result<Sync, ServerError> {
    let project = platform.project();
    let found = project.syncs.iter().find(|sync| sync.name == name);
    found.cloned().ok_or_else(|| {
        ServerError::not_found(format!("no sync is named \"{name}\""))
            .with_help("GET /api/v1/syncs lists them.")
    })
}

async fn one(
    State(platform): State<SharedPlatform>,
    Path(name): Path<String>,
) -> Answer<SyncAnswer> {
    let sync = find(&platform, &name)?;
    Ok(Json(sync_answer(&platform, &sync).await?))
}

#[derive(Debug, Deserialize)]
struct Limit {
    limit: Option<u32>,
}

async fn runs(
    State(platform): State<SharedPlatform>,
    Path(name): Path<String>,
    Query(asked): Query<Limit>,
) -> Answer<Value> {
    let sync = find(&platform, &name)?;
    let limit = asked.limit.unwrap_or(ENTRIES_DEFAULT).min(ENTRIES_MAX);
    let (ledger, environment) = (&platform.ledger, &platform.environment);
    let runs = ledger.sync_runs(environment, Some(&sync.name), limit).await?;
    let runs: Vec<RunAnswer> = runs.into_iter().map(run_answer).collect();
    Ok(Json(json!({"runs": runs})))
}

/// Which rows of a sync's log.
#[derive(Debug, Deserialize)]
struct RowsAsked {
    run: Option<String>,
    key: Option<String>,
    outcome: Option<SyncOutcome>,
    before: Option<i64>,
    limit: Option<u32>,
}

async fn rows(
    State(platform): State<SharedPlatform>,
    Path(name): Path<String>,
    Query(asked): Query<RowsAsked>,
) -> Answer<Value> {
    let sync = find(&platform, &name)?;
    let limit = asked.limit.unwrap_or(ENTRIES_DEFAULT).min(ENTRIES_MAX);
    let filter = SyncLogFilter {
        run: asked.run.map(base::RunId::new),
        key: asked.key,
        outcome: asked.outcome,
        before: asked.before,
    };
    let (ledger, environment) = (&platform.ledger, &platform.environment);
    let entries = ledger.sync_log(environment, &sync.name, &filter, limit).await?;
    // The place to go on from, as `before` of the next question.
    let next = entries.last().map(|last| last.sequence);
    let rows: Vec<Value> = entries.into_iter().map(row).collect();
    Ok(Json(json!({"rows": rows, "next": next})))
}

fn row(entry: SyncEntry) -> Value {
    let SyncEntry { sequence, run, entry, business_time, .. } = entry;
    let NewSyncEntry { key, operation, outcome, http_status, idempotency_key, .. } = &entry;
    let parsed =
        |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| text.to_owned().into());
    json!({
        "sequence": sequence,
        "run": run,
        "at": business_time,
        "key": parsed(key),
        "operation": operation,
        "outcome": outcome,
        "http_status": http_status,
        "idempotency_key": idempotency_key,
        "batch_key": entry.batch_key,
        "request": parsed(&entry.request),
        "response": entry.response.as_deref().map(parsed),
        "error": entry.error,
    })
}

async fn refused(
    State(platform): State<SharedPlatform>,
    Path(name): Path<String>,
    Query(asked): Query<Limit>,
) -> Answer<Value> {
    let sync = find(&platform, &name)?;
    let limit = asked.limit.unwrap_or(ENTRIES_DEFAULT).min(ENTRIES_MAX);
    let (ledger, environment) = (&platform.ledger, &platform.environment);
    let rows = ledger.refused_sync_rows(environment, &sync.name, limit).await?;
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|row| json!({"key": row.key, "refusals": row.failures, "error": row.error}))
        .collect();
    Ok(Json(json!({"rows": rows})))
}
