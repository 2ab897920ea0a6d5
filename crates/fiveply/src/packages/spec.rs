//! `packages.yml` or `dependencies.yml`: what is asked for, as written and as meant.

use std::path::{Path, PathBuf};

use base::SourceFile;
use project::yaml;
use serde_json::{Map, Value};

use crate::arguments::PackageSource;
use crate::failure::Failure;

/// A package that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PackageSpec {
    /// A folder, relative to the project.
    Local { path: String },
    /// A git repository.
    Git { address: String, revision: Option<String>, subdirectory: Option<String> },
    /// A packed folder behind an address.
    Tarball { address: String, name: String },
    /// A package of dbt's hub.
    Hub { name: String, version: String },
}

/// Everything that a project asks for.
#[derive(Debug)]
pub(crate) struct Written {
    /// Its entries as they stand there.
    pub(crate) entries: Vec<Map<String, Value>>,
    /// What they mean.
    pub(crate) specs: Vec<PackageSpec>,
}

/// Reads what a folder asks for; nothing where it has neither file.
///
/// # Errors
/// When a file cannot be read, or an entry names no package.
pub(crate) fn read_specs(folder: &Path) -> Result<Option<Written>, Failure> {
    for name in ["dependencies.yml", "packages.yml"] {
        let path = folder.join(name);
        if !path.is_file() {
            continue;
        }
        let whole = read_yaml(&path)?;
        let Some(listed) = whole.get("packages") else { continue };
        let entries = entries_of(&path, listed)?;
        let specs = entries.iter().map(|entry| spec(&path, entry)).collect::<Result<_, _>>()?;
        return Ok(Some(Written { entries, specs }));
    }
    Ok(None)
}

/// The entries of a list of packages.
///
/// # Errors
/// When it is no list of mappings.
pub(super) fn entries_of(path: &Path, listed: &Value) -> Result<Vec<Map<String, Value>>, Failure> {
    let refuse = || {
        Failure::usage(format!("`packages` in \"{}\" is no list of packages", path.display()))
            .help("Write an item for each: `- local: ../shared`.")
    };
    match listed {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => {
            items.iter().map(|item| item.as_object().cloned().ok_or_else(refuse)).collect()
        }
        _ => Err(refuse()),
    }
}

/// Reads a file of YAML; `env_var` in it is filled in.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read_yaml(path: &Path) -> Result<Value, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("\"{}\" cannot be read: {error}", path.display()))
    })?;
    let mut diagnostics = Vec::new();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let read = yaml::read(&SourceFile::new(name.unwrap_or_default(), text), &mut diagnostics);
    if diagnostics.iter().any(base::Diagnostic::is_error) {
        return Err(Failure::project(diagnostics));
    }
    let whole = read.map(|value| value.to_json()).unwrap_or_default();
    Ok(filled(&whole))
}

/// `{{ env_var('NAME', 'default') }}`, the only template that stands in files of packages.
fn filled(value: &Value) -> Value {
    match value {
        Value::String(text) if text.contains("{{") => fill(text).into(),
        Value::Array(items) => items.iter().map(filled).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), filled(value))).collect()
        }
        other => other.clone(),
    }
}

fn fill(text: &str) -> String {
    let (mut rest, mut whole) = (text, String::new());
    while let Some((before, after)) = rest.split_once("{{") {
        whole.push_str(before);
        let Some((inside, after)) = after.split_once("}}") else {
            whole.push_str("{{");
            rest = after;
            continue;
        };
        let inner = inside.trim().strip_prefix("env_var(").and_then(|it| it.strip_suffix(')'));
        let mut words =
            inner.unwrap_or_default().split(',').map(|word| word.trim().trim_matches(['"', '\'']));
        let name = words.next().unwrap_or_default();
        let value = std::env::var(name).ok().or_else(|| words.next().map(str::to_owned));
        match value {
            Some(value) => whole.push_str(&value),
            None => whole.push_str(&format!("{{{{{inside}}}}}")),
        }
        rest = after;
    }
    whole.push_str(rest);
    whole
}

/// What one entry means.
pub(super) fn spec(path: &Path, entry: &Map<String, Value>) -> Result<PackageSpec, Failure> {
    let text = |key: &str| match entry.get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    if let Some(local) = text("local") {
        return Ok(PackageSpec::Local { path: local });
    }
    if let Some(address) = text("git") {
        let (revision, subdirectory) = (text("revision"), text("subdirectory"));
        return Ok(PackageSpec::Git { address, revision, subdirectory });
    }
    if let Some(address) = text("tarball") {
        let tail = address.rsplit('/').next().unwrap_or(&address);
        let stem = tail.trim_end_matches(".gz").trim_end_matches(".tar").trim_end_matches(".tgz");
        let name = text("name").unwrap_or_else(|| stem.replace('-', "_"));
        return Ok(PackageSpec::Tarball { address, name });
    }
    if let Some(name) = text("package") {
        let version = match entry.get("version") {
            Some(Value::Array(bounds)) => {
                let bounds = bounds.iter().filter_map(Value::as_str);
                bounds.collect::<Vec<_>>().join(",")
            }
            _ => text("version").unwrap_or_default(),
        };
        return Ok(PackageSpec::Hub { name, version });
    }
    let shown = Value::Object(entry.clone());
    Err(Failure::usage(format!("an entry of \"{}\" names no package: {shown}", path.display()))
        .help("An entry has one of the keys local, git, tarball, package."))
}

/// Writes one more package into packages.yml, in the place of one of the same name.
///
/// # Errors
/// When the file cannot be read or written.
pub(crate) fn add_package(
    folder: &Path,
    package: &str,
    source: PackageSource,
) -> Result<PathBuf, Failure> {
    let (name, version) = match package.rsplit_once('@') {
        // `git@host:path` has an @ of its own.
        Some((name, version)) if !version.contains(['/', ':']) => (name, Some(version)),
        _ => (package, None),
    };
    let key = match source {
        PackageSource::Hub => "package",
        PackageSource::Git => "git",
        PackageSource::Local => "local",
    };
    if source == PackageSource::Hub && version.is_none() {
        return Err(Failure::usage(format!("\"{package}\" has no version"))
            .help("Write it as dbt-labs/dbt_utils@1.1.1, or choose --source local or git."));
    }
    let file = match folder.join("dependencies.yml").is_file() {
        true => folder.join("dependencies.yml"),
        false => folder.join("packages.yml"),
    };
    let mut text = match file.is_file() {
        true => std::fs::read_to_string(&file)?,
        false => "packages:\n".to_owned(),
    };
    let whole = if file.is_file() { read_yaml(&file)? } else { Value::Null };
    let entries = entries_of(&file, whole.get("packages").unwrap_or(&Value::Null))?;
    let same = |entry: &Map<String, Value>| entry.get(key).and_then(Value::as_str) == Some(name);
    if entries.iter().any(same) {
        return Err(Failure::usage(format!("\"{name}\" stands in \"{}\" already", file.display()))
            .help("Change its version there, then run `fiveply deps`."));
    }
    let mut entry = format!("  - {key}: {}\n", quoted(name));
    if let Some(version) = version {
        let word = if source == PackageSource::Git { "revision" } else { "version" };
        entry.push_str(&match version.contains(',') {
            true => {
                let bounds: Vec<String> =
                    version.split(',').map(|one| Value::from(one.trim()).to_string()).collect();
                format!("    {word}: [{}]\n", bounds.join(", "))
            }
            false => format!("    {word}: {}\n", quoted(version)),
        });
    }
    insert(&mut text, &entry);
    std::fs::write(&file, text)?;
    Ok(file)
}

/// Puts an entry behind the line `packages:`, so that comments and order stay as they are.
fn insert(text: &mut String, entry: &str) {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if line.trim_end() == "packages:" {
            // Entries may stand without indentation.
            let flush = text[at..].lines().find(|line| !line.trim().is_empty());
            let entry = match flush.is_some_and(|line| line.starts_with("- ")) {
                true => entry.lines().map(|line| format!("{}\n", &line[2..])).collect(),
                false => entry.to_owned(),
            };
            text.insert_str(at, &entry);
            return;
        }
        if line.trim_end() == "packages: []" {
            let start = at - line.len();
            text.replace_range(start..at, &format!("packages:\n{entry}"));
            return;
        }
    }
    text.push_str("packages:\n");
    text.push_str(entry);
}

/// A plain word as it stands, anything else in quotes.
pub(super) fn quoted(text: &str) -> String {
    let plain = text.chars().all(|one| one.is_ascii_alphanumeric() || "_./-:@~+".contains(one));
    let number = text.parse::<f64>().is_ok();
    let starts =
        text.starts_with(|one: char| one.is_ascii_alphanumeric() || one == '.' || one == '/');
    if plain && !number && starts && !text.ends_with(':') {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_added_package_leaves_the_rest_of_the_file_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("packages.yml");
        std::fs::write(&file, "# ours\npackages:\n  - local: ../a   # near\n").unwrap();
        add_package(folder.path(), "https://x.test/p.git@v1.2", PackageSource::Git).unwrap();
        add_package(folder.path(), "b/c@>=1.0.0,<2.0.0", PackageSource::Hub).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(
            text,
            "# ours\npackages:\n  - package: b/c\n    version: [\">=1.0.0\", \"<2.0.0\"]\n  \
             - git: https://x.test/p.git\n    revision: v1.2\n  - local: ../a   # near\n"
        );
        assert!(add_package(folder.path(), "../a", PackageSource::Local).is_err());
        assert!(add_package(folder.path(), "b/d", PackageSource::Hub).is_err());
    }

    #[test]
    fn variables_are_filled_in() {
        assert_eq!(fill("a {{ env_var('NOT_SET_ANYWHERE_7', 'x') }} b"), "a x b");
        assert_eq!(
            fill("{{ env_var(\"NOT_SET_ANYWHERE_7\") }}"),
            "{{ env_var(\"NOT_SET_ANYWHERE_7\") }}"
        );
    }
}
