//! Incidents that nobody planted for a demo: a shop of our own, five weeks of orders, and one day
//! on which something goes wrong in one of many ways.

use std::fmt::Write as _;

use chrono::{Days, NaiveDate};
use serde_json::Value;

use crate::behaviour::Desk;

const DAY: &str = "2026-05-22";
/// Days of orders before and up to the day.
const DAYS: u64 = 36;
/// Orders of a day: more by day than by night.
const PER_HOUR: [u32; 24] =
    [1, 1, 1, 1, 1, 2, 3, 5, 8, 9, 9, 8, 8, 9, 9, 8, 7, 6, 5, 4, 3, 2, 2, 1];

const SHOP: &str = r#"
-- fiveply.yml --
dialect: postgres
clock: "2026-05-23T00:00:30Z"
-- ingest/raw.yml --
connection: {type: files, path: data}
owner: Shop team
streams:
  - name: orders
    files: "*.ndjson"
    columns: {ordered_at: timestamptz, amount: bigint}
    reject_limit: 90%
-- seeds/rates.csv --
currency,rate
EUR,1.1
USD,1.0
SEK,0.1
-- models/stg_orders.sql --
{{ config(materialized='view') }}
select order_id, currency, amount, cast(ordered_at as timestamp) as ordered_at
from {{ source('raw', 'orders') }}
-- models/orders.sql --
{{ config(materialized='table', meta={'owner': 'Ana'}) }}
select o.order_id, o.ordered_at, o.amount * r.rate as amount_usd
from {{ ref('stg_orders') }} o inner join {{ ref('rates') }} r on o.currency = r.currency
-- models/orders_daily.sql --
{{ config(materialized='table') }}
select cast(ordered_at as date) as day, count(*) as orders, sum(amount_usd) as usd
from {{ ref('orders') }} group by 1
"#;

fn day() -> NaiveDate {
    DAY.parse().unwrap()
}

/// The lines of one day, each through `change`, which may drop or break it.
fn lines(date: NaiveDate, change: &dyn Fn(u32, u32, String) -> Option<String>) -> String {
    let mut text = String::new();
    let mut number = 0;
    for (hour, count) in (0_u32..).zip(PER_HOUR) {
        for one in 0..count {
            number += 1;
            let currency = ["EUR", "USD", "SEK"][number as usize % 3];
            let line = format!(
                "{{\"order_id\": \"{date}-{number}\", \"currency\": \"{currency}\", \"amount\": \
                 {number}, \"ordered_at\": \"{date}T{hour:02}:{:02}:00Z\"}}",
                one * 5
            );
            if let Some(line) = change(hour, number, line) {
                writeln!(text, "{line}").unwrap();
            }
        }
    }
    text
}

fn whole(_: u32, _: u32, line: String) -> Option<String> {
    Some(line)
}

/// A shop whose last day went through `change`, loaded; what reads it is built by the caller.
fn shop(change: &dyn Fn(u32, u32, String) -> Option<String>) -> Desk {
    let desk = Desk::new("postgres", SHOP);
    for back in 0..DAYS {
        let date = day().checked_sub_days(Days::new(back)).unwrap();
        let text = if back == 0 { lines(date, change) } else { lines(date, &whole) };
        desk.folder.write(format!("data/{date}.ndjson"), text.as_bytes()).unwrap();
    }
    desk.fiveply.run(&["load", "--quiet"]).unwrap();
    desk
}

fn diagnose(desk: &Desk, name: &str) -> Value {
    let arguments = ["diagnose", name, "--on", DAY, "--output", "json"];
    let finished = desk.fiveply.good(&arguments).unwrap();
    let diagnosis: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(diagnosis["limits"], Value::Array(Vec::new()), "{diagnosis:#}");
    diagnosis
}

/// The one finding: kind, node, rows.
fn assert_one(diagnosis: &Value, kind: &str, node: &str, rows: u64) {
    let findings = diagnosis["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{diagnosis:#}");
    assert_eq!(findings[0]["kind"], kind, "{diagnosis:#}");
    assert_eq!(findings[0]["node"], node, "{diagnosis:#}");
    assert_eq!(findings[0]["rows"], rows, "{diagnosis:#}");
    assert_eq!(diagnosis["verdict"], "explained", "{diagnosis:#}");
}

fn rows_of(hours: std::ops::Range<usize>) -> u64 {
    PER_HOUR[hours].iter().map(|count| u64::from(*count)).sum()
}

#[test]
fn a_join_without_a_partner_and_a_partner_twice_are_found_in_the_model() {
    let third = |_: u32, number: u32, line: String| {
        Some(if number.is_multiple_of(3) { line.replace("EUR", "NOK") } else { line })
    };
    let desk = shop(&third);
    desk.good(&["build"]);
    let diagnosis = diagnose(&desk, "orders_daily");
    let lost = (1..=rows_of(0..24)).filter(|number| number.is_multiple_of(3)).count() as u64;
    assert_one(&diagnosis, "rows_lost_in_model", "model.shop.orders", lost);
    let what = diagnosis["findings"][0]["what"].as_str().unwrap();
    assert!(what.contains("inner join"), "{what}");
    assert_eq!(diagnosis["findings"][0]["owner"], "Ana");

    // The rate comes, twice: the day's orders in it are counted twice.
    desk.add("-- seeds/rates.csv --\ncurrency,rate\nEUR,1.1\nUSD,1.0\nSEK,0.1\nNOK,1\nNOK,1\n");
    desk.good(&["build"]);
    let diagnosis = diagnose(&desk, "orders_daily");
    assert_one(&diagnosis, "rows_doubled_in_model", "model.shop.orders", lost);
}

#[test]
fn silence_rejects_and_another_time_zone_are_found_at_the_source() {
    let silent = |hour: u32, _: u32, line: String| (!(9..15).contains(&hour)).then_some(line);
    let desk = shop(&silent);
    desk.good(&["build"]);
    let diagnosis = diagnose(&desk, "orders");
    assert_one(&diagnosis, "source_silent", "stream.raw.orders", rows_of(9..15));
    assert_eq!(diagnosis["findings"][0]["owner"], "Shop team");
    assert_eq!(diagnosis["number"]["complete"], rows_of(0..24) as f64);

    let broken = |_: u32, number: u32, line: String| {
        Some(if number.is_multiple_of(2) {
            line.replace("\"amount\": ", "\"amount\": \"many\", \"x\": ")
        } else {
            line
        })
    };
    let desk = shop(&broken);
    desk.good(&["build"]);
    let diagnosis = diagnose(&desk, "orders");
    let rejected = (1..=rows_of(0..24)).filter(|number| number.is_multiple_of(2)).count() as u64;
    assert_one(&diagnosis, "rows_rejected", "stream.raw.orders", rejected);

    let moved = |hour: u32, _: u32, line: String| {
        let later = (hour + 3) % 24;
        Some(line.replace(&format!("T{hour:02}:"), &format!("T{later:02}:")))
    };
    let desk = shop(&moved);
    desk.good(&["build"]);
    let diagnosis = diagnose(&desk, "orders");
    assert_one(&diagnosis, "time_shifted", "stream.raw.orders", rows_of(0..24));
}

#[test]
fn a_late_file_a_failed_test_and_a_real_change_are_told_apart() {
    let morning = |hour: u32, _: u32, line: String| (hour < 12).then_some(line);
    let evening = |hour: u32, _: u32, line: String| (hour >= 12).then_some(line);
    let desk = shop(&morning);
    desk.good(&["build"]);
    // The second half of the day comes after the build.
    desk.folder.write("data/late.ndjson", lines(day(), &evening).as_bytes()).unwrap();
    desk.good(&["load"]);
    let late = rows_of(12..24);
    let diagnosis = diagnose(&desk, "orders");
    assert_one(&diagnosis, "stale", "model.shop.orders", late);

    // A test that fails keeps it so.
    desk.add("-- tests/nothing_is_free.sql --\nselect * from {{ ref('orders') }}\n");
    desk.bad(&["build"]);
    let diagnosis = diagnose(&desk, "orders");
    assert_one(&diagnosis, "held_back", "model.shop.orders", late);
    std::fs::remove_file(desk.folder.path().join("tests/nothing_is_free.sql")).unwrap();
    desk.good(&["build"]);
    assert_eq!(diagnose(&desk, "orders")["verdict"], "nothing_wrong");

    // Every second order did not happen: nothing is wrong with the data.
    let half = |_: u32, number: u32, line: String| (number.is_multiple_of(2)).then_some(line);
    let desk = shop(&half);
    desk.good(&["build"]);
    let diagnosis = diagnose(&desk, "orders_daily");
    assert_eq!(diagnosis["verdict"], "real_change", "{diagnosis:#}");
    assert_eq!(diagnosis["findings"], Value::Array(Vec::new()));
}
