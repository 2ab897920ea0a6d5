//! Who calls: a token, a password, a session's cookie, or whoever sits at this machine.

use std::net::SocketAddr;

use access::{AccessError, Identity};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{ServerError, SharedPlatform};

/// How the cookie of a session is named; the port follows, since browsers share cookies between
/// the ports of one host.
const COOKIE: &str = "fiveply_session_";

/// Where the server listens, as far as callers matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
}

impl Door {
    pub(crate) fn cookie_name(self) -> String {
        format!("{COOKIE}{}", self.address.port())
    }
}

/// Who calls, for a handler that wants to know: `Caller(identity): Caller`.
#[derive(Clone, Debug)]
pub struct Caller(pub Identity);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ServerError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ServerError> {
        parts.extensions.get::<Self>().cloned().ok_or(ServerError::LoginNeeded)
    }
}

/// Finds out who calls. Nobody, when nothing was shown that says so.
pub(crate) async fn identify(
    platform: &SharedPlatform,
    parts: &Parts,
) -> Result<Option<Identity>, ServerError> {
    if let Some(shown) = parts.headers.get(header::AUTHORIZATION) {
        let shown = shown.to_str().unwrap_or_default();
        return authorized(platform, shown).await.map(Some);
    }
    if let Some(secret) = session_secret(parts) {
        match platform.access.session(&secret).await {
            Ok(identity) => return Ok(Some(identity)),
            Err(AccessError::SessionEnded) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let near = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    if near && !platform.access.has_administrator().await? {
        return Ok(Some(Identity::local()));
    }
    Ok(None)
}

async fn authorized(platform: &SharedPlatform, shown: &str) -> Result<Identity, ServerError> {
    let (scheme, value) = shown.split_once(' ').unwrap_or((shown, ""));
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(platform.access.token(value).await?);
    }
    let decoded = STANDARD.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|text| text.split_once(':')) {
        Some((user, password)) if scheme.eq_ignore_ascii_case("basic") => {
            Ok(platform.access.password(user, password).await?)
        }
        Some(_) | None => Err(ServerError::LoginNeeded),
    }
}

/// The value of the session's cookie.
pub(crate) fn session_secret(parts: &Parts) -> Option<String> {
    let name = parts.extensions.get::<Door>()?.cookie_name();
    cookie(&parts.headers, &name)
}

fn cookie(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim() == wanted);
    named.next().map(|(_, value)| value.trim().to_owned())
}
