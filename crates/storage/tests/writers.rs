//! Several writers at once: every acknowledged row is there, and none is written over.

use base::ErrorKind;
use ledger::{Commit, LedgerError};
use storage::{StorageError, WriteMode, append_with_retry};

use crate::world::{World, environment, name, numbers, upsert, words};

const WRITERS: i64 = 4;
const COMMITS: i64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_of_many_writers_are_all_there() {
    let world = World::new().await;
    let table = name("t");
    world.write(&table, WriteMode::Append, numbers([-1])).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (lake, ledger, table) = (world.lake.clone(), world.ledger.clone(), table.clone());
        writers.spawn(async move {
            for commit in 0..COMMITS {
                let base = lake.open(&ledger, &environment(), &table).await.unwrap();
                let options = storage::StageOptions::new(ledger.new_commit_id());
                let mut stage = lake.stage(&environment(), &table, base.as_ref(), options);
                stage.write(numbers([writer * 1_000 + commit])).await.unwrap();
                let staged = stage.finish().await.unwrap();
                let id = staged.version.commit_id.clone();
                let commit = |staged: &storage::Staged| {
                    staged.into_commit(Commit::new(id.clone(), environment()))
                };
                append_with_retry(&lake, &ledger, staged, commit).await.unwrap();
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let rows = world.rows(&table).await;
    assert_eq!(rows.len() as i64, WRITERS * COMMITS + 1);
    let open = world.table(&table).await.unwrap();
    assert_eq!(open.versions().len() as i64, WRITERS * COMMITS + 1);
    let versions = world.ledger.table_versions(&environment(), &table).await.unwrap();
    assert!(versions.iter().all(|version| version.account.holds()));
    assert_eq!(versions.last().unwrap().account.after, open.row_count());
}

#[tokio::test]
async fn of_two_changes_to_one_version_exactly_one_wins() {
    let world = World::new().await;
    let table = name("t");
    world.write(&table, WriteMode::Append, words(&[(1, "one"), (2, "two")])).await;
    let mut first = world.stage(&table, upsert(&["id"])).await;
    first.write(words(&[(1, "first")])).await.unwrap();
    let mut second = world.stage(&table, upsert(&["id"])).await;
    second.write(words(&[(1, "second")])).await.unwrap();
    let (first, second) = (first.finish().await.unwrap(), second.finish().await.unwrap());
    world.publish(&first).await;
    let commit = Commit::new(second.version.commit_id.clone(), environment());
    let refused = world.ledger.commit(&second.into_commit(commit)).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Conflict { .. }), "{refused}");
    let onto = world.table(&table).await.unwrap();
    let refused = second.rebase(&world.lake, &onto).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert_eq!(world.rows(&table).await, ["1|first", "2|two"]);
}

#[tokio::test]
async fn an_append_moves_over_an_upsert_but_not_over_a_schema_change() {
    let world = World::new().await;
    let table = name("t");
    world.write(&table, WriteMode::Append, words(&[(1, "one")])).await;
    let mut stage = world.stage(&table, WriteMode::Append).await;
    stage.write(words(&[(9, "nine")])).await.unwrap();
    let staged = stage.finish().await.unwrap();
    world.write(&table, upsert(&["id"]), words(&[(1, "eins"), (2, "zwei")])).await;
    let onto = world.table(&table).await.unwrap();
    let moved = staged.clone().rebase(&world.lake, &onto).await.unwrap();
    assert_eq!((moved.account.before, moved.account.after), (2, 3));
    world.publish(&moved).await;
    assert_eq!(world.rows(&table).await, ["1|eins", "2|zwei", "9|nine"]);
    let mut stage = world.stage(&table, WriteMode::Append).await;
    let drop = storage::SchemaEdit::DropColumn { name: "word".into() };
    stage.evolve(&drop).unwrap();
    let onto = world.publish(&stage.finish().await.unwrap()).await;
    let refused = staged.rebase(&world.lake, &onto).await.unwrap_err();
    assert!(matches!(refused, StorageError::Conflict { .. }), "{refused}");
}

#[tokio::test]
async fn two_tables_become_true_together_or_not_at_all() {
    let world = World::new().await;
    let (orders, lines) = (name("orders"), name("lines"));
    world.write(&orders, WriteMode::Append, numbers([1])).await;
    let options = world.options();
    let mut stage = world.stage_with(&orders, WriteMode::Append, options.clone()).await;
    stage.write(numbers([2])).await.unwrap();
    let staged_orders = stage.finish().await.unwrap();
    let mut stage = world.stage_with(&lines, WriteMode::Append, options.clone()).await;
    stage.write(numbers([20])).await.unwrap();
    let staged_lines = stage.finish().await.unwrap();
    assert_eq!(world.rows_of(&staged_lines.table).await, ["20"], "a staged version is readable");
    world.write(&orders, WriteMode::Append, numbers([3])).await;
    let commit = Commit::new(options.commit.clone(), environment());
    let both = staged_orders.into_commit(staged_lines.into_commit(commit));
    assert!(world.ledger.commit(&both).await.is_err());
    assert!(world.table(&lines).await.is_none());
    let onto = world.table(&orders).await.unwrap();
    let moved = staged_orders.rebase(&world.lake, &onto).await.unwrap();
    let commit = Commit::new(options.commit, environment());
    world.ledger.commit(&moved.into_commit(staged_lines.into_commit(commit))).await.unwrap();
    assert_eq!(world.rows(&orders).await, ["1", "2", "3"]);
    assert_eq!(world.rows(&lines).await, ["20"]);
}

#[tokio::test]
async fn metadata_does_not_grow_by_a_manifest_for_each_commit() {
    let world = World::new().await;
    let table = name("t");
    for id in 0..60 {
        world.write(&table, WriteMode::Append, numbers([id])).await;
    }
    let open = world.table(&table).await.unwrap();
    let list = open.snapshot().unwrap().manifest_list().to_owned();
    let content = world.lake.file_io().new_input(list).unwrap().read().await.unwrap();
    let format = iceberg::spec::FormatVersion::V2;
    let list = iceberg::spec::ManifestList::parse_with_version(&content, format).unwrap();
    assert!(list.entries().len() <= 24, "{} manifests", list.entries().len());
    assert_eq!(world.rows(&table).await.len(), 60);
    let files = open.files(&world.lake).await.unwrap();
    let mut sequences: Vec<_> = files.data().iter().map(|file| file.sequence_number()).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=60).collect::<Vec<i64>>(), "merging keeps sequence numbers");
}
