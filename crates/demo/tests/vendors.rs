use std::collections::BTreeSet;

use demo::{Company, DemoOptions, Incident, Truth, Vendors};
use serde_json::Value;

use crate::client::{Answer, get, request};
use crate::folder::{play, small, time};

struct Played {
    vendors: Vendors,
    truth: Truth,
}

/// The vendors need what a folder says about its company, and none of its data files.
async fn played(until: &str, incidents: &[Incident]) -> Played {
    let company = Company {
        dir: "nowhere".into(),
        seed: 1,
        scale: 0.01,
        until: time(until),
        incidents: incidents.to_vec(),
    };
    Played { vendors: company.start_vendors().await.unwrap(), truth: company.truth() }
}

async fn list(port: u16, path: &str, parameters: &str) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let after = all.last().map_or(String::new(), |last| {
            format!("&starting_after={}", last["id"].as_str().unwrap())
        });
        let page = get(port, &format!("{path}?limit=100{parameters}{after}")).await;
        assert_eq!(page.status, 200, "{:?}", page.body);
        all.extend(page.list("data"));
        if page.body["has_more"] == false {
            return all;
        }
    }
}

async fn opportunities(port: u16, since: &str) -> Vec<Value> {
    let soql = format!("SELECT+Id+FROM+Opportunity+WHERE+SystemModstamp+%3E=+{since}");
    let mut path = format!("/services/data/v60.0/query?q={soql}");
    let mut all = Vec::new();
    loop {
        let headers = "Authorization: Bearer demo-key\r\nSforce-Query-Options: batchSize=200\r\n";
        let page = request(port, "GET", &path, headers, "").await;
        assert_eq!(page.status, 200, "{:?}", page.body);
        all.extend(page.list("records"));
        match page.body["nextRecordsUrl"].as_str() {
            Some(next) => path = next.to_owned(),
            None => {
                assert_eq!(page.body["totalSize"], all.len());
                return all;
            }
        }
    }
}

/// All tickets after a cursor, the last cursor, and how often patience was asked for.
async fn tickets(port: u16, begin: &str) -> (Vec<Value>, String, u32) {
    let path = "/api/v2/incremental/tickets/cursor.json?per_page=50&";
    let (mut all, mut position, mut asked_to_wait) = (Vec::new(), begin.to_owned(), 0);
    loop {
        let page: Answer = get(port, &format!("{path}{position}")).await;
        if page.status == 429 {
            assert!(page.head.contains("retry-after: 1"), "{}", page.head);
            asked_to_wait += 1;
            continue;
        }
        assert_eq!(page.status, 200, "{:?}", page.body);
        all.extend(page.list("tickets"));
        position = format!("cursor={}", page.body["after_cursor"].as_str().unwrap());
        if page.body["end_of_stream"] == true {
            return (all, position, asked_to_wait);
        }
    }
}

fn ids(rows: &[Value], key: &str) -> BTreeSet<String> {
    rows.iter().map(|row| row[key].to_string()).collect()
}

#[tokio::test]
async fn billing_pages_newest_first_and_omits_what_was_canceled() {
    let played = played("2026-05-25T23:59:59Z", &[]).await;
    let port = played.vendors.billing_port;
    let payments = list(port, "/v1/payments", "").await;
    assert_eq!(payments.len() as u64, played.truth.vendors["billing.payments"]);
    assert_eq!(ids(&payments, "id").len(), payments.len());
    let created: Vec<i64> = payments.iter().map(|one| one["created"].as_i64().unwrap()).collect();
    assert!(created.is_sorted_by(|newer, older| newer >= older));
    let running = list(port, "/v1/subscriptions", "").await;
    assert_eq!(running.len() as u64, played.truth.vendors["billing.subscriptions"]);
    assert!(running.iter().all(|one| one["status"] == "active"));

    let unknown = get(port, "/v1/payments?starting_after=pay_none").await;
    assert_eq!(unknown.status, 400);
    assert_eq!(get(port, "/v1/payments?limit=1000").await.status, 400);
    assert_eq!(request(port, "GET", "/v1/payments", "", "").await.status, 401);
}

#[tokio::test]
async fn the_feed_of_events_leads_from_an_old_list_to_a_new_one() {
    let before = played("2026-05-10T12:00:00Z", &[]).await;
    let mut known: std::collections::BTreeMap<String, Value> =
        list(before.vendors.billing_port, "/v1/subscriptions", "")
            .await
            .into_iter()
            .map(|one| (one["id"].to_string(), one))
            .collect();
    drop(before.vendors);
    let after = played("2026-05-25T23:59:59Z", &[]).await;
    let port = after.vendors.billing_port;
    let since = time("2026-05-10T12:00:00Z").timestamp();
    let parameters = format!("&type=subscription.*&created[gte]={since}");
    let events = list(port, "/v1/events", &parameters).await;
    assert!(events.iter().any(|event| event["type"] == "subscription.deleted"));
    for event in events.iter().rev() {
        let object = event["data"]["object"].clone();
        let id = object["id"].to_string();
        if event["type"] == "subscription.deleted" {
            known.remove(&id);
        } else {
            known.insert(id, object);
        }
    }
    let now = list(port, "/v1/subscriptions", "").await;
    let now = now.into_iter().map(|one| (one["id"].to_string(), one)).collect();
    assert_eq!(known, now);
    let oldest = list(port, "/v1/events", "").await.pop().unwrap();
    let month_ago = demo::end().timestamp() - 30 * 86_400;
    assert!(oldest["created"].as_i64().unwrap() >= month_ago);
}

#[tokio::test]
async fn the_crm_hands_out_a_token_pages_by_address_and_lists_deletions() {
    let played = played("2026-05-25T23:59:59Z", &[]).await;
    let port = played.vendors.crm_port;
    let token = "/services/oauth2/token";
    let body = "grant_type=client_credentials&client_id=demo&client_secret=demo-key";
    let answer = request(port, "POST", token, "", body).await;
    assert_eq!(answer.body["access_token"], "demo-key");
    assert_eq!(answer.body["instance_url"], format!("http://127.0.0.1:{port}"));
    let body = "grant_type=client_credentials&client_id=demo&client_secret=wrong";
    assert_eq!(request(port, "POST", token, "", body).await.status, 400);

    let all = opportunities(port, "2000-01-01T00:00:00Z").await;
    assert_eq!(all.len() as u64, played.truth.vendors["crm.opportunities"]);
    assert_eq!(ids(&all, "Id").len(), all.len());
    assert!(all.iter().all(|one| one["LeadSource"].is_string()));
    let stamp = |one: &Value| one["SystemModstamp"].as_str().unwrap().to_owned();
    assert!(all.is_sorted_by_key(stamp));
    let recent = opportunities(port, "2026-05-20T00:00:00Z").await;
    let wanted = all.iter().filter(|one| stamp(one).as_str() >= "2026-05-20").count();
    assert_eq!(recent.len(), wanted);

    let path = "/services/data/v60.0/sobjects/Opportunity/deleted";
    let stretch = "start=2000-01-01T00:00:00Z&end=2026-05-25T23:59:59%2B00:00";
    let deleted = get(port, &format!("{path}?{stretch}")).await.list("deletedRecords");
    assert_eq!(deleted.len() as u64, played.truth.vendors["crm.opportunities deleted"]);
    assert!(ids(&deleted, "id").is_disjoint(&ids(&all, "Id")));
    let wrong = get(port, "/services/data/v60.0/query?q=SELECT+Id+FROM+Account").await;
    assert_eq!(wrong.body[0]["errorCode"], "INVALID_TYPE");
}

#[tokio::test]
async fn supports_cursor_goes_on_where_it_was_and_429_asks_for_patience() {
    let before = played("2026-05-10T12:00:00Z", &[]).await;
    let (first, cursor, waited) = tickets(before.vendors.support_port, "start_time=0").await;
    assert!(waited > 0);
    let deleted = |rows: &[Value]| rows.iter().filter(|one| one["status"] == "deleted").count();
    let known = &before.truth.vendors;
    assert_eq!(deleted(&first) as u64, known["support.tickets deleted"]);
    assert_eq!((first.len() - deleted(&first)) as u64, known["support.tickets"]);
    drop(before.vendors);
    let after = played("2026-05-25T23:59:59Z", &[]).await;
    let (rest, cursor, _) = tickets(after.vendors.support_port, &cursor).await;
    let (whole, _, _) = tickets(after.vendors.support_port, "start_time=0").await;
    let mut merged = ids(&first, "id");
    merged.extend(ids(&rest, "id"));
    assert_eq!(merged, ids(&whole, "id"));
    assert!(rest.len() < whole.len());
    let (nothing, again, _) = tickets(after.vendors.support_port, &cursor).await;
    assert_eq!((nothing.len(), again), (0, cursor));
}

#[tokio::test]
async fn a_column_gets_another_name_at_three_in_the_morning() {
    let incidents = [Incident::W5];
    let before = played("2026-05-21T02:59:59Z", &incidents).await;
    let all = opportunities(before.vendors.crm_port, "2000-01-01T00:00:00Z").await;
    assert!(all.iter().all(|one| one.get("LeadSource").is_some()));
    assert!(before.truth.planted.is_empty());
    drop(before.vendors);
    let after = played("2026-05-25T23:59:59Z", &incidents).await;
    let last = opportunities(after.vendors.crm_port, "2026-05-21T03:00:00Z").await;
    assert!(last.iter().all(|one| one.get("Lead_Source__c").is_some()));
    assert!(last.iter().all(|one| one.get("LeadSource").is_none()));

    let loaded = played("2026-05-21T02:00:00Z", &incidents).await;
    let known = opportunities(loaded.vendors.crm_port, "2000-01-01T00:00:00Z").await;
    let youngest = known.last().unwrap()["SystemModstamp"].as_str().unwrap().to_owned();
    let youngest = chrono::DateTime::parse_from_str(&youngest, "%Y-%m-%dT%H:%M:%S%.3f%z").unwrap();
    let since = (youngest - chrono::TimeDelta::minutes(5)).to_utc();
    let since = since.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let read = opportunities(after.vendors.crm_port, &since).await;
    let planted: u64 = after.truth.planted.iter().map(|planted| planted.rows).sum();
    assert_eq!(read.len() as u64, planted);
    assert!(read.len() > last.len());
}

#[tokio::test]
async fn each_ticket_comes_twice_after_the_upgrade() {
    let played = played("2026-05-25T23:59:59Z", &[Incident::W6]).await;
    let (all, _, _) = tickets(played.vendors.support_port, "start_time=0").await;
    assert_eq!(ids(&all, "id").len(), all.len());
    let (deleted, all): (Vec<Value>, Vec<Value>) =
        all.into_iter().partition(|one| one["status"] == "deleted");
    assert!(ids(&deleted, "id").is_disjoint(&ids(&all, "id")));
    let doubled = all.len() - ids(&all, "external_id").len();
    let planted: u64 = played.truth.planted.iter().map(|planted| planted.rows).sum();
    assert!(planted > 0);
    assert_eq!(doubled as u64, planted);
    let twice = all.iter().filter(|one| one["id"].as_u64().unwrap() > 5_000_000);
    assert!(twice.into_iter().all(|one| one["created_at"].as_str().unwrap() >= "2026-05-20"));
}

#[tokio::test]
async fn the_project_finds_its_vendors_by_variables() {
    let dir = tempfile::tempdir().unwrap();
    play(&DemoOptions { until: Some(demo::start()), ..small(dir.path()) });
    let company = Company::open(dir.path()).unwrap().unwrap();
    let variables = company.start_vendors().await.unwrap().environment();
    let names: Vec<&str> = variables.iter().map(|(name, _)| name.as_str()).collect();
    let ingest = ["billing", "crm", "support"].map(|source| {
        let path = dir.path().join(format!("ingest/{source}.yml"));
        std::fs::read_to_string(path).unwrap()
    });
    for name in names {
        assert!(ingest.iter().any(|text| text.contains(name)), "{name} is used");
    }
}
