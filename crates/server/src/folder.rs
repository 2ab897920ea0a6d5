//! A folder of files over HTTP, read alone and to this machine's browser: what `docs serve` shows.

use std::path::{Component, Path, PathBuf};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::ServerError;

/// Serves the files of a folder until `shutdown`; `index.html` stands for the folder itself.
///
/// # Errors
/// When the listener fails.
pub async fn serve_folder(
    folder: PathBuf,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), ServerError> {
    let failed = |source| ServerError::Listen { address: "the HTTP port".to_owned(), source };
    let app = Router::new().fallback(answer).with_state(folder);
    axum::serve(listener, app)
        .with_graceful_shutdown(async move { shutdown.cancelled().await })
        .await
        .map_err(failed)
}

async fn answer(State(folder): State<PathBuf>, address: Uri) -> Response {
    let Some(path) = inside(&folder, address.path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match tokio::task::spawn_blocking(move || std::fs::read(&path).map(|bytes| (path, bytes))).await
    {
        Ok(Ok((path, bytes))) => {
            let kind = kind_of(&path);
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], bytes)
                .into_response()
        }
        Ok(Err(_)) | Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The file of an address; none for whatever would leave the folder.
fn inside(folder: &Path, address: &str) -> Option<PathBuf> {
    let below = Path::new(address.trim_start_matches('/'));
    let plain = below.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || address.contains('%') {
        return None;
    }
    let path = folder.join(below);
    Some(if path.is_dir() { path.join("index.html") } else { path })
}

fn kind_of(path: &Path) -> &'static str {
    match path.extension().and_then(|end| end.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_leads_out_of_the_folder() {
        let folder = Path::new("/project/target");
        assert_eq!(inside(folder, "/manifest.json"), Some(folder.join("manifest.json")));
        for address in ["/../profiles.yml", "/a/../../b", "/%2e%2e/profiles.yml", "//etc/passwd/.."]
        {
            assert_eq!(inside(folder, address), None, "{address}");
        }
    }
}
