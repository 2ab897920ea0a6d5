//! The destination's side of the one client: something is sent, and an answer about it comes back.

use std::time::Duration;

use base::{Clocks, ErrorKind, Secret};
use project::ingest::{Auth, RestConnection};
use project::sync::SendMethod;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::client::{
    ANSWER_BYTES_MAX, Client, Outcome, PATIENCE_MAX, PAUSE_FIRST, PAUSE_MAX, network_words, shown,
};
use crate::MovementError;

/// What stands in place of a secret.
const BLANK: &str = "***";
/// Secrets shorter than this are not looked for in texts: they would blank ordinary words.
const SECRET_LETTERS_MIN: usize = 4;
/// Parts of a JSON key's name whose value is a secret.
const SECRET_NAMES: &[&str] = &["password", "secret", "token", "authorization", "api_key"];

/// Something to send, every value filled in.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The method.
    pub method: SendMethod,
    /// Path below the connection's address, or a whole address.
    pub path: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body, as JSON.
    pub body: Option<Value>,
}

/// What the destination answered, be it yes or no.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Status of the answer.
    pub status: u16,
    /// The answer as JSON; a text when it is none.
    pub body: Value,
}

impl Delivered {
    /// Whether the destination took it.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A destination over HTTP: authentication, pace and patience are the client's.
pub struct Destination {
    client: Client,
    secrets: Vec<Secret<String>>,
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Destination").finish_non_exhaustive()
    }
}

impl Destination {
    /// Opens a destination; nothing is sent yet.
    ///
    /// # Errors
    /// When the system refuses a client.
    pub fn open(
        connection: &RestConnection,
        clocks: Clocks,
        cancel: CancellationToken,
    ) -> Result<Self, MovementError> {
        let secrets = secrets(connection);
        Ok(Self { client: Client::new(connection, clocks, cancel)?, secrets })
    }

    /// Sends something until the destination says yes or no. Faults that pass are tried again with
    /// growing pauses, and a destination that asks for patience gets it.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`] for refused credentials; any other kind when nobody answered: whether
    /// the destination did what it was asked is not known then.
    pub async fn send(&mut self, delivery: &Delivery) -> Result<Delivered, MovementError> {
        self.client.deliver(delivery).await
    }

    /// A JSON value for people to read: secrets of the connection and values under names such as
    /// `password` are blanked.
    pub fn blanked(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.blanked_text(text)),
            Value::Array(items) => items.iter().map(|item| self.blanked(item)).collect(),
            Value::Object(fields) => {
                let blank = |(name, value): (&String, &Value)| {
                    let lower = name.to_ascii_lowercase();
                    let secret = SECRET_NAMES.iter().any(|part| lower.contains(part));
                    let shown = if secret && value.is_string() {
                        BLANK.into()
                    } else {
                        self.blanked(value)
                    };
                    (name.clone(), shown)
                };
                Value::Object(fields.iter().map(blank).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// A text with the connection's secrets blanked.
    pub fn blanked_text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let token = self.client.token.iter().map(String::as_str);
        for secret in self.secrets.iter().map(|secret| secret.reveal().as_str()).chain(token) {
            if secret.len() >= SECRET_LETTERS_MIN && text.contains(secret) {
                text = text.replace(secret, BLANK);
            }
        }
        text
    }
}

fn secrets(connection: &RestConnection) -> Vec<Secret<String>> {
    match &connection.auth {
        Auth::None => Vec::new(),
        Auth::Bearer { token } => vec![token.clone()],
        Auth::Basic { password, .. } => vec![password.clone()],
        Auth::ApiKey { value, .. } => vec![value.clone()],
        Auth::Oauth2 { client_secret, .. } => vec![client_secret.clone()],
    }
}

impl Client {
    /// Sends until there is an answer about what was sent, or no hope of one.
    async fn deliver(&mut self, delivery: &Delivery) -> Result<Delivered, MovementError> {
        let (mut retries, mut patience, mut refreshed) = (0, 0, false);
        let mut pause = PAUSE_FIRST;
        loop {
            self.authenticate().await?;
            self.keep_pace().await?;
            let address = self.address(&delivery.path);
            let failed = |what: String, kind: ErrorKind| MovementError::Http {
                method: delivery.method.word(),
                url: shown(&address),
                what,
                kind,
            };
            let (wait, counts) = match self.hand_over(delivery, &address).await {
                Handed::Answered(delivered) => return Ok(delivered),
                Handed::Not(Outcome::Wait(wait, what, kind)) => {
                    patience += 1;
                    if patience > PATIENCE_MAX || wait > PAUSE_MAX {
                        return Err(failed(what, kind));
                    }
                    tracing::info!(url = shown(&address), wait_ms = wait.as_millis(), "waiting");
                    (wait, false)
                }
                Handed::Not(Outcome::Retry(what, kind)) => {
                    retries += 1;
                    if retries > self.connection.retries {
                        return Err(failed(format!("{what}, {retries} times"), kind));
                    }
                    (pause, true)
                }
                Handed::Not(Outcome::RefreshToken(_)) if !refreshed => {
                    refreshed = true;
                    self.token = None;
                    (Duration::ZERO, false)
                }
                Handed::Not(Outcome::RefreshToken(what)) => {
                    return Err(failed(what, ErrorKind::Denied));
                }
                Handed::Not(Outcome::Failed(what, kind)) => return Err(failed(what, kind)),
                Handed::Not(Outcome::Lost(what)) => {
                    return Err(failed(what, ErrorKind::SourceLost));
                }
                Handed::Not(Outcome::Answered(_) | Outcome::Skipped) => {
                    let what = "was answered in a way that only sources know".to_owned();
                    return Err(failed(what, ErrorKind::Internal));
                }
            };
            self.sleep(wait).await?;
            if counts {
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }

    async fn hand_over(&self, delivery: &Delivery, address: &str) -> Handed {
        let method = match delivery.method {
            SendMethod::Post => reqwest::Method::POST,
            SendMethod::Put => reqwest::Method::PUT,
            SendMethod::Patch => reqwest::Method::PATCH,
            SendMethod::Delete => reqwest::Method::DELETE,
        };
        let mut request = self.http.request(method, address);
        if let Some(body) = &delivery.body {
            request = request.json(body);
        }
        let request = self.dressed(request, &delivery.headers, address);
        let sent = tokio::select! {
            () = self.cancel.cancelled() => {
                let what = "was cancelled".to_owned();
                return Handed::Not(Outcome::Failed(what, ErrorKind::Cancelled));
            }
            sent = request.send() => sent,
        };
        let response = match sent {
            Ok(response) => response,
            Err(error) if error.is_builder() => {
                return Handed::Not(Outcome::Failed(network_words(&error), ErrorKind::Project));
            }
            Err(error) => {
                return Handed::Not(Outcome::Retry(network_words(&error), ErrorKind::Transient));
            }
        };
        let (status, headers) = (response.status(), response.headers().clone());
        match read_whole(response).await {
            Ok(bytes) => self.verdict(status, &headers, &bytes),
            Err(outcome) => Handed::Not(outcome),
        }
    }

    fn verdict(&self, status: StatusCode, headers: &HeaderMap, bytes: &[u8]) -> Handed {
        let text = String::from_utf8_lossy(bytes);
        if !status.is_success() {
            match self.meaning(status, headers, &text) {
                // The destination said no to what was sent: that is an answer about the rows.
                Outcome::Failed(_, ErrorKind::Project | ErrorKind::NotFound) | Outcome::Skipped => {
                }
                outcome => return Handed::Not(outcome),
            }
        }
        let body = match serde_json::from_slice(bytes) {
            Ok(body) => body,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(_) => Value::String(text.into_owned()),
        };
        Handed::Answered(Delivered { status: status.as_u16(), body })
    }
}

/// How sending went.
enum Handed {
    Answered(Delivered),
    Not(Outcome),
}

async fn read_whole(mut response: reqwest::Response) -> Result<Vec<u8>, Outcome> {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > ANSWER_BYTES_MAX => {
                let what = format!("answered more than {ANSWER_BYTES_MAX} bytes");
                return Err(Outcome::Failed(what, ErrorKind::Limit));
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes),
            Err(error) => {
                return Err(Outcome::Retry(network_words(&error), ErrorKind::Transient));
            }
        }
    }
}

/// Headers from names and values; those that HTTP cannot carry are left out.
pub(super) fn header_map<'h>(pairs: impl Iterator<Item = (&'h str, &'h str)>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    headers
}
