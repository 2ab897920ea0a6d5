//! `fiveply compile`: the SQL that nodes compile to, printed and kept in `target/compiled/`.

use std::process::ExitCode;
use std::sync::Arc;

use base::RunId;
use project::{Node, NodeKind};
use serde_json::{Value, json};
use transformation::{BuildOptions, Workshop};

use crate::arguments::{Common, CompileArguments};
use crate::changed;
use crate::commands::selected;
use crate::console::{Console, Ink};
use crate::failure::Failure;
use crate::workplace::{self, Workplace};

pub(crate) async fn run(
    common: &Common,
    arguments: &CompileArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let run = RunId::generate(place.clocks.machine.as_ref(), place.ledger.randomness().as_ref());
    let workshop = Workshop::new(place.tools(), run, BuildOptions::default());
    let graph = Arc::clone(&place.project.graph);
    let mut ids = selected(&place.project, &arguments.selection)?;
    if arguments.changed {
        let found = changed::of_selection(&place, &ids).await?;
        ids.retain(|id| found.stale.contains_key(id));
    }
    let nodes: Vec<&Node> =
        ids.iter().filter_map(|id| graph.node(id)).filter(|node| has_sql(node)).collect();
    let mut compiled: Vec<Value> = Vec::new();
    for node in &nodes {
        let sql = workshop.compile_node(&node.id, arguments.full_refresh).await?;
        let path = place.root.join("target/compiled").join(&node.package).join(&node.path);
        let path = if path.extension().is_some_and(|end| end == "sql") {
            path
        } else {
            // A generic test is written in a YAML file; its SQL is kept beside it by name.
            path.join(format!("{}.sql", node.name))
        };
        keep(&path, &sql)?;
        if console.json {
            compiled.push(json!({"node": node.id, "compiled": sql}));
        } else {
            if nodes.len() > 1 {
                console.print(&console.paint(Ink::Strong, &format!("-- {}", node.id)))?;
            }
            console.print(&sql)?;
        }
    }
    if console.json {
        console.print(&Value::Array(compiled).to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn has_sql(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Model | NodeKind::Test | NodeKind::Analysis)
        && node.declaration.is_none()
}

/// Compiled SQL may be written again and again: it is a picture for people, not the lake's.
fn keep(path: &std::path::Path, sql: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(path, sql)?)
}
