//! Runs: one execution of a selection, by one process.

use base::system::ProcessIdentity;
use base::{EnvironmentName, NodeId, RunId};
use chrono::{DateTime, TimeDelta, Utc};

use crate::leases::{lives, read_process};
use crate::records::Record;
use crate::transaction::{Write, sql};
use crate::words::{moment, words};
use crate::{Ledger, LedgerError};

/// Minutes after which a run of another machine that shows no sign of life counts as abandoned.
const SILENCE_MINUTES: i64 = 5;

words! {
    /// How a run stands.
    RunStatus {
        /// Its process is at work.
        Running => "running",
        /// Every step succeeded.
        Succeeded => "succeeded",
        /// A step failed.
        Failed => "failed",
        /// A person or a shutdown stopped it.
        Cancelled => "cancelled",
        /// Its process ended without a word.
        Interrupted => "interrupted",
    }
}

/// A run to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// The environment.
    pub environment: EnvironmentName,
    /// The command: `build`, `load`, `run`.
    pub command: String,
    /// Its arguments, as typed, so that `retry` can repeat them.
    pub arguments: Vec<String>,
    /// The nodes that were selected, in the order in which they are to run.
    pub selection: Vec<NodeId>,
}

/// A run as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// The run.
    pub id: RunId,
    /// The environment.
    pub environment: EnvironmentName,
    /// The command.
    pub command: String,
    /// Its arguments, as typed.
    pub arguments: Vec<String>,
    /// The nodes that were selected.
    pub selection: Vec<NodeId>,
    /// The job that it carries out; none for a command typed by hand.
    pub job: Option<String>,
    /// The moment the job's schedule named, by the business clock.
    pub logical_time: Option<DateTime<Utc>>,
    /// Who asked for it over a door; none for a schedule and for a command.
    pub started_by: Option<String>,
    /// How it stands.
    pub status: RunStatus,
    /// The process that carries it out.
    pub process: ProcessIdentity,
    /// Its beginning, by the business clock.
    pub business_started: DateTime<Utc>,
    /// Its end, by the business clock.
    pub business_finished: Option<DateTime<Utc>>,
    /// Its beginning, by the machine clock.
    pub machine_started: DateTime<Utc>,
    /// Its end, by the machine clock.
    pub machine_finished: Option<DateTime<Utc>>,
}

/// What started a run that nobody typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunCause {
    /// The job.
    pub job: Option<String>,
    /// The moment its schedule named, by the business clock.
    pub logical_time: Option<DateTime<Utc>>,
    /// Who asked for it over a door.
    pub started_by: Option<String>,
}

pub(crate) fn read_run(record: &Record) -> Result<RunRecord, LedgerError> {
    Ok(RunRecord {
        id: RunId::new(record.text("run")?),
        environment: record.environment()?,
        command: record.text("command")?,
        arguments: record.json("arguments")?,
        selection: record.json("selection")?,
        job: record.maybe_text("job")?,
        logical_time: record.maybe_time("logical_time")?,
        started_by: record.maybe_text("started_by")?,
        status: record.word("status")?,
        process: read_process(record)?,
        business_started: record.time("business_started")?,
        business_finished: record.maybe_time("business_finished")?,
        machine_started: record.time("machine_started")?,
        machine_finished: record.maybe_time("machine_finished")?,
    })
}

impl Ledger {
    /// Begins a run, with a pending step for every selected node.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn begin_run(&self, new: &NewRun) -> Result<RunId, LedgerError> {
        self.begin_caused_run(new, &RunCause::default()).await
    }

    /// Begins a run that a job or somebody at a door asked for.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn begin_caused_run(
        &self,
        new: &NewRun,
        cause: &RunCause,
    ) -> Result<RunId, LedgerError> {
        let run = RunId::generate(self.clocks().machine.as_ref(), self.randomness().as_ref());
        self.begin_named_run(run, new, cause).await
    }

    /// Begins a run under an id that its process was given before.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn begin_named_run(
        &self,
        run: RunId,
        new: &NewRun,
        cause: &RunCause,
    ) -> Result<RunId, LedgerError> {
        let mut write = self.write().await?;
        write.insert_run(&run, new, cause).await?;
        for (ordinal, node) in (0_i64..).zip(&new.selection) {
            write.insert_step(&run, &new.environment, node, ordinal).await?;
        }
        write.commit().await?;
        Ok(run)
    }

    /// Ends a run.
    ///
    /// # Errors
    /// [`LedgerError::RunNotFound`] for a run that was never begun; else when the ledger cannot be
    /// written.
    pub async fn finish_run(&self, run: &RunId, status: RunStatus) -> Result<(), LedgerError> {
        let statement = sql(concat!(
            "UPDATE runs SET status = ?, business_finished = ?, machine_finished = ? ",
            "WHERE run = ?"
        ));
        let statement = statement
            .bind(status.as_str())
            .bind(moment(self.clocks().business.now()))
            .bind(moment(self.clocks().machine.now()))
            .bind(run.as_str().to_owned());
        if self.execute(statement).await? == 0 {
            return Err(LedgerError::RunNotFound { run: run.clone() });
        }
        Ok(())
    }

    /// A run.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn run(&self, run: &RunId) -> Result<Option<RunRecord>, LedgerError> {
        let statement = sql("SELECT * FROM runs WHERE run = ?").bind(run.as_str().to_owned());
        self.row(statement).await?.as_ref().map(read_run).transpose()
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn runs(
        &self,
        environment: Option<&EnvironmentName>,
        limit: u32,
    ) -> Result<Vec<RunRecord>, LedgerError> {
        let statement = sql(concat!(
            "SELECT * FROM runs WHERE (?1 IS NULL OR environment = ?1) ",
            "ORDER BY machine_started DESC, rowid DESC LIMIT ?2"
        ));
        let statement =
            statement.bind(environment.map(|name| name.as_str().to_owned())).bind(limit);
        self.rows(statement).await?.iter().map(read_run).collect()
    }

    /// The newest run of an environment, or of all.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn latest_run(
        &self,
        environment: Option<&EnvironmentName>,
    ) -> Result<Option<RunRecord>, LedgerError> {
        Ok(self.runs(environment, 1).await?.pop())
    }

    /// The runs whose process is gone although nobody ended them. A process on this machine is
    /// asked for by its identity; one elsewhere counts as gone when its run holds no lease and has
    /// shown no sign of life for five minutes.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn abandoned_runs(&self) -> Result<Vec<RunRecord>, LedgerError> {
        let statement = sql("SELECT * FROM runs WHERE status = 'running' ORDER BY machine_started");
        let mut abandoned = Vec::new();
        for record in self.rows(statement).await? {
            let run = read_run(&record)?;
            if self.abandoned(&run).await? {
                abandoned.push(run);
            }
        }
        Ok(abandoned)
    }

    /// Marks [`Ledger::abandoned_runs`] as interrupted, together with their open steps and
    /// attempts, and returns them as they stand afterwards.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub async fn interrupt_abandoned_runs(&self) -> Result<Vec<RunRecord>, LedgerError> {
        let mut interrupted = Vec::new();
        for run in self.abandoned_runs().await? {
            if self.interrupt(&run.id).await? {
                interrupted.extend(self.run(&run.id).await?);
            }
        }
        Ok(interrupted)
    }

    async fn abandoned(&self, run: &RunRecord) -> Result<bool, LedgerError> {
        if let Some(lives) = lives(&run.process, self.process()) {
            return Ok(!lives);
        }
        let now = self.clocks().machine.now();
        let statement = sql(concat!(
            "SELECT max(sign) AS sign FROM (SELECT machine_started AS sign FROM runs ",
            "WHERE run = ?1 UNION ALL SELECT coalesce(machine_finished, machine_started) ",
            "FROM attempts WHERE run = ?1 UNION ALL SELECT coalesce(released_at, expires_at) ",
            "FROM leases WHERE run = ?1)"
        ));
        let record = self.row(statement.bind(run.id.as_str().to_owned())).await?;
        let sign = record.map(|record| record.maybe_time("sign")).transpose()?.flatten();
        Ok(sign.is_none_or(|sign| sign + TimeDelta::minutes(SILENCE_MINUTES) < now))
    }

    async fn interrupt(&self, run: &RunId) -> Result<bool, LedgerError> {
        let business = moment(self.clocks().business.now());
        let machine = moment(self.clocks().machine.now());
        let mut write = self.write().await?;
        let statement = sql(concat!(
            "UPDATE runs SET status = 'interrupted', business_finished = ?, ",
            "machine_finished = ? WHERE run = ? AND status = 'running'"
        ));
        let statement =
            statement.bind(business.clone()).bind(machine.clone()).bind(run.as_str().to_owned());
        // Another process may have marked it meanwhile.
        if write.execute(statement).await? == 0 {
            return Ok(false);
        }
        for text in [
            concat!(
                "UPDATE steps SET status = 'interrupted', business_finished = ?, ",
                "machine_finished = ? WHERE run = ? AND status = 'running'"
            ),
            concat!(
                "UPDATE attempts SET status = 'interrupted', business_finished = ?, ",
                "machine_finished = ? WHERE run = ? AND status = 'running'"
            ),
        ] {
            let statement = sql(text)
                .bind(business.clone())
                .bind(machine.clone())
                .bind(run.as_str().to_owned());
            write.execute(statement).await?;
        }
        write.commit().await?;
        tracing::info!(%run, "run marked as interrupted, its process is gone");
        Ok(true)
    }
}

impl Write<'_> {
    async fn insert_run(
        &mut self,
        run: &RunId,
        new: &NewRun,
        cause: &RunCause,
    ) -> Result<(), LedgerError> {
        let list = |texts: &[String]| serde_json::Value::from(texts.to_vec()).to_string();
        let selection: Vec<String> =
            new.selection.iter().map(|node| node.as_str().to_owned()).collect();
        let process = self.ledger.process();
        let statement = sql(concat!(
            "INSERT INTO runs (run, environment, command, arguments, selection, status, machine, ",
            "process, process_started, business_started, machine_started, job, logical_time, ",
            "started_by) VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?)"
        ));
        let statement = statement
            .bind(run.as_str().to_owned())
            .bind(new.environment.as_str().to_owned())
            .bind(new.command.clone())
            .bind(list(&new.arguments))
            .bind(list(&selection))
            .bind(process.machine.clone())
            .bind(process.process)
            .bind(process.started.clone())
            .bind(moment(self.ledger.clocks().business.now()))
            .bind(moment(self.ledger.clocks().machine.now()))
            .bind(cause.job.clone())
            .bind(cause.logical_time.map(moment))
            .bind(cause.started_by.clone());
        self.execute(statement).await.map(drop)
    }

    pub(crate) async fn insert_step(
        &mut self,
        run: &RunId,
        environment: &EnvironmentName,
        node: &NodeId,
        ordinal: i64,
    ) -> Result<(), LedgerError> {
        let statement = sql(concat!(
            "INSERT INTO steps (run, node, ordinal, environment, status, attempts) ",
            "VALUES (?, ?, ?, ?, 'pending', 0) ON CONFLICT DO NOTHING"
        ));
        let statement = statement
            .bind(run.as_str().to_owned())
            .bind(node.as_str().to_owned())
            .bind(ordinal)
            .bind(environment.as_str().to_owned());
        self.execute(statement).await.map(drop)
    }
}
