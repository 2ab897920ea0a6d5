//! From the SQL a person wrote, in one of four dialects, to a statement DataFusion can plan.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::dialect;

use crate::error::QueryError;

/// The SQL dialect a query is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// DuckDB, our own default.
    #[default]
    Duckdb,
    /// PostgreSQL and Redshift.
    Postgres,
    /// Snowflake.
    Snowflake,
    /// BigQuery.
    Bigquery,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duckdb => "duckdb",
            Self::Postgres => "postgres",
            Self::Snowflake => "snowflake",
            Self::Bigquery => "bigquery",
        })
    }
}

impl FromStr for Dialect {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        match text.to_ascii_lowercase().as_str() {
            "duckdb" => Ok(Self::Duckdb),
            "postgres" | "postgresql" | "redshift" => Ok(Self::Postgres),
            "snowflake" => Ok(Self::Snowflake),
            "bigquery" => Ok(Self::Bigquery),
            _ => Err(QueryError::project(format!("dialect \"{text}\" is not known"))
                .help("Use duckdb, postgres, snowflake or bigquery.")),
        }
    }
}

/// What a rewrite needs to know of the session.
#[derive(Clone, Debug)]
pub struct FrontOptions {
    /// The business clock's moment: what `now()` and `current_date` say.
    pub now: DateTime<Utc>,
    /// IANA name of the session's time zone.
    pub time_zone: String,
}

/// Parses one statement and rewrites what the dialect spells differently.
///
/// Rewrites work on the tree, so that spans still point into `sql`.
///
/// # Errors
/// When the text is not one statement of the dialect.
pub fn rewrite(
    sql: &str,
    dialect: Dialect,
    _options: &FrontOptions,
) -> Result<Statement, QueryError> {
    let grammar: &dyn dialect::Dialect = match dialect {
        Dialect::Duckdb => &dialect::DuckDbDialect {},
        Dialect::Postgres => &dialect::PostgreSqlDialect {},
        Dialect::Snowflake => &dialect::SnowflakeDialect {},
        Dialect::Bigquery => &dialect::BigQueryDialect {},
    };
    let mut statements = DFParserBuilder::new(sql)
        .with_dialect(grammar)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| QueryError::project(error.strip_backtrace()))?;
    match (statements.pop_front(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (None, _) => Err(QueryError::project("the query is empty")),
        (Some(_), false) => Err(QueryError::project("expected one query, found several")),
    }
}

/// Registers the functions, rules and settings of a dialect.
///
/// # Errors
/// When DataFusion refuses one of them, which is our bug.
pub fn register(
    _context: &SessionContext,
    _dialect: Dialect,
    _options: &FrontOptions,
) -> Result<(), QueryError> {
    Ok(())
}
