//! `fiveply clean`: removes what commands leave behind, never the warehouse.

use std::path::{Component, Path};
use std::process::ExitCode;

use base::SourceFile;
use project::yaml;
use serde_json::Value;

use crate::arguments::{CleanArguments, Common};
use crate::console::Console;
use crate::failure::Failure;
use crate::workplace;

pub(crate) fn run(
    common: &Common,
    arguments: &CleanArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let root = workplace::find_root(common.project_dir.as_deref())?;
    let text = std::fs::read_to_string(root.join("dbt_project.yml"))?;
    let read = yaml::read(&SourceFile::new("dbt_project.yml", text), &mut Vec::new());
    let written = read.map(|value| value.to_json()).unwrap_or_default();
    let named = written.get("clean-targets").and_then(Value::as_array).cloned();
    let named = named.unwrap_or_else(|| vec!["target".into()]);
    for target in named.iter().filter_map(Value::as_str) {
        let path = Path::new(target);
        let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        let protected = ["models", "seeds", "tests", "macros", "snapshots", ".fiveply", "."];
        if protected.contains(&target.trim_end_matches('/')) {
            return Err(Failure::usage(format!("\"{target}\" is not removed"))
                .help("Name folders in clean-targets that commands make, such as target."));
        }
        let allowed = arguments.no_clean_project_files_only && is_apart(&root, &root.join(path));
        if !inside && !allowed {
            return Err(Failure::usage(format!("\"{target}\" is outside the project"))
                .help("Take it out of clean-targets, or give --no-clean-project-files-only."));
        }
        let path = root.join(path);
        if path.is_symlink() || path.is_file() {
            std::fs::remove_file(&path)?;
        } else if path.is_dir() {
            std::fs::remove_dir_all(&path)?;
        } else {
            continue;
        }
        console.say(&format!("removed {target}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a folder neither is the project nor holds it.
fn is_apart(root: &Path, folder: &Path) -> bool {
    let (Ok(root), Ok(folder)) = (root.canonicalize(), folder.canonicalize()) else { return true };
    !root.starts_with(folder)
}
