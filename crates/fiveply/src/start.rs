//! What happens before a command: flags are brought in order, and the log is begun.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;

use base::SourceFile;
use clap::CommandFactory;
use project::yaml;
use serde_json::{Map, Value};

use crate::arguments::{Arguments, LogLevel};
use crate::console::Console;
use crate::events::{self, NewLog};
use crate::failure::Failure;
use crate::flags::{self, Around, Prepared};
use crate::workplace::find_root;

/// dbt's commands that leave no log file: they run where no project is, or take it away.
const WITHOUT_FILE: &[&str] = &["clean", "docs serve", "init"];

/// The command line as clap reads it.
///
/// # Errors
/// When a variable or a flag of the project has no value that it can have.
pub(crate) fn prepare() -> Result<Prepared, Failure> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let project = project_flags(&words);
    let variable = |name: &str| std::env::var(name).ok();
    let around = Around { variable: &variable, project: &project };
    flags::prepare(words, Arguments::command(), &around).map_err(Failure::usage)
}

/// `flags:` of dbt_project.yml, or the older `config:` of nothing: a project without them has none.
fn project_flags(words: &[OsString]) -> Map<String, Value> {
    let written = words.iter().enumerate().find_map(|(at, word)| {
        let word = word.to_string_lossy();
        match word.strip_prefix("--project-dir")?.strip_prefix('=') {
            Some(folder) => Some(PathBuf::from(folder)),
            None => words.get(at + 1).map(PathBuf::from),
        }
    });
    let folder = written.or_else(|| std::env::var_os("DBT_PROJECT_DIR").map(PathBuf::from));
    let Ok(root) = find_root(folder.as_deref()) else { return Map::new() };
    let Ok(text) = std::fs::read_to_string(root.join("dbt_project.yml")) else {
        return Map::new();
    };
    let read = yaml::read(&SourceFile::new("dbt_project.yml", text), &mut Vec::new());
    let whole = read.map(|value| value.to_json()).unwrap_or_default();
    match whole.get("flags") {
        Some(Value::Object(flags)) => flags.clone(),
        Some(_) | None => Map::new(),
    }
}

/// The console as the command line asks for it.
pub(crate) fn console(arguments: &Arguments) -> Console {
    let common = &arguments.common;
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let terminal = std::io::stderr().is_terminal() && !plain;
    let colours = common.log.use_colors || (terminal && !common.log.no_use_colors);
    let level = common.log.log_level.unwrap_or(LogLevel::Info);
    let quiet = common.quiet || level > LogLevel::Info;
    Console::with_colours(common.output, quiet, colours)
}

/// Begins the log of one of dbt's commands.
///
/// # Errors
/// When the words about warnings mean nothing.
pub(crate) fn begin_log(
    arguments: &Arguments,
    command: &str,
    colours: bool,
) -> Result<(), Failure> {
    if !flags::is_of_dbt(command) {
        return Ok(());
    }
    let common = &arguments.common;
    let root = find_root(common.project_dir.as_deref()).ok();
    events::begin(&NewLog {
        options: &common.log,
        quiet: common.quiet,
        colours,
        command: command.rsplit(' ').next().unwrap_or(command),
        root: root.filter(|_| !WITHOUT_FILE.contains(&command)),
    })
}
