//! From the parser's lines and columns to bytes of the SQL that was handed in.

use std::ops::Range;

use datafusion::sql::sqlparser::tokenizer::{Location, Span};

/// The bytes that a span covers; none for a span the parser left empty.
pub(crate) fn bytes(sql: &str, span: Span) -> Option<Range<usize>> {
    let start = offset(sql, span.start)?;
    let end = offset(sql, span.end)?.max(start);
    Some(start..end)
}

/// The byte at a location; lines and columns count from 1, columns in characters.
pub(crate) fn offset(sql: &str, location: Location) -> Option<usize> {
    let line = usize::try_from(location.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(location.column).ok()?.checked_sub(1)?;
    let mut line_start = 0;
    for _ in 0..line {
        line_start += sql.get(line_start..)?.find('\n')? + 1;
    }
    let rest = sql.get(line_start..)?;
    Some(rest.char_indices().nth(column).map_or(sql.len(), |(index, _)| line_start + index))
}

/// The candidate nearest to `name`, if any is near enough to have been meant.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    candidates
        .into_iter()
        .map(|candidate| {
            let other: Vec<char> = candidate.to_lowercase().chars().collect();
            (edits(&wanted, &other), candidate)
        })
        .filter(|(edits, _)| *edits <= (wanted.len() / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, delete, replace or swap to turn one word into the other.
fn edits(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in right.iter().enumerate() {
            let replaced = above[column] + usize::from(from != to);
            let mut best = replaced.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && left[row - 1] == *to && right[column - 1] == *from {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        let sql = "select 'é',\n  amont from t";
        let start = Location { line: 2, column: 3 };
        let end = Location { line: 2, column: 8 };
        let range = bytes(sql, Span { start, end });
        assert_eq!(range.and_then(|range| sql.get(range)), Some("amont"));
        assert_eq!(bytes(sql, Span::empty()), None);
    }

    #[test]
    fn a_swapped_letter_is_near_and_another_word_is_not() {
        assert_eq!(nearest("amuont", ["id", "amount", "account"]), Some("amount"));
        assert_eq!(nearest("x", ["id", "amount"]), None);
    }
}
