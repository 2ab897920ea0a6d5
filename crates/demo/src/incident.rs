//! What can be made to go wrong, and from when on.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::DemoError;
use crate::calendar::{self, DAY, FRIDAY, HOUR, START};

/// An incident of the worked examples that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Incident {
    /// Friday's sign-ups drop by 18%. The web's file of 13:00 is cut off until 18:07, so that its
    /// stream cannot be loaded at 14:03 nor on three retries; the mobile stream goes on, and with
    /// it the watermark of the deduplication step, below which the web's rows of 18:11 fall.
    W1,
    /// The CRM renames `LeadSource` to `Lead_Source__c` on 2026-05-21 at 03:00.
    W5,
    /// From 2026-05-20 on the support vendor delivers each new ticket twice, under a new id.
    W6,
}

impl Incident {
    /// Every incident.
    pub const ALL: &[Self] = &[Self::W1, Self::W5, Self::W6];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::W1 => "W1",
            Self::W5 => "W5",
            Self::W6 => "W6",
        }
    }

    /// When its first trace can be seen.
    pub fn begins(self) -> DateTime<Utc> {
        calendar::moment(self.begins_at())
    }

    pub(crate) fn begins_at(self) -> i64 {
        match self {
            Self::W1 => calendar::delivered(crate::drops::DISTURBED_HOUR),
            Self::W5 => START + (FRIDAY - 1) * DAY + 3 * HOUR,
            Self::W6 => START + (FRIDAY - 2) * DAY,
        }
    }
}

/// W1: when the shipper delivers the cut-off file again, whole.
pub(crate) const MENDED: i64 = START + FRIDAY * DAY + 18 * HOUR + 7 * 60;

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Incident {
    type Err = DemoError;

    fn from_str(name: &str) -> Result<Self, DemoError> {
        let known = Self::ALL.iter().find(|incident| incident.name().eq_ignore_ascii_case(name));
        known.copied().ok_or_else(|| DemoError::NoSuchIncident { name: name.to_owned() })
    }
}
