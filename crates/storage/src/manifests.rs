//! Writes manifests: new files, old files that stay, old files that leave. Small manifests are
//! merged, so that a table's metadata does not grow with every commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use iceberg::spec::{
    DataFile, ManifestEntryRef, ManifestFile, ManifestListWriter, ManifestWriter,
    ManifestWriterBuilder, PartitionSpecRef, SchemaRef,
};

use crate::commit::{Changes, Plan};
use crate::fileset::lists_deletes;
use crate::{Result, StorageError};

/// Entries that left the table, for the summary.
pub(crate) type Removed = Vec<ManifestEntryRef>;

/// So many small manifests of one kind are merged into one.
const MERGE_COUNT: usize = 24;
/// A manifest of this size is left as it is.
const MERGED_BYTES: i64 = 4 * 1024 * 1024;

/// Writes the manifests of one snapshot.
pub(crate) struct Manifests<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) snapshot_id: i64,
}

/// What the manifests of a group share.
#[derive(Clone)]
struct Form {
    schema: SchemaRef,
    spec: PartitionSpecRef,
    deletes: bool,
}

impl Manifests<'_> {
    /// The manifests of the new version, and the entries that left.
    pub(crate) async fn write(
        &self,
        old: Vec<ManifestFile>,
        changes: &Changes,
    ) -> Result<(Vec<ManifestFile>, Removed)> {
        let (mut list, mut untouched, mut removed) = (Vec::new(), Vec::new(), Removed::new());
        self.add_new(changes, &mut list).await?;
        for file in old {
            if changes.removed.is_empty() {
                untouched.push(file);
                continue;
            }
            match self.without(&file, changes, &mut removed).await? {
                Rewritten::No => untouched.push(file),
                Rewritten::As(file) => list.push(file),
            }
        }
        if removed.len() != changes.removed.len() {
            let rule = format!("{} of {} files left", removed.len(), changes.removed.len());
            return Err(StorageError::Internal(rule));
        }
        list.extend(self.merge_small(untouched).await?);
        Ok((list, removed))
    }

    async fn add_new(&self, changes: &Changes, list: &mut Vec<ManifestFile>) -> Result<()> {
        let target = &self.plan.target;
        if !changes.added.is_empty() {
            let form = Form {
                schema: Arc::clone(target.schema()),
                spec: Arc::clone(target.spec()),
                deletes: false,
            };
            list.push(self.added(&form, changes.added.iter()).await?);
        }
        let mut by_form: BTreeMap<(i32, i32), (Form, Vec<&DataFile>)> = BTreeMap::new();
        for added in &changes.added_deletes {
            let key = (added.spec.spec_id(), added.schema.schema_id());
            let (schema, spec) = (Arc::clone(&added.schema), Arc::clone(&added.spec));
            let form = || (Form { schema, spec, deletes: true }, Vec::new());
            by_form.entry(key).or_insert_with(form).1.push(&added.file);
        }
        for (form, files) in by_form.into_values() {
            list.push(self.added(&form, files.into_iter()).await?);
        }
        Ok(())
    }

    async fn added(
        &self,
        form: &Form,
        files: impl Iterator<Item = &DataFile>,
    ) -> Result<ManifestFile> {
        let mut writer = self.writer(form)?;
        for file in files {
            // The sequence number is inherited from the snapshot.
            writer.add_file(file.clone(), -1)?;
        }
        Ok(writer.write_manifest_file().await?)
    }

    /// Rewrites a manifest that lists files which leave.
    async fn without(
        &self,
        file: &ManifestFile,
        changes: &Changes,
        removed: &mut Removed,
    ) -> Result<Rewritten> {
        let manifest = self.plan.lake.manifest(file).await?;
        let alive = || manifest.entries().iter().filter(|entry| entry.is_alive());
        let leaves = |entry: &ManifestEntryRef| changes.removed.contains(entry.file_path());
        if !alive().any(leaves) {
            return Ok(Rewritten::No);
        }
        let form = Form {
            schema: Arc::clone(manifest.metadata().schema()),
            spec: Arc::new(manifest.metadata().partition_spec().clone()),
            deletes: lists_deletes(file),
        };
        let mut writer = self.writer(&form)?;
        for entry in alive() {
            if leaves(entry) {
                let (data, own) = sequences(entry);
                writer.add_delete_file(entry.data_file().clone(), data, own)?;
                removed.push(Arc::clone(entry));
            } else {
                keep(&mut writer, file, entry)?;
            }
        }
        Ok(Rewritten::As(writer.write_manifest_file().await?))
    }

    /// Merges small manifests of one form once there are many of them.
    async fn merge_small(&self, files: Vec<ManifestFile>) -> Result<Vec<ManifestFile>> {
        let (mut list, mut small) = (Vec::new(), [Vec::new(), Vec::new()]);
        for file in files {
            let counts = [file.added_files_count, file.existing_files_count];
            if counts.iter().all(|count| *count == Some(0)) {
                // It lists only what left in earlier versions.
                continue;
            }
            if file.manifest_length < MERGED_BYTES {
                small[usize::from(lists_deletes(&file))].push(file);
            } else {
                list.push(file);
            }
        }
        for small in small {
            if small.len() < MERGE_COUNT {
                list.extend(small);
            } else {
                list.extend(self.merge(small).await?);
            }
        }
        Ok(list)
    }

    async fn merge(&self, files: Vec<ManifestFile>) -> Result<Vec<ManifestFile>> {
        // Each schema keeps a manifest of its own: it tells readers which columns a file lacks.
        let mut groups: BTreeMap<(i32, i32), Vec<ManifestFile>> = BTreeMap::new();
        for file in files {
            let manifest = self.plan.lake.manifest(&file).await?;
            let key = (file.partition_spec_id, manifest.metadata().schema_id());
            groups.entry(key).or_default().push(file);
        }
        let mut merged = Vec::with_capacity(groups.len());
        for mut group in groups.into_values() {
            if group.len() == 1 {
                merged.append(&mut group);
                continue;
            }
            let mut writer = None;
            for file in &group {
                let manifest = self.plan.lake.manifest(file).await?;
                let form = Form {
                    schema: Arc::clone(manifest.metadata().schema()),
                    spec: Arc::new(manifest.metadata().partition_spec().clone()),
                    deletes: lists_deletes(file),
                };
                let mut open = match writer.take() {
                    Some(open) => open,
                    None => self.writer(&form)?,
                };
                for entry in manifest.entries().iter().filter(|entry| entry.is_alive()) {
                    keep(&mut open, file, entry)?;
                }
                writer = Some(open);
            }
            if let Some(writer) = writer {
                merged.push(writer.write_manifest_file().await?);
            }
        }
        Ok(merged)
    }

    fn writer(&self, form: &Form) -> Result<ManifestWriter> {
        let path = self.plan.target.names.next(&self.plan.lake, "metadata", "-manifest.avro");
        let output = self.plan.lake.file_io().new_output(path)?;
        let (schema, spec) = (Arc::clone(&form.schema), form.spec.as_ref().clone());
        let builder = ManifestWriterBuilder::new(output, Some(self.snapshot_id), schema, spec);
        Ok(if form.deletes { builder.build_v2_deletes() } else { builder.build_v2_data() })
    }

    pub(crate) async fn write_list(
        &self,
        list: Vec<ManifestFile>,
        parent: Option<i64>,
        sequence: i64,
    ) -> Result<String> {
        let path = self.plan.target.names.next(&self.plan.lake, "metadata", "-list.avro");
        let output = self.plan.lake.file_io().new_output(&path)?.writer().await?;
        let mut writer = ManifestListWriter::v2(output, self.snapshot_id, parent, sequence);
        writer.add_manifests(list.into_iter())?;
        writer.close().await?;
        Ok(path)
    }
}

enum Rewritten {
    No,
    As(ManifestFile),
}

fn keep(writer: &mut ManifestWriter, file: &ManifestFile, entry: &ManifestEntryRef) -> Result<()> {
    let (data, own) = sequences(entry);
    let snapshot = entry.snapshot_id().unwrap_or(file.added_snapshot_id);
    Ok(writer.add_existing_file(entry.data_file().clone(), snapshot, data, own)?)
}

fn sequences(entry: &ManifestEntryRef) -> (i64, Option<i64>) {
    let data = entry.sequence_number().unwrap_or(0);
    (data, entry.file_sequence_number.or(Some(data)))
}
