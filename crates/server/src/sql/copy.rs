//! `copy … to stdout`: its words, and rows in its two text formats. Read `copy_binary` next.

use super::error::SqlError;
use super::statement::{CopyFormat, CopyOptions, CopySource, Statement, Words};
use super::text::{Kind, Token};

/// Reads a copy statement; rows only come out.
pub(super) fn read(words: &Words<'_>, tokens: &[Token]) -> Result<Statement, SqlError> {
    let mut at = 1;
    let source = match tokens.get(1) {
        Some(token) if token.is_sign('(') => {
            let end = closing(tokens, 1).ok_or_else(|| words.unexpected(usize::MAX, "\")\""))?;
            at = end + 1;
            CopySource::Query(words.start(2)?..tokens[end - 1].at.end)
        }
        _ => {
            let start = words.start(1)?;
            let mut end = start;
            while let Some(token) = tokens.get(at) {
                let part = token.name().is_some() && !token.is("to") && !token.is("from");
                if !part && !token.is_sign('.') {
                    break;
                }
                end = token.at.end;
                at += 1;
            }
            let mut columns = None;
            if tokens.get(at).is_some_and(|token| token.is_sign('(')) {
                let last = closing(tokens, at).ok_or_else(|| words.unexpected(at, "\")\""))?;
                columns = Some(words.start(at + 1)?..tokens[last - 1].at.end);
                at = last + 1;
            }
            CopySource::Table { name: start..end, columns }
        }
    };
    if tokens.get(at).is_some_and(|token| token.is("from")) {
        return Err(SqlError::new("25006", "cannot execute COPY FROM in a read-only session")
            .hint("Load files with a stream in ingest/, or keep them as a seed."));
    }
    if !tokens.get(at).is_some_and(|token| token.is("to")) {
        return Err(words.unexpected(at, "\"to stdout\""));
    }
    if !tokens.get(at + 1).is_some_and(|token| token.is("stdout")) {
        return Err(SqlError::new("42501", "copy writes to stdout only")
            .hint("Write \"copy … to stdout\", and let the client keep the rows."));
    }
    Ok(Statement::Copy { source, options: options(&tokens[at + 2..])? })
}

fn closing(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Sign('(') => depth += 1,
            Kind::Sign(')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// Options in parentheses, or the bare words of older clients.
fn options(tokens: &[Token]) -> Result<CopyOptions, SqlError> {
    let value = |at: usize| match tokens.get(at).map(|token| &token.kind) {
        Some(Kind::Text(text) | Kind::Word(text) | Kind::Name(text)) => Some(text.clone()),
        _ => None,
    };
    let letter = |at: usize| value(at).and_then(|text| text.chars().next());
    let (mut format, mut header, mut force_quote) = (CopyFormat::Text, false, false);
    let (mut delimiter, mut null, mut quote) = (None, None, None);
    for (at, token) in tokens.iter().enumerate() {
        let next =
            if tokens.get(at + 1).is_some_and(|token| token.is("as")) { at + 2 } else { at + 1 };
        match token.word().unwrap_or_default() {
            "csv" => format = CopyFormat::Csv,
            "binary" => format = CopyFormat::Binary,
            "header" => {
                let off = value(at + 1).is_some_and(|word| word == "false" || word == "off");
                header = !off;
            }
            "delimiter" => delimiter = letter(next),
            "null" => null = value(next),
            "quote" => quote = letter(next),
            "force_quote" => force_quote = true,
            "force" if value(at + 1).is_some_and(|word| word == "quote") => force_quote = true,
            "escape" | "encoding" | "with" | "format" | "text" | "true" | "false" | "on"
            | "off" | "quote_all" | "as" => {}
            _ => {}
        }
    }
    let csv = format == CopyFormat::Csv;
    Ok(CopyOptions {
        format,
        header,
        delimiter: delimiter.unwrap_or(if csv { ',' } else { '\t' }),
        null: null.unwrap_or_else(|| if csv { String::new() } else { "\\N".to_owned() }),
        quote: quote.unwrap_or('"'),
        force_quote,
    })
}

impl CopyOptions {
    /// One line of values.
    pub(super) fn line<'a>(
        &self,
        out: &mut Vec<u8>,
        values: impl Iterator<Item = Option<&'a str>>,
    ) {
        for (place, value) in values.enumerate() {
            if place > 0 {
                push(out, self.delimiter);
            }
            match (value, self.format) {
                (None, _) => out.extend_from_slice(self.null.as_bytes()),
                (Some(text), CopyFormat::Csv) => self.quoted(out, text),
                (Some(text), CopyFormat::Text | CopyFormat::Binary) => self.escaped(out, text),
            }
        }
        out.push(b'\n');
    }

    fn quoted(&self, out: &mut Vec<u8>, text: &str) {
        let needs = self.force_quote
            || text == self.null
            || text.contains([self.delimiter, self.quote, '\n', '\r']);
        if !needs {
            out.extend_from_slice(text.as_bytes());
            return;
        }
        push(out, self.quote);
        for letter in text.chars() {
            if letter == self.quote {
                push(out, self.quote);
            }
            push(out, letter);
        }
        push(out, self.quote);
    }

    fn escaped(&self, out: &mut Vec<u8>, text: &str) {
        for letter in text.chars() {
            match letter {
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                other if other == self.delimiter => {
                    out.push(b'\\');
                    push(out, other);
                }
                other => push(out, other),
            }
        }
    }
}

fn push(out: &mut Vec<u8>, letter: char) {
    let mut bytes = [0; 4];
    out.extend_from_slice(letter.encode_utf8(&mut bytes).as_bytes());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::statement;
    use super::*;

    fn copied(sql: &str, values: &[Option<&str>]) -> String {
        let Statement::Copy { options, .. } = statement::read(sql).unwrap() else {
            panic!("no copy")
        };
        let mut out = Vec::new();
        options.line(&mut out, values.iter().copied());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_quoted_or_escaped_where_they_must_be() {
        let values = [Some("a\tb"), None, Some("x\"y"), Some("")];
        assert_eq!(copied("copy (select 1) to stdout", &values), "a\\tb\t\\N\tx\"y\t\n");
        let sql = "copy t (a, b) to stdout with (format csv, header true)";
        assert_eq!(copied(sql, &values), "a\tb,,\"x\"\"y\",\"\"\n");
    }

    #[test]
    fn what_is_copied_is_a_query_or_a_table() {
        let sql = "copy (select f(1) from t) to stdout";
        let Statement::Copy { source, .. } = statement::read(sql).unwrap() else {
            panic!("no copy")
        };
        assert_eq!(source, CopySource::Query(6..24));
        assert_eq!(&sql[6..24], "select f(1) from t");
        assert_eq!(statement::read("copy t from stdin").unwrap_err().state, "25006");
    }
}
