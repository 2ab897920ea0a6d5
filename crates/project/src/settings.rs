//! `fiveply.yml`: what dbt has no word for. Every key is optional.

use std::collections::BTreeMap;

use base::{Diagnostic, Secret, Span};
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use crate::codes;
use crate::yaml::{Fields, Value};

/// What `fiveply.yml` says, or what holds without it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The SQL dialect the project is written in, when given.
    pub dialect: Option<String>,
    /// Folder or URL of the lake; relative to the project.
    pub warehouse: String,
    /// File of the ledger; relative to the project.
    pub ledger: String,
    /// What the business clock shows, when the project sets it.
    pub clock: Option<DateTime<Utc>>,
    /// Business seconds in a real second while a server runs the project's own clock.
    pub clock_speed: f64,
    /// The environment used when nobody names one.
    pub environment: Option<String>,
    /// What is said about environments.
    pub environments: BTreeMap<String, EnvironmentSettings>,
    /// Connections by name.
    pub connections: BTreeMap<String, Connection>,
    /// Bounds on what the machine gives.
    pub limits: Limits,
    /// Where alerts go; kept as written.
    pub alerts: Option<serde_json::Value>,
}

/// What is said about one environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentSettings {
    /// The schema its nodes go to by default.
    pub schema: Option<String>,
}

/// A named way to a system outside.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// `postgres`, `files`, `rest`, ...
    pub kind: String,
    /// Every key as written, Jinja rendered; it may hold passwords.
    pub settings: Secret<Value>,
    /// Where it is declared.
    pub span: Span,
    /// Why it is not complete, such as a missing environment variable; said when it is used.
    pub problem: Option<Diagnostic>,
}

/// Bounds on what the machine gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes one query may hold before it spills.
    pub memory_bytes: Option<u64>,
    /// Steps and scans at a time.
    pub threads: Option<u32>,
    /// Seconds one query may take.
    pub query_seconds: Option<u64>,
    /// Rows a load reads before it publishes them.
    pub batch_rows: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dialect: None,
            warehouse: ".fiveply/warehouse".to_owned(),
            ledger: ".fiveply/ledger.db".to_owned(),
            clock: None,
            clock_speed: 1.0,
            environment: None,
            environments: BTreeMap::new(),
            connections: BTreeMap::new(),
            limits: Limits::default(),
            alerts: None,
        }
    }
}

/// Business seconds in a real second, at most: an hour.
const CLOCK_SPEED_MAX: f64 = 3_600.0;

const DIALECTS: &[(&str, &str)] = &[
    ("duckdb", "duckdb"),
    ("postgres", "postgres"),
    ("snowflake", "snowflake"),
    ("bigquery", "bigquery"),
];

/// Reads `fiveply.yml`, its Jinja rendered.
pub(crate) fn read(value: &Value, diagnostics: &mut Vec<Diagnostic>) -> Settings {
    let mut settings = Settings::default();
    let Some(mut fields) = Fields::open(value, "fiveply.yml", diagnostics) else {
        return settings;
    };
    settings.dialect = fields.choice("dialect", DIALECTS).map(str::to_owned);
    if let Some(warehouse) = fields.text("warehouse") {
        settings.warehouse = warehouse;
    }
    if let Some(ledger) = fields.text("ledger") {
        settings.ledger = ledger;
    }
    settings.environment = fields.text("environment");
    let (clock, speed) = clock(&mut fields);
    settings.clock = clock;
    settings.clock_speed = speed.unwrap_or(settings.clock_speed);
    settings.alerts = fields.value("alerts").map(Value::to_json);
    settings.environments = environments(&mut fields);
    settings.connections = connections(&mut fields);
    settings.limits = limits(&mut fields);
    fields.finish();
    settings
}

/// A moment, or a mapping of the moment and a speed.
fn clock(fields: &mut Fields<'_, '_>) -> (Option<DateTime<Utc>>, Option<f64>) {
    let Some(value) = fields.value("clock") else { return (None, None) };
    if value.as_mapping().is_none() {
        let text = fields.text("clock");
        return (text.and_then(|text| moment(&text, &value.span, fields.diagnostics())), None);
    }
    let Some(mut clock) = Fields::open(value, "\"clock\"", fields.diagnostics()) else {
        return (None, None);
    };
    let now = clock.required_text("now");
    let span = clock.value("now").map_or_else(|| value.span.clone(), |now| now.span.clone());
    let speed_span = clock.value("speed").map(|speed| speed.span.clone());
    let speed = clock.number("speed");
    if let (Some(given), Some(span)) = (speed, speed_span)
        && !(given > 0.0 && given <= CLOCK_SPEED_MAX)
    {
        let message = format!("\"speed\" of \"clock\" is {given}");
        let problem = Diagnostic::error(codes::WRONG_VALUE, message).at(span, "");
        let help = format!("Use a number above 0 and up to {CLOCK_SPEED_MAX}; 1 is real time.");
        clock.diagnostics().push(problem.help(help));
    }
    let time = now.and_then(|text| moment(&text, &span, clock.diagnostics()));
    clock.finish();
    (time, speed.filter(|speed| *speed > 0.0 && *speed <= CLOCK_SPEED_MAX))
}

fn moment(text: &str, span: &Span, diagnostics: &mut Vec<Diagnostic>) -> Option<DateTime<Utc>> {
    let time = parse_time(text);
    if time.is_none() {
        let message = format!("\"clock\" of fiveply.yml is \"{text}\", which is no time");
        let problem = Diagnostic::error(codes::WRONG_VALUE, message).at(span.clone(), "");
        diagnostics.push(problem.help("Write it as 2026-05-22T06:00:00Z."));
    }
    time
}

fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.with_timezone(&Utc));
    }
    for format in ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return Some(time.and_utc());
        }
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc())
}

fn environments(fields: &mut Fields<'_, '_>) -> BTreeMap<String, EnvironmentSettings> {
    let mut found = BTreeMap::new();
    let Some(mapping) = fields.mapping("environments") else { return found };
    for entry in &mapping.entries {
        let mut settings = EnvironmentSettings::default();
        let what = format!("environment \"{}\"", entry.key);
        if entry.value.is_null() {
            found.insert(entry.key.clone(), settings);
        } else if let Some(mut fields) = Fields::open(&entry.value, what, fields.diagnostics()) {
            settings.schema = fields.text("schema");
            fields.finish();
            found.insert(entry.key.clone(), settings);
        }
    }
    found
}

fn connections(fields: &mut Fields<'_, '_>) -> BTreeMap<String, Connection> {
    let mut found = BTreeMap::new();
    let Some(mapping) = fields.mapping("connections") else { return found };
    for entry in &mapping.entries {
        let what = format!("connection \"{}\"", entry.key);
        // The keys beyond `type` belong to whoever connects, which reports unknown ones itself.
        let Some(mut inner) = Fields::open(&entry.value, what, fields.diagnostics()) else {
            continue;
        };
        if let Some(kind) = inner.required_text("type") {
            let connection = Connection {
                name: entry.key.clone(),
                kind,
                settings: Secret::new(entry.value.clone()),
                span: entry.key_span.clone(),
                problem: None,
            };
            found.insert(entry.key.clone(), connection);
        }
    }
    found
}

fn limits(fields: &mut Fields<'_, '_>) -> Limits {
    let mut limits = Limits::default();
    let Some(value) = fields.value("limits") else { return limits };
    let Some(mut inner) = Fields::open(value, "\"limits\"", fields.diagnostics()) else {
        return limits;
    };
    if let Some(text) = inner.text("memory") {
        limits.memory_bytes = parse_bytes(&text);
        if limits.memory_bytes.is_none() {
            let span = inner.value("memory").map_or(&value.span, |value| &value.span).clone();
            let message = format!("\"memory\" of \"limits\" is \"{text}\", which is no size");
            let problem = Diagnostic::error(codes::WRONG_VALUE, message).at(span, "");
            inner.diagnostics().push(problem.help("Write it as 4GB or 512MB."));
        }
    }
    limits.threads = inner.integer("threads").and_then(|count| u32::try_from(count).ok());
    limits.query_seconds = inner.integer("query_seconds").and_then(|n| u64::try_from(n).ok());
    limits.batch_rows = inner.integer("batch_rows").and_then(|n| u64::try_from(n).ok());
    inner.finish();
    limits
}

/// `512MB`, `4 GiB`, `1000000`.
pub(crate) fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..split].parse().ok()?;
    let unit = match text[split..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "kib" => 1 << 10,
        "m" | "mb" => 1_000_000,
        "mib" => 1 << 20,
        "g" | "gb" => 1_000_000_000,
        "gib" => 1 << 30,
        "t" | "tb" => 1_000_000_000_000,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::{parse_bytes, parse_time};

    #[test]
    fn sizes_and_times_are_read_in_the_usual_spellings() {
        assert_eq!(parse_bytes("4GB"), Some(4_000_000_000));
        assert_eq!(parse_bytes("512 MiB"), Some(512 << 20));
        assert_eq!(parse_bytes("many"), None);
        assert!(parse_time("2026-05-22").is_some());
        assert!(parse_time("2026-05-22T06:00:00+02:00").is_some());
        assert!(parse_time("soon").is_none());
    }
}
