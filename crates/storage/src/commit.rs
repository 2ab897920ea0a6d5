//! From files to a table version: manifests, manifest list, snapshot and metadata file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef as ArrowSchemaRef;
use base::fault::KillPoint;
use base::system::kill_point;
use base::{EnvironmentName, TableAccount, TableName};
use iceberg::spec::{
    DataFile, FormatVersion, MAIN_BRANCH, Operation, PartitionSpecRef, Schema, SchemaRef, Snapshot,
    SortOrder, Struct, Summary, TableMetadata, TableMetadataBuilder,
};
use ledger::{PointerKind, SchemaChange, Swing, TableVersion};

use crate::deletes::deleted_positions;
use crate::fileset::DataFileEntry;
use crate::manifests::Manifests;
use crate::partition::unbound_spec;
use crate::schema::arrow_schema;
use crate::staged::{MergeCounts, Staged};
use crate::summary::summarize;
use crate::table::{
    BUSINESS_TIME_KEY, CODE_FINGERPRINT_KEY, COMMIT_ID_KEY, POSITION_KEY, ROWS_KEY, RUN_ID_KEY,
};
use crate::write::{DataWriter, FileNames};
use crate::{Lake, LakeTable, Result, StageOptions, StorageError};

/// Properties every table carries.
const PROPERTIES: &[(&str, &str)] = &[
    // Another environment may point to files that this one no longer names.
    ("gc.enabled", "false"),
    ("write.parquet.compression-codec", "zstd"),
    ("write.delete.mode", "merge-on-read"),
    ("write.update.mode", "merge-on-read"),
    ("write.merge.mode", "merge-on-read"),
    ("write.delete.granularity", "file"),
];

/// The metadata a stage leads to, without its snapshot.
#[derive(Debug)]
pub(crate) struct Target {
    metadata: TableMetadata,
    pub(crate) shape: ArrowSchemaRef,
    pub(crate) names: FileNames,
}

impl Target {
    pub(crate) fn new(
        lake: &Lake,
        name: &TableName,
        base: Option<&LakeTable>,
        options: &StageOptions,
        schema: Schema,
    ) -> Result<Self> {
        let table = name.to_string();
        let mut properties: HashMap<String, String> = PROPERTIES
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let builder = match base {
            None => {
                properties.extend(options.properties.clone());
                let fields = options.partition.clone().unwrap_or_default();
                let spec = unbound_spec(&table, &fields, &schema)?;
                let (location, order) = (lake.new_location(name), SortOrder::unsorted_order());
                let format = FormatVersion::V2;
                let made =
                    TableMetadataBuilder::new(schema, spec, order, location, format, properties)?;
                made.assign_uuid(random_uuid(lake))
            }
            Some(base) => {
                let old = base.metadata();
                properties.retain(|key, _| !old.properties().contains_key(key));
                properties.extend(options.properties.clone());
                properties.retain(|key, value| old.properties().get(key) != Some(value));
                let spec = match &options.partition {
                    Some(fields) => Some(unbound_spec(&table, fields, &schema)?),
                    None => None,
                };
                let location = base.metadata_location().to_owned();
                let made = TableMetadata::clone(old).into_builder(Some(location));
                let mut made = match old.format_version() {
                    FormatVersion::V1 => made.upgrade_format_version(FormatVersion::V2)?,
                    FormatVersion::V2 => made,
                    FormatVersion::V3 => {
                        let what = format!("changing table \"{table}\" of format version 3");
                        let advice = "change it with the engine that made it";
                        return Err(StorageError::Unsupported { what, advice });
                    }
                };
                if schema.as_struct() != old.current_schema().as_struct() {
                    check_partitions(&table, base, options, &schema)?;
                    made = made.add_current_schema(schema)?;
                }
                if let Some(spec) = spec {
                    made = made.add_default_partition_spec(spec)?;
                }
                made.set_properties(properties)?
            }
        };
        let metadata = builder.build()?.metadata;
        let names = FileNames::new(metadata.location(), options.commit.as_str());
        Ok(Self { shape: arrow_schema(metadata.current_schema())?, metadata, names })
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        self.metadata.current_schema()
    }

    pub(crate) fn spec(&self) -> &PartitionSpecRef {
        self.metadata.default_partition_spec()
    }

    pub(crate) fn writer(&self, lake: &Lake) -> Result<DataWriter> {
        DataWriter::new(lake, self.names.clone(), self.schema(), self.spec())
    }

    /// Whether only the rows can differ from the base.
    fn same_shape(&self, base: &LakeTable) -> bool {
        let old = base.metadata();
        self.schema().as_struct() == old.current_schema().as_struct()
            && self.spec().fields() == old.default_partition_spec().fields()
            && self.metadata.properties() == old.properties()
    }
}

/// A partitioned column can go only together with the partitioning.
fn check_partitions(
    table: &str,
    base: &LakeTable,
    options: &StageOptions,
    schema: &Schema,
) -> Result<()> {
    if options.partition.is_some() {
        return Ok(());
    }
    for field in base.partition_spec().fields() {
        if schema.field_by_id(field.source_id).is_none() {
            let column = base.schema().name_by_field_id(field.source_id).unwrap_or_default();
            return Err(StorageError::SchemaChange {
                table: table.to_owned(),
                column: column.to_owned(),
                reason: "the table is partitioned by it; give another partitioning as well"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// A delete file and what its manifest needs to know.
#[derive(Debug)]
pub(crate) struct AddedDelete {
    pub(crate) file: DataFile,
    pub(crate) schema: SchemaRef,
    pub(crate) spec: PartitionSpecRef,
}

/// Files that come and go in one version.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) added: Vec<DataFile>,
    pub(crate) added_deletes: Vec<AddedDelete>,
    /// Locations of data files and of delete files that leave.
    pub(crate) removed: HashSet<String>,
    pub(crate) operation: Operation,
    pub(crate) account: TableAccount,
    pub(crate) merge: MergeCounts,
    /// Whether the version is made even when no file comes or goes.
    pub(crate) always: bool,
}

impl Changes {
    pub(crate) fn append(plan: &Plan, added: Vec<DataFile>, rows: u64) -> Self {
        let before = plan.rows_before();
        let account =
            TableAccount { before, inserted: rows, after: before + rows, ..Default::default() };
        Self {
            added,
            added_deletes: Vec::new(),
            removed: HashSet::new(),
            operation: Operation::Append,
            account,
            merge: MergeCounts { inserted: rows, ..Default::default() },
            always: false,
        }
    }

    pub(crate) async fn replace_all(plan: &Plan, added: Vec<DataFile>, rows: u64) -> Result<Self> {
        let mut changes = Self::append(plan, added, rows);
        changes.always = true;
        let Some(base) = &plan.base else { return Ok(changes) };
        let files = base.files(&plan.lake).await?;
        let data = files.data().iter().map(|file| file.path().to_owned());
        let deletes = files.position_deletes().iter().map(|file| file.path().to_owned());
        changes.removed = data.chain(deletes).collect();
        changes.operation = Operation::Overwrite;
        changes.account.removed = changes.account.before;
        changes.account.after = rows;
        Ok(changes)
    }

    pub(crate) async fn replace_partitions(
        plan: &Plan,
        added: Vec<DataFile>,
        rows: u64,
    ) -> Result<Self> {
        let touched: HashSet<Struct> = added.iter().map(|file| file.partition().clone()).collect();
        let mut changes = Self::append(plan, added, rows);
        let Some(base) = &plan.base else { return Ok(changes) };
        let files = base.files(&plan.lake).await?;
        let (spec, mut removed) = (plan.target.spec(), 0);
        for file in files.data() {
            if file.partition_spec().fields() != spec.fields() {
                let reason = "it holds files of another partitioning; replace all of it once";
                let table = plan.name.to_string();
                return Err(StorageError::Mode { table, reason: reason.to_owned() });
            }
            if touched.contains(file.partition()) {
                removed += live_count(&plan.lake, file).await?;
                changes.removed.insert(file.path().to_owned());
            }
        }
        // A delete file belongs to one partition, so it goes with the partition's data files.
        for delete in files.position_deletes() {
            let gone = delete.only_file().is_some_and(|file| changes.removed.contains(file));
            if gone || touched.contains(delete.entry().data_file().partition()) {
                changes.removed.insert(delete.path().to_owned());
            }
        }
        changes.operation = Operation::Overwrite;
        changes.account.removed = removed;
        changes.account.after -= removed;
        Ok(changes)
    }

    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.added_deletes.is_empty() && self.removed.is_empty()
    }
}

pub(crate) async fn live_count(lake: &Lake, file: &DataFileEntry) -> Result<u64> {
    Ok(file.record_count() - deleted_positions(lake, file).await?.len() as u64)
}

/// Everything a version is made from, except its rows.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) lake: Lake,
    pub(crate) environment: EnvironmentName,
    pub(crate) name: TableName,
    pub(crate) base: Option<LakeTable>,
    pub(crate) options: StageOptions,
    pub(crate) target: Target,
    pub(crate) schema_changes: Vec<SchemaChange>,
}

impl Plan {
    fn rows_before(&self) -> u64 {
        self.base.as_ref().map_or(0, LakeTable::row_count)
    }

    /// Writes manifests and metadata, and reads the version back.
    pub(crate) async fn commit(self, changes: Changes) -> Result<Staged> {
        assert!(changes.account.holds(), "rows before and after: {:?}", changes.account);
        if let Some(base) = &self.base
            && changes.is_empty()
            && !changes.always
            && self.target.same_shape(base)
        {
            let (table, location) = (base.clone(), base.metadata_location().to_owned());
            return Ok(self.staged(changes, table, location, false));
        }
        let lake = &self.lake;
        let snapshot_id = self.new_snapshot_id();
        let old = match &self.base {
            Some(base) => crate::fileset::manifest_files(lake, base).await?,
            None => Vec::new(),
        };
        let manifests = Manifests { plan: &self, snapshot_id };
        let (list, removed) = manifests.write(old, &changes).await?;
        let sequence = self.target.metadata.next_sequence_number();
        let parent = self.target.metadata.current_snapshot_id();
        let path = manifests.write_list(list, parent, sequence).await?;
        kill_point(KillPoint::ManifestsWritten);
        let mut summary = summarize(&self, &changes, &removed).await?;
        summary.extend(self.own_summary(&changes));
        let metadata = &self.target.metadata;
        let now = lake.clocks().machine.now().timestamp_millis();
        let snapshot = Snapshot::builder()
            .with_snapshot_id(snapshot_id)
            .with_parent_snapshot_id(parent)
            .with_sequence_number(sequence)
            // Iceberg's time never goes back, whatever a clock says.
            .with_timestamp_ms(now.max(metadata.last_updated_ms()))
            .with_manifest_list(path)
            .with_summary(Summary {
                operation: self.operation(&changes),
                additional_properties: summary.into_iter().collect(),
            })
            .with_schema_id(metadata.current_schema_id())
            .build();
        let built =
            metadata.clone().into_builder(None).set_branch_snapshot(snapshot, MAIN_BRANCH)?;
        let location = self.metadata_location();
        let content = serde_json::to_vec(&built.build()?.metadata)
            .map_err(|error| StorageError::Internal(error.to_string()))?;
        let written = lake.files().write_new(&location, content.into()).await;
        written.map_err(|error| StorageError::file(&location, error))?;
        kill_point(KillPoint::MetadataWritten);
        let table = lake.read(&location).await?.named(&self.name);
        assert_eq!(table.row_count(), changes.account.after, "rows of the version read back");
        Ok(self.staged(changes, table, location, true))
    }

    fn operation(&self, changes: &Changes) -> Operation {
        // A schema change leaves the rows as they are, which is what Iceberg calls a replace.
        let only_shape = changes.is_empty() && !changes.always && self.base.is_some();
        if only_shape { Operation::Replace } else { changes.operation.clone() }
    }

    fn own_summary(&self, changes: &Changes) -> BTreeMap<String, String> {
        let options = &self.options;
        let business = options.business_time.unwrap_or_else(|| self.lake.clocks().business.now());
        let known = [
            (COMMIT_ID_KEY, Some(options.commit.to_string())),
            (RUN_ID_KEY, options.run.as_ref().map(ToString::to_string)),
            (POSITION_KEY, options.position.clone()),
            (CODE_FINGERPRINT_KEY, options.code_fingerprint.clone()),
            (BUSINESS_TIME_KEY, Some(business.to_rfc3339())),
            (ROWS_KEY, Some(changes.account.after.to_string())),
        ];
        let set = known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        set.collect()
    }

    fn new_snapshot_id(&self) -> i64 {
        loop {
            let bits = self.lake.randomness().next_u64() >> 1;
            let id = i64::try_from(bits).unwrap_or(i64::MAX);
            if id > 0 && self.target.metadata.snapshot_by_id(id).is_none() {
                return id;
            }
        }
    }

    /// `00007-<random>.metadata.json`, one more than the base's.
    fn metadata_location(&self) -> String {
        let old = self.base.as_ref().map(LakeTable::metadata_location);
        let file = old.and_then(|old| old.rsplit('/').next());
        let version = file.and_then(|file| file.split('-').next()?.parse::<u64>().ok());
        let next = version.map_or(0, |version| version + 1);
        let (location, uuid) = (self.target.metadata.location(), random_uuid(&self.lake));
        format!("{location}/metadata/{next:05}-{uuid}.metadata.json")
    }

    fn staged(
        self,
        changes: Changes,
        table: LakeTable,
        metadata_location: String,
        changed: bool,
    ) -> Staged {
        let options = &self.options;
        let business = options.business_time.unwrap_or_else(|| self.lake.clocks().business.now());
        let (name, commit) = (self.name.clone(), options.commit.clone());
        let mut version = TableVersion::new(name, metadata_location.clone(), commit, business);
        version.snapshot_id = table.snapshot_id();
        version.run = options.run.clone();
        version.node = options.node.clone();
        version.account = changes.account;
        version.code_fingerprint = options.code_fingerprint.clone();
        let base = self.base.as_ref().map(|base| base.metadata_location().to_owned());
        let swing = Swing {
            table: self.name.clone(),
            kind: PointerKind::Table,
            expected: base.or_else(|| options.replaces.clone()),
            new: Some(metadata_location.clone()),
        };
        Staged {
            swing,
            version,
            account: changes.account,
            merge: changes.merge,
            schema_changes: self.schema_changes.clone(),
            metadata_location,
            table: table.named(&self.name),
            changed,
            appended: matches!(changes.operation, Operation::Append).then_some(changes.added),
            plan: Arc::new(self),
        }
    }
}

pub(crate) fn random_uuid(lake: &Lake) -> uuid::Uuid {
    let (high, low) = (lake.randomness().next_u64(), lake.randomness().next_u64());
    uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
        .into_uuid()
}
