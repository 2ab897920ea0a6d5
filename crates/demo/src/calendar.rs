//! The company's ninety days: when they begin and end, and how much happens on each day and hour.

use chrono::{DateTime, NaiveDate, Utc};

use crate::draw::{Draw, Topic};

/// Days the company is played.
pub const DAYS: i64 = 90;
/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;
/// Seconds of an hour.
pub(crate) const HOUR: i64 = 3_600;
/// 2026-02-25 00:00 UTC, in seconds since 1970.
pub(crate) const START: i64 = 20_509 * DAY;
/// 2026-05-25 23:59:59 UTC: the last file of the last day is just delivered.
pub(crate) const END: i64 = START + DAYS * DAY - 1;
/// Friday 2026-05-22, the day of worked example W1.
pub(crate) const FRIDAY: i64 = 86;
/// Usage events of the whole play at scale 1.
const USAGE_EVENTS: f64 = 1_000_000.0;

/// Sign-ups from Monday to Sunday, averaged over the four weeks before the last one.
const SIGNUP_AVERAGES: [i64; 7] = [1_180, 1_220, 1_265, 1_210, 1_180, 540, 500];
/// Sign-ups of the week from 2026-05-18: the table of worked example W1 as the product saw it.
const SIGNUP_LAST_WEEK: [i64; 7] = [1_210, 1_260, 1_310, 1_180, 1_156, 548, 507];
/// Sign-ups of Monday 2026-05-25.
const SIGNUP_LAST_DAY: i64 = 1_225;
/// How far each of the four weeks lies from their average; they add up to nothing.
const SIGNUP_WEEK_STEPS: [i64; 4] = [36, 12, -12, -36];
/// Web sign-ups of Friday 13:00 to 17:00, the rows W1 loses: 16% of the average of 1,180.
const FRIDAY_WEB: f64 = 191.0;
/// First and last hour of that stretch.
pub(crate) const FRIDAY_HOURS: std::ops::RangeInclusive<i64> = 13..=16;

/// How busy each hour of a day is, in UTC.
const HOUR_WEIGHTS: [u32; 24] =
    [8, 6, 5, 5, 6, 9, 15, 26, 42, 55, 60, 58, 52, 60, 66, 68, 66, 58, 46, 36, 28, 22, 16, 11];
/// How busy each day of a week is for the product, from Monday.
const USAGE_WEEK: [f64; 7] = [1.0, 1.06, 1.08, 1.03, 0.92, 0.30, 0.26];

/// The moment `seconds` after 1970.
pub(crate) fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::UNIX_EPOCH)
}

/// When the play begins.
pub fn start() -> DateTime<Utc> {
    moment(START)
}

/// When the play ends: the last second of 2026-05-25.
pub fn end() -> DateTime<Utc> {
    moment(END)
}

/// The date of a day of the play.
pub(crate) fn date(day: i64) -> NaiveDate {
    moment(START + day * DAY).date_naive()
}

/// Day of the week, 0 for Monday. The play begins on a Wednesday.
pub(crate) fn weekday(day: i64) -> usize {
    usize::try_from((day + 2).rem_euclid(7)).unwrap_or(0)
}

/// When the file of an hour is delivered: in the hour's last second, so that the last file of the
/// play carries its last date. Nothing happens in that second.
pub(crate) fn delivered(hour: i64) -> i64 {
    START + (hour + 1) * HOUR - 1
}

/// Moves a moment out of its hour's last second.
pub(crate) fn settle(at: i64) -> i64 {
    if at.rem_euclid(HOUR) == HOUR - 1 { at - 1 } else { at }
}

/// `count` at a scale, never none.
pub(crate) fn scaled(count: f64, scale: f64) -> i64 {
    ((count * scale).round() as i64).max(1)
}

/// Counts per day and hour, for one seed and scale.
#[derive(Debug)]
pub(crate) struct Calendar {
    seed: u64,
    scale: f64,
    /// Usage events before each day, and after the last.
    usage_before: Vec<i64>,
}

impl Calendar {
    pub(crate) fn new(seed: u64, scale: f64) -> Self {
        let weights: Vec<f64> = (0..DAYS)
            .map(|day| USAGE_WEEK[weekday(day)] * (1.0 + 0.4 * day as f64 / DAYS as f64))
            .collect();
        let total: f64 = weights.iter().sum();
        let events = scaled(USAGE_EVENTS, scale);
        let mut before = 0.0;
        let mut usage_before = vec![0];
        for weight in weights {
            before += weight;
            usage_before.push((events as f64 * before / total).round() as i64);
        }
        Self { seed, scale, usage_before }
    }

    pub(crate) fn scale(&self) -> f64 {
        self.scale
    }

    /// Sign-ups of a day, as the product saw them.
    pub(crate) fn signups(&self, day: i64) -> i64 {
        let counted = scaled(self.signups_at_full_scale(day) as f64, self.scale);
        if day == FRIDAY {
            let planned: i64 = FRIDAY_HOURS.map(|hour| self.friday(hour).total()).sum();
            return counted.max(planned);
        }
        counted
    }

    fn signups_at_full_scale(&self, day: i64) -> i64 {
        let weekday = weekday(day);
        let week = (day - (FRIDAY - 4)).div_euclid(7);
        match week {
            0 => SIGNUP_LAST_WEEK[weekday],
            1.. => SIGNUP_LAST_DAY,
            -4..=-1 => {
                let step = SIGNUP_WEEK_STEPS[usize::try_from(-1 - week).unwrap_or(0)];
                SIGNUP_AVERAGES[weekday] + in_proportion(step, weekday)
            }
            _ => {
                let step = -36 + 24 * (week + 4);
                let noise =
                    Draw::new(self.seed, Topic::Calendar, day.unsigned_abs()).between(-12, 12);
                SIGNUP_AVERAGES[weekday] + in_proportion(step + noise, weekday)
            }
        }
    }

    /// Sign-ups of one hour of a day.
    pub(crate) fn signups_of_hour(&self, day: i64, hour: i64) -> HourPlan {
        if day == FRIDAY && FRIDAY_HOURS.contains(&hour) {
            return self.friday(hour);
        }
        let mut weights = HOUR_WEIGHTS;
        let mut count = self.signups(day);
        if day == FRIDAY {
            for planned in FRIDAY_HOURS {
                weights[usize::try_from(planned).unwrap_or(0)] = 0;
                count -= self.friday(planned).total();
            }
        }
        let total = part(&weights, count, hour);
        let share =
            Draw::new(self.seed, Topic::Calendar, (day * 24 + hour).unsigned_abs() + DAY as u64);
        HourPlan::split(total, share)
    }

    /// Web sign-ups of Friday's stretch: the rows that W1 loses.
    pub(crate) fn friday_web(&self) -> i64 {
        scaled(FRIDAY_WEB, self.scale)
    }

    fn friday(&self, hour: i64) -> HourPlan {
        let web = self.friday_web();
        let hours = FRIDAY_HOURS.end() - FRIDAY_HOURS.start() + 1;
        let up_to = |passed: i64| (web * passed + hours - 1) / hours;
        let passed = hour - FRIDAY_HOURS.start();
        let web = up_to(passed + 1) - up_to(passed);
        // The last hour's mobile sign-up is what moves the watermark past the web ones.
        HourPlan { web, mobile: (web * 9 / 16).max(1) }
    }

    /// Usage events of one hour of a day.
    pub(crate) fn usage_of_hour(&self, day: i64, hour: i64) -> i64 {
        let index = usize::try_from(day).unwrap_or(0);
        part(&HOUR_WEIGHTS, self.usage_before[index + 1] - self.usage_before[index], hour)
    }

    /// `per_day` things at scale 1: how many of them a day has, weekends being quieter.
    pub(crate) fn of_day(&self, per_day: f64, day: i64) -> i64 {
        let quiet = if weekday(day) >= 5 { 0.35 } else { 1.0 };
        let up_to = |days: i64| (per_day * quiet * self.scale * days as f64).floor() as i64;
        up_to(day + 1) - up_to(day)
    }
}

/// Sign-ups of one hour by the door they came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HourPlan {
    pub(crate) web: i64,
    pub(crate) mobile: i64,
}

impl HourPlan {
    fn split(total: i64, mut draw: Draw) -> Self {
        let mobile = (total as f64 * 0.36 + draw.share()).floor() as i64;
        Self { web: total - mobile.min(total), mobile: mobile.min(total) }
    }

    pub(crate) fn total(self) -> i64 {
        self.web + self.mobile
    }
}

fn in_proportion(step: i64, weekday: usize) -> i64 {
    if weekday < 5 { step } else { step * SIGNUP_AVERAGES[weekday] / SIGNUP_AVERAGES[0] }
}

/// The part of a day's count that falls into an hour; the parts add up to the count.
fn part(weights: &[u32; 24], count: i64, hour: i64) -> i64 {
    let total: u32 = weights.iter().sum();
    let up_to = |hours: i64| {
        let passed: u32 = weights.iter().take(usize::try_from(hours).unwrap_or(0)).sum();
        count * i64::from(passed) / i64::from(total)
    };
    up_to(hour + 1) - up_to(hour)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week(first_day: i64) -> Vec<i64> {
        let calendar = Calendar::new(7, 1.0);
        (first_day..first_day + 5).map(|day| calendar.signups(day)).collect()
    }

    #[test]
    fn the_last_week_is_the_table_of_the_worked_example() {
        assert_eq!(date(FRIDAY).to_string(), "2026-05-22");
        assert_eq!(weekday(FRIDAY), 4);
        assert_eq!(week(FRIDAY - 4), [1_210, 1_260, 1_310, 1_180, 965 + 191]);
        let averages: Vec<i64> = (0..5)
            .map(|weekday| (1..=4).map(|ago| week(FRIDAY - 4 - 7 * ago)[weekday]).sum::<i64>() / 4)
            .collect();
        assert_eq!(averages, [1_180, 1_220, 1_265, 1_210, 1_180]);
    }

    #[test]
    fn the_hours_of_a_day_add_up() {
        for scale in [1.0, 0.1, 0.01, 0.001] {
            let calendar = Calendar::new(7, scale);
            for day in 0..DAYS {
                let hours: i64 =
                    (0..24).map(|hour| calendar.signups_of_hour(day, hour).total()).sum();
                assert_eq!(hours, calendar.signups(day), "day {day} at scale {scale}");
            }
        }
        let calendar = Calendar::new(7, 1.0);
        let events: i64 =
            (0..DAYS * 24).map(|hour| calendar.usage_of_hour(hour / 24, hour % 24)).sum();
        assert_eq!(events, 1_000_000);
        assert_eq!(FRIDAY_HOURS.map(|hour| calendar.friday(hour).web).sum::<i64>(), 191);
    }
}
