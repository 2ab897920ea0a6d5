//! One line of NDJSON: the members of its object as cells that point into the line. A line is read
//! once, and strings without escapes are not copied.

use std::borrow::Cow;

use super::cell::Cell;

/// Levels of nesting inside one value.
const DEPTH_MAX: usize = 128;

/// Why a line is no JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonProblem {
    /// Byte of the line, from 0.
    pub(crate) at: usize,
    /// What was expected there.
    pub(crate) expected: &'static str,
    /// Whether the line ended before the value did.
    pub(crate) ended: bool,
}

/// A member's name: a slice of the line, or unescaped.
pub(crate) type Name<'a> = Cow<'a, str>;

/// Reads the object of a line and hands over each member.
pub(crate) fn members<'a>(
    line: &'a str,
    mut member: impl FnMut(Name<'a>, Cell<'a>),
) -> Result<(), JsonProblem> {
    let mut reader = Reader { text: line, bytes: line.as_bytes(), at: 0 };
    reader.space();
    reader.expect(b'{', "\"{\"")?;
    reader.space();
    if reader.peek() == Some(b'}') {
        reader.at += 1;
    } else {
        loop {
            let name = reader.name()?;
            reader.space();
            reader.expect(b':', "\":\"")?;
            reader.space();
            let cell = reader.cell()?;
            member(name, cell);
            reader.space();
            match reader.peek() {
                Some(b',') => reader.at += 1,
                Some(b'}') => {
                    reader.at += 1;
                    break;
                }
                _ => return Err(reader.problem("\",\" or \"}\"")),
            }
            reader.space();
        }
    }
    reader.space();
    match reader.peek() {
        None => Ok(()),
        Some(_) => Err(reader.problem("the end of the line after the object")),
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn problem(&self, expected: &'static str) -> JsonProblem {
        JsonProblem { at: self.at, expected, ended: self.at >= self.bytes.len() }
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonProblem> {
        if self.peek() != Some(byte) {
            return Err(self.problem(expected));
        }
        self.at += 1;
        Ok(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        // Every cut is at an ASCII byte, so it is on a character's boundary.
        &self.text[start..end]
    }

    fn name(&mut self) -> Result<Name<'a>, JsonProblem> {
        let at = self.at;
        match self.string()? {
            Cell::Escaped(raw) => unescape(raw).map(Cow::Owned).ok_or(JsonProblem {
                at,
                expected: "a valid escape in the name",
                ended: false,
            }),
            cell => Ok(Cow::Borrowed(cell.text().unwrap_or_default())),
        }
    }

    /// The string at the present place, quotes left out.
    fn string(&mut self) -> Result<Cell<'a>, JsonProblem> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = &self.bytes[self.at.min(self.bytes.len())..];
            let Some(found) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = self.bytes.len();
                return Err(self.problem("the end of the string"));
            };
            self.at += found;
            if self.bytes[self.at] == b'"' {
                let text = self.slice(start, self.at);
                self.at += 1;
                return Ok(if escaped { Cell::Escaped(text) } else { Cell::Text(text) });
            }
            escaped = true;
            self.at += 2;
        }
    }

    fn cell(&mut self) -> Result<Cell<'a>, JsonProblem> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{' | b'[') => {
                let start = self.at;
                self.nested(0)?;
                Ok(Cell::Nested(self.slice(start, self.at)))
            }
            Some(b't') => self.word("true", Cell::Boolean(true)),
            Some(b'f') => self.word("false", Cell::Boolean(false)),
            Some(b'n') => self.word("null", Cell::Null),
            _ => Err(self.problem("a value")),
        }
    }

    fn word(&mut self, word: &'static str, cell: Cell<'a>) -> Result<Cell<'a>, JsonProblem> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.problem("true, false or null"));
        }
        self.at += word.len();
        Ok(cell)
    }

    fn number(&mut self) -> Result<Cell<'a>, JsonProblem> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let text = self.slice(start, self.at);
        if super::literal::number_shape(text).is_none() {
            self.at = start;
            return Err(self.problem("a number"));
        }
        Ok(Cell::Number(text))
    }

    /// Checks a list or object, so that what is kept as JSON text is JSON.
    fn nested(&mut self, depth: usize) -> Result<(), JsonProblem> {
        if depth >= DEPTH_MAX {
            return Err(self.problem("at most 128 levels of nesting"));
        }
        let object = self.peek() == Some(b'{');
        let close = if object { b'}' } else { b']' };
        self.at += 1;
        self.space();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(());
        }
        loop {
            if object {
                self.string()?;
                self.space();
                self.expect(b':', "\":\"")?;
                self.space();
            }
            match self.peek() {
                Some(b'{' | b'[') => self.nested(depth + 1)?,
                _ => {
                    self.cell()?;
                }
            }
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.problem("\",\" or the end of a list or object")),
            }
            self.space();
        }
    }
}

/// The text of a JSON string's inside; none when an escape is wrong.
pub(crate) fn unescape(raw: &str) -> Option<String> {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(found) = memchr::memchr(b'\\', rest.as_bytes()) {
        text.push_str(&rest[..found]);
        let escape = *rest.as_bytes().get(found + 1)?;
        let mut used = found + 2;
        match escape {
            b'"' | b'\\' | b'/' => text.push(char::from(escape)),
            b'b' => text.push('\u{8}'),
            b'f' => text.push('\u{c}'),
            b'n' => text.push('\n'),
            b'r' => text.push('\r'),
            b't' => text.push('\t'),
            b'u' => {
                let first = hex(rest.get(used..used + 4)?)?;
                used += 4;
                let code = match first {
                    0xd800..=0xdbff => {
                        let second = rest.get(used..used + 6)?.strip_prefix("\\u")?;
                        let second = hex(second).filter(|low| (0xdc00..=0xdfff).contains(low))?;
                        used += 6;
                        0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                    }
                    code => code,
                };
                text.push(char::from_u32(code)?);
            }
            _ => return None,
        }
        rest = rest.get(used..)?;
    }
    text.push_str(rest);
    Some(text)
}

fn hex(digits: &str) -> Option<u32> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Vec<(String, String)>, JsonProblem> {
        let mut found = Vec::new();
        members(line, |name, cell| found.push((name.into_owned(), format!("{cell:?}"))))?;
        Ok(found)
    }

    #[test]
    fn members_point_into_the_line() {
        let found = read(r#" {"a": 1, "b\n":"x\"y" ,"c":[1,{"d":null}],"e":true,"f":null} "#);
        let found: Vec<String> =
            found.unwrap().into_iter().map(|(name, cell)| format!("{name:?}={cell}")).collect();
        insta::assert_snapshot!(found.join(" "));
    }

    #[test]
    fn what_is_no_object_is_said_with_its_place() {
        for (line, at, ended) in [
            ("", 0, true),
            ("[1]", 0, false),
            ("{\"a\":01}", 5, false),
            ("{\"a\":1", 6, true),
            ("{\"a\":\"x", 7, true),
            ("{\"a\":\"x\\", 8, true),
            ("{\"a\":[1,,2]}", 8, false),
            ("{\"a\":1} x", 8, false),
            ("{\"a\":tru}", 5, false),
        ] {
            let problem = read(line).unwrap_err();
            assert_eq!((problem.at, problem.ended), (at, ended), "{line}");
        }
        assert!(read(&format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500))).is_err());
    }

    #[test]
    fn escapes_are_undone_or_refused() {
        assert_eq!(unescape(r"a\u00e9\ud83d\ude00\/\n").as_deref(), Some("aé😀/\n"));
        assert_eq!(unescape(r"\ud83d"), None);
        assert_eq!(unescape(r"\x"), None);
        assert_eq!(unescape(r"\u+123"), None);
    }

    proptest::proptest! {
        #[test]
        fn whatever_serde_writes_is_read_back(text in ".{0,40}", number in -1e9..1e9) {
            let line = serde_json::json!({"t": text, "n": number, "l": [text.clone()]}).to_string();
            let found = read(&line).unwrap();
            proptest::prop_assert_eq!(found.len(), 3);
            members(&line, |name, cell| if name == "t" {
                assert_eq!(cell.to_text(), Some(Cow::Borrowed(text.as_str())));
            }).unwrap();
        }

        #[test]
        fn no_line_panics(line in "[\\[\\]{}\",:\\\\a1.e\\-ntf ué]{0,60}") {
            let _ = read(&line);
        }
    }
}
