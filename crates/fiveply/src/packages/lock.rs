//! `package-lock.yml`, and the hash by which dbt knows whether it is of today.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::install::Pinned;
use super::spec::{PackageSpec, entries_of, quoted, read_yaml, spec};
use crate::failure::Failure;

/// The file's name.
const LOCK_FILE: &str = "package-lock.yml";

/// A lock file.
#[derive(Debug)]
pub(crate) struct Lock {
    /// The hash of what it was made from.
    pub(crate) hash: String,
    /// What it pins, and under which name.
    pub(crate) pinned: Vec<(String, PackageSpec)>,
}

/// Reads the lock file; none where there is none.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read_lock(root: &Path) -> Result<Option<Lock>, Failure> {
    let path = root.join(LOCK_FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let whole = read_yaml(&path)?;
    let hash = whole.get("sha1_hash").and_then(Value::as_str).unwrap_or_default().to_owned();
    let entries = entries_of(&path, whole.get("packages").unwrap_or(&Value::Null))?;
    let pinned = entries
        .iter()
        .map(|entry| {
            let name = entry.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            Ok((name, spec(&path, entry)?))
        })
        .collect::<Result<_, Failure>>()?;
    Ok(Some(Lock { hash, pinned }))
}

/// Writes the lock file in dbt's form.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn write_lock(root: &Path, pinned: &[Pinned], hash: &str) -> Result<(), Failure> {
    let mut text = String::from("packages:\n");
    for package in pinned {
        let mut lines: Vec<(&str, String)> = vec![("name", package.name.clone())];
        match &package.spec {
            PackageSpec::Local { path } => lines.push(("local", path.clone())),
            PackageSpec::Git { address, revision, subdirectory } => {
                lines.push(("git", address.clone()));
                lines.extend(revision.iter().map(|revision| ("revision", revision.clone())));
                lines.extend(subdirectory.iter().map(|folder| ("subdirectory", folder.clone())));
            }
            PackageSpec::Tarball { address, .. } => lines.push(("tarball", address.clone())),
            PackageSpec::Hub { name, version } => {
                lines.push(("package", name.clone()));
                lines.push(("version", version.clone()));
            }
        }
        lines.sort();
        for (at, (key, value)) in lines.iter().enumerate() {
            let lead = if at == 0 { "  - " } else { "    " };
            text.push_str(&format!("{lead}{key}: {}\n", quoted(value)));
        }
    }
    text.push_str(&format!("sha1_hash: {hash}\n"));
    Ok(std::fs::write(root.join(LOCK_FILE), text)?)
}

/// dbt's hash of what is asked for: each entry as Python writes it, sorted.
pub(crate) fn hash_of(entries: &[Map<String, Value>]) -> String {
    let mut lines: Vec<String> =
        entries.iter().map(|entry| as_python_writes(&as_dbt_holds(entry))).collect();
    lines.sort();
    let digest =
        ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, lines.join("\n").as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The entry with the fields that dbt fills in, and itself as it was written.
fn as_dbt_holds(entry: &Map<String, Value>) -> Value {
    let mut held = entry.clone();
    if entry.contains_key("git") {
        for key in ["revision", "subdirectory", "warn-unpinned"] {
            held.entry(key).or_insert(Value::Null);
        }
    }
    if entry.contains_key("package") {
        held.entry("install_prerelease").or_insert(json!(false));
    }
    held.insert("unrendered".to_owned(), Value::Object(entry.clone()));
    Value::Object(held)
}

/// JSON as Python's `json.dumps(…, sort_keys=True)` writes it.
fn as_python_writes(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(as_python_writes).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let mut pairs: Vec<(&String, &Value)> = fields.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(key, value)| {
                    format!("{}: {}", ascii(&Value::from(key.as_str())), as_python_writes(value))
                })
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => ascii(other),
    }
}

/// A scalar with letters beyond ASCII as `\u…`.
fn ascii(value: &Value) -> String {
    let mut text = String::new();
    for letter in value.to_string().chars() {
        if letter.is_ascii() {
            text.push(letter);
            continue;
        }
        let mut units = [0; 2];
        for unit in letter.encode_utf16(&mut units) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_dbt() {
        // Made by dbt-core 1.12.6.
        let cases = [
            (json!([{"local": "../locpkg"}]), "9cbc34b38924731ec4ed2ae50ab1646d464ab824"),
            (
                json!([{"git": "/tmp/lab/gitpkg", "revision": "v1.0"}]),
                "2afc94fb5e2995ed911a163318a293879585c2fd",
            ),
            (
                json!([{"git": "x", "revision": "main", "subdirectory": "sub",
                    "warn-unpinned": false}]),
                "be578474374ad5db2231454cacc8b66603ad9156",
            ),
            (
                json!([{"tarball": "http://127.0.0.1:8765/tarp.tgz", "name": "tarp"}]),
                "440c1c7f442fd90615e2bebcba0a381107889140",
            ),
            (
                json!([{"package": "dbt-labs/dbt_utils", "version": [">=1.0.0", "<2.0.0"]}]),
                "dd1e1feb2d2bbce79e7a255cd309a60e6548df0b",
            ),
            (
                json!([{"package": "a/b", "version": 1.0}]),
                "bbcacd8a45bfe08b1b0e318c1c09cccb5c12fe57",
            ),
        ];
        for (entries, hash) in cases {
            let entries = entries_of(Path::new("packages.yml"), &entries).unwrap();
            assert_eq!(hash_of(&entries), hash, "{entries:?}");
        }
    }
}
