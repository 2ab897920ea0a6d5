//! `fiveply clean`: removes what commands leave behind, never the warehouse.

use std::path::{Component, Path};
use std::process::ExitCode;

use base::SourceFile;
use project::yaml;
use serde_json::Value;

use crate::arguments::Common;
use crate::console::Console;
use crate::failure::Failure;
use crate::workplace;

pub(crate) fn run(common: &Common, console: &Console) -> Result<ExitCode, Failure> {
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
        if !inside || protected.contains(&target.trim_end_matches('/')) {
            return Err(Failure::usage(format!("\"{target}\" is not removed"))
                .help("Name folders of the project in clean-targets, such as target."));
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
