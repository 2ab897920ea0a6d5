//! What a command says for other programs to read: dbt's events, on the console when asked for and
//! in `logs/dbt.log`. One command is one process, so there is one log of it.

mod end;
mod file;
mod nodes;
mod steps;
pub(crate) mod warnings;

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use base::system::{SystemClock, SystemRandomness};
use base::{Clock, RunId};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::arguments::{LogArguments, LogFormat, LogLevel};
use crate::events::file::LogFile;
use crate::failure::Failure;

pub(crate) use end::{command_ended, freshness_checked, run_ended};
pub(crate) use steps::Told;

/// The version that tools which read dbt's files and events are told.
pub(crate) const DBT_VERSION: &str = "1.12.6";
/// The thread of what is no step.
const MAIN_THREAD: &str = "MainThread";
/// Events that carry data and are shown however quiet a command is.
const PRINTED: &[&str] = &["PrintEvent", "ShowNode", "CompiledNode"];
/// Variables whose values are never written.
const SECRET: &str = "DBT_ENV_SECRET";

static LOG: OnceLock<Log> = OnceLock::new();

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    name: &'static str,
    code: &'static str,
    level: LogLevel,
    message: String,
    data: Value,
    thread: String,
}

impl Event {
    /// An event of dbt's name and code.
    pub(crate) fn new(name: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            name,
            code,
            level: LogLevel::Info,
            message: message.into(),
            data: Value::Object(Map::new()),
            thread: MAIN_THREAD.to_owned(),
        }
    }

    /// How much it matters.
    #[must_use]
    pub(crate) fn at(self, level: LogLevel) -> Self {
        Self { level, ..self }
    }

    /// What it is about.
    #[must_use]
    pub(crate) fn with(self, data: Value) -> Self {
        Self { data, ..self }
    }

    /// The worker that it happened in.
    #[must_use]
    fn on(self, thread: String) -> Self {
        Self { thread, ..self }
    }

    fn is_printed(&self) -> bool {
        PRINTED.contains(&self.name)
    }
}

/// Where the console's lines go to, and which.
#[derive(Debug)]
struct ConsoleLines {
    format: LogFormat,
    level: LogLevel,
}

/// The log of this process.
#[derive(Debug)]
struct Log {
    console: Option<ConsoleLines>,
    file: Option<Mutex<LogFile>>,
    invocation: RunId,
    run_is_taken: Mutex<bool>,
    started: DateTime<Utc>,
    command: String,
    colours: bool,
    print: bool,
    write_json: bool,
    secrets: Vec<String>,
    warnings: OnceLock<warnings::Policy>,
}

/// What the log of a command is to be.
pub(crate) struct NewLog<'a> {
    pub(crate) options: &'a LogArguments,
    pub(crate) quiet: bool,
    pub(crate) colours: bool,
    /// As dbt calls it.
    pub(crate) command: &'a str,
    /// The project's folder; none leaves no file.
    pub(crate) root: Option<PathBuf>,
}

/// Begins the log of this process.
///
/// # Errors
/// When the words about warnings mean nothing.
pub(crate) fn begin(new: &NewLog<'_>) -> Result<(), Failure> {
    let options = new.options;
    let policy = warnings::Policy::of(options)?;
    let (asked, level) = match (options.log_format, options.debug) {
        (LogFormat::Default, true) => (LogFormat::Text, LogLevel::Debug),
        (format, true) => (format, LogLevel::Debug),
        (format, false) => (format, options.log_level.unwrap_or(LogLevel::Info)),
    };
    let level = if new.quiet { LogLevel::Error } else { level };
    let console = (asked != LogFormat::Default).then_some(ConsoleLines { format: asked, level });
    let file_level = options.log_level_file.unwrap_or(LogLevel::Debug);
    let file_format = match options.log_format_file {
        Some(format) => format,
        None if asked == LogFormat::Json => LogFormat::Json,
        None => LogFormat::Debug,
    };
    let folder = match &options.log_path {
        Some(folder) => Some(match &new.root {
            Some(root) => root.join(folder),
            None => folder.clone(),
        }),
        None => new.root.as_ref().map(|root| root.join("logs")),
    };
    let folder = folder.filter(|_| file_level != LogLevel::None);
    let file = folder.and_then(|folder| {
        LogFile::open(&folder, file_format, file_level, options.log_file_max_bytes)
    });
    let policy_cell = OnceLock::new();
    let _ = policy_cell.set(policy);
    let log = Log {
        console,
        file: file.map(Mutex::new),
        invocation: RunId::generate(&SystemClock, &SystemRandomness),
        run_is_taken: Mutex::new(false),
        started: SystemClock.now(),
        command: new.command.to_owned(),
        colours: new.colours,
        print: !options.no_print,
        write_json: !options.no_write_json,
        secrets: secrets(),
        warnings: policy_cell,
    };
    let _ = LOG.set(log);
    let version = format!("={DBT_VERSION}");
    let message = format!("Running with dbt{version}");
    fire(
        Event::new("MainReportVersion", "A001", message)
            .with(json!({"version": version, "log_version": 3})),
    );
    let words: Vec<String> = std::env::args().skip(1).collect();
    let spoken = format!("dbt {}", words.join(" "));
    fire(
        Event::new("MainReportArgs", "A002", format!("running dbt with arguments {spoken}"))
            .at(LogLevel::Debug)
            .with(json!({"args": {"invocation_command": spoken, "which": new.command}})),
    );
    Ok(())
}

fn secrets() -> Vec<String> {
    let named =
        std::env::vars().filter(|(name, value)| name.starts_with(SECRET) && value.len() > 1);
    named.map(|(_, value)| value).collect()
}

/// Whether the console shows dbt's lines instead of fiveply's own.
pub(crate) fn speaks_dbt() -> bool {
    LOG.get().is_some_and(|log| log.console.is_some())
}

/// Whether what templates print is shown.
pub(crate) fn prints() -> bool {
    LOG.get().is_none_or(|log| log.print)
}

/// Whether manifest.json and run_results.json are written.
pub(crate) fn writes_json() -> bool {
    LOG.get().is_none_or(|log| log.write_json)
}

/// The id under which this process is logged, for the one run that may have it.
pub(crate) fn take_run_id() -> Option<RunId> {
    let log = LOG.get()?;
    let mut taken = log.run_is_taken.lock().unwrap_or_else(PoisonError::into_inner);
    (!std::mem::replace(&mut *taken, true)).then(|| log.invocation.clone())
}

fn policy() -> Option<&'static warnings::Policy> {
    LOG.get().and_then(|log| log.warnings.get())
}

/// Writes an event down.
pub(crate) fn fire(event: Event) {
    let Some(log) = LOG.get() else { return };
    let now = SystemClock.now();
    if let Some(console) = &log.console {
        let shown = event.is_printed() || event.level >= console.level;
        if shown && console.level != LogLevel::None {
            let line = log.line(console.format, &event, now, log.colours);
            let mut out = std::io::stdout().lock();
            // Nobody is left to tell when standard output itself is closed.
            let _ = std::io::Write::write_all(&mut out, format!("{line}\n").as_bytes());
        }
    }
    if let Some(file) = &log.file {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        if event.level >= file.level {
            let line = log.line(file.format, &event, now, false);
            file.write(&line);
        }
    }
}

impl Log {
    fn line(&self, format: LogFormat, event: &Event, now: DateTime<Utc>, colours: bool) -> String {
        let line = match format {
            LogFormat::Json => self.json_line(event, now),
            LogFormat::Debug => self.debug_line(event, now),
            LogFormat::Text | LogFormat::Default if event.is_printed() => event.message.clone(),
            LogFormat::Text | LogFormat::Default => {
                let reset = if colours { "\u{1b}[0m" } else { "" };
                format!("{reset}{}  {}", now.format("%H:%M:%S"), event.message)
            }
        };
        self.secrets.iter().fold(line, |line, secret| line.replace(secret, "*****"))
    }

    fn debug_line(&self, event: &Event, now: DateTime<Utc>) -> String {
        let at = now.format("%H:%M:%S%.6f");
        let bar = "=".repeat(30);
        let head = match event.name {
            "MainReportVersion" => format!("\n\n{bar} {at} | {} {bar}\n", self.invocation),
            _ => String::new(),
        };
        let thread: String = event.thread.chars().take(10).collect();
        let level = word(event.level);
        format!("{head}{at} [{level:<5}] [{thread:<10}]: {}", event.message)
    }

    fn json_line(&self, event: &Event, now: DateTime<Utc>) -> String {
        json!({
            "data": event.data,
            "info": {
                "category": "",
                "code": event.code,
                "extra": extra(),
                "invocation_id": self.invocation,
                "level": word(event.level),
                "msg": event.message,
                "name": event.name,
                "pid": std::process::id(),
                "thread": event.thread,
                "ts": moment(now),
            },
        })
        .to_string()
    }
}

/// `DBT_ENV_CUSTOM_ENV_…` variables, as dbt hands them on.
fn extra() -> Map<String, Value> {
    let named = std::env::vars().filter_map(|(name, value)| {
        Some((name.strip_prefix("DBT_ENV_CUSTOM_ENV_")?.into(), value))
    });
    named.map(|(name, value)| (name, Value::from(value))).collect()
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error | LogLevel::None => "error",
    }
}

/// A line that dbt has no event for.
pub(crate) fn note(level: LogLevel, message: &str) {
    fire(Event::new("Note", "Z050", message).at(level).with(json!({"msg": message})));
}

/// Data that a command was asked for: the lines of `ls`, what templates print.
pub(crate) fn printed(message: &str) {
    fire(Event::new("PrintEvent", "Z052", message).with(json!({"msg": message})));
}

/// Why the command ended early.
pub(crate) fn failed(message: &str) {
    let text = format!("Encountered an error:\n{message}");
    fire(
        Event::new("MainEncounteredError", "Z002", text)
            .at(LogLevel::Error)
            .with(json!({"exc": message})),
    );
}
