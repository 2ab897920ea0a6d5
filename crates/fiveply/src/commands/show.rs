//! `fiveply show`: the first rows of a model, or of a query in the project's Jinja.

use std::process::ExitCode;

use base::RunId;
use project::NodeKind;
use serde_json::{Value, json};
use transformation::{BuildOptions, Workshop};

use crate::arguments::{Common, ShowArguments};
use crate::commands::selected;
use crate::console::{Console, Ink};
use crate::failure::Failure;
use crate::invocation;
use crate::workplace::{self, Workplace};

pub(crate) async fn run(
    common: &Common,
    arguments: &ShowArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let run = RunId::generate(place.clocks.machine.as_ref(), place.ledger.randomness().as_ref());
    let invocation = invocation::plain("show", common, &place, console);
    let workshop = Workshop::new(place.tools(), run, BuildOptions::default()).called(invocation);
    let mut shown = Vec::new();
    if let Some(sql) = &arguments.inline_direct {
        shown.push(("sql_operation".to_owned(), sql.clone()));
    } else if let Some(text) = &arguments.inline {
        shown.push(("inline".to_owned(), workshop.compile_text(text).await?));
    } else {
        let graph = &place.project.graph;
        let chosen = selected(&place.project, &arguments.selection)?;
        let nodes: Vec<_> = chosen.iter().filter_map(|id| graph.node(id)).collect();
        // Tests come along with what they test; they are shown when they are asked for alone.
        let all_tests = nodes.iter().all(|node| node.kind == NodeKind::Test);
        for node in nodes.into_iter().filter(|node| all_tests || node.kind != NodeKind::Test) {
            let sql = match (node.kind, &node.relation) {
                (NodeKind::Seed, Some(relation)) => format!("select * from {relation}"),
                (NodeKind::Model | NodeKind::Test | NodeKind::Analysis | NodeKind::Snapshot, _) => {
                    workshop.compile_node(&node.id, false).await?
                }
                _ => continue,
            };
            shown.push((node.name.clone(), sql));
        }
    }
    for (name, sql) in shown {
        let limited = match arguments.limit {
            limit if limit < 0 => sql,
            limit => format!("select * from (\n{sql}\n) __shown limit {limit}"),
        };
        let answer = workshop.statement(&limited).await?;
        let Some((schema, batches)) = answer else { continue };
        if console.json {
            let mut lines = Vec::new();
            compute::output::json_lines(&batches, &mut lines)?;
            let rows: Vec<Value> = String::from_utf8_lossy(&lines)
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect();
            console.print(&json!({"node": name, "show": rows}).to_string())?;
        } else {
            console.say(&console.paint(Ink::Strong, &format!("Previewing node '{name}':")));
            console.print(compute::output::table(&schema, &batches)?.trim_end())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
