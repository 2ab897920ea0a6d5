//! `fiveply demo`: plays a synthetic company into a folder, loads it, builds and tests its models,
//! and ends by serving it.

mod rejected;
mod screen;
mod serving;
mod tries;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use demo::{Action, Company, DemoOptions, Generated, Incident};
use serde_json::json;

use crate::arguments::{Common, DemoArguments, LoadArguments, RunArguments};
use crate::commands::load::{Vendors, demo_failure};
use crate::commands::{Verb, load, run};
use crate::console::{Console, Ink, columns, count, seconds};
use crate::failure::Failure;
use crate::summary::Summary;
use crate::workplace::{self, Workplace};
use rejected::Rejected;

/// The word for a company that nothing happens to.
const NO_INCIDENT: &str = "none";

/// The live line of the play.
const LIVE: &str = "demo";

/// How long each part took.
#[derive(Debug, Default)]
struct Times {
    generate: Duration,
    load: Duration,
    build: Duration,
}

/// What a play came to.
#[derive(Debug, Default)]
struct Played {
    loads: Vec<Summary>,
    builds: Vec<Summary>,
    rejected: Rejected,
    times: Times,
}

pub(crate) async fn run(
    common: &Common,
    arguments: &DemoArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let options = options(arguments)?;
    let mut common = common.clone();
    common.project_dir = Some(options.dir.clone());
    let mut played = Played::default();
    if arguments.generate {
        let generated = play(&options, options.until, &mut played.times, console)?;
        return show_generated(&options, &generated, &played.times, console);
    }
    let moments = match Company::open(&options.dir).map_err(demo_failure)? {
        Some(company) => company.schedule(options.until),
        None => demo::schedule(&options.incidents, None, options.until.unwrap_or_else(demo::end)),
    };
    for moment in &moments {
        play(&options, Some(moment.time), &mut played.times, console)?;
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
                let load = load::carry_out(&place, &all, None, console).await?;
                played.times.load += started.elapsed();
                played.rejected.add(&place, &load).await?;
                played.loads.push(load);
            }
            Action::Build => {
                let all = RunArguments::default();
                let nodes = place.project.graph.order().to_vec();
                let verb = Verb::Build;
                played
                    .builds
                    .push(run::carry_out(&place, &common, verb, &all, nodes, console).await?);
                played.times.build += started.elapsed();
            }
        }
        place.ledger.close().await;
    }
    let code = screen::show(&options, &played, console)?;
    if arguments.no_serve {
        return Ok(code);
    }
    serving::serve(&common, &arguments.serve, console).await
}

fn options(arguments: &DemoArguments) -> Result<DemoOptions, Failure> {
    let mut options = DemoOptions::new(&arguments.dir);
    options.scale = arguments.scale;
    options.seed = arguments.seed;
    options.until = arguments.until.as_deref().map(read_time).transpose()?;
    options.incidents = incidents(arguments)?;
    Ok(options)
}

/// What goes wrong: as asked; without a word W1, so that there is something to find. A folder that
/// is there keeps what it has, and one that is only filled is loaded by hand, at one moment, where
/// nothing can come late.
fn incidents(arguments: &DemoArguments) -> Result<Vec<Incident>, Failure> {
    let asked = &arguments.incident;
    if asked.iter().any(|name| name.eq_ignore_ascii_case(NO_INCIDENT)) {
        return match asked.as_slice() {
            [_] => Ok(Vec::new()),
            _ => Err(Failure::usage("--incident none stands beside other incidents")
                .help("Name the incidents alone, or none alone.")),
        };
    }
    if asked.is_empty() {
        let new = Company::open(&arguments.dir).map_err(demo_failure)?.is_none();
        return Ok(if new && !arguments.generate { vec![Incident::W1] } else { Vec::new() });
    }
    let named = asked.iter().map(|name| name.parse::<Incident>().map_err(demo_failure));
    named.collect()
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
