//! The state of one connection: settings, transaction, prepared statements, portals.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use access::Identity;
use base::EnvironmentName;
use compute::postgres_catalog::Oid;
use pgwire::messages::response::TransactionStatus;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::endpoint::{Endpoint, Pin};
use super::error::SqlError;
use super::parameters::Parameter;
use super::registry::Entry;
use super::rows::{OutColumn, Source};
use super::settings::Settings;
use super::statement::Statement;

/// Prepared statements, and portals, of one connection.
const NAMES_MAX: usize = 5_000;

/// A prepared statement.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) sql: Arc<str>,
    pub(super) statement: Statement,
    /// Types that the client declared; 0 for those it left open.
    pub(super) declared: Vec<Oid>,
    /// What it was found to take and give.
    pub(super) shape: Option<Shape>,
}

/// What a statement takes and gives.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    pub(super) parameters: Vec<Oid>,
    /// None for a statement without rows.
    pub(super) columns: Option<Vec<OutColumn>>,
}

/// A statement with its values, and the rows that are left of it: cursors are portals too.
#[derive(Debug)]
pub(super) struct Portal {
    pub(super) sql: Arc<str>,
    pub(super) statement: Statement,
    pub(super) kinds: Vec<Oid>,
    pub(super) values: Vec<Parameter>,
    pub(super) formats: Vec<i16>,
    pub(super) columns: Option<Vec<OutColumn>>,
    pub(super) source: Option<Source>,
    pub(super) finished: bool,
    /// Outlives its transaction.
    pub(super) hold: bool,
    /// Declared by a statement, not bound by a message.
    pub(super) cursor: bool,
    pub(super) token: CancellationToken,
}

/// What a transaction remembers.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    pub(super) pin: Option<Pin>,
    /// Settings to go back to when it is rolled back.
    pub(super) before: Option<Settings>,
    /// Settings that `set local` changed, as they were.
    pub(super) local: Option<Settings>,
    pub(super) savepoints: Vec<(String, Settings)>,
}

/// One connection's state.
pub(super) struct Session {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) entry: Arc<Entry>,
    pub(super) identity: Identity,
    pub(super) environment: EnvironmentName,
    pub(super) environments: Vec<String>,
    pub(super) users: Vec<(String, bool)>,
    pub(super) settings: Settings,
    pub(super) status: TransactionStatus,
    pub(super) transaction: Transaction,
    pub(super) statements: HashMap<String, Prepared>,
    pub(super) portals: HashMap<String, Portal>,
    /// The statement that runs or ran last, in which an error has its place.
    pub(super) text: Arc<str>,
    /// What ends it, and when it must end.
    pub(super) token: CancellationToken,
    pub(super) deadline: Option<Instant>,
    /// What functions of the running statement asked for.
    pub(super) asked: Asked,
}

/// What functions of a statement ask the connection to do.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) settings: Vec<(String, String, bool)>,
    pub(super) wait: Duration,
}

impl Session {
    /// What the running transaction reads; pinned by its first statement.
    pub(super) async fn pin(&mut self) -> Result<Pin, SqlError> {
        if let Some(pin) = &self.transaction.pin {
            return Ok(pin.clone());
        }
        let pin = self.endpoint.pin(&self.environment).await?;
        self.transaction.pin = Some(pin.clone());
        Ok(pin)
    }

    pub(super) fn begin(&mut self) {
        if self.status == TransactionStatus::Idle {
            self.status = TransactionStatus::Transaction;
            self.transaction =
                Transaction { before: Some(self.settings.clone()), ..Transaction::default() };
        }
    }

    /// Ends the transaction; says which parameters the client must be told again.
    pub(super) fn end(&mut self, commit: bool) -> Vec<(String, String)> {
        let before = self.settings.told();
        let transaction = std::mem::take(&mut self.transaction);
        self.status = TransactionStatus::Idle;
        match (commit, transaction.before, transaction.local) {
            (true, _, Some(settings)) | (false, Some(settings), _) => self.settings = settings,
            (true, _, None) | (false, None, _) => {}
        }
        self.portals.retain(|_, portal| portal.hold && commit);
        let now = self.settings.told();
        now.into_iter().filter(|setting| !before.contains(setting)).collect()
    }

    /// Outside a transaction, what the last statements pinned is let go.
    pub(super) fn settle(&mut self) {
        if self.status == TransactionStatus::Idle {
            self.transaction = Transaction::default();
            self.portals.retain(|_, portal| portal.hold);
        }
    }

    /// A statement failed: a transaction takes no others until it ends.
    pub(super) fn failed(&mut self) {
        if self.status == TransactionStatus::Transaction {
            self.status = TransactionStatus::Error;
        }
    }

    /// Changes a setting; says what the client must be told.
    pub(super) fn set(
        &mut self,
        name: &str,
        value: Option<&str>,
        local: bool,
    ) -> Result<Option<(String, String)>, SqlError> {
        if local && self.status == TransactionStatus::Idle {
            return Ok(None);
        }
        let before = self.settings.clone();
        let told = self.settings.set(name, value)?;
        if local {
            self.transaction.local.get_or_insert(before);
        } else if let Some(kept) = &mut self.transaction.local {
            kept.set(name, value)?;
        }
        if name.eq_ignore_ascii_case("application_name") {
            self.describe_to_others();
        }
        Ok(told)
    }

    pub(super) fn describe_to_others(&self) {
        let application = self.settings.get("application_name").unwrap_or_default();
        self.entry.rename(&self.identity.name, self.environment.as_str(), application);
    }

    /// The state that others see while no statement runs.
    pub(super) fn waiting(&self) -> &'static str {
        match self.status {
            TransactionStatus::Idle => "idle",
            TransactionStatus::Transaction => "idle in transaction",
            TransactionStatus::Error => "idle in transaction (aborted)",
        }
    }

    pub(super) fn remember(&mut self, name: String, prepared: Prepared) -> Result<(), SqlError> {
        if !name.is_empty() && self.statements.contains_key(&name) {
            return Err(SqlError::new(
                "42P05",
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        if self.statements.len() >= NAMES_MAX {
            return Err(SqlError::new(
                "54000",
                format!("more than {NAMES_MAX} prepared statements"),
            )
            .hint("Deallocate those that are not needed any more."));
        }
        self.statements.insert(name, prepared);
        Ok(())
    }

    pub(super) fn prepared(&self, name: &str) -> Result<&Prepared, SqlError> {
        self.statements.get(name).ok_or_else(|| {
            SqlError::new("26000", format!("prepared statement \"{name}\" does not exist"))
        })
    }

    pub(super) fn open_portal(&mut self, name: String, portal: Portal) -> Result<(), SqlError> {
        if !name.is_empty() && self.portals.contains_key(&name) {
            let what = if portal.cursor { "cursor" } else { "portal" };
            return Err(SqlError::new("42P03", format!("{what} \"{name}\" already exists")));
        }
        if self.portals.len() >= NAMES_MAX {
            return Err(SqlError::new("54000", format!("more than {NAMES_MAX} cursors")));
        }
        self.portals.insert(name, portal);
        Ok(())
    }
}
