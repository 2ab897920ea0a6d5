//! Logging in and out with a browser.

use access::{Identity, Permission, SESSION_HOURS};
use axum::Extension;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::caller::{Door, session_secret};
use crate::{Answer, Caller, Needs, Routes, ServerError, SharedPlatform};

const PATH: &str = "/api/v1/session";

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(PATH, Needs::Open, "who is logged in", session)
        .post(PATH, Needs::Open, "log in", log_in)
        .delete(PATH, Needs::Open, "log out", log_out)
}

/// Who is logged in.
#[derive(Debug, Serialize)]
struct SessionAnswer {
    /// The user; none when nobody is logged in.
    user: Option<String>,
    /// What the user may do.
    permissions: Vec<Permission>,
    /// Whether it is whoever sits at this machine, because there is no administrator yet.
    local: bool,
}

impl SessionAnswer {
    fn of(identity: Option<&Identity>) -> Self {
        Self {
            user: identity.map(|identity| identity.name.clone()),
            permissions: identity
                .map(|identity| identity.permissions.iter().copied().collect())
                .unwrap_or_default(),
            local: identity.is_some_and(Identity::is_local),
        }
    }
}

async fn session(caller: Option<Extension<Caller>>) -> Answer<SessionAnswer> {
    Ok(Json(SessionAnswer::of(caller.as_ref().map(|Extension(Caller(identity))| identity))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogIn {
    user: String,
    password: String,
}

async fn log_in(
    State(platform): State<SharedPlatform>,
    Extension(door): Extension<Door>,
    headers: HeaderMap,
    Json(shown): Json<LogIn>,
) -> Result<Response, ServerError> {
    let identity = platform.access.password(&shown.user, &shown.password).await?;
    let secret = platform.access.open_session(&identity).await?;
    let cookie = cookie(door, secret.reveal(), SESSION_HOURS * 3_600, &headers);
    let answer = Json(SessionAnswer::of(Some(&identity)));
    Ok(([(header::SET_COOKIE, cookie)], answer).into_response())
}

async fn log_out(
    State(platform): State<SharedPlatform>,
    Extension(door): Extension<Door>,
    request: Request,
) -> Result<Response, ServerError> {
    let (parts, _) = request.into_parts();
    if let Some(secret) = session_secret(&parts) {
        platform.access.close_session(&secret).await?;
    }
    let cookie = cookie(door, "", 0, &parts.headers);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// No script may read it, no other site may send it.
fn cookie(door: Door, value: &str, seconds: i64, headers: &HeaderMap) -> String {
    let forwarded = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    let secure = if forwarded == Some("https") { "; Secure" } else { "" };
    let name = door.cookie_name();
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}
