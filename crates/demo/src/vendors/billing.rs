//! Billing in Stripe's ways: lists, newest first, page by `starting_after`; what changes afterwards
//! is only told by the feed of events, which goes back thirty days.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::{answer, carries_key, good, id, refused};
use crate::calendar::DAY;
use crate::customers::{Payment, Subscription};
use crate::words;
use crate::world::World;

const PAGE_ROWS_DEFAULT: usize = 10;
const PAGE_ROWS_MAX: usize = 100;
/// How long the feed remembers.
const RETENTION: i64 = 30 * DAY;

/// One object of a list, with what the list is asked by.
#[derive(Debug)]
struct Entry {
    id: String,
    created: i64,
    body: Value,
}

/// One kind of object, newest first.
#[derive(Debug, Default)]
struct List {
    entries: Vec<Entry>,
    place: HashMap<String, usize>,
}

impl List {
    fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| (Reverse(a.created), &b.id).cmp(&(Reverse(b.created), &a.id)));
        let places = entries.iter().enumerate().map(|(place, entry)| (entry.id.clone(), place));
        Self { place: places.collect(), entries }
    }
}

/// The vendor's books at one moment.
#[derive(Debug)]
pub(super) struct Billing {
    subscriptions: List,
    payments: List,
    events: List,
}

pub(super) fn routes(billing: Arc<Billing>) -> Router {
    Router::new()
        .route("/v1/subscriptions", get(subscriptions))
        .route("/v1/payments", get(payments))
        .route("/v1/events", get(events))
        .with_state(billing)
}

async fn subscriptions(
    State(billing): State<Arc<Billing>>,
    headers: HeaderMap,
    Query(asked): Query<Vec<(String, String)>>,
) -> Response {
    page("/v1/subscriptions", &billing.subscriptions, &headers, &asked)
}

async fn payments(
    State(billing): State<Arc<Billing>>,
    headers: HeaderMap,
    Query(asked): Query<Vec<(String, String)>>,
) -> Response {
    page("/v1/payments", &billing.payments, &headers, &asked)
}

async fn events(
    State(billing): State<Arc<Billing>>,
    headers: HeaderMap,
    Query(asked): Query<Vec<(String, String)>>,
) -> Response {
    page("/v1/events", &billing.events, &headers, &asked)
}

/// What a list is asked for.
struct Filter {
    limit: usize,
    from: i64,
    to: i64,
    kinds: Vec<String>,
}

impl Filter {
    fn takes(&self, entry: &Entry) -> bool {
        let kind = entry.body["type"].as_str().unwrap_or_default();
        let wanted = |asked: &String| match asked.strip_suffix('*') {
            Some(family) => kind.starts_with(family),
            None => kind == asked,
        };
        let of_kind = self.kinds.is_empty() || self.kinds.iter().any(wanted);
        of_kind && (self.from..=self.to).contains(&entry.created)
    }
}

fn filter(asked: &[(String, String)]) -> Result<Filter, String> {
    let mut filter =
        Filter { limit: PAGE_ROWS_DEFAULT, from: i64::MIN, to: i64::MAX, kinds: Vec::new() };
    for (name, value) in asked {
        let number = || {
            let parsed = value.parse::<i64>();
            parsed.map_err(|_| format!("Invalid integer for \"{name}\": {value}"))
        };
        match name.as_str() {
            "limit" => {
                let limit = usize::try_from(number()?).unwrap_or(0);
                if !(1..=PAGE_ROWS_MAX).contains(&limit) {
                    return Err(format!("limit must be between 1 and {PAGE_ROWS_MAX}"));
                }
                filter.limit = limit;
            }
            "created[gte]" => filter.from = number()?,
            "created[gt]" => filter.from = number()?.saturating_add(1),
            "created[lte]" => filter.to = number()?,
            "created[lt]" => filter.to = number()?.saturating_sub(1),
            "type" | "types[]" => filter.kinds.push(value.clone()),
            "starting_after" => {}
            _ => return Err(format!("Received unknown parameter: {name}")),
        }
    }
    Ok(filter)
}

fn page(url: &str, list: &List, headers: &HeaderMap, asked: &[(String, String)]) -> Response {
    if !carries_key(headers) {
        return refused();
    }
    let invalid = |message: String| {
        let error = json!({"type": "invalid_request_error", "message": message});
        answer(StatusCode::BAD_REQUEST, &json!({ "error": error }))
    };
    let filter = match filter(asked) {
        Ok(filter) => filter,
        Err(message) => return invalid(message),
    };
    let after = asked.iter().find(|(name, _)| name == "starting_after").map(|(_, id)| id);
    let begin = match after.map(|id| (id, list.place.get(id))) {
        None => 0,
        Some((_, Some(place))) => place + 1,
        Some((id, None)) => return invalid(format!("No such object: '{id}'")),
    };
    let mut rest = list.entries[begin..].iter().filter(|entry| filter.takes(entry));
    let data: Vec<&Value> = rest.by_ref().take(filter.limit).map(|entry| &entry.body).collect();
    let has_more = rest.next().is_some();
    good(&json!({"object": "list", "url": url, "has_more": has_more, "data": data}))
}

impl Billing {
    pub(super) fn new(world: &World, now: i64) -> Self {
        let mut events = Events { now, entries: Vec::new() };
        let mut subscriptions = Vec::new();
        for (number, subscription) in world.subscriptions.iter().enumerate() {
            if subscription.created > now {
                continue;
            }
            let show = |at| subscription_at(world, number, subscription, at);
            events.add("subscription.created", subscription.created, &show);
            if let Some((at, _)) = subscription.change {
                events.add("subscription.updated", at, &show);
            }
            if let Some(at) = subscription.canceled {
                events.add("subscription.deleted", at, &show);
            }
            if subscription.canceled.is_none_or(|at| at > now) {
                let (id, created) = (subscription_id(number), subscription.created);
                subscriptions.push(Entry { id, created, body: show(now) });
            }
        }
        let mut payments = Vec::new();
        for (number, payment) in world.payments.iter().enumerate() {
            if payment.created > now {
                continue;
            }
            let show = |at| payment_at(world, number, payment, at);
            let made = if payment.failed { "payment.failed" } else { "payment.succeeded" };
            events.add(made, payment.created, &show);
            if let Some(at) = payment.refunded {
                events.add("payment.refunded", at, &show);
            }
            let (id, created) = (payment_id(number), payment.created);
            payments.push(Entry { id, created, body: show(now) });
        }
        Self {
            subscriptions: List::new(subscriptions),
            payments: List::new(payments),
            events: List::new(events.entries),
        }
    }
}

struct Events {
    now: i64,
    entries: Vec<Entry>,
}

impl Events {
    fn add(&mut self, kind: &str, at: i64, show: &dyn Fn(i64) -> Value) {
        if at > self.now || at < self.now - RETENTION {
            return;
        }
        let object = show(at);
        // The id follows from what happened, so that it stays the same whenever it is asked.
        let of = object["id"].as_str().unwrap_or_default();
        let id = format!("evt_{at}_{}_{of}", kind.rsplit('.').next().unwrap_or(kind));
        let body = json!({
            "id": id, "object": "event", "type": kind, "created": at,
            "data": {"object": object},
        });
        self.entries.push(Entry { id, created: at, body });
    }
}

fn subscription_id(number: usize) -> String {
    id("sub_", number as u64 + 1, 6)
}

fn payment_id(number: usize) -> String {
    id("pay_", number as u64 + 1, 7)
}

fn subscription_at(world: &World, number: usize, one: &Subscription, at: i64) -> Value {
    let account = &world.accounts[one.account as usize];
    let canceled = one.canceled.filter(|moment| *moment <= at);
    let (plan, price) = words::PLANS[one.plan_at(at)];
    json!({
        "id": subscription_id(number),
        "object": "subscription",
        "customer": id("acc_", u64::from(one.account) + 1, 6),
        "status": if canceled.is_some() { "canceled" } else { "active" },
        "plan_id": plan,
        "plan": {"id": plan, "amount": price, "interval": "month"},
        "quantity": one.seats,
        "currency": account.currency(),
        "created": one.created,
        "canceled_at": canceled,
    })
}

fn payment_at(world: &World, number: usize, one: &Payment, at: i64) -> Value {
    let subscription = &world.subscriptions[one.subscription as usize];
    let account = &world.accounts[subscription.account as usize];
    let refunded = one.refunded.filter(|moment| *moment <= at);
    let status = match (one.failed, refunded) {
        (true, _) => "failed",
        (false, Some(_)) => "refunded",
        (false, None) => "succeeded",
    };
    json!({
        "id": payment_id(number),
        "object": "payment",
        "subscription": subscription_id(one.subscription as usize),
        "customer": id("acc_", u64::from(subscription.account) + 1, 6),
        "amount": one.amount_minor,
        "amount_refunded": if refunded.is_some() { one.amount_minor } else { 0 },
        "currency": account.currency(),
        "status": status,
        "failure_code": one.failed.then_some("card_declined"),
        "created": one.created,
        "client_reference_id": id("usr_", u64::from(account.owner) + 1, 7),
        "metadata": {"seats": subscription.seats},
    })
}
