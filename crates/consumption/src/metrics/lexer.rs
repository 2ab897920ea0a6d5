//! SQL as words, so that names can be put in place of others without touching texts and comments.

/// A stretch of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A name or keyword.
    Word(&'t str),
    /// A name in double quotes or backticks, with them.
    Quoted(&'t str),
    /// A text in single quotes, with them.
    Text(&'t str),
    /// A number.
    Number(&'t str),
    /// Anything else: one character.
    Sign(&'t str),
    /// White space and comments.
    Space(&'t str),
}

impl<'t> Token<'t> {
    /// As it stands.
    pub(super) fn text(self) -> &'t str {
        match self {
            Self::Word(text)
            | Self::Quoted(text)
            | Self::Text(text)
            | Self::Number(text)
            | Self::Sign(text)
            | Self::Space(text) => text,
        }
    }

    /// Whether it is this keyword.
    pub(super) fn is(self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// Whether it is this sign.
    pub(super) fn is_sign(self, sign: &str) -> bool {
        matches!(self, Self::Sign(text) if text == sign)
    }

    /// The name it spells, if it can be one.
    pub(super) fn name(self) -> Option<String> {
        match self {
            Self::Word(word) => Some(word.to_ascii_lowercase()),
            Self::Quoted(text) => Some(text[1..text.len() - 1].replace("\"\"", "\"")),
            Self::Text(_) | Self::Number(_) | Self::Sign(_) | Self::Space(_) => None,
        }
    }
}

/// Takes SQL apart; what it is put together again from is the same text.
pub(super) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if first.is_whitespace() => span(rest, char::is_whitespace),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '\'' | '"' | '`' => quoted(rest, first),
            _ if first.is_alphabetic() || first == '_' => {
                span(rest, |one| one.is_alphanumeric() || one == '_' || one == '$')
            }
            _ if first.is_ascii_digit() => {
                span(rest, |one| one.is_alphanumeric() || one == '.' || one == '_')
            }
            _ => first.len_utf8(),
        };
        let (text, after) = rest.split_at(length);
        let comment = text.starts_with("--") || text.starts_with("/*");
        found.push(match first {
            _ if first.is_whitespace() || comment => Token::Space(text),
            '\'' => Token::Text(text),
            '"' | '`' if text.len() > 1 => Token::Quoted(text),
            _ if first.is_alphabetic() || first == '_' => Token::Word(text),
            _ if first.is_ascii_digit() => Token::Number(text),
            _ => Token::Sign(text),
        });
        rest = after;
    }
    found
}

fn span(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !fits(letter)).unwrap_or(text.len())
}

/// A quoted stretch, its quotes doubled inside; to the end when it is never closed.
fn quoted(text: &str, quote: char) -> usize {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != quote {
            continue;
        }
        if letters.peek().is_some_and(|(_, next)| *next == quote) {
            letters.next();
        } else {
            return at + quote.len_utf8();
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_comments_stay_whole() {
        let sql = "select \"a b\", 'it''s -- no', x1/2.5 -- end, a\nfrom t /* from u */";
        let all = tokens(sql);
        let again: String = all.iter().map(|token| token.text()).collect();
        assert_eq!(again, sql);
        assert!(all.contains(&Token::Text("'it''s -- no'")));
        assert!(all.contains(&Token::Space("-- end, a")));
        assert_eq!(Token::Quoted("\"a b\"").name().as_deref(), Some("a b"));
        assert!(Token::Word("FROM").is("from"));
        assert_eq!(tokens("'open"), [Token::Text("'open")]);
        assert_eq!(tokens("\""), [Token::Sign("\"")]);
    }
}
