//! The four dialects a statement may come from.

use std::fmt;
use std::str::FromStr;

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

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Duckdb, Self::Postgres, Self::Snowflake, Self::Bigquery];

    /// As it is written in `fiveply.yml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duckdb => "duckdb",
            Self::Postgres => "postgres",
            Self::Snowflake => "snowflake",
            Self::Bigquery => "bigquery",
        }
    }

    /// Whether `/` of two whole numbers drops the fraction.
    pub(crate) fn divides_integers_whole(self) -> bool {
        match self {
            Self::Postgres => true,
            Self::Duckdb | Self::Snowflake | Self::Bigquery => false,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
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
