//! Incidents: something is wrong, somebody owns it, and it is told once.

use base::{EnvironmentName, NodeId, RunId};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::records::Record;
use crate::transaction::{Write, sql};
use crate::words::{moment, words};
use crate::{Ledger, LedgerError};

words! {
    /// What began an incident.
    IncidentKind {
        /// A promise is broken.
        PromiseBroken => "promise_broken",
        /// A test kept a version from readers.
        TestFailed => "test_failed",
        /// A stream could not be loaded.
        LoadFailed => "load_failed",
        /// A model or seed could not be built.
        BuildFailed => "build_failed",
        /// A published table has unusually many or few rows.
        VolumeUnusual => "volume_unusual",
        /// Rows are missing or doubled on the way.
        RowsAstray => "rows_astray",
        /// A source changed its columns.
        SchemaDrift => "schema_drift",
    }
}

words! {
    /// How much it matters.
    IncidentSeverity {
        /// Somebody should look when there is time.
        Low => "low",
        /// Somebody should look today.
        Medium => "medium",
        /// Readers see wrong or old numbers now.
        High => "high",
    }
}

words! {
    /// Whether it is over.
    IncidentStatus {
        /// It is not.
        Open => "open",
        /// It is.
        Closed => "closed",
    }
}

/// An incident to open.
#[derive(Clone, Debug, PartialEq)]
pub struct NewIncident {
    /// The environment.
    pub environment: EnvironmentName,
    /// What makes it one and the same: a second incident of an open cause is not opened.
    pub cause: String,
    /// What began it.
    pub kind: IncidentKind,
    /// How much it matters.
    pub severity: IncidentSeverity,
    /// The node at which it happened.
    pub node: Option<NodeId>,
    /// Whose it is.
    pub owner: Option<String>,
    /// Where to write to.
    pub owner_email: Option<String>,
    /// What is wrong, in a sentence.
    pub title: String,
    /// The run that showed it.
    pub run: Option<RunId>,
    /// The day whose numbers it touches.
    pub day: Option<NaiveDate>,
    /// What else is known, such as the diagnosis.
    pub details: serde_json::Value,
    /// When it began, by the business clock.
    pub began: DateTime<Utc>,
    /// Where its state changes are sent.
    pub targets: Vec<String>,
}

/// An incident as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentRecord {
    /// Its id.
    pub id: String,
    /// The environment.
    pub environment: EnvironmentName,
    /// What makes it one and the same.
    pub cause: String,
    /// What began it.
    pub kind: IncidentKind,
    /// How much it matters.
    pub severity: IncidentSeverity,
    /// Whether it is over.
    pub status: IncidentStatus,
    /// The node at which it happened.
    pub node: Option<NodeId>,
    /// Whose it is.
    pub owner: Option<String>,
    /// Where to write to.
    pub owner_email: Option<String>,
    /// What is wrong, in a sentence.
    pub title: String,
    /// The run that showed it.
    pub run: Option<RunId>,
    /// The run that ended it.
    pub closed_by: Option<RunId>,
    /// The day whose numbers it touches.
    pub day: Option<NaiveDate>,
    /// What else is known, such as the diagnosis.
    pub details: serde_json::Value,
    /// When it began, by the business clock.
    pub began: DateTime<Utc>,
    /// When it was noticed, by the business clock.
    pub opened: DateTime<Utc>,
    /// When it ended, by the business clock.
    pub closed: Option<DateTime<Utc>>,
}

/// Something that happened to an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentEvent {
    /// `opened`, `seen_again`, `alert_sent`, `alert_failed`, `closed`.
    pub kind: String,
    /// What happened, in a sentence.
    pub message: String,
    /// In which run.
    pub run: Option<RunId>,
    /// When, by the business clock.
    pub at: DateTime<Utc>,
}

impl Ledger {
    /// Opens an incident, with an alert for each target, unless one of the same cause is open.
    /// Returns the incident and whether it is new. An open one that shows itself anew, with
    /// another run or title, gets a line in its timeline and nothing more.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn open_incident(
        &self,
        new: &NewIncident,
    ) -> Result<(IncidentRecord, bool), LedgerError> {
        let mut write = self.write().await?;
        if let Some(open) = write.open_of_cause(&new.environment, &new.cause).await? {
            let again = open.run != new.run || open.title != new.title;
            if again {
                let text = sql(concat!(
                    "UPDATE incidents SET run = ?, title = ?, details = ? ",
                    "WHERE incident = ?"
                ));
                let text = text
                    .bind(new.run.as_ref().map(|run| run.as_str().to_owned()))
                    .bind(new.title.clone())
                    .bind(new.details.to_string())
                    .bind(open.id.clone());
                write.execute(text).await?;
                write.event(&open.id, "seen_again", &new.title, new.run.as_ref()).await?;
            }
            write.commit().await?;
            return Ok((self.incident(&open.id).await?.unwrap_or(open), false));
        }
        let id = self.new_commit_id().as_str().to_owned();
        write.insert_incident(&id, new).await?;
        write.event(&id, "opened", &new.title, new.run.as_ref()).await?;
        write.alerts(&id, "opened", &new.targets).await?;
        write.commit().await?;
        let made = self.incident(&id).await?;
        Ok((made.expect("the incident was written above"), true))
    }

    /// Closes an open incident, with an alert for each target. Says whether this call did it.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn close_incident(
        &self,
        id: &str,
        message: &str,
        run: Option<&RunId>,
        targets: &[String],
    ) -> Result<bool, LedgerError> {
        let mut write = self.write().await?;
        let text = sql("UPDATE incidents SET status = 'closed', business_closed = ?, \
                        machine_closed = ?, closed_by = ? WHERE incident = ? AND status = 'open'");
        let text = text
            .bind(moment(self.clocks().business.now()))
            .bind(moment(self.clocks().machine.now()))
            .bind(run.map(|run| run.as_str().to_owned()))
            .bind(id.to_owned());
        if write.execute(text).await? == 0 {
            return Ok(false);
        }
        write.event(id, "closed", message, run).await?;
        write.alerts(id, "closed", targets).await?;
        write.commit().await?;
        Ok(true)
    }

    /// An incident.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn incident(&self, id: &str) -> Result<Option<IncidentRecord>, LedgerError> {
        let text = sql("SELECT * FROM incidents WHERE incident = ?").bind(id.to_owned());
        self.row(text).await?.as_ref().map(read_incident).transpose()
    }

    /// Incidents of an environment, open ones first, then newest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn incidents(
        &self,
        environment: &EnvironmentName,
        status: Option<IncidentStatus>,
        limit: u32,
    ) -> Result<Vec<IncidentRecord>, LedgerError> {
        let text = sql(concat!(
            "SELECT * FROM incidents WHERE environment = ?1 AND (?2 IS NULL OR status = ?2) ",
            "ORDER BY status = 'closed', machine_opened DESC, rowid DESC LIMIT ?3"
        ));
        let text = text
            .bind(environment.as_str().to_owned())
            .bind(status.map(IncidentStatus::as_str))
            .bind(limit);
        self.rows(text).await?.iter().map(read_incident).collect()
    }

    /// What happened to an incident, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn incident_events(&self, id: &str) -> Result<Vec<IncidentEvent>, LedgerError> {
        let text = sql("SELECT * FROM incident_events WHERE incident = ? ORDER BY sequence");
        let records = self.rows(text.bind(id.to_owned())).await?;
        let read = |record: &Record| {
            Ok(IncidentEvent {
                kind: record.text("kind")?,
                message: record.text("message")?,
                run: record.maybe_run()?,
                at: record.time("business_time")?,
            })
        };
        records.iter().map(read).collect()
    }
}

fn read_incident(record: &Record) -> Result<IncidentRecord, LedgerError> {
    let day = record.maybe_text("day")?;
    Ok(IncidentRecord {
        id: record.text("incident")?,
        environment: record.environment()?,
        cause: record.text("cause")?,
        kind: record.word("kind")?,
        severity: record.word("severity")?,
        status: record.word("status")?,
        node: record.maybe_node()?,
        owner: record.maybe_text("owner")?,
        owner_email: record.maybe_text("owner_email")?,
        title: record.text("title")?,
        run: record.maybe_run()?,
        closed_by: record.maybe_text("closed_by")?.map(RunId::new),
        day: day.and_then(|day| day.parse().ok()),
        details: record.json("details")?,
        began: record.time("business_began")?,
        opened: record.time("business_opened")?,
        closed: record.maybe_time("business_closed")?,
    })
}

impl Write<'_> {
    async fn open_of_cause(
        &mut self,
        environment: &EnvironmentName,
        cause: &str,
    ) -> Result<Option<IncidentRecord>, LedgerError> {
        let text =
            sql("SELECT * FROM incidents WHERE environment = ? AND cause = ? AND status = 'open'");
        let text = text.bind(environment.as_str().to_owned()).bind(cause.to_owned());
        self.row(text).await?.as_ref().map(read_incident).transpose()
    }

    async fn insert_incident(&mut self, id: &str, new: &NewIncident) -> Result<(), LedgerError> {
        let text = sql(concat!(
            "INSERT INTO incidents (incident, environment, cause, kind, severity, status, node, ",
            "owner, owner_email, title, run, day, details, business_began, business_opened, ",
            "machine_opened) VALUES (?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ));
        let text = text
            .bind(id.to_owned())
            .bind(new.environment.as_str().to_owned())
            .bind(new.cause.clone())
            .bind(new.kind.as_str())
            .bind(new.severity.as_str())
            .bind(new.node.as_ref().map(|node| node.as_str().to_owned()))
            .bind(new.owner.clone())
            .bind(new.owner_email.clone())
            .bind(new.title.clone())
            .bind(new.run.as_ref().map(|run| run.as_str().to_owned()))
            .bind(new.day.map(|day| day.to_string()))
            .bind(new.details.to_string())
            .bind(moment(new.began))
            .bind(moment(self.ledger.clocks().business.now()))
            .bind(moment(self.ledger.clocks().machine.now()));
        self.execute(text).await.map(drop)
    }

    pub(crate) async fn event(
        &mut self,
        incident: &str,
        kind: &str,
        message: &str,
        run: Option<&RunId>,
    ) -> Result<(), LedgerError> {
        let text = sql(concat!(
            "INSERT INTO incident_events (incident, kind, message, run, business_time, ",
            "machine_time) VALUES (?, ?, ?, ?, ?, ?)"
        ));
        let text = text
            .bind(incident.to_owned())
            .bind(kind.to_owned())
            .bind(message.to_owned())
            .bind(run.map(|run| run.as_str().to_owned()))
            .bind(moment(self.ledger.clocks().business.now()))
            .bind(moment(self.ledger.clocks().machine.now()));
        self.execute(text).await.map(drop)
    }
}

/// The tables of this module.
pub(crate) const INCIDENTS: &str = "
CREATE TABLE incidents (
    incident TEXT NOT NULL PRIMARY KEY,
    environment TEXT NOT NULL,
    cause TEXT NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    status TEXT NOT NULL,
    node TEXT,
    owner TEXT,
    owner_email TEXT,
    title TEXT NOT NULL,
    run TEXT,
    closed_by TEXT,
    day TEXT,
    details TEXT NOT NULL,
    business_began TEXT NOT NULL,
    business_opened TEXT NOT NULL,
    business_closed TEXT,
    machine_opened TEXT NOT NULL,
    machine_closed TEXT
) STRICT;
CREATE UNIQUE INDEX incidents_open ON incidents (environment, cause) WHERE status = 'open';
CREATE INDEX incidents_by_time ON incidents (environment, machine_opened);

CREATE TABLE incident_events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    incident TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    run TEXT,
    business_time TEXT NOT NULL,
    machine_time TEXT NOT NULL
) STRICT;
CREATE INDEX incident_events_by_incident ON incident_events (incident);

-- One row per state change and target. Whoever moves it to 'sending' sends it.
CREATE TABLE alerts (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    alert TEXT NOT NULL UNIQUE,
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    target TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_at TEXT NOT NULL,
    message TEXT
) STRICT;
CREATE INDEX alerts_by_status ON alerts (status, due_at);

-- What became of one node over many runs.
CREATE INDEX steps_by_node ON steps (environment, node);
CREATE INDEX attempts_by_node ON attempts (environment, node);
CREATE INDEX test_results_by_table ON test_results (environment, namespace, name);
";
