//! Text to tree: one grammar for all dialects, and places in the text as byte ranges.

use std::ops::Range;

use datafusion::sql::sqlparser::ast::{AnalyzeFormatKind, Expr, Query, Spanned, Statement};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Tokenizer};

use super::grammar::FrontGrammar;
use super::tokens;
use crate::error::QueryError;

/// Brackets, subqueries and the like may nest this deep: the parser and the planner recurse.
pub(crate) const NESTING_MAX: usize = 128;

/// What was handed in.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The query.
    pub(crate) query: Box<Query>,
    /// Its plan is asked for, not its rows.
    pub(crate) explain: Option<Explain>,
}

/// How a plan is shown.
#[derive(Debug)]
pub(crate) struct Explain {
    pub(crate) analyze: bool,
    pub(crate) verbose: bool,
    pub(crate) format: Option<String>,
}

/// Parses exactly one query.
pub(crate) fn query(sql: &str) -> Result<Parsed, QueryError> {
    let mut statements = statements(sql)?;
    match (statements.pop(), statements.is_empty()) {
        (Some(Statement::Query(query)), true) => Ok(Parsed { query, explain: None }),
        (Some(Statement::Explain { analyze, verbose, statement, format, .. }), true) => {
            let format = format.map(|format| match format {
                AnalyzeFormatKind::Keyword(format) | AnalyzeFormatKind::Assignment(format) => {
                    format.to_string()
                }
            });
            match *statement {
                Statement::Query(query) => {
                    Ok(Parsed { query, explain: Some(Explain { analyze, verbose, format }) })
                }
                other => Err(refuse_statement(&other)),
            }
        }
        (Some(other), true) => Err(refuse_statement(&other)),
        (None, _) => Err(QueryError::project("the query is empty")),
        (Some(_), false) => Err(QueryError::project("expected one query, found several")
            .help("Hand in one statement at a time.")),
    }
}

/// Parses any number of statements.
pub(crate) fn statements(sql: &str) -> Result<Vec<Statement>, QueryError> {
    let grammar = FrontGrammar::new();
    let tokens = Tokenizer::new(&grammar, sql).tokenize_with_location().map_err(|error| {
        let start = byte_offset(sql, error.location);
        QueryError::project(lowercase_first(&error.message)).at(start..(start + 1).min(sql.len()))
    })?;
    let tokens = tokens::mend(sql, tokens)?;
    Parser::new(&grammar)
        .with_recursion_limit(NESTING_MAX)
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(|error| refuse_text(sql, &error))
}

/// Parses an expression of ours: a template, never a user's text.
pub(crate) fn expression(sql: &str) -> Result<Expr, QueryError> {
    let grammar = FrontGrammar::new();
    Parser::new(&grammar)
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_expr())
        .map_err(|error| QueryError::internal(format!("template \"{sql}\" did not parse: {error}")))
}

fn refuse_statement(statement: &Statement) -> QueryError {
    let text = statement.to_string();
    // Only the verb is said again: the rest may hold a secret.
    let verb = text.split_whitespace().next().unwrap_or("statement").to_ascii_lowercase();
    QueryError::project(format!("\"{verb}\" is not a query"))
        .help("Only select, with, from and values are run here; tables are written by models.")
}

fn refuse_text(sql: &str, error: &ParserError) -> QueryError {
    match error {
        ParserError::RecursionLimitExceeded => QueryError::project(format!(
            "the query nests deeper than {NESTING_MAX} levels (limit nesting_max)"
        ))
        .help("Split it with common table expressions."),
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            let (text, place) = split_location(message);
            let mut refused = match tokens::meant(sql) {
                Some((what, help)) => {
                    QueryError::unsupported(format!("{}; {what}", lowercase_first(text))).help(help)
                }
                None => QueryError::project(lowercase_first(text)),
            };
            if let Some(location) = place {
                let start = byte_offset(sql, location);
                let length = word_length(sql.get(start..).unwrap_or(""));
                refused = refused.at(start..start + length);
            }
            refused
        }
    }
}

/// The parser writes the place at the end of its message: ` at Line: 1, Column: 7`.
fn split_location(message: &str) -> (&str, Option<Location>) {
    let Some((text, place)) = message.rsplit_once(" at Line: ") else { return (message, None) };
    let Some((line, column)) = place.split_once(", Column: ") else { return (message, None) };
    match (line.trim().parse(), column.trim().parse()) {
        (Ok(line), Ok(column)) => (text, Some(Location { line, column })),
        _ => (message, None),
    }
}

fn word_length(rest: &str) -> usize {
    let word = rest
        .char_indices()
        .find(|(_, ch)| !(ch.is_alphanumeric() || *ch == '_'))
        .map_or(rest.len(), |(at, _)| at);
    word.max(rest.chars().next().map_or(0, char::len_utf8))
}

fn lowercase_first(text: &str) -> String {
    let text = text.strip_prefix("sql parser error: ").unwrap_or(text);
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

/// Where a node stands in the text; none for nodes that a rewrite made.
pub(crate) fn range_of(sql: &str, node: &impl Spanned) -> Option<Range<usize>> {
    range(sql, node.span())
}

/// A span of the parser as a byte range of the text.
pub fn range(sql: &str, span: Span) -> Option<Range<usize>> {
    if span.start.line == 0 || span.end.line == 0 {
        return None;
    }
    let (start, end) = (byte_offset(sql, span.start), byte_offset(sql, span.end));
    (start <= end).then_some(start..end)
}

fn byte_offset(sql: &str, location: Location) -> usize {
    let line = usize::try_from(location.line.saturating_sub(1)).unwrap_or(usize::MAX);
    let column = usize::try_from(location.column.saturating_sub(1)).unwrap_or(usize::MAX);
    let start: usize = sql.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = sql.get(start..).unwrap_or("");
    start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn syntax_errors_point_at_the_word_in_bytes() {
        let sql = "select 'é',\n  a b c from t";
        let error = query(sql).unwrap_err();
        assert_eq!(&sql[error.span.unwrap()], "c");
    }

    #[test]
    fn only_one_query_is_taken() {
        assert!(query("select 1; select 2").unwrap_err().message.contains("several"));
        assert_eq!(query("drop table t").unwrap_err().message, "\"drop\" is not a query");
        assert!(query("select 1;").is_ok());
        assert!(query("from t").is_ok());
    }

    #[test]
    fn comparisons_in_arguments_are_not_named_arguments() {
        assert!(query("select coalesce(a = b, c), bool_or(stage = 'x'), from t").is_ok());
    }
}
