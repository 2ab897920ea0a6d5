//! The two clocks. The *business clock* dates runs, lateness and SQL's `current_date`, and a
//! project may set it. The *machine clock* serves leases, time-outs and Iceberg's own timestamps;
//! it is always real.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};

/// Tells the time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present moment of this clock.
    fn now(&self) -> DateTime<Utc>;
}

/// Both clocks, handed about together.
#[derive(Clone, Debug)]
pub struct Clocks {
    /// Dates runs, promises and SQL's `current_date`.
    pub business: Arc<dyn Clock>,
    /// Dates leases, time-outs and table metadata.
    pub machine: Arc<dyn Clock>,
}

/// A clock that stands still: a project's `clock:` setting, or a test.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub DateTime<Utc>);

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}

/// From where, since when and how fast a business clock runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchor {
    /// What it showed.
    pub business_at: DateTime<Utc>,
    /// When it showed that, by the machine clock.
    pub machine_at: DateTime<Utc>,
    /// Business seconds in a machine second; 0 stands still.
    pub speed: f64,
}

impl Anchor {
    /// A clock that stands still.
    pub fn standing(business_at: DateTime<Utc>) -> Self {
        Self { business_at, machine_at: DateTime::UNIX_EPOCH, speed: 0.0 }
    }

    /// What the clock shows at a machine time.
    pub fn at(&self, machine: DateTime<Utc>) -> DateTime<Utc> {
        let passed = (machine - self.machine_at).num_microseconds().unwrap_or(i64::MAX);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "whole microseconds of a few centuries; the cast saturates"
        )]
        let business = (passed.max(0) as f64 * self.speed) as i64;
        self.business_at + TimeDelta::microseconds(business)
    }
}

/// A business clock that runs on from a moment, at a speed, and can be set.
#[derive(Debug)]
pub struct RunningClock {
    machine: Arc<dyn Clock>,
    anchor: RwLock<Anchor>,
}

impl RunningClock {
    /// A clock over the machine's.
    pub fn new(machine: Arc<dyn Clock>, anchor: Anchor) -> Self {
        Self { machine, anchor: RwLock::new(anchor) }
    }

    /// Sets it.
    pub fn set(&self, anchor: Anchor) {
        *self.anchor.write().unwrap_or_else(PoisonError::into_inner) = anchor;
    }
}

impl Clock for RunningClock {
    fn now(&self) -> DateTime<Utc> {
        let anchor = *self.anchor.read().unwrap_or_else(PoisonError::into_inner);
        anchor.at(self.machine.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_clock_runs_at_its_speed_and_never_before_its_anchor() {
        let start = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let business_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let anchor = Anchor { business_at, machine_at: start, speed: 60.0 };
        let machine = |seconds| Arc::new(FixedClock(start + TimeDelta::seconds(seconds)));
        let after = |seconds| RunningClock::new(machine(seconds), anchor).now() - business_at;
        assert_eq!(after(0), TimeDelta::zero());
        assert_eq!(after(2), TimeDelta::minutes(2));
        assert_eq!(after(-5), TimeDelta::zero());
        let clock = RunningClock::new(machine(9), anchor);
        clock.set(Anchor::standing(business_at));
        assert_eq!(clock.now(), business_at);
    }
}
