//! `fiveply ls`: the nodes of the project.

use std::process::ExitCode;

use project::{Node, NodeKind};
use serde_json::{Value, json};

use crate::arguments::{Common, ListArguments};
use crate::commands::selected;
use crate::console::Console;
use crate::failure::Failure;
use crate::workplace;

pub(crate) fn run(
    common: &Common,
    list: &ListArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let graph = &opened.project.graph;
    for word in &list.resource_type {
        if word != "all" && !NodeKind::ALL.iter().any(|kind| kind.word() == word) {
            let known: Vec<&str> = NodeKind::ALL.iter().map(|kind| kind.word()).collect();
            return Err(Failure::usage(format!("there is no kind \"{word}\""))
                .help(format!("Use one of: {}.", known.join(", "))));
        }
    }
    let wanted = |node: &Node| {
        let kinds = &list.resource_type;
        kinds.is_empty() || kinds.iter().any(|word| word == "all" || word == node.kind.word())
    };
    let ids = selected(graph, &list.selection)?;
    let nodes: Vec<&Node> =
        ids.iter().filter_map(|id| graph.node(id)).filter(|node| wanted(node)).collect();
    if console.json {
        let listed: Vec<Value> = nodes.iter().map(|node| describe(node)).collect();
        console.print(&Value::Array(listed).to_string())?;
    } else {
        let lines: Vec<String> = nodes.iter().map(|node| name_of(node)).collect();
        if !lines.is_empty() {
            console.print(&lines.join("\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// dbt's way: sources with their kind, everything else by its path of folders.
fn name_of(node: &Node) -> String {
    match node.kind {
        NodeKind::Source | NodeKind::Stream | NodeKind::Exposure | NodeKind::Metric => {
            format!("{}:{}", node.kind.word(), node.fqn.join("."))
        }
        _ => node.fqn.join("."),
    }
}

fn describe(node: &Node) -> Value {
    json!({
        "unique_id": node.id,
        "resource_type": node.kind.word(),
        "name": node.name,
        "package_name": node.package,
        "original_file_path": node.path,
        "alias": node.relation.as_ref().map(|relation| &relation.identifier),
        "schema": node.relation.as_ref().map(|relation| &relation.schema),
        "tags": node.tags,
        "owner": node.owner.as_ref().map(|owner| &owner.name),
        "config": {
            "materialized": node.config.materialized.word(),
            "enabled": node.config.enabled,
        },
        "depends_on": {"nodes": node.depends_on},
    })
}
