//! Plays the company into a folder, up to a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::calendar::{self, HOUR, START};
use crate::drops::{self, Drop};
use crate::truth::{TRUTH_FILE, Truth};
use crate::world::World;
use crate::{Company, DemoError, Incident, incident, template};

/// What to play, and where.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// The project folder; made when it is not there.
    pub dir: PathBuf,
    /// 1.0 plays about a million usage events.
    pub scale: f64,
    /// Another seed is another company of the same size.
    pub seed: u64,
    /// The moment to play up to; none for the end.
    pub until: Option<DateTime<Utc>>,
    /// What goes wrong.
    pub incidents: Vec<Incident>,
}

impl DemoOptions {
    /// The default company in a folder: scale 1, played to the end, nothing planted.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), scale: 1.0, seed: 1, until: None, incidents: Vec::new() }
    }
}

/// How far a play has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Hours of the company that are played in this call.
    pub hours_done: u64,
    /// Hours this call plays.
    pub hours: u64,
}

/// What a play made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Where the play stands now.
    pub until: DateTime<Utc>,
    /// Data files written by this call.
    pub files_written: u64,
    /// Their bytes.
    pub bytes_written: u64,
    /// Rows delivered by this call, per stream; broken ones are not counted.
    pub rows: BTreeMap<String, u64>,
    /// Rows delivered by this call that no reader can take, per stream.
    pub broken: BTreeMap<String, u64>,
    /// Files of the project that were missing and were made.
    pub project_files: Vec<String>,
}

/// Plays the company up to a moment: makes the project's files that are missing, delivers the data
/// files of the hours since the last call, and sets the project's clock. Files a user edited are
/// left alone.
///
/// # Errors
/// When the folder holds another company or was played further already, or the disk refuses.
pub fn generate(
    options: &DemoOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Generated, DemoError> {
    let (company, played) = resolve(options)?;
    let until = company.until.timestamp();
    let world = World::new(company.seed, company.scale);
    let project_files = template::write_missing(&company.dir)?;

    let first = played.map_or(0, |played| hours_delivered(played.timestamp()));
    let hours = first..hours_delivered(until);
    let deliveries = deliver(&company.dir, &world, hours, progress)?;
    let mut generated = Generated {
        until: company.until,
        files_written: deliveries.files,
        bytes_written: deliveries.bytes,
        rows: deliveries.rows,
        broken: deliveries.broken,
        project_files,
    };
    if company.incidents.contains(&Incident::W1) {
        disturb(&company, &world, played, &mut generated)?;
    }
    template::set_clock(&company.dir, company.until)?;
    write_truth(&company, &world, played, &generated)?;
    company.save()?;
    Ok(generated)
}

/// Which company, up to when, and how far the folder was played before.
fn resolve(options: &DemoOptions) -> Result<(Company, Option<DateTime<Utc>>), DemoError> {
    if !(0.0001..=100.0).contains(&options.scale) {
        return Err(DemoError::Scale { scale: options.scale });
    }
    let until = options.until.unwrap_or_else(calendar::end);
    if until < calendar::start() || until > calendar::end() {
        let (first, last) = (calendar::start(), calendar::end());
        return Err(DemoError::Outside { until, first, last });
    }
    let mut incidents: BTreeSet<Incident> = options.incidents.iter().copied().collect();
    let dir = options.dir.clone();
    let Some(found) = Company::open(&dir)? else {
        let incidents = incidents.into_iter().collect();
        let (seed, scale) = (options.seed, options.scale);
        return Ok((Company { dir, seed, scale, until, incidents }, None));
    };
    let (seed, scale, played) = (found.seed, found.scale, found.until);
    if (seed, scale) != (options.seed, options.scale) {
        return Err(DemoError::OtherCompany { dir, seed, scale });
    }
    if until < played {
        return Err(DemoError::Played { dir, played, until });
    }
    for incident in &incidents {
        let begins = incident.begins();
        if begins <= played && !found.incidents.contains(incident) {
            return Err(DemoError::TooLate { incident: *incident, begins, dir, played });
        }
    }
    incidents.extend(&found.incidents);
    let incidents = incidents.into_iter().collect();
    Ok((Company { dir, seed, scale, until, incidents }, Some(played)))
}

/// Hours whose files are delivered at a moment.
fn hours_delivered(at: i64) -> i64 {
    (at + 1 - START).div_euclid(HOUR).clamp(0, drops::HOURS)
}

#[derive(Debug, Default)]
struct Deliveries {
    files: u64,
    bytes: u64,
    rows: BTreeMap<String, u64>,
    broken: BTreeMap<String, u64>,
}

impl Deliveries {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
        for (stream, rows) in other.rows {
            *self.rows.entry(stream).or_default() += rows;
        }
        for (stream, rows) in other.broken {
            *self.broken.entry(stream).or_default() += rows;
        }
    }

    fn count(&mut self, drop: &Drop) {
        self.files += 1;
        self.bytes += drop.content.len() as u64;
        *self.rows.entry(drop.stream.to_owned()).or_default() += drop.rows;
        if drop.broken > 0 {
            *self.broken.entry(drop.stream.to_owned()).or_default() += drop.broken;
        }
    }
}

/// Days are made side by side: each depends on the seed alone.
fn deliver(
    dir: &Path,
    world: &World,
    hours: std::ops::Range<i64>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Deliveries, DemoError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let (next, done) = (AtomicI64::new(hours.start / 24), AtomicI64::new(0));
    let total = Mutex::new(Ok(Deliveries::default()));
    let hours_asked = (hours.end - hours.start).max(0).unsigned_abs();
    let work = || {
        loop {
            let day = next.fetch_add(1, Ordering::Relaxed);
            let of_day = (day * 24).max(hours.start)..((day + 1) * 24).min(hours.end);
            if of_day.is_empty() {
                return;
            }
            let played = of_day.end - of_day.start;
            let delivered = deliver_hours(dir, world, of_day);
            let mut total = total.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match (&mut *total, delivered) {
                (Ok(total), Ok(delivered)) => total.add(delivered),
                (Ok(_), Err(error)) => *total = Err(error),
                (Err(_), _) => {}
            }
            if total.is_err() {
                return;
            }
            let hours_done = (done.fetch_add(played, Ordering::Relaxed) + played).unsigned_abs();
            progress(Progress { hours_done, hours: hours_asked });
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn deliver_hours(
    dir: &Path,
    world: &World,
    hours: std::ops::Range<i64>,
) -> Result<Deliveries, DemoError> {
    let mut deliveries = Deliveries::default();
    for hour in hours {
        for drop in drops::of_hour(world, hour) {
            deliver_file(&dir.join(&drop.path), drop.content.as_bytes())?;
            deliveries.count(&drop);
        }
    }
    Ok(deliveries)
}

/// Delivers a file under its own name at once: thousands of them go out, and a second name for each
/// would cost half as much again.
fn deliver_file(path: &Path, content: &[u8]) -> Result<(), DemoError> {
    let made = fs::File::create_new(path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            fs::create_dir_all(path.parent().unwrap_or_else(|| Path::new(".")))?;
            fs::File::create_new(path)
        }
        _ => Err(error),
    });
    match made {
        Ok(mut file) => file.write_all(content).map_err(DemoError::file(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Half a file is left by a call that was cut off; any other is the user's now.
            let found = fs::read(path).map_err(DemoError::file(path))?;
            let half = found.len() < content.len() && content.starts_with(&found);
            if half { replace(path, content) } else { Ok(()) }
        }
        Err(error) => Err(DemoError::file(path)(error)),
    }
}

/// W1: the file of Friday 13:00 is cut off until it is delivered again.
fn disturb(
    company: &Company,
    world: &World,
    played: Option<DateTime<Utc>>,
    generated: &mut Generated,
) -> Result<(), DemoError> {
    let (until, begins) = (company.until.timestamp(), Incident::W1.begins_at());
    let before = played.map_or(i64::MIN, |played| played.timestamp());
    let mut found = drops::of_hour(world, drops::DISTURBED_HOUR);
    found.retain(|drop| drop.stream == "app.signups");
    let Some(mut drop) = found.pop() else { return Ok(()) };
    let path = company.dir.join(&drop.path);
    let whole = drop.rows;
    let delivered = |rows: &mut BTreeMap<String, u64>, more: u64, less: u64| {
        let count = rows.entry("app.signups".to_owned()).or_default();
        *count = (*count + more).saturating_sub(less);
    };
    if before < begins && (begins..incident::MENDED).contains(&until) {
        drops::cut_in_half(&mut drop);
        replace(&path, drop.content.as_bytes())?;
        delivered(&mut generated.rows, 0, whole);
        delivered(&mut generated.broken, drop.broken, 0);
    } else if (begins..incident::MENDED).contains(&before) && until >= incident::MENDED {
        replace(&path, drop.content.as_bytes())?;
        generated.files_written += 1;
        delivered(&mut generated.rows, whole, 0);
    }
    Ok(())
}

/// Counts of earlier calls are taken over from the truth they left.
fn write_truth(
    company: &Company,
    world: &World,
    played: Option<DateTime<Utc>>,
    generated: &Generated,
) -> Result<(), DemoError> {
    let mut truth = Truth::of(world, company.until.timestamp(), &company.incidents);
    if played.is_some()
        && let Ok(earlier) = Truth::read(&company.dir)
    {
        (truth.rows, truth.broken) = (earlier.rows, earlier.broken);
    }
    if company.until.timestamp() >= incident::MENDED {
        truth.broken.remove("app.signups");
    }
    for (stream, rows) in &generated.rows {
        *truth.rows.entry(stream.clone()).or_default() += rows;
    }
    for (stream, rows) in &generated.broken {
        *truth.broken.entry(stream.clone()).or_default() += rows;
    }
    replace_json(&company.dir.join(TRUTH_FILE), &truth)
}

pub(crate) fn replace_json(path: &Path, value: &impl Serialize) -> Result<(), DemoError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| DemoError::Corrupt {
        path: path.to_path_buf(),
        message: error.to_string(),
    })?;
    replace(path, format!("{text}\n").as_bytes())
}

/// Writes a file under its name at once, whole. It is not synced: the files belong to the world
/// outside, and a play that was cut off makes them again.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), DemoError> {
    let temporary = path.with_extension("tmp");
    if fs::write(&temporary, content).is_err() {
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(folder).map_err(DemoError::file(folder))?;
        fs::write(&temporary, content).map_err(DemoError::file(&temporary))?;
    }
    fs::rename(&temporary, path).map_err(DemoError::file(path))
}
