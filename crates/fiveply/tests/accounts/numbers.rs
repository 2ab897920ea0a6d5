//! One number through every door: the tile, the command line, SQL, and the table behind them.

use serde_json::Value;

use super::company::Company;

/// The day whose sign-ups an incident of the demo takes away.
const DAY: &str = "2026-05-22";

/// The sign-ups of the day, the same wherever they are asked for.
pub(crate) fn signups_everywhere(company: &Company) -> u64 {
    let fiveply = &company.fiveply;
    let table = format!("select signups from main.signups_daily where signup_date = '{DAY}'");
    let table = fiveply.value(&table).unwrap().as_u64().unwrap();

    let question = ["metric", "query", "--metrics", "signups", "--group-by", "metric_time__day"];
    let days = ["--from", DAY, "--to", DAY, "--format", "json"];
    let asked = fiveply.good(&[&question[..], &days[..]].concat()).unwrap();
    let asked: Value = serde_json::from_str(asked.stdout.trim()).unwrap();
    assert_eq!(asked["signups"].as_u64(), Some(table), "the command line");

    let sql = format!("select measure(signups) as n from metrics where metric_time__day = '{DAY}'");
    assert_eq!(fiveply.value(&sql).unwrap().as_u64(), Some(table), "SQL");

    let show = ["--output", "json", "dashboard", "show", "company", "--tile", "signups_per_day"];
    let shown: Value = serde_json::from_str(&fiveply.good(&show).unwrap().stdout).unwrap();
    let tile = &shown["tiles"][0];
    assert_eq!(tile["error"], Value::Null);
    let rows = tile["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row[0] == DAY).unwrap();
    assert_eq!(row[1].as_u64(), Some(table), "the tile");
    table
}

/// Every tile of the demo's dashboard has rows.
pub(crate) fn no_tile_is_broken(company: &Company) {
    let show = ["--output", "json", "dashboard", "show", "company"];
    let shown: Value = serde_json::from_str(&company.fiveply.good(&show).unwrap().stdout).unwrap();
    for tile in shown["tiles"].as_array().unwrap() {
        assert_eq!(tile["error"], Value::Null, "{}", tile["name"]);
        assert_ne!(tile["rows"], serde_json::json!([]), "{}", tile["name"]);
        assert_ne!(tile["freshness"]["as_of"], Value::Null, "{}", tile["name"]);
    }
}
