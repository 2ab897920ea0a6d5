//! What `debug` tells about the ledger file.

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
        let about = self.rows(sql(concat!(
            "SELECT sqlite_version() AS sqlite_version, max(version) AS layout ",
            "FROM ledger_migrations"
        )));
        let about = about.await?;
        let about = about.first().expect("a sum over all rows is one row");
        let (sqlite_version, layout) = (about.text("sqlite_version")?, about.number("layout")?);
        let checked = self.rows(sql("PRAGMA quick_check")).await?;
        let mut problems = Vec::new();
        for record in checked.iter().take(PROBLEMS_MAX) {
            problems.push(record.text("quick_check")?);
        }
        problems.retain(|problem| problem != "ok");
        Ok(Health { sqlite_version, layout, problems })
    }
}
