//! The web UI: one page and its assets, built into the binary. Assets are named by their content
//! and kept by browsers; the page is asked for anew each time. Addresses in the page are relative,
//! so that it works behind any path prefix.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::{Needs, Routes, ServerError};

/// Scripts, styles, fonts and data come from this server alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'";
/// Seconds for which a browser keeps what is named by its content: a year.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// A file of the page.
struct File {
    name: &'static str,
    bytes: &'static [u8],
    /// The same, compressed with gzip.
    packed: Option<&'static [u8]>,
}

/// Everything the build script made; empty where the UI is not built in.
static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/ui_files.rs"));

fn find(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

pub(crate) fn routes() -> Routes {
    Routes::new().get("/", Needs::Open, "the web UI", page).get(
        "/assets/{*file}",
        Needs::Open,
        "a part of the web UI",
        asset,
    )
}

async fn page() -> Response {
    match find("index.html") {
        Some(file) => html(file.bytes),
        None => html(WITHOUT_UI.as_bytes()),
    }
}

fn html(text: &'static [u8]) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    (headers, text).into_response()
}

async fn asset(Path(file): Path<String>, asked: HeaderMap) -> Response {
    let name = format!("assets/{file}");
    let Some(file) = find(&name) else {
        let message = format!("there is no \"{}\"", name.escape_debug());
        return ServerError::not_found(message)
            .with_help("The server may have been updated: load the page again.")
            .into_response();
    };
    let takes_packed = asked
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(',').any(|one| one.trim().starts_with("gzip")));
    let packed = file.packed.filter(|_| takes_packed);
    let mut response = packed.unwrap_or(file.bytes).into_response();
    let headers = response.headers_mut();
    if packed.is_some() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(file.name)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE));
    response
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("png") => "image/png",
        Some(_) | None => "application/octet-stream",
    }
}

/// What is served where the UI was not built in.
const WITHOUT_UI: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<title>fiveply</title><h1>fiveply is running, without its web UI</h1>\
<p>This binary was built without the page: Node 20.19 or newer with npm was missing, or the build \
said <code>--no-default-features</code>. Install Node and build fiveply again; the warning of that \
build says what is still missing.</p>\
<p>Everything the page shows is also an answer of the API: \
<a href=\"api/v1/openapi.json\">api/v1/openapi.json</a>.</p></html>";

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[tokio::test]
    async fn an_unknown_asset_is_not_found_and_never_the_page() {
        let response = asset(Path("no-such.js".to_owned()), HeaderMap::new()).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn the_page_is_never_kept_and_may_load_from_this_server_alone() {
        let response = page().await;
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str();
        assert!(policy.is_ok_and(|policy| policy.contains("default-src 'none'")));
    }

    #[tokio::test]
    async fn every_asset_that_the_page_names_is_there_and_kept_for_ever() {
        let Some(page) = find("index.html") else { return };
        let page = String::from_utf8_lossy(page.bytes).into_owned();
        let names = page.split('"').filter_map(|part| part.strip_prefix("./assets/"));
        for name in names {
            let response = asset(Path(name.to_owned()), HeaderMap::new()).await;
            assert_eq!(response.status(), StatusCode::OK, "{name}");
            assert_eq!(response.headers()[header::CACHE_CONTROL], IMMUTABLE);
        }
        assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    }
}
