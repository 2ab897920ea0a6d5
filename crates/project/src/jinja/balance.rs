//! Which block of a broken template is open: the engine only says that the end came too early.

use std::ops::Range;

/// Tags that open a block, and whose end is `end` and their name.
const OPENERS: &[&str] = &[
    "if",
    "for",
    "macro",
    "call",
    "filter",
    "set",
    "snapshot",
    "test",
    "materialization",
    "docs",
    "block",
    "with",
    "autoescape",
];
/// Tags of Jinja and dbt that open nothing.
const OTHERS: &[&str] = &[
    "else", "elif", "do", "return", "break", "continue", "include", "import", "from", "extends",
    "raw", "endraw",
];

/// What is out of balance; ranges are bytes of the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Imbalance {
    /// A tag or comment that never ends.
    Open { what: &'static str, end: &'static str, at: Range<usize> },
    /// A block without its end tag.
    Unclosed { block: String, at: Range<usize> },
    /// An end tag that closes another block, or none.
    Mismatched { end: String, at: Range<usize>, open: Option<(String, Range<usize>)> },
    /// A tag that nobody knows, and a name that is near.
    Unknown { tag: String, at: Range<usize> },
}

/// The first thing that is out of balance.
pub(crate) fn imbalance(text: &str) -> Option<Imbalance> {
    let mut open: Vec<(String, Range<usize>)> = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find('{').map(|at| from + at) {
        let (what, end) = match text[start..].get(..2) {
            Some("{#") => ("comment", "#}"),
            Some("{{") => ("expression", "}}"),
            Some("{%") => ("tag", "%}"),
            _ => {
                from = start + 1;
                continue;
            }
        };
        let Some(length) = end_of(&text[start + 2..], what, end) else {
            return Some(Imbalance::Open { what, end, at: start..start + 2 });
        };
        let (inner, after) = (&text[start + 2..start + 2 + length], start + 4 + length);
        from = after;
        if what != "tag" {
            continue;
        }
        let word: String = inner
            .trim_start_matches(['-', '+'])
            .trim_start()
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect();
        if word == "raw" {
            from = text[after..].find("endraw").map_or(text.len(), |at| after + at);
            continue;
        }
        if let Some(found) = step(&mut open, &word, inner, start..after) {
            return Some(found);
        }
    }
    let (block, at) = open.pop()?;
    Some(Imbalance::Unclosed { block, at })
}

/// Takes one tag in.
fn step(
    open: &mut Vec<(String, Range<usize>)>,
    word: &str,
    inner: &str,
    at: Range<usize>,
) -> Option<Imbalance> {
    if let Some(closes) = word.strip_prefix("end").filter(|name| OPENERS.contains(name)) {
        return match open.pop() {
            Some((block, _)) if block == closes => None,
            other => Some(Imbalance::Mismatched { end: word.to_owned(), at, open: other }),
        };
    }
    // `set x = 1` is whole; `set x` is a block.
    let whole = word == "set" && inner.contains('=');
    if OPENERS.contains(&word) && !whole {
        open.push((word.to_owned(), at));
    } else if !OPENERS.contains(&word) && !OTHERS.contains(&word) {
        return Some(Imbalance::Unknown { tag: word.to_owned(), at });
    }
    None
}

/// Where a tag ends: its end mark outside of quotes. A comment has no quotes.
fn end_of(text: &str, what: &str, end: &str) -> Option<usize> {
    if what == "comment" {
        return text.find(end);
    }
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if letter == '\\' => escaped = true,
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if letter == '\'' || letter == '"' => quote = Some(letter),
            None if text[at..].starts_with(end) => return Some(at),
            // Another tag begins: this one was forgotten.
            None if text[at..].starts_with("{%") || text[at..].starts_with("{{") => return None,
            None => {}
        }
    }
    None
}

/// The tag that was meant, if one is near.
pub(crate) fn near(tag: &str) -> Option<String> {
    let known = OPENERS.iter().chain(OTHERS).copied();
    crate::suggest::did_you_mean(tag, known)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_block_that_is_open_is_found() {
        let found = imbalance("{% if a %}{% for b in c %}x{% endfor %}");
        assert_eq!(found, Some(Imbalance::Unclosed { block: "if".to_owned(), at: 0..10 }));
        assert!(imbalance("{% set a = 1 %}{% if a %}{{ '}}' }}{% endif %}").is_none());
        assert!(imbalance("{% raw %}{% nothing %}{% endraw %}").is_none());
        let crossed = imbalance("{% if a %}{% endfor %}");
        assert!(matches!(crossed, Some(Imbalance::Mismatched { open: Some(_), .. })));
        assert!(matches!(imbalance("a {# b"), Some(Imbalance::Open { what: "comment", .. })));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(
            text in "([a-z{}%#'\"é -]|\\{%|%\\}|\\{\\{|\\}\\}|endif|if){0,60}",
        ) {
            imbalance(&text);
        }
    }
}
