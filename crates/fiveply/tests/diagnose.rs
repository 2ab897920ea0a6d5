//! `fiveply diagnose` against what was planted, and silence where nothing was.

use std::collections::VecDeque;
use std::sync::Mutex;

use demo::{Incident, Planted};
use serde_json::Value;

use crate::accounts::company::Company;
use crate::watching::assert_noticed;

/// Seeds of the disturbed companies and of the undisturbed ones.
const DISTURBED: std::ops::RangeInclusive<u64> = 1..=10;
const UNDISTURBED: std::ops::RangeInclusive<u64> = 11..=20;

/// What a company's day needs of each incident at one of its moments: streams, then models.
const PARTS: [(Incident, &[&str], &[&str]); 3] = [
    (
        Incident::W1,
        &["app.signups", "app.signups_mobile"],
        &["stg_app__signups", "int_signups_deduplicated"],
    ),
    (Incident::W5, &["crm.opportunities"], &["stg_crm__opportunities", "marketing_attribution"]),
    (Incident::W6, &["support.tickets"], &["stg_support__tickets", "fact_support_tickets"]),
];

/// The size of the companies: the smallest that shows the incidents, or the default one.
fn scale() -> &'static str {
    if full() { "1" } else { "0.001" }
}

fn full() -> bool {
    std::env::var_os("FIVEPLY_FULL").is_some()
}

/// Looks at one company of each seed, as many at a time as there are cores.
fn for_each_seed(seeds: std::ops::RangeInclusive<u64>, look: impl Fn(u64) + Sync) {
    let left: Mutex<VecDeque<u64>> = Mutex::new(seeds.collect());
    let next = || left.lock().unwrap().pop_front();
    let workers = if full() { 1 } else { std::thread::available_parallelism().unwrap().get() };
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(seed) = next() {
                    println!("seed {seed}");
                    look(seed);
                }
            });
        }
    });
}

/// A company that met all three incidents. A small one is loaded and built at the moments of the
/// demo's schedule too, but before the last of them only where an incident happens.
fn disturbed(seed: u64) -> Company {
    let company = Company::new(seed, scale());
    if full() {
        company.demo(&["--incident", "w1", "--incident", "w5", "--incident", "w6"]);
        return company;
    }
    let moments = demo::schedule(Incident::ALL, None, demo::end());
    let before = moments.iter().filter(|one| one.time < demo::end());
    for moment in before.filter(|one| one.action == demo::Action::Load) {
        company.play(Incident::ALL, moment.time);
        for (incident, streams, models) in PARTS {
            let own = demo::schedule(&[incident], None, demo::end());
            if own.iter().any(|one| one.time == moment.time) {
                // Some of these fail: that is what they are for.
                company.fiveply.run(&[&["load"][..], streams].concat()).unwrap();
                company.fiveply.run(&[&["build", "--select"][..], models].concat()).unwrap();
            }
        }
    }
    company.demo(&[]);
    company
}

/// A company to which nothing happened. Of a small one, only what is asked about below.
fn undisturbed(seed: u64) -> Company {
    let company = Company::new(seed, scale());
    if full() {
        company.good_demo(&["--incident", "none"]);
        return company;
    }
    company.play(&[], demo::end());
    let app = ["app.accounts", "app.users", "app.signups", "app.signups_mobile"];
    let others = ["crm.opportunities", "support.tickets"];
    company.fiveply.good(&[&["load"][..], &app[..], &others[..]].concat()).unwrap();
    let select = ["+signups_daily", "+fact_support_tickets", "+marketing_attribution"];
    // Some tests of these read models that nothing here needs.
    company.fiveply.good(&[&["run", "--select"][..], &select[..]].concat()).unwrap();
    company
}

fn diagnose(company: &Company, name: &str, day: &str) -> Value {
    let arguments = ["diagnose", name, "--on", day, "--output", "json"];
    let finished = company.fiveply.run(&arguments).unwrap();
    assert_eq!(finished.code, Some(0), "{}\n{}", finished.stdout, finished.stderr);
    serde_json::from_str(&finished.stdout).unwrap()
}

fn planted(company: &Company, incident: Incident) -> Vec<Planted> {
    let planted = company.truth().planted.into_iter();
    planted.filter(|one| one.incident == incident).collect()
}

/// The finding is the planted one: the hop, the rows and whose it is.
fn assert_found(diagnosis: &Value, planted: &Planted, kind: &str) {
    assert_eq!(diagnosis["verdict"], "explained", "{diagnosis:#}");
    let finding = &diagnosis["findings"][0];
    assert_eq!(finding["kind"], kind, "{diagnosis:#}");
    assert_eq!(finding["node"], planted.hop.as_str(), "{diagnosis:#}");
    assert_eq!(finding["rows"], planted.rows, "{diagnosis:#}");
    assert_eq!(finding["owner"], planted.owner.as_str(), "{diagnosis:#}");
    assert!(finding["run"].is_string(), "{diagnosis:#}");
    assert_eq!(diagnosis["findings"].as_array().unwrap().len(), 1, "{diagnosis:#}");
    assert_eq!(diagnosis["limits"], Value::Array(Vec::new()), "{diagnosis:#}");
}

#[test]
fn what_was_planted_is_found_in_ten_companies() {
    for_each_seed(DISTURBED, |seed| {
        let company = disturbed(seed);
        assert_w1(&company);
        for planted in planted(&company, Incident::W5) {
            let diagnosis = diagnose(&company, "marketing_attribution", &planted.day.to_string());
            assert_found_drift(&diagnosis, &planted);
        }
        for planted in planted(&company, Incident::W6) {
            assert_w6(&company, &planted);
        }
    });
}

/// W1 is found and taken apart; what is asked of its diagnosis.
fn assert_w1(company: &Company) {
    let truth = company.truth();
    let planted = planted(company, Incident::W1).pop().unwrap();
    let day = planted.day.to_string();
    let diagnosis = diagnose(company, "signups_daily", &day);
    assert_found(&diagnosis, &planted, "late_rows_dropped");
    let number = &diagnosis["number"];
    let happened = truth.signups_per_day[&planted.day];
    assert_eq!(number["complete"], happened as f64);
    assert_eq!(number["actual"], (happened - planted.rows) as f64);
    let shares = diagnosis["shares"].as_array().unwrap();
    assert_eq!(shares[0]["kind"], "real");
    assert_eq!(shares[1]["kind"], "gap");
    assert_eq!(shares[1]["amount"], -(planted.rows as f64));
    let parts: f64 = shares.iter().map(|share| share["amount"].as_f64().unwrap()).sum();
    let change = number["actual"].as_f64().unwrap() - number["usual"].as_f64().unwrap();
    assert!((parts - change).abs() < 1e-9, "{diagnosis:#}");
    let finding = &diagnosis["findings"][0];
    assert!(finding["at"].as_str().unwrap().starts_with("2026-05-22T18:11"), "{finding:#}");
    let timeline = finding["timeline"].as_array().unwrap();
    let failed = timeline.iter().filter(|one| one["what"].as_str().unwrap().contains("failed"));
    assert_eq!(failed.count(), 4, "14:03 and three retries: {finding:#}");
    if full() {
        let headline = diagnosis["headline"].as_str().unwrap();
        assert!(headline.contains("18% below"), "{headline}");
        assert!(headline.contains("2% is real, 16% is a gap"), "{headline}");
    }
    let mend = format!("fiveply backfill int_signups_deduplicated --from {day} --to {day}");
    assert_eq!(finding["mend"]["command"], mend);
}

/// The demo as it comes: W1 is in it, noticed by itself, told once, and mended by the command that
/// was told.
#[test]
fn w1_of_the_demo_is_noticed_and_mended_by_the_printed_command() {
    let company = Company::new(1, scale());
    company.good_demo(&[]);
    let truth = company.truth();
    assert_w1(&company);
    let planted = planted(&company, Incident::W1).pop().unwrap();
    assert_eq!(
        truth.planted,
        std::slice::from_ref(&planted),
        "the demo plants W1 and nothing else"
    );
    let day = planted.day.to_string();
    assert_noticed(&company, &planted.hop, &planted.owner, &day);
    let mended = diagnose(&company, "signups_daily", &day);
    assert_eq!(mended["verdict"], "mended", "{mended:#}");
    assert_eq!(mended["number"]["actual"], truth.signups_per_day[&planted.day] as f64);
    let finding = &mended["findings"][0];
    assert_eq!(finding["node"], planted.hop.as_str());
    assert_eq!(finding["mended"]["rows"], planted.rows);
    assert!(finding["mended"]["run"].is_string(), "{mended:#}");
}

fn assert_found_drift(diagnosis: &Value, planted: &Planted) {
    assert_eq!(diagnosis["verdict"], "explained", "{diagnosis:#}");
    let finding = &diagnosis["findings"][0];
    assert_eq!(finding["kind"], "column_renamed", "{diagnosis:#}");
    assert_eq!(finding["node"], planted.hop.as_str());
    assert_eq!(finding["rows"], planted.rows, "{diagnosis:#}");
    assert_eq!(finding["owner"], planted.owner.as_str());
    assert_eq!(finding["mend"]["edit"]["line"], "rename: {Lead_Source__c: LeadSource}");
    assert_eq!(finding["mend"]["edit"]["file"], "ingest/crm.yml");
    let readers: Vec<String> = finding["readers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let column = one["column"].as_str().unwrap_or_default();
            format!("{} {column}", one["node"].as_str().unwrap())
        })
        .collect();
    for reader in [
        "model.fiveply_demo.stg_crm__opportunities lead_source",
        "model.fiveply_demo.fact_salesforce_opportunities lead_source",
        "model.fiveply_demo.marketing_attribution lead_source",
    ] {
        assert!(readers.contains(&reader.to_owned()), "{readers:?}");
    }
    let held = &finding["held_back"][0];
    assert_eq!(held["node"], "model.fiveply_demo.marketing_attribution", "{diagnosis:#}");
    assert_eq!(held["owner"], "Growth");
}

/// W6: how many rows came twice, and what is held back.
fn assert_w6(company: &Company, planted: &Planted) {
    let diagnosis = diagnose(company, "fact_support_tickets", &planted.day.to_string());
    assert_found(&diagnosis, planted, "duplicates_delivered");
    let held: Vec<&str> = diagnosis["findings"][0]["held_back"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["node"].as_str().unwrap())
        .collect();
    assert!(held.contains(&"model.fiveply_demo.fact_support_tickets"), "{held:?}");
    assert!(held.contains(&"model.fiveply_demo.feature_churn_user_daily"), "{held:?}");
}

#[test]
fn nothing_is_wrong_in_ten_companies_where_nothing_was_planted() {
    for_each_seed(UNDISTURBED, |seed| {
        let company = undisturbed(seed);
        let tables = if full() {
            vec![
                "signups_daily",
                "fact_support_tickets",
                "marketing_attribution",
                "revenue_daily",
                "fact_user_events",
                "dim_accounts",
            ]
        } else {
            vec!["signups_daily", "fact_support_tickets", "marketing_attribution"]
        };
        for table in tables {
            let diagnosis = diagnose(&company, table, "2026-05-22");
            assert_eq!(diagnosis["verdict"], "nothing_wrong", "{table}: {diagnosis:#}");
            let headline = diagnosis["headline"].as_str().unwrap();
            assert!(headline.starts_with("nothing is wrong"), "{headline}");
            assert_eq!(diagnosis["findings"], Value::Array(Vec::new()), "{table}");
        }
    });
}
