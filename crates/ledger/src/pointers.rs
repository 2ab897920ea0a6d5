//! Pointers: environment, namespace and table → metadata file, in the layout of Iceberg's JDBC
//! catalog, where the environment is the catalog.

use base::{EnvironmentName, TableName};

use crate::records::Record;
use crate::transaction::{Write, sql};
use crate::{Ledger, LedgerError, Swing};

/// What a pointer points to.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum PointerKind {
    /// An Iceberg table metadata file.
    Table,
    /// An Iceberg view metadata file.
    View,
}

impl PointerKind {
    /// The word of the JDBC catalog's `iceberg_type` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::View => "VIEW",
        }
    }

    fn from_stored(word: Option<&str>) -> Self {
        // Older clients of the catalog leave the column empty; they know tables only.
        if word == Some("VIEW") { Self::View } else { Self::Table }
    }
}

/// Where a table or view stands in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// The environment.
    pub environment: EnvironmentName,
    /// The table or view.
    pub table: TableName,
    /// Which of the two it is.
    pub kind: PointerKind,
    /// The metadata file that holds its present version.
    pub metadata_location: String,
    /// The one before.
    pub previous_metadata_location: Option<String>,
}

macro_rules! select_pointers {
    ($rest:literal) => {
        concat!(
            "SELECT catalog_name AS environment, table_namespace AS namespace, ",
            "table_name AS name, metadata_location, previous_metadata_location, iceberg_type ",
            "FROM iceberg_tables WHERE metadata_location IS NOT NULL AND catalog_name = ? ",
            $rest
        )
    };
}

pub(crate) fn read_pointer(record: &Record) -> Result<Pointer, LedgerError> {
    Ok(Pointer {
        environment: record.environment()?,
        table: record.table()?,
        kind: PointerKind::from_stored(record.maybe_text("iceberg_type")?.as_deref()),
        metadata_location: record.text("metadata_location")?,
        previous_metadata_location: record.maybe_text("previous_metadata_location")?,
    })
}

impl Ledger {
    /// Where a table or view stands; none when the environment has no such name.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn pointer(
        &self,
        environment: &EnvironmentName,
        table: &TableName,
    ) -> Result<Option<Pointer>, LedgerError> {
        let statement = sql(select_pointers!("AND table_namespace = ? AND table_name = ?"))
            .bind(environment.as_str().to_owned())
            .bind(table.namespace.clone())
            .bind(table.name.clone());
        self.row(statement).await?.map(|record| read_pointer(&record)).transpose()
    }

    /// Every table and view of an environment at one moment, by name.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn pointers(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<Pointer>, LedgerError> {
        let statement = sql(select_pointers!("ORDER BY table_namespace, table_name"))
            .bind(environment.as_str().to_owned());
        self.rows(statement).await?.iter().map(read_pointer).collect()
    }

    /// Every environment that has a table, a namespace, a position or a run, by name.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn environments(&self) -> Result<Vec<EnvironmentName>, LedgerError> {
        let statement = sql(concat!(
            "SELECT catalog_name AS environment FROM iceberg_tables ",
            "UNION SELECT catalog_name FROM iceberg_namespace_properties ",
            "UNION SELECT environment FROM positions UNION SELECT environment FROM runs ",
            "ORDER BY 1"
        ));
        self.rows(statement).await?.iter().map(Record::environment).collect()
    }
}

impl Write<'_> {
    /// Swings one pointer, if it still names what the swing expects. A swing to where the pointer
    /// stands already only checks that.
    pub(crate) async fn swing(
        &mut self,
        environment: &EnvironmentName,
        swing: &Swing,
    ) -> Result<(), LedgerError> {
        let swung = match (&swing.expected, &swing.new) {
            (None, None) => u64::from(self.found(environment, &swing.table).await?.is_none()),
            (Some(expected), Some(new)) if expected == new => {
                let found = self.found(environment, &swing.table).await?;
                u64::from(found.as_ref() == Some(expected))
            }
            (None, Some(new)) => self.create(environment, swing, new).await?,
            (Some(expected), Some(new)) => self.replace(environment, swing, expected, new).await?,
            (Some(expected), None) => self.drop_pointer(environment, swing, expected).await?,
        };
        if swung == 1 {
            return Ok(());
        }
        assert_eq!(swung, 0, "the primary key of iceberg_tables names one row");
        Err(LedgerError::Conflict {
            table: swing.table.clone(),
            expected: swing.expected.clone(),
            found: self.found(environment, &swing.table).await?,
        })
    }

    async fn create(
        &mut self,
        environment: &EnvironmentName,
        swing: &Swing,
        new: &str,
    ) -> Result<u64, LedgerError> {
        // PyIceberg and Spark find a namespace by a property of it, and this is the one they set.
        let namespace = sql(concat!(
            "INSERT INTO iceberg_namespace_properties ",
            "(catalog_name, namespace, property_key, property_value) ",
            "VALUES (?, ?, 'exists', 'true') ON CONFLICT DO NOTHING"
        ));
        let namespace =
            namespace.bind(environment.as_str().to_owned()).bind(swing.table.namespace.clone());
        self.execute(namespace).await?;
        let statement = sql(concat!(
            "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, ",
            "metadata_location, previous_metadata_location, iceberg_type) ",
            "VALUES (?, ?, ?, ?, NULL, ?) ON CONFLICT DO NOTHING"
        ));
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(swing.table.namespace.clone())
            .bind(swing.table.name.clone())
            .bind(new.to_owned())
            .bind(swing.kind.as_str());
        self.execute(statement).await
    }

    async fn replace(
        &mut self,
        environment: &EnvironmentName,
        swing: &Swing,
        expected: &str,
        new: &str,
    ) -> Result<u64, LedgerError> {
        let statement = sql(concat!(
            "UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?, ",
            "iceberg_type = ? WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? ",
            "AND metadata_location = ?"
        ));
        let statement = statement
            .bind(new.to_owned())
            .bind(expected.to_owned())
            .bind(swing.kind.as_str())
            .bind(environment.as_str().to_owned())
            .bind(swing.table.namespace.clone())
            .bind(swing.table.name.clone())
            .bind(expected.to_owned());
        self.execute(statement).await
    }

    async fn drop_pointer(
        &mut self,
        environment: &EnvironmentName,
        swing: &Swing,
        expected: &str,
    ) -> Result<u64, LedgerError> {
        let statement = sql(concat!(
            "DELETE FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? ",
            "AND table_name = ? AND metadata_location = ?"
        ));
        let statement = statement
            .bind(environment.as_str().to_owned())
            .bind(swing.table.namespace.clone())
            .bind(swing.table.name.clone())
            .bind(expected.to_owned());
        self.execute(statement).await
    }

    async fn found(
        &mut self,
        environment: &EnvironmentName,
        table: &TableName,
    ) -> Result<Option<String>, LedgerError> {
        let statement = sql(select_pointers!("AND table_namespace = ? AND table_name = ?"))
            .bind(environment.as_str().to_owned())
            .bind(table.namespace.clone())
            .bind(table.name.clone());
        let Some(record) = self.row(statement).await? else { return Ok(None) };
        record.text("metadata_location").map(Some)
    }
}
