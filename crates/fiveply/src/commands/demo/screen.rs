//! The last screen of the demo: rows per hop, tests, what was rejected and why, how long each part
//! took, where to look next.

use std::collections::BTreeMap;
use std::process::ExitCode;

use base::LoadAccount;
use demo::DemoOptions;
use ledger::StepStatus;
use serde_json::{Value, json};
use transformation::StepReport;

use super::Played;
use crate::console::{Console, Ink, columns, count, seconds};
use crate::failure::{Failure, NODE_FAILED};
use crate::progress::word_of;
use crate::summary::Summary;

/// Characters of a message that the screen shows; the command itself showed all of it.
const MESSAGE_CHARACTERS_MAX: usize = 240;

/// Shows what the play came to, and gives the command's exit code.
///
/// # Errors
/// When standard output is closed.
pub(super) fn show(
    options: &DemoOptions,
    played: &Played,
    console: &Console,
) -> Result<ExitCode, Failure> {
    // Incidents make earlier moments fail; the end of the play is what counts.
    let last = [played.loads.last(), played.builds.last()];
    let good = last.iter().flatten().all(|summary| summary.is_good());
    if console.json {
        console.print(&document(options, played).to_string())?;
    } else {
        for line in lines(options, played, good, console) {
            console.print(&line)?;
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(NODE_FAILED) })
}

fn document(options: &DemoOptions, played: &Played) -> Value {
    let runs = |all: &[Summary]| all.iter().map(Summary::as_json).collect::<Vec<Value>>();
    let rejected = played.rejected.shown();
    let rejected = rejected
        .iter()
        .map(|(table, rows, reason)| json!({"table": table, "rows": rows, "reason": reason}));
    json!({
        "dir": options.dir,
        "loads": runs(&played.loads),
        "builds": runs(&played.builds),
        "rejected": rejected.collect::<Vec<_>>(),
        "generate_ms": played.times.generate.as_millis(),
        "load_ms": played.times.load.as_millis(),
        "build_ms": played.times.build.as_millis(),
    })
}

fn lines(options: &DemoOptions, played: &Played, good: bool, console: &Console) -> Vec<String> {
    let heading = |text: &str| console.paint(Ink::Strong, text);
    let mut lines = vec![String::new(), heading("Loaded, by stream")];
    lines.extend(streams(&played.loads));
    let rejected = played.rejected.shown();
    if !rejected.is_empty() {
        lines.extend([String::new(), heading("Rejected, and why")]);
        let rows = rejected.iter().map(|(table, rows, reason)| {
            vec![format!("  {table}"), count(*rows), shortened(reason)]
        });
        lines.extend(columns(&rows.collect::<Vec<_>>(), &[1]));
    }
    lines.extend([String::new(), heading("Built, by model")]);
    lines.extend(models(played.builds.last()));
    let notes = notes(played);
    if !notes.is_empty() {
        lines.extend([String::new(), heading("Worth a look")]);
        lines.extend(notes);
    }
    lines.push(String::new());
    for summary in [played.loads.last(), played.builds.last()].into_iter().flatten() {
        lines.push(summary.last_line(console));
    }
    let times = &played.times;
    lines.push(format!(
        "time: company {}, load {}, build and tests {}",
        seconds(times.generate),
        seconds(times.load),
        seconds(times.build)
    ));
    lines.extend([String::new(), heading("Where to look next")]);
    lines.extend(next(options, &rejected, good));
    lines
}

/// What each stream loaded, over all loads of the play.
fn streams(loads: &[Summary]) -> Vec<String> {
    let header = [
        "",
        "state",
        "read",
        "inserted",
        "updated",
        "deleted",
        "unchanged",
        "dedup.",
        "rejected",
        "rows",
    ];
    let mut table: Vec<Vec<String>> = vec![header.map(str::to_owned).to_vec()];
    let mut sums: BTreeMap<&str, LoadAccount> = BTreeMap::new();
    for report in loads.iter().flat_map(|load| &load.reports) {
        let sum = sums.entry(report.node.as_str()).or_default();
        sum.add(&report.load.unwrap_or_default());
    }
    for report in loads.last().into_iter().flat_map(|load| &load.reports) {
        let load = sums.get(report.node.as_str()).copied().unwrap_or_default();
        let (_, state) = word_of(report.status);
        let name = report.node.as_str().trim_start_matches("stream.");
        let mut row = vec![format!("  {name}"), state.to_owned()];
        let changes = [load.read, load.inserted, load.updated, load.deleted];
        let others = [load.unchanged, load.deduplicated, load.rejected];
        row.extend(changes.into_iter().chain(others).map(count));
        row.push(report.rows.map_or_else(String::new, count));
        table.push(row);
    }
    columns(&table, &[2, 3, 4, 5, 6, 7, 8, 9])
}

fn models(build: Option<&Summary>) -> Vec<String> {
    let header = ["", "state", "rows in", "rows out", "tests"];
    let mut table: Vec<Vec<String>> = vec![header.map(str::to_owned).to_vec()];
    let reports = build.into_iter().flat_map(|build| &build.reports);
    table.extend(reports.filter(|report| report.table.is_some()).map(model));
    columns(&table, &[2, 3, 4])
}

fn model(report: &StepReport) -> Vec<String> {
    let version = report.version.as_ref();
    let inputs = version.map_or(0, |version| version.inputs.iter().map(|one| one.rows).sum());
    let read = report.load.map_or(inputs, |load| load.read.max(inputs));
    let passed = report.tests.iter().filter(|test| !test.holds_back()).count();
    let (_, word) = word_of(report.status);
    vec![
        format!("  {}", report.table.as_ref().map(ToString::to_string).unwrap_or_default()),
        word.to_owned(),
        count(read),
        report.rows.map_or_else(|| "view".to_owned(), count),
        format!("{passed}/{}", report.tests.len()),
    ]
}

/// What nodes had to say, with the moment it happened; one line for all that were skipped.
fn notes(played: &Played) -> Vec<String> {
    let mut notes = Vec::new();
    let several = played.loads.len() > 1;
    let mut runs: Vec<&Summary> = played.loads.iter().chain(&played.builds).collect();
    runs.sort_by(|one, other| one.business_time.cmp(&other.business_time));
    for run in runs {
        let time = match several {
            true => {
                format!("{}  ", run.business_time.get(..16).unwrap_or_default().replace('T', " "))
            }
            false => String::new(),
        };
        for report in &run.reports {
            let told = matches!(report.status, StepStatus::Failed | StepStatus::Warned);
            if let Some(message) = report.message.as_ref().filter(|_| told) {
                notes.push(format!("  {time}{}: {}", report.node, shortened(message)));
            }
        }
        match run.with(StepStatus::Skipped) {
            0 => {}
            skipped => notes.push(format!("  {time}{skipped} skipped behind what failed")),
        }
    }
    notes
}

fn shortened(message: &str) -> String {
    let line = message.lines().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MESSAGE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

fn next(options: &DemoOptions, rejected: &[(&str, u64, String)], good: bool) -> Vec<String> {
    let mut lines = vec![format!("  cd {}", options.dir.display())];
    let query = |sql: &str| format!("  fiveply query \"{sql}\"");
    lines.push(query("select * from main.signups_daily order by 1 desc limit 7"));
    if let Some((table, ..)) = rejected.first() {
        lines.push(query(&format!("select * from {table} limit 3")));
    }
    if good {
        lines.push("  edit models/, then: fiveply build".to_owned());
    } else {
        lines.push("  mend what failed, then: fiveply retry".to_owned());
    }
    lines
}
