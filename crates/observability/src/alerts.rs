//! Alerts: where they go, and what they say.

use ledger::IncidentRecord;
use serde_json::{Value, json};

/// What a webhook gets.
pub(crate) fn message(incident: &IncidentRecord, state: &str) -> Value {
    let mend = incident.details.pointer("/diagnosis/findings/0/mend/command");
    json!({
        "event": format!("incident.{state}"),
        "incident": incident.id,
        "kind": incident.kind,
        "severity": incident.severity,
        "title": incident.title,
        "node": incident.node,
        "owner": incident.owner,
        "owner_email": incident.owner_email,
        "run": incident.run,
        "day": incident.day,
        "began": incident.began,
        "closed": incident.closed,
        "closed_by": incident.closed_by,
        "mend": mend,
        "environment": incident.environment,
        "text": format!(
            "{}: {}{}",
            if state == "closed" { "mended" } else { "incident" },
            incident.title,
            incident.owner.as_ref().map(|owner| format!(" ({owner})")).unwrap_or_default(),
        ),
    })
}

/// The addresses under `alerts:`: `{webhook: url}`, or a list of them.
pub(crate) fn targets(alerts: Option<&Value>) -> Vec<String> {
    let one = |value: &Value| {
        let url = value.get("webhook").unwrap_or(value);
        url.as_str().filter(|url| url.starts_with("http")).map(str::to_owned)
    };
    match alerts {
        Some(Value::Array(all)) => all.iter().filter_map(one).collect(),
        Some(value) => match value.get("webhook") {
            Some(Value::Array(all)) => all.iter().filter_map(one).collect(),
            _ => one(value).into_iter().collect(),
        },
        None => Vec::new(),
    }
}
