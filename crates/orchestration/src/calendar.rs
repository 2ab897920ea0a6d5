//! The calendar: which moments a schedule names. Cron speaks of a wall clock; where that is put
//! forward or back, each time still comes exactly once.

use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;
use project::jobs::Schedule;

/// The moments that a schedule names.
///
/// A job at a fixed time of day that falls into the hour a clock skips runs at the first moment
/// after it, and in the hour that comes twice it runs the first time. A job that runs every few
/// minutes or hours goes on through both.
#[derive(Clone, Debug)]
pub struct Calendar {
    cron: Cron,
    zone: Tz,
}

/// Why a schedule means no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalendarProblem {
    /// The expression cannot be read, or names no time that ever comes.
    Cron {
        /// What is wrong with it.
        reason: String,
    },
    /// No time zone has that name.
    TimeZone,
}

impl fmt::Display for CalendarProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron { reason } => f.write_str(reason),
            Self::TimeZone => f.write_str("no time zone has that name"),
        }
    }
}

impl Calendar {
    /// Reads a schedule.
    ///
    /// # Errors
    /// When the expression or the time zone cannot be read, or no time ever comes.
    pub fn new(schedule: &Schedule) -> Result<Self, CalendarProblem> {
        Self::of(&schedule.cron, &schedule.time_zone)
    }

    /// Reads a cron expression for the wall clock of a time zone.
    ///
    /// # Errors
    /// When the expression or the time zone cannot be read, or no time ever comes.
    pub fn of(cron: &str, zone: &str) -> Result<Self, CalendarProblem> {
        let zone: Tz = zone.parse().map_err(|_| CalendarProblem::TimeZone)?;
        let refused = |reason: String| CalendarProblem::Cron { reason };
        let cron: Cron = cron.parse().map_err(|error| refused(reason(&error)))?;
        let calendar = Self { cron, zone };
        // Any day would do: leap days come back within eight years.
        match calendar.next_after(DateTime::UNIX_EPOCH) {
            Some(_) => Ok(calendar),
            None => Err(refused("it names no time that ever comes".to_owned())),
        }
    }

    /// The first moment after a moment.
    pub fn next_after(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut from = moment.with_timezone(&self.zone);
        loop {
            let next = self.cron.find_next_occurrence(&from, false).ok()?;
            let found = next.with_timezone(&Utc);
            if found > moment {
                return Some(found);
            }
            // A search never stands still, whatever the clocks of a zone did.
            from = next + chrono::TimeDelta::seconds(1);
        }
    }

    /// The moments after one and up to another, oldest first; of more than `count_max`, the latest.
    pub fn between(
        &self,
        after: DateTime<Utc>,
        through: DateTime<Utc>,
        count_max: usize,
    ) -> Vec<DateTime<Utc>> {
        let mut found = std::collections::VecDeque::new();
        let mut at = after;
        while let Some(next) = self.next_after(at).filter(|next| *next <= through) {
            if found.len() == count_max {
                found.pop_front();
            }
            found.push_back(next);
            at = next;
        }
        found.into()
    }

    /// The schedule in words.
    pub fn describe(&self) -> String {
        let words = self.cron.describe();
        let words = words.trim_end_matches('.');
        if self.zone == Tz::UTC {
            format!("{words}, UTC")
        } else {
            format!("{words}, {}", self.zone)
        }
    }
}

/// The parser's sentence as a clause.
fn reason(error: &croner::errors::CronError) -> String {
    let text = error.to_string();
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().collect::<String>() + letters.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(cron: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
        let calendar = Calendar::of(cron, zone).expect("the schedule means times");
        let time = |text: &str| text.parse::<DateTime<Utc>>().expect("a time");
        let found = calendar.between(time(from), time(to), 1_000);
        found.iter().map(|time| time.format("%m-%d %H:%M").to_string()).collect()
    }

    #[test]
    fn a_time_of_day_follows_the_wall_clock_of_its_zone() {
        let berlin = |from, to| moments("30 6 * * *", "Europe/Berlin", from, to);
        // Summer time ended there on 2026-10-25.
        assert_eq!(
            berlin("2026-10-23T12:00:00Z", "2026-10-26T12:00:00Z"),
            ["10-24 04:30", "10-25 05:30", "10-26 05:30"]
        );
        assert_eq!(
            moments("@daily", "UTC", "2026-02-27T00:00:00Z", "2026-03-02T00:00:00Z"),
            ["02-28 00:00", "03-01 00:00", "03-02 00:00"]
        );
    }

    #[test]
    fn a_time_that_the_clock_skips_comes_once_right_after() {
        // On 2026-03-29 the clock in Berlin went from 02:00 to 03:00, which is 01:00 UTC.
        assert_eq!(
            moments("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z"),
            ["03-28 01:30", "03-29 01:00", "03-30 00:30"]
        );
    }

    #[test]
    fn a_time_that_the_clock_shows_twice_comes_once() {
        // On 2026-10-25 the clock in Berlin went back from 03:00 to 02:00, which is 01:00 UTC.
        assert_eq!(
            moments("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-26T12:00:00Z"),
            ["10-24 00:30", "10-25 00:30", "10-26 01:30"]
        );
    }

    #[test]
    fn every_half_hour_goes_on_through_both_changes() {
        let day = |from, to| moments("*/30 * * * *", "Europe/Berlin", from, to);
        assert_eq!(day("2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z").len(), 6);
        assert_eq!(day("2026-03-29T00:00:00Z", "2026-03-29T03:00:00Z").len(), 6);
        // Lord Howe Island moves its clock by half an hour.
        let island = moments(
            "0 * * * *",
            "Australia/Lord_Howe",
            "2026-04-04T12:00:00Z",
            "2026-04-04T18:00:00Z",
        );
        let unique: std::collections::BTreeSet<&String> = island.iter().collect();
        assert_eq!(unique.len(), island.len());
    }

    #[test]
    fn of_too_many_missed_times_the_latest_are_kept() {
        let calendar = Calendar::of("* * * * *", "UTC").expect("it means times");
        let (start, end) =
            (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + chrono::TimeDelta::days(1));
        let kept = calendar.between(start, end, 3);
        assert_eq!(kept.len(), 3);
        assert_eq!(kept.last(), Some(&end));
    }

    #[test]
    fn schedules_that_mean_no_time_are_refused_with_a_reason() {
        for cron in ["", "daily", "61 * * * *", "* * * *", "0 0 31 2 *", "@fortnightly"] {
            let refused = Calendar::of(cron, "UTC").expect_err(cron);
            let CalendarProblem::Cron { reason } = refused else { panic!("{cron}: {refused}") };
            assert!(!reason.is_empty() && !reason.ends_with('.'), "{cron}: {reason}");
        }
        let refused = Calendar::of("@daily", "Europe/Atlantis").expect_err("no such zone");
        assert_eq!(refused, CalendarProblem::TimeZone);
    }
}
