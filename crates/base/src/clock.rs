//! The two clocks. The *business clock* dates runs, lateness and SQL's `current_date`, and a
//! project may set it. The *machine clock* serves leases, time-outs and Iceberg's own timestamps;
//! it is always real.

use std::sync::Arc;

use chrono::{DateTime, Utc};

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
