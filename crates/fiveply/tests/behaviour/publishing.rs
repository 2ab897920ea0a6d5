//! When readers see what: write, audit, publish; all or nothing; retry.

use ledger::Tested;

use super::Desk;

const CHAIN: &str = r#"
-- dbt_project.yml --
name: shop
vars: {good: true, n: 1}
models: {shop: {+materialized: table}}
-- models/a.sql --
select {{ var('n') }} as n, 1 as id
-- models/b.sql --
select n, {% if var('good') %} id {% else %} cast(null as integer) as id {% endif %}
from {{ ref('a') }}
-- models/c.sql --
select n, id from {{ ref('b') }}
-- models/apart.sql --
select {{ var('n') }} as n
-- models/schema.yml --
models:
  - name: a
    columns: [{name: id, tests: [unique]}]
  - name: b
    columns: [{name: id, tests: [not_null]}]
  - name: c
    columns: [{name: id, tests: [unique]}]
"#;
const ALL: &str = "select (select n from a), (select n from b), (select n from c), \
                   (select n from apart)";

#[test]
fn a_failing_test_leaves_the_last_good_version_for_every_reader() {
    let desk = Desk::new("duckdb", CHAIN);
    let told = desk.good(&["build"]);
    assert_eq!(told.tests().len(), 3);
    assert_eq!(desk.versions("prod", "main.b")[0].tested, Tested::Passed);

    let told = desk.bad(&["build", "--vars", "{n: 2, good: false}"]);
    let expected = ["a succeeded", "apart succeeded", "b failed", "c skipped"];
    assert_eq!(told.statuses(), expected);
    let message = told.message("b");
    assert!(message.contains("not_null_b_id"), "{message}");
    assert!(message.contains("readers keep the last good version"), "{message}");
    assert_eq!(told.node("b")["published"], false);
    assert_eq!(told.node("a")["published"], true);
    assert!(told.message("c").contains("model.shop.b"), "{}", told.message("c"));
    assert_eq!(desk.rows(ALL), ["2 1 1 2"]);
    assert_eq!(desk.versions("prod", "main.b").len(), 1, "the bad version is no version");

    // Only what did not succeed runs again, with its tests, once the reason is gone.
    let told = desk.good(&["retry", "--vars", "{n: 2}"]);
    assert_eq!(told.statuses(), ["b succeeded", "c succeeded"]);
    assert_eq!(told.tests(), ["not_null_b_id passed 0", "unique_c_id passed 0"]);
    assert_eq!(desk.rows(ALL), ["2 2 2 2"]);
    let finished = desk.fiveply.good(&["retry"]).unwrap();
    assert!(finished.stderr.contains("nothing to retry"), "{}", finished.stderr);
}

#[test]
fn without_an_audit_the_order_is_dbts() {
    let desk = Desk::new("postgres", CHAIN);
    let told = desk.bad(&["build", "--no-audit", "--vars", "{n: 2, good: false}"]);
    assert_eq!(told.node("not_null_b_id")["status"], "failed");
    assert_eq!(told.node("b")["published"], true, "published before it is tested");
    assert_eq!(told.node("c")["status"], "skipped", "as dbt skips what a failed test is above");
    assert_eq!(desk.rows("select n from b"), ["2"]);
    let told = desk.bad(&["retry", "--vars", "{n: 2, good: false}"]);
    assert!(told.statuses().contains(&"not_null_b_id failed".to_owned()), "{:?}", told.statuses());
    desk.good(&["build", "--no-audit"]);
}

#[test]
fn run_publishes_without_tests_and_says_so_in_the_ledger() {
    let desk = Desk::new("duckdb", CHAIN);
    let told = desk.good(&["run", "--vars", "{good: false}"]);
    assert!(told.tests().is_empty());
    let versions = desk.versions("prod", "main.b");
    assert_eq!(versions[0].tested, Tested::Untested);
    let told = desk.bad(&["test"]);
    let expected = ["not_null_b_id failed 1", "unique_a_id passed 0", "unique_c_id passed 0"];
    assert_eq!(told.tests(), expected);
    let told = desk.bad(&["retry"]);
    assert_eq!(told.tests(), ["not_null_b_id failed 1"], "retry runs the one failed test");
}

#[test]
fn publishing_at_the_end_is_all_or_nothing_in_one_commit() {
    let desk = Desk::new("duckdb", CHAIN);
    desk.good(&["build", "--publish", "run"]);
    let tables = ["main.a", "main.b", "main.c", "main.apart"];
    let commits = || {
        let last = |table| desk.versions("prod", table).last().unwrap().commit_id.to_string();
        tables.map(last)
    };
    let first = commits();
    assert!(first.iter().all(|commit| *commit == first[0]), "{first:?}");
    assert_eq!(desk.rows(ALL), ["1 1 1 1"]);

    let told = desk.bad(&["build", "--publish", "run", "--vars", "{n: 2, good: false}"]);
    assert_eq!(told.statuses(), ["a skipped", "apart skipped", "b failed", "c skipped"]);
    assert!(told.message("apart").contains("not published"), "{}", told.message("apart"));
    assert_eq!(desk.rows(ALL), ["1 1 1 1"]);
    assert_eq!(commits(), first);

    let told = desk.good(&["retry", "--vars", "{n: 2}"]);
    assert_eq!(told.json["nodes"].as_array().unwrap().len(), 4, "{:?}", told.statuses());
    assert_eq!(desk.rows(ALL), ["2 2 2 2"]);
    let second = commits();
    assert!(second.iter().all(|commit| *commit == second[0]) && second[0] != first[0]);
}

#[test]
fn a_warning_publishes_and_is_remembered() {
    let warning = CHAIN.replace("tests: [not_null]", "tests: [not_null: {severity: warn}]");
    let desk = Desk::new("duckdb", &warning);
    let told = desk.good(&["build", "--vars", "{good: false}"]);
    assert_eq!(told.node("b")["status"], "warned");
    assert_eq!(told.node("b")["published"], true);
    assert_eq!(told.node("c")["status"], "succeeded");
    assert_eq!(desk.versions("prod", "main.b")[0].tested, Tested::Warned);
}

#[test]
fn the_first_failure_ends_the_run_when_asked() {
    let desk = Desk::new(
        "duckdb",
        r#"
-- models/a.sql --
select missing from {{ ref('base') }}
-- models/base.sql --
select 1 as id
-- models/z1.sql --
select id from {{ ref('base') }}
-- models/z2.sql --
select id from {{ ref('z1') }}
"#,
    );
    let told = desk.bad(&["run", "--fail-fast", "--threads", "1"]);
    assert_eq!(told.statuses(), ["a failed", "base succeeded", "z1 cancelled", "z2 skipped"]);
    assert_eq!(told.json["status"], "failed");
    let told = desk.bad(&["run", "--threads", "1"]);
    assert_eq!(told.statuses(), ["a failed", "base succeeded", "z1 succeeded", "z2 succeeded"]);
    desk.add("-- models/a.sql --\nselect id from {{ ref('base') }}\n");
    assert_eq!(desk.good(&["retry"]).statuses(), ["a succeeded"]);
}
