//! What really happened, for tests to compare with. Nothing the project reads names this file.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::calendar::{self, DAY, DAYS, FRIDAY, HOUR, START};
use crate::drops;
use crate::sales::Opportunity;
use crate::schedule;
use crate::support::Ticket;
use crate::world::World;
use crate::{DemoError, Incident};

/// Name of the truth file in a demo folder.
pub const TRUTH_FILE: &str = ".demo-truth.json";

/// `look_back` of the template's `ingest/crm.yml`, in seconds.
const CRM_LOOK_BACK: i64 = 5 * 60;

/// What an incident does to one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planted {
    /// The incident.
    pub incident: Incident,
    /// The day whose rows it touches.
    pub day: NaiveDate,
    /// The node at which it happens.
    pub hop: String,
    /// Rows lost, renamed or doubled, when the play is loaded and built by its schedule. Records
    /// that are deleted by the moment of this truth are not counted.
    pub rows: u64,
    /// Who is asked first.
    pub owner: String,
    /// What happens, in a sentence.
    pub what: String,
}

/// What really happened up to a moment of the play.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Seed of the company.
    pub seed: u64,
    /// Scale of the company.
    pub scale: f64,
    /// The moment.
    pub until: DateTime<Utc>,
    /// Rows delivered in files, per stream, those delivered twice among them.
    pub rows: BTreeMap<String, u64>,
    /// Rows in files that no reader can take, per stream.
    pub broken: BTreeMap<String, u64>,
    /// Sign-ups delivered a second time.
    pub signups_twice: u64,
    /// Sign-ups per day as the product saw them.
    pub signups_per_day: BTreeMap<NaiveDate, u64>,
    /// Accounts and users that exist.
    pub people: BTreeMap<String, u64>,
    /// Live and deleted records per vendor's stream: `crm.opportunities`, `… deleted`.
    pub vendors: BTreeMap<String, u64>,
    /// What was planted.
    pub planted: Vec<Planted>,
}

impl Truth {
    /// Reads the truth of a demo folder.
    ///
    /// # Errors
    /// When the file is missing or is no truth.
    pub fn read(dir: &Path) -> Result<Self, DemoError> {
        let path = dir.join(TRUTH_FILE);
        let text = std::fs::read(&path).map_err(DemoError::file(&path))?;
        serde_json::from_slice(&text)
            .map_err(|error| DemoError::Corrupt { path, message: error.to_string() })
    }

    /// Counts of the files come from the play itself, which adds them.
    pub(crate) fn of(world: &World, until: i64, incidents: &[Incident]) -> Self {
        let planted = incidents.iter().flat_map(|incident| planted(world, until, *incident));
        let people = [
            ("accounts", world.accounts.partition_point(|account| account.created <= until)),
            ("users", world.users_at(until)),
        ];
        Self {
            seed: world.seed,
            scale: world.calendar.scale(),
            until: calendar::moment(until),
            rows: BTreeMap::new(),
            broken: BTreeMap::new(),
            signups_twice: signups(world, until)
                .filter(|index| index % drops::TWICE_EVERY == 5)
                .count() as u64,
            signups_per_day: signups_per_day(world, until),
            people: people.map(|(name, count)| (name.to_owned(), count as u64)).into(),
            vendors: vendors(world, until),
            planted: planted.collect(),
        }
    }
}

/// Sign-ups whose file is delivered.
fn signups(world: &World, until: i64) -> impl Iterator<Item = usize> {
    let hours = (until - START + 1).div_euclid(HOUR);
    let end_ms = (START + hours * HOUR) * 1_000;
    0..world.signups.partition_point(|signup| signup.at_ms < end_ms)
}

fn signups_per_day(world: &World, until: i64) -> BTreeMap<NaiveDate, u64> {
    let mut days = BTreeMap::new();
    for index in signups(world, until) {
        let day = calendar::date((world.signups[index].at() - START) / DAY);
        *days.entry(day).or_default() += 1;
    }
    days
}

fn vendors(world: &World, until: i64) -> BTreeMap<String, u64> {
    let subscriptions = world.subscriptions.iter().filter(|one| one.created <= until);
    let (ended, running): (Vec<_>, Vec<_>) =
        subscriptions.partition(|one| one.canceled.is_some_and(|at| at <= until));
    let opportunities = world.opportunities.iter().filter(|one| one.created <= until);
    let (binned, open): (Vec<_>, Vec<_>) = opportunities.partition(|one| one.deleted_at(until));
    let tickets = world.tickets.iter().filter(|one| one.created <= until);
    let (gone, kept): (Vec<_>, Vec<_>) = tickets.partition(|one| one.deleted_at(until));
    let counts = [
        ("billing.subscriptions", running.len()),
        ("billing.subscriptions deleted", ended.len()),
        ("billing.payments", world.payments.partition_point(|one| one.created <= until)),
        ("crm.opportunities", open.len()),
        ("crm.opportunities deleted", binned.len()),
        ("support.tickets", kept.len()),
        ("support.tickets deleted", gone.len()),
    ];
    counts.map(|(name, count)| (name.to_owned(), count as u64)).into()
}

/// W5: the stamp from which on the load after the rename reads. The one before, at 02:00, came to
/// its youngest stamp, and `ingest/crm.yml` looks back from there.
fn renamed_since(world: &World) -> i64 {
    let before = schedule::LAST_LOAD_BEFORE_RENAME;
    let known = world.opportunities.iter().filter(|one| one.created <= before);
    let stamps = known.filter(|one| !one.deleted_at(before)).map(|one| one.touched(before));
    stamps.max().unwrap_or(before) - CRM_LOOK_BACK
}

fn planted(world: &World, until: i64, incident: Incident) -> Vec<Planted> {
    if until < incident.begins_at() {
        return Vec::new();
    }
    let (hop, owner, what) = match incident {
        Incident::W1 => (
            "model.fiveply_demo.int_signups_deduplicated",
            "Data engineering",
            "web sign-ups loaded at 18:11 lie below the watermark and are dropped",
        ),
        Incident::W5 => (
            "stream.crm.opportunities",
            "Revenue operations",
            "records come with Lead_Source__c instead of LeadSource",
        ),
        Incident::W6 => (
            "stream.support.tickets",
            "Customer support",
            "tickets come a second time under a new id",
        ),
    };
    let mut per_day: BTreeMap<i64, u64> = BTreeMap::new();
    match incident {
        Incident::W1 => {
            per_day.insert(FRIDAY, world.calendar.friday_web().unsigned_abs());
        }
        Incident::W5 => {
            let shown = |one: &&Opportunity| one.created <= until && !one.deleted_at(until);
            let touched = world.opportunities.iter().filter(shown).map(|one| one.touched(until));
            let since = renamed_since(world);
            for at in touched.filter(|at| *at >= since) {
                // What was touched before comes under the new name by the loader's look-back.
                let day = (at.max(incident.begins_at()) - START) / DAY;
                *per_day.entry(day).or_default() += 1;
            }
        }
        Incident::W6 => {
            let shown = |one: &&Ticket| !one.deleted_at(until);
            let made = world.tickets.iter().filter(shown).map(|one| one.created);
            for at in made.filter(|at| *at >= incident.begins_at() && *at <= until) {
                *per_day.entry((at - START) / DAY).or_default() += 1;
            }
        }
    }
    per_day
        .into_iter()
        .filter(|(day, _)| *day < DAYS)
        .map(|(day, rows)| Planted {
            incident,
            day: calendar::date(day),
            hop: hop.to_owned(),
            rows,
            owner: owner.to_owned(),
            what: what.to_owned(),
        })
        .collect()
}
