//! Python's `fnmatch`: `*`, `?` and `[...]` over a whole text.

/// Whether a text holds a wildcard at all.
pub(super) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '[', ']'])
}

/// Whether `text` fits `pattern`.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut position) = (0, 0);
    // Where to go on when what follows the last star does not fit.
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        if pattern.get(at) == Some(&'*') {
            star = Some((at + 1, position));
            at += 1;
            continue;
        }
        if let Some(length) = one_fits(&pattern[at.min(pattern.len())..], text[position]) {
            at += length;
            position += 1;
            continue;
        }
        let Some((after, begun)) = star else { return false };
        star = Some((after, begun + 1));
        at = after;
        position = begun + 1;
    }
    pattern[at.min(pattern.len())..].iter().all(|letter| *letter == '*')
}

/// How many letters of the pattern fit one letter of the text.
fn one_fits(pattern: &[char], letter: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => match pattern.iter().skip(2).position(|closing| *closing == ']') {
            Some(length) => set_fits(&pattern[1..length + 2], letter).then_some(length + 3),
            None => (letter == '[').then_some(1),
        },
        other => (*other == letter).then_some(1),
    }
}

fn set_fits(set: &[char], letter: char) -> bool {
    let (negated, set) = match set.first() {
        Some('!') => (true, &set[1..]),
        _ => (false, set),
    };
    let mut found = false;
    let mut at = 0;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == '-' {
            found |= (set[at]..=set[at + 2]).contains(&letter);
            at += 3;
        } else {
            found |= set[at] == letter;
            at += 1;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_fit_as_in_python() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("stg_*", "stg_orders", true),
            ("stg_*", "orders", false),
            ("*_v?", "orders_v2", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbY", false),
            ("[ab]x", "bx", true),
            ("[!ab]x", "bx", false),
            ("[a-c]x", "cx", true),
            ("[", "[", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
