//! What the tests of the SQL door need from npm: the drivers that Node programs use.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run::{program, run, target_folder};

/// The drivers, pinned.
const PACKAGES: &[&str] = &["pg@8.23.1", "pg-cursor@2.22.0"];

/// Installs what is missing, into the target folder, and says where.
///
/// # Errors
/// When npm is not there or cannot install; the message says what to do.
pub(crate) fn install(node: &Path) -> Result<PathBuf> {
    let folder = target_folder().join("tools/node-pg");
    let stamp = folder.join("installed-packages.txt");
    let wanted = PACKAGES.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(folder);
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("{} not made", folder.display()))?;
    let mut npm = program(npm(node));
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(&folder);
    run("install the Node drivers that tests connect with", npm.args(PACKAGES)).context(
        "the tests ask the SQL door with node-pg: install Node 20 or newer with npm, or set \
         FIVEPLY_NODE to the `node` program",
    )?;
    std::fs::write(&stamp, wanted).with_context(|| format!("{} not written", stamp.display()))?;
    Ok(folder)
}

/// The npm beside the chosen node, else the one on the path.
fn npm(node: &Path) -> PathBuf {
    let beside = node.parent().map(|folder| folder.join("npm"));
    beside.filter(|npm| npm.exists()).unwrap_or_else(|| PathBuf::from("npm"))
}
