//! Support in Zendesk's ways: an export whose cursor is the state, and 429 answers that say how
//! long to wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{answer, carries_key, good, id, refused};
use crate::calendar;
use crate::support::{STATUSES, Ticket};
use crate::words;
use crate::world::World;

const PAGE_ROWS_MAX: usize = 1_000;
/// Which request is the first to be asked for patience, and every so many after it.
const PATIENCE_FIRST: u64 = 2;
const PATIENCE_EVERY: u64 = 20;
/// What the second id of a ticket is larger by, after the upgrade of W6.
const SECOND_ID: u64 = 5_000_000;

#[derive(Debug)]
struct Record {
    /// What the export is ordered by: moment of the last change, then id.
    place: (i64, u64),
    body: Value,
}

/// The vendor's tickets at one moment, oldest change first.
#[derive(Debug)]
pub(super) struct Support {
    records: Vec<Record>,
    requests: AtomicU64,
}

#[derive(Debug, Deserialize)]
struct Asked {
    start_time: Option<i64>,
    cursor: Option<String>,
    per_page: Option<usize>,
}

pub(super) fn routes(support: Arc<Support>) -> Router {
    Router::new().route("/api/v2/incremental/tickets/cursor.json", get(export)).with_state(support)
}

async fn export(
    State(support): State<Arc<Support>>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    if !carries_key(&headers) {
        return refused();
    }
    let request = support.requests.fetch_add(1, Ordering::Relaxed) + 1;
    if request % PATIENCE_EVERY == PATIENCE_FIRST {
        let body = json!({"error": "TooManyRequests", "description": "Rate limit exceeded"});
        let patience = [("retry-after", "1"), ("x-rate-limit-remaining", "0")];
        return (StatusCode::TOO_MANY_REQUESTS, patience, axum::Json(body)).into_response();
    }
    let after = match (&asked.cursor, asked.start_time) {
        (Some(cursor), _) => match read_cursor(cursor) {
            Some(place) => place,
            None => return invalid("cursor is not one of this export"),
        },
        (None, Some(start)) => (start - 1, u64::MAX),
        (None, None) => return invalid("start_time or cursor is missing"),
    };
    let rows = asked.per_page.unwrap_or(PAGE_ROWS_MAX);
    if !(1..=PAGE_ROWS_MAX).contains(&rows) {
        return invalid("per_page must be between 1 and 1000");
    }
    support.page(after, rows)
}

fn invalid(description: &str) -> Response {
    let body = json!({"error": "InvalidValue", "description": description});
    answer(StatusCode::UNPROCESSABLE_ENTITY, &body)
}

fn write_cursor((at, id): (i64, u64)) -> String {
    format!("MTU{at:x}fHw{id:x}")
}

fn read_cursor(text: &str) -> Option<(i64, u64)> {
    let (at, id) = text.strip_prefix("MTU")?.split_once("fHw")?;
    Some((i64::from_str_radix(at, 16).ok()?, u64::from_str_radix(id, 16).ok()?))
}

impl Support {
    pub(super) fn new(world: &World, now: i64, twice_from: Option<i64>) -> Self {
        let mut records = Vec::new();
        let made = world.tickets.iter().enumerate().filter(|(_, one)| one.created <= now);
        for (number, ticket) in made {
            let (updated, _) = ticket.at(now);
            let number = number as u64 + 1;
            let mut show = |ticket_id| {
                let body = body(world, number, ticket, ticket_id, now);
                records.push(Record { place: (updated, ticket_id), body });
            };
            show(number);
            if twice_from.is_some_and(|from| ticket.created >= from) {
                show(number + SECOND_ID);
            }
        }
        records.sort_by_key(|record| record.place);
        Self { records, requests: AtomicU64::new(0) }
    }

    fn page(&self, after: (i64, u64), rows: usize) -> Response {
        let begin = self.records.partition_point(|record| record.place <= after);
        let end = (begin + rows).min(self.records.len());
        let page = &self.records[begin..end];
        let last = page.last().map_or(after, |record| record.place);
        let cursor = write_cursor((last.0.max(0), last.1));
        let tickets: Vec<&Value> = page.iter().map(|record| &record.body).collect();
        good(&json!({
            "tickets": tickets,
            "after_cursor": cursor,
            "after_url":
                format!("/api/v2/incremental/tickets/cursor.json?cursor={cursor}&per_page={rows}"),
            "before_cursor": null,
            "end_of_stream": end == self.records.len(),
        }))
    }
}

fn body(world: &World, number: u64, one: &Ticket, ticket_id: u64, now: i64) -> Value {
    let user = &world.users[one.user as usize];
    let (updated, status) = one.at(now);
    let moment = |at| calendar::moment(at).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "id": ticket_id,
        "external_id": id("conv_", number, 7),
        "subject": words::SUBJECTS[one.subject],
        "status": STATUSES[status],
        "priority": one.priority,
        "requester_external_id": id("usr_", u64::from(one.user) + 1, 7),
        "organization_external_id": id("acc_", u64::from(user.account) + 1, 6),
        "via": {"channel": one.channel},
        "tags": [words::TICKET_TAGS[one.tag]],
        "satisfaction_rating": one.satisfaction.filter(|_| status >= 3),
        "custom_fields": [{"id": 360_001, "value": words::PLANS[
            world.account_of(user).plan_at(one.created)].0}],
        "created_at": moment(one.created),
        "updated_at": moment(updated),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_journey() {
        assert_eq!(read_cursor(&write_cursor((1_779_000_000, 42))), Some((1_779_000_000, 42)));
        assert_eq!(read_cursor("elsewhere"), None);
    }
}
