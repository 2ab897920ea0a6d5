use std::collections::BTreeMap;

use demo::{Action, DemoOptions, Incident, Truth};
use serde_json::Value;

use crate::folder::{play, rows, small, time};

/// The deduplication step of the project, in a few lines: an increment takes what is younger than
/// the youngest sign-up it has.
#[derive(Default)]
struct Deduplicated {
    kept: BTreeMap<i64, String>,
}

impl Deduplicated {
    fn build(&mut self, loaded: &[Value]) {
        let watermark = self.kept.values().max().cloned().unwrap_or_default();
        for row in loaded {
            let at = row["signed_up_at"].as_str().unwrap();
            if at > watermark.as_str() {
                self.kept.insert(row["signup_id"].as_i64().unwrap(), at.to_owned());
            }
        }
    }

    fn of_day(&self, day: &str) -> u64 {
        self.kept.values().filter(|at| at.starts_with(day)).count() as u64
    }
}

/// Plays the schedule with a loader that stops a stream at the first file it cannot read.
fn play_the_schedule(options: &DemoOptions) -> Deduplicated {
    let mut model = Deduplicated::default();
    let (mut web, mut mobile) = (Vec::new(), Vec::new());
    for moment in demo::schedule(&options.incidents, None, demo::end()) {
        let generated = play(&DemoOptions { until: Some(moment.time), ..options.clone() });
        match moment.action {
            Action::Load => {
                let truth = Truth::read(&options.dir).unwrap();
                if truth.broken.get("app.signups").copied().unwrap_or(0) == 0 {
                    web = rows(&options.dir, "signups");
                }
                mobile = rows(&options.dir, "signups_mobile");
            }
            Action::Build => {
                assert_eq!(generated.files_written, 0, "played at the load already");
                model.build(&[web.clone(), mobile.clone()].concat());
            }
        }
    }
    model
}

#[test]
fn fridays_rows_fall_below_the_watermark_exactly_as_planted() {
    for (seed, scale) in [(1, 0.01), (2, 0.001)] {
        let dir = tempfile::tempdir().unwrap();
        let incidents = vec![Incident::W1];
        let options = DemoOptions { seed, scale, incidents, ..DemoOptions::new(dir.path()) };
        let model = play_the_schedule(&options);
        let truth = Truth::read(dir.path()).unwrap();
        let planted = &truth.planted[0];
        assert_eq!(planted.day.to_string(), "2026-05-22");
        assert!(planted.hop.ends_with("int_signups_deduplicated"));
        assert_eq!(planted.owner, "Data engineering");
        assert_eq!(planted.rows, ((191.0 * scale).round() as u64).max(1));
        for (day, signups) in &truth.signups_per_day {
            let lost = if *day == planted.day { planted.rows } else { 0 };
            assert_eq!(model.of_day(&day.to_string()), signups - lost, "{day}, seed {seed}");
        }
    }
}

#[test]
fn without_an_incident_any_steps_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = Deduplicated::default();
    for until in ["2026-05-01T00:00:00Z", "2026-05-22T14:03:00Z", "2026-05-25T23:59:59Z"] {
        play(&DemoOptions { until: Some(time(until)), ..small(dir.path()) });
        let loaded = [rows(dir.path(), "signups"), rows(dir.path(), "signups_mobile")].concat();
        model.build(&loaded);
    }
    let truth = Truth::read(dir.path()).unwrap();
    assert!(truth.planted.is_empty());
    let kept: u64 = truth.signups_per_day.values().sum();
    assert_eq!(model.kept.len() as u64, kept);
    let delivered = truth.rows["app.signups"] + truth.rows["app.signups_mobile"];
    assert_eq!(delivered, kept + truth.signups_twice);
}

#[test]
fn the_last_moment_of_a_schedule_is_where_the_play_ends() {
    let plain = demo::schedule(&[], None, demo::end());
    assert_eq!(plain.len(), 2);
    assert_eq!((plain[0].action, plain[1].action), (Action::Load, Action::Build));
    assert_eq!(plain[1].time, demo::end());
    let rest = demo::schedule(&[Incident::W1], Some(time("2026-05-22T16:30:00Z")), demo::end());
    let times: Vec<String> = rest.iter().map(|moment| moment.time.to_rfc3339()).collect();
    assert_eq!(times[0], "2026-05-22T17:03:00+00:00");
    assert_eq!(times.len(), 6);
}
