//! A message to a web address: one request, no tries of its own; whoever sends it keeps count.

use std::time::Duration;

use base::ErrorKind;
use serde_json::Value;

use crate::MovementError;

/// Time that one message may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Posts a JSON document under a key by which the receiver tells a repetition.
///
/// # Errors
/// When nobody answers, or the answer is no success; an answer that was lost is a fault that
/// passes.
pub async fn post_message(
    url: &str,
    idempotency_key: &str,
    body: &Value,
) -> Result<(), MovementError> {
    let failed = |what: String, kind: ErrorKind| MovementError::Http {
        method: "POST",
        url: url.split('?').next().unwrap_or(url).to_owned(),
        what,
        kind,
    };
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .user_agent("fiveply")
        .build()
        .map_err(|error| MovementError::Internal(error.to_string()))?;
    let request = client.post(url).header("Idempotency-Key", idempotency_key).json(body);
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.is_builder() => {
            return Err(failed("is no web address".to_owned(), ErrorKind::Project));
        }
        Err(error) if error.is_timeout() => {
            return Err(failed("did not answer in time".to_owned(), ErrorKind::Transient));
        }
        Err(_) => return Err(failed("was not reached".to_owned(), ErrorKind::Transient)),
    };
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let kind = if status.is_client_error() { ErrorKind::Denied } else { ErrorKind::Transient };
    Err(failed(format!("answered {}", status.as_u16()), kind))
}
