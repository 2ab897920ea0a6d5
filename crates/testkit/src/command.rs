//! The real binary, run in a folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base::fault::{KILL_VARIABLE, KillPoint};
use serde_json::Value;

/// The binary under test, in one folder.
#[derive(Clone, Debug)]
pub struct Fiveply {
    binary: PathBuf,
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Fiveply {
    /// The binary at `binary` (`env!("CARGO_BIN_EXE_fiveply")`), run in `folder`.
    pub fn new(binary: impl Into<PathBuf>, folder: &Path) -> Self {
        Self { binary: binary.into(), folder: folder.to_path_buf(), variables: Vec::new() }
    }

    /// Sets an environment variable for every command.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.folder).args(arguments).stdin(Stdio::null());
        command.env_remove(KILL_VARIABLE).env("NO_COLOR", "1");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end, whatever that is.
    ///
    /// # Errors
    /// When the binary does not start.
    pub fn run(&self, arguments: &[&str]) -> Result<Finished> {
        finish(self.command(arguments).output().context("fiveply did not start")?)
    }

    /// Runs a command that must exit with 0.
    ///
    /// # Errors
    /// When it does not; the message holds what it printed.
    pub fn good(&self, arguments: &[&str]) -> Result<Finished> {
        let finished = self.run(arguments)?;
        if finished.code != Some(0) {
            bail!("`fiveply {}` ended with {finished:#?}", arguments.join(" "));
        }
        Ok(finished)
    }

    /// Runs a command that ends itself at the `hit`-th pass of a kill point. Returns whether it
    /// was killed; a command that passes the point less often just ends.
    ///
    /// # Errors
    /// When the binary does not start.
    pub fn killed_at(&self, point: KillPoint, hit: u32, arguments: &[&str]) -> Result<bool> {
        let finished = self.ended_at(point, hit, arguments)?;
        if finished.code.is_some_and(|code| code != 0) {
            bail!("before {}:{hit}, the command failed by itself: {finished:#?}", point.name());
        }
        Ok(finished.code.is_none())
    }

    /// The same, whatever the command's own end is: it has an exit code if it was not killed.
    ///
    /// # Errors
    /// When the binary does not start.
    pub fn ended_at(&self, point: KillPoint, hit: u32, arguments: &[&str]) -> Result<Finished> {
        let mut command = self.command(arguments);
        command.env(KILL_VARIABLE, format!("{}:{hit}", point.name()));
        finish(command.output().context("fiveply did not start")?)
    }

    /// Runs a command and kills it after a while. Returns whether it was still running then.
    ///
    /// # Errors
    /// When the binary does not start or cannot be killed.
    pub fn killed_after(&self, pause: Duration, arguments: &[&str]) -> Result<bool> {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().context("fiveply did not start")?;
        std::thread::sleep(pause);
        let running = child.try_wait()?.is_none();
        if running {
            child.kill()?;
        }
        child.wait()?;
        Ok(running)
    }

    /// The rows of a query, one JSON object each.
    ///
    /// # Errors
    /// When the query fails or prints something else.
    pub fn rows(&self, sql: &str) -> Result<Vec<Value>> {
        let finished = self.good(&["query", "--format", "json", "--limit", "0", sql])?;
        let lines = finished.stdout.lines().filter(|line| !line.trim().is_empty());
        lines.map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }

    /// The one value of a query with one row and one column.
    ///
    /// # Errors
    /// When the query fails or gives another shape.
    pub fn value(&self, sql: &str) -> Result<Value> {
        let rows = self.rows(sql)?;
        match rows.as_slice() {
            [Value::Object(row)] if row.len() == 1 => {
                Ok(row.values().next().cloned().unwrap_or_default())
            }
            other => bail!("`{sql}` gave {} rows: {other:?}", other.len()),
        }
    }
}

fn finish(output: Output) -> Result<Finished> {
    Ok(Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).context("standard output is not UTF-8")?,
        stderr: String::from_utf8(output.stderr).context("standard error is not UTF-8")?,
    })
}
