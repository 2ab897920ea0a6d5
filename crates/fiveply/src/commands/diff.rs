//! `fiveply diff`: what differs between two versions of a model, column by column and by key.

mod compare;
mod show;

use std::process::ExitCode;

use base::{EnvironmentName, TableName};
use compute::{Catalog, Dialect, Prepared, Session, SessionOptions};
use ledger::PointerKind;
use project::{Node, TestKind};

use crate::arguments::{Common, DiffArguments};
use crate::commands::lineage::find_node;
use crate::console::Console;
use crate::failure::Failure;
use crate::workplace::{self, Workplace};

pub(crate) use compare::{Difference, Pair};

/// One of the two versions.
pub(crate) struct Side {
    /// As the command names it.
    pub(crate) label: String,
    /// All of its rows, planned where it stands.
    pub(crate) rows: Prepared,
}

pub(crate) async fn run(
    common: &Common,
    arguments: &DiffArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let node = find_node(&place.project, &arguments.model)
        .filter(|node| node.relation.is_some())
        .ok_or_else(|| {
        Failure::usage(format!("there is no model \"{}\"", arguments.model))
            .help("`fiveply ls --resource-type model seed snapshot` lists what has rows.")
    })?;
    let one = side(&place, &arguments.one, node).await?;
    let other = side(&place, &arguments.other, node).await?;
    let key = if arguments.key.is_empty() { key_of(&place, node) } else { arguments.key.clone() };
    let pair = Pair::new(&place, one, other, key, arguments.sample)?;
    let found = pair.compare().await?;
    if console.json {
        console.print(&show::json(node, &found).to_string())?;
    } else {
        console.print(show::text(node, &found).trim_end())?;
    }
    let wrong = arguments.check && !found.is_none();
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Every row of a version, read in its own environment.
async fn side(place: &Workplace, words: &str, node: &Node) -> Result<Side, Failure> {
    let (name, wanted) = match words.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (words, None),
    };
    let environment: EnvironmentName = name.into();
    let mut catalog = Catalog::of_environment(&place.ledger, &place.lake, &environment).await?;
    let table = table_in(place, &environment, node).await?;
    if let Some(wanted) = wanted {
        let location = version(place, &environment, &table, wanted).await?;
        catalog = catalog.with_version(table.clone(), location, PointerKind::Table);
    } else if place.ledger.pointer(&environment, &table).await?.is_none() {
        return Err(Failure::usage(format!("\"{table}\" is not published in \"{environment}\""))
            .help("`fiveply environment list` lists environments; build the model there first."));
    }
    let session = session_over(place, catalog);
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let sql = format!("select * from {}.{}", quoted(&table.namespace), quoted(&table.name));
    let rows = session.prepare(&sql).await?;
    Ok(Side { label: words.to_owned(), rows })
}

/// A session that says the same of both sides, whatever the project's dialect.
pub(crate) fn session_over(place: &Workplace, catalog: Catalog) -> Session {
    let options = SessionOptions {
        dialect: Dialect::Postgres,
        business_now: place.clocks.business.now(),
        time_zone: "UTC".to_owned(),
        default_namespace: Some(place.project.target.schema.clone()),
    };
    place.engine.session(catalog, options)
}

/// The name under which an environment has a node.
async fn table_in(
    place: &Workplace,
    environment: &EnvironmentName,
    node: &Node,
) -> Result<TableName, Failure> {
    let own = node.relation.as_ref().map(project::Relation::table);
    let own = own.unwrap_or_else(|| TableName::new("", node.name.clone()));
    if place.ledger.pointer(environment, &own).await?.is_some() {
        return Ok(own);
    }
    let versions = place.ledger.present_versions(environment).await?;
    let made = versions.into_iter().find(|version| version.node.as_ref() == Some(&node.id));
    Ok(made.map_or(own, |version| version.table))
}

/// The metadata file of an older version: `-1` for the one before, or a snapshot's number.
async fn version(
    place: &Workplace,
    environment: &EnvironmentName,
    table: &TableName,
    wanted: &str,
) -> Result<String, Failure> {
    let versions = place.ledger.table_versions(environment, table).await?;
    let found = match wanted.strip_prefix('-').map(str::parse::<usize>) {
        Some(Ok(back)) => versions.iter().rev().nth(back),
        Some(Err(_)) | None => versions.iter().rev().find(|version| {
            version.snapshot_id.is_some_and(|snapshot| snapshot.to_string() == wanted)
        }),
    };
    found.map(|version| version.metadata_location.clone()).ok_or_else(|| {
        let last = versions.iter().rev().take(5).filter_map(|version| version.snapshot_id);
        let last: Vec<String> = last.map(|snapshot| snapshot.to_string()).collect();
        Failure::usage(format!("\"{table}\" has no version \"{wanted}\" in \"{environment}\""))
            .help(match last.is_empty() {
                true => "It was never published there.".to_owned(),
                false => format!("Its last snapshots: {}; -1 is the one before.", last.join(", ")),
            })
    })
}

/// The columns that tell rows apart, as the project says.
fn key_of(place: &Workplace, node: &Node) -> Vec<String> {
    if !node.config.unique_key.is_empty() {
        return node.config.unique_key.clone();
    }
    let graph = &place.project.graph;
    let tests = graph.children(&node.id).iter().filter_map(|id| graph.node(id)?.test.as_ref());
    for test in tests.filter(|test| test.attached.as_ref() == Some(&node.id)) {
        let TestKind::Generic { name, column, arguments, .. } = &test.kind else { continue };
        match (name.as_str(), column) {
            ("unique", Some(column)) => return vec![column.clone()],
            ("unique_combination_of_columns", _) => {
                let columns = arguments.get("combination_of_columns");
                let columns = columns.and_then(serde_json::Value::as_array).into_iter().flatten();
                return columns.filter_map(|name| name.as_str().map(str::to_owned)).collect();
            }
            _ => {}
        }
    }
    let primary = |one: &serde_json::Value| {
        one.get("type").and_then(serde_json::Value::as_str) == Some("primary_key")
    };
    let keys = node.columns.iter().filter(|column| column.constraints.iter().any(primary));
    keys.map(|column| column.name.clone()).collect()
}
