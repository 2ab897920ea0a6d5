//! Runs other programs and says what it runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// The folder for everything that is built or installed.
pub(crate) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A program started in the repository's root.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).stdin(Stdio::null());
    // What cargo tells this task about its own package would reach the build scripts of an inner
    // cargo, and make it build half the dependencies again.
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&variable);
        }
    }
    command
}

/// Runs a program to its end, its output shown.
///
/// # Errors
/// When it does not start or ends with another status than 0.
#[allow(clippy::print_stderr, reason = "progress of a command line tool")]
pub(crate) fn run(what: &str, command: &mut Command) -> Result<()> {
    eprintln!("— {what}");
    let status = command.status().with_context(|| format!("{what} did not start"))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// When it does not start or ends with another status than 0.
pub(crate) fn output(what: &str, command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{what} did not start"))?;
    if !output.status.success() {
        bail!("{what} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
