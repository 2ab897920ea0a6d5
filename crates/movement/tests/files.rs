//! Folders of files: types, what is new, where a batch ends.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Float32Array, Int32Array, ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use base::{LoadAccount, StreamName};
use movement::{LoadLimits, MovementError};

use crate::house::House;

const CSV: &str = "files: '**/*.csv', format: csv";

#[tokio::test]
async fn types_are_inferred_from_the_data() {
    let house = House::new().await;
    house.write(
        "a.ndjson",
        concat!(
            r#"{"id":1,"x":1,"d":"2026-05-01","t":"2026-05-01T10:00:00Z","#,
            r#""l":[1,{"a":2}],"s":"é\n"}"#,
            "\n",
            r#"{"id":2,"x":1.5,"b":true,"large":123456789012345678901,"s":"2026"}"#,
            "\n",
        ),
    );
    let outcome = house.load_files("files: '*.ndjson'").await.unwrap();
    assert_eq!(outcome.account, LoadAccount { read: 2, inserted: 2, ..Default::default() });
    insta::assert_snapshot!(house.columns("rows").await);
    insta::assert_snapshot!(
        house
            .rows("rows", &["id", "x", "d", "t", "l", "s", "b", "large", "_fiveply_line"])
            .await
            .join("\n")
    );
}

#[tokio::test]
async fn a_second_load_loads_only_what_is_new() {
    let house = House::new().await;
    house.write("2026-05-01.csv", "id,name\n1,a\n2,\"b,\"\"c\"\"\"\n");
    let first = house.load_files(CSV).await.unwrap();
    assert_eq!((first.account.inserted, first.files), (2, 1));
    let second = house.load_files(CSV).await.unwrap();
    assert_eq!((second.account.read, second.batches), (0, 0));
    // A file whose name sorts before the last one is new all the same.
    house.write("2026-04-01.csv", "id,name\n3,c\n");
    let third = house.load_files(CSV).await.unwrap();
    assert_eq!((third.account.inserted, third.rows), (1, 3));
    let rows = house.rows("rows", &["id", "name", "_fiveply_file", "_fiveply_line"]).await;
    insta::assert_snapshot!(rows.join("\n"), @r#"
    1 | a | 2026-05-01.csv | 2
    2 | b,"c" | 2026-05-01.csv | 3
    3 | c | 2026-04-01.csv | 2
    "#);
}

#[tokio::test]
async fn a_file_that_changed_after_it_was_read_is_reported_and_not_loaded_again() {
    let house = House::new().await;
    house.write("a.csv", "id\n1\n");
    house.load_files(CSV).await.unwrap();
    house.write("a.csv", "id\n1\n2\n");
    let outcome = house.load_files(CSV).await.unwrap();
    assert_eq!(outcome.changed_files, ["a.csv"]);
    assert_eq!((outcome.account.read, outcome.rows), (0, 1));
}

#[tokio::test]
async fn batches_may_end_inside_a_file_and_a_later_load_goes_on_there() {
    let house = House::new().await;
    let rows = |from: u32, to: u32| {
        (from..to)
            .map(|id| format!("{{\"id\":{id},\"text\":\"{:>200}\"}}\n", id))
            .collect::<String>()
    };
    house.write("a.ndjson", rows(0, 30_000));
    house.write("b.ndjson", rows(30_000, 30_010));
    let mut interrupted =
        House { folder: tempfile::tempdir().unwrap(), context: house.context.clone() };
    interrupted.context.limits = LoadLimits { batch_rows: 5_000, ..LoadLimits::default() };
    let listener = Arc::new(StopAfterFirstBatch(interrupted.context.cancel.clone()));
    interrupted.context.progress = Some(listener);
    let stopped = interrupted.load_files("files: '*.ndjson'").await.unwrap_err();
    assert!(matches!(stopped, MovementError::Cancelled { .. }), "{stopped}");
    let partly = house.table("rows").await.row_count();
    assert!(partly > 0 && partly < 30_010, "{partly}");

    let mut again = house.context.clone();
    again.cancel = tokio_util::sync::CancellationToken::new();
    let again = House { folder: tempfile::tempdir().unwrap(), context: again };
    let outcome = again.load_files("files: '*.ndjson'").await.unwrap();
    assert_eq!((outcome.rows, outcome.account.inserted), (30_010, 30_010 - partly));
    let ids = house.rows("rows", &["id"]).await;
    let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), 30_010);
    let last = house.rows("rows", &["_fiveply_file", "_fiveply_line"]).await;
    assert!(last.contains(&"a.ndjson | 30000".to_owned()));
}

#[derive(Debug)]
struct StopAfterFirstBatch(tokio_util::sync::CancellationToken);

impl movement::ProgressListener for StopAfterFirstBatch {
    fn progressed(&self, _: &StreamName, progress: movement::LoadProgress) {
        if progress.batches > 0 {
            self.0.cancel();
        }
    }
}

#[tokio::test]
async fn compressed_files_and_folders_with_names_are_read() {
    let house = House::new().await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"id\n1\n2\n").unwrap();
    house.write("day=2026-05-01/a.csv.gz", gzip.finish().unwrap());
    let zstd = zstd::encode_all(&b"id\n3\n"[..], 3).unwrap();
    house.write("day=2026-05-02/b.csv.zst", zstd);
    let stream = "files: '**/*.csv.*', hive_partitions: true";
    house.load_files(stream).await.unwrap();
    let rows = house.rows("rows", &["id", "day"]).await;
    assert_eq!(rows, ["1 | 2026-05-01", "2 | 2026-05-01", "3 | 2026-05-02"]);
}

#[tokio::test]
async fn parquet_files_keep_their_types_and_lose_nothing() {
    let house = House::new().await;
    let mut list = ListBuilder::new(StringBuilder::new());
    list.append_value([Some("x"), None]);
    list.append_null();
    let list = list.finish();
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int32, true),
        Field::new("ratio", DataType::Float32, true),
        Field::new("tags", arrow::array::Array::data_type(&list).clone(), true),
    ]));
    let batch = RecordBatch::try_new(
        Arc::clone(&schema),
        vec![
            Arc::new(Int32Array::from(vec![Some(1), None])),
            Arc::new(Float32Array::from(vec![0.5, 1.5])),
            Arc::new(list),
        ],
    )
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    house.write("a.parquet", &bytes);
    house.load_files("files: '*.parquet'").await.unwrap();
    let rows = house.rows("rows", &["id", "ratio", "tags", "_fiveply_line"]).await;
    assert_eq!(rows, ["1 | 0.5 | [x, ∅] | 1", "∅ | 1.5 | ∅ | 2"]);

    house.write("again.parquet", &bytes);
    house.load_files("files: '*.parquet'").await.unwrap();
    assert_eq!(house.table("rows").await.row_count(), 4);

    // A broken file is rejected whole, the good one beside it stays.
    house.write("b.parquet", &bytes[..bytes.len() - 9]);
    let outcome = house.load_files("files: '*.parquet', reject_limit: 5").await.unwrap();
    assert_eq!((outcome.account.rejected, outcome.rows), (1, 4));
}

#[tokio::test]
async fn declared_types_are_taken_and_rows_are_upserted_by_key() {
    let house = House::new().await;
    let stream = "files: '*.csv', primary_key: id, \
                  columns: {amount: 'decimal(10,2)', at: timestamptz, zip: string}";
    house.write("a.csv", "id,amount,at,zip\n1,1.5,1700000000,0123\n2,2,2026-05-01 10:00:00,9\n");
    house.load_files(stream).await.unwrap();
    house.write("b.csv", "id,amount,at,zip\n2,3,2026-05-01 10:00:00,9\n1,1.50,1700000000,0123\n");
    let outcome = house.load_files(stream).await.unwrap();
    let expected = LoadAccount { read: 2, updated: 1, unchanged: 1, ..Default::default() };
    assert_eq!(outcome.account, expected);
    let rows = house.rows("rows", &["id", "amount", "at", "zip"]).await;
    insta::assert_snapshot!(rows.join("\n"), @r"
    1 | 1.50 | 2023-11-14T22:13:20Z | 0123
    2 | 3.00 | 2026-05-01T10:00:00Z | 9
    ");
}

#[tokio::test]
async fn a_stream_that_is_being_loaded_is_not_loaded_twice() {
    let house = House::new().await;
    house.write("a.csv", "id\n1\n");
    let node = base::NodeId::new("stream.app.rows");
    let claim = house.context.ledger.claim(&house.context.environment, &node, None).await;
    assert!(matches!(claim, Ok(ledger::Claim::Granted(_))));
    let held = house.load_files(CSV).await.unwrap_err();
    assert_eq!(held.kind(), base::ErrorKind::Held);
}
