//! The critical path of a run: the steps of which one must end sooner for the run to end sooner.

use std::collections::BTreeSet;

/// Milliseconds between the end of what a step waits for and its own beginning: after more, it
/// waited for a free place besides.
const HANDOVER_MS: i64 = 50;

/// When a step ran, and which steps it waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// Its beginning, after the run's; none when it did not run.
    pub(crate) start_ms: Option<i64>,
    /// Its end; now, while it runs.
    pub(crate) end_ms: Option<i64>,
    /// The steps it waited for, by their place.
    pub(crate) after: Vec<usize>,
}

impl Span {
    pub(crate) fn duration_ms(&self) -> Option<i64> {
        Some(self.end_ms? - self.start_ms?)
    }
}

/// The places of the steps on the critical path: back from the last end, each time to what the
/// step waited for longest. A step that began well after its parents had ended waited for a free
/// place, so the last step that ended before it comes next.
pub(crate) fn path(steps: &[Span]) -> BTreeSet<usize> {
    let mut on_path = BTreeSet::new();
    let last = (0..steps.len()).filter(|at| steps[*at].end_ms.is_some());
    let mut next = last.max_by_key(|at| steps[*at].end_ms);
    while let Some(at) = next {
        // Clocks may say that a step began before what it waited for ended: never go in circles.
        if !on_path.insert(at) {
            break;
        }
        let start = steps[at].start_ms.unwrap_or(0);
        let ended = |other: &usize| steps[*other].end_ms.is_some();
        let parents = steps[at].after.iter().copied().filter(ended);
        let parent = parents.max_by_key(|parent| steps[*parent].end_ms);
        let at_once =
            |parent: &usize| steps[*parent].end_ms.is_some_and(|end| end + HANDOVER_MS >= start);
        next = parent.filter(at_once).or_else(|| {
            let before = |other: &usize| steps[*other].end_ms.is_some_and(|end| end <= start);
            (0..steps.len()).filter(before).max_by_key(|other| steps[*other].end_ms).or(parent)
        });
    }
    on_path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start_ms: i64, end_ms: i64, after: &[usize]) -> Span {
        Span { start_ms: Some(start_ms), end_ms: Some(end_ms), after: after.to_vec() }
    }

    #[test]
    fn the_path_goes_back_over_the_parent_that_ended_last() {
        let steps = [span(0, 10, &[]), span(0, 50, &[]), span(50, 60, &[0, 1]), span(10, 20, &[0])];
        assert_eq!(path(&steps), [1, 2].into());
    }

    #[test]
    fn a_step_that_waited_for_a_free_place_follows_the_one_that_gave_it() {
        let steps = [span(0, 30, &[]), span(0, 20, &[]), span(30, 90, &[])];
        assert_eq!(path(&steps), [0, 2].into());
        let steps = [span(0, 100, &[]), span(0, 900, &[]), span(900, 950, &[0])];
        assert_eq!(path(&steps), [1, 2].into(), "its parent had ended long before");
    }

    #[test]
    fn steps_that_did_not_run_are_on_no_path() {
        assert_eq!(path(&[Span::default()]), BTreeSet::new());
        assert_eq!(path(&[span(0, 5, &[1]), Span::default()]), [0].into());
    }
}
