//! The row account from source to mart: whatever the company delivered is in the tables, in the
//! rejects, or explained; and what was planted is found where it was planted.

mod books;
pub(crate) mod company;
mod numbers;

use std::collections::BTreeMap;

use base::TableName;
use demo::{Incident, Truth};
use ledger::Tested;
use serde_json::{Value, json};

use self::books::{Audited, Books};
use self::company::{Company, assert_same};

/// A company of about two thousand events.
const SMALL: &str = "0.002";

/// A demo that goes as it should.
const UNDISTURBED: &[&str] = &["--incident", "none"];

/// The size of the company that a full run takes.
fn scale() -> &'static str {
    if std::env::var_os("FIVEPLY_FULL").is_some() { "1" } else { SMALL }
}

/// Rows that an incident touched, over all days.
fn planted(truth: &Truth, incident: Incident) -> u64 {
    truth.planted.iter().filter(|one| one.incident == incident).map(|one| one.rows).sum()
}

/// Every equation of the ledger, and every hop against the truth. Gives what was audited.
fn audit(company: &Company) -> Audited {
    let (books, truth) = (company.books(), company.truth());
    let audited = books.audit();
    check_deliveries(&audited, &truth);
    check_hops(&books, &audited, &truth);
    audited
}

/// What files delivered was read, and what no reader can take was rejected; tables of vendors hold
/// what the vendors hold.
fn check_deliveries(audited: &Audited, truth: &Truth) {
    for (stream, rows) in &truth.rows {
        let load = audited.loads[stream];
        let broken = truth.broken.get(stream).copied().unwrap_or(0);
        assert_eq!(load.read, rows + broken, "{stream}: {load:?}");
        assert_eq!(load.rejected, broken, "{stream}: {load:?}");
    }
    for (stream, rows) in truth.vendors.iter().filter(|(name, _)| !name.ends_with(" deleted")) {
        let (source, name) = stream.split_once('.').unwrap();
        let doubled = match stream.as_str() {
            "support.tickets" => planted(truth, Incident::W6),
            _ => 0,
        };
        assert_eq!(audited.tables[&TableName::new(source, name)], rows + doubled, "{stream}");
    }
    let people = [("accounts", "accounts"), ("users", "users")];
    for (table, who) in people {
        assert_eq!(audited.tables[&TableName::new("app", table)], truth.people[who], "{table}");
    }
}

/// Each model holds as many rows, and each mart adds up to as much, as its sources say.
fn check_hops(books: &Books, audited: &Audited, truth: &Truth) {
    let source = |name: &str, table: &str| audited.tables[&TableName::new(name, table)];
    let delivered = source("app", "signups") + source("app", "signups_mobile");
    let happened: u64 = truth.signups_per_day.values().sum();
    assert_eq!(delivered, happened + truth.signups_twice);
    let signups = happened - planted(truth, Incident::W1);
    let tickets = source("support", "tickets");
    let today = "where snapshot_date = current_date";
    let hops: Vec<(String, u64)> = vec![
        ("select count(*) from stg_app__signups".into(), delivered),
        ("select count(*) from int_signups_deduplicated".into(), signups),
        ("select count(*) from fact_signups".into(), signups),
        ("select sum(signups) from signups_daily".into(), signups),
        ("select count(*) from fact_user_events".into(), source("app", "usage")),
        ("select count(*) from dim_accounts".into(), source("app", "accounts")),
        ("select count(*) from dim_users".into(), source("app", "users")),
        (
            format!("select count(*) from mart_account_health_daily {today}"),
            truth.people["accounts"],
        ),
        ("select count(*) from fact_billing_events".into(), source("billing", "payments")),
        ("select sum(payments) from revenue_daily".into(), source("billing", "payments")),
        (
            "select sum(subscriptions) from subscriptions_by_plan".into(),
            source("billing", "subscriptions"),
        ),
        (
            format!("select count(*) from fact_salesforce_opportunities {today}"),
            source("crm", "opportunities"),
        ),
        ("select sum(answers) from nps_daily".into(), source("nps", "answers")),
    ];
    for (sql, expected) in hops {
        assert_eq!(books.number(&sql), expected, "{sql}");
    }
    if planted(truth, Incident::W6) == 0 {
        assert_eq!(books.number("select count(*) from fact_support_tickets"), tickets);
        let window = "event_ts >= current_date - interval '28 days'";
        let events = format!("select count(*) from fact_user_events where {window}");
        let features = "select sum(events_28d) from feature_churn_user_daily \
                        where feature_date = current_date";
        assert_eq!(books.number(features), books.number(&events));
    }
    if planted(truth, Incident::W5) == 0 {
        let sql = "select sum(opportunities) from marketing_attribution";
        assert_eq!(books.number(sql), source("crm", "opportunities"));
    }
    check_days(books, truth);
}

/// Each day of the dashboard against the sign-ups as the product saw them.
fn check_days(books: &Books, truth: &Truth) {
    let mut expected: BTreeMap<String, u64> =
        truth.signups_per_day.iter().map(|(day, count)| (day.to_string(), *count)).collect();
    for one in truth.planted.iter().filter(|one| one.incident == Incident::W1) {
        *expected.get_mut(&one.day.to_string()).unwrap() -= one.rows;
    }
    assert_eq!(signups_daily(books), expected);
}

fn signups_daily(books: &Books) -> BTreeMap<String, u64> {
    let days = books.rows("select signup_date, signups from signups_daily");
    let day = |row: &Value| {
        let date = row["signup_date"].as_str().unwrap().to_owned();
        (date, row["signups"].as_u64().unwrap())
    };
    days.iter().map(day).collect()
}

#[test]
fn every_row_of_five_companies_is_accounted_for() {
    for seed in 1..=5 {
        let company = Company::new(seed, scale());
        company.good_demo(UNDISTURBED);
        let audited = audit(&company);
        println!("seed {seed}: {} accounts hold", audited.accounts);
    }
}

#[test]
fn w1_falls_short_by_the_planted_rows_and_one_command_mends_it() {
    let company = Company::new(1, "0.01");
    company.good_demo(&["--incident", "w1"]);
    audit(&company);
    let (books, truth) = (company.books(), company.truth());
    let lost = &truth.planted[0];
    let friday = lost.day.to_string();
    let happened = truth.signups_per_day[&lost.day];
    assert!(lost.rows > 0);
    assert_eq!(signups_daily(&books)[&friday], happened - lost.rows);
    assert_eq!(numbers::signups_everywhere(&company), happened - lost.rows);

    let model = "int_signups_deduplicated";
    // The command that the demo and the diagnosis print.
    company.fiveply.good(&["backfill", model, "--from", &friday, "--to", &friday]).unwrap();
    assert_eq!(signups_daily(&books)[&friday], happened);
    assert_eq!(numbers::signups_everywhere(&company), happened);
    numbers::no_tile_is_broken(&company);
    books.audit();
}

#[test]
fn w5_is_seen_at_the_load_and_one_line_mends_it() {
    let company = Company::new(1, "0.01");
    company.good_demo(&["--incident", "w5", "--until", "2026-05-21T02:00:00Z"]);
    let mart = TableName::new("main", "marketing_attribution");
    let good = company.books().pointer(&mart);

    let finished = company.demo(&[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let line = "rename: {Lead_Source__c: LeadSource}";
    assert!(finished.stdout.contains(line), "{}", finished.stdout);
    audit(&company);
    let books = company.books();
    assert_eq!(books.pointer(&mart), good, "readers keep the last good version");
    let renamed = "select count(*) from crm.opportunities where \"Lead_Source__c\" is not null";
    assert_eq!(books.number(renamed), planted(&company.truth(), Incident::W5));

    let before = "    drop: [attributes]";
    company.edit("ingest/crm.yml", before, &format!("{before}\n    {line}"));
    company.fiveply.good(&["load", "crm"]).unwrap();
    company.fiveply.good(&["build", "--select", "stg_crm__opportunities+"]).unwrap();
    let audited = books.audit();
    let sql = "select sum(opportunities) from marketing_attribution where lead_source is not null";
    assert_eq!(books.number(sql), audited.tables[&TableName::new("crm", "opportunities")]);
}

#[test]
fn w6_stops_the_tickets_and_the_last_good_version_stays() {
    let company = Company::new(1, "0.01");
    company.good_demo(&["--incident", "w6", "--until", "2026-05-19T23:59:59Z"]);
    let facts = TableName::new("main", "fact_support_tickets");
    let features = TableName::new("main", "feature_churn_user_daily");
    let books = company.books();
    let good = (books.pointer(&facts), books.pointer(&features));

    let finished = company.demo(&["--output", "json"]);
    assert_eq!(finished.code, Some(1), "{}\n{}", finished.stdout, finished.stderr);
    audit(&company);
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    let build = document["builds"].as_array().unwrap().last().unwrap();
    let node = |name: &str| {
        let nodes = build["nodes"].as_array().unwrap();
        nodes.iter().find(|node| node["node"] == format!("model.fiveply_demo.{name}")).unwrap()
    };
    let stopped = node("fact_support_tickets");
    assert_eq!(stopped["status"], "failed");
    let message = stopped["message"].as_str().unwrap();
    assert!(message.contains("unique_fact_support_tickets_conversation_id"), "{message}");
    assert!(message.contains("last good version"), "{message}");
    assert_eq!(node("feature_churn_user_daily")["status"], "skipped");

    assert!(planted(&company.truth(), Incident::W6) > 0);
    let versions = books.versions(&facts);
    assert!(versions.iter().all(|version| version.tested == Tested::Passed));
    let sql = "select count(*) - count(distinct conversation_id) from fact_support_tickets";
    assert_eq!(books.number(sql), 0, "readers never see a conversation twice");
    // Before the first doubled ticket is loaded, a build may still have published.
    if versions.last().unwrap().metadata_location == good.0 {
        assert_eq!(books.pointer(&features), good.1);
    }
}

#[test]
fn a_second_demo_reads_nothing_anew() {
    let company = Company::new(7, scale());
    company.good_demo(UNDISTURBED);
    let before = company.tables();
    let finished = company.good_demo(&["--output", "json"]);
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    for node in document["loads"][0]["nodes"].as_array().unwrap() {
        let count = |name: &str| node["load"][name].as_u64().unwrap();
        assert_eq!(count("read"), count("unchanged"), "{node}");
        // A vendor is asked again for the last minutes; a file is never read twice.
        let stream = node["node"].as_str().unwrap();
        let of_files = stream.contains(".app.") || stream.contains(".nps.");
        assert!(!of_files || count("read") == 0, "{node}");
    }
    assert_eq!(company.tables(), before);
}

#[test]
fn steps_or_hands_make_the_same_tables() {
    let whole = Company::new(8, scale());
    whole.good_demo(UNDISTURBED);
    let steps = Company::new(8, scale());
    steps.good_demo(&["--incident", "none", "--until", "2026-05-05T15:30:00Z"]);
    steps.good_demo(&[]);
    audit(&steps);
    assert_same(&whole, &steps);
    let hands = Company::new(8, scale());
    hands.good_demo(&["--generate"]);
    hands.fiveply.good(&["load"]).unwrap();
    hands.fiveply.good(&["build"]).unwrap();
    audit(&hands);
    assert_same(&whole, &hands);
}

#[test]
fn commands_by_hand_carry_the_companys_date() {
    let company = Company::new(9, "0.001");
    company.good_demo(&["--generate", "--until", "2026-05-22T14:00:00Z"]);
    let sql = "select cast(current_date as varchar) as today";
    assert_eq!(company.fiveply.value(sql).unwrap(), json!("2026-05-22"));
    company.good_demo(&["--generate"]);
    assert_eq!(company.fiveply.value(sql).unwrap(), json!("2026-05-25"));
}
