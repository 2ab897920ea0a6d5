//! The one HTTP client: authentication, pace, patience, and what an answer means.

use std::time::Duration;

use base::{Clocks, ErrorKind};
use chrono::DateTime;
use project::ingest::{Auth, ErrorAction, KeyPlace, Method, RestConnection};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::deliver::header_map;
use crate::MovementError;

/// The first pause before a request is tried again; it doubles each time.
pub(super) const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// The longest pause, also of those a vendor asks for.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(120);
/// Times a vendor may ask for patience about one request.
pub(super) const PATIENCE_MAX: u32 = 20;
/// Bytes of one answer.
pub(super) const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Letters of an answer that an error message shows.
const SHOWN_LETTERS_MAX: usize = 200;

/// One request, every value filled in.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// Path below the connection's address, or a whole address.
    pub(crate) path: String,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) url: String,
    pub(crate) body: Value,
    headers: HeaderMap,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name)?.to_str().ok().map(str::to_owned)
    }

    pub(crate) fn unusable(&self, reason: String) -> MovementError {
        MovementError::Answer { url: self.url.clone(), reason }
    }
}

/// How a request went.
pub(super) enum Outcome {
    Answered(Answer),
    /// The user's rules take it as an empty last page.
    Skipped,
    Wait(Duration, String, ErrorKind),
    Retry(String, ErrorKind),
    RefreshToken(String),
    Lost(String),
    Failed(String, ErrorKind),
}

pub(crate) struct Client {
    pub(super) http: reqwest::Client,
    pub(super) connection: RestConnection,
    base_url: String,
    pub(super) token: Option<String>,
    clocks: Clocks,
    pub(super) cancel: CancellationToken,
    /// When the next request may go, by the machine clock.
    next_at_ms: i64,
}

impl Client {
    pub(crate) fn new(
        connection: &RestConnection,
        clocks: Clocks,
        cancel: CancellationToken,
    ) -> Result<Self, MovementError> {
        let http = reqwest::Client::builder()
            .timeout(connection.timeout)
            .user_agent("fiveply")
            .build()
            .map_err(|error| MovementError::Internal(error.to_string()))?;
        let base_url = connection.url.clone();
        let connection = connection.clone();
        Ok(Self { http, connection, base_url, token: None, clocks, cancel, next_at_ms: 0 })
    }

    /// Asks until there is an answer or no hope of one; none when the user's rules skip it.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> Result<Option<Answer>, MovementError> {
        let (mut retries, mut patience, mut refreshed) = (0, 0, false);
        let mut pause = PAUSE_FIRST;
        loop {
            self.authenticate().await?;
            self.keep_pace().await?;
            let address = self.address(&ask.path);
            let outcome = self.send(ask, &address).await;
            let failed = |what: String, kind: ErrorKind| MovementError::Http {
                method: method_name(ask.method),
                url: shown(&address),
                what,
                kind,
            };
            match outcome {
                Outcome::Answered(answer) => return Ok(Some(answer)),
                Outcome::Skipped => return Ok(None),
                Outcome::Failed(what, kind) => return Err(failed(what, kind)),
                Outcome::Lost(what) => return Err(failed(what, ErrorKind::SourceLost)),
                Outcome::RefreshToken(what) if refreshed => {
                    return Err(failed(what, ErrorKind::Denied));
                }
                Outcome::RefreshToken(_) => {
                    refreshed = true;
                    self.token = None;
                }
                Outcome::Wait(wait, what, kind) => {
                    patience += 1;
                    if patience > PATIENCE_MAX || wait > PAUSE_MAX {
                        return Err(failed(what, kind));
                    }
                    tracing::info!(url = shown(&address), wait_ms = wait.as_millis(), "waiting");
                    self.sleep(wait).await?;
                }
                Outcome::Retry(what, kind) => {
                    retries += 1;
                    if retries > self.connection.retries {
                        return Err(failed(format!("{what}, {retries} times"), kind));
                    }
                    self.sleep(pause).await?;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    pub(super) async fn sleep(&self, time: Duration) -> Result<(), MovementError> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(self.cancelled()),
            () = tokio::time::sleep(time) => Ok(()),
        }
    }

    fn cancelled(&self) -> MovementError {
        MovementError::Http {
            method: "any",
            url: shown(&self.base_url),
            what: "was not asked: the load was cancelled".to_owned(),
            kind: ErrorKind::Cancelled,
        }
    }

    pub(super) async fn keep_pace(&mut self) -> Result<(), MovementError> {
        let Some(rate) = self.connection.rate else { return Ok(()) };
        let spacing = i64::try_from((rate.per / rate.requests).as_millis()).unwrap_or(0);
        let now = self.clocks.machine.now().timestamp_millis();
        let wait = self.next_at_ms - now;
        self.next_at_ms = self.next_at_ms.max(now) + spacing;
        match u64::try_from(wait) {
            Ok(wait) if wait > 0 => self.sleep(Duration::from_millis(wait)).await,
            _ => Ok(()),
        }
    }

    pub(super) fn address(&self, path: &str) -> String {
        if path.starts_with("http://") || path.starts_with("https://") {
            return path.to_owned();
        }
        format!("{}/{}", self.base_url.trim_end_matches('/'), path.trim_start_matches('/'))
    }

    pub(super) async fn authenticate(&mut self) -> Result<(), MovementError> {
        let Auth::Oauth2 { token_url, client_id, client_secret, scope, base_url } =
            &self.connection.auth
        else {
            return Ok(());
        };
        if self.token.is_some() {
            return Ok(());
        }
        let address = if token_url.starts_with("http") {
            token_url.clone()
        } else {
            format!("{}/{}", self.connection.url, token_url.trim_start_matches('/'))
        };
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("client_secret", client_secret.reveal()),
        ];
        form.extend(scope.as_deref().map(|scope| ("scope", scope)));
        let failed = |what: String, kind| MovementError::Http {
            method: "POST",
            url: shown(&address),
            what,
            kind,
        };
        let (mut tries, mut pause) = (0, PAUSE_FIRST);
        let (status, body) = loop {
            let sent = self.http.post(&address).form(&form).send().await;
            let problem = match sent {
                Ok(response) if !response.status().is_server_error() => {
                    let status = response.status();
                    let body: Value = response.json().await.unwrap_or_default();
                    break (status, body);
                }
                Ok(response) => format!("answered {}", response.status()),
                Err(error) => network_words(&error),
            };
            tries += 1;
            if tries > self.connection.retries {
                return Err(failed(problem, ErrorKind::Transient));
            }
            self.sleep(pause).await?;
            pause = (pause * 2).min(PAUSE_MAX);
        };
        let Some(token) = body.get("access_token").and_then(Value::as_str) else {
            return Err(failed(format!("answered {status} and no token"), ErrorKind::Denied));
        };
        if let Some(path) = base_url
            && let Ok(found) = super::expression::records(path, &body)
            && let Some(Value::String(address)) = found.first()
        {
            address.trim_end_matches('/').clone_into(&mut self.base_url);
        }
        self.token = Some(token.to_owned());
        Ok(())
    }

    fn build(&self, ask: &Ask, address: &str) -> RequestBuilder {
        let mut request = match ask.method {
            Method::Get => self.http.get(address),
            Method::Post => self.http.post(address),
        };
        if !ask.params.is_empty() {
            request = request.query(&ask.params);
        }
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        self.dressed(request, &ask.headers, address)
    }

    /// Adds the connection's headers, the request's own, and what proves who asks.
    pub(super) fn dressed(
        &self,
        request: RequestBuilder,
        own: &[(String, String)],
        address: &str,
    ) -> RequestBuilder {
        let given = self.connection.headers.iter();
        let given = given.map(|(name, value)| (name.as_str(), value.as_str()));
        let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request = request.headers(header_map(given.chain(own)));
        // Secrets go only to the host they belong to, wherever a next page's address may point.
        if !same_host(address, &self.base_url) {
            return request;
        }
        match &self.connection.auth {
            Auth::None => request,
            Auth::Bearer { token } => request.bearer_auth(token.reveal()),
            Auth::Basic { user, password } => request.basic_auth(user, Some(password.reveal())),
            Auth::ApiKey { place: KeyPlace::Header, name, value } => {
                request.header(name, value.reveal())
            }
            Auth::ApiKey { place: KeyPlace::Query, name, value } => {
                request.query(&[(name, value.reveal())])
            }
            Auth::Oauth2 { .. } => match &self.token {
                Some(token) => request.bearer_auth(token),
                None => request,
            },
        }
    }

    async fn send(&self, ask: &Ask, address: &str) -> Outcome {
        let sent = tokio::select! {
            () = self.cancel.cancelled() => {
                return Outcome::Failed("was cancelled".to_owned(), ErrorKind::Cancelled);
            }
            sent = self.build(ask, address).send() => sent,
        };
        let mut response = match sent {
            Ok(response) => response,
            Err(error) if error.is_builder() => {
                return Outcome::Failed(network_words(&error), ErrorKind::Project);
            }
            Err(error) => return Outcome::Retry(network_words(&error), ErrorKind::Transient),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let mut bytes = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() > ANSWER_BYTES_MAX => {
                    let what = format!("answered more than {ANSWER_BYTES_MAX} bytes");
                    return Outcome::Failed(what, ErrorKind::Limit);
                }
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Outcome::Retry(network_words(&error), ErrorKind::Transient),
            }
        }
        if status.is_success() {
            return match serde_json::from_slice(&bytes) {
                Ok(body) => Outcome::Answered(Answer { url: shown(address), body, headers }),
                // An answer cut off on its way looks like this too.
                Err(error) => {
                    Outcome::Retry(format!("did not answer JSON: {error}"), ErrorKind::Corrupt)
                }
            };
        }
        self.meaning(status, &headers, &String::from_utf8_lossy(&bytes))
    }

    pub(super) fn meaning(&self, status: StatusCode, headers: &HeaderMap, body: &str) -> Outcome {
        let start: String = body.chars().take(SHOWN_LETTERS_MAX).collect();
        let what = format!("answered {status}: {}", start.trim());
        let wait = self.asked_wait(headers);
        let rule = self.connection.errors.iter().find(|rule| {
            rule.status.is_none_or(|wanted| wanted == status.as_u16())
                && rule.contains.as_ref().is_none_or(|text| body.contains(text))
        });
        if let Some(rule) = rule {
            return match rule.then {
                ErrorAction::Retry => Outcome::Retry(what, ErrorKind::Transient),
                ErrorAction::RateLimited => {
                    let wait = wait.unwrap_or(Duration::from_secs(1));
                    Outcome::Wait(wait, what, ErrorKind::RateLimited)
                }
                ErrorAction::Skip => Outcome::Skipped,
                ErrorAction::Lost => Outcome::Lost(what),
                ErrorAction::Stop => Outcome::Failed(what, ErrorKind::Data),
            };
        }
        match status.as_u16() {
            429 => match wait {
                Some(wait) => Outcome::Wait(wait, what, ErrorKind::RateLimited),
                None => Outcome::Retry(what, ErrorKind::RateLimited),
            },
            503 => match wait {
                Some(wait) => Outcome::Wait(wait, what, ErrorKind::Transient),
                None => Outcome::Retry(what, ErrorKind::Transient),
            },
            408 | 500 | 502 | 504 => Outcome::Retry(what, ErrorKind::Transient),
            401 if matches!(self.connection.auth, Auth::Oauth2 { .. }) => {
                Outcome::RefreshToken(what)
            }
            401 | 403 => Outcome::Failed(what, ErrorKind::Denied),
            404 => Outcome::Failed(what, ErrorKind::NotFound),
            _ => Outcome::Failed(what, ErrorKind::Project),
        }
    }

    /// `Retry-After`, in seconds or as a date.
    fn asked_wait(&self, headers: &HeaderMap) -> Option<Duration> {
        let text = headers.get("retry-after")?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<f64>() {
            return Duration::try_from_secs_f64(seconds).ok();
        }
        let until = DateTime::parse_from_rfc2822(text).ok()?;
        let wait = until.signed_duration_since(self.clocks.machine.now());
        Some(wait.to_std().unwrap_or_default())
    }
}

fn method_name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
    }
}

/// An address without its query, which may hold secrets.
pub(super) fn shown(address: &str) -> String {
    address.split(['?', '#']).next().unwrap_or_default().to_owned()
}

fn same_host(left: &str, right: &str) -> bool {
    let host = |address: &str| {
        let url = url::Url::parse(address).ok()?;
        Some((url.host_str()?.to_owned(), url.port_or_known_default()))
    };
    host(left).is_some() && host(left) == host(right)
}

/// What the network said, without the address and its query.
pub(super) fn network_words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "did not answer in time".to_owned();
    }
    if error.is_connect() {
        return "cannot be reached".to_owned();
    }
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    let mut words = "broke off".to_owned();
    while let Some(cause) = source {
        words = format!("broke off: {cause}");
        source = cause.source();
    }
    words
}
