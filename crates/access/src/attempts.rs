//! Wrong passwords are counted, so that guessing takes for ever.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::AccessError;

/// Wrong passwords before the next try has to wait.
const FREE_ATTEMPTS: u32 = 5;
/// Longest wait, in seconds.
const WAIT_SECONDS_MAX: i64 = 60;
/// Seconds after which wrong passwords are forgotten.
const FORGOTTEN_AFTER_SECONDS: i64 = 15 * 60;
/// Names that are remembered; more than that is somebody trying names.
const NAMES_MAX: usize = 10_000;

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: DateTime<Utc>,
}

impl Failures {
    fn next_try(&self) -> DateTime<Utc> {
        let Some(beyond) = self.count.checked_sub(FREE_ATTEMPTS) else { return self.last };
        let wait = 2_i64.saturating_pow(beyond.min(16)).min(WAIT_SECONDS_MAX);
        self.last + TimeDelta::seconds(wait)
    }

    fn is_forgotten(&self, now: DateTime<Utc>) -> bool {
        now - self.last > TimeDelta::seconds(FORGOTTEN_AFTER_SECONDS)
    }
}

/// The wrong passwords of each name.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<HashMap<String, Failures>>);

impl Attempts {
    /// Refuses a try that comes too early.
    pub(crate) fn check(&self, user: &str, now: DateTime<Utc>) -> Result<(), AccessError> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = failures.get(user) else { return Ok(()) };
        let wait = known.next_try() - now;
        if known.is_forgotten(now) || wait <= TimeDelta::zero() {
            return Ok(());
        }
        let seconds = u64::try_from(wait.num_seconds()).unwrap_or(0) + 1;
        Err(AccessError::TooManyAttempts { user: user.to_owned(), seconds })
    }

    /// Counts a wrong password.
    pub(crate) fn failed(&self, user: &str, now: DateTime<Utc>) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= NAMES_MAX {
            failures.retain(|_, known| !known.is_forgotten(now));
        }
        if failures.len() >= NAMES_MAX {
            failures.clear();
        }
        let known = failures.entry(user.to_owned()).or_insert(Failures { count: 0, last: now });
        if known.is_forgotten(now) {
            known.count = 0;
        }
        known.count = known.count.saturating_add(1);
        known.last = now;
    }

    /// Forgets the wrong passwords of somebody who knew the right one.
    pub(crate) fn succeeded(&self, user: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_waits_longer_each_time_and_a_right_password_ends_the_wait() {
        let attempts = Attempts::default();
        let start = DateTime::UNIX_EPOCH;
        for _ in 0..FREE_ATTEMPTS {
            attempts.check("ana", start).unwrap();
            attempts.failed("ana", start);
        }
        let refused = attempts.check("ana", start).unwrap_err();
        assert!(matches!(refused, AccessError::TooManyAttempts { seconds: 2, .. }), "{refused}");
        attempts.check("bob", start).unwrap();
        attempts.check("ana", start + TimeDelta::seconds(2)).unwrap();
        for _ in 0..50 {
            attempts.failed("ana", start);
        }
        attempts.check("ana", start + TimeDelta::seconds(WAIT_SECONDS_MAX - 2)).unwrap_err();
        attempts.check("ana", start + TimeDelta::seconds(WAIT_SECONDS_MAX)).unwrap();
        attempts.succeeded("ana");
        attempts.check("ana", start).unwrap();
    }
}
