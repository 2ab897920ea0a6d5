//! Every request passes here before its handler: where it comes from, who calls, and whether they
//! may.

use std::net::IpAddr;

use access::Permission;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method as HttpMethod, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;

use crate::caller::{Caller, Door, identify};
use crate::samples::without_samples;
use crate::{Needs, ServerError, SharedPlatform};

/// A route's handler behind the check of what it needs.
pub(crate) fn behind(
    handler: MethodRouter<SharedPlatform>,
    needs: Needs,
    platform: &SharedPlatform,
) -> MethodRouter<SharedPlatform> {
    let state = (SharedPlatform::clone(platform), needs);
    handler.layer(from_fn_with_state(state, check))
}

async fn check(
    State((platform, needs)): State<(SharedPlatform, Needs)>,
    request: Request,
    next: Next,
) -> Response {
    match admit(&platform, needs, request).await {
        Ok(request) => {
            let caller = request.extensions().get::<Caller>();
            let may_query = caller.is_none_or(|caller| caller.0.may(Permission::Query));
            let mut response = next.run(request).await;
            if !may_query {
                response = without_samples(response).await;
            }
            let headers = response.headers_mut();
            if !headers.contains_key(header::CACHE_CONTROL) {
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
            response
        }
        Err(error) => error.into_response(),
    }
}

async fn admit(
    platform: &SharedPlatform,
    needs: Needs,
    request: Request,
) -> Result<Request, ServerError> {
    let (mut parts, body) = request.into_parts();
    check_origin(&parts.method, &parts.headers)?;
    let identity = match identify(platform, &parts).await {
        Ok(identity) => identity,
        // An open route answers whatever is shown to it.
        Err(_) if needs == Needs::Open => None,
        Err(error) => return Err(error),
    };
    if let Needs::Permission(permission) = needs {
        let identity = identity.as_ref().ok_or(ServerError::LoginNeeded)?;
        if !identity.may(permission) {
            let name = identity.name.clone();
            return Err(ServerError::Forbidden { name, needs: permission });
        }
    }
    if let Some(identity) = identity {
        parts.extensions.insert(Caller(identity));
    }
    Ok(Request::from_parts(parts, body))
}

/// On loopback, a request must name this machine: a page of another site whose name was made to
/// point here (DNS rebinding) names that site.
pub(crate) async fn check_host(
    State(door): State<Door>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(door);
    if door.address.ip().to_canonical().is_loopback() {
        let host = host_of(request.headers(), request.uri()).unwrap_or_default();
        if !names_this_machine(&host) {
            let from = format!("a page at \"{}\"", host.escape_debug());
            return ServerError::Foreign { from }.into_response();
        }
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// A page of another site may not call: its origin is not the host that was called. A browser
/// cannot leave the header out of a request that changes something.
fn check_origin(method: &HttpMethod, headers: &HeaderMap) -> Result<(), ServerError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("host").unwrap_or_default();
    if let Some(origin) = text("origin") {
        let own = origin.split_once("://").is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(host));
        if !own {
            let from = format!("a page of \"{}\"", origin.escape_debug());
            return Err(ServerError::Foreign { from });
        }
    }
    let reads = matches!(*method, HttpMethod::GET | HttpMethod::HEAD);
    let navigates = reads && text("sec-fetch-mode") == Some("navigate");
    if text("sec-fetch-site") == Some("cross-site") && !navigates {
        return Err(ServerError::Foreign { from: "a page of another site".to_owned() });
    }
    Ok(())
}

fn host_of(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let named = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    named.map(str::to_owned).or_else(|| uri.host().map(str::to_owned))
}

fn names_this_machine(host: &str) -> bool {
    let name = if let Some(rest) = host.strip_prefix('[') {
        rest.split_once(']').map_or(rest, |(address, _)| address)
    } else {
        host.split_once(':').map_or(host, |(name, _)| name)
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let address = name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    address || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_taken_on_loopback() {
        for own in ["localhost", "LOCALHOST:7070", "127.0.0.1:7070", "[::1]:7070", "a.localhost:1"]
        {
            assert!(names_this_machine(own), "{own}");
        }
        for other in ["", "evil.example:7070", "127.0.0.1.evil.example", "10.0.0.1:7070", "[::2]"] {
            assert!(!names_this_machine(other), "{other}");
        }
    }

    #[test]
    fn a_page_of_another_site_may_not_call() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            headers
        };
        let own = ("host", "localhost:7070");
        let good = |pairs: &[_], method: HttpMethod| check_origin(&method, &headers(pairs)).is_ok();
        assert!(good(&[own], HttpMethod::POST));
        assert!(good(&[own, ("origin", "http://localhost:7070")], HttpMethod::POST));
        assert!(!good(&[own, ("origin", "http://localhost:9999")], HttpMethod::POST));
        assert!(!good(&[own, ("origin", "http://evil.example")], HttpMethod::GET));
        assert!(!good(&[own, ("origin", "null")], HttpMethod::POST));
        let cross = ("sec-fetch-site", "cross-site");
        assert!(!good(&[own, cross], HttpMethod::GET));
        assert!(good(&[own, cross, ("sec-fetch-mode", "navigate")], HttpMethod::GET));
        assert!(!good(&[own, cross, ("sec-fetch-mode", "navigate")], HttpMethod::POST));
    }
}
