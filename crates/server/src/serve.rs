//! Opens the HTTP door and closes it again.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::caller::Door;
use crate::{ServerError, SharedPlatform, guard, routes};

/// Seconds that open requests may take after the door began to close.
pub const SHUTDOWN_SECONDS_MAX: u64 = 5;

/// How the HTTP door is opened.
#[derive(Clone, Debug, Default)]
pub struct HttpOptions {}

/// Serves until `shutdown`; then takes no new requests, and ends when the open ones have ended, or
/// after [`SHUTDOWN_SECONDS_MAX`].
///
/// # Errors
/// When the listener fails, or it listens beyond this machine while there is no administrator.
pub async fn serve(
    platform: SharedPlatform,
    listener: TcpListener,
    _options: HttpOptions,
    shutdown: CancellationToken,
) -> Result<(), ServerError> {
    let failed = |source| ServerError::Listen { address: "the HTTP port".to_owned(), source };
    let address = listener.local_addr().map_err(failed)?;
    let app = router(&platform, address);
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let closing = shutdown.clone();
    let serving = axum::serve(listener, service)
        .with_graceful_shutdown(async move { closing.cancelled().await });
    let serving = async move { serving.await.map_err(failed) };
    end_soon_after(serving, &shutdown).await.unwrap_or(Ok(()))
}

async fn end_soon_after<T>(
    work: impl Future<Output = T>,
    shutdown: &CancellationToken,
) -> Option<T> {
    let too_long = async {
        shutdown.cancelled().await;
        tokio::time::sleep(Duration::from_secs(SHUTDOWN_SECONDS_MAX)).await;
    };
    tokio::select! {
        done = work => Some(done),
        () = too_long => None,
    }
}

/// Everything the HTTP door answers at an address.
pub(crate) fn router(platform: &SharedPlatform, address: SocketAddr) -> Router {
    let door = Door { address };
    routes()
        .into_router(platform)
        .fallback(not_here)
        .layer(from_fn_with_state(door, guard::check_host))
        .with_state(SharedPlatform::clone(platform))
}

async fn not_here(uri: axum::http::Uri) -> Response {
    let message = format!("there is nothing at \"{}\"", uri.path().escape_debug());
    ServerError::not_found(message)
        .with_help("/api/v1/openapi.json lists every route.")
        .into_response()
}
