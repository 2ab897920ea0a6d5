//! What a user writes in `jobs/*.yml`: what runs when. A file may also hold `promises:`, which
//! are read elsewhere.
//!
//! ```yaml
//! # jobs/daily.yml
//! jobs:
//!   - name: morning
//!     schedule: {cron: "0 5 * * 1-5", time_zone: Europe/Berlin}  # or just "@daily", in UTC
//!     select: ["+marts"]                  # as --select; all nodes when absent
//!     exclude: ["tag:slow"]
//!     retries: {times: 3, back_off: 30s}  # of what passes by itself; the pause doubles
//!     concurrency: skip                   # skip | queue | parallel: when one is still running
//!     catch_up: latest                    # latest | all | none: what was missed
//!     timeout: 2h
//!     owner: data team
//! ```
//! Times are those of the business clock. Each time that the schedule names is run exactly once.

use std::sync::Arc;
use std::time::Duration;

use base::{Diagnostic, SourceFile, Span};

use crate::codes;
use crate::folder::Documents;
use crate::ingest::scalars;
use crate::yaml::{Data, Fields, Value};

/// What runs, and when.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Who is asked about it.
    pub owner: Option<String>,
    /// When it runs; none: only when asked for.
    pub schedule: Option<Schedule>,
    /// Nodes to take, in the words of `--select`; empty for all.
    pub select: Vec<String>,
    /// Nodes to leave out.
    pub exclude: Vec<String>,
    /// How often and after what pause what failed is tried again.
    pub retries: Retries,
    /// What happens when it is due while it is still running.
    pub concurrency: Concurrency,
    /// What happens to times at which nobody was there to run it.
    pub catch_up: CatchUp,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Where it is declared.
    pub span: Span,
}

/// When a job runs.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// A cron expression, or a nickname such as `@daily`.
    pub cron: String,
    /// The time zone whose wall clock it is about.
    pub time_zone: String,
    /// Where the expression stands.
    pub cron_span: Span,
    /// Where the time zone stands.
    pub time_zone_span: Span,
}

/// How often and after what pause what failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Times; only faults that pass by themselves are tried again.
    pub times: u32,
    /// Pause before the first of them; it doubles each time.
    pub back_off: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { times: 0, back_off: Duration::from_secs(30) }
    }
}

/// What happens when a job is due while it is still running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Concurrency {
    /// The time is skipped.
    #[default]
    Skip,
    /// It waits for its turn.
    Queue,
    /// Both run side by side.
    Parallel,
}

/// What happens to times at which nobody was there to run a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// Only the latest of them is run.
    #[default]
    Latest,
    /// Each of them is run, oldest first.
    All,
    /// None of them is.
    None,
}

/// Reads every file of `jobs/`.
pub(crate) fn read_all(documents: Documents<'_>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (file, value) in documents.of("jobs", diagnostics) {
        read(&file, &value, &mut jobs, diagnostics);
    }
    jobs
}

/// Reads a file of `jobs/`, its Jinja rendered, beside the jobs of other files.
pub(crate) fn read(
    file: &Arc<SourceFile>,
    value: &Value,
    jobs: &mut Vec<Job>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let what = format!("\"{}\"", file.path);
    let Some(mut fields) = Fields::open(value, what, diagnostics) else { return };
    // Promises are read by their own module.
    fields.value("promises");
    for item in fields.list("jobs") {
        let Some(job) = job(item, fields.diagnostics()) else { continue };
        match jobs.iter().find(|known| known.name == job.name) {
            Some(known) => {
                let message = format!("job \"{}\" exists twice", job.name);
                let problem = Diagnostic::error(codes::JOB_TWICE, message)
                    .at(job.span, "the second one is left out")
                    .also(known.span.clone(), "the first one")
                    .help("Rename one of them.");
                fields.diagnostics().push(problem);
            }
            None => jobs.push(job),
        }
    }
    fields.finish();
}

fn job(value: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Job> {
    let mut fields = Fields::open(value, "a job", diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("job \"{name}\""));
    let span = fields.value("name").map_or(&value.span, |name| &name.span).clone();
    let job = Job {
        description: fields.text("description").unwrap_or_default(),
        owner: fields.text("owner"),
        schedule: schedule(&mut fields),
        select: fields.texts("select"),
        exclude: fields.texts("exclude"),
        retries: retries(&mut fields),
        concurrency: fields
            .choice(
                "concurrency",
                &[
                    ("skip", Concurrency::Skip),
                    ("queue", Concurrency::Queue),
                    ("parallel", Concurrency::Parallel),
                ],
            )
            .unwrap_or_default(),
        catch_up: catch_up(&mut fields),
        timeout: duration(&mut fields, "timeout"),
        name,
        span,
    };
    fields.finish();
    Some(job)
}

fn schedule(fields: &mut Fields<'_, '_>) -> Option<Schedule> {
    let value = fields.value("schedule")?;
    if value.as_mapping().is_none() {
        let (cron, span) = (fields.text("schedule")?, value.span.clone());
        let time_zone = "UTC".to_owned();
        return Some(Schedule { cron, time_zone, time_zone_span: span.clone(), cron_span: span });
    }
    let what = format!("\"schedule\" of {}", fields.what());
    let mut inner = Fields::open(value, what, fields.diagnostics())?;
    let cron = inner.required_text("cron");
    let place = |found: Option<&Value>| found.map_or(&value.span, |found| &found.span).clone();
    let schedule = Schedule {
        cron_span: place(inner.value("cron")),
        time_zone_span: place(inner.value("time_zone")),
        time_zone: inner.text("time_zone").unwrap_or_else(|| "UTC".to_owned()),
        cron: cron.clone().unwrap_or_default(),
    };
    inner.finish();
    cron.is_some().then_some(schedule)
}

fn retries(fields: &mut Fields<'_, '_>) -> Retries {
    let mut retries = Retries::default();
    let Some(value) = fields.value("retries") else { return retries };
    if let Data::Integer(times) = value.data {
        retries.times = u32::try_from(times).unwrap_or(0);
        return retries;
    }
    let what = format!("\"retries\" of {}", fields.what());
    let Some(mut inner) = Fields::open(value, what, fields.diagnostics()) else { return retries };
    let times = inner.integer("times").unwrap_or(1);
    retries.times = u32::try_from(times).unwrap_or(0);
    retries.back_off = duration(&mut inner, "back_off").unwrap_or(retries.back_off);
    inner.finish();
    retries
}

/// `none` is a word here, where YAML has `null` for nothing.
fn catch_up(fields: &mut Fields<'_, '_>) -> CatchUp {
    let words = [("latest", CatchUp::Latest), ("all", CatchUp::All), ("none", CatchUp::None)];
    fields.choice("catch_up", &words).unwrap_or_default()
}

fn duration(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Duration> {
    let value = fields.value(key)?;
    let text = fields.text(key)?;
    let found = scalars::duration(&text);
    if found.is_none() {
        let message = format!("\"{key}\" of {} is \"{text}\", which is no duration", fields.what());
        let problem = Diagnostic::error(codes::WRONG_VALUE, message).at(value.span.clone(), "");
        fields.diagnostics().push(problem.help("Write it as 500ms, 30s, 5m, 2h or 1d."));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn parse(text: &str) -> (Vec<Job>, Vec<Diagnostic>) {
        let (mut jobs, mut diagnostics) = (Vec::new(), Vec::new());
        let file = SourceFile::new("jobs/daily.yml", text);
        let value = yaml::read(&file, &mut diagnostics).expect("the text is YAML");
        read(&file, &value, &mut jobs, &mut diagnostics);
        (jobs, diagnostics)
    }

    #[test]
    fn a_job_says_what_runs_when_and_the_rest_has_defaults() {
        let (jobs, problems) = parse(
            "jobs:\n- name: morning\n  schedule: {cron: '0 5 * * *', time_zone: Europe/Berlin}\n  \
             select: [+marts, tag:x]\n  retries: {times: 3, back_off: 10s}\n  \
             concurrency: queue\n  catch_up: none\n  timeout: 2h\n- name: hourly\n  \
             schedule: '@hourly'\n  retries: 2\n- {name: by_hand}\npromises: []\n",
        );
        assert_eq!(problems, []);
        assert_eq!(jobs.len(), 3);
        let morning = &jobs[0];
        let schedule = morning.schedule.as_ref().expect("it has one");
        assert_eq!((&*schedule.cron, &*schedule.time_zone), ("0 5 * * *", "Europe/Berlin"));
        assert_eq!(morning.select, ["+marts", "tag:x"]);
        let retries = Retries { times: 3, back_off: Duration::from_secs(10) };
        assert_eq!(morning.retries, retries);
        assert_eq!(morning.concurrency, Concurrency::Queue);
        assert_eq!(morning.catch_up, CatchUp::None);
        assert_eq!(morning.timeout, Some(Duration::from_secs(7_200)));
        let hourly = jobs[1].schedule.as_ref().expect("it has one");
        assert_eq!((&*hourly.cron, &*hourly.time_zone), ("@hourly", "UTC"));
        assert_eq!(jobs[1].retries.times, 2);
        assert!(jobs[2].schedule.is_none() && jobs[2].select.is_empty());
    }

    #[test]
    fn mistakes_are_said_with_their_place_and_hide_no_other_job() {
        let (jobs, problems) = parse(
            "jobs:\n- name: a\n  shedule: x\n- name: a\n- {select: b}\n- name: c\n  \
             timeout: soon\n  catch_up: some\n",
        );
        assert_eq!(jobs.iter().map(|job| &*job.name).collect::<Vec<_>>(), ["a", "c"]);
        let said: Vec<(&str, String)> = problems
            .iter()
            .map(|one| (one.code, one.primary.as_ref().expect("a place").span.location()))
            .collect();
        let places = [
            (codes::UNKNOWN_KEY, "jobs/daily.yml:3:3"),
            (codes::JOB_TWICE, "jobs/daily.yml:4:9"),
            (codes::MISSING_KEY, "jobs/daily.yml:5:3"),
            (codes::WRONG_VALUE, "jobs/daily.yml:8:13"),
            (codes::WRONG_VALUE, "jobs/daily.yml:7:12"),
        ];
        let places: Vec<(&str, String)> =
            places.iter().map(|(code, place)| (*code, (*place).to_owned())).collect();
        assert_eq!(said, places);
    }
}
