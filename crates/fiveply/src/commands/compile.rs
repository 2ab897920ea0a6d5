//! `fiveply compile`: the SQL that nodes compile to, printed and kept in `target/compiled/`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use base::{Diagnostic, NodeId, RunId};
use project::{Node, NodeKind};
use serde_json::{Value, json};
use transformation::{BuildOptions, Workshop};

use crate::arguments::{Common, CompileArguments};
use crate::around;
use crate::changed;
use crate::commands::selected;
use crate::console::{Console, Ink};
use crate::draw;
use crate::events::{self, Event};
use crate::failure::Failure;
use crate::invocation;
use crate::workplace::{self, Workplace};

pub(crate) async fn run(
    common: &Common,
    arguments: &CompileArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let run = RunId::generate(place.clocks.machine.as_ref(), place.ledger.randomness().as_ref());
    let mut invocation = invocation::plain("compile", common, &place, console);
    if arguments.empty {
        invocation.filter = Some(project::RowFilter::Nothing);
    }
    let workshop = Workshop::new(place.tools(), run, BuildOptions::default());
    let workshop = workshop.called(invocation.clone());
    if let Some(text) = &arguments.inline {
        let sql = workshop.compile_text(text).await?;
        return show(&Shown { name: "inline_query", id: "", inline: true, sql: &sql }, console);
    }
    let graph = Arc::clone(&place.project.graph);
    let mut ids = selected(&place.project, &arguments.selection)?;
    if arguments.changed {
        let found = changed::of_selection(&place, &ids).await?;
        ids.retain(|id| found.stale.contains_key(id));
    }
    let nodes: Vec<&Node> =
        ids.iter().filter_map(|id| graph.node(id)).filter(|node| has_sql(node)).collect();
    let mut compiled: Vec<Value> = Vec::new();
    let mut wrong: BTreeMap<NodeId, Vec<Diagnostic>> = BTreeMap::new();
    for foreseen in workshop.foresee(&nodes.iter().map(|node| node.id.clone()).collect()).await? {
        wrong.insert(foreseen.node, foreseen.diagnostics);
    }
    for node in &nodes {
        let sql = match workshop.compile_node(&node.id, arguments.full_refresh).await {
            Ok(sql) => sql,
            // One broken node hides no other.
            Err(error) if !error.diagnostics().is_empty() => {
                wrong.entry(node.id.clone()).or_insert_with(|| error.diagnostics());
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let target = common.target_path.clone().unwrap_or_else(|| PathBuf::from("target"));
        let path = place.root.join(target).join("compiled").join(&node.package).join(&node.path);
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
            if nodes.len() > 1 && !events::speaks_dbt() {
                console.print(&console.paint(Ink::Strong, &format!("-- {}", node.id)))?;
            }
            let id = node.id.as_str();
            show(&Shown { name: &node.name, id, inline: false, sql: &sql }, console)?;
        }
    }
    if console.json {
        compiled.extend(wrong.iter().map(|(node, diagnostics)| {
            let diagnostics: Vec<Value> = diagnostics.iter().map(draw::as_json).collect();
            json!({"node": node, "diagnostics": diagnostics})
        }));
        console.print(&Value::Array(compiled).to_string())?;
    }
    let folder = common.target_path.clone().unwrap_or_else(|| PathBuf::from("target"));
    let id = events::take_run_id().map(|id| id.to_string()).unwrap_or_default();
    let folder = place.root.join(folder);
    let mut artifacts = around::artifacts(&place, folder, "compile", &invocation, id);
    artifacts.compiled = workshop.compiled();
    artifacts.write_manifest()?;
    for diagnostic in wrong.values().flatten() {
        console.complain(&draw::draw(diagnostic, console.colours));
        console.complain("");
    }
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Compiled SQL, and whose it is.
struct Shown<'a> {
    name: &'a str,
    id: &'a str,
    inline: bool,
    sql: &'a str,
}

fn show(shown: &Shown<'_>, console: &Console) -> Result<ExitCode, Failure> {
    let Shown { name, id, inline, sql } = shown;
    events::fire(Event::new("CompiledNode", "Q042", *sql).with(json!({
        "node_name": name, "unique_id": id, "is_inline": inline, "compiled": sql,
        "output_format": if console.json { "json" } else { "text" },
    })));
    if console.json && *inline {
        console.print(&json!({"compiled": sql}).to_string())?;
    } else if !events::speaks_dbt() {
        console.print(sql)?;
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
