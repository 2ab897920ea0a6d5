//! Metrics: which there are, and their numbers.

use std::sync::LazyLock;

use access::Permission;
use axum::Json;
use axum::extract::{Query, State};
use consumption::ConsumptionContext;
use consumption::metrics::{
    Answer as Rows, AnswerCache, MetricInfo, MetricQuery, SavedQueryInfo, answer, metrics, plan,
    saved_queries,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{Answer, Platform, Routes, ServerError, SharedPlatform};

/// Answers of this process, kept while their tables stay as they are.
pub(super) static ANSWERS: LazyLock<AnswerCache> = LazyLock::new(AnswerCache::default);

pub(super) fn routes() -> Routes {
    let (see, rows) = (Permission::See, Permission::Query);
    Routes::new()
        .get("/api/v1/metrics", see, "metrics and what each can be grouped by", list)
        .get("/api/v1/metrics/query", rows, "ask for numbers, in the address", ask_in_address)
        .post("/api/v1/metrics/query", rows, "ask for numbers", ask)
        .post("/api/v1/metrics/compile", rows, "the SQL of a question", compile)
}

/// What consumers work with.
pub(super) fn context(platform: &Platform, cancel: CancellationToken) -> ConsumptionContext {
    ConsumptionContext {
        project: platform.project(),
        ledger: platform.ledger.clone(),
        lake: platform.lake.clone(),
        engine: platform.engine.clone(),
        environment: platform.environment.clone(),
        dialect: platform.dialect,
        clocks: platform.clocks.clone(),
        cancel,
    }
}

#[derive(Debug, Serialize)]
struct Listed {
    metrics: Vec<MetricInfo>,
    saved_queries: Vec<SavedQueryInfo>,
}

async fn list(State(platform): State<SharedPlatform>) -> Answer<Listed> {
    let project = platform.project();
    let metrics = metrics(&project).into_iter().filter(|metric| !metric.hidden).collect();
    Ok(Json(Listed { metrics, saved_queries: saved_queries(&project) }))
}

async fn ask(
    State(platform): State<SharedPlatform>,
    Json(question): Json<MetricQuery>,
) -> Answer<Rows> {
    rows(&platform, &question).await
}

/// A question in an address, lists with commas between their items.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Address {
    metrics: String,
    group_by: String,
    #[serde(rename = "where")]
    condition: Option<String>,
    order_by: String,
    limit: Option<u64>,
    from: Option<chrono::NaiveDate>,
    to: Option<chrono::NaiveDate>,
}

async fn ask_in_address(
    State(platform): State<SharedPlatform>,
    Query(address): Query<Address>,
) -> Answer<Rows> {
    let list = |text: &str| {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    };
    let question = MetricQuery {
        metrics: list(&address.metrics),
        group_by: list(&address.group_by),
        conditions: address.condition.into_iter().collect(),
        order_by: list(&address.order_by),
        limit: address.limit,
        from: address.from,
        to: address.to,
    };
    rows(&platform, &question).await
}

async fn rows(platform: &SharedPlatform, question: &MetricQuery) -> Answer<Rows> {
    // Whoever goes away before the answer takes the query along.
    let cancel = CancellationToken::new();
    let _gone = cancel.clone().drop_guard();
    let context = context(platform, cancel);
    Ok(Json(answer(&context, question, &ANSWERS).await?))
}

#[derive(Debug, Serialize)]
struct Compiled {
    sql: String,
    columns: Vec<String>,
}

async fn compile(
    State(platform): State<SharedPlatform>,
    Json(question): Json<MetricQuery>,
) -> Answer<Compiled> {
    let project = platform.project();
    let plan = plan(&project, &question)?;
    let columns = plan.columns.into_iter().map(|column| column.name).collect();
    Ok(Json(Compiled { sql: plan.sql, columns }))
}

impl From<consumption::ConsumptionError> for ServerError {
    fn from(error: consumption::ConsumptionError) -> Self {
        let refused = Self::refused(error.kind(), error.to_string());
        match error.help() {
            Some(help) => refused.with_help(help),
            None => refused,
        }
    }
}
