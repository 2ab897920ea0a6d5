//! The online store's answers, in the shape of Feast's feature server: one result per name, each
//! with a value, a status and a moment for every entity.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base::EnvironmentName;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use ledger::Ledger;
use project::features::FeatureView;
use serde_json::{Map, Value, json};

use super::chosen;
use crate::ConsumptionError;

/// How long the number of a served version may be remembered before the ledger is asked again.
const VERSION_REMEMBERED: Duration = Duration::from_millis(250);
/// Entities of one view that are kept in memory.
const ENTITIES_KEPT_MAX: usize = 200_000;
/// Entities that one request may ask for.
const ENTITIES_ASKED_MAX: usize = 10_000;
/// The moment of what has none.
const EPOCH: &str = "\"1970-01-01T00:00:00Z\"";

/// What is asked.
#[derive(Clone, Debug)]
pub struct OnlineRequest {
    features: Vec<String>,
    service: Option<String>,
    entities: Map<String, Value>,
    full_names: bool,
}

/// An answer, as JSON text.
pub type OnlineAnswer = String;

/// Why a question is not answered, as an HTTP server says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlineRefusal {
    /// The status.
    pub status: u16,
    /// The body, as JSON text.
    pub body: String,
}

impl OnlineRefusal {
    /// The question is not one that can be answered.
    fn unclear(message: &str) -> Self {
        Self { status: 422, body: json!({"detail": message}).to_string() }
    }

    /// Something that was named does not exist: a text that holds JSON, as Feast sends it.
    fn absent(class: &str, message: &str) -> Self {
        let detail = json!({"module": "feast.errors", "class": class, "message": message});
        Self { status: 404, body: Value::String(detail.to_string()).to_string() }
    }

    fn broken(error: &ConsumptionError) -> Self {
        Self { status: 500, body: json!({"detail": error.to_string()}).to_string() }
    }
}

impl OnlineRequest {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// With status 422 when it is not what Feast's server takes.
    pub fn read(body: &[u8]) -> Result<Self, OnlineRefusal> {
        let Ok(Value::Object(mut body)) = serde_json::from_slice::<Value>(body) else {
            return Err(OnlineRefusal::unclear("the body must be a JSON object"));
        };
        let service = match body.remove("feature_service") {
            Some(Value::String(name)) => Some(name),
            None | Some(Value::Null) => None,
            Some(_) => return Err(OnlineRefusal::unclear("\"feature_service\" must be a text")),
        };
        let features: Option<Vec<String>> = match body.remove("features") {
            Some(Value::Array(items)) => {
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
            }
            None | Some(Value::Null) => Some(Vec::new()),
            Some(_) => None,
        };
        let Some(features) = features else {
            return Err(OnlineRefusal::unclear("\"features\" must be a list of \"view:feature\""));
        };
        let Some(Value::Object(entities)) = body.remove("entities") else {
            let message = "\"entities\" must map each join key to a list of its values";
            return Err(OnlineRefusal::unclear(message));
        };
        let full_names = body.get("full_feature_names") == Some(&Value::Bool(true));
        Ok(Self { features, service, entities, full_names })
    }

    /// Asks by what a command line gives.
    pub fn new(
        features: Vec<String>,
        service: Option<String>,
        entities: Map<String, Value>,
        full_names: bool,
    ) -> Self {
        Self { features, service, entities, full_names }
    }

    /// The number of entities, when every key has as many values.
    fn entity_count(&self) -> Result<usize, OnlineRefusal> {
        let mut count = None;
        for (key, values) in &self.entities {
            let Some(values) = values.as_array() else {
                let message = format!("\"entities\": the values of \"{key}\" must be a list");
                return Err(OnlineRefusal::unclear(&message));
            };
            if *count.get_or_insert(values.len()) != values.len() {
                let message = "\"entities\": all lists must be of the same length";
                return Err(OnlineRefusal::unclear(message));
            }
        }
        match count {
            None | Some(0) => Err(OnlineRefusal::unclear("\"entities\" names no entity")),
            Some(count) if count > ENTITIES_ASKED_MAX => {
                let message = format!("\"entities\" names more than {ENTITIES_ASKED_MAX}");
                Err(OnlineRefusal::unclear(&message))
            }
            Some(count) => Ok(count),
        }
    }
}

/// An entity's features, ready to be written into an answer.
#[derive(Debug)]
struct Stored {
    event_us: i64,
    event: Box<str>,
    values: Vec<Box<str>>,
}

/// The version of a view that is served, with what was looked up in it.
#[derive(Debug)]
struct Served {
    version: i64,
    places: HashMap<String, usize>,
    rows: Mutex<HashMap<String, Option<Arc<Stored>>>>,
}

#[derive(Debug, Default)]
struct Known {
    asked: Option<Instant>,
    views: HashMap<String, Arc<Served>>,
}

/// Answers from the ledger's online features, with what was asked before kept in memory. A clone
/// shares it.
#[derive(Clone, Debug)]
pub struct OnlineStore {
    ledger: Ledger,
    environment: EnvironmentName,
    known: Arc<Mutex<Known>>,
}

/// What one view adds to an answer.
struct Part<'p> {
    view: &'p FeatureView,
    served: Option<Arc<Served>>,
    rows: Vec<Option<Arc<Stored>>>,
}

impl OnlineStore {
    /// The store of an environment.
    pub fn new(ledger: Ledger, environment: EnvironmentName) -> Self {
        Self { ledger, environment, known: Arc::default() }
    }

    /// Answers a request.
    ///
    /// # Errors
    /// With the status and body that Feast's server gives.
    pub async fn answer(
        &self,
        features: &project::features::Features,
        project: &str,
        request: &OnlineRequest,
    ) -> Result<OnlineAnswer, OnlineRefusal> {
        let asked = chosen(features, &request.features, request.service.as_deref())
            .map_err(|error| absent(&error, project))?;
        if asked.is_empty() {
            return Err(OnlineRefusal::unclear("no feature was asked for"));
        }
        let count = request.entity_count()?;
        let served = self.served().await.map_err(|error| OnlineRefusal::broken(&error))?;
        let mut parts: Vec<Part<'_>> = Vec::new();
        for (view, _) in &asked {
            if parts.iter().any(|part| part.view.name == view.name) {
                continue;
            }
            let keys = row_keys(view, request, count)?;
            let known = served.get(&view.name).cloned();
            let rows = match &known {
                Some(known) => {
                    let found = self.look_up(&view.name, known, &keys).await;
                    found.map_err(|error| OnlineRefusal::broken(&error))?
                }
                None => vec![None; count],
            };
            parts.push(Part { view, served: known, rows });
        }
        let mut writer = Writer::new(request, count);
        for (view, feature) in &asked {
            let Some(part) = parts.iter().find(|part| part.view.name == view.name) else {
                continue;
            };
            let name = if request.full_names {
                format!("{}__{}", view.name, feature.name)
            } else {
                feature.name.clone()
            };
            let place = part.served.as_ref().and_then(|served| served.places.get(&feature.name));
            let oldest = oldest_us(view, self.ledger.clocks().business.now());
            writer.feature(&name, place.copied(), &part.rows, oldest);
        }
        Ok(writer.finish())
    }

    /// The versions that are served, asked of the ledger now and then.
    async fn served(&self) -> Result<HashMap<String, Arc<Served>>, ConsumptionError> {
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.asked.is_some_and(|asked| asked.elapsed() < VERSION_REMEMBERED) {
                return Ok(known.views.clone());
            }
        }
        let views = self.ledger.online_views(&self.environment).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut known.views);
        for view in views {
            let same = before.get(&view.view).filter(|served| served.version == view.version);
            let served = same.map(Arc::clone).unwrap_or_else(|| {
                let places = view.features.into_iter().enumerate();
                Arc::new(Served {
                    version: view.version,
                    places: places.map(|(place, name)| (name, place)).collect(),
                    rows: Mutex::default(),
                })
            });
            known.views.insert(view.view, served);
        }
        known.asked = Some(Instant::now());
        Ok(known.views.clone())
    }

    async fn look_up(
        &self,
        view: &str,
        served: &Served,
        keys: &[String],
    ) -> Result<Vec<Option<Arc<Stored>>>, ConsumptionError> {
        let (mut found, mut missing) = (Vec::with_capacity(keys.len()), Vec::new());
        {
            let rows = served.rows.lock().unwrap_or_else(PoisonError::into_inner);
            for key in keys {
                match rows.get(key) {
                    Some(row) => found.push(row.clone()),
                    None => {
                        found.push(None);
                        missing.push(key.clone());
                    }
                }
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let version = served.version;
        let read = self.ledger.online_rows(&self.environment, view, version, &missing).await?;
        let mut rows = served.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() + missing.len() > ENTITIES_KEPT_MAX {
            rows.clear();
        }
        let mut fresh: HashMap<String, Option<Arc<Stored>>> =
            missing.into_iter().map(|key| (key, None)).collect();
        for row in read {
            fresh.insert(row.key.clone(), Some(Arc::new(stored(&row))));
        }
        for (place, key) in keys.iter().enumerate() {
            if let Some(row) = fresh.get(key) {
                found[place].clone_from(row);
            }
        }
        rows.extend(fresh);
        Ok(found)
    }
}

fn stored(row: &ledger::OnlineRow) -> Stored {
    let event = DateTime::from_timestamp_micros(row.event_us).unwrap_or_default();
    let event = event.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    Stored {
        event_us: row.event_us,
        event: format!("\"{event}\"").into(),
        values: elements(&row.values),
    }
}

/// The elements of a JSON list as they are written: a number that is parsed and written again may
/// come out with another last digit.
fn elements(list: &str) -> Vec<Box<str>> {
    let inside = list.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inside = inside.unwrap_or_default();
    let mut found = Vec::new();
    let (mut start, mut depth, mut quoted, mut escaped) = (0, 0_u32, false, false);
    for (place, letter) in inside.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                found.push(inside[start..place].trim().into());
                start = place + 1;
            }
            _ => {}
        }
    }
    if !inside.is_empty() {
        found.push(inside[start..].trim().into());
    }
    found
}

/// The earliest moment that a view's ttl lets count.
fn oldest_us(view: &FeatureView, now: DateTime<Utc>) -> i64 {
    let ttl = view.ttl.and_then(|ttl| TimeDelta::from_std(ttl).ok());
    let oldest = ttl.and_then(|ttl| now.checked_sub_signed(ttl));
    oldest.map_or(i64::MIN, |oldest| oldest.timestamp_micros())
}

/// The stored key of each entity.
fn row_keys(
    view: &FeatureView,
    request: &OnlineRequest,
    count: usize,
) -> Result<Vec<String>, OnlineRefusal> {
    let mut columns: Vec<&Vec<Value>> = Vec::with_capacity(view.join_keys.len());
    for key in &view.join_keys {
        let Some(values) = request.entities.get(key).and_then(Value::as_array) else {
            let message = format!("\"entities\" lacks the join key \"{key}\" of \"{}\"", view.name);
            return Err(OnlineRefusal::unclear(&message));
        };
        columns.push(values);
    }
    let mut keys = Vec::with_capacity(count);
    for row in 0..count {
        let mut key = String::from("[");
        for (place, column) in columns.iter().enumerate() {
            if place > 0 {
                key.push(',');
            }
            push_key(&mut key, &column[row]);
        }
        key.push(']');
        keys.push(key);
    }
    Ok(keys)
}

/// A key's value as the store has it: `7.0` is the same entity as `7`.
fn push_key(key: &mut String, value: &Value) {
    match value.as_f64().filter(|number| value.is_f64() && number.fract() == 0.0) {
        #[expect(clippy::cast_possible_truncation, reason = "ids fit into 64 bits")]
        Some(whole) => {
            let _ = write!(key, "{}", whole as i64);
        }
        None => {
            let _ = write!(key, "{value}");
        }
    }
}

fn absent(error: &ConsumptionError, project: &str) -> OnlineRefusal {
    let message = error.to_string();
    let name = message.split('"').nth(1).unwrap_or_default().to_owned();
    if message.starts_with("no feature service") {
        let message = format!("Feature service {name} does not exist in project {project}");
        OnlineRefusal::absent("FeatureServiceNotFoundException", &message)
    } else if message.starts_with("no feature view") {
        let message = format!("Feature view {name} does not exist in project {project}");
        OnlineRefusal::absent("FeatureViewNotFoundException", &message)
    } else {
        OnlineRefusal::absent("FeatureViewNotFoundException", &message)
    }
}

/// Writes an answer, piece by piece.
struct Writer {
    names: Vec<String>,
    results: String,
}

impl Writer {
    fn new(request: &OnlineRequest, count: usize) -> Self {
        let mut writer = Self { names: Vec::new(), results: String::with_capacity(64 * count) };
        for (name, values) in &request.entities {
            let statuses = vec!["\"PRESENT\""; count].join(",");
            let moments = vec![EPOCH; count].join(",");
            writer.column(name.clone(), &values.to_string(), &statuses, &moments);
        }
        writer
    }

    fn feature(
        &mut self,
        name: &str,
        place: Option<usize>,
        rows: &[Option<Arc<Stored>>],
        oldest_us: i64,
    ) {
        let (mut values, mut statuses, mut moments) =
            (String::from("["), String::new(), String::new());
        for (number, row) in rows.iter().enumerate() {
            if number > 0 {
                values.push(',');
                statuses.push(',');
                moments.push(',');
            }
            let value = row.as_ref().zip(place).and_then(|(row, place)| row.values.get(place));
            let (value, status, moment) = match (row, value) {
                (Some(row), _) if row.event_us < oldest_us => {
                    ("null", "\"OUTSIDE_MAX_AGE\"", row.event.as_ref())
                }
                (Some(row), Some(value)) if &**value == "null" => {
                    ("null", "\"NULL_VALUE\"", row.event.as_ref())
                }
                (Some(row), Some(value)) => (value.as_ref(), "\"PRESENT\"", row.event.as_ref()),
                (Some(_), None) | (None, _) => ("null", "\"NOT_FOUND\"", EPOCH),
            };
            values.push_str(value);
            statuses.push_str(status);
            moments.push_str(moment);
        }
        values.push(']');
        self.column(name.to_owned(), &values, &statuses, &moments);
    }

    fn column(&mut self, name: String, values: &str, statuses: &str, moments: &str) {
        if !self.names.is_empty() {
            self.results.push(',');
        }
        self.names.push(name);
        let results = &mut self.results;
        for part in ["{\"values\":", values, ",\"statuses\":[", statuses] {
            results.push_str(part);
        }
        for part in ["],\"event_timestamps\":[", moments, "]}"] {
            results.push_str(part);
        }
    }

    fn finish(self) -> OnlineAnswer {
        let names = serde_json::to_string(&self.names).unwrap_or_default();
        let results = self.results;
        format!("{{\"metadata\":{{\"feature_names\":{names}}},\"results\":[{results}]}}")
    }
}

#[cfg(test)]
mod tests {
    use super::elements;

    #[test]
    fn elements_stay_as_they_are_written() {
        let list = r#"[0.9104816743927341,"a,\"]b",null,[1,{"x":2}],true]"#;
        let expected = ["0.9104816743927341", r#""a,\"]b""#, "null", r#"[1,{"x":2}]"#, "true"];
        let found: Vec<String> = elements(list).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
        assert!(elements("[]").is_empty());
    }
}
