//! At which moments of the play the demo loads and builds.

use chrono::{DateTime, Utc};

use crate::Incident;
use crate::calendar::{self, DAY, FRIDAY, HOUR, START};

/// What is done at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Load every stream. Some may fail; the play goes on.
    Load,
    /// Build every model with what is loaded.
    Build,
}

/// A moment at which something is done, after the company was played up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When, on the business clock.
    pub time: DateTime<Utc>,
    /// What.
    pub action: Action,
}

/// The moments after `played` up to and including `until`, in order. The last one is always
/// `until` itself: without incidents one load and one build at the end suffice. With them the days
/// before are played, so that an increment meets what it met in the worked example.
pub fn schedule(
    incidents: &[Incident],
    played: Option<DateTime<Utc>>,
    until: DateTime<Utc>,
) -> Vec<Moment> {
    let mut times: Vec<i64> = incidents.iter().flat_map(|incident| stops(*incident)).collect();
    let after = played.map_or(i64::MIN, |played| played.timestamp());
    times.retain(|time| *time > after && *time < until.timestamp());
    times.push(until.timestamp());
    times.sort_unstable();
    times.dedup();
    let pair = |time| {
        let time = calendar::moment(time);
        [Moment { time, action: Action::Load }, Moment { time, action: Action::Build }]
    };
    times.into_iter().flat_map(pair).collect()
}

/// W5: the load at 02:00, an hour before the vendor renames its column.
pub(crate) const LAST_LOAD_BEFORE_RENAME: i64 = START + (FRIDAY - 1) * DAY + 2 * HOUR;

fn stops(incident: Incident) -> Vec<i64> {
    let at = |day: i64, hour: i64, minute: i64| START + day * DAY + hour * HOUR + minute * 60;
    match incident {
        // The load of 14:03 fails, so do three retries; that of 18:11 succeeds.
        Incident::W1 => [(13, 3), (14, 3), (15, 3), (16, 3), (17, 3), (18, 11)]
            .map(|(hour, minute)| at(FRIDAY, hour, minute))
            .to_vec(),
        Incident::W5 => {
            vec![at(FRIDAY - 2, 6, 0), LAST_LOAD_BEFORE_RENAME, at(FRIDAY - 1, 6, 0)]
        }
        Incident::W6 => vec![at(FRIDAY - 3, 6, 0), at(FRIDAY - 2, 6, 0), at(FRIDAY - 1, 6, 0)],
    }
}
