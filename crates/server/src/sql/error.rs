//! Errors as PostgreSQL's clients read them: a state, a message, a place in the text.

use base::ErrorKind;
use compute::QueryError;
use pgwire::messages::response::ErrorResponse;

use super::text::Edited;

/// An error with its SQLSTATE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SqlError {
    pub(super) state: &'static str,
    pub(super) message: String,
    pub(super) detail: Option<String>,
    pub(super) hint: Option<String>,
    /// The byte of the statement's text that it is about.
    pub(super) place: Option<usize>,
    /// The connection ends with it.
    pub(super) fatal: bool,
}

impl SqlError {
    pub(super) fn new(state: &'static str, message: impl Into<String>) -> Self {
        Self { state, message: message.into(), detail: None, hint: None, place: None, fatal: false }
    }

    pub(super) fn fatal(state: &'static str, message: impl Into<String>) -> Self {
        Self { fatal: true, ..Self::new(state, message) }
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn at(mut self, place: usize) -> Self {
        self.place = Some(place);
        self
    }

    /// An error of the engine over a text in which places were replaced.
    pub(super) fn of_edited(error: QueryError, edited: &Edited) -> Self {
        let mut told = Self::from(error);
        told.place = told.place.map(|place| edited.original(place));
        told
    }

    /// The message, for a statement that begins at this byte of the text that was sent.
    pub(super) fn response(&self, sent: &str, offset: usize) -> ErrorResponse {
        let severity = if self.fatal { "FATAL" } else { "ERROR" };
        let mut fields = vec![
            (b'S', severity.to_owned()),
            (b'V', severity.to_owned()),
            (b'C', self.state.to_owned()),
            (b'M', self.message.clone()),
        ];
        if let Some(detail) = &self.detail {
            fields.push((b'D', detail.clone()));
        }
        if let Some(hint) = &self.hint {
            fields.push((b'H', hint.clone()));
        }
        if let Some(before) = self.place.and_then(|place| sent.get(..offset + place)) {
            fields.push((b'P', (before.chars().count() + 1).to_string()));
        }
        ErrorResponse::new(fields)
    }
}

impl From<QueryError> for SqlError {
    fn from(error: QueryError) -> Self {
        let state = state_of(&error);
        Self {
            state,
            message: error.message,
            detail: error.detail,
            hint: error.help,
            place: error.span.map(|span| span.start),
            fatal: false,
        }
    }
}

impl From<ledger::LedgerError> for SqlError {
    fn from(error: ledger::LedgerError) -> Self {
        QueryError::from(error).into()
    }
}

impl From<access::AccessError> for SqlError {
    fn from(error: access::AccessError) -> Self {
        Self::fatal("28P01", error.to_string()).hint(error.help())
    }
}

/// Beginnings and parts of messages, and the state that each stands for.
const STATES: &[(&str, &str)] = &[
    ("syntax error", "42601"),
    ("sql parser", "42601"),
    ("expected", "42601"),
    ("is ambiguous", "42702"),
    ("division by zero", "22012"),
    ("divide by zero", "22012"),
    ("invalid input syntax", "22P02"),
    ("cannot parse", "22P02"),
    ("cannot cast string", "22P02"),
    ("invalid regular expression", "2201B"),
    ("out of range", "22003"),
    ("overflow", "22003"),
    ("more than one row returned by a subquery", "21000"),
    ("group by", "42803"),
    ("unrecognized configuration parameter", "42704"),
    ("invalid value for parameter", "22023"),
    ("permission denied", "42501"),
    ("nests deeper", "54001"),
    ("not a query", "42601"),
];

fn state_of(error: &QueryError) -> &'static str {
    let message = error.message.to_lowercase();
    let missing = ["does not exist", "invalid function", "is not known", "is not a function"];
    if missing.iter().any(|part| message.contains(part)) {
        return match () {
            () if message.contains("function") => "42883",
            () if message.contains("column") => "42703",
            () if message.starts_with("schema") => "3F000",
            () if message.starts_with("type") => "42704",
            () if message.starts_with("role") => "42704",
            () => "42P01",
        };
    }
    let by_kind = match error.kind {
        ErrorKind::Cancelled => return "57014",
        ErrorKind::Limit if message.contains("time limit") => return "57014",
        ErrorKind::NotFound if message.contains("is not open in this session") => return "0A000",
        ErrorKind::NotFound if message.contains("names no namespace") => return "42P01",
        ErrorKind::NotFound => "42704",
        ErrorKind::Limit => "53000",
        ErrorKind::Unsupported => "0A000",
        ErrorKind::Data => "22000",
        ErrorKind::Project => "42000",
        ErrorKind::Storage => "58030",
        ErrorKind::Corrupt => "XX001",
        _ => "XX000",
    };
    let known = STATES.iter().find(|(part, _)| message.contains(part));
    known.map_or(by_kind, |(_, state)| state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_follow_what_went_wrong() {
        let not_found = |text: &str| QueryError::new(ErrorKind::NotFound, text);
        for (error, state) in [
            (not_found("table \"shop.ordres\" does not exist"), "42P01"),
            (QueryError::project("column \"amuont\" does not exist"), "42703"),
            (QueryError::project("invalid function 'frob'"), "42883"),
            (QueryError::new(ErrorKind::Data, "divide by zero error"), "22012"),
            (QueryError::new(ErrorKind::Cancelled, "the query was cancelled"), "57014"),
        ] {
            assert_eq!(SqlError::from(error).state, state);
        }
    }

    #[test]
    fn a_place_counts_letters_of_the_whole_text_sent() {
        let error = SqlError::new("42703", "no").at(7);
        let sent = "select 'é'; select amuont";
        let response = error.response(sent, sent.find("select a").unwrap_or(0));
        assert!(response.fields.contains(&(b'P', "20".to_owned())));
    }
}
