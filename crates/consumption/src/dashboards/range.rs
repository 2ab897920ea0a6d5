//! Time ranges as days, by the business clock.

use chrono::{Days, Months, NaiveDate};
use project::dashboard::{Comparison, TimeRange};
use project::semantics::Grain;

use crate::metrics::start_of;

/// The first and the last day of a range; none for everything.
pub fn days(range: TimeRange, today: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
    let from = match range {
        TimeRange::All => return None,
        TimeRange::Between(from, to) => return Some((from, to)),
        TimeRange::This(grain) => start_of(grain, today),
        TimeRange::Last(window) => {
            let before = window.count.saturating_sub(1);
            let start = start_of(window.grain, today);
            let moved = match window.grain {
                Grain::Second | Grain::Minute | Grain::Hour | Grain::Day => {
                    today.checked_sub_days(Days::new(u64::from(before)))
                }
                Grain::Week => start.checked_sub_days(Days::new(u64::from(before) * 7)),
                Grain::Month => start.checked_sub_months(Months::new(before)),
                Grain::Quarter => start.checked_sub_months(Months::new(before.saturating_mul(3))),
                Grain::Year => start.checked_sub_months(Months::new(before.saturating_mul(12))),
            };
            moved.unwrap_or(today)
        }
    };
    Some((from, today))
}

/// The days that a range is held against.
pub(super) fn before(
    (from, to): (NaiveDate, NaiveDate),
    comparison: Comparison,
) -> Option<(NaiveDate, NaiveDate)> {
    match comparison {
        Comparison::PreviousPeriod => {
            let length = u64::try_from((to - from).num_days() + 1).ok()?;
            Some((from.checked_sub_days(Days::new(length))?, from.pred_opt()?))
        }
        Comparison::PreviousYear => {
            let year = Months::new(12);
            Some((from.checked_sub_months(year)?, to.checked_sub_months(year)?))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ranges_end_today() {
        let today: NaiveDate = "2026-05-25".parse().unwrap();
        let read = |text: &str| {
            let found = days(TimeRange::read(text).unwrap(), today);
            found.map_or_else(|| "all".to_owned(), |(from, to)| format!("{from} {to}"))
        };
        assert_eq!(read("last 1 day"), "2026-05-25 2026-05-25");
        assert_eq!(read("last 28 days"), "2026-04-28 2026-05-25");
        assert_eq!(read("last 2 weeks"), "2026-05-18 2026-05-25");
        assert_eq!(read("this month"), "2026-05-01 2026-05-25");
        assert_eq!(read("last 3 months"), "2026-03-01 2026-05-25");
        assert_eq!(read("all"), "all");
        let range = days(TimeRange::read("last 7 days").unwrap(), today).unwrap();
        let (from, to) = before(range, Comparison::PreviousPeriod).unwrap();
        assert_eq!(format!("{from} {to}"), "2026-05-12 2026-05-18");
    }
}
