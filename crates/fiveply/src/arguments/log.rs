//! What is written down while a command works, and which of its warnings are errors: dbt's options
//! of every command.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// On the console fiveply's own progress, in the file as `debug`.
    #[default]
    Default,
    /// Time and message.
    Text,
    /// Date, time, level, thread and message.
    Debug,
    /// One JSON document a line, with dbt's event names.
    Json,
}

/// What is worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum LogLevel {
    /// Everything.
    Debug,
    /// What an operator wants to know.
    Info,
    /// Warnings and errors.
    Warn,
    /// Errors.
    Error,
    /// Nothing.
    None,
}

/// What is written down.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Logs and warnings")]
pub(crate) struct LogArguments {
    /// Lines of the console: text, debug and json are dbt's, on standard output
    #[arg(long, global = true, value_enum, default_value = "default", hide_short_help = true)]
    pub(crate) log_format: LogFormat,
    /// Lines of the log file
    #[arg(long, global = true, value_enum, hide_short_help = true)]
    pub(crate) log_format_file: Option<LogFormat>,
    /// What is worth a line on the console [default: info]
    #[arg(long, global = true, value_enum, hide_short_help = true)]
    pub(crate) log_level: Option<LogLevel>,
    /// What is worth a line in the file [default: debug]
    #[arg(long, global = true, value_enum, hide_short_help = true)]
    pub(crate) log_level_file: Option<LogLevel>,
    /// Folder of dbt.log [default: logs]
    #[arg(long, global = true, value_name = "FOLDER", hide_short_help = true)]
    pub(crate) log_path: Option<PathBuf>,
    /// Bytes after which a new dbt.log is begun; five old ones are kept, 0 keeps one for ever
    #[arg(long, global = true, value_name = "BYTES", hide = true, default_value_t = 10_485_760)]
    pub(crate) log_file_max_bytes: u64,
    /// As `--log-format text --log-level debug`
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) debug: bool,
    /// What templates print is not shown
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) no_print: bool,
    /// Leave no manifest.json and no run_results.json
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) no_write_json: bool,
    /// Colours also where no terminal is
    #[arg(long, global = true, hide_short_help = true, overrides_with = "no_use_colors")]
    pub(crate) use_colors: bool,
    /// No colours
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) no_use_colors: bool,
    /// Colours in the log file
    #[arg(long, global = true, hide = true)]
    pub(crate) use_colors_file: bool,
    /// Warnings are errors
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) warn_error: bool,
    /// Which warnings are errors: '{error: all, warn: [NoNodesForSelectionCriteria]}'
    #[arg(long, global = true, value_name = "YAML", hide_short_help = true)]
    pub(crate) warn_error_options: Option<String>,
}
