//! `warn_if` and `error_if`: the conditions on the number of failing rows.

use std::fmt;

/// A condition on a number of failures, such as `!= 0`, `>10` or `between 1 and 5`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Threshold {
    /// A comparison with one number.
    Compare(Comparison, f64),
    /// Both ends included, as in SQL.
    Between(f64, f64),
}

/// A comparison operator of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longer operators come first, so that `>=` is not read as `>`.
const OPERATORS: &[(&str, Comparison)] = &[
    (">=", Comparison::GreaterOrEqual),
    ("<=", Comparison::LessOrEqual),
    ("!=", Comparison::NotEqual),
    ("<>", Comparison::NotEqual),
    ("==", Comparison::Equal),
    ("=", Comparison::Equal),
    (">", Comparison::Greater),
    ("<", Comparison::Less),
];

impl Threshold {
    /// Reads a condition as dbt's projects write it. None when it is none of the known forms.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(rest) = strip_word(text, "between") {
            let (low, high) = split_and(rest)?;
            return Some(Self::Between(low.trim().parse().ok()?, high.trim().parse().ok()?));
        }
        let (operator, comparison) =
            OPERATORS.iter().find(|(operator, _)| text.starts_with(operator))?;
        let number = text[operator.len()..].trim().parse().ok()?;
        Some(Self::Compare(*comparison, number))
    }

    /// Whether a number of failures meets the condition.
    #[allow(clippy::float_cmp, reason = "counts below 2^53 are exact in a double")]
    pub(crate) fn is_met(self, failures: f64) -> bool {
        match self {
            Self::Between(low, high) => low <= failures && failures <= high,
            Self::Compare(Comparison::Equal, number) => failures == number,
            Self::Compare(Comparison::NotEqual, number) => failures != number,
            Self::Compare(Comparison::Less, number) => failures < number,
            Self::Compare(Comparison::LessOrEqual, number) => failures <= number,
            Self::Compare(Comparison::Greater, number) => failures > number,
            Self::Compare(Comparison::GreaterOrEqual, number) => failures >= number,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(low, high) => write!(f, "between {low} and {high}"),
            Self::Compare(comparison, number) => {
                let found = OPERATORS.iter().find(|(_, known)| known == comparison);
                write!(f, "{} {number}", found.map_or("", |(operator, _)| operator))
            }
        }
    }
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let head = text.get(..word.len())?;
    let rest = &text[word.len()..];
    (head.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace)).then_some(rest)
}

fn split_and(text: &str) -> Option<(&str, &str)> {
    let lower = text.to_ascii_lowercase();
    let at = lower.find(" and ")?;
    Some((&text[..at], &text[at + " and ".len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_mean_what_they_mean_in_sql() {
        let met = |text: &str, failures: f64| Threshold::parse(text).expect(text).is_met(failures);
        assert!(met("!= 0", 1.0) && !met("!=0", 0.0));
        assert!(met(">= 10", 10.0) && !met(">10", 10.0));
        assert!(met("BETWEEN 2 AND 4", 4.0) && !met("between 2 and 4", 5.0));
        assert!(met("<> 3", 2.0) && met("= 3", 3.0) && met("<= 3", 3.0) && !met("< 3", 3.0));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "10", "> ten", "between 1", "=> 3"] {
            assert_eq!(Threshold::parse(text), None, "{text}");
        }
    }
}
