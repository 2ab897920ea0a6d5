//! `cargo xtask test`: every check and test, from a bare machine.

use anyhow::{Result, bail};

use crate::run::{output, program, run as run_program};
use crate::{node_packages, tidy, tools};

/// Runs formatting, house rules, lints and all tests.
///
/// # Errors
/// At the first check that fails.
fn run_all(full: bool, filter: Option<&str>) -> Result<()> {
    if filter.is_none() {
        install_components()?;
        let mut format = program("cargo");
        run_program("check formatting", format.args(["fmt", "--all", "--check"]))?;
        tidy::run()?;
    }
    let tools = tools::install()?;
    if filter.is_none() {
        let mut lints = program("cargo");
        lints.args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]);
        lints.env("FIVEPLY_NODE", &tools.node).env("FIVEPLY_UI", "required");
        run_program("check lints", &mut lints)?;
    }
    let mut tests = program("cargo");
    tests.args(["test", "--workspace", "--no-fail-fast"]);
    if let Some(filter) = filter {
        tests.arg(filter);
    }
    tests.env("FIVEPLY_PYTHON", &tools.python).env("FIVEPLY_POSTGRES", &tools.postgres);
    tests.env("FIVEPLY_NODE", &tools.node).env("FIVEPLY_CHROMIUM", &tools.chromium);
    tests.env("FIVEPLY_UI", "required");
    tests.env("FIVEPLY_NODE_PACKAGES", node_packages::install(&tools.node)?);
    if full {
        tests.env("FIVEPLY_FULL", "1");
    }
    run_program("run the tests", &mut tests)
}

/// Reads the task's arguments.
///
/// # Errors
/// When a word is neither `--full` nor one filter, or a check fails.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let (flags, filters): (Vec<&str>, Vec<&str>) =
        words.iter().partition(|word| word.starts_with("--"));
    if let Some(flag) = flags.iter().find(|flag| **flag != "--full") {
        bail!("there is no option `{flag}`; `cargo xtask` shows the options");
    }
    if filters.len() > 1 {
        bail!("one filter at most, found {}", filters.join(" "));
    }
    run_all(!flags.is_empty(), filters.first().copied())
}

fn install_components() -> Result<()> {
    for (component, probe) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if output(component, program("cargo").args([probe, "--version"])).is_err() {
            let mut rustup = program("rustup");
            run_program(
                "install a part of the toolchain",
                rustup.args(["component", "add", component]),
            )?;
        }
    }
    Ok(())
}
