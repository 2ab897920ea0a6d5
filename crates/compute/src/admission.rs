//! What is let in: one query at a time, no statement that changes something, no function that
//! opens files, nothing nested so deep that planning it would end the process.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, Query, Select, SetExpr, Spanned, Statement as SqlStatement,
    TableFactor, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::QueryError;
use crate::spans;

/// Bytes of one query's text.
const QUERY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Operators chained in one expression, or queries in one UNION; each is a level of the tree
/// (DataFusion #22229, #22936 abort the process on deep trees).
const CHAIN_LENGTH_MAX: usize = 4_000;
/// Parentheses and brackets inside one another.
const NESTING_MAX: usize = 500;

/// Functions of other engines that read files, servers or settings of the machine.
const OUTSIDE_FUNCTIONS: &[&str] = &[
    "arrow_scan",
    "copy_from",
    "delta_scan",
    "glob",
    "iceberg_scan",
    "parquet_file_metadata",
    "parquet_metadata",
    "parquet_scan",
    "parquet_schema",
    "pg_ls_dir",
    "pg_read_file",
    "postgres_scan",
    "query_table",
    "read_avro",
    "read_blob",
    "read_csv",
    "read_csv_auto",
    "read_json",
    "read_json_auto",
    "read_json_objects",
    "read_ndjson",
    "read_ndjson_auto",
    "read_parquet",
    "read_text",
    "sniff_csv",
    "sqlite_scan",
];

/// Checks the text before it is parsed.
pub(crate) fn check_text(sql: &str) -> Result<(), QueryError> {
    if sql.len() > QUERY_BYTES_MAX {
        return Err(limit(format!(
            "the query has {} bytes, more than {QUERY_BYTES_MAX}",
            sql.len()
        )));
    }
    // A text that has no tokens is refused by the parser, with a better message.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Ok(()) };
    let mut chains = vec![Chain::default()];
    for token in &tokens {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => chains.push(Chain::default()),
            Token::RParen | Token::RBracket | Token::RBrace if chains.len() > 1 => {
                chains.pop();
            }
            // A case in the else of a case nests without a parenthesis.
            Token::Word(word) if word.keyword == Keyword::CASE => chains.push(Chain::default()),
            Token::Word(word) if word.keyword == Keyword::END && chains.len() > 1 => {
                chains.pop();
            }
            token => {
                if let Some(chain) = chains.last_mut() {
                    chain.take(token);
                }
            }
        }
        if chains.len() > NESTING_MAX {
            return Err(limit(format!("the query nests deeper than {NESTING_MAX} levels")));
        }
        if chains.last().is_some_and(|chain| chain.longest() > CHAIN_LENGTH_MAX) {
            return Err(limit(format!(
                "the query chains more than {CHAIN_LENGTH_MAX} operators in one expression"
            )));
        }
    }
    Ok(())
}

fn limit(message: String) -> QueryError {
    QueryError::new(base::ErrorKind::Limit, message)
        .help("Put long lists of values into a seed or a table and join with it.")
}

/// Operators seen in a row between one pair of parentheses.
#[derive(Default)]
struct Chain {
    operators: usize,
    queries: usize,
}

impl Chain {
    fn longest(&self) -> usize {
        self.operators.max(self.queries)
    }

    fn take(&mut self, token: &Token) {
        match token {
            Token::Comma | Token::SemiColon => self.operators = 0,
            Token::Word(word) => match word.keyword {
                Keyword::SELECT
                | Keyword::FROM
                | Keyword::WHERE
                | Keyword::GROUP
                | Keyword::HAVING
                | Keyword::ORDER
                | Keyword::WHEN
                | Keyword::THEN => {
                    self.operators = 0;
                }
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => self.queries += 1,
                Keyword::AND | Keyword::OR | Keyword::NOT | Keyword::JOIN | Keyword::COLLATE => {
                    self.operators += 1;
                }
                _ => {}
            },
            Token::Whitespace(_) | Token::Number(..) | Token::SingleQuotedString(_) => {}
            _ => self.operators += 1,
        }
    }
}

/// A table that a statement names.
pub(crate) struct NamedTable {
    pub(crate) parts: Vec<Ident>,
}

/// Checks the statement and lists the tables it names, CTEs left out.
pub(crate) fn check_statement(
    sql: &str,
    statement: &Statement,
) -> Result<Vec<NamedTable>, QueryError> {
    let inner = match statement {
        Statement::Explain(explain) => match explain.statement.as_ref() {
            Statement::Statement(inner) => inner,
            _ => return Err(refused("this statement cannot be explained")),
        },
        Statement::Statement(inner) => inner,
        Statement::CreateExternalTable(_) => {
            return Err(refused("create external table is not offered"));
        }
        Statement::CopyTo(_) => return Err(refused("copy is not offered")),
        Statement::Reset(_) => return Err(refused("reset is not offered")),
    };
    if !matches!(inner.as_ref(), SqlStatement::Query(_)) {
        let word = first_word(inner);
        return Err(refused(format!("statement \"{word}\" is not offered")));
    }
    let mut visit = Admission { sql, tables: Vec::new(), ctes: HashSet::new() };
    if let ControlFlow::Break(error) = inner.visit(&mut visit) {
        return Err(error);
    }
    let Admission { mut tables, ctes, .. } = visit;
    tables.retain(|table| match table.parts.as_slice() {
        [bare] => !ctes.contains(&bare.value.to_lowercase()),
        _ => true,
    });
    Ok(tables)
}

fn first_word(statement: &SqlStatement) -> String {
    let text = statement.to_string();
    text.split_whitespace().next().unwrap_or_default().to_lowercase()
}

fn refused(message: impl Into<String>) -> QueryError {
    QueryError::project(message)
        .detail("A session answers queries: select, with, values, explain.")
        .help("Let a model, a seed or a hook of the project change tables.")
}

struct Admission<'a> {
    sql: &'a str,
    tables: Vec<NamedTable>,
    ctes: HashSet<String>,
}

impl Admission<'_> {
    fn function(&self, name: &ObjectName) -> ControlFlow<QueryError> {
        let Some(last) = name.0.last().and_then(|part| part.as_ident()) else {
            return ControlFlow::Continue(());
        };
        let word = last.value.to_lowercase();
        if !OUTSIDE_FUNCTIONS.contains(&word.as_str()) {
            return ControlFlow::Continue(());
        }
        let mut error = QueryError::project(format!("function \"{word}\" is not offered"))
            .detail("Queries read tables of the project, never files or servers.")
            .help("Load the file with a stream in ingest/, or keep it as a seed.");
        error.span = spans::bytes(self.sql, last.span);
        ControlFlow::Break(error)
    }

    fn changes(&self, word: &str, span: datafusion::sql::sqlparser::tokenizer::Span) -> QueryError {
        let mut error = refused(format!("statement \"{word}\" is not offered"));
        error.span = spans::bytes(self.sql, span);
        error
    }
}

impl Visitor for Admission<'_> {
    type Break = QueryError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<QueryError> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.insert(cte.alias.name.value.to_lowercase());
        }
        let changing = match query.body.as_ref() {
            SetExpr::Insert(_) => Some("insert"),
            SetExpr::Update(_) => Some("update"),
            SetExpr::Delete(_) => Some("delete"),
            SetExpr::Merge(_) => Some("merge"),
            _ => None,
        };
        match changing {
            Some(word) => ControlFlow::Break(self.changes(word, query.span())),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<QueryError> {
        match &select.into {
            Some(into) => ControlFlow::Break(self.changes("select into", into.name.span())),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<QueryError> {
        match factor {
            TableFactor::Table { name, args: None, .. } => {
                let parts = name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
                self.tables.push(NamedTable { parts });
                ControlFlow::Continue(())
            }
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                self.function(name)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<QueryError> {
        match expr {
            Expr::Function(function) => self.function(&function.name),
            _ => ControlFlow::Continue(()),
        }
    }
}
