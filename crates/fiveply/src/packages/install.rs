//! Fetching packages: folders are linked, repositories are cloned by the `git` program, packed
//! folders are unpacked by the `tar` program. Whatever they hold is only text to us.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::spec::{PackageSpec, read_specs, read_yaml};
use crate::failure::Failure;

/// Bytes of one packed folder.
const TARBALL_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Packages that one project may have, those of packages included.
const PACKAGES_MAX: usize = 500;
/// Where dbt's hub is, unless `DBT_PACKAGE_HUB_URL` names another.
const HUB: &str = "https://hub.getdbt.com/";

/// A package with everything settled.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    /// Its name, from its own dbt_project.yml.
    pub(crate) name: String,
    /// Where it comes from; a revision is a commit.
    pub(crate) spec: PackageSpec,
    /// Where its files lie now.
    folder: PathBuf,
}

/// Fetches packages into a folder of its own, which goes with it.
#[derive(Debug)]
pub(crate) struct Installer {
    root: PathBuf,
    scratch: PathBuf,
    fetched: usize,
}

impl Drop for Installer {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}

impl Installer {
    /// An installer for a project.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn new(root: &Path, target: &Path) -> Result<Self, Failure> {
        let scratch = target.join(format!("packages-{}", std::process::id()));
        std::fs::create_dir_all(&scratch)?;
        Ok(Self { root: root.to_path_buf(), scratch, fetched: 0 })
    }

    /// Everything asked for, and what that asks for in turn, each once.
    ///
    /// # Errors
    /// When a package cannot be fetched, or two of one name differ.
    pub(crate) async fn resolve(&mut self, asked: &[PackageSpec]) -> Result<Vec<Pinned>, Failure> {
        let mut found: Vec<Pinned> = Vec::new();
        let mut waiting: Vec<(PackageSpec, PathBuf)> =
            asked.iter().rev().map(|spec| (spec.clone(), self.root.clone())).collect();
        while let Some((spec, base)) = waiting.pop() {
            if self.fetched >= PACKAGES_MAX {
                return Err(Failure::usage(format!(
                    "more than {PACKAGES_MAX} packages are asked for"
                ))
                .help("Look for packages that ask for each other."));
            }
            let pinned = self.fetch(&spec, &base).await?;
            if let Some(known) = found.iter().find(|known| known.name == pinned.name) {
                if known.spec == pinned.spec || known.folder == pinned.folder {
                    continue;
                }
                let message = format!("two different packages are named \"{}\"", pinned.name);
                return Err(Failure::usage(message)
                    .help("Take one of them out of packages.yml, or ask for the same revision."));
            }
            if let Some(below) = read_specs(&pinned.folder)? {
                let folder = pinned.folder.clone();
                waiting.extend(below.specs.into_iter().rev().map(|spec| (spec, folder.clone())));
            }
            found.push(pinned);
        }
        Ok(found)
    }

    /// Fetches one package.
    ///
    /// # Errors
    /// When it cannot be fetched, or is no package.
    pub(crate) async fn fetch(
        &mut self,
        spec: &PackageSpec,
        base: &Path,
    ) -> Result<Pinned, Failure> {
        self.fetched += 1;
        let (folder, spec) = match spec {
            PackageSpec::Local { path } => {
                let folder = base.join(path);
                if !folder.is_dir() {
                    return Err(Failure::usage(format!("there is no folder \"{path}\""))
                        .help("A local package is named by its folder, relative to the project."));
                }
                (folder.canonicalize()?, self.as_seen_from_root(path, base))
            }
            PackageSpec::Git { address, revision, subdirectory } => {
                self.clone(address, revision.as_deref(), subdirectory.as_deref())?
            }
            PackageSpec::Tarball { address, name } => (
                self.unpack(address).await?,
                PackageSpec::Tarball { address: address.clone(), name: name.clone() },
            ),
            PackageSpec::Hub { name, version } => self.of_hub(name, version).await?,
        };
        let file = folder.join("dbt_project.yml");
        if !file.is_file() {
            return Err(Failure::usage(format!("{} holds no dbt_project.yml", shown(&spec)))
                .help("Name the folder of the package; in a repository with `subdirectory:`."));
        }
        let name = read_yaml(&file)?.get("name").and_then(Value::as_str).map(str::to_owned);
        let Some(name) = name.filter(|name| is_plain(name)) else {
            return Err(Failure::usage(format!("the package of {} has no name", shown(&spec))));
        };
        Ok(Pinned { name, spec, folder })
    }

    /// A local package of a package lies where the package says, from its own folder.
    fn as_seen_from_root(&self, path: &str, base: &Path) -> PackageSpec {
        let path = match base == self.root || Path::new(path).is_absolute() {
            true => path.to_owned(),
            false => base.join(path).display().to_string(),
        };
        PackageSpec::Local { path }
    }

    fn place(&self) -> PathBuf {
        self.scratch.join(format!("{}", self.fetched))
    }

    fn clone(
        &self,
        address: &str,
        revision: Option<&str>,
        subdirectory: Option<&str>,
    ) -> Result<(PathBuf, PackageSpec), Failure> {
        let place = self.place();
        let refused = |what: &str, why: &str| {
            Failure::usage(format!("git could not {what} \"{}\": {why}", without_password(address)))
                .help(
                    "Try `git clone` with the same address; offline, name a local clone: \
                       `git: /path/to/clone`.",
                )
        };
        // What begins with a dash would be an option of git.
        let odd = address.starts_with('-') || revision.is_some_and(|name| name.starts_with('-'));
        if odd {
            return Err(refused("read", "neither address nor revision begins with a dash"));
        }
        let target = place.to_string_lossy().into_owned();
        git(&self.root, &["clone", "--quiet", "--", address, &target])
            .map_err(|why| refused("clone", &why))?;
        if let Some(revision) = revision {
            let remote = format!("origin/{revision}");
            let fits = [revision, remote.as_str()].into_iter().find_map(|name| {
                git(&place, &["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")])
                    .ok()
            });
            let Some(commit) = fits else {
                return Err(refused("find a revision in", &format!("there is no \"{revision}\"")));
            };
            git(&place, &["checkout", "--quiet", "--detach", commit.trim()])
                .map_err(|why| refused("check out", &why))?;
        }
        let commit = git(&place, &["rev-parse", "HEAD"]).map_err(|why| refused("read", &why))?;
        let folder = match subdirectory {
            Some(below) => inside(&place, below)?,
            None => place,
        };
        let spec = PackageSpec::Git {
            address: address.to_owned(),
            revision: Some(commit.trim().to_owned()),
            subdirectory: subdirectory.map(str::to_owned),
        };
        Ok((folder, spec))
    }

    async fn unpack(&self, address: &str) -> Result<PathBuf, Failure> {
        let place = self.place();
        std::fs::create_dir_all(&place)?;
        let packed = match address.strip_prefix("file://") {
            Some(path) => PathBuf::from(path),
            None if address.contains("://") => {
                let bytes =
                    movement::download(address, TARBALL_BYTES_MAX).await.map_err(|error| {
                        Failure::usage(format!("\"{address}\" could not be fetched: {error}")).help(
                            "Offline, name a file: `tarball: file:///path/to/package.tar.gz`.",
                        )
                    })?;
                let path = self.scratch.join(format!("{}.tar", self.fetched));
                std::fs::write(&path, bytes)?;
                path
            }
            None => self.root.join(address),
        };
        let (from, into) = (packed.to_string_lossy(), place.to_string_lossy());
        program("tar", &self.root, &["-xf", &from, "-C", &into, "--no-same-owner"]).map_err(
            |why| {
                Failure::usage(format!("\"{address}\" could not be unpacked: {why}"))
                    .help("A package is a tar file, packed or not, with one folder in it.")
            },
        )?;
        package_below(&place).ok_or_else(|| {
            Failure::usage(format!("\"{address}\" holds no package"))
                .help("A folder with a dbt_project.yml must be in it.")
        })
    }

    /// Asks the hub where a version lies, and takes that file.
    async fn of_hub(&self, name: &str, version: &str) -> Result<(PathBuf, PackageSpec), Failure> {
        let hub = std::env::var("DBT_PACKAGE_HUB_URL").unwrap_or_else(|_| HUB.to_owned());
        let address = format!("{}/api/v1/{name}.json", hub.trim_end_matches('/'));
        let offline = |why: String| {
            let short = name.rsplit('/').next().unwrap_or(name);
            Failure::usage(format!("the package \"{name}\" could not be had from the hub: {why}"))
                .help(format!(
                    "Offline, get its files another way and name them in packages.yml: \
                     `local: ../{short}`, `git: /path/to/clone`, or \
                     `tarball: file:///path/to/{short}.tar.gz` with `name: {short}`."
                ))
        };
        let answer = movement::download(&address, TARBALL_BYTES_MAX)
            .await
            .map_err(|error| offline(error.to_string()))?;
        let answer: Value =
            serde_json::from_slice(&answer).map_err(|error| offline(error.to_string()))?;
        let versions = answer.get("versions").and_then(Value::as_object);
        let Some(chosen) = versions.and_then(|known| best(known.keys(), version)) else {
            return Err(offline(format!("it has no version that fits \"{version}\"")));
        };
        let downloads = versions.and_then(|known| known.get(&chosen)?.get("downloads")).cloned();
        let Some(tarball) = downloads.as_ref().and_then(|it| it.get("tarball")?.as_str()) else {
            return Err(offline(format!("version {chosen} names no file")));
        };
        let folder = self.unpack(tarball).await?;
        Ok((folder, PackageSpec::Hub { name: name.to_owned(), version: chosen }))
    }

    /// Puts a package where the project looks for it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn install(&self, package: &Pinned, into: &Path) -> Result<(), Failure> {
        let place = into.join(&package.name);
        if let PackageSpec::Local { .. } = package.spec {
            let linked = std::os::unix::fs::symlink(&package.folder, &place);
            return if linked.is_ok() { Ok(()) } else { copy(&package.folder, &place) };
        }
        copy(&package.folder, &place)
    }
}

/// The newest version within bounds such as `>=1.0.0,<2.0.0` or `1.1.1`.
fn best<'a>(known: impl Iterator<Item = &'a String>, bounds: &str) -> Option<String> {
    let numbers = |text: &str| -> Option<Vec<u64>> {
        let text = text.trim().trim_start_matches('v');
        text.split('.').map(|part| part.parse().ok()).collect()
    };
    let fits = |version: &[u64]| {
        bounds.split(',').filter(|bound| !bound.trim().is_empty()).all(|bound| {
            let bound = bound.trim();
            let digits = bound.trim_start_matches(['<', '>', '=']);
            let Some(limit) = numbers(digits) else { return false };
            match &bound[..bound.len() - digits.len()] {
                ">=" => version >= limit.as_slice(),
                ">" => version > limit.as_slice(),
                "<=" => version <= limit.as_slice(),
                "<" => version < limit.as_slice(),
                _ => version == limit.as_slice(),
            }
        })
    };
    let known = known.filter_map(|text| Some((numbers(text)?, text)));
    known.filter(|(version, _)| fits(version)).max().map(|(_, text)| text.clone())
}

fn git(folder: &Path, words: &[&str]) -> Result<String, String> {
    program("git", folder, words)
}

/// Runs a program to its end; what it printed, or why it failed.
fn program(name: &str, folder: &Path, words: &[&str]) -> Result<String, String> {
    let output = Command::new(name)
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        // git must not ask for a password where nobody sits.
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .map_err(|error| format!("the program `{name}` does not run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.trim().lines().last().unwrap_or("it gave no reason").to_owned())
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|one| one.is_ascii_alphanumeric() || one == '_' || one == '-')
}

fn inside(folder: &Path, below: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(below);
    let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    match plain && folder.join(path).is_dir() {
        true => Ok(folder.join(path)),
        false => Err(Failure::usage(format!("the repository has no folder \"{below}\""))
            .help("`subdirectory:` names a folder below the repository's top.")),
    }
}

/// The folder of a package in what was unpacked.
fn package_below(folder: &Path) -> Option<PathBuf> {
    if folder.join("dbt_project.yml").is_file() {
        return Some(folder.to_path_buf());
    }
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    folders.into_iter().find(|folder| folder.join("dbt_project.yml").is_file())
}

/// Copies a package; links and git's own folder are left out.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let target = to.join(entry.file_name());
        if kind.is_dir() && entry.file_name() != ".git" {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn without_password(address: &str) -> String {
    match (address.split_once("://"), address.split_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => address.to_owned(),
    }
}

/// How a package is spoken of.
pub(crate) fn shown(spec: &PackageSpec) -> String {
    match spec {
        PackageSpec::Local { path } => format!("<local @ {path}>"),
        PackageSpec::Git { address, revision, .. } => {
            let revision = revision.as_deref().unwrap_or("HEAD");
            format!("{} at {revision}", without_password(address))
        }
        PackageSpec::Tarball { address, .. } => format!("tarball (url: {address})"),
        PackageSpec::Hub { name, version } => format!("{name} version {version}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_within_bounds_is_taken() {
        let known = ["0.9.0", "1.0.0", "1.10.0", "1.9.3", "2.0.0", "2.1.0-beta"].map(str::to_owned);
        let best = |bounds: &str| best(known.iter(), bounds);
        assert_eq!(best(">=1.0.0,<2.0.0").as_deref(), Some("1.10.0"));
        assert_eq!(best("1.9.3").as_deref(), Some("1.9.3"));
        assert_eq!(best("").as_deref(), Some("2.0.0"));
        assert_eq!(best(">3.0.0"), None);
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        assert_eq!(without_password("https://a:b@host/x.git"), "https://host/x.git");
        assert_eq!(without_password("git@host:x.git"), "git@host:x.git");
    }
}
