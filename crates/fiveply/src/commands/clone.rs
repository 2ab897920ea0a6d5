//! `fiveply clone`: tables of another environment under names of this one. Both names point to the
//! same files, which never change, so nothing is copied; whoever writes to one of them makes a
//! version that the other does not see.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use base::{CommitId, EnvironmentName, InputVersion, TableAccount, TableName};
use ledger::{Commit, PointerKind, StepStatus, Swing, TableVersion};
use project::{Node, NodeKind};
use serde_json::json;
use transformation::StepReport;

use crate::arguments::{CloneArguments, Common};
use crate::commands::{nothing_to_do, selected};
use crate::console::{Console, Ink, count, seconds};
use crate::events;
use crate::failure::Failure;
use crate::state::State;
use crate::workplace::{self, Workplace};
use crate::{around, invocation};

/// What is said of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is a name here now.
    Cloned,
    /// A table of this name is here, and no --full-refresh was asked for.
    There,
    /// The state knows it, and its environment has no such table.
    Absent,
}

pub(crate) async fn run(
    common: &Common,
    arguments: &CloneArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let Some(folder) = &arguments.selection.state else {
        return Err(Failure::usage("clone needs the state of the environment that is cloned")
            .help("Name a folder that holds its manifest.json: --state FOLDER."));
    };
    let state = State::read(&place.root, folder)?;
    let graph = &place.project.graph;
    let chosen = selected(&place.project, &arguments.selection)?;
    let nodes: Vec<&Node> = chosen
        .iter()
        .filter_map(|id| graph.node(id))
        .filter(|node| node.kind.is_referable() && !node.is_ephemeral())
        .filter(|node| is_wanted(arguments, node.kind))
        .collect();
    if nodes.is_empty() {
        nothing_to_do(console)?;
    }
    let commit =
        CommitId::generate(place.clocks.machine.as_ref(), place.ledger.randomness().as_ref());
    let mut commit = Commit::new(commit, place.environment.clone());
    let mut done = Vec::new();
    for node in nodes {
        let outcome = add(&place, &state, node, arguments.full_refresh, &mut commit).await?;
        done.push((node, outcome));
    }
    if !commit.swings.is_empty() {
        place.ledger.commit(&commit).await?;
    }
    report(&place, common, &done, started, console)
}

fn is_wanted(arguments: &CloneArguments, kind: NodeKind) -> bool {
    let named = |kinds: &[String]| {
        let mut words = kinds.iter().flat_map(|words| words.split([' ', ',']));
        words.any(|word| word == kind.word() || word == "all" || word == "default")
    };
    (arguments.resource_type.is_empty() || named(&arguments.resource_type))
        && !named(&arguments.exclude_resource_type)
}

/// Adds one table's pointer to the commit.
async fn add(
    place: &Workplace,
    state: &State,
    node: &Node,
    replace: bool,
    commit: &mut Commit,
) -> Result<Outcome, Failure> {
    let Some(relation) = &node.relation else { return Ok(Outcome::Absent) };
    let Some(there) = state.place(node) else { return Ok(Outcome::Absent) };
    let (from, source) = (EnvironmentName::from(there.database.as_str()), there.table());
    let Some(pointer) = place.ledger.pointer(&from, &source).await? else {
        return Ok(Outcome::Absent);
    };
    let table = relation.table();
    let here = place.ledger.pointer(&place.environment, &table).await?;
    let location = pointer.metadata_location.clone();
    let swing = match &here {
        Some(here) if !replace || here.metadata_location == location => {
            return Ok(Outcome::There);
        }
        Some(here) if here.kind != pointer.kind => {
            let message = format!(
                "\"{table}\" is a {} here and a {} there",
                word(here.kind),
                word(pointer.kind)
            );
            return Err(Failure::usage(message)
                .help("Drop it here first, or clone into another environment."));
        }
        Some(here) => {
            Swing::replace(table.clone(), pointer.kind, here.metadata_location.clone(), &*location)
        }
        None => Swing::create(table.clone(), pointer.kind, &*location),
    };
    let known = place.ledger.table_versions(&from, &source).await?;
    let known = known.into_iter().rev().find(|one| one.metadata_location == location);
    let now = place.clocks.business.now();
    let mut version = TableVersion::new(table.clone(), location, commit.id.clone(), now);
    version.node = Some(node.id.clone());
    if let (Some(known), PointerKind::Table) = (known, pointer.kind) {
        let before = rows_here(place, &table).await?;
        let rows = known.account.after;
        version.snapshot_id = known.snapshot_id;
        version.code_fingerprint = known.code_fingerprint;
        version.tested = known.tested;
        version.inputs = vec![InputVersion { table: source, snapshot_id: known.snapshot_id, rows }];
        version.account =
            TableAccount { before, inserted: rows, deleted: 0, removed: before, after: rows };
    }
    commit.swings.push(swing);
    // A version that this name had before is known by its file already.
    let mine = place.ledger.table_versions(&place.environment, &table).await?;
    if !mine.iter().any(|one| one.metadata_location == version.metadata_location) {
        commit.versions.push(version);
    }
    Ok(Outcome::Cloned)
}

fn word(kind: PointerKind) -> &'static str {
    match kind {
        PointerKind::Table => "table",
        PointerKind::View => "view",
    }
}

async fn rows_here(place: &Workplace, table: &TableName) -> Result<u64, Failure> {
    let versions = place.ledger.table_versions(&place.environment, table).await?;
    Ok(versions.last().map(|version| version.account.after).unwrap_or_default())
}

fn report(
    place: &Workplace,
    common: &Common,
    done: &[(&Node, Outcome)],
    started: Instant,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let mut reports = Vec::new();
    for (node, outcome) in done {
        let (ink, said, why) = match outcome {
            Outcome::Cloned => (Ink::Good, "cloned", ""),
            Outcome::There => {
                (Ink::Faint, "kept", "it is here already; --full-refresh replaces it")
            }
            Outcome::Absent => (Ink::Warning, "absent", "the other environment has no such table"),
        };
        console.say(&format!("{} {}  {why}", console.paint(ink, &format!("{said:<7}")), node.id));
        let mut report = StepReport::new(&node.id, StepStatus::Succeeded);
        report.message = Some(if *outcome == Outcome::Cloned { "OK" } else { "No-op" }.to_owned());
        report.table = node.relation.as_ref().map(project::Relation::table);
        report.published = *outcome == Outcome::Cloned;
        reports.push(report);
    }
    let invocation = invocation::plain("clone", common, place, console);
    let folder = common.target_path.clone().unwrap_or_else(|| PathBuf::from("target"));
    let id = events::take_run_id().map(|id| id.to_string()).unwrap_or_default();
    let mut artifacts = around::artifacts(place, place.root.join(folder), "clone", &invocation, id);
    artifacts.elapsed = started.elapsed();
    artifacts.write(&reports)?;
    events::run_ended(&place.project, &reports, started.elapsed());
    let number = |wanted: Outcome| done.iter().filter(|(_, one)| *one == wanted).count();
    if console.json {
        let nodes: Vec<_> = done
            .iter()
            .map(|(node, one)| json!({"node": node.id, "cloned": *one == Outcome::Cloned}))
            .collect();
        console.print(
            &json!({"command": "clone", "status": "succeeded", "nodes": nodes}).to_string(),
        )?;
    }
    let (cloned, kept) = (number(Outcome::Cloned), number(Outcome::There));
    let absent = number(Outcome::Absent);
    console.say(&format!(
        "clone: {} cloned, {} kept, {} absent; {}",
        count(cloned as u64),
        count(kept as u64),
        count(absent as u64),
        seconds(started.elapsed())
    ));
    Ok(ExitCode::SUCCESS)
}
