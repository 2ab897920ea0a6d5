//! `fiveply sync`: rows sent to the tools of other teams.

use std::collections::BTreeSet;
use std::process::ExitCode;

use base::{NodeId, RunId};
use consumption::activation::{self, DryRun, SyncOptions, SyncReport};
use ledger::{NewRun, RunStatus, StepStatus, SyncCounts, SyncEntry, SyncLogFilter, SyncOutcome};
use project::Node;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::arguments::{Common, SyncCommand, SyncLogArguments, SyncOutcomeWord, SyncRunArguments};
use crate::commands::load::Vendors;
use crate::console::{Console, Ink, columns, count, seconds};
use crate::failure::{Failure, NODE_FAILED};
use crate::signals::cancel_on_signal;
use crate::workplace::{self, Workplace};

pub(crate) async fn run(
    common: &Common,
    command: &SyncCommand,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let vendors = Vendors::start(common).await?;
    let opened = workplace::open_project(common, vendors.variables(), console)?;
    let place = Workplace::open(opened, None).await?;
    match command {
        SyncCommand::List => list(&place, console).await,
        SyncCommand::Run(arguments) => send(&place, arguments, console).await,
        SyncCommand::Log(arguments) => log(&place, arguments, console).await,
    }
}

async fn list(place: &Workplace, console: &Console) -> Result<ExitCode, Failure> {
    let mut rows = vec![
        ["sync", "to", "mode", "owner", "last run", "sent", "unchanged", "refused"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let mut documents = Vec::new();
    for sync in &place.project.syncs {
        let runs = place.ledger.sync_runs(&place.environment, Some(&sync.name), 1).await?;
        let last = runs.first();
        let node = place.project.graph.node(&sync.node_id(&place.project.name));
        let owner = node.and_then(|node: &Node| node.owner.as_ref()).map(|owner| &owner.name);
        let of = |pick: fn(&SyncCounts) -> u64| {
            last.map_or_else(|| "-".to_owned(), |run| count(pick(&run.counts)))
        };
        rows.push(vec![
            sync.name.clone(),
            sync.destination.kind.word().to_owned(),
            sync.mode.word().to_owned(),
            owner.cloned().unwrap_or_else(|| "-".to_owned()),
            last.map_or_else(|| "never".to_owned(), |run| run.status.to_string()),
            of(SyncCounts::sent),
            of(|counts| counts.unchanged),
            of(|counts| counts.failed),
        ]);
        documents.push(json!({
            "name": sync.name,
            "description": sync.description,
            "destination": sync.destination.kind.word(),
            "mode": sync.mode.word(),
            "owner": owner,
            "last_run": last.map(|run| json!({
                "run": run.run, "status": run.status, "message": run.message,
                "counts": run.counts, "finished_at": run.business_finished,
            })),
        }));
    }
    if console.json {
        console.print(&json!({"syncs": documents}).to_string())?;
    } else if documents.is_empty() {
        console.say("the project has no syncs; docs/activation.md shows how to write one");
    } else {
        console.print(&columns(&rows, &[5, 6, 7]).join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn send(
    place: &Workplace,
    arguments: &SyncRunArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let context = place.consumption(CancellationToken::new());
    let options = SyncOptions { confirmed: arguments.confirm, resync: arguments.resync };
    let mut nodes = BTreeSet::new();
    for name in &arguments.names {
        nodes.insert(activation::find(&context, name)?.node_id(&place.project.name));
    }
    if !arguments.dry_run {
        return carry_out(place, &nodes, options, console).await;
    }
    let mut documents = Vec::new();
    for node in &nodes {
        let dry = activation::dry_run(&context, node.as_str(), options).await?;
        if !console.json {
            console.print(&shown(&dry))?;
        }
        documents.push(json!(dry));
    }
    if console.json {
        console.print(&json!({"dry_runs": documents}).to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(dry: &DryRun) -> String {
    let DryRun { sync, counts, guard, samples } = dry;
    let mut lines = vec![format!(
        "sync {sync}, nothing sent: {} to insert, {} to update, {} to remove, {} unchanged, {} \
         held by the mode",
        count(counts.inserted),
        count(counts.updated),
        count(counts.deleted),
        count(counts.unchanged),
        count(counts.held)
    )];
    lines.extend(guard.as_ref().map(|guard| format!("  guard: {guard}")));
    for sample in samples {
        let text = |key: &str| sample.request[key].as_str().unwrap_or_default().to_owned();
        lines.push(format!("  {} {}", sample.operation, sample.key));
        lines.push(format!("    {} {}", text("method"), text("path")));
        lines.push(format!("    {}", sample.request["body"]));
    }
    lines.join("\n")
}

/// The options that a later `retry` needs.
fn words(options: SyncOptions) -> Vec<String> {
    let words = [(options.confirmed, "--confirm"), (options.resync, "--resync")];
    words.iter().filter(|(set, _)| *set).map(|(_, word)| (*word).to_owned()).collect()
}

/// The options that [`words`] wrote down.
pub(crate) fn options_of(words: &[String]) -> SyncOptions {
    let has = |word: &str| words.iter().any(|one| one == word);
    SyncOptions { confirmed: has("--confirm"), resync: has("--resync") }
}

/// Runs syncs one after the other, as one run.
///
/// # Errors
/// When the run cannot begin; what happens to syncs is printed.
pub(crate) async fn carry_out(
    place: &Workplace,
    nodes: &BTreeSet<NodeId>,
    options: SyncOptions,
    console: &Console,
) -> Result<ExitCode, Failure> {
    place.ledger.interrupt_abandoned_runs().await?;
    let run = place
        .ledger
        .begin_run(&NewRun {
            environment: place.environment.clone(),
            command: "sync".to_owned(),
            arguments: words(options),
            selection: nodes.iter().cloned().collect(),
        })
        .await?;
    let cancel = cancel_on_signal(console);
    let context = place.consumption(cancel.stops.cancel.clone());
    let mut reports = Vec::new();
    for node in nodes {
        let report = activation::run(&context, &run, node, options).await;
        tell(&report, console);
        reports.push(report);
    }
    let status = if cancel.stops.cancel.is_cancelled() {
        RunStatus::Cancelled
    } else if reports.iter().all(SyncReport::is_good) {
        RunStatus::Succeeded
    } else {
        RunStatus::Failed
    };
    place.ledger.finish_run(&run, status).await?;
    if console.json {
        console.print(&document(&run, status, &reports).to_string())?;
    }
    let good = status == RunStatus::Succeeded;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(NODE_FAILED) })
}

fn tell(report: &SyncReport, console: &Console) {
    let name = ledger::sync_of_node(&report.node);
    let SyncCounts { inserted, updated, deleted, unchanged, failed, held, .. } = report.counts;
    let (ink, word) = match report.status {
        StepStatus::Succeeded => (Ink::Good, "sent"),
        StepStatus::Warned => (Ink::Warning, "sent in part"),
        _ => (Ink::Bad, "failed"),
    };
    let held = if held > 0 { format!(", {} held", count(held)) } else { String::new() };
    let line = format!(
        "{} {name}: {} inserted, {} updated, {} removed, {} unchanged, {} refused{held} ({})",
        console.paint(ink, word),
        count(inserted),
        count(updated),
        count(deleted),
        count(unchanged),
        count(failed),
        seconds(report.duration)
    );
    if report.is_good() {
        console.say(&line)
    } else {
        console.complain(&line)
    }
    if let Some(message) = &report.message {
        console.complain(&format!("  {message}"));
    }
    if let Some(help) = report.help.as_ref().filter(|_| report.message.is_some()) {
        console.complain(&format!("  {} {help}", console.paint(Ink::Strong, "help:")));
    }
}

fn document(run: &RunId, status: RunStatus, reports: &[SyncReport]) -> Value {
    let one = |report: &SyncReport| {
        json!({
            "node": report.node,
            "status": report.status,
            "message": report.message,
            "help": report.help,
            "error_kind": report.error_kind,
            "counts": report.counts,
            "seconds": report.duration.as_secs_f64(),
        })
    };
    json!({
        "command": "sync",
        "run": run,
        "status": status,
        "syncs": reports.iter().map(one).collect::<Vec<_>>(),
    })
}

async fn log(
    place: &Workplace,
    arguments: &SyncLogArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let context = place.consumption(CancellationToken::new());
    let sync = activation::find(&context, &arguments.name)?;
    let outcome = arguments.outcome.map(|word| match word {
        SyncOutcomeWord::Acknowledged => SyncOutcome::Acknowledged,
        SyncOutcomeWord::Refused => SyncOutcome::Refused,
        SyncOutcomeWord::Unanswered => SyncOutcome::Unanswered,
    });
    let filter = SyncLogFilter { key: arguments.key.clone(), outcome, ..SyncLogFilter::default() };
    let (environment, limit) = (&place.environment, arguments.limit);
    let entries = place.ledger.sync_log(environment, &sync.name, &filter, limit).await?;
    if console.json {
        let entries: Vec<Value> = entries.iter().map(entry_document).collect();
        console.print(&json!({"sync": sync.name, "entries": entries}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    if entries.is_empty() {
        console.say("nothing was sent that this filter fits");
    }
    for SyncEntry { entry, business_time, .. } in &entries {
        let status = entry.http_status.map_or_else(String::new, |status| format!(" {status}"));
        console.print(&format!(
            "{} {} {} {}{status}\n  > {}",
            business_time.format("%Y-%m-%d %H:%M:%S"),
            entry.operation,
            entry.key,
            entry.outcome,
            entry.request
        ))?;
        let answer = entry.error.as_ref().or(entry.response.as_ref());
        if let Some(answer) = answer {
            console.print(&format!("  < {answer}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn entry_document(entry: &SyncEntry) -> Value {
    let SyncEntry { sequence, run, entry, business_time, .. } = entry;
    json!({
        "sequence": sequence,
        "run": run,
        "at": business_time,
        "key": entry.key,
        "operation": entry.operation,
        "outcome": entry.outcome,
        "http_status": entry.http_status,
        "idempotency_key": entry.idempotency_key,
        "batch_key": entry.batch_key,
        "request": serde_json::from_str::<Value>(&entry.request).unwrap_or_default(),
        "response": entry.response.as_ref().map(|text| {
            serde_json::from_str::<Value>(text).unwrap_or_else(|_| text.clone().into())
        }),
        "error": entry.error,
    })
}
