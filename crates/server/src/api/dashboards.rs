//! Dashboards: which there are, and the rows of their tiles.

use access::Permission;
use axum::Json;
use axum::extract::{Path, Query, State};
use consumption::dashboards::{
    Chosen, DashboardInfo, TileData, dashboards, describe, find, render, render_tile,
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::metrics::{ANSWERS, context};
use crate::{Answer, Routes, SharedPlatform};

pub(super) fn routes() -> Routes {
    let (see, rows) = (Permission::See, Permission::Query);
    Routes::new()
        .get("/api/v1/dashboards", see, "dashboards", list)
        .get("/api/v1/dashboards/{dashboard}", see, "a dashboard without its rows", one)
        .get("/api/v1/dashboards/{dashboard}/tiles", rows, "every tile with its rows", tiles)
        .get("/api/v1/dashboards/{dashboard}/tiles/{tile}", rows, "a tile with its rows", tile)
}

async fn list(State(platform): State<SharedPlatform>) -> Answer<Vec<DashboardInfo>> {
    Ok(Json(dashboards(&platform.project())))
}

async fn one(
    State(platform): State<SharedPlatform>,
    Path(name): Path<String>,
) -> Answer<DashboardInfo> {
    let project = platform.project();
    Ok(Json(describe(&project, find(&project, &name)?)))
}

#[derive(Debug, Serialize)]
struct Tiles {
    dashboard: DashboardInfo,
    tiles: Vec<TileData>,
}

/// Filters stand in the address by their names; a name may come again.
fn chosen(pairs: Vec<(String, String)>) -> Chosen {
    let mut chosen = Chosen::new();
    for (name, value) in pairs {
        if !value.is_empty() {
            chosen.entry(name).or_default().push(value);
        }
    }
    chosen
}

async fn tiles(
    State(platform): State<SharedPlatform>,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Answer<Tiles> {
    let cancel = CancellationToken::new();
    let _gone = cancel.clone().drop_guard();
    let context = context(&platform, cancel);
    let dashboard = find(&context.project, &name)?;
    let tiles = render(&context, dashboard, &chosen(pairs), &ANSWERS).await?;
    Ok(Json(Tiles { dashboard: describe(&context.project, dashboard), tiles }))
}

async fn tile(
    State(platform): State<SharedPlatform>,
    Path((name, tile)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Answer<TileData> {
    let cancel = CancellationToken::new();
    let _gone = cancel.clone().drop_guard();
    let context = context(&platform, cancel);
    let dashboard = find(&context.project, &name)?;
    Ok(Json(render_tile(&context, dashboard, &tile, &chosen(pairs), &ANSWERS).await?))
}
