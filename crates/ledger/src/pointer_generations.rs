//! How often the pointers of an environment have changed: whoever keeps a copy of them asks for
//! this one number before reading them again.

use base::EnvironmentName;

use crate::transaction::sql;
use crate::{Ledger, LedgerError};

// Triggers count, so that what another client of the catalog swings is counted too.
pub(crate) const POINTER_GENERATIONS: &str = "
-- Counts the changes of an environment's pointers, whoever made them.
CREATE TABLE pointer_generations (
    environment TEXT NOT NULL PRIMARY KEY,
    generation INTEGER NOT NULL
) STRICT;
CREATE TRIGGER pointer_made AFTER INSERT ON iceberg_tables BEGIN
    INSERT INTO pointer_generations VALUES (NEW.catalog_name, 1)
    ON CONFLICT (environment) DO UPDATE SET generation = generation + 1;
END;
CREATE TRIGGER pointer_swung AFTER UPDATE ON iceberg_tables BEGIN
    INSERT INTO pointer_generations VALUES (NEW.catalog_name, 1)
    ON CONFLICT (environment) DO UPDATE SET generation = generation + 1;
END;
CREATE TRIGGER pointer_gone AFTER DELETE ON iceberg_tables BEGIN
    INSERT INTO pointer_generations VALUES (OLD.catalog_name, 1)
    ON CONFLICT (environment) DO UPDATE SET generation = generation + 1;
END;
";

impl Ledger {
    /// A number that is another one after every change of an environment's pointers.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn pointer_generation(
        &self,
        environment: &EnvironmentName,
    ) -> Result<i64, LedgerError> {
        let statement = sql("SELECT generation FROM pointer_generations WHERE environment = ?1")
            .bind(environment.as_str().to_owned());
        let row = self.row(statement).await?;
        row.map_or(Ok(0), |record| record.number("generation"))
    }
}
