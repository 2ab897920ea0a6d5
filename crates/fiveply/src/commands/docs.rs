//! `fiveply docs generate`: manifest and catalog, for tools that show them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use base::{NodeId, RunId};
use project::NodeKind;
use serde_json::{Map, Value, json};
use transformation::{BuildOptions, Workshop};

use crate::arguments::{Common, DocsArguments};
use crate::artifacts::Artifacts;
use crate::commands::selected;
use crate::console::{Console, seconds};
use crate::events;
use crate::failure::Failure;
use crate::invocation;
use crate::planned;
use crate::workplace::{self, Workplace};

/// The page that shows manifest.json and catalog.json: our own, small, without a framework.
const PAGE: &str = include_str!("docs_page.html");
/// The schema that dbt publishes for it.
const CATALOG: &str = "https://schemas.getdbt.com/dbt/catalog/v1.json";

pub(crate) async fn run(
    common: &Common,
    arguments: &DocsArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let run = events::take_run_id().unwrap_or_else(|| {
        RunId::generate(place.clocks.machine.as_ref(), place.ledger.randomness().as_ref())
    });
    let invocation = invocation::plain("generate", common, &place, console);
    let workshop = Workshop::new(place.tools(), run.clone(), BuildOptions::default());
    let workshop = workshop.called(invocation.clone());
    let graph = &place.project.graph;
    let mut problems = Vec::new();
    if !arguments.no_compile {
        for id in selected(&place.project, &arguments.selection)? {
            let has_sql = graph.node(&id).is_some_and(|node| {
                matches!(node.kind, NodeKind::Model | NodeKind::Snapshot | NodeKind::Test)
                    && node.declaration.is_none()
            });
            if has_sql && let Err(error) = workshop.compile_node(&id, false).await {
                problems.push(format!("{id}: {error}"));
            }
        }
    }
    let chosen: BTreeSet<NodeId> =
        selected(&place.project, &arguments.selection)?.into_iter().collect();
    let (mut nodes, mut sources) = (Map::new(), Map::new());
    if !arguments.empty_catalog {
        for (id, shape) in catalog(&place, &workshop).await? {
            if !chosen.contains(&NodeId::new(id.clone())) {
                continue;
            }
            let sources_too = id.starts_with("source.");
            if sources_too { &mut sources } else { &mut nodes }.insert(id, shape);
        }
    }
    let folder = common.target_path.clone().unwrap_or_else(|| PathBuf::from("target"));
    let artifacts = Artifacts {
        project: &place.project,
        folder: place.root.join(folder),
        which: "generate",
        invocation: run.as_str().to_owned(),
        arguments: invocation.arguments,
        compiled: workshop.compiled(),
        finished: place.clocks.machine.now(),
        elapsed: Duration::ZERO,
        no_ops: Vec::new(),
    };
    artifacts.write_manifest()?;
    if !arguments.no_compile {
        let path = artifacts.folder.join("manifest.json");
        let mut manifest = serde_json::from_str(&std::fs::read_to_string(&path)?)
            .map_err(|error| Failure::usage(format!("manifest.json is no JSON: {error}")))?;
        planned::into_manifest(&place, &mut manifest).await?;
        artifacts.write_file("manifest.json", &manifest)?;
    }
    let count = nodes.len() + sources.len();
    let whole = json!({
        "metadata": artifacts.metadata(CATALOG),
        "nodes": nodes,
        "sources": sources,
        "errors": null,
    });
    artifacts.write_file("catalog.json", &whole)?;
    write_pages(&artifacts, arguments.one_page, &whole)?;
    for problem in &problems {
        console.complain(&format!("warning: {problem}"));
    }
    console.say(&format!("catalog of {count} tables; {}", seconds(started.elapsed())));
    Ok(ExitCode::SUCCESS)
}

/// The page that shows both files, and with `--static` the page that holds them.
fn write_pages(artifacts: &Artifacts<'_>, one_page: bool, catalog: &Value) -> Result<(), Failure> {
    std::fs::write(artifacts.folder.join("index.html"), PAGE)?;
    if !one_page {
        return Ok(());
    }
    // `</` inside a script would end it.
    let inlined = |value: &Value| value.to_string().replace("</", "<\\/");
    let held = format!(
        "window.held = {{manifest: {}, catalog: {}}};",
        inlined(&artifacts.manifest()),
        inlined(catalog)
    );
    let page = PAGE.replacen("/* what is held stands here */", &held, 1);
    Ok(std::fs::write(artifacts.folder.join("static_index.html"), page)?)
}

async fn catalog(
    place: &Workplace,
    workshop: &Workshop,
) -> Result<BTreeMap<String, Value>, Failure> {
    let mut found = BTreeMap::new();
    for table in workshop.described().await? {
        let Some(node) = place.project.graph.node(&table.node) else { continue };
        let Some(relation) = &node.relation else { continue };
        let columns: Map<String, Value> = table
            .columns
            .iter()
            .enumerate()
            .map(|(at, (name, kind))| {
                let described = node.columns.iter().find(|column| column.name == *name);
                let comment = described.map(|column| column.description.clone());
                let column =
                    json!({"type": kind, "index": at + 1, "name": name, "comment": comment});
                (name.clone(), column)
            })
            .collect();
        let shape = json!({
            "metadata": {
                "type": if table.is_view { "VIEW" } else { "BASE TABLE" },
                "schema": relation.schema,
                "name": relation.identifier,
                "database": relation.database,
                "comment": null,
                "owner": null,
            },
            "columns": columns,
            "stats": {
                "has_stats": {
                    "id": "has_stats",
                    "label": "Has Stats?",
                    "value": false,
                    "include": false,
                    "description": "Indicates whether there are statistics for this table",
                },
            },
            "unique_id": node.id,
        });
        found.insert(node.id.as_str().to_owned(), shape);
    }
    Ok(found)
}
