//! The ledger remembers which periods of a microbatch model were computed; gaps are named, and the
//! next build fills them.

use serde_json::Value;

use super::Desk;

const EVENTS: &str = r#"
-- fiveply.yml --
dialect: duckdb
clock: "2026-05-05T00:00:30Z"
-- models/events.sql --
{{ config(materialized='table', event_time='at') }}
select id, cast(at as timestamp) as at from (values
  (1, '2026-05-01 05:00:00'), (2, '2026-05-02 05:00:00'), (3, '2026-05-03 05:00:00'),
  (4, '2026-05-04 05:00:00')) as e(id, at)
-- models/daily.sql --
{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='at',
    batch_size='day', begin='2026-05-01', lookback=1) }}
select id, at, 'first' as made from {{ ref('events') }}
"#;

fn intervals(desk: &Desk) -> Value {
    let finished = desk.fiveply.good(&["intervals", "daily", "--output", "json"]).unwrap();
    serde_json::from_str(&finished.stdout).unwrap()
}

fn days(stretches: &Value) -> Vec<String> {
    let day = |one: &Value, key: &str| one[key].as_str().unwrap()[8..10].to_owned();
    let all = stretches.as_array().unwrap().iter();
    all.map(|one| format!("{}-{}", day(one, "start"), day(one, "end"))).collect()
}

#[test]
fn gaps_are_named_and_the_next_build_fills_them() {
    let desk = Desk::new("duckdb", EVENTS);
    let some = ["--event-time-start", "2026-05-02", "--event-time-end", "2026-05-03"];
    desk.good(&[&["build"][..], &some].concat());
    assert_eq!(desk.rows("select id from main.daily order by id"), ["2"]);
    let known = intervals(&desk);
    assert_eq!(days(&known["computed"]), ["02-03"], "{known:#}");
    assert_eq!(days(&known["gaps"]), ["01-02", "03-05"], "{known:#}");
    let text = desk.fiveply.run(&["intervals", "daily", "--check"]).unwrap();
    assert_eq!(text.code, Some(1));
    assert!(
        text.stdout.contains("never     2026-05-01 00:00:00  to 2026-05-02"),
        "{}",
        text.stdout
    );
    let why = desk.lines(&["ls", "--changed"]);
    assert!(why[0].contains("some of its periods were never computed"), "{why:?}");

    // Another code for what comes from now on; what stays keeps the code that made it.
    let text = EVENTS.split("-- models/daily.sql --").nth(1).unwrap().replace("first", "second");
    desk.add(&format!("-- models/daily.sql --{text}"));
    let told = desk.good(&["build", "--changed"]);
    assert!(told.stderr.contains("also computes what was never computed"), "{}", told.stderr);
    assert_eq!(
        desk.rows("select id, made from main.daily order by id"),
        ["1 second", "2 first", "3 second", "4 second"]
    );
    let known = intervals(&desk);
    assert_eq!(days(&known["gaps"]), Vec::<String>::new(), "{known:#}");
    let codes: Vec<&Value> =
        known["computed"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert_eq!(codes.len(), 3, "{known:#}");
    assert!(codes[0] == codes[2] && codes[0] != codes[1], "{known:#}");
    desk.fiveply.good(&["intervals", "daily", "--check"]).unwrap();
}

#[test]
fn days_on_which_builds_failed_are_made_good_by_the_next_one() {
    let desk = Desk::new("duckdb", EVENTS);
    let set = |day: u32| {
        let text = format!("dialect: duckdb\nclock: \"2026-05-{day:02}T00:00:30Z\"\n");
        desk.folder.write("fiveply.yml", text.as_bytes()).unwrap();
    };
    set(2);
    desk.good(&["build"]);
    let good = EVENTS.split("-- models/daily.sql --").nth(1).unwrap().to_owned();
    desk.add(&format!("-- models/daily.sql --{}", good.replace("id, at,", "id, at, no_column,")));
    set(3);
    desk.bad(&["build"]);
    desk.add(&format!("-- models/daily.sql --{good}"));
    set(5);
    desk.good(&["retry"]);
    assert_eq!(desk.rows("select id from main.daily order by id"), ["1", "2", "3", "4"]);
    assert_eq!(days(&intervals(&desk)["gaps"]), Vec::<String>::new());
    // From nothing, the memory begins anew.
    desk.good(&["build", "--full-refresh"]);
    assert_eq!(days(&intervals(&desk)["computed"]).len(), 1);
}
