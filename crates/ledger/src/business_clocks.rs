//! A project's own business clock: it stands where the settings say until a server runs it on from
//! there, and stands still again where the last server left it.

use base::clock::Anchor;
use chrono::{DateTime, TimeDelta, Utc};

use crate::records::Record;
use crate::transaction::sql;
use crate::words::moment;
use crate::{Ledger, LedgerError};

/// Seconds without a sign of a server after which the clock stands still.
const SILENCE_SECONDS: i64 = 5;

/// How a business clock stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockRecord {
    /// From where, since when and how fast it runs.
    pub anchor: Anchor,
    /// When a server last kept it running, by the machine clock.
    pub seen_at: DateTime<Utc>,
}

impl ClockRecord {
    /// Whether a server keeps it running.
    pub fn runs(&self, machine_now: DateTime<Utc>) -> bool {
        machine_now - self.seen_at < TimeDelta::seconds(SILENCE_SECONDS)
    }

    /// What it shows where it stands still.
    pub fn last_shown(&self) -> DateTime<Utc> {
        self.anchor.at(self.seen_at)
    }
}

fn read_clock(record: &Record) -> Result<ClockRecord, LedgerError> {
    Ok(ClockRecord {
        anchor: Anchor {
            business_at: record.time("business_at")?,
            machine_at: record.time("machine_at")?,
            speed: record.real("speed")?,
        },
        seen_at: record.time("seen_at")?,
    })
}

impl Ledger {
    /// How the clock of a setting stands; none when no server ever ran it.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn business_clock(&self, setting: &str) -> Result<Option<ClockRecord>, LedgerError> {
        let statement = sql("SELECT * FROM business_clocks WHERE setting = ?");
        let row = self.row(statement.bind(setting.to_owned())).await?;
        row.as_ref().map(read_clock).transpose()
    }

    /// Runs the clock of a setting: as another server runs it already, else on from where it last
    /// stood, else from `first`.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn run_business_clock(
        &self,
        setting: &str,
        first: DateTime<Utc>,
        speed: f64,
    ) -> Result<Anchor, LedgerError> {
        let now = self.clocks().machine.now();
        let mut write = self.write().await?;
        let statement = sql("SELECT * FROM business_clocks WHERE setting = ?");
        let row = write.row(statement.bind(setting.to_owned())).await?;
        let known = row.as_ref().map(read_clock).transpose()?;
        if let Some(running) = known.filter(|clock| clock.runs(now)) {
            return Ok(running.anchor);
        }
        let business_at = known.map_or(first, |clock| clock.last_shown());
        let statement = sql(concat!(
            "INSERT INTO business_clocks (setting, business_at, machine_at, seen_at, speed) ",
            "VALUES (?1, ?2, ?3, ?3, ?4) ON CONFLICT (setting) DO UPDATE SET ",
            "business_at = excluded.business_at, machine_at = excluded.machine_at, ",
            "seen_at = excluded.seen_at, speed = excluded.speed"
        ));
        let statement = statement
            .bind(setting.to_owned())
            .bind(moment(business_at))
            .bind(moment(now))
            .bind(speed);
        write.execute(statement).await?;
        write.commit().await?;
        Ok(Anchor { business_at, machine_at: now, speed })
    }

    /// Says that a server keeps the clock running.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn keep_business_clock(&self, setting: &str) -> Result<(), LedgerError> {
        let statement =
            sql("UPDATE business_clocks SET seen_at = max(seen_at, ?1) WHERE setting = ?2");
        let now = moment(self.clocks().machine.now());
        self.execute(statement.bind(now).bind(setting.to_owned())).await.map(drop)
    }
}
