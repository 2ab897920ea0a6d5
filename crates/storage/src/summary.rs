//! The summary of a snapshot: what came and went, and the totals other engines plan by.

use std::collections::{BTreeMap, HashSet};

use iceberg::spec::{DataContentType, DataFile};

use crate::Result;
use crate::commit::{Changes, Plan};
use crate::manifests::Removed;

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    records: u64,
    bytes: u64,
    data_files: u64,
    delete_files: u64,
    position_deletes: u64,
}

impl Totals {
    fn add(&mut self, file: &DataFile) {
        self.bytes += file.file_size_in_bytes();
        match file.content_type() {
            DataContentType::Data => {
                self.data_files += 1;
                self.records += file.record_count();
            }
            DataContentType::PositionDeletes | DataContentType::EqualityDeletes => {
                self.delete_files += 1;
                self.position_deletes += file.record_count();
            }
        }
    }
}

/// Counts what the changes add and remove, and rolls the totals on from the base.
pub(crate) async fn summarize(
    plan: &Plan,
    changes: &Changes,
    removed: &Removed,
) -> Result<BTreeMap<String, String>> {
    let (mut added, mut gone) = (Totals::default(), Totals::default());
    let new = changes.added.iter().chain(changes.added_deletes.iter().map(|added| &added.file));
    let mut partitions = HashSet::new();
    for file in new {
        added.add(file);
        partitions.insert(file.partition());
    }
    for entry in removed {
        gone.add(entry.data_file());
        partitions.insert(entry.data_file().partition());
    }
    let old = before(plan).await?;
    let total = |old: u64, added: u64, gone: u64| (old + added).saturating_sub(gone);
    let numbers = [
        ("added-data-files", added.data_files, true),
        ("added-delete-files", added.delete_files, true),
        ("added-position-delete-files", added.delete_files, true),
        ("added-position-deletes", added.position_deletes, true),
        ("added-records", added.records, true),
        ("added-files-size", added.bytes, true),
        ("deleted-data-files", gone.data_files, true),
        ("deleted-records", gone.records, true),
        ("removed-delete-files", gone.delete_files, true),
        ("removed-position-delete-files", gone.delete_files, true),
        ("removed-position-deletes", gone.position_deletes, true),
        ("removed-files-size", gone.bytes, true),
        ("changed-partition-count", partitions.len() as u64, true),
        ("total-records", total(old.records, added.records, gone.records), false),
        ("total-files-size", total(old.bytes, added.bytes, gone.bytes), false),
        ("total-data-files", total(old.data_files, added.data_files, gone.data_files), false),
        (
            "total-delete-files",
            total(old.delete_files, added.delete_files, gone.delete_files),
            false,
        ),
        (
            "total-position-deletes",
            total(old.position_deletes, added.position_deletes, gone.position_deletes),
            false,
        ),
        ("total-equality-deletes", 0, false),
    ];
    let told = numbers.into_iter().filter(|(_, number, only_some)| *number > 0 || !only_some);
    Ok(told.map(|(key, number, _)| (key.to_owned(), number.to_string())).collect())
}

/// Totals of the base: from its summary, or counted when another engine left them out.
async fn before(plan: &Plan) -> Result<Totals> {
    let Some(base) = &plan.base else { return Ok(Totals::default()) };
    let Some(snapshot) = base.snapshot() else { return Ok(Totals::default()) };
    let summary = &snapshot.summary().additional_properties;
    let number = |key: &str| summary.get(key).and_then(|text| text.parse::<u64>().ok());
    let told = (|| {
        Some(Totals {
            records: number("total-records")?,
            bytes: number("total-files-size")?,
            data_files: number("total-data-files")?,
            delete_files: number("total-delete-files")?,
            position_deletes: number("total-position-deletes")?,
        })
    })();
    if let Some(told) = told {
        return Ok(told);
    }
    let files = base.files(&plan.lake).await?;
    let mut counted = Totals::default();
    for file in files.data() {
        counted.add(file.data_file());
    }
    for file in files.position_deletes() {
        counted.add(file.entry().data_file());
    }
    Ok(counted)
}
