//! Ends the process at every commit step and at random moments; what is there afterwards equals an
//! undisturbed run: rows of all tables, positions, and sums of the row accounts.

use std::fmt::Write;

use testkit::{Depth, FaultReport, Fiveply, Folder, KillSuite, random_kills};

/// Hits that are tried at each point; more of them in a full run.
fn hits() -> &'static [u32] {
    if is_full() { &[1, 2, 3, 4, 6, 9, 14] } else { &[1, 2, 4] }
}

fn is_full() -> bool {
    std::env::var_os("FIVEPLY_FULL").is_some()
}

fn binary(folder: &Folder) -> Fiveply {
    Fiveply::new(env!("CARGO_BIN_EXE_fiveply"), folder.path())
}

/// A batch per file or page, so that a step passes each kill point more than once.
const SHOP: &str = r#"
-- dbt_project.yml --
name: shop
version: "1.0.0"
config-version: 2
models:
  shop:
    +materialized: table
-- fiveply.yml --
dialect: postgres
environment: prod
clock: "2026-05-25T12:00:00Z"
limits: {batch_rows: 1}
-- ingest/shop.yml --
connection: {type: files, path: data}
streams:
  - name: customers
    files: "customers/*.csv"
    primary_key: customer_id
    columns: {customer_id: bigint}
  - name: orders
    files: "orders/*.ndjson"
    columns: {order_id: bigint, customer_id: bigint}
  - name: events
    files: "events/*.ndjson"
    columns: {event_id: bigint}
    reject_limit: 90%
-- seeds/countries.csv --
code,country
de,Germany
fr,France
-- models/stg_orders.sql --
{{ config(materialized='view') }}
select order_id, customer_id, amount from {{ source('shop', 'orders') }}
-- models/customers_by_country.sql --
select coalesce(seed.country, customers.country) as country, count(*) as customers
from {{ source('shop', 'customers') }} as customers
left join {{ ref('countries') }} as seed on seed.code = customers.country
group by 1
-- models/orders_kept.sql --
{{ config(materialized='incremental', unique_key='order_id') }}
select order_id, customer_id, amount from {{ ref('stg_orders') }}
{% if is_incremental() %}
where order_id > (select max(order_id) from {{ this }})
{% endif %}
-- models/spent.sql --
select customer_id, sum(amount) as amount from {{ ref('orders_kept') }} group by 1
-- models/properties.yml --
version: 2
models:
  - name: orders_kept
    columns:
      - name: order_id
        data_tests: [unique, not_null]
  - name: stg_orders
    columns:
      - name: order_id
        data_tests: [not_null]
  - name: spent
    columns:
      - name: customer_id
        data_tests: [unique]
"#;

/// Files of one day: customers change their country, an event in three is no event.
fn day(day: u32) -> String {
    let mut text = String::new();
    let (first, country) = (day * 2, if day.is_multiple_of(2) { "de" } else { "fr" });
    writeln!(text, "-- data/customers/{day}.csv --\ncustomer_id,country").unwrap();
    for customer in [0, 1, first + 2, first + 3] {
        writeln!(text, "{customer},{country}").unwrap();
    }
    writeln!(text, "-- data/orders/{day}.ndjson --").unwrap();
    for order in (day * 5)..(day * 5 + 5) {
        let coupon = if day > 1 { r#","coupon":"may""# } else { "" };
        let customer = order % 4;
        writeln!(
            text,
            r#"{{"order_id":{order},"customer_id":{customer},"amount":{order}.25{coupon}}}"#
        )
        .unwrap();
    }
    writeln!(text, "-- data/events/{day}.ndjson --").unwrap();
    for event in (day * 6)..(day * 6 + 6) {
        match event % 3 {
            0 => writeln!(text, r#"{{"event_id":"no number"}}"#).unwrap(),
            _ => writeln!(text, r#"{{"event_id":{event},"what":"seen"}}"#).unwrap(),
        }
    }
    text
}

fn shop(days: std::ops::Range<u32>) -> Folder {
    let folder = Folder::with(SHOP).unwrap();
    for number in days {
        folder.add(&day(number)).unwrap();
    }
    folder
}

fn suite<'a>(
    folder: &'a Folder,
    fiveply: &'a Fiveply,
    arguments: &'a [&'a str],
    again: &'a [&'a str],
    depth: Depth,
) -> KillSuite<'a> {
    KillSuite { folder, fiveply, arguments, again, environment: "prod", depth }
}

#[test]
fn a_load_of_files_killed_at_any_step_ends_like_an_undisturbed_one() {
    let folder = shop(0..4);
    let fiveply = binary(&folder);
    let load = suite(&folder, &fiveply, &["load"], &["load"], Depth::Sums);
    let report = load.every_point(hits()).unwrap();
    println!("kill points, load of files: {report}");
    assert!(report.tried > 0);
    assert_eq!(report.never_met(), ["destination_answered"]);
}

#[test]
fn a_load_over_http_killed_at_any_step_ends_like_an_undisturbed_one() {
    let folder = Folder::empty().unwrap();
    let fiveply = binary(&folder);
    let generate = ["demo", "--generate", "--scale", "0.002", "--dir", "."];
    fiveply.good(&generate).unwrap();
    smaller_pages(&folder);
    let arguments = ["load", "billing", "crm", "support"];
    let load = suite(&folder, &fiveply, &arguments, &["retry"], Depth::Sums);
    let report = load.every_point(hits()).unwrap();
    println!("kill points, load over HTTP: {report}");
    assert!(report.tried > 0);
    assert_eq!(report.never_met(), ["destination_answered"]);
}

/// Several pages per stream, each a batch of its own; the files of the company are not needed.
fn smaller_pages(folder: &Folder) {
    std::fs::remove_dir_all(folder.path().join("data/app")).unwrap();
    let edit = |name: &str, from: &str, to: &str| {
        let path = folder.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name} says {from}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
    };
    edit("ingest/billing.yml", "limit: 100", "limit: 15");
    edit("ingest/support.yml", "per_page: 1000", "per_page: 6");
    edit("fiveply.yml", "dialect: postgres", "dialect: postgres\nlimits: {batch_rows: 1}");
}

#[test]
fn builds_killed_at_any_step_end_like_undisturbed_ones() {
    let folder = shop(0..2);
    let fiveply = binary(&folder);
    fiveply.good(&["load"]).unwrap();
    let build = suite(&folder, &fiveply, &["build"], &["retry"], Depth::Sums);
    let mut all = build.every_point(hits()).unwrap();
    // The second build finds changed sources: an increment, a changed seed, replaced tables.
    folder.add(&day(2)).unwrap();
    folder.add("-- seeds/countries.csv --\ncode,country\nde,Germany\nfr,Frankreich\n").unwrap();
    fiveply.good(&["load"]).unwrap();
    let build = suite(&folder, &fiveply, &["build"], &["build"], Depth::Net);
    all.add(&build.every_point(hits()).unwrap());
    println!("kill points, two builds: {all}");
    assert!(all.tried > 0);
    let only_loads = ["batch_read", "source_acknowledged", "destination_answered"];
    assert_eq!(all.never_met(), only_loads);
}

#[test]
fn a_run_that_publishes_at_its_end_shows_all_or_nothing_after_a_kill() {
    let folder = shop(0..2);
    let fiveply = binary(&folder);
    fiveply.good(&["load"]).unwrap();
    let arguments = ["build", "--publish", "run"];
    let build = suite(&folder, &fiveply, &arguments, &["retry"], Depth::Sums);
    let few: &[u32] = if is_full() { hits() } else { &[1, 3] };
    let report: FaultReport = build.every_point(few).unwrap();
    println!("kill points, a build that publishes at its end: {report}");
    assert!(report.tried > 0);
}

#[test]
fn twenty_random_kills_end_like_an_undisturbed_run() {
    let folder = shop(0..4);
    let fiveply = binary(&folder);
    let seeds = if is_full() { 1..6 } else { 1..2 };
    let commands: &[&[&str]] = &[&["load"], &["build"]];
    let before = folder.copy().unwrap();
    for seed in seeds {
        folder.become_like(&before).unwrap();
        let running = random_kills(&folder, &fiveply, commands, (20, seed), "prod").unwrap();
        println!("random kills, seed {seed}: 20 tried, {running} met a running command, 20 passed");
        assert!(running > 0);
    }
}
