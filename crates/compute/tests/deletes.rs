use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};

use crate::by_hand::{ByHand, Table, ask, engine, explain, files_read, longs, options, small};
use compute::EngineOptions;

fn schema() -> Schema {
    Schema::builder()
        .with_fields(vec![
            NestedField::optional(1, "id", Type::Primitive(PrimitiveType::Long)).into(),
            NestedField::optional(2, "half", Type::Primitive(PrimitiveType::Long)).into(),
        ])
        .build()
        .unwrap()
}

/// Two files of 5,000 rows in groups of 500, every third row of which is deleted.
async fn thirds(lake: &ByHand) -> (Table, Vec<i64>) {
    let mut table = lake.table("orders", schema()).await;
    for part in 0..2_i64 {
        let ids = part * 5_000..(part + 1) * 5_000;
        let file = table.append(vec![longs(ids.clone()), longs(ids.map(|id| id / 2))], 500).await;
        let gone: Vec<i64> = (0..5_000).filter(|position| position % 3 == 0).collect();
        table.delete(&file, &gone, part == 0).await;
    }
    let left = (0..10_000).filter(|id| id % 5_000 % 3 != 0).collect();
    (table, left)
}

#[tokio::test]
async fn deleted_rows_never_come_back_under_a_limit() {
    let lake = ByHand::new();
    let (table, left) = thirds(&lake).await;
    for filter_while_decoding in [true, false] {
        let options_of_engine = EngineOptions { filter_while_decoding, ..small() };
        let session = engine(options_of_engine).session(lake.with(&[&table]), options());
        for limit in [1, 10, 400, 1_000, 3_000, 6_000] {
            for query in [
                format!("select id from orders where id >= 0 limit {limit}"),
                format!("select id from orders limit {limit}"),
                format!("select id from orders where id >= 1500 limit {limit}"),
                format!("select id from orders where half is not null limit {limit} offset 7"),
                format!("select id from orders where id >= 0 order by id limit {limit}"),
                format!("select id from orders where id < 9000 order by id desc limit {limit}"),
                format!("select id from (select * from orders where id >= 0) limit {limit}"),
            ] {
                let rows = ask(&session, &query).await;
                let ids: Vec<i64> = rows.lines().map(|row| row.parse().unwrap()).collect();
                let back: Vec<_> = ids.iter().filter(|id| *id % 5_000 % 3 == 0).collect();
                assert!(back.is_empty(), "{query} gave deleted rows {back:?}");
                let wanted = left.len().min(limit);
                assert!(ids.len() <= wanted, "{query} gave {} rows", ids.len());
                if query.contains(">= 0") {
                    assert_eq!(ids.len(), wanted, "{query}");
                }
            }
        }
    }
}

#[tokio::test]
async fn sums_counts_and_extremes_leave_deleted_rows_out() {
    let lake = ByHand::new();
    let (table, left) = thirds(&lake).await;
    let session = engine(small()).session(lake.with(&[&table]), options());
    let sum: i64 = left.iter().sum();
    let answer = ask(&session, "select count(*), sum(id), min(id), max(id) from orders").await;
    assert_eq!(answer, format!("{}|{sum}|1|{}", left.len(), left[left.len() - 1]));
    let alone = ask(&session, "select min(id) from orders").await;
    assert_eq!(alone, "1", "row 0 is deleted, so the manifest's bound is no answer");
    let inputs = session.prepare("select * from orders").await.unwrap().inputs();
    assert_eq!(inputs[0].rows, left.len() as u64);
    assert_eq!(inputs[0].table.to_string(), "shop.orders");
}

#[tokio::test]
async fn counting_needs_no_file_even_with_deletes() {
    let lake = ByHand::new();
    let (table, left) = thirds(&lake).await;
    let session = engine(small()).session(lake.with(&[&table]), options());
    let plan = explain(&session, "select count(*) from orders").await;
    assert_eq!(files_read(&plan), 0, "{plan}");
    assert_eq!(ask(&session, "select count(*) from orders").await, left.len().to_string());
}

#[tokio::test]
async fn many_delete_files_overlap_and_count_once() {
    let lake = ByHand::new();
    let mut table = lake.table("orders", schema()).await;
    let first = table.append(vec![longs(0..100), longs(0..100)], 10).await;
    for start in 0..20 {
        // Each delete file repeats rows of the one before it.
        table.delete(&first, &[start, start + 1, start + 2], start % 2 == 0).await;
    }
    // A whole row group goes.
    table.delete(&first, &(30..40).collect::<Vec<_>>(), false).await;
    // Positions of a file that came after the deletes, and of one that does not exist.
    let second = table.append(vec![longs(100..110), longs(100..110)], 10).await;
    table.delete_rows(&[(&second, 3), ("file:///nowhere.parquet", 1)], None).await;
    let session = engine(small()).session(lake.with(&[&table]), options());
    let left: Vec<i64> =
        (0..110).filter(|id| *id >= 22 && !(30..40).contains(id) && *id != 103).collect();
    let sum: i64 = left.iter().sum();
    let answer = ask(&session, "select count(*), sum(id), sum(id - id + 1) from orders").await;
    assert_eq!(answer, format!("{0}|{sum}|{0}", left.len()));
}

#[tokio::test]
async fn a_file_whose_rows_are_all_gone_is_not_read() {
    let lake = ByHand::new();
    let mut table = lake.table("orders", schema()).await;
    let first = table.append(vec![longs(0..10), longs(0..10)], 10).await;
    table.delete(&first, &(0..10).collect::<Vec<_>>(), true).await;
    let session = engine(small()).session(lake.with(&[&table]), options());
    assert_eq!(ask(&session, "select count(*), max(id) from orders").await, "0|∅");
    assert_eq!(ask(&session, "select * from orders").await, "");
}
