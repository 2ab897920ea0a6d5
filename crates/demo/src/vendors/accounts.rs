//! The side of the CRM that takes records in, as Salesforce's collections do: up to 200 at a time,
//! one result per record, some of which fail while the others are taken.
//!
//! What was received is kept in a file beside the company, one line per record, so that the CRM
//! of the next command still has it. An account whose number ends in 07 is locked by somebody at
//! the first try, and every fifth request is asked to wait.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, patch};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::crm::{BASE, expired, fault};
use super::{carries_key, good, id};

/// Name of the file that keeps what was received.
const RECEIVED_FILE: &str = ".demo-crm.ndjson";
/// The field that carries the key of a delivery.
const KEY_FIELD: &str = "Fiveply_Key__c";
/// Records of one request.
const RECORDS_MAX: usize = 200;
/// Every so many requests one is asked to wait.
const PATIENCE_EVERY: u64 = 5;

/// What became of a record that was sent here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Created,
    Updated,
    Deleted,
    /// Its delivery was taken before: nothing was done.
    Repeated,
    Refused,
}

/// One record that was sent here.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Received {
    object: String,
    external_id: String,
    id: String,
    outcome: Outcome,
    idempotency_key: Option<String>,
    record: Value,
}

/// A record as the CRM has it.
#[derive(Clone, Debug)]
struct Kept {
    id: String,
    fields: Map<String, Value>,
    /// Keys of the deliveries that were taken.
    keys: Vec<String>,
}

#[derive(Debug, Default)]
struct Shelf {
    read_to: u64,
    requests: u64,
    kept: BTreeMap<(String, String), Kept>,
    /// How often a record was refused.
    refused: BTreeMap<(String, String), u64>,
    issued: u64,
    all: Vec<Received>,
}

/// The records that others sent to the CRM.
#[derive(Debug)]
pub(super) struct Accounts {
    file: Option<PathBuf>,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Deserialize)]
struct Collection {
    #[serde(default, rename = "allOrNone")]
    all_or_none: bool,
    records: Vec<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
struct Ids {
    ids: String,
}

pub(super) fn routes(accounts: Arc<Accounts>) -> Router {
    let base = format!("{BASE}/composite/sobjects");
    Router::new()
        .route(&format!("{base}/{{object}}/{{field}}"), patch(upsert))
        .route(&base, axum::routing::delete(delete))
        .route("/demo/received", get(received))
        .with_state(accounts)
}

async fn upsert(
    State(accounts): State<Arc<Accounts>>,
    headers: HeaderMap,
    UrlPath((object, field)): UrlPath<(String, String)>,
    axum::Json(collection): axum::Json<Collection>,
) -> Response {
    if !carries_key(&headers) {
        return expired();
    }
    if collection.all_or_none || collection.records.len() > RECORDS_MAX {
        let message = "at most 200 records, and allOrNone must be false here";
        return fault(StatusCode::BAD_REQUEST, "INVALID_INPUT", message);
    }
    accounts.with_shelf(|shelf| {
        if let Some(wait) = shelf.patience() {
            return (wait, Vec::new());
        }
        let mut news = Vec::new();
        let results: Vec<Value> = collection
            .records
            .iter()
            .map(|record| shelf.take(&object, &field, record, &mut news))
            .collect();
        (good(&Value::Array(results)), news)
    })
}

async fn delete(
    State(accounts): State<Arc<Accounts>>,
    headers: HeaderMap,
    Query(asked): Query<Ids>,
) -> Response {
    if !carries_key(&headers) {
        return expired();
    }
    accounts.with_shelf(|shelf| {
        let mut news = Vec::new();
        let results: Vec<Value> =
            asked.ids.split(',').map(|id| shelf.delete(id, &mut news)).collect();
        (good(&Value::Array(results)), news)
    })
}

/// Everything that was received, for tests and the curious.
async fn received(State(accounts): State<Arc<Accounts>>) -> Response {
    accounts.with_shelf(|shelf| {
        let records: Vec<Value> = shelf
            .kept
            .iter()
            .map(|((object, external_id), kept)| {
                json!({"object": object, "external_id": external_id, "id": kept.id,
                    "fields": kept.fields})
            })
            .collect();
        (good(&json!({"records": records, "received": shelf.all})), Vec::new())
    })
}

impl Accounts {
    /// The records of a company whose folder exists; else they are kept in memory alone.
    pub(super) fn of(dir: &Path) -> Self {
        let file = dir.is_dir().then(|| dir.join(RECEIVED_FILE));
        Self { file, shelf: Mutex::default() }
    }

    /// Brings the shelf up to date, does something, and writes down what is new before anybody
    /// hears of it.
    fn with_shelf(&self, work: impl FnOnce(&mut Shelf) -> (Response, Vec<Received>)) -> Response {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.catch_up(&mut shelf).and_then(|()| {
            let (response, news) = work(&mut shelf);
            self.write(&mut shelf, news)?;
            Ok(response)
        });
        outcome.unwrap_or_else(|error| {
            let message = format!("the CRM's file refused: {error}");
            fault(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN_EXCEPTION", &message)
        })
    }

    /// Reads what another process's CRM received meanwhile.
    fn catch_up(&self, shelf: &mut Shelf) -> std::io::Result<()> {
        let Some(path) = self.file.as_ref().filter(|path| path.exists()) else { return Ok(()) };
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(shelf.read_to))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            shelf.read_to += line.len() as u64;
            // A line that was cut off by a kill was never answered for.
            if let Ok(received) = serde_json::from_str::<Received>(line) {
                shelf.remember(received);
            }
        }
        Ok(())
    }

    fn write(&self, shelf: &mut Shelf, news: Vec<Received>) -> std::io::Result<()> {
        if let Some(path) = &self.file {
            let mut text = String::new();
            for received in &news {
                text.push_str(&serde_json::to_string(received)?);
                text.push('\n');
            }
            let mut file = OpenOptions::new().create(true).append(true).open(path)?;
            file.write_all(text.as_bytes())?;
            shelf.read_to += text.len() as u64;
        }
        for received in news {
            shelf.all.push(received);
        }
        Ok(())
    }
}

impl Shelf {
    fn patience(&mut self) -> Option<Response> {
        self.requests += 1;
        if !self.requests.is_multiple_of(PATIENCE_EVERY) {
            return None;
        }
        let code = "REQUEST_LIMIT_EXCEEDED";
        let mut wait = fault(StatusCode::TOO_MANY_REQUESTS, code, "too many requests");
        wait.headers_mut().insert("retry-after", HeaderValue::from_static("0"));
        Some(wait)
    }

    /// Takes a record in, or not, and says so as the vendor does.
    fn take(
        &mut self,
        object: &str,
        field: &str,
        record: &Map<String, Value>,
        news: &mut Vec<Received>,
    ) -> Value {
        let external_id = record.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = record.get(KEY_FIELD).and_then(Value::as_str).map(str::to_owned);
        let place = (object.to_owned(), external_id.clone());
        let refusal = self.refusal(&place, field);
        let known = self.kept.get(&place).cloned();
        let outcome = match (&known, &key, &refusal) {
            (Some(known), Some(key), _) if known.keys.contains(key) => Outcome::Repeated,
            (_, _, Some(_)) => Outcome::Refused,
            (Some(_), _, None) => Outcome::Updated,
            (None, _, None) => Outcome::Created,
        };
        let id = known.map_or_else(|| id("001", self.issued + 1, 15), |known| known.id);
        let record = Value::Object(record.clone());
        let object = object.to_owned();
        let received = Received { object, external_id, id, outcome, idempotency_key: key, record };
        let id = received.id.clone();
        self.settle(&received);
        news.push(received);
        match (outcome, refusal) {
            (Outcome::Refused, Some((code, message))) => json!({
                "success": false,
                "errors": [{"statusCode": code, "message": message, "fields": []}],
            }),
            (outcome, _) => json!({
                "id": id, "success": true, "errors": [], "created": outcome == Outcome::Created,
            }),
        }
    }

    fn refusal(&self, place: &(String, String), field: &str) -> Option<(&'static str, String)> {
        if place.1.is_empty() {
            let message = format!("the record has no {field}");
            return Some(("REQUIRED_FIELD_MISSING", message));
        }
        let locked = place.1.ends_with("07") && !self.refused.contains_key(place);
        locked.then(|| ("UNABLE_TO_LOCK_ROW", "somebody else has the record open".to_owned()))
    }

    fn delete(&mut self, id: &str, news: &mut Vec<Received>) -> Value {
        let found = self.kept.iter().find(|(_, kept)| kept.id == id);
        let Some((place, _)) = found.map(|(place, kept)| (place.clone(), kept.clone())) else {
            return json!({
                "id": id, "success": false,
                "errors": [{"statusCode": "ENTITY_IS_DELETED", "message": "entity is deleted"}],
            });
        };
        let received = Received {
            object: place.0,
            external_id: place.1,
            id: id.to_owned(),
            outcome: Outcome::Deleted,
            idempotency_key: None,
            record: Value::Null,
        };
        self.settle(&received);
        news.push(received);
        json!({"id": id, "success": true, "errors": []})
    }

    /// A line of the file that another process wrote.
    fn remember(&mut self, received: Received) {
        self.settle(&received);
        self.all.push(received);
    }

    fn settle(&mut self, received: &Received) {
        let place = (received.object.clone(), received.external_id.clone());
        match received.outcome {
            Outcome::Refused => *self.refused.entry(place).or_default() += 1,
            Outcome::Repeated => {}
            Outcome::Deleted => {
                self.kept.remove(&place);
            }
            Outcome::Created | Outcome::Updated => {
                self.issued += u64::from(received.outcome == Outcome::Created);
                let kept = self.kept.entry(place).or_insert_with(|| Kept {
                    id: received.id.clone(),
                    fields: Map::new(),
                    keys: Vec::new(),
                });
                if let Value::Object(fields) = &received.record {
                    kept.fields.extend(fields.clone());
                }
                kept.keys.extend(received.idempotency_key.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(external_id: &str, key: &str, health: &str) -> Map<String, Value> {
        let record = json!({"Ext__c": external_id, KEY_FIELD: key, "Health__c": health});
        let Value::Object(record) = record else { panic!("an object") };
        record
    }

    #[test]
    fn a_delivery_is_taken_once_and_a_locked_record_at_the_second_try() {
        let mut shelf = Shelf::default();
        let mut news = Vec::new();
        let mut take = |external_id: &str, key: &str, health: &str| {
            let record = record(external_id, key, health);
            shelf.take("Account", "Ext__c", &record, &mut news)
        };
        assert_eq!(take("acc_01", "k1", "healthy")["created"], true);
        assert_eq!(take("acc_01", "k1", "healthy")["created"], false);
        assert_eq!(take("acc_07", "k2", "watch")["errors"][0]["statusCode"], "UNABLE_TO_LOCK_ROW");
        assert_eq!(take("acc_07", "k3", "watch")["success"], true);
        assert_eq!(take("", "k4", "watch")["success"], false);
        let outcomes: Vec<Outcome> = news.iter().map(|one| one.outcome).collect();
        let expected = [
            Outcome::Created,
            Outcome::Repeated,
            Outcome::Refused,
            Outcome::Created,
            Outcome::Refused,
        ];
        assert_eq!(outcomes, expected);
        let id = news[0].id.clone();
        assert_eq!(shelf.delete(&id, &mut Vec::new())["success"], true);
        assert_eq!(shelf.delete(&id, &mut Vec::new())["success"], false);
    }
}
