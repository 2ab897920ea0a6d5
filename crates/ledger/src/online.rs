//! Features as they are served: the newest row of each entity, in versions. A refresh writes a
//! new version beside the one that is served and then points to it.

use base::fault::KillPoint;
use base::system::kill_point;
use base::{EnvironmentName, InputVersion, RunId};
use chrono::{DateTime, Utc};

use crate::accounts::stored;
use crate::records::Record;
use crate::transaction::{Write, sql};
use crate::words::moment;
use crate::{Attempt, AttemptEnd, Lease, Ledger, LedgerError};

/// Rows that one transaction removes.
const DROP_ROWS: i64 = 20_000;

/// One entity's features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlineRow {
    /// Its key: a JSON list of the join keys' values.
    pub key: String,
    /// When its values became true, in microseconds since 1970.
    pub event_us: i64,
    /// When its row was made, in microseconds since 1970.
    pub created_us: Option<i64>,
    /// Its values: a JSON list in the order of the view's features.
    pub values: String,
}

/// The version of a view that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlineView {
    /// The view.
    pub view: String,
    /// The version.
    pub version: i64,
    /// Hash of the view's definition.
    pub definition: String,
    /// The table versions it was made of.
    pub inputs: Vec<InputVersion>,
    /// Its features, in the order of the values.
    pub features: Vec<String>,
    /// Entities it has.
    pub rows: u64,
    /// The run that made it.
    pub run: Option<RunId>,
    /// When, by the business clock.
    pub business_time: DateTime<Utc>,
    /// When, by the machine clock.
    pub machine_time: DateTime<Utc>,
}

/// A version to serve from now on.
#[derive(Clone, Debug)]
pub struct NewOnlineView<'a> {
    /// The view.
    pub view: &'a str,
    /// The version.
    pub version: i64,
    /// Hash of the view's definition.
    pub definition: &'a str,
    /// The table versions it was made of.
    pub inputs: &'a [InputVersion],
    /// Its features, in the order of the values.
    pub features: &'a [String],
    /// Entities it has.
    pub rows: u64,
}

impl Ledger {
    /// The number for a new version of a view.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn next_online_version(
        &self,
        environment: &EnvironmentName,
        view: &str,
    ) -> Result<i64, LedgerError> {
        let statement = sql(concat!(
            "SELECT max(version) AS newest FROM (",
            "SELECT version FROM online_views WHERE environment = ?1 AND feature_view = ?2 ",
            "UNION ALL SELECT max(version) FROM online_features ",
            "WHERE environment = ?1 AND feature_view = ?2)"
        ));
        let statement = statement.bind(environment.as_str().to_owned()).bind(view.to_owned());
        let record = self.row(statement).await?;
        let newest = record.map(|record| record.maybe_number("newest")).transpose()?.flatten();
        Ok(newest.unwrap_or(0) + 1)
    }

    /// Writes rows of a version that is not served yet.
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`] when somebody else took the view over; else when the ledger
    /// cannot be written.
    pub async fn put_online_rows(
        &self,
        lease: &Lease,
        view: &str,
        version: i64,
        rows: &[OnlineRow],
    ) -> Result<(), LedgerError> {
        let mut write = self.write().await?;
        write.check_lease(lease).await?;
        for row in rows {
            let statement = sql(concat!(
                "INSERT OR REPLACE INTO online_features (environment, feature_view, version, ",
                "entity_key, event_us, created_us, feature_values) VALUES (?, ?, ?, ?, ?, ?, ?)"
            ));
            let statement = statement
                .bind(lease.environment.as_str().to_owned())
                .bind(view.to_owned())
                .bind(version)
                .bind(row.key.clone())
                .bind(row.event_us)
                .bind(row.created_us)
                .bind(row.values.clone());
            write.execute(statement).await?;
        }
        write.commit().await
    }

    /// Serves a version from now on and ends the attempt that made it, in one transaction.
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`] when somebody else took the view over; else when the ledger
    /// cannot be written.
    pub async fn publish_online(
        &self,
        lease: &Lease,
        new: &NewOnlineView<'_>,
        attempt: &Attempt,
        end: &AttemptEnd,
    ) -> Result<(), LedgerError> {
        let mut write = self.write().await?;
        write.check_lease(lease).await?;
        write.point_to_online(lease, new, &attempt.run).await?;
        write.finish_attempt(attempt, end).await?;
        kill_point(KillPoint::LedgerBeforeCommit);
        write.commit().await?;
        kill_point(KillPoint::LedgerAfterCommit);
        Ok(())
    }

    /// Removes versions of a view that are older than one, or newer than another: those that were
    /// replaced, and those that were never served. Done in small transactions.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn drop_online_versions(
        &self,
        environment: &EnvironmentName,
        view: &str,
        keep: std::ops::RangeInclusive<i64>,
    ) -> Result<(), LedgerError> {
        loop {
            let statement = sql(concat!(
                "DELETE FROM online_features WHERE (environment, feature_view, version, ",
                "entity_key) IN (SELECT environment, feature_view, version, entity_key ",
                "FROM online_features WHERE environment = ?1 AND feature_view = ?2 ",
                "AND (version < ?3 OR version > ?4) LIMIT ?5)"
            ));
            let statement = statement
                .bind(environment.as_str().to_owned())
                .bind(view.to_owned())
                .bind(*keep.start())
                .bind(*keep.end())
                .bind(DROP_ROWS);
            if self.execute(statement).await? == 0 {
                return Ok(());
            }
        }
    }

    /// What is served in an environment.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn online_views(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<OnlineView>, LedgerError> {
        let statement =
            sql("SELECT * FROM online_views WHERE environment = ? ORDER BY feature_view");
        let statement = statement.bind(environment.as_str().to_owned());
        self.rows(statement).await?.iter().map(read_view).collect()
    }

    /// Rows of one version, for some keys; a key without features has no row.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn online_rows(
        &self,
        environment: &EnvironmentName,
        view: &str,
        version: i64,
        keys: &[String],
    ) -> Result<Vec<OnlineRow>, LedgerError> {
        let keys = serde_json::to_string(keys).expect("texts become JSON");
        let statement = sql(concat!(
            "SELECT entity_key, event_us, created_us, feature_values FROM json_each(?4) AS wanted ",
            "CROSS JOIN online_features WHERE environment = ?1 AND feature_view = ?2 ",
            "AND version = ?3 AND entity_key = wanted.value"
        ));
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(view.to_owned())
            .bind(version)
            .bind(keys);
        self.rows(statement).await?.iter().map(read_row).collect()
    }
}

fn read_row(record: &Record) -> Result<OnlineRow, LedgerError> {
    Ok(OnlineRow {
        key: record.text("entity_key")?,
        event_us: record.number("event_us")?,
        created_us: record.maybe_number("created_us")?,
        values: record.text("feature_values")?,
    })
}

fn read_view(record: &Record) -> Result<OnlineView, LedgerError> {
    Ok(OnlineView {
        view: record.text("feature_view")?,
        version: record.number("version")?,
        definition: record.text("definition")?,
        inputs: record.json("inputs")?,
        features: record.json("features")?,
        rows: record.count("rows")?,
        run: record.maybe_run()?,
        business_time: record.time("business_time")?,
        machine_time: record.time("machine_time")?,
    })
}

impl Write<'_> {
    async fn point_to_online(
        &mut self,
        lease: &Lease,
        new: &NewOnlineView<'_>,
        run: &RunId,
    ) -> Result<(), LedgerError> {
        let inputs = serde_json::to_string(new.inputs).expect("names and numbers become JSON");
        let features = serde_json::to_string(new.features).expect("texts become JSON");
        let statement = sql(concat!(
            "INSERT OR REPLACE INTO online_views (environment, feature_view, version, definition, ",
            "inputs, features, rows, run, business_time, machine_time) ",
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ));
        let statement = statement
            .bind(lease.environment.as_str().to_owned())
            .bind(new.view.to_owned())
            .bind(new.version)
            .bind(new.definition.to_owned())
            .bind(inputs)
            .bind(features)
            .bind(stored(new.rows))
            .bind(run.as_str().to_owned())
            .bind(moment(self.ledger.clocks().business.now()))
            .bind(moment(self.ledger.clocks().machine.now()));
        self.execute(statement).await.map(drop)
    }
}
