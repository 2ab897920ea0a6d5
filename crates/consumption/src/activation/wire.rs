//! What a batch looks like on its way to a destination, and what an answer says about its rows.

use ledger::{SyncAnswer, SyncOperation};
use movement::{Delivered, Delivery, json_values};
use project::sync::{
    DestinationKind, HttpDestination, SalesforceDestination, SendMethod, SendRequest, Sync,
};
use serde_json::{Map, Value, json};

use super::scan::Outgoing;
use super::template;

/// Letters of an answer that an error message shows.
const SHOWN_LETTERS_MAX: usize = 300;

/// A row with what is asked about it.
#[derive(Clone, Debug)]
pub(super) struct Posted {
    pub(super) row: Outgoing,
    pub(super) operation: SyncOperation,
    /// The destination's own id, as far as it told one.
    pub(super) destination_id: Option<String>,
    /// Key of this delivery of this content.
    pub(super) idempotency_key: String,
}

/// What the answer says about one row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) answer: SyncAnswer,
    /// The row's part of the answer.
    pub(super) response: Value,
}

/// Rows that may travel in one request have the same place.
pub(super) fn place_of(sync: &Sync, operation: SyncOperation) -> usize {
    match (&sync.destination.kind, operation) {
        (_, SyncOperation::Delete) => 2,
        (DestinationKind::Http(http), SyncOperation::Insert) if http.insert.is_some() => 1,
        (_, SyncOperation::Insert | SyncOperation::Update | SyncOperation::Clear) => 0,
    }
}

/// The request for a batch; every row of it has the same place.
pub(super) fn delivery(sync: &Sync, rows: &[Posted], batch_key: &str) -> Delivery {
    match &sync.destination.kind {
        DestinationKind::Http(http) => over_http(http, sync.destination.batch, rows, batch_key),
        DestinationKind::Salesforce(salesforce) => to_salesforce(salesforce, sync, rows, batch_key),
    }
}

/// The row's own part of a request, for people to read.
pub(super) fn part_of(sync: &Sync, delivery: &Delivery, row: &Posted, alone: bool) -> Value {
    let mut part = json!({"method": delivery.method.word(), "path": delivery.path});
    let record = match &sync.destination.kind {
        DestinationKind::Salesforce(salesforce) if row.operation != SyncOperation::Delete => {
            salesforce_record(salesforce, sync, row)
        }
        DestinationKind::Salesforce(_) => row.row.key_columns.clone().into(),
        DestinationKind::Http(_) if alone => delivery.body.clone().unwrap_or_default(),
        DestinationKind::Http(_) => object_of(row),
    };
    part["body"] = record;
    part
}

/// The answer's words about each row, in their order; none when the batch was refused as a whole.
pub(super) fn said(sync: &Sync, rows: &[Posted], delivered: &Delivered) -> Option<Vec<Said>> {
    let about_all = |answer: SyncAnswer| {
        let said = Said { answer, response: delivered.body.clone() };
        vec![said; rows.len()]
    };
    let gone =
        delivered.status == 404 && rows.iter().all(|row| row.operation == SyncOperation::Delete);
    if !delivered.is_success() && !gone {
        return None;
    }
    match &sync.destination.kind {
        DestinationKind::Salesforce(_) => Some(per_row(
            rows,
            delivered,
            &delivered.body.as_array().map(|list| list.iter().collect()).unwrap_or_default(),
            &|result| salesforce_said(result),
        )),
        DestinationKind::Http(http) => {
            let Some(results) = http.results.as_ref().filter(|_| sync.destination.batch > 1) else {
                return Some(about_all(SyncAnswer::Acknowledged { destination_id: None }));
            };
            let found = json_values(&results.records, &delivered.body).unwrap_or_default();
            Some(per_row(rows, delivered, &found, &|result| {
                let first = |path: &str| {
                    let found = json_values(path, result).unwrap_or_default();
                    found.first().map(|value| (*value).clone())
                };
                if first(&results.success) == Some(Value::Bool(true)) {
                    let id = results.id.as_deref().and_then(first).map(|id| shown(&id));
                    SyncAnswer::Acknowledged { destination_id: id }
                } else {
                    let error = results.error.as_deref().and_then(first);
                    SyncAnswer::Refused { error: shown(&error.unwrap_or_else(|| result.clone())) }
                }
            }))
        }
    }
}

/// Why a batch was refused as a whole.
pub(super) fn refusal(delivered: &Delivered) -> String {
    format!("answered {}: {}", delivered.status, shown(&delivered.body))
}

/// One result per row; a destination that answers for fewer rows has not said yes to the rest.
fn per_row(
    rows: &[Posted],
    delivered: &Delivered,
    results: &Vec<&Value>,
    read: &dyn Fn(&Value) -> SyncAnswer,
) -> Vec<Said> {
    let of_row = |place: usize| match results.get(place) {
        Some(result) => Said { answer: read(result), response: (*result).clone() },
        None => Said {
            answer: SyncAnswer::Refused {
                error: format!("answered {} and said nothing about the row", delivered.status),
            },
            response: delivered.body.clone(),
        },
    };
    (0..rows.len()).map(of_row).collect()
}

fn salesforce_said(result: &Value) -> SyncAnswer {
    let id = result.get("id").and_then(Value::as_str).map(str::to_owned);
    if result.get("success") == Some(&Value::Bool(true)) {
        return SyncAnswer::Acknowledged { destination_id: id };
    }
    let errors = result.get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |error: &Value, key: &str| {
        error.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    if errors.iter().any(|error| text(error, "statusCode") == "ENTITY_IS_DELETED") {
        return SyncAnswer::Acknowledged { destination_id: None };
    }
    let told: Vec<String> = errors
        .iter()
        .map(|error| format!("{}: {}", text(error, "statusCode"), text(error, "message")))
        .collect();
    SyncAnswer::Refused { error: told.join("; ") }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars().take(SHOWN_LETTERS_MAX).collect()
}

fn to_salesforce(
    salesforce: &SalesforceDestination,
    sync: &Sync,
    rows: &[Posted],
    batch_key: &str,
) -> Delivery {
    let SalesforceDestination { object, external_id, version, .. } = salesforce;
    let base = format!("/services/data/{version}/composite/sobjects");
    let headers = vec![("Idempotency-Key".to_owned(), batch_key.to_owned())];
    if rows.iter().any(|row| row.operation == SyncOperation::Delete) {
        let ids: Vec<&str> = rows.iter().filter_map(|row| row.destination_id.as_deref()).collect();
        let path = format!("{base}?ids={}&allOrNone=false", ids.join(","));
        return Delivery { method: SendMethod::Delete, path, headers, body: None };
    }
    let records: Vec<Value> =
        rows.iter().map(|row| salesforce_record(salesforce, sync, row)).collect();
    Delivery {
        method: SendMethod::Patch,
        path: format!("{base}/{object}/{external_id}"),
        headers,
        body: Some(json!({"allOrNone": false, "records": records})),
    }
}

fn salesforce_record(salesforce: &SalesforceDestination, sync: &Sync, row: &Posted) -> Value {
    let mut record = Map::new();
    record.insert("attributes".to_owned(), json!({"type": salesforce.object}));
    let key = sync.key.first().and_then(|column| row.row.key_columns.get(column));
    record.insert(salesforce.external_id.clone(), key.cloned().unwrap_or_default());
    for (name, value) in &row.row.fields {
        record.insert(name.clone(), value.clone());
    }
    if let Some(field) = &salesforce.idempotency_field {
        record.insert(field.clone(), row.idempotency_key.clone().into());
    }
    Value::Object(record)
}

fn over_http(http: &HttpDestination, batch: usize, rows: &[Posted], batch_key: &str) -> Delivery {
    let operation = rows.first().map_or(SyncOperation::Update, |row| row.operation);
    let request = request_for(http, operation);
    let alone = rows.first().filter(|_| batch == 1);
    let key = alone.map_or(batch_key, |row| row.idempotency_key.as_str());
    let find = |name: &str| match alone {
        Some(row) => value_of(row, name),
        None => match name {
            "rows" => Some(rows.iter().map(object_of).collect()),
            "idempotency_key" => Some(batch_key.into()),
            _ => None,
        },
    };
    let body = match &request.body {
        Some(body) => Some(template::fill_document(body, &find)),
        None if request.method == SendMethod::Delete => None,
        None => alone.map(object_of),
    };
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), template::fill(value, &find)))
        .collect();
    headers.push((http.idempotency_header.clone(), key.to_owned()));
    let path = template::fill_path(&request.path, &find);
    Delivery { method: request.method, path, headers, body }
}

fn request_for(http: &HttpDestination, operation: SyncOperation) -> &SendRequest {
    let own = match operation {
        SyncOperation::Insert => http.insert.as_ref(),
        SyncOperation::Update | SyncOperation::Clear => http.update.as_ref(),
        SyncOperation::Delete => http.delete.as_ref(),
    };
    own.unwrap_or(&http.request)
}

/// The row as an object: its fields, or its key when only that is known.
fn object_of(row: &Posted) -> Value {
    match row.operation {
        SyncOperation::Delete => row.row.key_columns.clone().into(),
        SyncOperation::Insert | SyncOperation::Update | SyncOperation::Clear => {
            row.row.fields.clone().into()
        }
    }
}

fn value_of(row: &Posted, name: &str) -> Option<Value> {
    match name {
        "fields" => return Some(object_of(row)),
        "rows" => return Some(vec![object_of(row)].into()),
        "idempotency_key" => return Some(row.idempotency_key.clone().into()),
        "operation" => return Some(row.operation.as_str().into()),
        _ => {}
    }
    let (kind, field) = name.split_once('.')?;
    match kind {
        "key" => row.row.key_columns.get(field).cloned(),
        "field" => row.row.fields.get(field).cloned(),
        _ => None,
    }
}
