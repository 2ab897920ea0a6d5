//! Alerts of incidents: each is sent by one process, and told once.

use chrono::TimeDelta;

use crate::transaction::{Write, sql};
use crate::words::{moment, words};
use crate::{Ledger, LedgerError};

/// Seconds for which a process that claimed an alert is believed to be sending it.
const CLAIM_SECONDS: i64 = 60;
/// Tries of one alert.
const ALERT_TRIES_MAX: u32 = 12;
/// Seconds before the second try of an alert; they double.
const ALERT_PAUSE_SECONDS: i64 = 5;
/// The longest pause between two tries.
const ALERT_PAUSE_SECONDS_MAX: i64 = 3_600;

words! {
    /// How an alert stands.
    AlertStatus {
        /// It waits for its (next) try.
        Pending => "pending",
        /// A process is sending it.
        Sending => "sending",
        /// It was taken.
        Sent => "sent",
        /// It was refused too often.
        Failed => "failed",
    }
}

/// An alert that this process may send now; nobody else does.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedAlert {
    /// Its id, which is the idempotency key of the request.
    pub id: String,
    /// The incident.
    pub incident: String,
    /// `opened` or `closed`.
    pub state: String,
    /// Where it goes.
    pub target: String,
    /// The number of this try, from 1.
    pub attempt: u32,
}

impl Ledger {
    /// Claims the next alert that is due: it is this process's to send until it says how that
    /// went, or for a minute. A process that died while sending leaves the outcome unknown; the
    /// next one sends again under the same idempotency key.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn claim_alert(&self) -> Result<Option<ClaimedAlert>, LedgerError> {
        let now = self.clocks().machine.now();
        let mut write = self.write().await?;
        let text = sql(concat!(
            "UPDATE alerts SET status = 'sending', attempts = attempts + 1, due_at = ?1 ",
            "WHERE alert = (SELECT alert FROM alerts WHERE status IN ('pending', 'sending') ",
            "AND due_at <= ?2 ORDER BY sequence LIMIT 1) RETURNING *"
        ));
        let text = text.bind(moment(now + TimeDelta::seconds(CLAIM_SECONDS))).bind(moment(now));
        let claimed = write.row(text).await?;
        write.commit().await?;
        let Some(record) = claimed else { return Ok(None) };
        Ok(Some(ClaimedAlert {
            id: record.text("alert")?,
            incident: record.text("incident")?,
            state: record.text("state")?,
            target: record.text("target")?,
            attempt: record.small_count("attempts")?,
        }))
    }

    /// Says that an alert was taken, or why not; then it is tried again after a growing pause.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn settle_alert(
        &self,
        alert: &ClaimedAlert,
        refused: Option<&str>,
    ) -> Result<(), LedgerError> {
        let doubled = ALERT_PAUSE_SECONDS << alert.attempt.saturating_sub(1).min(20);
        let pause = TimeDelta::seconds(doubled.min(ALERT_PAUSE_SECONDS_MAX));
        let status = match refused {
            None => AlertStatus::Sent,
            Some(_) if alert.attempt >= ALERT_TRIES_MAX => AlertStatus::Failed,
            Some(_) => AlertStatus::Pending,
        };
        let mut write = self.write().await?;
        let text = sql("UPDATE alerts SET status = ?, due_at = ?, message = ? \
                        WHERE alert = ? AND status = 'sending'");
        let text = text
            .bind(status.as_str())
            .bind(moment(self.clocks().machine.now() + pause))
            .bind(refused.map(str::to_owned))
            .bind(alert.id.clone());
        if write.execute(text).await? > 0 {
            let (kind, message) = match refused {
                None => ("alert_sent", format!("told {} that it {}", alert.target, alert.state)),
                Some(why) => ("alert_failed", format!("{} did not take it: {why}", alert.target)),
            };
            write.event(&alert.incident, kind, &message, None).await?;
        }
        write.commit().await
    }
}

impl Write<'_> {
    /// One alert for each target; the id says which state change it tells, so that it is told
    /// once however often it is asked for.
    pub(crate) async fn alerts(
        &mut self,
        incident: &str,
        state: &str,
        targets: &[String],
    ) -> Result<(), LedgerError> {
        for (number, target) in targets.iter().enumerate() {
            let text = sql(concat!(
                "INSERT INTO alerts (alert, incident, state, target, status, attempts, due_at) ",
                "VALUES (?, ?, ?, ?, 'pending', 0, ?) ON CONFLICT DO NOTHING"
            ));
            let text = text
                .bind(format!("{incident}-{state}-{number}"))
                .bind(incident.to_owned())
                .bind(state.to_owned())
                .bind(target.clone())
                .bind(moment(self.ledger.clocks().machine.now()));
            self.execute(text).await?;
        }
        Ok(())
    }
}
