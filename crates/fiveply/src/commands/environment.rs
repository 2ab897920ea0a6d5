//! `fiveply environment`: environments are rows of pointers, so that making one copies nothing.

use std::process::ExitCode;

use base::EnvironmentName;
use ledger::{Commit, Swing};
use serde_json::json;

use crate::arguments::{Common, EnvironmentCommand};
use crate::console::{Console, columns, things};
use crate::failure::Failure;
use crate::workplace::{self, Workplace};

pub(crate) async fn run(
    common: &Common,
    command: &EnvironmentCommand,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    match command {
        EnvironmentCommand::List => list(&place, console).await?,
        EnvironmentCommand::Create { name, from } => {
            create(&place, &name.as_str().into(), &from.as_str().into(), console).await?;
        }
        EnvironmentCommand::Drop { name, yes } => {
            drop_all(&place, &name.as_str().into(), *yes, console).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(place: &Workplace, console: &Console) -> Result<(), Failure> {
    let (mut rows, mut documents) = (Vec::new(), Vec::new());
    for name in place.ledger.environments().await? {
        let pointers = place.ledger.pointers(&name).await?;
        let standing = place.ledger.environment_sequence(&name).await?;
        let last = place.ledger.latest_run(Some(&name)).await?;
        let own = name == place.environment;
        documents.push(json!({
            "environment": name,
            "tables": pointers.len(),
            "standing": standing,
            "default": own,
            "last_run": last.as_ref().map(|run| run.id.clone()),
        }));
        rows.push(vec![
            name.to_string(),
            things(pointers.len() as u64, "table"),
            format!("stands at {standing}"),
            if own { "default".to_owned() } else { String::new() },
        ]);
    }
    if console.json {
        console.print(&json!(documents).to_string())?;
    } else {
        console.print(&columns(&rows, &[]).join("\n"))?;
    }
    Ok(())
}

/// An environment that must have something.
///
/// # Errors
/// When it has nothing.
pub(crate) async fn known(place: &Workplace, name: &EnvironmentName) -> Result<(), Failure> {
    if !place.ledger.pointers(name).await?.is_empty() {
        return Ok(());
    }
    let mut names = Vec::new();
    for one in place.ledger.environments().await? {
        if !place.ledger.pointers(&one).await?.is_empty() {
            names.push(one.to_string());
        }
    }
    Err(Failure::usage(format!("environment \"{name}\" holds no table")).help(match names.len() {
        0 => "Run `fiveply build` first.".to_owned(),
        _ => format!("Environments that hold some: {}.", names.join(", ")),
    }))
}

async fn create(
    place: &Workplace,
    name: &EnvironmentName,
    from: &EnvironmentName,
    console: &Console,
) -> Result<(), Failure> {
    known(place, from).await?;
    if !place.ledger.pointers(name).await?.is_empty() {
        return Err(Failure::usage(format!("environment \"{name}\" is there already"))
            .help(format!("Drop it first: `fiveply environment drop {name} --yes`.")));
    }
    // What an environment of this name once had read must not stand beside tables it never wrote.
    place.ledger.forget_environment(name).await?;
    let mut commit = Commit::new(place.ledger.new_commit_id(), name.clone());
    let pointers = place.ledger.pointers(from).await?;
    for pointer in &pointers {
        let location = pointer.metadata_location.clone();
        let version = place.ledger.table_version(from, &pointer.table, &location).await?;
        let known = place.ledger.table_version(name, &pointer.table, &location).await?.is_some();
        if let Some(version) = version.filter(|_| !known) {
            let version = super::promote::carried(version, &commit, 0);
            commit = commit.version(version);
        }
        commit = commit.swing(Swing::create(pointer.table.clone(), pointer.kind, location));
    }
    for (stream, position) in place.ledger.positions(from).await? {
        commit = commit.position(stream, None, position);
    }
    place.ledger.commit(&commit).await?;
    let meanings = place.ledger.meanings(from).await?;
    place.ledger.keep_meanings(name, &meanings).await?;
    let tables = things(pointers.len() as u64, "table");
    console.say(&format!("{name}: {tables} of {from}, nothing copied"));
    if console.json {
        let count = pointers.len();
        console.print(&json!({"environment": name, "from": from, "tables": count}).to_string())?;
    }
    Ok(())
}

async fn drop_all(
    place: &Workplace,
    name: &EnvironmentName,
    yes: bool,
    console: &Console,
) -> Result<(), Failure> {
    known(place, name).await?;
    let pointers = place.ledger.pointers(name).await?;
    let tables = things(pointers.len() as u64, "table");
    if !yes {
        return Err(Failure::usage(format!("environment \"{name}\" holds {tables}"))
            .help("Say --yes to take their names away; the files stay."));
    }
    let mut commit = Commit::new(place.ledger.new_commit_id(), name.clone());
    for pointer in pointers {
        let swing = Swing::drop(pointer.table, pointer.kind, pointer.metadata_location);
        commit = commit.swing(swing);
    }
    place.ledger.commit(&commit).await?;
    place.ledger.forget_environment(name).await?;
    console.say(&format!("{name}: {tables} taken away"));
    if console.json {
        console.print(&json!({"environment": name, "dropped": true}).to_string())?;
    }
    Ok(())
}
