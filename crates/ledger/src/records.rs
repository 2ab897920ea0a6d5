//! One stored row, read column by column; a column that does not hold what it promises is an
//! error that names it.

use base::{EnvironmentName, NodeId, RunId, TableName};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::LedgerError;
use crate::words::{Word, read_moment};

/// A row of the database.
pub(crate) struct Record(pub(crate) SqliteRow);

impl Record {
    pub(crate) fn maybe_text(&self, column: &str) -> Result<Option<String>, LedgerError> {
        self.0.try_get(column).map_err(|error| unreadable(column, &error))
    }

    pub(crate) fn text(&self, column: &str) -> Result<String, LedgerError> {
        self.0.try_get(column).map_err(|error| unreadable(column, &error))
    }

    pub(crate) fn maybe_number(&self, column: &str) -> Result<Option<i64>, LedgerError> {
        self.0.try_get(column).map_err(|error| unreadable(column, &error))
    }

    pub(crate) fn number(&self, column: &str) -> Result<i64, LedgerError> {
        self.0.try_get(column).map_err(|error| unreadable(column, &error))
    }

    pub(crate) fn real(&self, column: &str) -> Result<f64, LedgerError> {
        self.0.try_get(column).map_err(|error| unreadable(column, &error))
    }

    pub(crate) fn maybe_count(&self, column: &str) -> Result<Option<u64>, LedgerError> {
        let Some(number) = self.maybe_number(column)? else { return Ok(None) };
        u64::try_from(number).map(Some).map_err(|_| unreadable(column, &number))
    }

    pub(crate) fn count(&self, column: &str) -> Result<u64, LedgerError> {
        let number = self.number(column)?;
        u64::try_from(number).map_err(|_| unreadable(column, &number))
    }

    pub(crate) fn small_count(&self, column: &str) -> Result<u32, LedgerError> {
        let number = self.number(column)?;
        u32::try_from(number).map_err(|_| unreadable(column, &number))
    }

    pub(crate) fn flag(&self, column: &str) -> Result<bool, LedgerError> {
        Ok(self.number(column)? != 0)
    }

    pub(crate) fn maybe_time(&self, column: &str) -> Result<Option<DateTime<Utc>>, LedgerError> {
        let Some(text) = self.maybe_text(column)? else { return Ok(None) };
        read_moment(&text).map(Some).ok_or_else(|| unreadable(column, &text))
    }

    pub(crate) fn time(&self, column: &str) -> Result<DateTime<Utc>, LedgerError> {
        let text = self.text(column)?;
        read_moment(&text).ok_or_else(|| unreadable(column, &text))
    }

    pub(crate) fn word<T: Word>(&self, column: &str) -> Result<T, LedgerError> {
        let text = self.text(column)?;
        T::from_word(&text).ok_or_else(|| unreadable(column, &text))
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, LedgerError> {
        let text = self.text(column)?;
        serde_json::from_str(&text).map_err(|_| unreadable(column, &text))
    }

    pub(crate) fn maybe_json<T: DeserializeOwned>(
        &self,
        column: &str,
    ) -> Result<Option<T>, LedgerError> {
        let Some(text) = self.maybe_text(column)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|_| unreadable(column, &text))
    }

    pub(crate) fn environment(&self) -> Result<EnvironmentName, LedgerError> {
        self.text("environment").map(EnvironmentName::new)
    }

    /// The table named by the columns `namespace` and `name`.
    pub(crate) fn table(&self) -> Result<TableName, LedgerError> {
        Ok(TableName::new(self.text("namespace")?, self.text("name")?))
    }

    pub(crate) fn maybe_run(&self) -> Result<Option<RunId>, LedgerError> {
        Ok(self.maybe_text("run")?.map(RunId::new))
    }

    pub(crate) fn maybe_node(&self) -> Result<Option<NodeId>, LedgerError> {
        Ok(self.maybe_text("node")?.map(NodeId::new))
    }
}

pub(crate) fn unreadable(column: &str, value: &dyn std::fmt::Display) -> LedgerError {
    LedgerError::Unreadable { column: column.to_owned(), value: value.to_string() }
}
