//! Sample values of failing rows are data: whoever may see but not query gets messages without
//! them. One place for every route, so that a new one cannot forget it.

use axum::body::{Body, to_bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::ServerError;

/// What opens a sample in a message of a test, a load or a diagnosis.
const OPENINGS: &[&str] = &[", such as ", "such as: "];
/// What stands for it.
const INSTEAD: &str = " (an example needs the permission to query)";
/// Bytes of an answer that is looked through; answers of this API are pages, not exports.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The answer without samples. What is no JSON has none.
pub(crate) async fn without_samples(response: Response) -> Response {
    let json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with("application/json")));
    if !json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, ANSWER_BYTES_MAX).await else {
        let error = ServerError::wrong("the answer is too large", "Ask for less at a time.");
        return (StatusCode::INTERNAL_SERVER_ERROR, error).into_response();
    };
    let mut answer = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
    let body = if cut(&mut answer) {
        parts.headers.remove(header::CONTENT_LENGTH);
        Body::from(answer.to_string())
    } else {
        Body::from(bytes)
    };
    Response::from_parts(parts, body)
}

/// Cuts samples out of every text; whether there were any.
fn cut(value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            let first = OPENINGS.iter().filter_map(|opening| text.find(opening)).min();
            // The values may hold anything, so nothing behind them is kept.
            let Some(first) = first else { return false };
            text.truncate(first);
            text.truncate(text.trim_end().len());
            text.push_str(INSTEAD);
            true
        }
        Value::Array(items) => items.iter_mut().fold(false, |any, item| cut(item) | any),
        Value::Object(fields) => fields.values_mut().fold(false, |any, field| cut(field) | any),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_keep_their_words_and_lose_their_values() {
        let mut answer = json!({
            "tests": [{"message": "2 rows break it, such as mail = a@b.c; x, n = 2; readers keep"}],
            "evidence": ["such as: \"many\" is no integer"],
            "rows": 7,
        });
        assert!(cut(&mut answer));
        let text = answer.to_string();
        assert!(!text.contains("a@b.c") && !text.contains("many"), "{text}");
        let message = answer["tests"][0]["message"].as_str().unwrap();
        assert_eq!(message, format!("2 rows break it{INSTEAD}"));
        assert!(!cut(&mut json!({"message": "built"})));
    }
}
