//! Random upserts, deletes, appends and schema changes against a plain map.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;
use storage::{PartitionField, RewritePolicy, Transform, WriteMode};

use crate::world::{World, batch, name, upsert};

/// Key: a number and a letter; value: a number and maybe a word.
type Key = (i64, &'static str);
type Row = (Key, i64, Option<String>);

#[derive(Clone, Debug)]
enum Change {
    Upsert(Row),
    Delete(Key),
}

#[derive(Clone, Debug)]
struct Step {
    changes: Vec<Change>,
    reopen: bool,
    small_file_bytes: u64,
    deleted_percent: u64,
}

fn key() -> impl Strategy<Value = Key> {
    (0..40_i64, prop_oneof![Just("a"), Just("b"), Just("ä")])
}

fn change() -> impl Strategy<Value = Change> {
    let word = proptest::option::of("[a-z]{0,3}");
    prop_oneof![
        4 => (key(), 0..3_i64, word).prop_map(Change::Upsert),
        1 => key().prop_map(Change::Delete),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let changes = proptest::collection::vec(change(), 0..60);
    let policy = (prop_oneof![Just(0_u64), Just(1 << 20)], prop_oneof![Just(5_u64), Just(60)]);
    (changes, any::<bool>(), policy).prop_map(|(changes, reopen, policy)| {
        let (small_file_bytes, deleted_percent) = policy;
        Step { changes, reopen, small_file_bytes, deleted_percent }
    })
}

fn rows(rows: &[Row]) -> RecordBatch {
    let words: Vec<Option<&str>> = rows.iter().map(|row| row.2.as_deref()).collect();
    batch(vec![
        ("n", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0.0))) as ArrayRef),
        ("s", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0.1)))),
        ("v", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.1 as f64)))),
        ("w", Arc::new(StringArray::from(words))),
    ])
}

fn keys(keys: &[Key]) -> RecordBatch {
    let all: Vec<Row> = keys.iter().map(|key| (*key, 0, None)).collect();
    rows(&all).project(&[0, 1]).unwrap()
}

fn expected(model: &BTreeMap<Key, (i64, Option<String>)>) -> Vec<String> {
    let line = |(key, value): (&Key, &(i64, Option<String>))| {
        let word = value.1.as_deref().unwrap_or("NULL");
        format!("{}|{}|{:.1}|{word}", key.0, key.1, value.0 as f64)
    };
    let mut lines: Vec<_> = model.iter().map(line).collect();
    lines.sort();
    lines
}

async fn run(steps: Vec<Step>, partition: Option<PartitionField>) {
    let mut world = World::new().await;
    let table = name("t");
    let mut model: BTreeMap<Key, (i64, Option<String>)> = BTreeMap::new();
    let mut options = world.options();
    options.partition = partition.map(|field| vec![field]);
    let mut stage = world.stage_with(&table, WriteMode::Append, options).await;
    stage.write(rows(&[])).await.unwrap();
    world.publish(&stage.finish().await.unwrap()).await;
    for step in steps {
        let mut options = world.options();
        let (deleted_percent, small_file_bytes) = (step.deleted_percent, step.small_file_bytes);
        options.rewrite = RewritePolicy { deleted_percent, small_file_bytes };
        let mut stage = world.stage_with(&table, upsert(&["s", "n"]), options).await;
        // Runs of one kind arrive as one batch.
        for change in &step.changes {
            match change {
                Change::Upsert(row) => {
                    stage.write(rows(std::slice::from_ref(row))).await.unwrap();
                    model.insert(row.0, (row.1, row.2.clone()));
                }
                Change::Delete(key) => {
                    stage.delete(keys(&[*key])).await.unwrap();
                    model.remove(key);
                }
            }
        }
        let staged = stage.finish().await.unwrap();
        assert!(staged.account.holds());
        assert_eq!(staged.merge.load_account().read, step.changes.len() as u64);
        if staged.changed() {
            world.publish(&staged).await;
        }
        if step.reopen {
            world.reopen().await;
        }
        assert_eq!(world.rows(&table).await, expected(&model));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_table_holds_what_a_map_holds(
        steps in proptest::collection::vec(step(), 1..6),
        partition in proptest::option::of(prop_oneof![
            Just(PartitionField::new("s", Transform::Identity)),
            Just(PartitionField::new("n", Transform::Bucket(3))),
        ]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps, partition));
    }
}
