//! The house rules, as a test: floors, who may name which library, file sizes, names.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::licences;
use crate::run::{output, program, root};

/// Floors of `ARCHITECTURE.md`; a crate depends only on lower ones.
const FLOORS: &[(&str, u8)] = &[
    ("base", 0),
    ("project", 1),
    ("ledger", 1),
    ("storage", 2),
    ("access", 2),
    ("compute", 3),
    ("movement", 3),
    ("transformation", 4),
    ("consumption", 4),
    ("observability", 5),
    ("orchestration", 6),
    ("server", 7),
    ("fiveply", 8),
];

/// Beside the house: what each may depend on.
const BESIDE: &[(&str, &[&str])] =
    &[("demo", &["base"]), ("testkit", &["base", "ledger", "storage"]), ("xtask", &[])];

/// Libraries that only the named crates may use.
const ALONE: &[(&str, &[&str])] = &[
    ("minijinja", &["project"]),
    ("minijinja-contrib", &["project"]),
    ("saphyr", &["project"]),
    ("sqlx", &["ledger"]),
    ("iceberg", &["storage", "compute"]),
    ("object_store", &["storage", "compute"]),
    ("datafusion", &["compute"]),
    ("datafusion-pg-catalog", &["compute"]),
    ("pgwire", &["server"]),
    ("croner", &["orchestration"]),
    ("reqwest", &["movement"]),
    ("axum", &["demo", "server"]),
    ("clap", &["fiveply"]),
    ("anyhow", &["fiveply", "testkit", "xtask"]),
];

const FILE_LINES_MAX: usize = 800;
const LINE_COLUMNS_MAX: usize = 100;
const MODULE_NAMES_BANNED: &[&str] = &["util", "utils", "common", "helpers", "types", "misc"];

/// Checks every rule and reports all breaches at once.
///
/// # Errors
/// When a rule is broken, or the repository cannot be read.
pub(crate) fn run() -> Result<()> {
    let metadata = metadata()?;
    let mut broken = floors(&metadata);
    broken.extend(licences::broken(&metadata)?);
    for path in tracked_files()? {
        let full = root().join(&path);
        // A file that was deleted but not committed yet is still listed.
        let Ok(text) = std::fs::read_to_string(&full) else { continue };
        broken.extend(source_rules(&path, &text));
    }
    if broken.is_empty() {
        return Ok(());
    }
    bail!("{} house rules broken:\n  {}", broken.len(), broken.join("\n  "))
}

fn metadata() -> Result<Value> {
    let mut cargo = program("cargo");
    cargo.args(["metadata", "--format-version", "1", "--locked"]);
    let text = output("cargo metadata", &mut cargo)?;
    serde_json::from_str(&text).context("cargo metadata printed no JSON")
}

fn tracked_files() -> Result<Vec<String>> {
    let listed = output("git ls-files", program("git").arg("ls-files"))?;
    Ok(listed.lines().map(str::to_owned).collect())
}

fn floors(metadata: &Value) -> Vec<String> {
    let floor_of: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let mut broken = Vec::new();
    let members = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    for package in members.iter().filter(|package| package["source"].is_null()) {
        let name = package["name"].as_str().unwrap_or_default();
        let dependencies = package["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
        for dependency in dependencies.iter().filter(|one| one["kind"].as_str() != Some("dev")) {
            let wanted = dependency["name"].as_str().unwrap_or_default();
            if let Some(rule) = breach(name, wanted, &floor_of) {
                broken.push(rule);
            }
        }
        if !floor_of.contains_key(name) && !BESIDE.iter().any(|(beside, _)| *beside == name) {
            broken.push(format!("crate `{name}` has no floor in xtask/src/tidy.rs"));
        }
    }
    broken
}

fn breach(name: &str, wanted: &str, floor_of: &BTreeMap<&str, u8>) -> Option<String> {
    if let Some((_, owners)) = ALONE.iter().find(|(library, _)| *library == wanted)
        && !owners.contains(&name)
    {
        return Some(format!("`{name}` names `{wanted}`, which only {owners:?} may"));
    }
    if let Some((_, allowed)) = BESIDE.iter().find(|(beside, _)| *beside == name) {
        let ours = floor_of.contains_key(wanted);
        return (ours && !allowed.contains(&wanted))
            .then(|| format!("`{name}` depends on `{wanted}`; allowed are {allowed:?}"));
    }
    if BESIDE.iter().any(|(beside, _)| *beside == wanted) {
        return (name != "fiveply" || wanted != "demo")
            .then(|| format!("`{name}` depends on `{wanted}`, which stands beside the house"));
    }
    let (own, other) = (floor_of.get(name)?, floor_of.get(wanted)?);
    (own <= other).then(|| {
        format!("`{name}` (floor {own}) depends on `{wanted}` (floor {other}), not a lower floor")
    })
}

fn source_rules(path: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    if path.ends_with(".rs") {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            broken.push(format!("{path}: {lines} lines, at most {FILE_LINES_MAX}"));
        }
        for (index, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > LINE_COLUMNS_MAX && !line.contains("://") {
                broken.push(format!("{path}:{}: {columns} columns", index + 1));
            }
        }
        let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
        let folder = path.rsplit('/').nth(1).unwrap_or_default();
        if MODULE_NAMES_BANNED.iter().any(|name| *name == stem || *name == folder) {
            broken.push(format!("{path}: a module is named after its idea, not `{stem}`"));
        }
    }
    if path.ends_with(".md") {
        let mut in_code = false;
        let titles = text.lines().filter(|line| {
            in_code ^= line.starts_with("```");
            !in_code && line.starts_with("# ")
        });
        let titles = titles.count();
        if titles != 1 {
            broken.push(format!("{path}: {titles} titles of the first level, expected one"));
        }
    }
    if text.lines().any(|line| line.starts_with("<<<<<<< ")) {
        broken.push(format!("{path}: a merge conflict was left"));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_may_not_depend_on_its_own_floor_or_name_anothers_library() {
        let floor_of: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
        assert_eq!(breach("storage", "ledger", &floor_of), None);
        assert!(breach("movement", "compute", &floor_of).is_some());
        assert!(breach("storage", "datafusion", &floor_of).is_some());
        assert!(breach("demo", "ledger", &floor_of).is_some());
        assert!(breach("storage", "demo", &floor_of).is_some());
        assert_eq!(breach("fiveply", "demo", &floor_of), None);
    }

    #[test]
    fn long_lines_second_titles_and_vague_modules_are_named() {
        assert_eq!(source_rules("a/util.rs", "").len(), 1);
        assert_eq!(source_rules("a/b.rs", &"x".repeat(101)).len(), 1);
        assert_eq!(source_rules("a.md", "# One\n```\n# code\n```\n# Two\n").len(), 1);
    }
}
