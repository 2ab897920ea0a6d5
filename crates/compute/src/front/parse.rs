//! Text to tree: one grammar for all dialects, and places in the text as byte ranges.

use std::any::TypeId;
use std::ops::Range;

use datafusion::sql::sqlparser::ast::{AnalyzeFormatKind, Expr, Query, Spanned, Statement};
use datafusion::sql::sqlparser::dialect::{Dialect as Grammar, GenericDialect};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Tokenizer};

use crate::error::QueryError;

/// Brackets, subqueries and the like may nest this deep: the parser and the planner recurse.
pub(crate) const NESTING_MAX: usize = 128;

/// The generic grammar, which reads `coalesce(a = b, c)` and trailing commas as people mean them,
/// plus what it lacks.
#[derive(Debug)]
pub(crate) struct FrontGrammar(GenericDialect);

macro_rules! yes {
    ($($name:ident)*) => { $(fn $name(&self) -> bool { true })* };
}

impl Grammar for FrontGrammar {
    // The parser asks for the generic dialect by type in places that have no method.
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.0.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '$' || ch == '_'
    }

    fn supports_trailing_commas(&self) -> bool {
        false
    }

    yes! {
        supports_unicode_string_literal
        supports_group_by_expr
        supports_group_by_with_modifier
        supports_left_associative_joins_without_parens
        supports_window_function_null_treatment_arg
        supports_window_clause_named_window_reference
        supports_dictionary_syntax
        support_map_literal_syntax
        supports_select_wildcard_except
        supports_select_wildcard_exclude
        supports_select_wildcard_replace
        supports_select_wildcard_rename
        supports_select_wildcard_ilike
        allow_extract_custom
        allow_extract_single_quotes
        supports_extract_comma_syntax
        supports_parens_around_table_factor
        supports_values_as_table_factor
        supports_limit_comma
        supports_from_first_select
        supports_projection_trailing_commas
        supports_from_trailing_commas
        supports_bitwise_shift_operators
        supports_named_fn_args_with_assignment_operator
        supports_named_fn_args_with_rarrow_operator
        supports_struct_literal
        supports_empty_projections
        supports_nested_comments
        supports_string_escape_constant
        supports_array_typedef_with_brackets
        supports_filter_during_aggregation
        supports_within_after_array_aggregation
        supports_numeric_literal_underscores
        supports_order_by_all
        supports_notnull_operator
        supports_in_empty_list
        supports_interval_options
        supports_partition_by_after_order_by
        supports_string_literal_concatenation_with_newline
        supports_try_convert
        supports_constraint_keyword_without_name
    }
}

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
    let grammar = FrontGrammar(GenericDialect {});
    let tokens = Tokenizer::new(&grammar, sql).tokenize_with_location().map_err(|error| {
        let start = byte_offset(sql, error.location);
        QueryError::project(lowercase_first(&error.message)).at(start..(start + 1).min(sql.len()))
    })?;
    let mut parser =
        Parser::new(&grammar).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(tokens);
    let mut statements = parser.parse_statements().map_err(|error| refuse_text(sql, &error))?;
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

/// Parses an expression of ours: a template, never a user's text.
pub(crate) fn expression(sql: &str) -> Result<Expr, QueryError> {
    let grammar = FrontGrammar(GenericDialect {});
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
            let mut refused = QueryError::project(lowercase_first(text));
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
