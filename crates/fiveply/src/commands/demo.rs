//! `fiveply demo`: plays a synthetic company into a folder, loads it, builds and tests its models,
//! and ends with one screen.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use demo::{Action, Company, DemoOptions, Generated, Incident};
use ledger::StepStatus;
use serde_json::{Value, json};

use crate::arguments::{Common, DemoArguments, LoadArguments, RunArguments};
use crate::commands::load::{Vendors, demo_failure};
use crate::commands::{Verb, load, run};
use crate::console::{Console, Ink, columns, count, seconds};
use crate::failure::{Failure, NODE_FAILED};
use crate::summary::Summary;
use crate::workplace::{self, Workplace};

/// The live line of the play.
const LIVE: &str = "demo";

/// How long each part took.
#[derive(Debug, Default)]
struct Times {
    generate: Duration,
    load: Duration,
    build: Duration,
}

pub(crate) async fn run(
    common: &Common,
    arguments: &DemoArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let options = options(arguments)?;
    let mut common = common.clone();
    common.project_dir = Some(options.dir.clone());
    let mut times = Times::default();
    if arguments.generate {
        let generated = play(&options, options.until, &mut times, console)?;
        return show_generated(&options, &generated, &times, console);
    }
    let moments = match Company::open(&options.dir).map_err(demo_failure)? {
        Some(company) => company.schedule(options.until),
        None => demo::schedule(&options.incidents, None, options.until.unwrap_or_else(demo::end)),
    };
    let (mut loads, mut builds): (Vec<Summary>, Vec<Summary>) = (Vec::new(), Vec::new());
    for moment in &moments {
        play(&options, Some(moment.time), &mut times, console)?;
        if moments.len() > 2 {
            let time = moment.time.format("%Y-%m-%d %H:%M UTC");
            console.say(&console.paint(Ink::Strong, &format!("{time}: {:?}", moment.action)));
        }
        let vendors = Vendors::start(&common).await?;
        let opened = workplace::open_project(&common, vendors.variables(), console)?;
        let place = Workplace::open(opened, None).await?;
        let started = Instant::now();
        match moment.action {
            Action::Load => {
                let all = LoadArguments::default();
                loads.push(load::carry_out(&place, &all, None, console).await?);
                times.load += started.elapsed();
            }
            Action::Build => {
                let all = RunArguments::default();
                let nodes = place.project.graph.order().to_vec();
                let verb = Verb::Build;
                builds.push(run::carry_out(&place, verb, &all, &nodes, console).await?);
                times.build += started.elapsed();
            }
        }
        place.ledger.close().await;
    }
    screen(&options, &loads, &builds, &times, console)
}

fn options(arguments: &DemoArguments) -> Result<DemoOptions, Failure> {
    let mut options = DemoOptions::new(&arguments.dir);
    options.scale = arguments.scale;
    options.seed = arguments.seed;
    options.until = arguments.until.as_deref().map(read_time).transpose()?;
    options.incidents = arguments
        .incident
        .iter()
        .map(|name| name.parse::<Incident>().map_err(demo_failure))
        .collect::<Result<_, _>>()?;
    Ok(options)
}

fn read_time(text: &str) -> Result<DateTime<Utc>, Failure> {
    let moment = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc)).ok();
    let day = || {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Some(date.and_hms_opt(23, 59, 59)?.and_utc())
    };
    moment.or_else(day).ok_or_else(|| {
        Failure::usage(format!("\"{text}\" is no time"))
            .help("Write --until 2026-05-22T14:00:00Z, or --until 2026-05-22 for that day's end.")
    })
}

fn play(
    options: &DemoOptions,
    until: Option<DateTime<Utc>>,
    times: &mut Times,
    console: &Console,
) -> Result<Generated, Failure> {
    let started = Instant::now();
    console.start_live(LIVE, "playing the company".to_owned());
    let told = |progress: demo::Progress| {
        let line = format!("playing the company, hour {}/{}", progress.hours_done, progress.hours);
        console.update_live(LIVE, line);
    };
    let generated = demo::generate(&DemoOptions { until, ..options.clone() }, &told);
    console.end_live(LIVE);
    times.generate += started.elapsed();
    generated.map_err(demo_failure)
}

fn show_generated(
    options: &DemoOptions,
    generated: &Generated,
    times: &Times,
    console: &Console,
) -> Result<ExitCode, Failure> {
    if console.json {
        let document = json!({
            "dir": options.dir, "until": generated.until, "rows": generated.rows,
            "files": generated.files_written, "bytes": generated.bytes_written,
        });
        console.print(&document.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (stream, number) in &generated.rows {
        rows.push(vec![format!("  {stream}"), count(*number)]);
    }
    console.print(&format!(
        "{} holds the company up to {}: {} files written in {}",
        options.dir.display(),
        generated.until.format("%Y-%m-%d %H:%M UTC"),
        count(generated.files_written),
        seconds(times.generate),
    ))?;
    for line in columns(&rows, &[1]) {
        console.print(&line)?;
    }
    console
        .print(&format!("next: cd {} && fiveply load && fiveply build", options.dir.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn screen(
    options: &DemoOptions,
    loads: &[Summary],
    builds: &[Summary],
    times: &Times,
    console: &Console,
) -> Result<ExitCode, Failure> {
    // Incidents make earlier moments fail; the end of the play is what counts.
    let last = [loads.last(), builds.last()];
    let good = last.iter().flatten().all(|summary| summary.is_good());
    let code = if good { ExitCode::SUCCESS } else { ExitCode::from(NODE_FAILED) };
    if console.json {
        let runs = |all: &[Summary]| all.iter().map(Summary::as_json).collect::<Vec<Value>>();
        let document = json!({
            "dir": options.dir,
            "loads": runs(loads),
            "builds": runs(builds),
            "generate_ms": times.generate.as_millis(),
            "load_ms": times.load.as_millis(),
            "build_ms": times.build.as_millis(),
        });
        console.print(&document.to_string())?;
        return Ok(code);
    }
    for line in lines(options, loads, builds, times, console) {
        console.print(&line)?;
    }
    Ok(code)
}

fn lines(
    options: &DemoOptions,
    loads: &[Summary],
    builds: &[Summary],
    times: &Times,
    console: &Console,
) -> Vec<String> {
    let heading = |text: &str| console.paint(Ink::Strong, text);
    let mut lines = vec![String::new(), heading("Loaded, by stream")];
    let header = ["", "read", "inserted", "updated", "deleted", "unchanged", "rejected", "rows"];
    let mut rows: Vec<Vec<String>> = vec![header.map(str::to_owned).to_vec()];
    if let Some(load) = loads.last() {
        rows.extend(load.reports.iter().map(stream_row));
    }
    lines.extend(columns(&rows, &[1, 2, 3, 4, 5, 6, 7]));
    lines.extend([String::new(), heading("Built, by model")]);
    let mut rows: Vec<Vec<String>> =
        vec![["", "state", "rows in", "rows out", "tests"].map(str::to_owned).to_vec()];
    if let Some(build) = builds.last() {
        rows.extend(build.reports.iter().filter(|one| one.table.is_some()).map(model_row));
    }
    lines.extend(columns(&rows, &[2, 3, 4]));
    lines.push(String::new());
    for summary in [loads.last(), builds.last()].into_iter().flatten() {
        lines.push(summary.last_line(console));
        for report in summary.reports.iter().filter(|one| one.status != StepStatus::Succeeded) {
            if let Some(message) = &report.message {
                lines.push(format!("  {}: {message}", report.node));
            }
        }
    }
    lines.push(format!(
        "time: company {}, load {}, build and tests {}",
        seconds(times.generate),
        seconds(times.load),
        seconds(times.build)
    ));
    let dir = options.dir.display();
    lines.extend([
        String::new(),
        heading("Where to look next"),
        format!("  cd {dir}"),
        "  fiveply query \"select * from main.signups_daily order by 1 desc limit 7\"".to_owned(),
        "  fiveply query \"select * from app.usage__rejects limit 3\"".to_owned(),
        "  edit models/, then: fiveply build".to_owned(),
    ]);
    lines
}

fn stream_row(report: &transformation::StepReport) -> Vec<String> {
    let load = report.load.unwrap_or_default();
    let mut row = vec![format!("  {}", report.node.as_str().trim_start_matches("stream."))];
    let numbers = [
        load.read,
        load.inserted,
        load.updated,
        load.deleted,
        load.unchanged,
        load.rejected,
        report.rows.unwrap_or(0),
    ];
    row.extend(numbers.map(count));
    row
}

fn model_row(report: &transformation::StepReport) -> Vec<String> {
    let read = report
        .version
        .as_ref()
        .map_or(0, |version| version.inputs.iter().map(|input| input.rows).sum());
    let passed = report.tests.iter().filter(|test| !test.holds_back()).count();
    let (_, word) = crate::progress::word_of(report.status);
    vec![
        format!("  {}", report.table.as_ref().map(ToString::to_string).unwrap_or_default()),
        word.to_owned(),
        count(read),
        report.rows.map_or_else(|| "view".to_owned(), count),
        format!("{passed}/{}", report.tests.len()),
    ]
}
