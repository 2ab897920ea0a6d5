//! The HTTP API, one module per subject, all under `/api/v1`.

mod columns;
mod dashboards;
mod features;
mod health;
mod home;
mod incidents;
mod jobs;
mod lineage;
mod metrics;
mod people;
mod query;
mod runs;
mod session;
mod syncs;
mod tables;

use crate::Routes;

/// Every route of the API.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .merge(health::routes())
        .merge(session::routes())
        .merge(home::routes())
        .merge(lineage::routes())
        .merge(columns::routes())
        .merge(tables::routes())
        .merge(runs::routes())
        .merge(jobs::routes())
        .merge(incidents::routes())
        .merge(query::routes())
        .merge(metrics::routes())
        .merge(dashboards::routes())
        .merge(people::routes())
        .merge(syncs::routes())
        .merge(features::routes())
}
