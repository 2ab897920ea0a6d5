//! `fiveply promote`: one environment's names point to what was built and tested in another, in one
//! ledger transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use base::{EnvironmentName, NodeId, TableAccount, TableName};
use ledger::{
    Commit, NodeMeaning, Pointer, PointerKind, PresentVersion, Swing, TableVersion, Tested,
};
use project::{Node, NodeKind, TestSeverity};
use serde_json::json;

use crate::arguments::{Common, PromoteArguments};
use crate::commands::{environment, selected};
use crate::console::{Console, columns, things};
use crate::failure::Failure;
use crate::workplace::{self, Workplace};

/// One name to point elsewhere.
struct Move {
    node: NodeId,
    version: PresentVersion,
    before: Option<Pointer>,
}

pub(crate) async fn run(
    common: &Common,
    arguments: &PromoteArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let opened = workplace::open_project(common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let (from, to): (EnvironmentName, EnvironmentName) =
        (arguments.from.as_str().into(), arguments.to.as_str().into());
    if from == to {
        return Err(Failure::usage(format!("\"{from}\" cannot be promoted to itself"))
            .help("Name where versions were built, then where they are published."));
    }
    environment::known(&place, &from).await?;
    let standing = place.ledger.environment_sequence(&to).await?;
    if let Some(expected) = arguments.expect.filter(|expected| *expected != standing) {
        return Err(Failure::usage(format!(
            "\"{to}\" moved since the plan: it stood at {expected} and stands at {standing}"
        ))
        .help(format!("Look again: `fiveply plan {to}`.")));
    }
    let ids: BTreeSet<NodeId> =
        selected(&place.project, &arguments.selection)?.into_iter().collect();
    let moves = moves(&place, &from, &to, &ids).await?;
    let meanings = place.ledger.meanings(&from).await?;
    let untested = untested(&place, &moves, &meanings);
    if !untested.is_empty() && !arguments.allow_untested {
        let names: Vec<&str> = untested.iter().map(|node| node.as_str()).collect();
        return Err(Failure::usage(format!(
            "tests did not pass on what {from} has of {}",
            names.join(", ")
        ))
        .help(format!(
            "Run `fiveply build --environment {from}`, or publish them with --allow-untested."
        )));
    }
    let missing = unaccompanied(&place, &moves, &to).await?;
    if !moves.is_empty() && !arguments.dry_run {
        publish(&place, &from, &to, &moves).await?;
        let moved: BTreeSet<&NodeId> = moves.iter().map(|one| &one.node).collect();
        let tests = tested_by(&place, &moved);
        let carried =
            meanings.into_iter().filter(|(id, _)| moved.contains(id) || tests.contains(id));
        place.ledger.keep_meanings(&to, &carried.collect()).await?;
    }
    show(&moves, &missing, arguments, console)?;
    Ok(ExitCode::SUCCESS)
}

/// The names whose versions in `from` were never published in `to`.
async fn moves(
    place: &Workplace,
    from: &EnvironmentName,
    to: &EnvironmentName,
    ids: &BTreeSet<NodeId>,
) -> Result<Vec<Move>, Failure> {
    let stood = place.ledger.ever_pointed_to(to).await?;
    let target = place.ledger.present_versions(to).await?;
    let mut found = Vec::new();
    for version in place.ledger.present_versions(from).await? {
        let Some(node) = version.node.clone().filter(|node| ids.contains(node)) else { continue };
        let kind = place.project.graph.node(&node).map(|node| node.kind);
        // What the target had before is older there, not newer here.
        if !kind.is_some_and(NodeKind::is_referable) || stood.contains(&version.metadata_location) {
            continue;
        }
        let elsewhere = target.iter().find(|one| {
            one.node.as_ref() == Some(&node) && one.table.namespace != version.table.namespace
        });
        if let Some(other) = elsewhere {
            return Err(Failure::usage(format!(
                "\"{node}\" is {} in \"{from}\" and {} in \"{to}\"",
                version.table, other.table
            ))
            .help("Give both environments the same schema: build with --environment NAME."));
        }
        let before = place.ledger.pointer(to, &version.table).await?;
        found.push(Move { node, version, before });
    }
    Ok(found)
}

/// Nodes that have tests which did not pass on their version.
fn untested(
    place: &Workplace,
    moves: &[Move],
    meanings: &BTreeMap<NodeId, NodeMeaning>,
) -> Vec<NodeId> {
    let graph = &place.project.graph;
    let passed = |test: &Node, one: &Move| {
        meanings.get(&test.id).is_some_and(|known| {
            known.inputs.get(&one.version.table.to_string()) == Some(&one.version.metadata_location)
        })
    };
    let bare = moves.iter().filter(|one| {
        let tests = graph.children(&one.node).iter().filter_map(|id| graph.node(id));
        let mut gates = tests.filter(|test| {
            test.test.as_ref().is_some_and(|test| test.severity == TestSeverity::Error)
        });
        let judged = !matches!(one.version.tested, None | Some(Tested::Untested));
        !judged && gates.any(|test| !passed(test, one))
    });
    bare.map(|one| one.node.clone()).collect()
}

fn tested_by<'a>(place: &'a Workplace, moved: &BTreeSet<&NodeId>) -> BTreeSet<&'a NodeId> {
    let graph = &place.project.graph;
    let tests = graph.nodes.values().filter(|node| {
        let tests = matches!(node.kind, NodeKind::Test | NodeKind::UnitTest);
        tests && node.depends_on.iter().all(|id| moved.contains(id))
    });
    tests.map(|node| &node.id).collect()
}

/// Tables that a moved version was computed from and that the target has in another version.
async fn unaccompanied(
    place: &Workplace,
    moves: &[Move],
    to: &EnvironmentName,
) -> Result<Vec<(NodeId, TableName)>, Failure> {
    let target = place.ledger.present_versions(to).await?;
    let mut held: BTreeMap<&TableName, Option<i64>> =
        target.iter().map(|version| (&version.table, version.snapshot_id)).collect();
    held.extend(moves.iter().map(|one| (&one.version.table, one.version.snapshot_id)));
    let mut found = Vec::new();
    for one in moves {
        for input in one.version.inputs.iter().flatten() {
            let own = input.table == one.version.table;
            if !own && held.get(&input.table) != Some(&input.snapshot_id) {
                found.push((one.node.clone(), input.table.clone()));
            }
        }
    }
    Ok(found)
}

/// A version as another environment takes it over: it starts from what that one had.
pub(crate) fn carried(version: TableVersion, commit: &Commit, before: u64) -> TableVersion {
    let after = version.account.after;
    let account = TableAccount { before, inserted: after, removed: before, after, deleted: 0 };
    TableVersion { commit_id: commit.id.clone(), account, load: None, ..version }
}

async fn publish(
    place: &Workplace,
    from: &EnvironmentName,
    to: &EnvironmentName,
    moves: &[Move],
) -> Result<(), Failure> {
    let mut commit = Commit::new(place.ledger.new_commit_id(), to.clone());
    for one in moves {
        let (table, location) = (&one.version.table, &one.version.metadata_location);
        let expected = one.before.as_ref().map(|pointer| pointer.metadata_location.clone());
        let known = place.ledger.table_version(from, table, location).await?;
        if let Some(version) = known {
            let replaced = one.before.as_ref().filter(|_| version_has_rows(&one.version));
            let before = match replaced {
                Some(pointer) => rows_of(place, to, pointer).await?,
                None => 0,
            };
            let version = carried(version, &commit, before);
            commit = commit.version(version);
        }
        commit = commit.swing(Swing {
            table: table.clone(),
            kind: one.version.kind,
            expected,
            new: Some(location.clone()),
        });
    }
    place.ledger.commit(&commit).await?;
    Ok(())
}

fn version_has_rows(version: &PresentVersion) -> bool {
    version.kind == PointerKind::Table
}

async fn rows_of(
    place: &Workplace,
    environment: &EnvironmentName,
    pointer: &Pointer,
) -> Result<u64, Failure> {
    let location = &pointer.metadata_location;
    let version = place.ledger.table_version(environment, &pointer.table, location).await?;
    Ok(version.map_or(0, |version| version.account.after))
}

fn show(
    moves: &[Move],
    missing: &[(NodeId, TableName)],
    arguments: &PromoteArguments,
    console: &Console,
) -> Result<(), Failure> {
    let (from, to) = (&arguments.from, &arguments.to);
    for (node, table) in missing {
        console.complain(&format!(
            "warning: \"{node}\" was computed from a version of {table} that \"{to}\" does not have"
        ));
    }
    if console.json {
        let pointed: Vec<_> = moves
            .iter()
            .map(|one| {
                let before = one.before.as_ref().map(|pointer| &pointer.metadata_location);
                json!({
                    "node": one.node,
                    "table": one.version.table.to_string(),
                    "from": before,
                    "to": one.version.metadata_location,
                    "rows": one.version.rows,
                })
            })
            .collect();
        let warnings: Vec<_> = missing
            .iter()
            .map(|(node, table)| json!({"node": node, "other_version_of": table.to_string()}))
            .collect();
        let published = !arguments.dry_run;
        let document = json!({
            "from": from,
            "to": to,
            "published": published,
            "moves": pointed,
            "warnings": warnings,
        });
        console.print(&document.to_string())?;
        return Ok(());
    }
    let rows: Vec<Vec<String>> = moves
        .iter()
        .map(|one| {
            let what = if one.before.is_some() { "replaced" } else { "new" };
            vec![format!("  {what}"), one.version.table.to_string(), one.node.to_string()]
        })
        .collect();
    for line in columns(&rows, &[]) {
        console.print(&line)?;
    }
    let count = things(moves.len() as u64, "name");
    console.print(&match (moves.len(), arguments.dry_run) {
        (0, _) => format!("{to} has everything that was built in {from}"),
        (_, true) => format!("{count} of {to} would point to what {from} has"),
        (_, false) => format!("{count} of {to} now point to what {from} has"),
    })?;
    Ok(())
}
