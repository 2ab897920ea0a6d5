//! Firings: a job at one of its logical times. The row is unique, and carrying it out is claimed
//! with a growing token, so that of any number of processes one runs it, and another takes it over
//! when that one dies.

use base::limits::LEASE_SECONDS;
use base::system::ProcessIdentity;
use base::{EnvironmentName, RunId};
use chrono::{DateTime, TimeDelta, Utc};

use crate::leases::{lives, read_process};
use crate::records::Record;
use crate::transaction::{Statement, Write, sql};
use crate::words::{moment, words};
use crate::{Ledger, LedgerError};

words! {
    /// How a firing stands.
    FiringStatus {
        /// Its time has come, or it was handed back, and nobody runs it.
        Due => "due",
        /// A process carries it out.
        Running => "running",
        /// It failed and is tried again after a pause.
        Waiting => "waiting",
        /// It did what it was asked for.
        Succeeded => "succeeded",
        /// It did not, and is not tried again.
        Failed => "failed",
        /// A person stopped it.
        Cancelled => "cancelled",
        /// The one before it was still running.
        Skipped => "skipped",
        /// Nobody was there to run it, and it is not caught up.
        Missed => "missed",
    }
}

words! {
    /// What made a firing due.
    FiringCause {
        /// The job's schedule.
        Schedule => "schedule",
        /// A person or a program.
        Hand => "hand",
    }
}

/// A firing that a schedule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFiring {
    /// The moment, by the business clock.
    pub logical_time: DateTime<Utc>,
    /// [`FiringStatus::Due`], or [`FiringStatus::Missed`].
    pub status: FiringStatus,
}

/// A firing as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiringRecord {
    /// The environment.
    pub environment: EnvironmentName,
    /// The job.
    pub job: String,
    /// The moment, by the business clock.
    pub logical_time: DateTime<Utc>,
    /// What made it due.
    pub cause: FiringCause,
    /// Who asked for it over a door.
    pub started_by: Option<String>,
    /// How it stands.
    pub status: FiringStatus,
    /// Grows with each claim.
    pub token: i64,
    /// Failed tries so far.
    pub tries: u32,
    /// How often it was taken over from a process that died.
    pub takeovers: u32,
    /// Its newest run, which another claim goes on with.
    pub run: Option<RunId>,
    /// What is said about its end.
    pub message: Option<String>,
    /// The process that carries it out, or did last.
    pub process: Option<ProcessIdentity>,
    /// Until when its process holds it, unless that dies.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it may be tried again, by the machine clock.
    pub not_before: Option<DateTime<Utc>>,
    /// Its beginning, by the business clock.
    pub business_started: Option<DateTime<Utc>>,
    /// Its end, by the business clock.
    pub business_finished: Option<DateTime<Utc>>,
    /// Its beginning, by the machine clock.
    pub machine_started: Option<DateTime<Utc>>,
    /// Its end, by the machine clock.
    pub machine_finished: Option<DateTime<Utc>>,
}

/// The answer to asking for a firing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FiringClaim {
    /// It is yours; the record holds your token, and the run to go on with, if there is one.
    Granted(Box<FiringRecord>),
    /// An earlier firing of the job is still running or waits to be taken over.
    Busy,
    /// Somebody else has it, or it has ended, or its time has not come.
    Gone,
}

/// How a firing ended, or is left for later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FiringEnd {
    /// It is over.
    Over(FiringStatus, Option<String>),
    /// It failed and is tried again at a machine time.
    Again(DateTime<Utc>, Option<String>),
    /// It is handed back unharmed; whoever claims it next goes on where it stood.
    HandedBack,
}

fn read_firing(record: &Record) -> Result<FiringRecord, LedgerError> {
    let held = record.maybe_text("machine")?.is_some();
    Ok(FiringRecord {
        environment: record.environment()?,
        job: record.text("job")?,
        logical_time: record.time("logical_time")?,
        cause: record.word("cause")?,
        started_by: record.maybe_text("started_by")?,
        status: record.word("status")?,
        token: record.number("token")?,
        tries: record.small_count("tries")?,
        takeovers: record.small_count("takeovers")?,
        run: record.maybe_run()?,
        message: record.maybe_text("message")?,
        process: if held { Some(read_process(record)?) } else { None },
        expires_at: record.maybe_time("expires_at")?,
        not_before: record.maybe_time("not_before")?,
        business_started: record.maybe_time("business_started")?,
        business_finished: record.maybe_time("business_finished")?,
        machine_started: record.maybe_time("machine_started")?,
        machine_finished: record.maybe_time("machine_finished")?,
    })
}

impl FiringRecord {
    /// Whether its process holds it, as far as can be seen from here.
    fn held(&self, now: DateTime<Utc>, own: &ProcessIdentity) -> bool {
        let alive = self.process.as_ref().is_some_and(|one| lives(one, own) != Some(false));
        alive && self.expires_at.is_some_and(|expires| now < expires)
    }
}

/// Every column, and the newest run. The run's own row says which firing it carries out, written
/// in the transaction that begins it: a process that dies leaves no run that nobody knows of.
macro_rules! with_run {
    ($rest:literal) => {
        concat!(
            "SELECT firings.*, (SELECT runs.run FROM runs ",
            "WHERE runs.environment = firings.environment AND runs.job = firings.job ",
            "AND runs.logical_time = firings.logical_time ",
            "ORDER BY runs.machine_started DESC, runs.rowid DESC LIMIT 1) AS run FROM firings ",
            $rest
        )
    };
}

fn select(environment: &EnvironmentName, job: &str, time: DateTime<Utc>) -> Statement<'static> {
    sql(with_run!("WHERE environment = ? AND job = ? AND logical_time = ?"))
        .bind(environment.as_str().to_owned())
        .bind(job.to_owned())
        .bind(moment(time))
}

fn expiry(now: DateTime<Utc>) -> String {
    moment(now + TimeDelta::seconds(LEASE_SECONDS))
}

impl Ledger {
    /// How far a job's schedule was looked at; none when it is new or has changed.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn schedule_through(
        &self,
        environment: &EnvironmentName,
        job: &str,
        schedule: &str,
    ) -> Result<Option<DateTime<Utc>>, LedgerError> {
        let statement =
            sql("SELECT through FROM schedules WHERE environment = ? AND job = ? AND schedule = ?");
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(job.to_owned())
            .bind(schedule.to_owned());
        self.row(statement).await?.map(|record| record.time("through")).transpose()
    }

    /// Moves on how far a job's schedule was looked at, together with the firings found on the
    /// way. False when another process did so since `from` was read.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn advance_schedule(
        &self,
        environment: &EnvironmentName,
        job: &str,
        schedule: &str,
        (from, through): (Option<DateTime<Utc>>, DateTime<Utc>),
        found: &[NewFiring],
    ) -> Result<bool, LedgerError> {
        let mut write = self.write().await?;
        let known =
            sql("SELECT through FROM schedules WHERE environment = ? AND job = ? AND schedule = ?");
        let known = known
            .bind(environment.as_str().to_owned())
            .bind(job.to_owned())
            .bind(schedule.to_owned());
        let known = write.row(known).await?.map(|record| record.time("through")).transpose()?;
        if known != from {
            return Ok(false);
        }
        let statement = sql(concat!(
            "INSERT INTO schedules (environment, job, schedule, through) VALUES (?, ?, ?, ?) ",
            "ON CONFLICT (environment, job) DO UPDATE SET schedule = excluded.schedule, ",
            "through = excluded.through"
        ));
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(job.to_owned())
            .bind(schedule.to_owned())
            .bind(moment(through));
        write.execute(statement).await?;
        for firing in found {
            write.insert_firing(environment, job, firing, FiringCause::Schedule, None).await?;
        }
        write.commit().await?;
        Ok(true)
    }

    /// Makes a job due now, whatever its schedule says.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn fire_by_hand(
        &self,
        environment: &EnvironmentName,
        job: &str,
        started_by: Option<&str>,
    ) -> Result<FiringRecord, LedgerError> {
        let mut write = self.write().await?;
        let now = self.clocks().business.now();
        let mut firing = NewFiring { logical_time: now, status: FiringStatus::Due };
        // A business clock that stands still gives the same moment twice.
        while write.row(select(environment, job, firing.logical_time)).await?.is_some() {
            firing.logical_time += TimeDelta::microseconds(1);
        }
        write.insert_firing(environment, job, &firing, FiringCause::Hand, started_by).await?;
        let row = write.row(select(environment, job, firing.logical_time)).await?;
        let record = row.as_ref().map(read_firing).transpose()?;
        write.commit().await?;
        Ok(record.expect("the row was inserted by this transaction"))
    }

    /// Firings that are due, waiting or running, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn open_firings(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<FiringRecord>, LedgerError> {
        let statement = sql(with_run!(
            "WHERE environment = ? AND status IN ('due', 'waiting', 'running') \
             ORDER BY logical_time, job"
        ));
        let rows = self.rows(statement.bind(environment.as_str().to_owned())).await?;
        rows.iter().map(read_firing).collect()
    }

    /// Firings of a job, or of all, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn firings(
        &self,
        environment: &EnvironmentName,
        job: Option<&str>,
        limit: u32,
    ) -> Result<Vec<FiringRecord>, LedgerError> {
        let statement = sql(with_run!(
            "WHERE environment = ?1 AND (?2 IS NULL OR job = ?2) \
             ORDER BY logical_time DESC, job LIMIT ?3"
        ));
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(job.map(str::to_owned))
            .bind(limit);
        self.rows(statement).await?.iter().map(read_firing).collect()
    }

    /// A firing.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn firing(
        &self,
        environment: &EnvironmentName,
        job: &str,
        logical_time: DateTime<Utc>,
    ) -> Result<Option<FiringRecord>, LedgerError> {
        let row = self.row(select(environment, job, logical_time)).await?;
        row.as_ref().map(read_firing).transpose()
    }

    /// Asks for a firing. One whose process died, or showed no sign of life for
    /// [`LEASE_SECONDS`], is taken over. Unless `parallel`, it is granted only when no other firing
    /// of the job is running.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn claim_firing(
        &self,
        firing: &FiringRecord,
        parallel: bool,
    ) -> Result<FiringClaim, LedgerError> {
        let mut write = self.write().await?;
        let now = self.clocks().machine.now();
        let (environment, job) = (&firing.environment, firing.job.as_str());
        let row = write.row(select(environment, job, firing.logical_time)).await?;
        let Some(mut record) = row.as_ref().map(read_firing).transpose()? else {
            return Ok(FiringClaim::Gone);
        };
        let mut takeover = false;
        match record.status {
            FiringStatus::Due => {}
            FiringStatus::Waiting if record.not_before.is_none_or(|time| time <= now) => {}
            FiringStatus::Running if !record.held(now, self.process()) => takeover = true,
            FiringStatus::Waiting
            | FiringStatus::Running
            | FiringStatus::Succeeded
            | FiringStatus::Failed
            | FiringStatus::Cancelled
            | FiringStatus::Skipped
            | FiringStatus::Missed => return Ok(FiringClaim::Gone),
        }
        if !parallel && write.another_goes_first(&record, now).await? {
            return Ok(FiringClaim::Busy);
        }
        record.token += 1;
        record.takeovers += u32::from(takeover);
        record.status = FiringStatus::Running;
        record.process = Some(self.process().clone());
        write.hold_firing(&record, now).await?;
        write.commit().await?;
        if takeover {
            tracing::info!(job, time = %record.logical_time, "firing taken over");
        }
        Ok(FiringClaim::Granted(Box::new(record)))
    }

    /// Whether a firing may be asked for now: nobody holds it, and it does not wait.
    pub fn is_free(&self, firing: &FiringRecord) -> bool {
        let now = self.clocks().machine.now();
        match firing.status {
            FiringStatus::Due => true,
            FiringStatus::Waiting => firing.not_before.is_none_or(|time| time <= now),
            FiringStatus::Running => !firing.held(now, self.process()),
            FiringStatus::Succeeded
            | FiringStatus::Failed
            | FiringStatus::Cancelled
            | FiringStatus::Skipped
            | FiringStatus::Missed => false,
        }
    }

    /// Keeps a firing for another [`LEASE_SECONDS`]. False when somebody else took it over.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn keep_firing(&self, firing: &FiringRecord) -> Result<bool, LedgerError> {
        let statement = sql(concat!(
            "UPDATE firings SET expires_at = ? WHERE environment = ? ",
            "AND job = ? AND logical_time = ? AND token = ? AND status = 'running'"
        ));
        let statement = statement
            .bind(expiry(self.clocks().machine.now()))
            .bind(firing.environment.as_str().to_owned())
            .bind(firing.job.clone())
            .bind(moment(firing.logical_time))
            .bind(firing.token);
        Ok(self.execute(statement).await? == 1)
    }

    /// Ends a firing or leaves it for later. False when somebody else took it over.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn end_firing(
        &self,
        firing: &FiringRecord,
        end: &FiringEnd,
    ) -> Result<bool, LedgerError> {
        let (status, failed, not_before, message) = match end {
            FiringEnd::Over(status, message) => (*status, 0, None, message.clone()),
            FiringEnd::Again(at, message) => {
                (FiringStatus::Waiting, 1, Some(moment(*at)), message.clone())
            }
            FiringEnd::HandedBack => (FiringStatus::Due, 0, None, None),
        };
        let over = matches!(end, FiringEnd::Over(..));
        let now = |clock: &dyn base::Clock| over.then(|| moment(clock.now()));
        let statement = sql(concat!(
            "UPDATE firings SET status = ?, tries = tries + ?, not_before = ?, message = ?, ",
            "business_finished = ?, machine_finished = ?, expires_at = NULL WHERE environment = ? ",
            "AND job = ? AND logical_time = ? AND token = ? AND status IN ('due', 'running')"
        ));
        let statement = statement
            .bind(status.as_str())
            .bind(failed)
            .bind(not_before)
            .bind(message)
            .bind(now(self.clocks().business.as_ref()))
            .bind(now(self.clocks().machine.as_ref()))
            .bind(firing.environment.as_str().to_owned())
            .bind(firing.job.clone())
            .bind(moment(firing.logical_time))
            .bind(firing.token);
        Ok(self.execute(statement).await? == 1)
    }
}

impl Write<'_> {
    async fn insert_firing(
        &mut self,
        environment: &EnvironmentName,
        job: &str,
        firing: &NewFiring,
        cause: FiringCause,
        started_by: Option<&str>,
    ) -> Result<(), LedgerError> {
        let statement = sql(concat!(
            "INSERT INTO firings (environment, job, logical_time, cause, started_by, status, ",
            "token, tries, takeovers) VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0) ON CONFLICT DO NOTHING"
        ));
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(job.to_owned())
            .bind(moment(firing.logical_time))
            .bind(cause.as_str())
            .bind(started_by.map(str::to_owned))
            .bind(firing.status.as_str());
        self.execute(statement).await.map(drop)
    }

    /// Whether another firing of the job is at work, or an earlier one is not over yet.
    async fn another_goes_first(
        &mut self,
        firing: &FiringRecord,
        now: DateTime<Utc>,
    ) -> Result<bool, LedgerError> {
        let statement = sql(with_run!(
            "WHERE environment = ? AND job = ? AND logical_time <> ? \
             AND status IN ('running', 'waiting')"
        ));
        let statement = statement
            .bind(firing.environment.as_str().to_owned())
            .bind(firing.job.clone())
            .bind(moment(firing.logical_time));
        for record in self.rows(statement).await? {
            let other = read_firing(&record)?;
            let earlier = other.logical_time < firing.logical_time;
            let held = other.held(now, self.ledger.process());
            if earlier || (other.status == FiringStatus::Running && held) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn hold_firing(
        &mut self,
        firing: &FiringRecord,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let process = self.ledger.process();
        let statement = sql(concat!(
            "UPDATE firings SET status = 'running', token = ?, takeovers = ?, machine = ?, ",
            "process = ?, process_started = ?, expires_at = ?, not_before = NULL, ",
            "business_started = coalesce(business_started, ?), ",
            "machine_started = coalesce(machine_started, ?) ",
            "WHERE environment = ? AND job = ? AND logical_time = ?"
        ));
        let statement = statement
            .bind(firing.token)
            .bind(firing.takeovers)
            .bind(process.machine.clone())
            .bind(process.process)
            .bind(process.started.clone())
            .bind(expiry(now))
            .bind(moment(self.ledger.clocks().business.now()))
            .bind(moment(now))
            .bind(firing.environment.as_str().to_owned())
            .bind(firing.job.clone())
            .bind(moment(firing.logical_time));
        self.execute(statement).await.map(drop)
    }
}
