//! How a command was called, as templates see it.

use std::sync::Arc;

use chrono::{NaiveDateTime, TimeDelta, Utc};
use project::RowFilter;
use serde_json::{Map, Value, json};
use transformation::{EventTimes, Invocation, Listener, event_time};

use crate::arguments::{Common, LogLevel, RunArguments};
use crate::console::Console;
use crate::events::warnings::{self, Treatment};
use crate::events::{self, Event};
use crate::failure::Failure;
use crate::workplace::{Workplace, read_mapping};

/// Shows what templates say.
struct Shown(Console);

impl Listener for Shown {
    fn said(&self, message: &str, info: bool) {
        let (name, code, level) = match info {
            true => ("JinjaLogInfo", "I062", LogLevel::Info),
            false => ("JinjaLogDebug", "I063", LogLevel::Debug),
        };
        events::fire(Event::new(name, code, message).at(level).with(json!({"msg": message})));
        if events::speaks_dbt() {
            return;
        }
        if info && self.0.json {
            self.0.say(message);
        } else if info {
            // dbt prints to standard output, and scripts read it there.
            let _ = self.0.print(message);
        } else {
            tracing::debug!("{message}");
        }
    }

    fn printed(&self, message: &str) {
        if !events::prints() {
            return;
        }
        events::printed(message);
        if events::speaks_dbt() {
            return;
        }
        if self.0.json {
            self.0.say(message);
        } else {
            let _ = self.0.print(message);
        }
    }

    fn warned(&self, message: &str) {
        // Where it is an error the template has been told so already.
        let shown = warnings::warn("JinjaLogWarning", message, json!({"msg": message}));
        if shown.unwrap_or(true) && !events::speaks_dbt() {
            self.0.complain(&format!("warning: {message}"));
        }
    }
}

/// An invocation without options.
pub(crate) fn plain(
    which: &str,
    common: &Common,
    place: &Workplace,
    console: &Console,
) -> Invocation {
    let project = &place.project;
    let mut flags = project.flags.clone();
    let mut flags: Map<String, Value> = std::mem::take(&mut flags)
        .into_iter()
        .map(|(name, value)| (name.to_uppercase(), value))
        .collect();
    for (name, value) in [
        ("WHICH", json!(which)),
        ("FULL_REFRESH", json!(false)),
        ("STORE_FAILURES", json!(false)),
        ("EMPTY", json!(false)),
        ("QUIET", json!(common.quiet)),
        ("PRINT", json!(!common.log.no_print)),
        ("WRITE_JSON", json!(!common.log.no_write_json)),
        ("DEBUG", json!(common.log.debug)),
        ("FAIL_FAST", json!(false)),
        ("WARN_ERROR", json!(common.log.warn_error.then_some(true))),
        ("INDIRECT_SELECTION", json!("eager")),
        ("TARGET_PATH", json!(common.target_path)),
        ("PROJECT_DIR", json!(place.root)),
        ("PROFILES_DIR", json!(common.profiles_dir)),
        ("INTROSPECT", json!(true)),
        ("DEFER", json!(false)),
        ("FAVOR_STATE", json!(false)),
        ("VERSION_CHECK", json!(true)),
        ("USE_COLORS", json!(console.colours)),
        ("SEND_ANONYMOUS_USAGE_STATS", json!(false)),
    ] {
        flags.insert(name.to_owned(), value);
    }
    let vars = common.vars.as_deref().and_then(|text| read_mapping("--vars", text).ok());
    let arguments = [
        ("which", json!(which)),
        ("vars", json!(vars.unwrap_or_default())),
        ("target", json!(common.target)),
        ("profile", json!(common.profile)),
        ("project_dir", json!(place.root)),
        ("profiles_dir", json!(common.profiles_dir)),
        ("quiet", json!(common.quiet)),
        ("invocation_command", json!(command_line())),
    ];
    let arguments = arguments.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
    Invocation {
        flags,
        arguments,
        warnings_fail: warnings::tests_fail(),
        warnings_raise: warnings::treatment("JinjaLogWarning") == Treatment::Error,
        listener: Some(Arc::new(Shown(console.clone()))),
        ..Invocation::default()
    }
}

fn command_line() -> String {
    std::env::args().skip(1).fold("dbt".to_owned(), |line, word| format!("{line} {word}"))
}

/// The invocation of a command that carries out nodes.
///
/// # Errors
/// When a time on the command line is none.
pub(crate) fn of_run(
    which: &str,
    common: &Common,
    run: &RunArguments,
    place: &Workplace,
    console: &Console,
) -> Result<Invocation, Failure> {
    let mut invocation = plain(which, common, place, console);
    let select: Vec<&String> = run.selection.select.iter().collect();
    for (name, value) in [
        ("FULL_REFRESH", json!(run.full_refresh)),
        ("STORE_FAILURES", json!(run.store_failures)),
        ("EMPTY", json!(run.empty)),
        ("FAIL_FAST", json!(run.fail_fast)),
        ("SAMPLE", json!(run.sample)),
    ] {
        invocation.flags.insert(name.to_owned(), value);
    }
    for (name, value) in [
        ("full_refresh", json!(run.full_refresh)),
        ("select", json!(select)),
        ("exclude", json!(run.selection.exclude)),
        ("threads", json!(run.threads)),
        ("empty", json!(run.empty)),
        ("store_failures", json!(run.store_failures)),
        ("fail_fast", json!(run.fail_fast)),
    ] {
        invocation.arguments.insert(name.to_owned(), value);
    }
    invocation.store_failures = run.store_failures;
    let time = |name: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => event_time(text).map(Some).ok_or_else(|| {
            Failure::usage(format!("{name} is \"{text}\", which is no moment"))
                .help("Write it as 2024-01-31 or \"2024-01-31 12:00:00\".")
        }),
    };
    invocation.event_times = EventTimes {
        start: time("--event-time-start", &run.event_time_start)?,
        end: time("--event-time-end", &run.event_time_end)?,
    };
    if run.empty {
        invocation.filter = Some(RowFilter::Nothing);
    } else if let Some(text) = &run.sample {
        let now = place.clocks.business.now().with_timezone(&Utc).naive_utc();
        invocation.filter = Some(sample(text, now)?);
    }
    Ok(invocation)
}

/// `3 days`, or a mapping with `start` and `end`.
fn sample(text: &str, now: NaiveDateTime) -> Result<RowFilter, Failure> {
    let refuse = || {
        Failure::usage(format!("--sample is \"{text}\", which is no time"))
            .help("Write \"3 days\" or \"{'start': '2024-01-01', 'end': '2024-02-01'}\".")
    };
    if text.trim_start().starts_with('{') {
        let window = read_mapping("--sample", text)?;
        let moment = |key: &str| window.get(key).and_then(Value::as_str).and_then(event_time);
        let (start, end) = (moment("start").ok_or_else(refuse)?, moment("end").unwrap_or(now));
        return Ok(RowFilter::between(start, end));
    }
    let (count, unit) = text.trim().split_once(' ').ok_or_else(refuse)?;
    let count: i64 = count.parse().map_err(|_| refuse())?;
    let back = match unit.trim().trim_end_matches('s') {
        "hour" => TimeDelta::try_hours(count),
        "day" => TimeDelta::try_days(count),
        "month" => TimeDelta::try_days(count.saturating_mul(30)),
        "year" => TimeDelta::try_days(count.saturating_mul(365)),
        _ => None,
    };
    Ok(RowFilter::between(now - back.ok_or_else(refuse)?, now))
}
