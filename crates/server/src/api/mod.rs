//! The HTTP API, one module per subject, all under `/api/v1`.

mod health;
mod jobs;
mod session;

use crate::Routes;

/// Every route of the API.
pub(crate) fn routes() -> Routes {
    Routes::new().merge(health::routes()).merge(session::routes()).merge(jobs::routes())
}
