//! `fiveply lineage`: where columns come from and who reads them.

mod show;
mod trace;

use std::collections::BTreeSet;
use std::process::ExitCode;

use project::{Node, NodeKind, Project};

use crate::arguments::{Common, LineageArguments};
use crate::console::Console;
use crate::failure::Failure;
use crate::planned;
use crate::workplace::{self, Workplace};

pub(crate) use trace::{Place, Trace};

pub(crate) async fn run(
    common: &Common,
    arguments: &LineageArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let (node, column) = find(&place.project, &arguments.name)?;
    let both = arguments.up == arguments.down;
    let (up, down) = (arguments.up || both, arguments.down || both);
    let graph = &place.project.graph;
    let mut wanted = BTreeSet::from([node.id.clone()]);
    if down {
        wanted.extend(graph.descendants(&node.id, arguments.depth));
    }
    let planned = planned::plan(&place, &wanted).await?;
    let mut starts = Vec::new();
    let known = trace::columns_of(&place, &planned, node).await?;
    match column {
        Some(column) => {
            let found = known.iter().find(|known| known.eq_ignore_ascii_case(&column));
            let found = found.cloned().ok_or_else(|| no_column(node, &column, &known, &planned))?;
            starts.push(Place { node: node.id.clone(), column: found });
        }
        None => {
            let place = |column| Place { node: node.id.clone(), column };
            starts.extend(known.into_iter().map(place));
        }
    }
    if starts.is_empty() {
        return Err(no_column(node, "*", &[], &planned));
    }
    let trace = Trace::of(graph, &planned, &starts, up, down, arguments.depth);
    let text = if console.json { trace.json().to_string() } else { show::text(graph, &trace) };
    console.print(text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn no_column(node: &Node, column: &str, known: &[String], planned: &planned::Planned) -> Failure {
    if let Some(why) = planned.unplanned.get(&node.id) {
        return Failure::usage(format!("\"{}\" cannot be planned: {why}", node.id))
            .help("Mend it, or build what it reads: `fiveply build`.");
    }
    if known.is_empty() {
        return Failure::usage(format!("the columns of \"{}\" are not known", node.id))
            .help("Build or load it first; its columns are read from its table.");
    }
    Failure::usage(format!("\"{}\" has no column \"{column}\"", node.id))
        .help(format!("Its columns: {}.", known.join(", ")))
}

/// The node that a name means, and the column after it, if there is one.
fn find<'p>(project: &'p Project, name: &str) -> Result<(&'p Node, Option<String>), Failure> {
    if let Some(node) = find_node(project, name) {
        return Ok((node, None));
    }
    if let Some((before, column)) = name.rsplit_once('.')
        && let Some(node) = find_node(project, before)
    {
        return Ok((node, Some(column.to_owned())));
    }
    let names = project.graph.nodes.values().filter(|node| has_columns(node));
    let names: Vec<&str> = names.map(|node| node.name.as_str()).collect();
    let wanted = name.split('.').next().unwrap_or(name);
    let help = match project::suggest::nearest(wanted, names) {
        Some(near) => format!("Did you mean \"{near}\"? Write a column as {near}.column."),
        None => "`fiveply ls --resource-type model` lists the models.".to_owned(),
    };
    Err(Failure::usage(format!("there is no model or column \"{name}\"")).help(help))
}

/// A node with columns by its id, its name, or `source.table`.
pub(crate) fn find_node<'p>(project: &'p Project, name: &str) -> Option<&'p Node> {
    let graph = &project.graph;
    let exact = graph.nodes.values().find(|node| node.id.as_str() == name);
    let named = || {
        let mut nodes = graph.nodes.values().filter(|node| has_columns(node));
        nodes.find(|node| node.name == name)
    };
    let of_source = || {
        let (source, table) = name.split_once('.')?;
        graph.nodes.values().find(|node| {
            let fits = node.source.as_ref().is_some_and(|facts| facts.source == source);
            let stream = node.kind == NodeKind::Stream && node.fqn.iter().any(|one| one == source);
            (fits || stream) && node.name == table
        })
    };
    exact.or_else(named).or_else(of_source)
}

fn has_columns(node: &Node) -> bool {
    node.kind.is_referable() || matches!(node.kind, NodeKind::Source | NodeKind::Stream)
}
