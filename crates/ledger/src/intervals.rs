//! Which periods of microbatch models were ever computed and published, and with which code.

use base::{EnvironmentName, NodeId, RunId};
use chrono::{DateTime, NaiveDateTime, Utc};

use crate::records::{Record, unreadable};
use crate::transaction::sql;
use crate::words::moment;
use crate::{Ledger, LedgerError};

const FORM: &str = "%Y-%m-%dT%H:%M:%S";

/// A stretch of time that a microbatch model computed and published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The first moment.
    pub start: NaiveDateTime,
    /// The first moment after it.
    pub end: NaiveDateTime,
    /// Digest of what the code meant.
    pub code: String,
    /// The run.
    pub run: Option<RunId>,
    /// When, by the business clock.
    pub business_time: DateTime<Utc>,
}

/// What one build of a microbatch model computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIntervals {
    /// The model.
    pub node: NodeId,
    /// The version that holds it.
    pub metadata_location: String,
    /// Stretches of time.
    pub stretches: Vec<(NaiveDateTime, NaiveDateTime)>,
    /// Digest of what the code meant.
    pub code: String,
    /// Whether nothing of earlier builds is left.
    pub from_nothing: bool,
}

fn read_interval(record: &Record) -> Result<Interval, LedgerError> {
    let moment = |column: &str| {
        let text = record.text(column)?;
        NaiveDateTime::parse_from_str(&text, FORM).map_err(|_| unreadable(column, &text))
    };
    Ok(Interval {
        start: moment("interval_start")?,
        end: moment("interval_end")?,
        code: record.text("code")?,
        run: record.maybe_run()?,
        business_time: record.time("business_time")?,
    })
}

impl Ledger {
    /// What was computed of a model since it was last built from nothing, oldest build first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn intervals(
        &self,
        environment: &EnvironmentName,
        node: &NodeId,
    ) -> Result<Vec<Interval>, LedgerError> {
        let statement =
            sql("SELECT * FROM intervals WHERE environment = ? AND node = ? ORDER BY sequence");
        let statement =
            statement.bind(environment.as_str().to_owned()).bind(node.as_str().to_owned());
        self.rows(statement).await?.iter().map(read_interval).collect()
    }

    /// Keeps what was computed.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn keep_intervals(
        &self,
        environment: &EnvironmentName,
        run: &RunId,
        new: &NewIntervals,
    ) -> Result<(), LedgerError> {
        let mut write = self.write().await?;
        if new.from_nothing {
            let statement = sql("DELETE FROM intervals WHERE environment = ? AND node = ?");
            let statement =
                statement.bind(environment.as_str().to_owned()).bind(new.node.as_str().to_owned());
            write.execute(statement).await?;
        }
        for (start, end) in &new.stretches {
            let statement = sql(concat!(
                "INSERT INTO intervals (environment, node, metadata_location, interval_start, ",
                "interval_end, code, run, from_nothing, business_time) ",
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            ));
            let statement = statement
                .bind(environment.as_str().to_owned())
                .bind(new.node.as_str().to_owned())
                .bind(new.metadata_location.clone())
                .bind(start.format(FORM).to_string())
                .bind(end.format(FORM).to_string())
                .bind(new.code.clone())
                .bind(run.as_str().to_owned())
                .bind(new.from_nothing)
                .bind(moment(self.clocks().business.now()));
            write.execute(statement).await?;
        }
        write.commit().await
    }
}
