//! `fiveply parse`: reads every file of the project and says what is wrong.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use base::Clock;
use base::system::SystemClock;
use serde_json::{Map, json};

use crate::arguments::Common;
use crate::artifacts::Artifacts;
use crate::console::{Console, Ink, things};
use crate::draw;
use crate::events;
use crate::failure::{Failure, USAGE};
use crate::workplace;

pub(crate) fn run(common: &Common, console: &Console) -> Result<ExitCode, Failure> {
    let (opened, root) = workplace::read_project(common, &[])?;
    let errors = opened.diagnostics.iter().filter(|one| one.is_error()).count();
    let warnings = opened.diagnostics.len() - errors;
    let nodes = opened.project.as_ref().map_or(0, |project| project.graph.nodes.len());
    if console.json {
        let document = json!({
            "status": if errors == 0 { "ok" } else { "error" },
            "nodes": nodes,
            "diagnostics": opened.diagnostics.iter().map(draw::as_json).collect::<Vec<_>>(),
        });
        console.print(&document.to_string())?;
    } else {
        for diagnostic in &opened.diagnostics {
            console.complain(&draw::draw(diagnostic, console.colours));
            console.complain("");
        }
        let ink = if errors == 0 { Ink::Good } else { Ink::Bad };
        let line = format!(
            "{}, {}, {}",
            counted(nodes, "node"),
            counted(errors, "error"),
            counted(warnings, "warning")
        );
        console.say(&console.paint(ink, &line));
    }
    let good = errors == 0 && opened.project.is_some();
    if let Some(project) = opened.project.as_ref().filter(|_| good) {
        let folder = common.target_path.clone().unwrap_or_else(|| PathBuf::from("target"));
        let artifacts = Artifacts {
            project,
            folder: root.join(folder),
            which: "parse",
            invocation: events::take_run_id().map(|id| id.to_string()).unwrap_or_default(),
            arguments: Map::new(),
            compiled: BTreeMap::new(),
            finished: SystemClock.now(),
            elapsed: Duration::ZERO,
            no_ops: Vec::new(),
        };
        artifacts.write_manifest()?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(USAGE) })
}

fn counted(number: usize, noun: &str) -> String {
    things(u64::try_from(number).unwrap_or(u64::MAX), noun)
}
