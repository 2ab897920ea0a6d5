//! The CRM in Salesforce's ways: a token first, then SOQL; pages by `nextRecordsUrl`; records that
//! were deleted are listed by an endpoint of their own.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{KEY, answer, carries_key, good, id};
use crate::calendar;
use crate::sales::{Opportunity, STAGES};
use crate::words;
use crate::world::World;

const PAGE_ROWS: usize = 500;
const PAGE_ROWS_MIN: usize = 200;
const PAGE_ROWS_MAX: usize = 2_000;
pub(super) const BASE: &str = "/services/data/v60.0";

#[derive(Debug)]
struct Record {
    touched: i64,
    deleted: bool,
    body: Value,
}

/// The vendor's records at one moment, oldest change first.
#[derive(Debug)]
pub(super) struct Crm {
    now: i64,
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
struct Soql {
    q: String,
}

#[derive(Debug, Deserialize)]
struct Stretch {
    start: String,
    end: String,
}

pub(super) fn routes(crm: Arc<Crm>) -> Router {
    Router::new()
        .route("/services/oauth2/token", post(token))
        .route(&format!("{BASE}/query"), get(query))
        .route(&format!("{BASE}/query/{{locator}}"), get(more))
        .route(&format!("{BASE}/queryAll"), get(query_all))
        .route(&format!("{BASE}/sobjects/Opportunity/deleted"), get(deleted))
        .route(&format!("{BASE}/sobjects/Opportunity/deleted/"), get(deleted))
        .with_state(crm)
}

async fn token(headers: HeaderMap, body: String) -> Response {
    let host = headers.get("host").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let sends = |field: &str| body.split('&').any(|pair| pair == field);
    let secret = format!("client_secret={KEY}");
    if !sends("grant_type=client_credentials") || !(sends(&secret) || has_basic(&headers)) {
        let error = json!({
            "error": "invalid_client", "error_description": "invalid client credentials",
        });
        return answer(StatusCode::BAD_REQUEST, &error);
    }
    let instance = format!("http://{host}");
    good(&json!({"access_token": KEY, "instance_url": instance, "token_type": "Bearer"}))
}

fn has_basic(headers: &HeaderMap) -> bool {
    let sent = headers.get("authorization").and_then(|value| value.to_str().ok());
    sent.is_some_and(|text| text.starts_with("Basic "))
}

pub(super) fn fault(status: StatusCode, code: &str, message: &str) -> Response {
    answer(status, &json!([{"errorCode": code, "message": message}]))
}

pub(super) fn expired() -> Response {
    fault(StatusCode::UNAUTHORIZED, "INVALID_SESSION_ID", "Session expired or invalid")
}

async fn query(
    State(crm): State<Arc<Crm>>,
    headers: HeaderMap,
    Query(soql): Query<Soql>,
) -> Response {
    first_page(&crm, &headers, &soql.q, false)
}

async fn query_all(
    State(crm): State<Arc<Crm>>,
    headers: HeaderMap,
    Query(soql): Query<Soql>,
) -> Response {
    first_page(&crm, &headers, &soql.q, true)
}

fn first_page(crm: &Crm, headers: &HeaderMap, soql: &str, all: bool) -> Response {
    if !carries_key(headers) {
        return expired();
    }
    let spaced = soql.replace(">=", " >= ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let follows = |word: &str| {
        let place = words.iter().position(|one| one.eq_ignore_ascii_case(word));
        place.and_then(|place| words.get(place + 1)).copied()
    };
    if follows("from") != Some("Opportunity") {
        let message = "this CRM keeps Opportunity alone";
        return fault(StatusCode::BAD_REQUEST, "INVALID_TYPE", message);
    }
    let since = match follows(">=").or_else(|| follows(">")).map(time) {
        None => i64::MIN,
        Some(Some(since)) => since,
        Some(None) => {
            let message = "the value of filter criterion is not a valid date-time";
            return fault(StatusCode::BAD_REQUEST, "MALFORMED_QUERY", message);
        }
    };
    let size = headers.get("sforce-query-options").and_then(|value| value.to_str().ok());
    let size = size.and_then(|text| text.split_once("batchSize=")?.1.trim().parse().ok());
    let size: usize = size.unwrap_or(PAGE_ROWS);
    let locator = Locator { since, all, size: size.clamp(PAGE_ROWS_MIN, PAGE_ROWS_MAX), begin: 0 };
    crm.page(&locator)
}

async fn more(
    State(crm): State<Arc<Crm>>,
    headers: HeaderMap,
    Path(locator): Path<String>,
) -> Response {
    if !carries_key(&headers) {
        return expired();
    }
    match Locator::read(&locator) {
        Some(locator) => crm.page(&locator),
        None => {
            let message = "invalid query locator";
            fault(StatusCode::BAD_REQUEST, "INVALID_QUERY_LOCATOR", message)
        }
    }
}

async fn deleted(
    State(crm): State<Arc<Crm>>,
    headers: HeaderMap,
    Query(asked): Query<Stretch>,
) -> Response {
    if !carries_key(&headers) {
        return expired();
    }
    let (Some(start), Some(end)) = (time(&asked.start), time(&asked.end)) else {
        let message = "start and end must be date-times";
        return fault(StatusCode::BAD_REQUEST, "INVALID_REPLICATION_DATE", message);
    };
    let within = |record: &&Record| record.deleted && (start..=end).contains(&record.touched);
    let records: Vec<Value> = crm
        .records
        .iter()
        .filter(within)
        .map(|record| json!({"id": record.body["Id"], "deletedDate": written(record.touched)}))
        .collect();
    good(&json!({
        "deletedRecords": records,
        "earliestDateAvailable": written(calendar::START),
        "latestDateCovered": written(crm.now),
    }))
}

/// Where a page begins; the vendor's clients carry it about without looking into it.
#[derive(Debug, PartialEq, Eq)]
struct Locator {
    since: i64,
    all: bool,
    size: usize,
    begin: usize,
}

impl Locator {
    fn write(&self) -> String {
        let all = if self.all { "A" } else { "Q" };
        format!("01g{all}{:x}S{}-{}", self.since.max(0), self.size, self.begin)
    }

    fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix("01g")?;
        let (all, text) = match text.strip_prefix('A') {
            Some(text) => (true, text),
            None => (false, text.strip_prefix('Q')?),
        };
        let (since, text) = text.split_once('S')?;
        let (size, begin) = text.split_once('-')?;
        let since = i64::from_str_radix(since, 16).ok()?;
        Some(Self { since, all, size: size.parse().ok()?, begin: begin.parse().ok()? })
    }
}

impl Crm {
    pub(super) fn new(world: &World, now: i64, renamed: bool) -> Self {
        let made = world.opportunities.iter().enumerate().filter(|(_, one)| one.created <= now);
        let mut records: Vec<Record> = made
            .map(|(number, one)| Record {
                touched: one.touched(now),
                deleted: one.deleted_at(now),
                body: body(world, number, one, now, renamed),
            })
            .collect();
        records.sort_by_key(|record| record.touched);
        Self { now, records }
    }

    fn page(&self, locator: &Locator) -> Response {
        let since = locator.since;
        let first = self.records.partition_point(|record| record.touched < since);
        let shown = self.records[first..].iter().filter(|one| locator.all || !one.deleted);
        let bodies: Vec<&Value> = shown.map(|record| &record.body).collect();
        let begin = locator.begin.min(bodies.len());
        let end = (begin + locator.size).min(bodies.len());
        let mut page = json!({
            "totalSize": bodies.len(),
            "done": end == bodies.len(),
            "records": bodies[begin..end],
        });
        if end < bodies.len() {
            let next = Locator { begin: end, since, all: locator.all, size: locator.size };
            page["nextRecordsUrl"] = json!(format!("{BASE}/query/{}", next.write()));
        }
        good(&page)
    }
}

fn body(world: &World, number: usize, one: &Opportunity, now: i64, renamed: bool) -> Value {
    let account = &world.accounts[one.account as usize];
    let (first, last) = account.name();
    let kind = if one.renewal { "Renewal" } else { "New Business" };
    let record_id = id("006", number as u64 + 1, 15);
    let source = if renamed { "Lead_Source__c" } else { "LeadSource" };
    let stage = one.stage_at(now);
    let last_stage = one.stages.last().map_or(one.created, |(at, _)| *at);
    json!({
        "attributes": {"type": "Opportunity",
            "url": format!("{BASE}/sobjects/Opportunity/{record_id}")},
        "Id": record_id,
        "Name": format!("{first} {last}: {kind}"),
        "Account_External_Id__c": id("acc_", u64::from(one.account) + 1, 6),
        "Type": kind,
        "StageName": STAGES[stage],
        "Amount": one.amount_usd,
        "CloseDate": calendar::moment(last_stage).date_naive(),
        "OwnerName": words::SALES_OWNERS[one.owner],
        source: words::LEAD_SOURCES[one.lead_source],
        "CreatedDate": written(one.created),
        "SystemModstamp": written(one.touched(now)),
        "IsDeleted": one.deleted_at(now),
    })
}

/// A moment as the vendor writes it: the zone without a colon.
fn written(at: i64) -> String {
    calendar::moment(at).format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

/// A moment as clients write it: RFC 3339, or the vendor's own form. A plus sign that a client
/// forgot to escape has become a space.
fn time(text: &str) -> Option<i64> {
    let text = text.replace(' ', "+");
    let parsed = DateTime::parse_from_rfc3339(&text)
        .or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%z"));
    parsed.ok().map(|moment| moment.with_timezone(&Utc).timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locator_survives_its_journey() {
        let locator = Locator { since: 1_779_000_000, all: true, size: 250, begin: 1_500 };
        assert_eq!(Locator::read(&locator.write()), Some(locator));
        assert_eq!(Locator::read("01gnonsense"), None);
    }

    #[test]
    fn both_ways_of_writing_a_moment_are_read() {
        let at = 1_779_458_400;
        assert_eq!(time(&written(at)), Some(at));
        assert_eq!(time(&written(at).replace('+', " ")), Some(at));
        assert_eq!(time("2026-05-22T14:00:00Z"), Some(at));
        assert_eq!(time("yesterday"), None);
    }
}
