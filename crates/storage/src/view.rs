//! Views: Iceberg view metadata files, staged and swung like tables.

use std::collections::HashMap;

use arrow::datatypes::SchemaRef as ArrowSchemaRef;
use base::fault::KillPoint;
use base::system::kill_point;
use base::{EnvironmentName, TableName};
use iceberg::spec::{ViewMetadata, ViewMetadataBuilder, ViewRepresentation, ViewRepresentations};
use iceberg::{NamespaceIdent, ViewCreation};
use ledger::{Ledger, PointerKind, Swing, TableVersion};

use crate::schema::{arrow_schema, table_schema};
use crate::table::{BUSINESS_TIME_KEY, CODE_FINGERPRINT_KEY, COMMIT_ID_KEY, RUN_ID_KEY};
use crate::{Lake, Result, StageOptions, StorageError};

/// What a view is: a query, and the columns it gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewDefinition {
    /// The query, as compiled.
    pub sql: String,
    /// The dialect it is written in.
    pub dialect: String,
    /// The columns it gives.
    pub schema: ArrowSchemaRef,
    /// Where names without a namespace are looked up.
    pub default_namespace: String,
}

/// A view in the dark, complete and synced.
#[derive(Clone, Debug)]
pub struct StagedPointer {
    /// The pointer's move.
    pub swing: Swing,
    /// What the ledger keeps about the version; a view has no rows of its own.
    pub version: TableVersion,
    /// The metadata file.
    pub metadata_location: String,
}

impl Lake {
    /// Reads a view by its metadata file.
    ///
    /// # Errors
    /// When the file is absent, is no view metadata, or holds no SQL.
    pub async fn read_view(&self, metadata_location: &str) -> Result<ViewDefinition> {
        let metadata = self.view_metadata(metadata_location).await?;
        let version = metadata.current_version();
        let Some(ViewRepresentation::Sql(query)) = version.representations().iter().next() else {
            return Err(StorageError::corrupt(metadata_location, "the view holds no SQL"));
        };
        Ok(ViewDefinition {
            sql: query.sql.clone(),
            dialect: query.dialect.clone(),
            schema: arrow_schema(metadata.current_schema())?,
            default_namespace: version.default_namespace().as_ref().join("."),
        })
    }

    /// The present definition of a view; none when the environment has no view of this name.
    ///
    /// # Errors
    /// When the ledger or the view's metadata cannot be read.
    pub async fn open_view(
        &self,
        ledger: &Ledger,
        environment: &EnvironmentName,
        name: &TableName,
    ) -> Result<Option<ViewDefinition>> {
        match ledger.pointer(environment, name).await? {
            Some(pointer) if pointer.kind == PointerKind::View => {
                self.read_view(&pointer.metadata_location).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Writes a view that no pointer names yet. `expected` is the metadata file, of a view or of a
    /// table, that the pointer names now.
    ///
    /// # Errors
    /// When a column has a type that tables cannot hold, or the disk refuses.
    pub async fn stage_view(
        &self,
        name: &TableName,
        expected: Option<&str>,
        definition: &ViewDefinition,
        options: &StageOptions,
    ) -> Result<StagedPointer> {
        let business = options.business_time.unwrap_or_else(|| self.clocks().business.now());
        let mut summary = HashMap::from([
            ("engine-name".to_owned(), "fiveply".to_owned()),
            (COMMIT_ID_KEY.to_owned(), options.commit.to_string()),
            (BUSINESS_TIME_KEY.to_owned(), business.to_rfc3339()),
        ]);
        if let Some(run) = &options.run {
            summary.insert(RUN_ID_KEY.to_owned(), run.to_string());
        }
        if let Some(code) = &options.code_fingerprint {
            summary.insert(CODE_FINGERPRINT_KEY.to_owned(), code.clone());
        }
        let location = self.new_location(name);
        let query = serde_json::json!([
            {"type": "sql", "sql": definition.sql, "dialect": definition.dialect}
        ]);
        let internal = |error: serde_json::Error| StorageError::Internal(error.to_string());
        let representations: ViewRepresentations =
            serde_json::from_value(query).map_err(internal)?;
        let creation = ViewCreation::builder()
            .name(name.name.clone())
            .location(location.clone())
            .representations(representations)
            .schema(table_schema(&definition.schema)?)
            .properties(options.properties.clone().into_iter().collect())
            .default_namespace(NamespaceIdent::new(definition.default_namespace.clone()))
            .summary(summary)
            .build();
        let metadata = ViewMetadataBuilder::from_view_creation(creation)?.build()?.metadata;
        let uuid = crate::commit::random_uuid(self);
        let metadata_location = format!("{location}/metadata/00000-{uuid}.metadata.json");
        let content = serde_json::to_vec(&metadata).map_err(internal)?;
        let written = self.files().write_new(&metadata_location, content.into()).await;
        written.map_err(|error| StorageError::file(&metadata_location, error))?;
        kill_point(KillPoint::MetadataWritten);
        let (table, commit) = (name.clone(), options.commit.clone());
        let mut version = TableVersion::new(table, metadata_location.clone(), commit, business);
        version.run = options.run.clone();
        version.node = options.node.clone();
        version.code_fingerprint = options.code_fingerprint.clone();
        let swing = Swing {
            table: name.clone(),
            kind: PointerKind::View,
            expected: expected.map(str::to_owned),
            new: Some(metadata_location.clone()),
        };
        Ok(StagedPointer { swing, version, metadata_location })
    }

    async fn view_metadata(&self, location: &str) -> Result<ViewMetadata> {
        if !self.files().exists(location) {
            let what = format!("view metadata \"{location}\"");
            return Err(StorageError::NotFound { what });
        }
        let content = self
            .files()
            .read_all(location)
            .await
            .map_err(|error| StorageError::file(location, error))?;
        serde_json::from_slice(&content).map_err(|error| StorageError::corrupt(location, error))
    }
}
