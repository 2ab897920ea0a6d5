//! Upsert and delete by key: finds the rows that have an incoming key, leaves those alone that are
//! equal, and takes the others away by position deletes or by writing their file anew.
//!
//! Only key columns are read of files whose bounds may hold a key; whole rows are read only where
//! a key matched.

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::compute::kernels::cmp::not_distinct;
use base::TableAccount;
use futures::TryStreamExt;
use iceberg::spec::Operation;

use crate::commit::{AddedDelete, Changes, Plan};
use crate::deletes::{deleted_positions, write_deletes};
use crate::fileset::DataFileEntry;
use crate::keybounds::KeyBounds;
use crate::keyed::{Action, KeyedRows};
use crate::read::{OpenFile, rows_at, rows_except};
use crate::spool::Place;
use crate::staged::MergeCounts;
use crate::write::DataWriter;
use crate::{Result, StorageError};

/// Matched rows compared at a time.
const COMPARE_ROWS: usize = 16_384;

/// A row of the table whose key came in.
#[derive(Clone, Copy, Debug)]
struct Match {
    position: u64,
    key: u32,
}

struct Touched {
    file: DataFileEntry,
    matches: Vec<Match>,
}

pub(crate) async fn merge(plan: &Plan, mut keyed: KeyedRows) -> Result<Changes> {
    let mut touched = find(plan, &mut keyed).await?;
    keyed.check_matches()?;
    for file in &mut touched {
        leave_equal_rows(plan, &mut keyed, file).await?;
    }
    let (merge, account) = count(plan, &keyed);
    let mut writer = plan.target.writer(&plan.lake)?;
    write_standing(&keyed, &mut writer).await?;
    let mut changes = Changes::append(plan, Vec::new(), 0);
    changes.operation = Operation::Overwrite;
    changes.account = account;
    changes.merge = merge;
    for file in touched.iter().filter(|file| !file.matches.is_empty()) {
        take_away(plan, file, &mut writer, &mut changes).await?;
    }
    changes.added = writer.finish().await?;
    Ok(changes)
}

/// Reads the key columns of every file that may hold a key.
async fn find(plan: &Plan, keyed: &mut KeyedRows) -> Result<Vec<Touched>> {
    let mut touched = Vec::new();
    let Some(base) = &plan.base else { return Ok(touched) };
    if keyed.states.is_empty() {
        return Ok(touched);
    }
    let bounds = KeyBounds::new(keyed, plan.target.schema())?;
    for file in base.files(&plan.lake).await?.into_data() {
        if !bounds.may_be_in_file(&file)? {
            continue;
        }
        let matches = find_in_file(plan, keyed, &bounds, &file).await?;
        if !matches.is_empty() {
            touched.push(Touched { file, matches });
        }
    }
    Ok(touched)
}

async fn find_in_file(
    plan: &Plan,
    keyed: &mut KeyedRows,
    bounds: &KeyBounds,
    file: &DataFileEntry,
) -> Result<Vec<Match>> {
    let deleted = deleted_positions(&plan.lake, file).await?;
    let open = OpenFile::open(&plan.lake, file.path(), file.size_bytes()).await?;
    let mut matches = Vec::new();
    for (group, start) in open.group_starts().into_iter().enumerate() {
        if !bounds.may_be_in_group(open.metadata().row_group(group))? {
            continue;
        }
        let mut position = start;
        let mut batches = open.stream(keyed.key_shape(), Some(vec![group]), None)?;
        while let Some(batch) = batches.try_next().await? {
            let (rows, complete) = keyed.encode(batch.columns())?;
            for (row, complete) in complete.into_iter().enumerate() {
                let at = position + row as u64;
                let key = complete.then(|| keyed.number(rows.row(row).data())).flatten();
                if let Some(key) = key
                    && deleted.binary_search(&at).is_err()
                {
                    keyed.states[key as usize].matches += 1;
                    matches.push(Match { position: at, key });
                }
            }
            position += batch.num_rows() as u64;
        }
    }
    Ok(matches)
}

/// Rows that equal the incoming ones stay where they are, and the incoming ones are not written.
async fn leave_equal_rows(plan: &Plan, keyed: &mut KeyedRows, touched: &mut Touched) -> Result<()> {
    let candidates: Vec<(Match, Place)> = touched
        .matches
        .iter()
        .filter_map(|found| match &keyed.states[found.key as usize] {
            // A key that several rows have, here or there, is written anew.
            state if state.matches != 1 || state.rows != 1 => None,
            state => match state.action {
                Action::Upsert(place) => Some((*found, place)),
                Action::Delete => None,
            },
        })
        .collect();
    if candidates.is_empty() {
        return Ok(());
    }
    let file = &touched.file;
    let open = OpenFile::open(&plan.lake, file.path(), file.size_bytes()).await?;
    for chunk in candidates.chunks(COMPARE_ROWS) {
        let positions: Vec<u64> = chunk.iter().map(|(found, _)| found.position).collect();
        let places: Vec<Place> = chunk.iter().map(|(_, place)| *place).collect();
        let held = rows_at(&open, &plan.target.shape, &positions).await?;
        let held = arrow::compute::concat_batches(&plan.target.shape, &held)?;
        let Some(incoming) = keyed.spool.rows(&places).await? else { continue };
        assert_eq!(held.num_rows(), incoming.num_rows(), "each matched row is read once");
        for ((found, place), equal) in
            chunk.iter().zip(equal_rows(&held, &incoming, &plan.options.uncompared)?)
        {
            if equal {
                keyed.states[found.key as usize].unchanged = true;
                keyed.withdraw(Action::Upsert(*place));
            }
        }
    }
    let states = &keyed.states;
    touched.matches.retain(|found| !states[found.key as usize].unchanged);
    Ok(())
}

/// For each row whether two batches of one shape agree in every column; NULL equals NULL.
fn equal_rows(left: &RecordBatch, right: &RecordBatch, uncompared: &[String]) -> Result<Vec<bool>> {
    let mut equal = vec![true; left.num_rows()];
    let schema = left.schema();
    let columns = schema.fields().iter().zip(left.columns().iter().zip(right.columns()));
    for (_, (left, right)) in columns.filter(|(field, _)| !uncompared.contains(field.name())) {
        let same = same_values(left, right)?;
        for (equal, same) in equal.iter_mut().zip(&same) {
            *equal &= same.unwrap_or(false);
        }
    }
    Ok(equal)
}

fn same_values(left: &ArrayRef, right: &ArrayRef) -> Result<BooleanArray> {
    if !left.data_type().is_nested() {
        return Ok(not_distinct(left, right)?);
    }
    let same = |row: usize| left.slice(row, 1).as_ref() == right.slice(row, 1).as_ref();
    Ok((0..left.len()).map(|row| Some(same(row))).collect())
}

fn count(plan: &Plan, keyed: &KeyedRows) -> (MergeCounts, TableAccount) {
    let mut merge = MergeCounts {
        inserted: keyed.keyless_rows,
        unchanged: keyed.keyless_deletes,
        deduplicated: keyed.deduplicated,
        ..MergeCounts::default()
    };
    let mut rows_deleted = 0;
    for state in &keyed.states {
        let matches = u64::from(state.matches);
        match state.action {
            Action::Upsert(_) if state.unchanged => merge.unchanged += 1,
            Action::Upsert(_) if matches == 0 => merge.inserted += u64::from(state.rows),
            Action::Upsert(_) => {
                merge.updated += 1;
                merge.inserted += u64::from(state.rows) - 1;
                rows_deleted += matches - 1;
            }
            Action::Delete if matches == 0 => merge.unchanged += 1,
            Action::Delete => {
                merge.deleted += 1;
                rows_deleted += matches;
            }
        }
    }
    let before = plan.base.as_ref().map_or(0, crate::LakeTable::row_count);
    let account = TableAccount {
        before,
        inserted: merge.inserted,
        deleted: rows_deleted,
        removed: 0,
        after: before + merge.inserted - rows_deleted,
    };
    (merge, account)
}

async fn write_standing(keyed: &KeyedRows, writer: &mut DataWriter) -> Result<()> {
    for number in 0..keyed.spool.len() {
        let standing = &keyed.standing[number];
        if !standing.contains(&true) {
            continue;
        }
        let number = u32::try_from(number)
            .map_err(|_| StorageError::Internal("too many batches in one upsert".to_owned()))?;
        let batch = keyed.spool.get(number).await?;
        let rows = filter_record_batch(&batch, &BooleanArray::from(standing.clone()))?;
        writer.write(&rows).await?;
    }
    Ok(())
}

/// Takes matched rows out of one file.
async fn take_away(
    plan: &Plan,
    touched: &Touched,
    writer: &mut DataWriter,
    changes: &mut Changes,
) -> Result<()> {
    let file = &touched.file;
    let old = deleted_positions(&plan.lake, file).await?;
    let mut gone: Vec<u64> = touched.matches.iter().map(|found| found.position).collect();
    gone.extend(old.iter());
    gone.sort_unstable();
    assert!(gone.windows(2).all(|pair| pair[0] < pair[1]), "a row is deleted once");
    let (count, rows) = (gone.len() as u64, file.record_count());
    let policy = &plan.options.rewrite;
    let small = file.size_bytes() < policy.small_file_bytes;
    if small || count * 100 > rows * policy.deleted_percent {
        if count < rows {
            let shape = &plan.target.shape;
            let mut batches = rows_except(&plan.lake, file, shape, &gone).await?;
            let mut kept = 0;
            while let Some(batch) = batches.try_next().await? {
                kept += batch.num_rows() as u64;
                writer.write(&batch).await?;
            }
            assert_eq!(kept, rows - count, "every row that stays is written once");
        }
        changes.removed.insert(file.path().to_owned());
    } else {
        let names = &plan.target.names;
        changes.added_deletes.push(AddedDelete {
            file: write_deletes(&plan.lake, names, file, &gone).await?,
            schema: std::sync::Arc::clone(file.manifest_schema()),
            spec: std::sync::Arc::clone(file.partition_spec()),
        });
    }
    // The new delete file holds the old positions too; a file that left needs none.
    for delete in file.deletes().iter().filter(|delete| delete.only_file().is_some()) {
        changes.removed.insert(delete.path().to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    use base::clock::Clocks;
    use base::random::SeededRandomness;
    use base::{CommitId, TableName};
    use iceberg::spec::{DataContentType, DataFileBuilder, DataFileFormat, Struct};

    use super::*;
    use crate::deletes::delete_shape;
    use crate::evolve::Evolution;
    use crate::write::encode;
    use crate::{Lake, LakeTable, RewritePolicy, StageOptions, WriteMode};

    fn numbers(ids: impl Iterator<Item = i64>) -> RecordBatch {
        let ids = Arc::new(Int64Array::from_iter_values(ids));
        RecordBatch::try_from_iter([("id", ids as ArrayRef)]).expect("a batch")
    }

    fn options(commit: &str) -> StageOptions {
        let mut options = StageOptions::new(CommitId::new(commit));
        options.rewrite = RewritePolicy { deleted_percent: 50, small_file_bytes: 0 };
        options
    }

    async fn change(
        lake: &Lake,
        base: Option<&LakeTable>,
        mode: WriteMode,
        rows: RecordBatch,
    ) -> LakeTable {
        let name = TableName::new("main", "t");
        let mut stage = lake.stage(&"prod".into(), &name, base, options("c"));
        stage.mode(mode).expect("an open stage");
        stage.write(rows).await.expect("rows that fit");
        stage.finish().await.expect("a version").table
    }

    /// Deletes as Spark writes them: one file for several data files, without bounds, unsorted.
    async fn delete_like_spark(lake: &Lake, base: &LakeTable, rows: &[(&str, i64)]) -> LakeTable {
        let name = TableName::new("main", "t");
        let schema = Evolution::new(&name, Some(base.schema()), 1).build().expect("a schema");
        let options = options("spark");
        let target = crate::commit::Target::new(lake, &name, Some(base), &options, schema)
            .expect("a target");
        let paths = StringArray::from_iter_values(rows.iter().map(|row| row.0));
        let positions = Int64Array::from_iter_values(rows.iter().map(|row| row.1));
        let batch =
            RecordBatch::try_new(delete_shape(), vec![Arc::new(paths), Arc::new(positions)])
                .expect("deletes");
        let (content, _) = encode(&batch).expect("a file");
        let path = target.names.next(lake, "data", "-spark.parquet");
        let file = DataFileBuilder::default()
            .content(DataContentType::PositionDeletes)
            .file_path(path.clone())
            .file_format(DataFileFormat::Parquet)
            .partition(Struct::empty())
            .record_count(rows.len() as u64)
            .file_size_in_bytes(content.len() as u64)
            .build()
            .expect("a delete file");
        lake.files().write_new(&path, content).await.expect("a written file");
        let (schema, spec) = (Arc::clone(target.schema()), Arc::clone(target.spec()));
        let (name, environment) = (name.clone(), "prod".into());
        let (base, lake) = (Some(base.clone()), lake.clone());
        let plan =
            Plan { lake, environment, name, base, options, target, schema_changes: Vec::new() };
        let mut changes = Changes::append(&plan, Vec::new(), 0);
        let mut distinct: Vec<_> = rows.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        changes.account.deleted = distinct.len() as u64;
        changes.account.after -= changes.account.deleted;
        changes.operation = Operation::Delete;
        changes.added_deletes.push(AddedDelete { file, schema, spec });
        plan.commit(changes).await.expect("a version").table
    }

    #[tokio::test]
    async fn deletes_of_other_engines_count_once_and_go_with_their_rows() {
        let folder = tempfile::tempdir().expect("a folder");
        let randomness = Arc::new(SeededRandomness::new(1));
        let lake = Lake::local(folder.path(), Clocks::system(), randomness).expect("a lake");
        let first = change(&lake, None, WriteMode::Append, numbers(0..100)).await;
        let both = change(&lake, Some(&first), WriteMode::Append, numbers(100..200)).await;
        let files = both.files(&lake).await.expect("files");
        let path = |low: i64| {
            let holds = |file: &&DataFileEntry| {
                file.lower_bounds().values().any(|d| *d == iceberg::spec::Datum::long(low))
            };
            files.data().iter().find(holds).expect("the file").path().to_owned()
        };
        let (a, b) = (path(0), path(100));
        let rows = [(b.as_str(), 5), (a.as_str(), 7), (b.as_str(), 1), (b.as_str(), 5)];
        let once = delete_like_spark(&lake, &both, &rows).await;
        assert_eq!(once.row_count(), 197);
        let files = once.files(&lake).await.expect("files");
        assert_eq!(files.row_count(&lake).await.expect("counts"), 197);
        let twice = delete_like_spark(&lake, &once, &[(a.as_str(), 8)]).await;
        // Deleting what is deleted changes nothing; a neighbour goes, through a file of its own.
        let keys = WriteMode::DeleteKeys { keys: vec!["id".to_owned()] };
        let ours =
            change(&lake, Some(&twice), keys.clone(), numbers([7, 105, 9].into_iter())).await;
        assert_eq!(ours.row_count(), 195);
        let files = ours.files(&lake).await.expect("files");
        assert_eq!(files.row_count(&lake).await.expect("counts"), 195);
        assert_eq!(files.position_deletes().len(), 3);
        let rewritten = change(&lake, Some(&ours), keys, numbers(10..90)).await;
        let rows = rewritten.rows(&lake).await.expect("rows");
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 115);
        assert_eq!(rewritten.row_count(), 115);
        let old = ours.at_snapshot(first.snapshot_id().expect("a version")).expect("a version");
        assert_eq!(old.row_count(), 100);
    }
}
