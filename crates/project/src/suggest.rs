//! "Did you mean": the nearest known name to one that is not known.

/// The candidate nearest to `name`, if it is near enough to be a typing mistake.
pub fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let length = name.chars().count();
    let allowed = if length <= 2 { 1 } else { (length / 3).clamp(1, 4) };
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| (distance(name, candidate, allowed), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The sentence that goes with [`nearest`].
pub fn did_you_mean<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<String> {
    nearest(name, candidates).map(|candidate| format!("Did you mean \"{candidate}\"?"))
}

/// Edits between two words, a swap of neighbours counting once; anything beyond `allowed` may be
/// reported as more than it is.
fn distance(left: &str, right: &str, allowed: usize) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    if left.len().abs_diff(right.len()) > allowed {
        return allowed + 1;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (row, left_char) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, right_char) in right.iter().enumerate() {
            let mut best = (previous[column] + usize::from(left_char != right_char))
                .min(previous[column + 1] + 1)
                .min(current[column] + 1);
            let swapped = row > 0
                && column > 0
                && *left_char == right[column - 1]
                && left[row - 1] == *right_char;
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut previous, current);
    }
    previous[right.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        assert_eq!(nearest("modles", ["models", "seeds"]), Some("models"));
        assert_eq!(nearest("custmers", ["orders", "customers"]), Some("customers"));
        assert_eq!(nearest("x", ["models", "seeds"]), None);
        assert_eq!(nearest("", ["models"]), None);
    }
}
