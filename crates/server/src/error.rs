//! What goes wrong at a door, and how it is told: `{"error": {"kind", "message", "help"}}`.

use access::{AccessError, Permission};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::ErrorKind;
use serde_json::json;

/// The answer of a route: JSON, or why not.
pub type Answer<T> = Result<Json<T>, ServerError>;

/// Why a door does not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Nobody said who they are.
    #[error("log in first")]
    LoginNeeded,
    /// They are known and may not.
    #[error("\"{name}\" may not {needs} here")]
    Forbidden {
        /// Who.
        name: String,
        /// What would be needed.
        needs: Permission,
    },
    /// The request came from another site's page, or under another site's name.
    #[error("the request came from {from}, not from this server's own pages")]
    Foreign {
        /// Where it came from.
        from: String,
    },
    /// Too many wrong passwords.
    #[error("{message}")]
    Wait {
        /// What happened.
        message: String,
        /// Seconds to wait.
        seconds: u64,
    },
    /// The port cannot be listened on.
    #[error("{address} cannot be listened on: {source}")]
    Listen {
        /// Host and port.
        address: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A lower floor refused.
    #[error("{message}")]
    Refused {
        /// What kind of thing went wrong.
        kind: ErrorKind,
        /// What happened.
        message: String,
        /// What to do.
        help: String,
    },
}

impl ServerError {
    /// A refusal with the advice of its kind.
    pub fn refused(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::Refused { kind, message: message.into(), help: kind.advice().to_owned() }
    }

    /// Something that was asked for does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::refused(ErrorKind::NotFound, message)
    }

    /// The request is wrong.
    pub fn wrong(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Refused { kind: ErrorKind::Project, message: message.into(), help: help.into() }
    }

    /// Says what to do.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        match self {
            Self::Refused { kind, message, .. } => {
                Self::Refused { kind, message, help: help.into() }
            }
            Self::LoginNeeded
            | Self::Forbidden { .. }
            | Self::Foreign { .. }
            | Self::Wait { .. }
            | Self::Listen { .. } => self,
        }
    }

    /// The kind, from which retry policy and advice follow.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::LoginNeeded | Self::Forbidden { .. } | Self::Foreign { .. } => ErrorKind::Denied,
            Self::Wait { .. } => ErrorKind::RateLimited,
            Self::Listen { .. } => ErrorKind::Project,
            Self::Refused { kind, .. } => *kind,
        }
    }

    /// A sentence that says what to do.
    pub fn help(&self) -> String {
        match self {
            Self::LoginNeeded => {
                "Send a user and password, or `Authorization: Bearer <token>`.".to_owned()
            }
            Self::Forbidden { needs, .. } => {
                format!("Ask an administrator for a role that may {needs}.")
            }
            Self::Foreign { .. } => {
                "Open the address that `fiveply up` prints; programs leave the Origin header out."
                    .to_owned()
            }
            Self::Wait { seconds, .. } => format!("Wait {seconds} s and try again."),
            Self::Listen { source, .. } => match source.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "Another process listens there; take another --port, or 0 for a free one."
                        .to_owned()
                }
                _ => "Check --host and --port.".to_owned(),
            },
            Self::Refused { help, .. } => help.clone(),
        }
    }

    /// The HTTP status that tells the same.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::LoginNeeded => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } | Self::Foreign { .. } => StatusCode::FORBIDDEN,
            Self::Wait { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Listen { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Refused { kind, .. } => status_of(*kind),
        }
    }
}

fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Project | ErrorKind::Data => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict | ErrorKind::Held | ErrorKind::OutcomeUnknown => StatusCode::CONFLICT,
        ErrorKind::Transient | ErrorKind::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Denied => StatusCode::UNAUTHORIZED,
        ErrorKind::SourceLost => StatusCode::GONE,
        ErrorKind::Limit => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Storage | ErrorKind::Corrupt | ErrorKind::Internal => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

impl IntoResponse for ServerError {
    fn into_response(self) -> Response {
        let body = json!({
            "error": {"kind": self.kind(), "message": self.to_string(), "help": self.help()}
        });
        let mut response = (self.status(), Json(body)).into_response();
        if let Self::Wait { seconds, .. } = self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<AccessError> for ServerError {
    fn from(error: AccessError) -> Self {
        if let AccessError::TooManyAttempts { seconds, .. } = error {
            return Self::Wait { message: error.to_string(), seconds };
        }
        Self::Refused { kind: error.kind(), message: error.to_string(), help: error.help() }
    }
}

impl From<ledger::LedgerError> for ServerError {
    fn from(error: ledger::LedgerError) -> Self {
        let refused = Self::refused(error.kind(), error.to_string());
        match error.help() {
            Some(help) => refused.with_help(help),
            None => refused,
        }
    }
}

impl From<storage::StorageError> for ServerError {
    fn from(error: storage::StorageError) -> Self {
        Self::refused(error.kind(), error.to_string())
    }
}

impl From<compute::QueryError> for ServerError {
    fn from(error: compute::QueryError) -> Self {
        let message = match &error.detail {
            Some(detail) => format!("{} ({detail})", error.message),
            None => error.message,
        };
        let refused = Self::refused(error.kind, message);
        match error.help {
            Some(help) => refused.with_help(help),
            None => refused,
        }
    }
}

impl From<transformation::TransformationError> for ServerError {
    fn from(error: transformation::TransformationError) -> Self {
        let refused = Self::refused(error.kind(), error.to_string());
        match error.help() {
            Some(help) => refused.with_help(help),
            None => refused,
        }
    }
}

impl From<orchestration::OrchestrationError> for ServerError {
    fn from(error: orchestration::OrchestrationError) -> Self {
        Self::refused(error.kind(), error.to_string())
    }
}
