//! Rows that stand at another hour than they happened: a time zone taken for another one.

use base::NodeId;

use crate::case::Case;
use crate::count::Counts;
use crate::diagnosis::FindingKind;
use crate::model_hop::short;

/// Rows below which a shape says nothing.
const ROWS_MIN: u64 = 100;
/// Hours by which zones differ at most.
const HOURS_MAX: i32 = 14;

/// Whether a model moves the day's rows by whole hours that it does not move on usual days.
pub(crate) fn at_model(case: &mut Case, id: &NodeId, input: &Counts, output: &Counts) -> bool {
    let day = case.day;
    if case.times.get(id).is_none_or(|time| time.days_only) {
        return false;
    }
    let usual: Vec<f64> = output.usual_hours(day);
    let read = input.hours(day).map(|count| count as f64);
    let made = output.hours(day).map(|count| count as f64);
    let before = input.usual_hours(day);
    let here = best(&read, &made);
    let then = best(&before, &usual);
    match (here, then) {
        (Some(hours), then) if hours != 0 && then.unwrap_or(0) == 0 => {
            let mut finding = case.finding(FindingKind::TimeShifted, id);
            finding.rows = output.of(day);
            finding.what = format!(
                "{} moves the rows of the day by {hours:+} hours; on usual days it does not",
                short(id)
            );
            case.findings.push(finding);
            true
        }
        _ => false,
    }
}

/// Whether the rows of a stream stand at other hours than on usual days.
pub(crate) fn at_source(case: &mut Case, id: &NodeId, counts: &Counts) {
    let day = case.day;
    let usual = counts.usual_hours(day);
    let here = counts.hours(day).map(|count| count as f64);
    if counts.usual_days(day).len() < 2 {
        return;
    }
    if let Some(hours) = best(&usual, &here).filter(|hours| *hours != 0) {
        let mut finding = case.finding(FindingKind::TimeShifted, id);
        finding.rows = counts.of(day);
        finding.what = format!(
            "rows of {} stand {hours:+} hours from where the day's usual shape has them; its \
             times may be in another zone since then",
            short(id)
        );
        case.findings.push(finding);
    }
}

/// By how many hours one shape must be moved to fit the other; 0 when it fits as it is, none when
/// the shapes do not tell.
fn best(one: &[f64], other: &[f64]) -> Option<i32> {
    let (sum, sum_other): (f64, f64) = (one.iter().sum(), other.iter().sum());
    if one.len() != 24 || other.len() != 24 || sum.min(sum_other) < ROWS_MIN as f64 {
        return None;
    }
    let distance = |shift: i32| {
        let pairs = (0..24_i32).map(|hour| {
            let moved = usize::try_from((hour + shift).rem_euclid(24)).unwrap_or(0);
            let hour = usize::try_from(hour).unwrap_or(0);
            (one[hour] / sum - other[moved] / sum_other).abs()
        });
        pairs.sum::<f64>()
    };
    let still = distance(0);
    let shifts = (-HOURS_MAX..=HOURS_MAX).filter(|shift| *shift != 0);
    let best = shifts.map(|shift| (distance(shift), shift)).min_by(|a, b| a.0.total_cmp(&b.0))?;
    // Another shape, such as an outage, fits nowhere.
    let clear = best.0 < 0.15 && best.0 * 3.0 < still;
    Some(if clear { best.1 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [f64; 24] = [
        8.0, 6.0, 5.0, 5.0, 6.0, 9.0, 15.0, 26.0, 42.0, 55.0, 60.0, 58.0, 52.0, 60.0, 66.0, 68.0,
        66.0, 58.0, 46.0, 36.0, 28.0, 22.0, 16.0, 11.0,
    ];

    #[test]
    fn a_day_in_another_zone_is_told_from_an_outage() {
        let mut moved = SHAPE;
        moved.rotate_right(2);
        assert_eq!(best(&SHAPE, &moved), Some(2));
        assert_eq!(best(&SHAPE, &SHAPE), Some(0));
        let mut silent = SHAPE;
        silent[9..15].fill(0.0);
        assert_eq!(best(&SHAPE, &silent), Some(0));
    }
}
