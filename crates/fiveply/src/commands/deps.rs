//! `fiveply deps`: pins the packages that a project names, and installs them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::arguments::{Common, DepsArguments};
use crate::console::{Console, things};
use crate::events::warnings;
use crate::failure::Failure;
use crate::packages::{self, Installer, PackageSpec, Pinned, Written};
use crate::workplace;

/// Branches whose tip moves on: a package pinned to one of them changes without a word.
const MOVING: &[&str] = &["main", "master", "HEAD", "develop"];

pub(crate) async fn run(
    common: &Common,
    arguments: &DepsArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let root = workplace::find_root(common.project_dir.as_deref())?;
    if let Some(package) = &arguments.add_package {
        let file = packages::add_package(&root, package, arguments.source)?;
        console.say(&format!("added {package} to {}", file.display()));
    }
    let Some(written) = packages::read_specs(&root)?.filter(|found| !found.specs.is_empty()) else {
        console.say("no packages are named in packages.yml or dependencies.yml");
        return Ok(ExitCode::SUCCESS);
    };
    let target = root.join(common.target_path.clone().unwrap_or_else(|| PathBuf::from("target")));
    let mut installer = Installer::new(&root, &target)?;
    let pinned = pin(&root, &written, arguments, &mut installer, console).await?;
    if arguments.lock {
        return Ok(ExitCode::SUCCESS);
    }
    let into = root.join(install_path(&root));
    if into.is_dir() && !into.is_symlink() {
        std::fs::remove_dir_all(&into)?;
    }
    std::fs::create_dir_all(&into)?;
    for package in &pinned {
        installer.install(package, &into)?;
        console.say(&format!("installed {} from {}", package.name, packages::shown(&package.spec)));
    }
    let number = u64::try_from(pinned.len()).unwrap_or(u64::MAX);
    console.say(&format!("deps: {}", things(number, "package")));
    if console.json {
        let names: Vec<&str> = pinned.iter().map(|package| package.name.as_str()).collect();
        console.print(
            &json!({"command": "deps", "status": "succeeded", "packages": names}).to_string(),
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is installed: what the lock pins, while it was made from what is asked for today.
async fn pin(
    root: &Path,
    written: &Written,
    arguments: &DepsArguments,
    installer: &mut Installer,
    console: &Console,
) -> Result<Vec<Pinned>, Failure> {
    let hash = packages::hash_of(&written.entries);
    let lock = packages::read_lock(root)?;
    if let Some(lock) = lock.filter(|lock| lock.hash == hash && !arguments.upgrade) {
        let mut pinned = Vec::new();
        if arguments.lock {
            console.say("package-lock.yml is of today");
            return Ok(pinned);
        }
        for (_, spec) in &lock.pinned {
            pinned.push(installer.fetch(spec, root).await?);
        }
        return Ok(pinned);
    }
    for (spec, entry) in written.specs.iter().zip(&written.entries) {
        let quiet = entry.get("warn-unpinned").and_then(serde_json::Value::as_bool) == Some(false);
        if let PackageSpec::Git { address, revision, .. } = spec
            && !quiet
            && revision.as_deref().is_none_or(|name| MOVING.contains(&name))
        {
            let message = format!("the git package \"{address}\" is not pinned to a revision");
            let shown = warnings::warn("DepsUnpinned", &message, json!({"git": address}))?;
            if shown && !crate::events::speaks_dbt() {
                console.complain(&format!("warning: {message}; name a tag or a commit"));
            }
        }
    }
    let pinned = installer.resolve(&written.specs).await?;
    packages::write_lock(root, &pinned, &hash)?;
    console.say("wrote package-lock.yml");
    Ok(pinned)
}

/// The folder of packages: `packages-install-path` of dbt_project.yml.
fn install_path(root: &Path) -> PathBuf {
    let whole = packages::read_yaml(&root.join("dbt_project.yml")).unwrap_or_default();
    let named = whole.get("packages-install-path").and_then(serde_json::Value::as_str);
    let path = Path::new(named.unwrap_or("dbt_packages"));
    let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if plain { path.to_path_buf() } else { PathBuf::from("dbt_packages") }
}
