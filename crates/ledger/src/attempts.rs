//! Steps and attempts: one node in a run, and each try of it.

use base::system::ProcessIdentity;
use base::{EnvironmentName, ErrorKind, NodeId, RunId};
use chrono::{DateTime, Utc};

use crate::accounts::stored;
use crate::leases::read_process;
use crate::records::{Record, unreadable};
use crate::transaction::{Write, sql};
use crate::words::{moment, words};
use crate::{Ledger, LedgerError};

words! {
    /// How a step or an attempt stands.
    StepStatus {
        /// It was selected and has not begun.
        Pending => "pending",
        /// It is at work.
        Running => "running",
        /// It did what it was asked for.
        Succeeded => "succeeded",
        /// It did, and a test of severity warn found something.
        Warned => "warned",
        /// It did not.
        Failed => "failed",
        /// It was left out because something before it failed.
        Skipped => "skipped",
        /// A person or a shutdown stopped it.
        Cancelled => "cancelled",
        /// Its process ended without a word.
        Interrupted => "interrupted",
    }
}

impl StepStatus {
    /// Whether `retry` has to do it again.
    pub fn wants_retry(self) -> bool {
        match self {
            Self::Succeeded | Self::Warned => false,
            Self::Pending
            | Self::Running
            | Self::Failed
            | Self::Skipped
            | Self::Cancelled
            | Self::Interrupted => true,
        }
    }
}

/// An attempt to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAttempt {
    /// The run.
    pub run: RunId,
    /// The node.
    pub node: NodeId,
    /// The environment.
    pub environment: EnvironmentName,
}

/// One try of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The run.
    pub run: RunId,
    /// The node.
    pub node: NodeId,
    /// Its number, from 1.
    pub number: u32,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptEnd {
    /// How it stands now.
    pub status: StepStatus,
    /// What is said about it.
    pub message: Option<String>,
    /// What kind of thing went wrong.
    pub error_kind: Option<ErrorKind>,
    /// Rows it made.
    pub rows: Option<u64>,
}

impl AttemptEnd {
    /// It did what it was asked for.
    pub fn succeeded(rows: Option<u64>) -> Self {
        Self { status: StepStatus::Succeeded, message: None, error_kind: None, rows }
    }

    /// It did not.
    pub fn failed(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            status: StepStatus::Failed,
            message: Some(message.into()),
            error_kind: Some(kind),
            rows: None,
        }
    }
}

/// A step as the ledger keeps it: how its last attempt stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRecord {
    /// The run.
    pub run: RunId,
    /// The node.
    pub node: NodeId,
    /// The environment.
    pub environment: EnvironmentName,
    /// How it stands.
    pub status: StepStatus,
    /// Attempts begun.
    pub attempts: u32,
    /// What is said about the last one.
    pub message: Option<String>,
    /// What kind of thing went wrong in it.
    pub error_kind: Option<ErrorKind>,
    /// Rows it made.
    pub rows: Option<u64>,
    /// Beginning of the first attempt, by the business clock.
    pub business_started: Option<DateTime<Utc>>,
    /// End of the last attempt, by the business clock.
    pub business_finished: Option<DateTime<Utc>>,
    /// Beginning of the first attempt, by the machine clock.
    pub machine_started: Option<DateTime<Utc>>,
    /// End of the last attempt, by the machine clock.
    pub machine_finished: Option<DateTime<Utc>>,
}

/// An attempt as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Run, node and number.
    pub attempt: Attempt,
    /// The environment.
    pub environment: EnvironmentName,
    /// The process that made it.
    pub process: ProcessIdentity,
    /// How it stands or ended.
    pub end: AttemptEnd,
    /// Its beginning, by the business clock.
    pub business_started: DateTime<Utc>,
    /// Its end, by the business clock.
    pub business_finished: Option<DateTime<Utc>>,
    /// Its beginning, by the machine clock.
    pub machine_started: DateTime<Utc>,
    /// Its end, by the machine clock.
    pub machine_finished: Option<DateTime<Utc>>,
}

impl Ledger {
    /// Begins an attempt. A node that was not selected when the run began gets its step now.
    ///
    /// # Errors
    /// [`LedgerError::RunNotFound`] for a run that was never begun; else when the ledger cannot be
    /// written.
    pub async fn begin_attempt(&self, new: &NewAttempt) -> Result<Attempt, LedgerError> {
        let mut write = self.write().await?;
        let attempt = write.begin_attempt(new).await?;
        write.commit().await?;
        Ok(attempt)
    }

    /// Ends an attempt that ends without a commit of its own.
    ///
    /// # Errors
    /// [`LedgerError::AttemptNotFound`] for one that was never begun; else when the ledger cannot
    /// be written.
    pub async fn finish_attempt(
        &self,
        attempt: &Attempt,
        end: &AttemptEnd,
    ) -> Result<(), LedgerError> {
        let mut write = self.write().await?;
        write.finish_attempt(attempt, end).await?;
        write.commit().await
    }

    /// Settles a step that is never begun, such as one after a failed one.
    ///
    /// # Errors
    /// [`LedgerError::RunNotFound`] for a run that was never begun; else when the ledger cannot be
    /// written.
    pub async fn skip_step(
        &self,
        step: &NewAttempt,
        status: StepStatus,
        message: impl Into<String> + Send,
    ) -> Result<(), LedgerError> {
        let mut write = self.write().await?;
        write.ensure_step(step).await?;
        let statement = sql(concat!(
            "UPDATE steps SET status = ?, message = ?, business_finished = ?, ",
            "machine_finished = ? WHERE run = ? AND node = ?"
        ));
        let statement = statement
            .bind(status.as_str())
            .bind(message.into())
            .bind(moment(self.clocks().business.now()))
            .bind(moment(self.clocks().machine.now()))
            .bind(step.run.as_str().to_owned())
            .bind(step.node.as_str().to_owned());
        write.execute(statement).await?;
        write.commit().await
    }

    /// The steps of a run, in the order of its selection.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn steps(&self, run: &RunId) -> Result<Vec<StepRecord>, LedgerError> {
        let statement = sql("SELECT * FROM steps WHERE run = ? ORDER BY ordinal, node");
        let statement = statement.bind(run.as_str().to_owned());
        self.rows(statement).await?.iter().map(read_step).collect()
    }

    /// The nodes of a run that `retry` has to do again, in the order of its selection.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn steps_to_retry(&self, run: &RunId) -> Result<Vec<NodeId>, LedgerError> {
        let steps = self.steps(run).await?;
        let steps = steps.into_iter().filter(|step| step.status.wants_retry());
        Ok(steps.map(|step| step.node).collect())
    }

    /// The attempts of a step, first to last.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn attempts(
        &self,
        run: &RunId,
        node: &NodeId,
    ) -> Result<Vec<AttemptRecord>, LedgerError> {
        let statement = sql("SELECT * FROM attempts WHERE run = ? AND node = ? ORDER BY number")
            .bind(run.as_str().to_owned())
            .bind(node.as_str().to_owned());
        self.rows(statement).await?.iter().map(read_attempt).collect()
    }
}

fn read_end(record: &Record) -> Result<AttemptEnd, LedgerError> {
    Ok(AttemptEnd {
        status: record.word("status")?,
        message: record.maybe_text("message")?,
        error_kind: read_kind(record)?,
        rows: record.maybe_count("rows")?,
    })
}

pub(crate) fn read_attempt(record: &Record) -> Result<AttemptRecord, LedgerError> {
    Ok(AttemptRecord {
        attempt: Attempt {
            run: RunId::new(record.text("run")?),
            node: NodeId::new(record.text("node")?),
            number: record.small_count("number")?,
        },
        environment: record.environment()?,
        process: read_process(record)?,
        end: read_end(record)?,
        business_started: record.time("business_started")?,
        business_finished: record.maybe_time("business_finished")?,
        machine_started: record.time("machine_started")?,
        machine_finished: record.maybe_time("machine_finished")?,
    })
}

pub(crate) fn read_step(record: &Record) -> Result<StepRecord, LedgerError> {
    let AttemptEnd { status, message, error_kind, rows } = read_end(record)?;
    Ok(StepRecord {
        run: RunId::new(record.text("run")?),
        node: NodeId::new(record.text("node")?),
        environment: record.environment()?,
        status,
        attempts: record.small_count("attempts")?,
        message,
        error_kind,
        rows,
        business_started: record.maybe_time("business_started")?,
        business_finished: record.maybe_time("business_finished")?,
        machine_started: record.maybe_time("machine_started")?,
        machine_finished: record.maybe_time("machine_finished")?,
    })
}

fn stored_kind(kind: ErrorKind) -> Option<String> {
    let word = serde_json::to_value(kind).ok()?;
    word.as_str().map(str::to_owned)
}

fn read_kind(record: &Record) -> Result<Option<ErrorKind>, LedgerError> {
    let Some(word) = record.maybe_text("error_kind")? else { return Ok(None) };
    let kind = serde_json::from_value(word.clone().into());
    kind.map(Some).map_err(|_| unreadable("error_kind", &word))
}

impl Write<'_> {
    /// The step of a node, made now when the node was not selected.
    async fn ensure_step(&mut self, step: &NewAttempt) -> Result<(), LedgerError> {
        let run = sql("SELECT run FROM runs WHERE run = ?").bind(step.run.as_str().to_owned());
        if self.row(run).await?.is_none() {
            return Err(LedgerError::RunNotFound { run: step.run.clone() });
        }
        // Behind everything that was selected.
        self.insert_step(&step.run, &step.environment, &step.node, i64::MAX).await
    }

    pub(crate) async fn begin_attempt(&mut self, new: &NewAttempt) -> Result<Attempt, LedgerError> {
        self.ensure_step(new).await?;
        let business = moment(self.ledger.clocks().business.now());
        let machine = moment(self.ledger.clocks().machine.now());
        let statement = sql(concat!(
            "UPDATE steps SET status = 'running', attempts = attempts + 1, message = NULL, ",
            "error_kind = NULL, rows = NULL, business_finished = NULL, machine_finished = NULL, ",
            "business_started = coalesce(business_started, ?), ",
            "machine_started = coalesce(machine_started, ?) ",
            "WHERE run = ? AND node = ? RETURNING attempts"
        ));
        let statement = statement
            .bind(business.clone())
            .bind(machine.clone())
            .bind(new.run.as_str().to_owned())
            .bind(new.node.as_str().to_owned());
        let record = self.row(statement).await?;
        let number = record.expect("the step was made above").small_count("attempts")?;
        let process = self.ledger.process();
        let statement = sql(concat!(
            "INSERT INTO attempts (run, node, number, environment, status, machine, process, ",
            "process_started, business_started, machine_started) ",
            "VALUES (?, ?, ?, ?, 'running', ?, ?, ?, ?, ?)"
        ));
        let statement = statement
            .bind(new.run.as_str().to_owned())
            .bind(new.node.as_str().to_owned())
            .bind(number)
            .bind(new.environment.as_str().to_owned())
            .bind(process.machine.clone())
            .bind(process.process)
            .bind(process.started.clone())
            .bind(business)
            .bind(machine);
        self.execute(statement).await?;
        Ok(Attempt { run: new.run.clone(), node: new.node.clone(), number })
    }

    pub(crate) async fn finish_attempt(
        &mut self,
        attempt: &Attempt,
        end: &AttemptEnd,
    ) -> Result<(), LedgerError> {
        let number = i64::from(attempt.number);
        for (text, number_column) in [
            (
                concat!(
                    "UPDATE attempts SET status = ?1, message = ?2, error_kind = ?3, rows = ?4, ",
                    "business_finished = ?5, machine_finished = ?6 ",
                    "WHERE run = ?7 AND node = ?8 AND number = ?9"
                ),
                true,
            ),
            // An older attempt that answers late says nothing about the step.
            (
                concat!(
                    "UPDATE steps SET status = ?1, message = ?2, error_kind = ?3, rows = ?4, ",
                    "business_finished = ?5, machine_finished = ?6 ",
                    "WHERE run = ?7 AND node = ?8 AND attempts = ?9"
                ),
                false,
            ),
        ] {
            let statement = sql(text)
                .bind(end.status.as_str())
                .bind(end.message.clone())
                .bind(end.error_kind.and_then(stored_kind))
                .bind(end.rows.map(stored))
                .bind(moment(self.ledger.clocks().business.now()))
                .bind(moment(self.ledger.clocks().machine.now()))
                .bind(attempt.run.as_str().to_owned())
                .bind(attempt.node.as_str().to_owned())
                .bind(number);
            let touched = self.execute(statement).await?;
            if number_column && touched == 0 {
                return Err(LedgerError::AttemptNotFound {
                    run: attempt.run.clone(),
                    node: attempt.node.clone(),
                    number: attempt.number,
                });
            }
        }
        Ok(())
    }
}
