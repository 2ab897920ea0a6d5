//! `POST /api/v1/query`: one question in SQL, read-only, at most so many rows, cancelled by the id
//! its asker gave it, or when the asker goes away.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use access::{Identity, Permission};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use compute::{Catalog, QueryError, SessionOptions};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::rows::{ColumnAnswer, columns, values};
use crate::{Answer, Caller, Platform, Routes, ServerError, SharedPlatform};

/// Rows of one answer; whoever wants more takes the PostgreSQL door or `fiveply query`.
const ROWS_MAX: usize = 10_000;
/// Rows of one answer when nobody says how many.
const ROWS_USUAL: usize = 1_000;
/// Characters of an id.
const ID_CHARACTERS_MAX: usize = 100;

/// The queries at work, by who asked and the id they gave.
static RUNNING: LazyLock<Mutex<HashMap<(String, String), CancellationToken>>> =
    LazyLock::new(Mutex::default);

pub(super) fn routes() -> Routes {
    let rows = Permission::Query;
    Routes::new().post("/api/v1/query", rows, "ask in SQL", ask).delete(
        "/api/v1/query/{id}",
        rows,
        "cancel one's own query",
        cancel,
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    sql: String,
    limit: Option<usize>,
    /// A name under which it can be cancelled.
    id: Option<String>,
}

/// A question, understood.
pub(super) struct Asked {
    pub(super) sql: String,
    pub(super) limit: usize,
    pub(super) cancel: Option<CancellationToken>,
}

/// Rows, column by column named and typed.
#[derive(Debug, Serialize)]
pub(super) struct RowsAnswer {
    columns: Vec<ColumnAnswer>,
    rows: Vec<Vec<Value>>,
    /// Whether there are more.
    truncated: bool,
    duration_ms: i64,
    /// The versions that were read.
    inputs: Vec<Read>,
}

#[derive(Debug, Serialize)]
struct Read {
    table: String,
    rows: u64,
}

/// Takes the query from the list, however its request ends.
struct Entry((String, String));

impl Drop for Entry {
    fn drop(&mut self) {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

fn enter(identity: &Identity, id: &str) -> Result<(Entry, CancellationToken), ServerError> {
    if id.chars().count() > ID_CHARACTERS_MAX {
        let message = format!("an id has at most {ID_CHARACTERS_MAX} characters");
        return Err(ServerError::wrong(message, "A UUID is a good one."));
    }
    let key = (identity.name.clone(), id.to_owned());
    let token = CancellationToken::new();
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if running.contains_key(&key) {
        let message = format!("a query with the id \"{}\" is at work", id.escape_debug());
        return Err(ServerError::refused(base::ErrorKind::Conflict, message)
            .with_help("Give each query an id of its own."));
    }
    running.insert(key.clone(), token.clone());
    Ok((Entry(key), token))
}

async fn ask(
    State(platform): State<SharedPlatform>,
    Caller(identity): Caller,
    Json(question): Json<Question>,
) -> Answer<RowsAnswer> {
    let entered = question.id.as_deref().map(|id| enter(&identity, id)).transpose()?;
    let cancel = entered.as_ref().map(|(_, token)| token.clone());
    let limit = question.limit.unwrap_or(ROWS_USUAL);
    let asked = Asked { sql: question.sql, limit, cancel };
    Ok(Json(answer(&platform, &asked).await?))
}

async fn cancel(
    Caller(identity): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ServerError> {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    match running.get(&(identity.name, id.clone())) {
        Some(token) => {
            token.cancel();
            Ok(StatusCode::NO_CONTENT)
        }
        None => {
            let message = format!("no query with the id \"{}\" is at work", id.escape_debug());
            Err(ServerError::not_found(message).with_help("It has ended."))
        }
    }
}

/// A mistake in the question is mended in the question, not in a file.
fn mistaken(mut error: QueryError) -> QueryError {
    if error.kind == base::ErrorKind::Project && error.help.is_none() {
        error.help = Some("Change the query and run it again.".to_owned());
    }
    error
}

/// Answers from the environment's tables as they are published at this moment.
pub(super) async fn answer(platform: &Platform, asked: &Asked) -> Result<RowsAnswer, ServerError> {
    let began = platform.clocks.machine.now();
    let limit = asked.limit.clamp(1, ROWS_MAX);
    let cancel = asked.cancel.clone().unwrap_or_default();
    let project = platform.project();
    let catalog =
        Catalog::of_environment(&platform.ledger, &platform.lake, &platform.environment).await?;
    let options = SessionOptions {
        dialect: platform.dialect,
        business_now: platform.clocks.business.now(),
        time_zone: "UTC".to_owned(),
        default_namespace: Some(project.target.schema.clone()),
    };
    let session = platform.engine.session(catalog, options);
    let expanded = consumption::metrics::expand_sql(&project, &asked.sql)?;
    let sql = expanded.as_deref().unwrap_or(&asked.sql);
    let prepared = tokio::select! {
        prepared = session.prepare(sql) => prepared.map_err(mistaken)?,
        () = cancel.cancelled() => {
            let message = "the query was cancelled";
            return Err(ServerError::refused(base::ErrorKind::Cancelled, message));
        }
    };
    let mut stream = session.stream(&prepared, cancel).await?;
    let (mut rows, mut truncated) = (Vec::new(), false);
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let room = limit - rows.len();
        truncated = batch.num_rows() > room;
        rows.extend(values(&batch.slice(0, room.min(batch.num_rows())))?);
        if truncated {
            break;
        }
    }
    let inputs = prepared.inputs().into_iter();
    Ok(RowsAnswer {
        columns: columns(&prepared.schema()),
        rows,
        truncated,
        duration_ms: (platform.clocks.machine.now() - began).num_milliseconds(),
        inputs: inputs
            .map(|input| Read { table: input.table.to_string(), rows: input.rows })
            .collect(),
    })
}
