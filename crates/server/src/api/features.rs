//! Features: what a model may ask, in the shape of Feast's feature server.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};

use access::Permission;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::EnvironmentName;
use consumption::features::{OnlineRequest, OnlineStore};
use serde_json::{Value, json};

use crate::{Answer, Platform, Routes, SharedPlatform};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/api/v1/features", Permission::See, "feature views and what is served", list)
        .post(
            "/get-online-features",
            Permission::Query,
            "features of some entities, as Feast's server answers",
            online,
        )
}

async fn list(State(platform): State<SharedPlatform>) -> Answer<Value> {
    let project = platform.project();
    let served = platform.ledger.online_views(&platform.environment).await?;
    let views: Vec<Value> = project
        .features
        .views
        .iter()
        .map(|view| {
            let node_id = view.node_id(&project.name);
            let node = project.graph.node(&node_id);
            let owner = node.and_then(|node| node.owner.as_ref()).map(|owner| &owner.name);
            let online = served.iter().find(|one| one.view == view.name).map(|one| {
                json!({
                    "version": one.version, "rows": one.rows, "inputs": one.inputs,
                    "refreshed_at": one.business_time, "run": one.run,
                })
            });
            let features = view.features.iter().map(|one| {
                let (name, kind) = (&one.name, one.kind.word());
                json!({"name": name, "type": kind, "description": one.description})
            });
            json!({
                "name": view.name,
                "node": node_id,
                "description": view.description,
                "owner": owner,
                "tags": view.tags,
                "join_keys": view.join_keys,
                "ttl_seconds": view.ttl.map(|ttl| ttl.as_secs()),
                "from": node.map(|node| &node.depends_on),
                "features": features.collect::<Vec<Value>>(),
                "online": online,
            })
        })
        .collect();
    let services: Vec<Value> = project
        .features
        .services
        .iter()
        .map(|service| {
            let features = service.features.iter();
            let features = features.map(|(view, feature)| format!("{view}:{feature}"));
            json!({
                "name": service.name,
                "description": service.description,
                "owner": service.owner,
                "features": features.collect::<Vec<String>>(),
            })
        })
        .collect();
    Ok(Json(json!({"feature_views": views, "feature_services": services})))
}

/// Stores by ledger and environment: what was looked up is kept in memory between requests.
static STORES: LazyLock<Mutex<HashMap<(PathBuf, EnvironmentName), OnlineStore>>> =
    LazyLock::new(Mutex::default);

fn store(platform: &Platform) -> OnlineStore {
    let (ledger, environment) = (&platform.ledger, &platform.environment);
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    let place = (ledger.path().to_owned(), environment.clone());
    let store = stores
        .entry(place)
        .or_insert_with(|| OnlineStore::new(ledger.clone(), environment.clone()));
    store.clone()
}

/// Takes the body as JSON whatever its content type says, as Feast's documentation sends it.
async fn online(State(platform): State<SharedPlatform>, body: Bytes) -> Response {
    let project = platform.project();
    let answered = match OnlineRequest::read(&body) {
        Ok(request) => store(&platform).answer(&project.features, &project.name, &request).await,
        Err(refusal) => Err(refusal),
    };
    let (status, body) = match answered {
        Ok(answer) => (StatusCode::OK, answer),
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status);
            (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), refusal.body)
        }
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
