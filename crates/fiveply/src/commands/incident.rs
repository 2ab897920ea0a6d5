//! `fiveply incident` and `fiveply promise`: what is wrong, whose it is, what was promised.

use std::process::ExitCode;

use ledger::IncidentStatus;
use observability::promise::{PromiseState, PromiseStatus};
use observability::{Watcher, incident_story, promises};
use serde_json::json;

use crate::arguments::{Common, IncidentCommand, PromiseCommand};
use crate::console::{Console, Ink, columns};
use crate::failure::Failure;
use crate::workplace::{self, Workplace};

/// Incidents that are listed.
const LISTED_MAX: u32 = 100;
/// Letters of an id that are shown; they are enough to name it.
const ID_LETTERS: usize = 13;

pub(crate) async fn run(
    common: &Common,
    command: &IncidentCommand,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    match command {
        IncidentCommand::List { all } => list(&place, *all, console).await?,
        IncidentCommand::Show { id } => show(&place, id, console).await?,
        IncidentCommand::Watch => watch(&place, console).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(place: &Workplace, all: bool, console: &Console) -> Result<(), Failure> {
    let status = (!all).then_some(IncidentStatus::Open);
    let found = place.ledger.incidents(&place.environment, status, LISTED_MAX).await?;
    if console.json {
        return Ok(console.print(&json!({"incidents": found}).to_string())?);
    }
    if found.is_empty() {
        let word = if all { "no incident yet" } else { "no open incident" };
        return Ok(console.print(word)?);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|one| {
            vec![
                one.id.chars().take(ID_LETTERS).collect(),
                one.status.to_string(),
                one.severity.to_string(),
                one.began.format("%Y-%m-%d %H:%M").to_string(),
                one.owner.clone().unwrap_or_else(|| "-".to_owned()),
                one.title.clone(),
            ]
        })
        .collect();
    for line in columns(&rows, &[]) {
        console.print(&line)?;
    }
    Ok(())
}

async fn show(place: &Workplace, id: &str, console: &Console) -> Result<(), Failure> {
    let story = incident_story(&place.tools(), id).await?;
    if console.json {
        let document = serde_json::to_value(&story);
        let document = document.map_err(|error| Failure::usage(error.to_string()))?;
        return Ok(console.print(&document.to_string())?);
    }
    let incident = &story.incident;
    console.print(&console.paint(Ink::Strong, &incident.title))?;
    console.print(&format!(
        "  {} · {} · {} · owner {}",
        incident.id,
        incident.status,
        incident.severity,
        incident.owner.as_deref().unwrap_or("nobody")
    ))?;
    for event in &story.timeline {
        let at = event.at.format("%Y-%m-%d %H:%M");
        console.print(&format!("  {at}  {}: {}", event.kind.replace('_', " "), event.message))?;
    }
    if let Some(diagnosis) = &story.diagnosis {
        console.print("")?;
        console.print(diagnosis.text().trim_end())?;
    }
    Ok(())
}

async fn watch(place: &Workplace, console: &Console) -> Result<(), Failure> {
    let watched = Watcher::new(place.tools()).watch().await?;
    if console.json {
        let document = json!({
            "opened": watched.opened, "closed": watched.closed,
            "alerts_sent": watched.alerts_sent, "alerts_refused": watched.alerts_refused,
        });
        return Ok(console.print(&document.to_string())?);
    }
    console.say(&format!(
        "{} opened, {} closed, {} alerts sent",
        watched.opened.len(),
        watched.closed.len(),
        watched.alerts_sent
    ));
    list(place, false, console).await
}

pub(crate) async fn promise(
    common: &Common,
    command: &PromiseCommand,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let PromiseCommand::List = command;
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let states = promises(&place.tools()).await?;
    if console.json {
        console.print(&json!({"promises": states}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if states.is_empty() {
        console.print("no promise is written; see docs/promises.md")?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = states.iter().map(promise_row).collect();
    for line in columns(&rows, &[]) {
        console.print(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn promise_row(state: &PromiseState) -> Vec<String> {
    let status = match state.status {
        PromiseStatus::Kept => "kept",
        PromiseStatus::Broken => "broken",
        PromiseStatus::BudgetSpent => "budget spent",
        PromiseStatus::Unknown => "not measured",
    };
    let budget = &state.budget;
    vec![
        status.to_owned(),
        state.node.to_string(),
        state.promise.clone(),
        state.measured.clone(),
        format!("{:.1} of {:.1} left", budget.left, budget.allowed),
        state.owner.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}
