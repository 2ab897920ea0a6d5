//! The connection, as functions and relations of the catalog see it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use access::Permission;
use chrono::{DateTime, Utc};
use compute::QueryError;
use compute::postgres_catalog::{Activity, Host, Setting};
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::session::{Asked, Session};

/// A session while a statement of the catalog is answered.
pub(super) struct SessionHost<'a> {
    session: &'a Session,
    endpoint: &'a Endpoint,
    now: DateTime<Utc>,
    asked: Mutex<Asked>,
}

impl<'a> SessionHost<'a> {
    pub(super) fn new(session: &'a Session, now: DateTime<Utc>) -> Self {
        Self { session, endpoint: &session.endpoint, now, asked: Mutex::default() }
    }

    /// What functions asked for.
    pub(super) fn asked(self) -> Asked {
        self.asked.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for SessionHost<'_> {
    fn user(&self) -> String {
        self.session.identity.name.clone()
    }

    fn database(&self) -> String {
        self.session.environment.to_string()
    }

    fn databases(&self) -> Vec<String> {
        self.session.environments.clone()
    }

    fn users(&self) -> Vec<(String, bool)> {
        self.session.users.clone()
    }

    fn search_path(&self) -> Vec<String> {
        self.session.settings.search_path()
    }

    fn process_id(&self) -> i32 {
        self.session.entry.process
    }

    fn now(&self) -> DateTime<Utc> {
        self.now
    }

    fn started(&self) -> DateTime<Utc> {
        self.endpoint.started
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.session.settings.get(name).map(str::to_owned)
    }

    fn settings(&self) -> Vec<Setting> {
        self.session.settings.all()
    }

    fn set(&self, name: &str, value: &str, local: bool) -> Result<String, QueryError> {
        let mut settings = self.session.settings.clone();
        settings.set(name, Some(value)).map_err(|error| QueryError::project(error.message))?;
        let kept = settings.get(name).unwrap_or_default().to_owned();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.settings.push((name.to_owned(), value.to_owned(), local));
        Ok(kept)
    }

    fn activity(&self) -> Vec<Activity> {
        let own = &self.session.identity;
        let sees_all = own.may(Permission::Administer);
        let mut all = self.endpoint.registry.activity();
        for held in &mut all {
            if !sees_all && held.user != own.name {
                held.query = "<insufficient privilege>".to_owned();
            }
        }
        all
    }

    fn stop(&self, process: i32, terminate: bool) -> Result<bool, QueryError> {
        let Some(entry) = self.endpoint.registry.find(process) else { return Ok(false) };
        let own = &self.session.identity;
        if !own.may(Permission::Administer) && entry.activity().user != own.name {
            return Err(QueryError::project("permission denied to end another user's statement")
                .help("Ask an administrator, or the user."));
        }
        if terminate {
            entry.terminate.cancel();
        } else {
            entry.cancel();
        }
        Ok(true)
    }

    fn sleep(&self, time: Duration) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.wait = asked.wait.saturating_add(time);
    }

    fn ended(&self) -> bool {
        self.session.token.is_cancelled()
            || self.session.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}
