//! Iceberg tables made by hand: every file, bound and delete as a test wants it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema};
use base::{EnvironmentName, TableName};
use chrono::{DateTime, Utc};
use compute::{Catalog, Dialect, Engine, EngineOptions, QueryError, Session, SessionOptions};
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::io::FileIO;
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Literal, MAIN_BRANCH, ManifestFile,
    ManifestListWriter, ManifestWriterBuilder, Operation, Schema, Snapshot, Struct, Summary,
    TableMetadata, TableMetadataBuilder, UnboundPartitionSpec,
};
use iceberg::writer::file_writer::{FileWriter, FileWriterBuilder, ParquetWriterBuilder};
use iceberg::{MetadataLocation, TableCreation};
use ledger::PointerKind;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

/// A warehouse in a folder that goes with the test.
pub struct ByHand {
    folder: tempfile::TempDir,
    file_io: FileIO,
}

impl ByHand {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), file_io: FileIO::new_with_fs() }
    }

    pub fn catalog(&self) -> Catalog {
        let store = Arc::new(object_store::local::LocalFileSystem::new());
        Catalog::over(EnvironmentName::new("prod"), self.file_io.clone(), store)
    }

    pub fn with(&self, tables: &[&Table]) -> Catalog {
        tables.iter().fold(self.catalog(), |catalog, table| {
            catalog.with_version(
                TableName::new("shop", &table.name),
                &table.location,
                PointerKind::Table,
            )
        })
    }

    pub async fn table(&self, name: &str, schema: Schema) -> Table {
        self.partitioned(name, schema, None).await
    }

    pub async fn partitioned(
        &self,
        name: &str,
        schema: Schema,
        spec: Option<UnboundPartitionSpec>,
    ) -> Table {
        let root = format!("file://{}/{name}", self.folder.path().display());
        let creation = TableCreation::builder()
            .name(name.to_owned())
            .location(root.clone())
            .schema(schema)
            .partition_spec_opt(spec)
            .build();
        let metadata =
            TableMetadataBuilder::from_table_creation(creation).unwrap().build().unwrap().metadata;
        let mut table = Table {
            file_io: self.file_io.clone(),
            name: name.to_owned(),
            root,
            metadata,
            manifests: Vec::new(),
            location: String::new(),
            counter: 0,
        };
        table.save().await;
        table
    }
}

/// One table; every change is a commit of its own.
pub struct Table {
    file_io: FileIO,
    name: String,
    root: String,
    metadata: TableMetadata,
    manifests: Vec<ManifestFile>,
    /// The present metadata file.
    pub location: String,
    counter: i64,
}

impl Table {
    fn next(&mut self, what: &str) -> String {
        self.counter += 1;
        format!("{}/{what}-{}", self.root, self.counter)
    }

    async fn save(&mut self) {
        let location = MetadataLocation::new_with_metadata(&self.root, &self.metadata);
        self.metadata.write_to(&self.file_io, &location).await.unwrap();
        self.location = location.to_string();
    }

    /// A batch of the present schema, columns cast as needed.
    pub fn batch(&self, columns: Vec<ArrayRef>) -> RecordBatch {
        let schema = schema_to_arrow_schema(self.metadata.current_schema()).unwrap();
        let columns = columns
            .iter()
            .zip(schema.fields())
            .map(|(column, field)| match field.data_type().is_nested() {
                true => Arc::clone(column),
                false => cast(column, field.data_type()).unwrap(),
            })
            .collect();
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    pub async fn append(&mut self, columns: Vec<ArrayRef>, group_rows: usize) -> String {
        self.append_in(columns, group_rows, Struct::empty()).await
    }

    pub async fn append_part(&mut self, columns: Vec<ArrayRef>, value: Literal) -> String {
        self.append_in(columns, 1_000, Struct::from_iter([Some(value)])).await
    }

    async fn append_in(
        &mut self,
        columns: Vec<ArrayRef>,
        group_rows: usize,
        partition: Struct,
    ) -> String {
        let batch = self.batch(columns);
        let path = format!("{}.parquet", self.next("data"));
        let properties =
            WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
        let schema = Arc::clone(self.metadata.current_schema());
        let output = self.file_io.new_output(&path).unwrap();
        let mut writer = ParquetWriterBuilder::new(properties, schema).build(output).await.unwrap();
        writer.write(&batch).await.unwrap();
        let mut files = writer.close().await.unwrap();
        let file = files
            .remove(0)
            .content(DataContentType::Data)
            .partition(partition)
            .partition_spec_id(0)
            .build()
            .unwrap();
        self.commit(vec![file]).await;
        path
    }

    /// Takes rows away by position; `scoped` tells the manifest which file it is about.
    pub async fn delete(&mut self, file: &str, positions: &[i64], scoped: bool) {
        let rows: Vec<(&str, i64)> = positions.iter().map(|position| (file, *position)).collect();
        self.delete_rows(&rows, scoped.then(|| file.to_owned())).await;
    }

    pub async fn delete_rows(&mut self, rows: &[(&str, i64)], only: Option<String>) {
        let id = |id: i32| HashMap::from([("PARQUET:field_id".to_owned(), id.to_string())]);
        let schema = Arc::new(ArrowSchema::new(vec![
            Field::new("file_path", DataType::Utf8, false).with_metadata(id(2_147_483_546)),
            Field::new("pos", DataType::Int64, false).with_metadata(id(2_147_483_545)),
        ]));
        let paths = StringArray::from_iter_values(rows.iter().map(|(path, _)| path));
        let positions = Int64Array::from_iter_values(rows.iter().map(|(_, position)| *position));
        let batch =
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(paths), Arc::new(positions)])
                .unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, schema, None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let path = format!("{}.parquet", self.next("deletes"));
        let size = bytes.len() as u64;
        self.file_io.new_output(&path).unwrap().write(bytes.into()).await.unwrap();
        let file = DataFileBuilder::default()
            .content(DataContentType::PositionDeletes)
            .file_path(path)
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::empty())
            .partition_spec_id(0)
            .record_count(rows.len() as u64)
            .file_size_in_bytes(size)
            .referenced_data_file(only)
            .build()
            .unwrap();
        self.commit(vec![file]).await;
    }

    /// Changes the schema, with an empty commit as engines need it.
    pub async fn evolve(&mut self, schema: Schema) {
        let builder = self.metadata.clone().into_builder(Some(self.location.clone()));
        self.metadata = builder.add_current_schema(schema).unwrap().build().unwrap().metadata;
        self.commit(Vec::new()).await;
    }

    async fn commit(&mut self, files: Vec<DataFile>) {
        let sequence = self.metadata.next_sequence_number();
        let snapshot_id = sequence * 100;
        let parent = self.metadata.current_snapshot_id();
        for file in files {
            let output = self.next("manifest");
            let output = self.file_io.new_output(format!("{output}.avro")).unwrap();
            let builder = ManifestWriterBuilder::new(
                output,
                Some(snapshot_id),
                Arc::clone(self.metadata.current_schema()),
                self.metadata.default_partition_spec().as_ref().clone(),
            );
            let mut writer = match file.content_type() {
                DataContentType::Data => builder.build_v2_data(),
                _ => builder.build_v2_deletes(),
            };
            writer.add_file(file, -1).unwrap();
            let mut manifest = writer.write_manifest_file().await.unwrap();
            manifest.sequence_number = sequence;
            manifest.min_sequence_number = sequence;
            self.manifests.push(manifest);
        }
        let list = format!("{}.avro", self.next("list"));
        let output = self.file_io.new_output(&list).unwrap().writer().await.unwrap();
        let mut writer = ManifestListWriter::v2(output, snapshot_id, parent, sequence);
        writer.add_manifests(self.manifests.clone().into_iter()).unwrap();
        writer.close().await.unwrap();
        let snapshot = Snapshot::builder()
            .with_snapshot_id(snapshot_id)
            .with_parent_snapshot_id(parent)
            .with_sequence_number(sequence)
            .with_timestamp_ms(self.metadata.last_updated_ms() + 1)
            .with_manifest_list(list)
            .with_summary(self.summary())
            .with_schema_id(self.metadata.current_schema_id())
            .build();
        let builder = self.metadata.clone().into_builder(Some(self.location.clone()));
        let built = builder.set_branch_snapshot(snapshot, MAIN_BRANCH).unwrap().build().unwrap();
        self.metadata = built.metadata;
        self.save().await;
    }

    fn summary(&self) -> Summary {
        let mut rows = [0_u64, 0];
        for manifest in &self.manifests {
            let kind = usize::from(manifest.content == iceberg::spec::ManifestContentType::Deletes);
            rows[kind] += manifest.added_rows_count.unwrap_or(0);
        }
        Summary {
            operation: Operation::Append,
            additional_properties: HashMap::from([
                ("total-records".to_owned(), rows[0].to_string()),
                ("total-position-deletes".to_owned(), rows[1].to_string()),
            ]),
        }
    }
}

pub fn engine(options: EngineOptions) -> Engine {
    Engine::new(options).unwrap()
}

pub fn small() -> EngineOptions {
    EngineOptions {
        memory_bytes: 256 * 1024 * 1024,
        threads: 2,
        batch_rows: 1_024,
        ..EngineOptions::default()
    }
}

pub fn business_now() -> DateTime<Utc> {
    "2031-05-06T07:08:09Z".parse().unwrap()
}

pub fn options() -> SessionOptions {
    SessionOptions {
        dialect: Dialect::Duckdb,
        business_now: business_now(),
        time_zone: "UTC".to_owned(),
        default_namespace: Some("shop".to_owned()),
    }
}

pub fn session(catalog: Catalog) -> Session {
    engine(small()).session(catalog, options())
}

/// The answer as text, one row per line, values parted by `|`.
pub async fn ask(session: &Session, sql: &str) -> String {
    try_ask(session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

pub async fn try_ask(session: &Session, sql: &str) -> Result<String, QueryError> {
    let batches = session.rows(sql).await?;
    let mut lines = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let value = |column: &ArrayRef| {
                let options = arrow::util::display::FormatOptions::default().with_null("∅");
                let shown =
                    arrow::util::display::ArrayFormatter::try_new(column, &options).unwrap();
                shown.value(row).to_string()
            };
            lines.push(batch.columns().iter().map(value).collect::<Vec<_>>().join("|"));
        }
    }
    Ok(lines.join("\n"))
}

/// The physical plan as text.
pub async fn explain(session: &Session, sql: &str) -> String {
    ask(session, &format!("explain {sql}")).await
}

/// How many data files a plan reads.
pub fn files_read(plan: &str) -> usize {
    let physical = plan.split("physical_plan").nth(1).unwrap_or(plan);
    (1..40).filter(|number| physical.contains(&format!("data-{number}.parquet"))).count()
}

pub fn longs(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

pub fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}
