//! One file behind a web address, whole: a package of a project.

use std::time::Duration;

use base::ErrorKind;
use futures::StreamExt;

use crate::MovementError;

/// Time that one file may take.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Bytes of the file behind an address.
///
/// # Errors
/// When nobody answers, the answer is no success, or the file is longer than `bytes_max`.
pub async fn download(url: &str, bytes_max: usize) -> Result<Vec<u8>, MovementError> {
    let failed = |what: String, kind: ErrorKind| MovementError::Http {
        method: "GET",
        url: url.split('?').next().unwrap_or(url).to_owned(),
        what,
        kind,
    };
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .user_agent("fiveply")
        .build()
        .map_err(|error| MovementError::Internal(error.to_string()))?;
    let response = match client.get(url).send().await {
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
    if !status.is_success() {
        let kind =
            if status.is_client_error() { ErrorKind::NotFound } else { ErrorKind::Transient };
        return Err(failed(format!("answered {}", status.as_u16()), kind));
    }
    let mut bytes = Vec::new();
    let mut parts = response.bytes_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| failed("broke off".to_owned(), ErrorKind::Transient))?;
        if bytes.len() + part.len() > bytes_max {
            let what = format!("answered more than {bytes_max} bytes");
            return Err(failed(what, ErrorKind::Unsupported));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}
