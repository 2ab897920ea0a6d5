//! `fiveply debug`: where everything is, and whether it is sound.

use std::process::ExitCode;

use serde_json::json;

use crate::arguments::{Common, DebugArguments};
use crate::console::{Console, Ink};
use crate::failure::{Failure, NODE_FAILED};
use crate::workplace::{self, Workplace};

pub(crate) async fn run(
    common: &Common,
    arguments: &DebugArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    if arguments.config_dir {
        let root = workplace::find_root(common.project_dir.as_deref())?;
        let folder = common.profiles_dir.clone().unwrap_or(root);
        console.print(&folder.display().to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let health = place.ledger.health().await?;
    if arguments.connection {
        let pointers = place.ledger.pointers(&place.environment).await?.len();
        let (ledger, warehouse) = (place.ledger.path().display(), place.lake.root());
        console.print(&format!("ledger at {ledger} answers: {pointers} tables and views"))?;
        console.print(&format!("warehouse at {warehouse}"))?;
        let sound = health.problems.is_empty();
        console.print(if sound { "connection test: OK" } else { "connection test: ERROR" })?;
        return Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(NODE_FAILED) });
    }
    let environments = place.ledger.environments().await?;
    let pointers = place.ledger.pointers(&place.environment).await?;
    let latest = place.ledger.latest_run(Some(&place.environment)).await?;
    let run = latest.as_ref().map(|run| format!("{} ({}, {})", run.id, run.command, run.status));
    let facts = [
        ("fiveply", env!("CARGO_PKG_VERSION").to_owned()),
        ("project", format!("{} in {}", place.project.name, place.root.display())),
        ("nodes", place.project.graph.nodes.len().to_string()),
        ("dialect", place.dialect.to_string()),
        (
            "target",
            format!("{} (schema {})", place.project.target.name, place.project.target.schema),
        ),
        ("environment", place.environment.to_string()),
        (
            "environments",
            environments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        ),
        ("tables and views", pointers.len().to_string()),
        ("warehouse", place.lake.root().to_owned()),
        ("ledger", place.ledger.path().display().to_string()),
        ("SQLite", health.sqlite_version.clone()),
        ("business clock", place.clocks.business.now().to_rfc3339()),
        ("memory for queries", format!("{} bytes", place.engine.options().memory_bytes)),
        ("threads for queries", place.engine.options().threads.to_string()),
        ("last run", run.unwrap_or_else(|| "none yet".to_owned())),
    ];
    let sound = health.problems.is_empty();
    if console.json {
        let mut document: serde_json::Map<_, _> =
            facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        document.insert("problems".to_owned(), json!(health.problems));
        console.print(&serde_json::Value::Object(document).to_string())?;
    } else {
        for (name, value) in &facts {
            console.print(&format!("{name:<20} {value}"))?;
        }
        let state = match sound {
            true => console.paint(Ink::Good, "ledger is sound"),
            false => console.paint(Ink::Bad, &health.problems.join("; ")),
        };
        console.print(&state)?;
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(NODE_FAILED) })
}
