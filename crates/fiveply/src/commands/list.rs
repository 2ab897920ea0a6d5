//! `fiveply ls`: the nodes of the project.

use std::process::ExitCode;

use project::{Node, NodeKind};
use serde_json::{Map, Value, json};

use crate::arguments::{Common, ListArguments, Output};
use crate::changed::{self, Changes};
use crate::commands::selected;
use crate::console::{Console, columns};
use crate::events::{self, warnings};
use crate::failure::Failure;
use crate::workplace::{self, Workplace};

pub(crate) async fn run(
    common: &Common,
    list: &ListArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let graph = &opened.project.graph;
    let kinds = list.resource_type.iter().chain(&list.exclude_resource_type);
    for word in kinds.flat_map(|words| words.split([' ', ','])) {
        if word != "all"
            && word != "default"
            && !NodeKind::ALL.iter().any(|kind| kind.word() == word)
        {
            let known: Vec<&str> = NodeKind::ALL.iter().map(|kind| kind.word()).collect();
            return Err(Failure::usage(format!("there is no kind \"{word}\""))
                .help(format!("Use one of: {}.", known.join(", "))));
        }
    }
    let named = |kinds: &[String], node: &Node| {
        let mut words = kinds.iter().flat_map(|words| words.split([' ', ',']));
        words.any(|word| word == "all" || word == "default" || word == node.kind.word())
    };
    let wanted = |node: &Node| {
        let only = &list.resource_type;
        (only.is_empty() || named(only, node)) && !named(&list.exclude_resource_type, node)
    };
    let mut ids = selected(&opened.project, &list.selection)?;
    let mut changes = None;
    if list.changed {
        let place = Workplace::open(opened.clone(), None).await?;
        let found = changed::of_selection(&place, &ids).await?;
        ids.retain(|id| found.stale.contains_key(id));
        changes = Some(found);
    }
    let nodes: Vec<&Node> =
        ids.iter().filter_map(|id| graph.node(id)).filter(|node| wanted(node)).collect();
    let lines: Vec<String> = match common.output {
        Output::Json => {
            nodes.iter().map(|node| describe(node, &list.output_keys, changes.as_ref())).collect()
        }
        Output::Text if changes.is_some() => {
            let changes = changes.unwrap_or_default();
            let row = |node: &&Node| vec![name_of(node), changes.words(&node.id)];
            columns(&nodes.iter().map(row).collect::<Vec<_>>(), &[])
        }
        Output::Name => nodes.iter().map(|node| node.name.clone()).collect(),
        Output::Path => nodes.iter().map(|node| node.path.clone()).collect(),
        Output::Text | Output::Selector => nodes.iter().map(|node| name_of(node)).collect(),
    };
    if lines.is_empty() && !list.changed {
        let shown = warnings::warn("NoNodesSelected", "No nodes selected!", json!({}))?;
        if shown && !events::speaks_dbt() {
            console.complain("warning: no nodes selected");
        }
    }
    lines.iter().for_each(|line| events::printed(line));
    if !lines.is_empty() && !events::speaks_dbt() {
        console.print(&lines.join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// dbt's way: sources with their kind, everything else by its path of folders.
fn name_of(node: &Node) -> String {
    match node.kind {
        NodeKind::Source
        | NodeKind::Stream
        | NodeKind::Exposure
        | NodeKind::Metric
        | NodeKind::SemanticModel
        | NodeKind::SavedQuery
        | NodeKind::UnitTest
        | NodeKind::Sync
        | NodeKind::FeatureView
        | NodeKind::Dashboard => format!("{}:{}", node.kind.word(), node.fqn.join(".")),
        NodeKind::Seed
        | NodeKind::Model
        | NodeKind::Snapshot
        | NodeKind::Test
        | NodeKind::Analysis
        | NodeKind::Operation => node.fqn.join("."),
    }
}

/// What a line says unless `--output-keys` asks for something else.
const KEYS: &[&str] = &[
    "alias",
    "name",
    "package_name",
    "depends_on",
    "tags",
    "config",
    "resource_type",
    "source_name",
    "original_file_path",
    "unique_id",
];

/// One line of JSON, as dbt writes it.
fn describe(node: &Node, keys: &[String], changes: Option<&Changes>) -> String {
    let shape = project::manifest::node(node);
    let asked: Vec<&str> = keys.iter().flat_map(|words| words.split([' ', ','])).collect();
    let asked = if asked.is_empty() { KEYS } else { &asked[..] };
    let mut fields: Map<String, Value> = asked
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), shape.get(*key)?.clone())))
        .collect();
    if let Some(changes) = changes {
        fields.insert("changed".to_owned(), changes.json(&node.id));
    }
    Value::Object(fields).to_string()
}
