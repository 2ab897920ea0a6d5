//! Leases: who may work on a node of an environment. The token of a node only grows; the ledger
//! transaction checks it, so that a holder that was replaced while it slept publishes nothing.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use base::fault::KillPoint;
use base::limits::LEASE_SECONDS;
use base::system::{ProcessIdentity, kill_point};
use base::{EnvironmentName, NodeId, RunId};
use chrono::{DateTime, TimeDelta, Utc};

use crate::records::Record;
use crate::transaction::{Statement, Write, sql};
use crate::words::moment;
use crate::{Attempt, Ledger, LedgerError, NewAttempt};

/// The right to work on a node, as long as nobody has a higher token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The environment.
    pub environment: EnvironmentName,
    /// The node.
    pub node: NodeId,
    /// The token; the next holder's is higher.
    pub token: i64,
}

/// The answer to asking for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is yours until released, if you renew it.
    Granted(Lease),
    /// Somebody else works on the node.
    Held {
        /// Who, in words.
        by: String,
        /// Until when, unless it is renewed or its holder dies.
        until: DateTime<Utc>,
    },
}

/// The lease row of a node.
struct Holder {
    token: i64,
    run: Option<RunId>,
    process: ProcessIdentity,
    expires_at: DateTime<Utc>,
    released_at: Option<DateTime<Utc>>,
}

impl Holder {
    fn read(record: &Record) -> Result<Self, LedgerError> {
        Ok(Self {
            token: record.number("token")?,
            run: record.maybe_run()?,
            process: read_process(record)?,
            expires_at: record.time("expires_at")?,
            released_at: record.maybe_time("released_at")?,
        })
    }

    /// Whether somebody else must wait: it was not released, has not run out, and its process
    /// lives as far as can be seen from here.
    fn holds(&self, now: DateTime<Utc>, own: &ProcessIdentity) -> bool {
        let dead = lives(&self.process, own) == Some(false);
        self.released_at.is_none() && now < self.expires_at && !dead
    }

    fn words(&self) -> String {
        let ProcessIdentity { machine, process, .. } = &self.process;
        let host = machine.split_once('/').map_or(machine.as_str(), |(host, _)| host);
        let run = self.run.as_ref().map(|run| format!(", run \"{run}\"")).unwrap_or_default();
        format!("process {process} on \"{host}\"{run}")
    }
}

/// Whether a process lives; `None` when it runs elsewhere, where nobody can look. One that was
/// started on this host before it was booted anew is gone.
pub(crate) fn lives(process: &ProcessIdentity, own: &ProcessIdentity) -> Option<bool> {
    let rebooted = match (process.machine.split_once('/'), own.machine.split_once('/')) {
        (Some((host, boot)), Some((own_host, own_boot))) => {
            host == own_host && boot != own_boot && !boot.is_empty() && !own_boot.is_empty()
        }
        _ => false,
    };
    if rebooted { Some(false) } else { process.lives() }
}

pub(crate) fn read_process(record: &Record) -> Result<ProcessIdentity, LedgerError> {
    Ok(ProcessIdentity {
        machine: record.text("machine")?,
        process: record.small_count("process")?,
        started: record.text("process_started")?,
    })
}

fn select(environment: &EnvironmentName, node: &NodeId) -> Statement<'static> {
    sql("SELECT * FROM leases WHERE environment = ? AND node = ?")
        .bind(environment.as_str().to_owned())
        .bind(node.as_str().to_owned())
}

impl Ledger {
    /// Asks for the lease of a node. A holder on this machine that no longer lives is replaced at
    /// once, any other one [`LEASE_SECONDS`] after it last renewed.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn claim(
        &self,
        environment: &EnvironmentName,
        node: &NodeId,
        run: Option<&RunId>,
    ) -> Result<Claim, LedgerError> {
        let mut write = self.write().await?;
        let claim = write.claim(environment, node, run).await?;
        write.commit().await?;
        if matches!(claim, Claim::Granted(_)) {
            kill_point(KillPoint::LeaseClaimed);
        }
        Ok(claim)
    }

    /// Begins an attempt and asks for the lease of its node, both at once.
    ///
    /// # Errors
    /// As [`Ledger::begin_attempt`] and [`Ledger::claim`].
    pub async fn begin_claimed(&self, new: &NewAttempt) -> Result<(Attempt, Claim), LedgerError> {
        let mut write = self.write().await?;
        let attempt = write.begin_attempt(new).await?;
        let claim = write.claim(&new.environment, &new.node, Some(&new.run)).await?;
        write.commit().await?;
        if matches!(claim, Claim::Granted(_)) {
            kill_point(KillPoint::LeaseClaimed);
        }
        Ok((attempt, claim))
    }

    /// Keeps a lease for another [`LEASE_SECONDS`].
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`] when somebody else took it over; else when the ledger cannot be
    /// written.
    pub async fn renew(&self, lease: &Lease) -> Result<(), LedgerError> {
        let mut write = self.write().await?;
        write.check_lease(lease).await?;
        let statement = sql(
            "UPDATE leases SET expires_at = ? WHERE environment = ? AND node = ? AND token = ?",
        );
        let statement = statement
            .bind(moment(expiry(self.clocks().machine.now())))
            .bind(lease.environment.as_str().to_owned())
            .bind(lease.node.as_str().to_owned())
            .bind(lease.token);
        write.execute(statement).await?;
        write.commit().await
    }

    /// Gives a lease back. One that somebody else took over meanwhile is left alone.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn release(&self, lease: &Lease) -> Result<(), LedgerError> {
        let mut write = self.write().await?;
        write.release(lease).await?;
        write.commit().await?;
        kill_point(KillPoint::LeaseReleased);
        Ok(())
    }

    /// Runs some work while renewing its lease three times per [`LEASE_SECONDS`]. The work is
    /// dropped when the lease is lost: it could not publish any more.
    ///
    /// # Errors
    /// [`LedgerError::LeaseLost`] when somebody else took it over.
    pub async fn hold<T>(
        &self,
        lease: &Lease,
        work: impl Future<Output = T>,
    ) -> Result<T, LedgerError> {
        let pause = Duration::from_secs(LEASE_SECONDS.unsigned_abs()) / 3;
        self.hold_renewing(lease, pause, work).await
    }

    /// Runs some work while renewing whatever leases `leases` names at each time: those of a run
    /// that publishes at its end. One that is lost is only logged, because the commit that shows
    /// it will be refused.
    pub async fn hold_each<T>(
        &self,
        leases: impl Fn() -> Vec<Lease>,
        work: impl Future<Output = T>,
    ) -> T {
        let pause = Duration::from_secs(LEASE_SECONDS.unsigned_abs()) / 3;
        self.hold_each_renewing(leases, pause, work).await
    }

    async fn hold_each_renewing<T>(
        &self,
        leases: impl Fn() -> Vec<Lease>,
        pause: Duration,
        work: impl Future<Output = T>,
    ) -> T {
        let renewing = async {
            loop {
                tokio::time::sleep(pause).await;
                for lease in leases() {
                    if let Err(error) = self.renew(&lease).await {
                        tracing::warn!(%error, node = %lease.node, "lease not renewed");
                    }
                }
            }
        };
        tokio::select! {
            done = work => done,
            never = renewing => {
                let never: Infallible = never;
                match never {}
            }
        }
    }

    async fn hold_renewing<T>(
        &self,
        lease: &Lease,
        pause: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, LedgerError> {
        let mut work = pin!(work);
        loop {
            let renewed = async {
                tokio::time::sleep(pause).await;
                self.renew(lease).await
            };
            let renewed = tokio::select! {
                done = &mut work => return Ok(done),
                renewed = renewed => renewed,
            };
            match renewed {
                Ok(()) => {}
                Err(lost @ LedgerError::LeaseLost { .. }) => return Err(lost),
                // The commit checks the token anyhow; a passing fault must not end the work.
                Err(error) => tracing::warn!(%error, node = %lease.node, "lease not renewed"),
            }
        }
    }
}

fn expiry(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::seconds(LEASE_SECONDS)
}

impl Write<'_> {
    /// Refuses when the token is no longer the node's, or the lease was released. One that ran out
    /// but that nobody took over is still good.
    pub(crate) async fn check_lease(&mut self, lease: &Lease) -> Result<(), LedgerError> {
        let holder = self.row(select(&lease.environment, &lease.node)).await?;
        let holder = holder.as_ref().map(Holder::read).transpose()?;
        let lost = match &holder {
            Some(holder) if holder.token == lease.token && holder.released_at.is_none() => {
                return Ok(());
            }
            Some(holder) if holder.token == lease.token => "it was released".to_owned(),
            Some(holder) => format!("token {} belongs to {}", holder.token, holder.words()),
            None => "nobody ever held it".to_owned(),
        };
        Err(LedgerError::LeaseLost {
            environment: lease.environment.clone(),
            node: lease.node.clone(),
            token: lease.token,
            holder: lost,
        })
    }

    async fn claim(
        &mut self,
        environment: &EnvironmentName,
        node: &NodeId,
        run: Option<&RunId>,
    ) -> Result<Claim, LedgerError> {
        let now = self.ledger.clocks().machine.now();
        let holder = self.row(select(environment, node)).await?;
        let holder = holder.as_ref().map(Holder::read).transpose()?;
        let own = self.ledger.process();
        if let Some(holder) = holder.as_ref().filter(|holder| holder.holds(now, own)) {
            return Ok(Claim::Held { by: holder.words(), until: holder.expires_at });
        }
        if let Some(replaced) = holder.as_ref().filter(|holder| holder.released_at.is_none()) {
            tracing::info!(%environment, %node, holder = replaced.words(), "lease taken over");
        }
        let token = holder.map_or(1, |holder| holder.token + 1);
        let lease = Lease { environment: environment.clone(), node: node.clone(), token };
        self.insert_lease(&lease, run, now).await?;
        Ok(Claim::Granted(lease))
    }

    /// Gives a lease back, unless somebody else took it over.
    pub(crate) async fn release(&mut self, lease: &Lease) -> Result<(), LedgerError> {
        let statement = sql(concat!(
            "UPDATE leases SET released_at = ? ",
            "WHERE environment = ? AND node = ? AND token = ? AND released_at IS NULL"
        ));
        let statement = statement
            .bind(moment(self.ledger.clocks().machine.now()))
            .bind(lease.environment.as_str().to_owned())
            .bind(lease.node.as_str().to_owned())
            .bind(lease.token);
        if self.execute(statement).await? == 0 {
            tracing::warn!(
                environment = %lease.environment, node = %lease.node, token = lease.token,
                "lease was no longer held when it was released"
            );
        }
        Ok(())
    }

    async fn insert_lease(
        &mut self,
        lease: &Lease,
        run: Option<&RunId>,
        now: DateTime<Utc>,
    ) -> Result<(), LedgerError> {
        let process = self.ledger.process();
        let statement = sql(concat!(
            "INSERT INTO leases (environment, node, token, run, machine, process, ",
            "process_started, claimed_at, expires_at, released_at) ",
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL) ",
            "ON CONFLICT (environment, node) DO UPDATE SET token = excluded.token, ",
            "run = excluded.run, machine = excluded.machine, process = excluded.process, ",
            "process_started = excluded.process_started, claimed_at = excluded.claimed_at, ",
            "expires_at = excluded.expires_at, released_at = NULL WHERE token < excluded.token"
        ));
        let statement = statement
            .bind(lease.environment.as_str().to_owned())
            .bind(lease.node.as_str().to_owned())
            .bind(lease.token)
            .bind(run.map(|run| run.as_str().to_owned()))
            .bind(process.machine.clone())
            .bind(process.process)
            .bind(process.started.clone())
            .bind(moment(now))
            .bind(moment(expiry(now)));
        let touched = self.execute(statement).await?;
        assert_eq!(touched, 1, "the token of a lease only grows");
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;

    use base::clock::Clocks;
    use base::random::SeededRandomness;

    use super::*;

    #[tokio::test]
    async fn held_work_is_renewed_and_dropped_when_the_lease_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let randomness = Arc::new(SeededRandomness::new(3));
        let ledger = Ledger::open(&path, Clocks::system(), randomness).await.unwrap();
        let claim = ledger.claim(&"prod".into(), &"model.a".into(), None).await.unwrap();
        let Claim::Granted(lease) = claim else { panic!("{claim:?}") };
        assert_eq!(ledger.hold(&lease, async { 7 }).await.unwrap(), 7);

        let expiry_before = expiry_of(&ledger).await;
        let pause = Duration::from_millis(1);
        let renewed = async {
            while expiry_of(&ledger).await == expiry_before {
                tokio::task::yield_now().await;
            }
        };
        ledger.hold_renewing(&lease, pause, renewed).await.unwrap();

        let expiry_before = expiry_of(&ledger).await;
        let renewed = async {
            while expiry_of(&ledger).await == expiry_before {
                tokio::task::yield_now().await;
            }
        };
        ledger.hold_each_renewing(|| vec![lease.clone()], pause, renewed).await;

        let robbed = async {
            ledger.execute(sql("UPDATE leases SET token = token + 1")).await.unwrap();
            pending::<()>().await;
        };
        let lost = ledger.hold_renewing(&lease, pause, robbed).await.unwrap_err();
        assert!(matches!(lost, LedgerError::LeaseLost { .. }), "{lost}");
    }

    #[test]
    fn what_ran_before_the_host_was_booted_anew_is_gone() {
        let own = ProcessIdentity::own();
        let on = |machine: &str| ProcessIdentity { machine: machine.to_owned(), ..own.clone() };
        let (here, before) = (on("host/second"), on("host/first"));
        assert_eq!(lives(&before, &here), Some(false));
        assert_eq!(lives(&on("elsewhere/first"), &here), None);
        assert_eq!(lives(&on("host/"), &here), None);
        assert_eq!(lives(&own, &own), Some(true));
    }

    async fn expiry_of(ledger: &Ledger) -> DateTime<Utc> {
        let record = ledger.row(select(&"prod".into(), &"model.a".into())).await.unwrap();
        record.unwrap().time("expires_at").unwrap()
    }
}
