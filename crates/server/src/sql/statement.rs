//! What kind of statement a text is: a question, a word to the session, or a change, which this
//! door does not carry out.

use std::ops::Range;

use super::error::SqlError;
use super::text::{Kind, Token, tokens};

/// A statement, told by its first words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    /// Nothing at all.
    Empty,
    /// A question with rows: select, with, values, explain.
    Query,
    Begin,
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    /// A value, or back to what it was at first.
    Set {
        name: String,
        value: Option<String>,
        local: bool,
    },
    /// Accepted without effect; the tag that answers it.
    Accepted(&'static str),
    Show(Option<String>),
    Reset(Option<String>),
    Discard(String),
    Deallocate(Option<String>),
    Prepare {
        name: String,
        kinds: Vec<String>,
        body: Range<usize>,
    },
    Execute {
        name: String,
        values: Vec<Range<usize>>,
    },
    Declare {
        name: String,
        binary: bool,
        hold: bool,
        body: Range<usize>,
    },
    Fetch {
        name: String,
        rows: Rows,
        moving: bool,
    },
    Close(Option<String>),
    /// Rows out, in a format.
    Copy {
        source: CopySource,
        options: CopyOptions,
    },
}

/// How many rows a fetch asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    All,
    Count(usize),
}

/// What is copied out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CopySource {
    /// The bytes of a query.
    Query(Range<usize>),
    /// A table, and its columns if some are named.
    Table { name: Range<usize>, columns: Option<Range<usize>> },
}

/// How rows are copied out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CopyOptions {
    pub(super) format: CopyFormat,
    pub(super) header: bool,
    pub(super) delimiter: char,
    pub(super) null: String,
    pub(super) quote: char,
    pub(super) force_quote: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CopyFormat {
    Text,
    Csv,
    Binary,
}

impl Statement {
    /// The tag that answers a statement without rows.
    pub(super) fn tag(&self) -> &'static str {
        match self {
            Self::Empty | Self::Query => "SELECT",
            Self::Begin => "BEGIN",
            Self::Commit { .. } => "COMMIT",
            Self::Rollback { .. } | Self::RollbackTo(_) => "ROLLBACK",
            Self::Savepoint(_) => "SAVEPOINT",
            Self::Release(_) => "RELEASE",
            Self::Set { .. } => "SET",
            Self::Accepted(tag) => tag,
            Self::Show(_) => "SHOW",
            Self::Reset(_) => "RESET",
            Self::Discard(_) => "DISCARD ALL",
            Self::Deallocate(Some(_)) => "DEALLOCATE",
            Self::Deallocate(None) => "DEALLOCATE ALL",
            Self::Prepare { .. } => "PREPARE",
            Self::Execute { .. } => "SELECT",
            Self::Declare { .. } => "DECLARE CURSOR",
            Self::Fetch { moving: true, .. } => "MOVE",
            Self::Fetch { .. } => "FETCH",
            Self::Close(Some(_)) => "CLOSE CURSOR",
            Self::Close(None) => "CLOSE CURSOR ALL",
            Self::Copy { .. } => "COPY",
        }
    }

    /// Whether a transaction that failed still takes it.
    pub(super) fn ends_transaction(&self) -> bool {
        matches!(self, Self::Commit { .. } | Self::Rollback { .. } | Self::RollbackTo(_))
    }
}

/// Words that begin a change.
const CHANGES: &[&str] = &[
    "alter",
    "analyze",
    "call",
    "checkpoint",
    "cluster",
    "comment",
    "create",
    "delete",
    "do",
    "drop",
    "grant",
    "import",
    "insert",
    "load",
    "merge",
    "reassign",
    "refresh",
    "reindex",
    "revoke",
    "security",
    "truncate",
    "update",
    "vacuum",
];

/// Reads the first words.
pub(super) fn read(sql: &str) -> Result<Statement, SqlError> {
    let tokens = tokens(sql);
    let Some(first) = tokens.first() else { return Ok(Statement::Empty) };
    let word = first.word().unwrap_or_default();
    let second = tokens.get(1).and_then(Token::word).unwrap_or_default();
    if CHANGES.contains(&word) {
        return Err(change(&tokens, word, second));
    }
    let words = Words { sql, tokens: &tokens };
    Ok(match word {
        "begin" | "start" => Statement::Begin,
        "commit" | "end" if second == "prepared" => return Err(two_phase()),
        "rollback" if second == "prepared" => return Err(two_phase()),
        "prepare" if second == "transaction" => return Err(two_phase()),
        "commit" | "end" => Statement::Commit { chain: words.chains() },
        "abort" => Statement::Rollback { chain: words.chains() },
        "rollback" => match words.after("to") {
            Some(at) => Statement::RollbackTo(words.name_from(at, "savepoint")?),
            None => Statement::Rollback { chain: words.chains() },
        },
        "savepoint" => Statement::Savepoint(words.name_from(1, "")?),
        "release" => Statement::Release(words.name_from(1, "savepoint")?),
        "set" => words.set()?,
        "show" => words.show(),
        "reset" => match second {
            "all" => Statement::Reset(None),
            "session" => Statement::Accepted("RESET"),
            "time" => Statement::Reset(Some("timezone".to_owned())),
            _ => Statement::Reset(Some(words.setting(1).0)),
        },
        "discard" => Statement::Discard(second.to_owned()),
        "deallocate" => {
            let at = if second == "prepare" { 2 } else { 1 };
            match tokens.get(at) {
                Some(token) if token.is("all") => Statement::Deallocate(None),
                _ => Statement::Deallocate(Some(words.name_from(at, "")?)),
            }
        }
        "prepare" => words.prepare()?,
        "execute" => words.execute()?,
        "declare" => words.declare()?,
        "fetch" | "move" => words.fetch(word == "move")?,
        "close" if second == "all" => Statement::Close(None),
        "close" => Statement::Close(Some(words.name_from(1, "")?)),
        "copy" => super::copy::read(&words, &tokens)?,
        "listen" => Statement::Accepted("LISTEN"),
        "unlisten" => Statement::Accepted("UNLISTEN"),
        "notify" => Statement::Accepted("NOTIFY"),
        "lock" => Statement::Accepted("LOCK TABLE"),
        _ => Statement::Query,
    })
}

fn two_phase() -> SqlError {
    SqlError::new("0A000", "prepared transactions are not offered")
}

/// What a change is refused with.
fn change(tokens: &[Token], word: &str, second: &str) -> SqlError {
    let what = match (word, second) {
        ("create" | "drop" | "alter", "local" | "temp" | "temporary") => {
            format!("{} TABLE", word.to_uppercase())
        }
        ("create" | "drop" | "alter", second) if !second.is_empty() => {
            format!("{} {}", word.to_uppercase(), second.to_uppercase())
        }
        _ => word.to_uppercase(),
    };
    let place = tokens.first().map_or(0, |token| token.at.start);
    SqlError::new("25006", format!("cannot execute {what} in a read-only session"))
        .detail("This door answers questions; tables change only through the project.")
        .hint("Let a model, a seed or a stream write the table, then run `fiveply build`.")
        .at(place)
}

/// A statement's tokens, with its text.
pub(super) struct Words<'a> {
    pub(super) sql: &'a str,
    pub(super) tokens: &'a [Token],
}

impl Words<'_> {
    /// The place after this word.
    fn after(&self, word: &str) -> Option<usize> {
        self.tokens.iter().position(|token| token.is(word)).map(|at| at + 1)
    }

    fn chains(&self) -> bool {
        self.after("chain").is_some() && self.after("no").is_none()
    }

    pub(super) fn name_from(&self, at: usize, skipped: &str) -> Result<String, SqlError> {
        let at = match self.tokens.get(at) {
            Some(token) if !skipped.is_empty() && token.is(skipped) => at + 1,
            _ => at,
        };
        let name = self.tokens.get(at).and_then(Token::name);
        name.map(str::to_owned).ok_or_else(|| self.unexpected(at, "a name"))
    }

    pub(super) fn unexpected(&self, at: usize, wanted: &str) -> SqlError {
        match self.tokens.get(at) {
            Some(token) => {
                let text = &self.sql[token.at.clone()];
                SqlError::new("42601", format!("syntax error at or near \"{text}\""))
                    .detail(format!("Expected {wanted}."))
                    .at(token.at.start)
            }
            None => {
                SqlError::new("42601", format!("syntax error at end of input: expected {wanted}"))
            }
        }
    }

    /// A setting's name, with its prefix if it has one, and where it ends.
    fn setting(&self, at: usize) -> (String, usize) {
        let name = self.tokens.get(at).and_then(Token::name).unwrap_or_default();
        let dotted = self.tokens.get(at + 1).is_some_and(|token| token.is_sign('.'));
        match self.tokens.get(at + 2).and_then(Token::name) {
            Some(rest) if dotted => (format!("{name}.{rest}"), at + 3),
            _ => (name.to_owned(), at + 1),
        }
    }

    fn set(&self) -> Result<Statement, SqlError> {
        let word = |at: usize| self.tokens.get(at).and_then(Token::word).unwrap_or_default();
        let (mut at, mut local) = (1, false);
        match word(1) {
            "session" if word(2) == "characteristics" => return Ok(Statement::Accepted("SET")),
            "session" if word(2) == "authorization" => return Ok(Statement::Accepted("SET")),
            "session" => at = 2,
            "local" => {
                at = 2;
                local = true;
            }
            "transaction" | "constraints" | "role" => return Ok(Statement::Accepted("SET")),
            _ => {}
        }
        let (name, mut rest) = match word(at) {
            "time" if word(at + 1) == "zone" => ("timezone".to_owned(), at + 2),
            "names" => ("client_encoding".to_owned(), at + 1),
            "schema" => ("search_path".to_owned(), at + 1),
            _ => {
                let (name, after) = self.setting(at);
                let assigned = self
                    .tokens
                    .get(after)
                    .is_some_and(|token| token.is("to") || token.is_sign('='));
                if name.is_empty() || !assigned {
                    return Err(self.unexpected(after, "\"to\" or \"=\""));
                }
                (name, after + 1)
            }
        };
        let first = self.tokens.get(rest);
        if first
            .is_some_and(|token| token.is("default") || (name == "timezone" && token.is("local")))
        {
            return Ok(Statement::Set { name, value: None, local });
        }
        let mut parts: Vec<String> = Vec::new();
        let mut sign = String::new();
        while let Some(token) = self.tokens.get(rest) {
            match &token.kind {
                Kind::Sign(',') => {}
                Kind::Sign(other) => sign.push(*other),
                Kind::Word(text) | Kind::Name(text) | Kind::Text(text) | Kind::Number(text) => {
                    parts.push(format!("{}{text}", std::mem::take(&mut sign)));
                }
                Kind::Parameter(_) => return Err(self.unexpected(rest, "a value")),
            }
            rest += 1;
        }
        if parts.is_empty() {
            return Err(self.unexpected(rest, "a value"));
        }
        Ok(Statement::Set { name, value: Some(parts.join(", ")), local })
    }

    fn show(&self) -> Statement {
        let word = |at: usize| self.tokens.get(at).and_then(Token::word).unwrap_or_default();
        match (word(1), word(2)) {
            ("all", _) => Statement::Show(None),
            ("time", "zone") => Statement::Show(Some("timezone".to_owned())),
            ("transaction", "isolation") => {
                Statement::Show(Some("transaction_isolation".to_owned()))
            }
            ("session", "authorization") => {
                Statement::Show(Some("session_authorization".to_owned()))
            }
            _ => Statement::Show(Some(self.setting(1).0)),
        }
    }

    fn prepare(&self) -> Result<Statement, SqlError> {
        let name = self.name_from(1, "")?;
        let body = self.after("as").ok_or_else(|| self.unexpected(usize::MAX, "\"as\""))?;
        let (start, end) = (self.start(body)?, self.end());
        let mut kinds = Vec::new();
        if self.tokens.get(2).is_some_and(|token| token.is_sign('(')) {
            let inside = &self.tokens[3..body.saturating_sub(2).max(3)];
            for part in inside.split(|token| token.is_sign(',')) {
                if let (Some(first), Some(last)) = (part.first(), part.last()) {
                    kinds.push(self.sql[first.at.start..last.at.end].to_owned());
                }
            }
        }
        Ok(Statement::Prepare { name, kinds, body: start..end })
    }

    fn execute(&self) -> Result<Statement, SqlError> {
        let name = self.name_from(1, "")?;
        let mut values = Vec::new();
        if self.tokens.get(2).is_some_and(|token| token.is_sign('(')) {
            let inside = &self.tokens[3..self.tokens.len().saturating_sub(1).max(3)];
            let (mut depth, mut from) = (0_i32, None);
            for token in inside {
                match token.kind {
                    Kind::Sign('(' | '[') => depth += 1,
                    Kind::Sign(')' | ']') => depth -= 1,
                    Kind::Sign(',') if depth == 0 => {
                        values.extend(from.take().map(|from: usize| from..token.at.start));
                        continue;
                    }
                    _ => {}
                }
                from.get_or_insert(token.at.start);
            }
            values.extend(from.zip(inside.last()).map(|(from, last)| from..last.at.end));
        }
        Ok(Statement::Execute { name, values })
    }

    fn declare(&self) -> Result<Statement, SqlError> {
        let name = self.name_from(1, "")?;
        let body = self.after("for").ok_or_else(|| self.unexpected(usize::MAX, "\"for\""))?;
        let options = &self.tokens[2..body];
        let has = |word: &str| options.iter().any(|token| token.is(word));
        let hold = has("with") && has("hold");
        let body = self.start(body)?..self.end();
        Ok(Statement::Declare { name, binary: has("binary"), hold, body })
    }

    fn fetch(&self, moving: bool) -> Result<Statement, SqlError> {
        let mut at = 1;
        let mut rows = Rows::Count(1);
        while let Some(token) = self.tokens.get(at) {
            let count = match &token.kind {
                Kind::Number(digits) => digits.parse().ok(),
                _ => None,
            };
            match (token.word().unwrap_or_default(), count) {
                ("next" | "forward" | "from" | "in", _) => {}
                ("all", _) => rows = Rows::All,
                ("prior" | "first" | "last" | "absolute" | "relative" | "backward", _) => {
                    return Err(SqlError::new("55000", "cursor can only scan forward")
                        .hint("Declare it again to read from the start."));
                }
                (_, Some(count)) => rows = Rows::Count(count),
                _ => break,
            }
            at += 1;
        }
        let name = self.name_from(at, "")?;
        Ok(Statement::Fetch { name, rows, moving })
    }

    pub(super) fn start(&self, at: usize) -> Result<usize, SqlError> {
        let token = self.tokens.get(at);
        token.map(|token| token.at.start).ok_or_else(|| self.unexpected(at, "a query"))
    }

    pub(super) fn end(&self) -> usize {
        self.tokens.last().map_or(0, |token| token.at.end)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_to_the_session_are_told_from_questions() {
        let set = |name: &str, value: Option<&str>, local| Statement::Set {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            local,
        };
        for (sql, wanted) in [
            ("set search_path = \"Shop\", public", set("search_path", Some("Shop, public"), false)),
            ("SET LOCAL statement_timeout TO '5s'", set("statement_timeout", Some("5s"), true)),
            ("set time zone 'Europe/Berlin'", set("timezone", Some("Europe/Berlin"), false)),
            ("set extra_float_digits = -1", set("extra_float_digits", Some("-1"), false)),
            ("set datestyle to default", set("datestyle", None, false)),
            ("-- hello\nwith a as (select 1) select * from a", Statement::Query),
            ("ROLLBACK TO SAVEPOINT \"Sp\"", Statement::RollbackTo("Sp".to_owned())),
            (
                "show transaction isolation level",
                Statement::Show(Some("transaction_isolation".into())),
            ),
            ("deallocate all", Statement::Deallocate(None)),
            ("close all", Statement::Close(None)),
        ] {
            assert_eq!(read(sql).unwrap(), wanted, "{sql}");
        }
    }

    #[test]
    fn cursors_and_prepared_statements_are_taken_apart() {
        let sql = "declare \"c\" binary cursor with hold for select 1";
        let Statement::Declare { name, binary, hold, body } = read(sql).unwrap() else {
            panic!("no cursor")
        };
        assert_eq!((name.as_str(), binary, hold, &sql[body]), ("c", true, true, "select 1"));
        let wanted = Statement::Fetch { name: "c".into(), rows: Rows::Count(100), moving: false };
        assert_eq!(read("fetch forward 100 from \"c\"").unwrap(), wanted);
        let sql = "execute p (1, f(2, 3), 'a,b')";
        let Statement::Execute { values, .. } = read(sql).unwrap() else { panic!("no execute") };
        let values: Vec<&str> = values.into_iter().map(|at| &sql[at]).collect();
        assert_eq!(values, ["1", "f(2, 3)", "'a,b'"]);
    }

    #[test]
    fn a_change_is_refused_by_name() {
        let error = read("create local temporary table t (a int)").unwrap_err();
        assert_eq!(error.state, "25006");
        assert_eq!(error.message, "cannot execute CREATE TABLE in a read-only session");
    }
}
