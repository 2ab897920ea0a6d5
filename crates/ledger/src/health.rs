//! What `debug` tells about the ledger file.

use crate::schema::newest;
use crate::transaction::sql;
use crate::{Ledger, LedgerError};

/// Problems of the file that are listed before the rest is left out.
const PROBLEMS_MAX: usize = 20;

/// The state of the ledger file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The version of SQLite that is linked.
    pub sqlite_version: String,
    /// The layout of the file.
    pub layout: i64,
    /// What SQLite found wrong with the file; nothing when it is sound.
    pub problems: Vec<String>,
}

impl Ledger {
    /// Reads the whole file and says whether it is sound.
    ///
    /// # Errors
    /// When the ledger cannot be read at all.
    pub async fn health(&self) -> Result<Health, LedgerError> {
        let version = self.row(sql("SELECT sqlite_version() AS version")).await?;
        let sqlite_version = version.map(|record| record.text("version")).transpose()?;
        let checked = self.rows(sql("PRAGMA quick_check")).await?;
        let mut problems = Vec::new();
        for record in checked.iter().take(PROBLEMS_MAX) {
            problems.push(record.text("quick_check")?);
        }
        problems.retain(|problem| problem != "ok");
        let sqlite_version = sqlite_version.unwrap_or_default();
        Ok(Health { sqlite_version, layout: newest(), problems })
    }
}
