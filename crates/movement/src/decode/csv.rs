//! Where CSV records begin and end, and the values inside one. A quote that is never closed must
//! not swallow the rest of a file: quotes are read strictly, and where they make no sense the line
//! that opened one is rejected and reading goes on with the next line.

use memchr::{memchr, memchr2};

/// The letters that give a CSV file its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) delimiter: u8,
    pub(crate) quote: u8,
    /// Values a record must have; none while the header is read.
    pub(crate) width: Option<usize>,
}

/// A record inside a buffer, line end left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The line it begins on.
    pub(crate) line: u64,
}

/// What the next record of a buffer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// A record; the next one begins at `next`, on line `next_line`.
    Record { record: Record, next: usize, next_line: u64 },
    /// Lines that are no record; reading goes on at `next`.
    Broken { record: Record, next: usize, next_line: u64, reason: String },
    /// The buffer ends before the record does.
    More,
}

/// Reads one record at `start`. `ended` says that nothing follows the buffer; `bytes_max` bounds
/// how far an open quote may reach.
pub(crate) fn scan(
    bytes: &[u8],
    start: usize,
    line: u64,
    shape: Shape,
    ended: bool,
    bytes_max: usize,
) -> Scan {
    let (mut at, mut values, mut lines) = (start, 1_usize, 0_u64);
    loop {
        if bytes.get(at) == Some(&shape.quote) {
            let opened = (at, line + lines);
            match close(bytes, at, shape, ended, bytes_max) {
                Quoted::Closed { next, line_ends } => {
                    at = next;
                    lines += line_ends;
                }
                Quoted::More => return Scan::More,
                Quoted::Broken(reason) => {
                    return broken(bytes, (start, line), opened, reason.to_owned());
                }
            }
        }
        let Some(found) = memchr2(shape.delimiter, b'\n', &bytes[at..]) else {
            if !ended {
                return Scan::More;
            }
            let end = bytes.len();
            return finish(bytes, (start, line), (end, end), lines, values, shape);
        };
        at += found;
        if bytes[at] == b'\n' {
            return finish(bytes, (start, line), (at, at + 1), lines, values, shape);
        }
        values += 1;
        at += 1;
    }
}

fn finish(
    bytes: &[u8],
    (start, line): (usize, u64),
    (end, next): (usize, usize),
    lines: u64,
    values: usize,
    shape: Shape,
) -> Scan {
    if let Some(width) = shape.width
        && lines > 0
        && values != width
    {
        // Two stray quotes made one record of several lines: only its first line is lost.
        let reason = format!("a quoted value spans lines and leaves {values} values, not {width}");
        return broken(bytes, (start, line), (start, line), reason);
    }
    let end = if end > start && bytes[end - 1] == b'\r' { end - 1 } else { end };
    let record = Record { start, end, line };
    Scan::Record { record, next, next_line: line + lines + 1 }
}

fn broken(
    bytes: &[u8],
    (start, line): (usize, u64),
    (opened, opened_line): (usize, u64),
    reason: String,
) -> Scan {
    let end = memchr(b'\n', &bytes[opened..]).map_or(bytes.len(), |found| opened + found);
    let next = (end + 1).min(bytes.len());
    let record = Record { start, end, line };
    Scan::Broken { record, next, next_line: opened_line + 1, reason }
}

enum Quoted {
    Closed { next: usize, line_ends: u64 },
    More,
    Broken(&'static str),
}

/// Finds the end of the quoted value that begins at `open`.
fn close(bytes: &[u8], open: usize, shape: Shape, ended: bool, bytes_max: usize) -> Quoted {
    let mut at = open + 1;
    loop {
        let limit = bytes.len().min(open + bytes_max);
        let Some(found) = memchr(shape.quote, bytes.get(at..limit).unwrap_or_default()) else {
            if limit < bytes.len() || bytes.len() - open >= bytes_max {
                return Quoted::Broken("the quote opened here is not closed within 16 MiB");
            }
            return if ended {
                Quoted::Broken("the quote opened here is never closed")
            } else {
                Quoted::More
            };
        };
        at += found + 1;
        match bytes.get(at) {
            Some(byte) if *byte == shape.quote => at += 1,
            Some(byte) if *byte == shape.delimiter || *byte == b'\n' => break,
            Some(b'\r') if matches!(bytes.get(at + 1), Some(b'\n') | None) => break,
            None if ended => break,
            None => return Quoted::More,
            Some(_) => {
                return Quoted::Broken("the quote opened here is followed by a stray quote");
            }
        }
    }
    let line_ends = memchr::memchr_iter(b'\n', &bytes[open..at]).count() as u64;
    Quoted::Closed { next: at, line_ends }
}

/// One value of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) quoted: bool,
    /// Holds doubled quotes.
    pub(crate) doubled: bool,
}

/// Splits a record that [`scan`] found into its values.
pub(crate) fn split(record: &str, shape: Shape, fields: &mut Vec<Field>) {
    fields.clear();
    let bytes = record.as_bytes();
    let mut at = 0;
    loop {
        if bytes.get(at) == Some(&shape.quote) {
            let (start, mut doubled) = (at + 1, false);
            at = start;
            while let Some(found) = memchr(shape.quote, &bytes[at..]) {
                at += found + 1;
                if bytes.get(at) != Some(&shape.quote) {
                    break;
                }
                doubled = true;
                at += 1;
            }
            let end = at.saturating_sub(1).max(start);
            fields.push(Field { start, end, quoted: true, doubled });
            // `scan` saw to it that a delimiter or the end follows.
            at += memchr(shape.delimiter, &bytes[at..]).unwrap_or(bytes.len() - at);
        } else {
            let start = at;
            at += memchr(shape.delimiter, &bytes[at..]).unwrap_or(bytes.len() - at);
            fields.push(Field { start, end: at, quoted: false, doubled: false });
        }
        if at >= bytes.len() {
            return;
        }
        at += 1;
    }
}

/// The names of the columns: empty ones are numbered, repeated ones too.
pub(crate) fn header_names(header: &str, shape: Shape) -> Vec<String> {
    let mut fields = Vec::new();
    split(header, shape, &mut fields);
    let mut names: Vec<String> = Vec::new();
    for (place, field) in fields.iter().enumerate() {
        let quote = char::from(shape.quote).to_string();
        let text = &header[field.start..field.end];
        let text = if field.doubled { text.replace(&quote.repeat(2), &quote) } else { text.into() };
        let plain = text.trim();
        let wanted =
            if plain.is_empty() { format!("column_{}", place + 1) } else { plain.to_owned() };
        let mut name = wanted.clone();
        let mut number = 2;
        while names.contains(&name) {
            name = format!("{wanted}_{number}");
            number += 1;
        }
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { delimiter: b',', quote: b'"', width: Some(2) };

    fn all(text: &str) -> Vec<String> {
        let (mut at, mut line, mut found) = (0, 2, Vec::new());
        while at < text.len() {
            match scan(text.as_bytes(), at, line, SHAPE, true, 1_000) {
                Scan::Record { record, next, next_line } => {
                    found.push(format!("{}:{}", record.line, &text[record.start..record.end]));
                    (at, line) = (next, next_line);
                }
                Scan::Broken { record, next, next_line, reason } => {
                    let lines = &text[record.start..record.end];
                    found.push(format!("{}!{lines} ({reason})", record.line));
                    (at, line) = (next, next_line);
                }
                Scan::More => panic!("nothing more comes"),
            }
        }
        found
    }

    #[test]
    fn a_quote_never_closed_costs_its_own_line() {
        let found = all("1,\"a\nb\"\r\n2,\"open\n3,c\n4,d");
        insta::assert_snapshot!(found.join("\n"), @r#"
        2:1,"a
        b"
        4!2,"open (the quote opened here is never closed)
        5:3,c
        6:4,d
        "#);
    }

    #[test]
    fn a_quote_that_another_line_closes_costs_its_own_line_too() {
        let found = all("1,\"open\n2,\"x\"\n3,y\n4,\"open\n5,\",z\n6,w\n");
        insta::assert_snapshot!(found.join("\n"), @r#"
        2!1,"open (the quote opened here is followed by a stray quote)
        3:2,"x"
        4:3,y
        5!4,"open (a quoted value spans lines and leaves 3 values, not 2)
        6!5,",z (the quote opened here is never closed)
        7:6,w
        "#);
    }

    #[test]
    fn values_are_split_and_unquoted() {
        let mut fields = Vec::new();
        let record = "a,\"b,\"\"c\",,\"\"";
        split(record, SHAPE, &mut fields);
        let values: Vec<&str> =
            fields.iter().map(|field| &record[field.start..field.end]).collect();
        assert_eq!(values, ["a", "b,\"\"c", "", ""]);
        assert!(fields[1].doubled && fields[3].quoted && !fields[2].quoted);
    }

    #[test]
    fn every_header_has_a_name_of_its_own() {
        assert_eq!(
            header_names("a, a,,\"b\"\"c\",a", SHAPE),
            ["a", "a_2", "column_3", "b\"c", "a_3"]
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(text in "[a,\"\n\r]{0,40}") {
            let found = all(&text);
            proptest::prop_assert!(found.len() <= text.len());
        }
    }
}
