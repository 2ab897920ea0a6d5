use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use demo::{Company, DemoError, DemoOptions, Incident, Truth, generate};
use serde_json::Value;

pub(crate) fn play(options: &DemoOptions) -> demo::Generated {
    generate(options, &|_| {}).unwrap()
}

pub(crate) fn small(dir: &Path) -> DemoOptions {
    DemoOptions { scale: 0.002, ..DemoOptions::new(dir) }
}

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Every file below a folder, with its content.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Objects of every readable line of a stream's files.
pub(crate) fn rows(dir: &Path, stream: &str) -> Vec<Value> {
    let files = files(&dir.join("data/app").join(stream));
    let lines = files.values().flat_map(|content| std::str::from_utf8(content).unwrap().lines());
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn assert_same(left: &Path, right: &Path) {
    let (left, right) = (files(left), files(right));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&left), names(&right));
    for (name, content) in &left {
        assert!(content == &right[name], "{name} differs");
    }
}

#[test]
fn a_play_in_steps_leaves_the_same_files_as_one_call() {
    let (once, steps) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let planted = |dir: &Path| DemoOptions { incidents: Incident::ALL.to_vec(), ..small(dir) };
    play(&planted(once.path()));
    for until in [
        "2026-02-25T00:00:00Z",
        "2026-03-01T10:30:00Z",
        "2026-03-01T10:59:58Z",
        "2026-03-01T10:59:59Z",
        "2026-05-22T14:03:00Z",
        "2026-05-22T18:06:59Z",
        "2026-05-22T18:11:00Z",
        "2026-05-25T23:59:59Z",
    ] {
        play(&DemoOptions { until: Some(time(until)), ..planted(steps.path()) });
    }
    assert_same(once.path(), steps.path());
    let again = play(&planted(steps.path()));
    assert_eq!((again.files_written, again.project_files.len()), (0, 0));
    assert_same(once.path(), steps.path());
}

#[test]
fn seeds_tell_companies_apart_and_repeat_them() {
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let until = Some(time("2026-03-10T00:00:00Z"));
    for (dir, seed) in dirs.iter().zip([7, 7, 8]) {
        play(&DemoOptions { seed, until, ..small(dir.path()) });
    }
    assert_same(dirs[0].path(), dirs[1].path());
    assert_ne!(rows(dirs[0].path(), "signups"), rows(dirs[2].path(), "signups"));
}

#[test]
fn every_kind_of_thing_happens_at_a_small_scale() {
    for scale in [0.001, 0.01] {
        let dir = tempfile::tempdir().unwrap();
        let generated = play(&DemoOptions { scale, ..DemoOptions::new(dir.path()) });
        for stream in ["accounts", "users", "signups", "signups_mobile", "usage"] {
            let counted = generated.rows[&format!("app.{stream}")];
            assert!(counted > 0, "{stream} at {scale}");
            assert_eq!(rows(dir.path(), stream).len() as u64, counted, "{stream} at {scale}");
        }
        assert_eq!(generated.rows["app.usage"], (1_000_000.0 * scale) as u64);
        assert!(generated.rows["nps.answers"] > 0 && generated.broken["app.usage"] > 0);
        assert!(generated.broken["nps.answers"] > 0);
        let truth = Truth::read(dir.path()).unwrap();
        assert!(truth.signups_twice > 0 || scale < 0.01);
        assert_eq!(truth.rows, generated.rows);
        for (stream, records) in &truth.vendors {
            assert!(*records > 0 || scale < 0.01, "{stream} at {scale}");
        }
    }
}

#[test]
fn ids_are_unique_and_references_lead_somewhere() {
    let dir = tempfile::tempdir().unwrap();
    play(&small(dir.path()));
    let set = |stream: &str, key: &str| -> BTreeSet<String> {
        let found = rows(dir.path(), stream).into_iter();
        found.map(|row| row[key].as_str().unwrap().to_owned()).collect()
    };
    let truth = Truth::read(dir.path()).unwrap();
    let (accounts, users) = (set("accounts", "account_id"), set("users", "user_id"));
    assert_eq!(accounts.len() as u64, truth.people["accounts"]);
    assert_eq!(users.len() as u64, truth.people["users"]);
    let events = rows(dir.path(), "usage");
    assert_eq!(set("usage", "event_id").len(), events.len());
    assert!(set("users", "account_id").is_subset(&accounts));
    assert!(set("usage", "user_id").is_subset(&users));
    assert!(events.iter().all(|event| event["properties"]["duration_ms"].is_i64()));
    assert!(events.iter().any(|event| event["session_id"].is_null()));
    for signup in rows(dir.path(), "signups") {
        let invited = &signup["invited_to_account_id"];
        assert!(invited.is_null() || accounts.contains(invited.as_str().unwrap()));
    }
}

#[test]
fn a_file_holds_what_happened_in_its_hour() {
    let dir = tempfile::tempdir().unwrap();
    play(&small(dir.path()));
    for (name, content) in files(&dir.path().join("data/app")) {
        if name.starts_with("usage") || name.starts_with("signups") {
            let field = if name.starts_with("usage") { "event_ts" } else { "signed_up_at" };
            let mut parts = name.split(['=', '/', '.']);
            let (date, hour) = (parts.nth(2).unwrap(), parts.nth(1).unwrap());
            let lines = std::str::from_utf8(&content).unwrap().lines();
            for row in lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
                let at = row[field].as_str().unwrap();
                assert!(at.starts_with(&format!("{date}T{hour}:")), "{at} in {name}");
            }
        }
    }
}

#[test]
fn what_the_user_edited_stays_and_the_clock_follows_the_play() {
    let dir = tempfile::tempdir().unwrap();
    let until = |text: &str| DemoOptions { until: Some(time(text)), ..small(dir.path()) };
    play(&until("2026-04-01T00:00:00Z"));
    let (model, settings) = (dir.path().join("models/own.sql"), dir.path().join("fiveply.yml"));
    fs::write(&model, "select 1").unwrap();
    let project = dir.path().join("dbt_project.yml");
    fs::write(&project, "name: mine\n").unwrap();
    fs::remove_file(dir.path().join("seeds/plans.csv")).unwrap();
    let text = fs::read_to_string(&settings).unwrap() + "# a note of mine\n";
    assert!(text.contains("clock: \"2026-04-01T00:00:00Z\"\n"));
    fs::write(&settings, text).unwrap();

    let generated = play(&until("2026-04-02T06:00:00Z"));
    assert_eq!(generated.project_files, ["seeds/plans.csv"]);
    assert_eq!(fs::read_to_string(&project).unwrap(), "name: mine\n");
    let text = fs::read_to_string(&settings).unwrap();
    assert!(text.contains("clock: \"2026-04-02T06:00:00Z\"\n"));
    assert!(text.contains("a note of mine"));
    let company = Company::open(dir.path()).unwrap().unwrap();
    assert_eq!(company.until, time("2026-04-02T06:00:00Z"));
}

#[test]
fn a_folder_keeps_to_its_company() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Company::open(dir.path()).unwrap(), None);
    let until = Some(time("2026-05-23T00:00:00Z"));
    let played = DemoOptions { until, scale: 0.0001, ..DemoOptions::new(dir.path()) };
    play(&played);
    let refused = |options: DemoOptions| generate(&options, &|_| {}).unwrap_err();
    let other = refused(DemoOptions { seed: 99, ..played.clone() });
    assert!(matches!(other, DemoError::OtherCompany { seed: 1, .. }), "{other}");
    let earlier =
        refused(DemoOptions { until: Some(time("2026-05-01T00:00:00Z")), ..played.clone() });
    assert!(matches!(earlier, DemoError::Played { .. }), "{earlier}");
    let late = refused(DemoOptions { incidents: vec![Incident::W1], ..played.clone() });
    assert!(matches!(late, DemoError::TooLate { incident: Incident::W1, .. }), "{late}");
    let outside = refused(DemoOptions { until: Some(time("2027-01-01T00:00:00Z")), ..played });
    assert!(matches!(outside, DemoError::Outside { .. }), "{outside}");
    let scale = refused(DemoOptions { scale: 0.0, ..DemoOptions::new(dir.path()) });
    assert!(matches!(scale, DemoError::Scale { .. }), "{scale}");
    fs::write(dir.path().join(".demo.json"), "{").unwrap();
    assert!(matches!(Company::open(dir.path()), Err(DemoError::Corrupt { .. })));
}
