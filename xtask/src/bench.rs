//! `cargo xtask bench`: runs the scripts of `bench/` against a release build.

use anyhow::{Context, Result, bail};

use crate::run::{program, root, run as run_program, target_folder};
use crate::tools;

/// What is measured, and the packages that hold the benchmarks' workers. The workers are binaries,
/// not examples, and built together with the product: otherwise other features of some small
/// library would be chosen, and DataFusion would be built a second time.
const PACKAGES: &[&str] = &["fiveply", "compute", "storage"];

/// Beside the benchmarks, and none: it wants the folder of a project.
const NO_BENCHMARK: &str = "against_dbt";

/// Builds the release binary and the workers, then runs every benchmark, or those named; what
/// begins with a dash, and what follows it, is for the benchmarks themselves.
///
/// # Errors
/// When a build or a benchmark fails, or a name is not there.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let options = words.iter().position(|word| word.starts_with('-')).unwrap_or(words.len());
    let (names, options) = words.split_at(options);
    let scripts = scripts()?;
    if let Some(name) = names.iter().find(|name| !scripts.iter().any(|script| script == *name)) {
        bail!("there is no benchmark `{name}`; there are: {}", scripts.join(", "));
    }
    let tools = tools::install()?;
    let mut build = program("cargo");
    build.args(["build", "--release", "--bins"]);
    build.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    run_program("build the release binary and the benchmarks' workers", &mut build)?;
    for script in scripts.iter().filter(|one| names.is_empty() || names.contains(&one.as_str())) {
        let mut python = program(&tools.python);
        python.arg(root().join("bench").join(format!("{script}.py"))).args(options);
        python.env("FIVEPLY_RELEASE", target_folder().join("release"));
        run_program(&format!("bench {script}"), &mut python)?;
    }
    Ok(())
}

fn scripts() -> Result<Vec<String>> {
    let folder = root().join("bench");
    let entries = std::fs::read_dir(&folder)
        .with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".py")?.to_owned()))
        .filter(|name| !name.starts_with('_') && name != NO_BENCHMARK)
        .collect();
    names.sort();
    Ok(names)
}
