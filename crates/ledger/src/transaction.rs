//! A write transaction: it takes the write lock at once, so that what it reads stays true until
//! COMMIT, and it is rolled back when dropped.

use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, Transaction};

use crate::records::Record;
use crate::{Ledger, LedgerError};

/// A statement with its values.
pub(crate) type Statement<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// A statement from its text.
pub(crate) fn sql(text: &'static str) -> Statement<'static> {
    sqlx::query(text)
}

/// An open write transaction.
pub(crate) struct Write<'a> {
    pub(crate) ledger: &'a Ledger,
    transaction: Transaction<'static, Sqlite>,
}

impl Ledger {
    /// Takes the write lock. Without IMMEDIATE a transaction that reads first can find at its first
    /// write that somebody else wrote meanwhile, and waiting does not help it.
    pub(crate) async fn write(&self) -> Result<Write<'_>, LedgerError> {
        let transaction =
            self.writer().begin_with("BEGIN IMMEDIATE").await.map_err(|e| self.fault(e))?;
        Ok(Write { ledger: self, transaction })
    }

    /// Runs one statement in a transaction of its own and counts the rows it touched.
    pub(crate) async fn execute(&self, statement: Statement<'_>) -> Result<u64, LedgerError> {
        let mut write = self.write().await?;
        let touched = write.execute(statement).await?;
        write.commit().await?;
        Ok(touched)
    }

    /// Reads rows outside any transaction.
    pub(crate) async fn rows(&self, statement: Statement<'_>) -> Result<Vec<Record>, LedgerError> {
        let rows = statement.fetch_all(self.readers()).await.map_err(|e| self.fault(e))?;
        Ok(rows.into_iter().map(Record).collect())
    }

    /// Reads at most one row outside any transaction.
    pub(crate) async fn row(
        &self,
        statement: Statement<'_>,
    ) -> Result<Option<Record>, LedgerError> {
        let row = statement.fetch_optional(self.readers()).await.map_err(|e| self.fault(e))?;
        Ok(row.map(Record))
    }
}

impl Write<'_> {
    pub(crate) async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, LedgerError> {
        let done = statement.execute(&mut *self.transaction).await;
        done.map(|done| done.rows_affected()).map_err(|e| self.ledger.fault(e))
    }

    /// Runs an INSERT and answers with the number SQLite gave the row.
    pub(crate) async fn insert(&mut self, statement: Statement<'_>) -> Result<i64, LedgerError> {
        let done = statement.execute(&mut *self.transaction).await;
        done.map(|done| done.last_insert_rowid()).map_err(|e| self.ledger.fault(e))
    }

    pub(crate) async fn row(
        &mut self,
        statement: Statement<'_>,
    ) -> Result<Option<Record>, LedgerError> {
        let row = statement.fetch_optional(&mut *self.transaction).await;
        row.map(|row| row.map(Record)).map_err(|e| self.ledger.fault(e))
    }

    pub(crate) async fn commit(self) -> Result<(), LedgerError> {
        let ledger = self.ledger;
        self.transaction.commit().await.map_err(|e| ledger.fault(e))
    }
}
