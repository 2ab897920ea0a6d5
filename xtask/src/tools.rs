//! What tests and benchmarks need beside Rust: a Python venv with the engines and readers to
//! compare with, and PostgreSQL's server. Installed by the test command itself, into the target
//! folder where that is possible.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::run::{output, program, root, run, target_folder};

/// Where the tools are.
pub(crate) struct Tools {
    /// The venv's interpreter.
    pub(crate) python: PathBuf,
    /// The folder that holds `initdb` and `postgres`.
    pub(crate) postgres: PathBuf,
}

/// Installs what is missing.
///
/// # Errors
/// When a tool can neither be found nor installed; the message says how to install it by hand.
pub(crate) fn install() -> Result<Tools> {
    Ok(Tools { python: install_python()?, postgres: install_postgres()? })
}

fn install_python() -> Result<PathBuf> {
    let requirements = root().join("xtask/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)
        .with_context(|| format!("{} cannot be read", requirements.display()))?;
    let venv = target_folder().join("tools/venv");
    let python = venv.join("bin/python");
    let stamp = venv.join("installed-requirements.txt");
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(python);
    }
    run("make a Python venv", program("python3").args(["-m", "venv"]).arg(&venv)).context(
        "the tests compare with PyIceberg and DuckDB: install Python 3.10 or newer with venv \
         (on Debian: apt-get install python3-venv)",
    )?;
    let mut pip = program(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    run("install the Python packages that tests compare with", pip.arg(&requirements))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("{} not written", stamp.display()))?;
    Ok(python)
}

fn install_postgres() -> Result<PathBuf> {
    if let Some(found) = find_postgres() {
        return Ok(found);
    }
    if Path::new("/usr/bin/apt-get").exists() {
        run("update the package list", program("apt-get").args(["update", "-qq"]))?;
        let mut apt = program("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt.args(["install", "-y", "-qq", "--no-install-recommends", "postgresql"]);
        run("install PostgreSQL's server", &mut apt)?;
    }
    match find_postgres() {
        Some(found) => Ok(found),
        None => bail!(
            "the tests compare with a PostgreSQL server, but `initdb` was not found: install \
             PostgreSQL, or set FIVEPLY_POSTGRES to the folder that holds `initdb`"
        ),
    }
}

fn find_postgres() -> Option<PathBuf> {
    let set = std::env::var_os("FIVEPLY_POSTGRES").map(PathBuf::from);
    let configured = output("pg_config", program("pg_config").arg("--bindir"))
        .ok()
        .map(|folder| PathBuf::from(folder.trim()));
    let packaged = std::fs::read_dir("/usr/lib/postgresql").ok().and_then(|versions| {
        versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).max()
    });
    [set, configured, packaged].into_iter().flatten().find(|bin| bin.join("initdb").exists())
}
