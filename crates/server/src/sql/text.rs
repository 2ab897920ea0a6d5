//! The text of a statement, as far as the door must read it itself: where one ends, its parameters,
//! its first words.

use std::ops::Range;

/// What a piece of text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A bare word, in lower case.
    Word(String),
    /// A name in double quotes, quotes taken off.
    Name(String),
    /// A text in single quotes or between dollars, quotes taken off.
    Text(String),
    /// Digits.
    Number(String),
    /// `$3`
    Parameter(usize),
    /// Anything else, a letter at a time.
    Sign(char),
}

/// A piece of text and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: Range<usize>,
}

impl Token {
    pub(super) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    pub(super) fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }

    /// A name, bare or in quotes.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(name) | Kind::Name(name) => Some(name),
            _ => None,
        }
    }
}

/// The tokens of a text; spaces and comments are left out. A quote that is never closed takes the
/// rest, which the parser then refuses.
pub(super) fn tokens(sql: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(letter) = sql[at..].chars().next() {
        let start = at;
        let rest = &sql[at..];
        if letter.is_whitespace() {
            at += letter.len_utf8();
            continue;
        }
        if rest.starts_with("--") {
            at += rest.find('\n').map_or(rest.len(), |end| end + 1);
            continue;
        }
        if rest.starts_with("/*") {
            at += comment(rest);
            continue;
        }
        let (kind, length) = token(letter, rest);
        at += length;
        found.push(Token { kind, at: start..at });
    }
    found
}

fn token(letter: char, rest: &str) -> (Kind, usize) {
    match letter {
        '\'' => {
            let (text, length) = quoted(rest, '\'', false);
            (Kind::Text(text), length)
        }
        '"' => {
            let (name, length) = quoted(rest, '"', false);
            (Kind::Name(name), length)
        }
        '$' => dollar(rest),
        'e' | 'E' if rest[1..].starts_with('\'') => {
            let (text, length) = quoted(&rest[1..], '\'', true);
            (Kind::Text(text), length + 1)
        }
        '0'..='9' => {
            let length =
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(rest.len());
            (Kind::Number(rest[..length].to_owned()), length)
        }
        _ if letter.is_alphabetic() || letter == '_' => {
            let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
            let length = rest.find(|c: char| !inside(c)).unwrap_or(rest.len());
            (Kind::Word(rest[..length].to_lowercase()), length)
        }
        other => (Kind::Sign(other), other.len_utf8()),
    }
}

/// A parameter, a text between dollars, or a lone dollar.
fn dollar(rest: &str) -> (Kind, usize) {
    let after = &rest[1..];
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    if digits > 0 {
        return match after[..digits].parse() {
            Ok(number) => (Kind::Parameter(number), digits + 1),
            Err(_) => (Kind::Sign('$'), 1),
        };
    }
    let tag = after
        .find('$')
        .filter(|end| after[..*end].chars().all(|c| c.is_alphanumeric() || c == '_'));
    let Some(tag) = tag else { return (Kind::Sign('$'), 1) };
    let fence = &rest[..tag + 2];
    let inside = &rest[fence.len()..];
    match inside.find(fence) {
        Some(end) => (Kind::Text(inside[..end].to_owned()), end + 2 * fence.len()),
        None => (Kind::Text(inside.to_owned()), rest.len()),
    }
}

fn quoted(rest: &str, quote: char, escapes: bool) -> (String, usize) {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if escapes && letter == '\\' {
            if let Some((_, next)) = letters.next() {
                text.push(match next {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                });
            }
            continue;
        }
        if letter != quote {
            text.push(letter);
            continue;
        }
        match letters.peek() {
            Some((_, next)) if *next == quote => {
                text.push(quote);
                letters.next();
            }
            _ => return (text, at + quote.len_utf8()),
        }
    }
    (text, rest.len())
}

/// Bytes of a comment, comments inside it counted.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The bytes of each statement of a text, empty ones left out.
pub(super) fn statements(sql: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut first: Option<usize> = None;
    let mut last = 0;
    for token in tokens(sql) {
        if token.is_sign(';') {
            if let Some(start) = first.take() {
                found.push(start..last);
            }
            continue;
        }
        first.get_or_insert(token.at.start);
        last = token.at.end;
    }
    if let Some(start) = first {
        found.push(start..last);
    }
    found
}

/// A text in which some places were replaced, and the way back.
#[derive(Clone, Debug, Default)]
pub(super) struct Edited {
    pub(super) sql: String,
    /// Where the old and the new piece lie.
    edits: Vec<(Range<usize>, Range<usize>)>,
}

impl Edited {
    /// Replaces tokens by what `new` gives for them.
    pub(super) fn of(
        sql: &str,
        mut new: impl FnMut(&[Token], usize) -> Option<(usize, String)>,
    ) -> Self {
        let tokens = tokens(sql);
        let (mut out, mut edits, mut done, mut at) = (String::new(), Vec::new(), 0, 0);
        while at < tokens.len() {
            match new(&tokens, at) {
                Some((taken, text)) if taken > 0 => {
                    let end = tokens[(at + taken - 1).min(tokens.len() - 1)].at.end;
                    let old = tokens[at].at.start..end;
                    out.push_str(&sql[done..old.start]);
                    let start = out.len();
                    out.push_str(&text);
                    edits.push((old.clone(), start..out.len()));
                    done = old.end;
                    at += taken;
                }
                _ => at += 1,
            }
        }
        out.push_str(&sql[done..]);
        Self { sql: out, edits }
    }

    /// The byte of the old text that a byte of the new one came from.
    pub(super) fn original(&self, byte: usize) -> usize {
        let mut shift: i64 = 0;
        for (old, new) in &self.edits {
            if byte < new.start {
                break;
            }
            if byte < new.end {
                return old.start;
            }
            let ends = (i64::try_from(old.end), i64::try_from(new.end));
            if let (Ok(old), Ok(new)) = ends {
                shift = old - new;
            }
        }
        let moved = i64::try_from(byte).unwrap_or(0) + shift;
        usize::try_from(moved).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_quotes_and_comments() {
        let sql = "select ';'; -- a;b\n /* ; /* ; */ */ select $$;$$, \"a;b\" ; ;";
        let found: Vec<&str> = statements(sql).into_iter().map(|at| &sql[at]).collect();
        assert_eq!(found, ["select ';'", "select $$;$$, \"a;b\""]);
    }

    #[test]
    fn parameters_are_numbers_not_texts() {
        let found = tokens("select $1, $12, '$3', $tag$ $4 $tag$, E'it\\'s $5'");
        let numbers: Vec<usize> = found
            .iter()
            .filter_map(|token| match token.kind {
                Kind::Parameter(number) => Some(number),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, [1, 12]);
    }

    #[test]
    fn places_in_an_edited_text_lead_back_to_the_old_one() {
        let sql = "select $1 + amuont";
        let edited = Edited::of(sql, |tokens, at| match tokens[at].kind {
            Kind::Parameter(_) => Some((1, "cast('5' as bigint)".to_owned())),
            _ => None,
        });
        let place = edited.sql.find("amuont").map(|at| edited.original(at));
        assert_eq!(place, sql.find("amuont"));
    }
}
