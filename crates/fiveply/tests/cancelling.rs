//! A statement that is cancelled or timed out stops burning CPU: measured at the server's process,
//! through a real driver.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;
use testkit::{Fiveply, Folder};

/// Seconds that each core may still burn after the client was told that its statement has ended.
const BURNT_MAX: f64 = 1.0;
/// What a statement must have burnt before, to count as heavy.
const HEAVY_MIN: f64 = 0.1;

/// Rows whose pairs of three are more than any machine goes through.
const ROWS: u32 = 3_000;

#[test]
fn a_statement_that_was_ended_burns_no_more_cpu() {
    let mut seed = "n,name\n".to_owned();
    for number in 1..=ROWS {
        writeln!(seed, "{number},name{number}").unwrap();
    }
    let folder = Folder::with("-- dbt_project.yml --\nname: shop\n").unwrap();
    folder.write("seeds/numbers.csv", seed.as_bytes()).unwrap();
    let fiveply = Fiveply::new(env!("CARGO_BIN_EXE_fiveply"), folder.path());
    fiveply.good(&["--quiet", "seed"]).unwrap();
    let up = fiveply.up(&["--no-schedule", "--sql-port", "0"]).unwrap();
    let python = std::env::var_os("FIVEPLY_PYTHON")
        .expect("FIVEPLY_PYTHON is not set; run the tests with `cargo xtask test`");
    let url = up.doors["sql"].as_str().unwrap().replacen("://", "://ana@", 1);
    let asked = Command::new(python)
        .args(["-c", include_str!("cancelling/burn.py"), &url])
        .arg(up.process().to_string())
        .output()
        .unwrap();
    up.stop().unwrap();
    let told = String::from_utf8(asked.stdout).unwrap();
    assert!(asked.status.success(), "{told}\n{}", String::from_utf8_lossy(&asked.stderr));
    println!("{told}");
    let cores = std::thread::available_parallelism().unwrap().get();
    let allowed = BURNT_MAX * f64::from(u32::try_from(cores).unwrap());
    let cases: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(cases.len(), 14);
    for case in cases {
        assert_eq!(case["state"], "57014", "{case}");
        assert!(case["before"].as_f64().unwrap() >= HEAVY_MIN, "it was not heavy: {case}");
        assert!(case["after"].as_f64().unwrap() <= allowed, "it went on: {case}");
    }
}
