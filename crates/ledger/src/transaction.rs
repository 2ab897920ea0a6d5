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

    pub(crate) async fn rows(
        &mut self,
        statement: Statement<'_>,
    ) -> Result<Vec<Record>, LedgerError> {
        let rows = statement.fetch_all(&mut *self.transaction).await;
        let rows = rows.map_err(|e| self.ledger.fault(e))?;
        Ok(rows.into_iter().map(Record).collect())
    }

    pub(crate) async fn commit(self) -> Result<(), LedgerError> {
        let ledger = self.ledger;
        self.transaction.commit().await.map_err(|e| ledger.fault(e))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use base::ErrorKind;
    use base::clock::Clocks;
    use base::random::SeededRandomness;

    use super::*;
    use crate::error::Fault;

    async fn open(path: &Path) -> Ledger {
        Ledger::open(path, Clocks::system(), Arc::new(SeededRandomness::new(3))).await.unwrap()
    }

    async fn refused(ledger: &Ledger) -> (LedgerError, Fault) {
        let error = ledger.execute(sql("DELETE FROM leases")).await.unwrap_err();
        let LedgerError::Database { fault, .. } = &error else { panic!("{error}") };
        let fault = *fault;
        (error, fault)
    }

    #[tokio::test]
    async fn a_writer_that_holds_the_lock_too_long_is_told_of_while_readers_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let (ledger, other) = (open(&path).await, open(&path).await);
        sqlx::query("PRAGMA busy_timeout = 20").execute(ledger.writer()).await.unwrap();
        let held = other.write().await.unwrap();
        let (error, fault) = refused(&ledger).await;
        assert_eq!((fault, error.kind()), (Fault::Locked, ErrorKind::Transient));
        assert!(error.to_string().contains("is locked by another process"), "{error}");
        assert!(error.help().unwrap().contains("fuser"));
        assert_eq!(ledger.environments().await.unwrap(), []);
        drop(held);
        sqlx::query("PRAGMA busy_timeout = 60000").execute(ledger.writer()).await.unwrap();
        ledger.execute(sql("DELETE FROM leases")).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_may_not_be_written_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(&folder.path().join("ledger.db")).await;
        sqlx::query("PRAGMA query_only = ON").execute(ledger.writer()).await.unwrap();
        let (error, fault) = refused(&ledger).await;
        assert_eq!((fault, error.kind()), (Fault::ReadOnly, ErrorKind::Storage));
        assert!(error.help().unwrap().contains("permissions"), "{error}");
    }
}
