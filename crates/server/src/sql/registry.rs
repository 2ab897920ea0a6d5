//! All open connections: how one is found to be cancelled, and what each is doing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use compute::postgres_catalog::Activity;
use tokio_util::sync::CancellationToken;

/// A connection, as others see it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) process: i32,
    /// What a cancel request must know.
    pub(super) secret: i32,
    /// Ends the connection.
    pub(super) terminate: CancellationToken,
    statement: Mutex<Option<CancellationToken>>,
    activity: Mutex<Activity>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Entry {
    /// A statement begins; its token ends it.
    pub(super) fn begin(&self, sql: &str, now: DateTime<Utc>) -> CancellationToken {
        let token = CancellationToken::new();
        *held(&self.statement) = Some(token.clone());
        let mut activity = held(&self.activity);
        activity.state = "active".to_owned();
        activity.query = sql.chars().take(1_024).collect();
        activity.began = Some(now);
        token
    }

    /// The statement ended, and the connection waits in this state.
    pub(super) fn end(&self, state: &str) {
        *held(&self.statement) = None;
        held(&self.activity).state = state.to_owned();
    }

    pub(super) fn rename(&self, user: &str, database: &str, application: &str) {
        let mut activity = held(&self.activity);
        activity.user = user.to_owned();
        activity.database = database.to_owned();
        activity.application = application.to_owned();
    }

    /// Ends the statement that runs, if one does.
    pub(super) fn cancel(&self) {
        if let Some(token) = held(&self.statement).as_ref() {
            token.cancel();
        }
    }

    pub(super) fn activity(&self) -> Activity {
        held(&self.activity).clone()
    }
}

/// All open connections of one door.
#[derive(Debug, Default)]
pub(super) struct Registry {
    entries: Mutex<BTreeMap<i32, Arc<Entry>>>,
    last: AtomicI32,
}

impl Registry {
    /// Adds a connection; none when there are as many as there may be.
    pub(super) fn open(
        &self,
        secret: i32,
        now: DateTime<Utc>,
        connections_max: usize,
    ) -> Option<Arc<Entry>> {
        let mut entries = held(&self.entries);
        if entries.len() >= connections_max {
            return None;
        }
        let process =
            self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1).rem_euclid(i32::MAX);
        let activity = Activity {
            process,
            database: String::new(),
            user: String::new(),
            application: String::new(),
            state: "starting".to_owned(),
            query: String::new(),
            opened: now,
            began: None,
        };
        let entry = Arc::new(Entry {
            process,
            secret,
            terminate: CancellationToken::new(),
            statement: Mutex::default(),
            activity: Mutex::new(activity),
        });
        entries.insert(process, Arc::clone(&entry));
        Some(entry)
    }

    pub(super) fn close(&self, process: i32) {
        held(&self.entries).remove(&process);
    }

    pub(super) fn find(&self, process: i32) -> Option<Arc<Entry>> {
        held(&self.entries).get(&process).cloned()
    }

    pub(super) fn activity(&self) -> Vec<Activity> {
        held(&self.entries).values().map(|entry| entry.activity()).collect()
    }
}
