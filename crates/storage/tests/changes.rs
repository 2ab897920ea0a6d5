//! Each kind of change, then a plain scan.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray,
    Float64Array, Int32Array, Int64Array, Int64Builder, ListArray, MapBuilder, RecordBatch,
    StringArray, StringBuilder, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Fields, Int64Type, Schema};
use base::ErrorKind;
use storage::{PartitionField, RewritePolicy, SchemaEdit, Transform, WriteMode};

use crate::world::{World, batch, delete, environment, name, numbers, upsert, words};

#[tokio::test]
async fn rows_are_appended_and_read_back() {
    let world = World::new().await;
    let table = name("t");
    let first = world.write(&table, WriteMode::Append, words(&[(1, "one"), (2, "two")])).await;
    assert_eq!((first.account.before, first.account.after), (0, 2));
    world.write(&table, WriteMode::Append, words(&[(3, "three")])).await;
    assert_eq!(world.rows(&table).await, ["1|one", "2|two", "3|three"]);
    let open = world.table(&table).await.unwrap();
    assert_eq!(open.versions().len(), 2);
    assert_eq!(open.metadata().properties().get("gc.enabled").unwrap(), "false");
    assert!(open.commit_id().is_some());
}

#[tokio::test]
async fn no_rows_make_no_version() {
    let world = World::new().await;
    let table = name("t");
    world.write(&table, WriteMode::Append, words(&[(1, "one")])).await;
    let staged = world.write(&table, WriteMode::Append, words(&[])).await;
    assert!(!staged.changed());
    let same = world.write(&table, upsert(&["id"]), words(&[(1, "one")])).await;
    assert!(!same.changed());
    assert_eq!(same.merge.unchanged, 1);
    assert_eq!(world.table(&table).await.unwrap().versions().len(), 1);
}

#[tokio::test]
async fn replacing_counts_the_old_rows_as_removed() {
    let world = World::new().await;
    let table = name("t");
    world.write(&table, WriteMode::Append, words(&[(1, "one"), (2, "two")])).await;
    let staged = world.write(&table, WriteMode::ReplaceAll, words(&[(3, "three")])).await;
    assert_eq!((staged.account.removed, staged.account.after), (2, 1));
    assert_eq!(world.rows(&table).await, ["3|three"]);
    let empty = world.write(&table, WriteMode::ReplaceAll, words(&[])).await;
    assert!(empty.changed());
    assert_eq!(world.rows(&table).await, Vec::<String>::new());
    let old = world.table(&table).await.unwrap();
    let versions = old.versions();
    let first = old.at_snapshot(versions[0].snapshot_id).unwrap();
    assert_eq!(world.rows_of(&first).await, ["1|one", "2|two"]);
    let by_time = old.at_time(versions[1].made_at).unwrap();
    assert_eq!(by_time.snapshot_id(), Some(versions[1].snapshot_id));
}

#[tokio::test]
async fn only_touched_partitions_are_replaced() {
    let world = World::new().await;
    let table = name("t");
    let mut options = world.options();
    options.partition = Some(vec![PartitionField::new("word", Transform::Identity)]);
    let mut stage = world.stage_with(&table, WriteMode::Append, options).await;
    stage.write(words(&[(1, "a"), (2, "b"), (3, "a"), (4, "c")])).await.unwrap();
    world.publish(&stage.finish().await.unwrap()).await;
    let staged =
        world.write(&table, WriteMode::ReplacePartitions, words(&[(9, "a"), (8, "d")])).await;
    assert_eq!((staged.account.removed, staged.account.inserted), (2, 2));
    assert_eq!(world.rows(&table).await, ["2|b", "4|c", "8|d", "9|a"]);
    let files = world.table(&table).await.unwrap().files(&world.lake).await.unwrap();
    assert_eq!(files.data().len(), 4);
}

#[tokio::test]
async fn the_last_row_of_a_key_wins_and_equal_rows_stay() {
    let world = World::new().await;
    let table = name("t");
    world.write(&table, WriteMode::Append, words(&[(1, "one"), (2, "two"), (3, "three")])).await;
    let rows = words(&[(2, "zwei"), (3, "three"), (4, "four"), (4, "vier"), (4, "quatre")]);
    let staged = world.write(&table, upsert(&["id"]), rows).await;
    let merge = staged.merge;
    assert_eq!((merge.inserted, merge.updated, merge.unchanged, merge.deduplicated), (1, 1, 1, 2));
    assert!(merge.load_account().holds());
    assert_eq!(world.rows(&table).await, ["1|one", "2|zwei", "3|three", "4|quatre"]);
}

#[tokio::test]
async fn replacing_keys_keeps_every_incoming_row_of_a_key() {
    let world = World::new().await;
    let table = name("t");
    world.write(&table, WriteMode::Append, words(&[(1, "one"), (2, "two"), (2, "deux")])).await;
    let mode = WriteMode::ReplaceKeys { keys: vec!["id".to_owned()] };
    let rows = words(&[(2, "zwei"), (2, "dos"), (2, "due"), (3, "drei"), (3, "tres")]);
    let staged = world.write(&table, mode, rows).await;
    assert_eq!((staged.merge.inserted, staged.merge.updated), (4, 1));
    assert!(staged.merge.load_account().holds() && staged.account.holds());
    let expected = ["1|one", "2|dos", "2|due", "2|zwei", "3|drei", "3|tres"];
    assert_eq!(world.rows(&table).await, expected);
}

#[tokio::test]
async fn a_merge_that_is_not_defined_is_refused() {
    let world = World::new().await;
    let table = name("t");
    world.write(&table, WriteMode::Append, words(&[(1, "one")])).await;
    let mode = WriteMode::Merge { keys: vec!["id".to_owned()] };
    world.write(&table, mode.clone(), words(&[(1, "eins"), (2, "zwei"), (2, "dos")])).await;
    assert_eq!(world.rows(&table).await, ["1|eins", "2|dos", "2|zwei"]);
    let mut stage = world.stage_with(&table, mode, world.options()).await;
    stage.write(words(&[(1, "un"), (1, "uno")])).await.unwrap();
    let refused = stage.finish().await.unwrap_err();
    assert!(refused.to_string().contains("2 rows for one key"), "{refused}");
}

#[tokio::test]
async fn position_deletes_take_rows_away_and_many_deletes_rewrite_the_file() {
    let world = World::new().await;
    let table = name("t");
    world.write(&table, WriteMode::Append, numbers(0..50_000)).await;
    let mut options = world.options();
    options.rewrite = RewritePolicy { small_file_bytes: 0, ..RewritePolicy::default() };
    for round in 0..3_i64 {
        let mut stage = world.stage_with(&table, delete(&["id"]), options.clone()).await;
        stage.write(numbers((0..500).map(|n| n * 100 + round))).await.unwrap();
        let staged = stage.finish().await.unwrap();
        assert_eq!((staged.merge.deleted, staged.account.deleted), (500, 500));
        let open = world.publish(&staged).await;
        let files = open.files(&world.lake).await.unwrap();
        assert_eq!((files.data().len(), files.position_deletes().len()), (1, 1));
        let positions = storage::deletes::deleted_positions(&world.lake, &files.data()[0]);
        assert_eq!(positions.await.unwrap().len(), 500 * (round as usize + 1));
        assert_eq!(world.rows(&table).await.len(), 50_000 - 500 * (round as usize + 1));
        options.commit = world.ledger.new_commit_id();
    }
    let staged = world.write(&table, delete(&["id"]), numbers(0..10_000)).await;
    assert_eq!(staged.account.deleted, 9_700);
    let open = world.table(&table).await.unwrap();
    let files = open.files(&world.lake).await.unwrap();
    assert_eq!((files.data().len(), files.position_deletes().len()), (1, 0));
    assert_eq!(open.row_count(), 50_000 - 1_500 - 9_700);
    assert_eq!(world.rows(&table).await.len(), 38_800);
}

#[tokio::test]
async fn null_keys_match_nothing_and_keys_may_have_several_columns() {
    let world = World::new().await;
    let table = name("t");
    let rows = |a: Vec<Option<i64>>, b: Vec<Option<&str>>, v: Vec<i64>| {
        batch(vec![
            ("a", Arc::new(Int64Array::from(a)) as ArrayRef),
            ("b", Arc::new(StringArray::from(b))),
            ("v", Arc::new(Int64Array::from(v))),
        ])
    };
    let first =
        rows(vec![Some(1), Some(1), None], vec![Some("x"), Some("y"), Some("x")], vec![1, 2, 3]);
    world.write(&table, WriteMode::Append, first).await;
    let next = rows(
        vec![Some(1), None, None, Some(2)],
        vec![Some("y"), Some("x"), Some("x"), None],
        vec![20, 30, 40, 50],
    );
    let staged = world.write(&table, upsert(&["a", "b"]), next).await;
    assert_eq!((staged.merge.updated, staged.merge.inserted), (1, 3));
    assert_eq!(
        world.rows(&table).await,
        ["1|x|1", "1|y|20", "2|NULL|50", "NULL|x|3", "NULL|x|30", "NULL|x|40"]
    );
}

#[tokio::test]
async fn upserts_and_deletes_of_one_step_keep_their_order() {
    let world = World::new().await;
    let table = name("t");
    world.write(&table, WriteMode::Append, words(&[(1, "one"), (2, "two")])).await;
    let mut stage = world.stage(&table, upsert(&["id"])).await;
    stage.write(words(&[(1, "eins"), (3, "drei")])).await.unwrap();
    stage.delete(numbers([1, 3, 2])).await.unwrap();
    stage.write(words(&[(2, "deux")])).await.unwrap();
    let staged = stage.finish().await.unwrap();
    let merge = staged.merge;
    assert_eq!((merge.updated, merge.deleted, merge.unchanged, merge.deduplicated), (1, 1, 1, 3));
    assert!(staged.merge.load_account().holds());
    world.publish(&staged).await;
    assert_eq!(world.rows(&table).await, ["2|deux"]);
}

#[tokio::test]
async fn columns_keep_their_rows_through_rename_drop_and_add() {
    let world = World::new().await;
    let table = name("t");
    world.write(&table, WriteMode::Append, words(&[(1, "one")])).await;
    let edits = [
        SchemaEdit::RenameColumn { from: "word".into(), to: "text".into() },
        SchemaEdit::AddColumn {
            name: "word".into(),
            kind: DataType::Int64,
            after: Some("id".into()),
            doc: Some("another word".into()),
        },
    ];
    let mut stage = world.stage(&table, WriteMode::Append).await;
    for edit in &edits {
        stage.evolve(edit).unwrap();
    }
    let staged = stage.finish().await.unwrap();
    assert!(staged.changed());
    assert_eq!(staged.schema_changes.len(), 2);
    world.publish(&staged).await;
    assert_eq!(world.rows(&table).await, ["1|NULL|one"]);
    let mut stage = world.stage(&table, WriteMode::Append).await;
    stage.evolve(&SchemaEdit::DropColumn { name: "text".into() }).unwrap();
    stage.write(numbers([2])).await.unwrap();
    world.publish(&stage.finish().await.unwrap()).await;
    let mut stage = world.stage(&table, WriteMode::Append).await;
    let text = Field::new("text", DataType::Utf8, true);
    let changes = stage.evolve_to(&Schema::new(vec![text])).unwrap();
    assert_eq!(changes.len(), 1);
    world.publish(&stage.finish().await.unwrap()).await;
    assert_eq!(world.rows(&table).await, ["1|NULL|NULL", "2|NULL|NULL"]);
    let old = world.table(&table).await.unwrap();
    let first = old.at_snapshot(old.versions()[0].snapshot_id).unwrap();
    assert_eq!(world.rows_of(&first).await, ["1|one"]);
}

#[tokio::test]
async fn numbers_widen_and_never_narrow() {
    let world = World::new().await;
    let table = name("t");
    let int = batch(vec![("n", Arc::new(Int32Array::from(vec![1, 2])))]);
    world.write(&table, WriteMode::Append, int).await;
    let long = batch(vec![("n", Arc::new(Int64Array::from(vec![1 << 40])))]);
    let mut stage = world.stage(&table, WriteMode::Append).await;
    let refused = stage.write(long.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Data);
    let mut stage = world.stage(&table, WriteMode::Append).await;
    assert_eq!(stage.evolve_to(&long.schema()).unwrap().len(), 1);
    stage.write(long).await.unwrap();
    world.publish(&stage.finish().await.unwrap()).await;
    assert_eq!(world.rows(&table).await, ["1", "1099511627776", "2"]);
    let staged = world
        .write(&table, delete(&["n"]), batch(vec![("n", Arc::new(Int64Array::from(vec![2])))]))
        .await;
    assert_eq!(staged.merge.deleted, 1);
    let mut stage = world.stage(&table, WriteMode::Append).await;
    let narrow = SchemaEdit::WidenColumn { name: "n".into(), kind: DataType::Int32 };
    assert!(stage.evolve(&narrow).unwrap_err().to_string().contains("cannot become"));
}

#[tokio::test]
async fn a_column_nobody_knows_is_refused_not_dropped() {
    let world = World::new().await;
    let table = name("t");
    world.write(&table, WriteMode::Append, numbers([1])).await;
    let mut stage = world.stage(&table, WriteMode::Append).await;
    let refused = stage.write(words(&[(2, "two")])).await.unwrap_err();
    assert_eq!(refused.to_string(), "table \"main.t\" has no column \"word\"; it has \"id\"");
}

#[tokio::test]
async fn a_table_built_anew_takes_the_new_columns() {
    let world = World::new().await;
    let table = name("t");
    world.write(&table, WriteMode::Append, words(&[(1, "one")])).await;
    let rows = batch(vec![
        ("word", Arc::new(Int64Array::from(vec![7]))),
        ("id", Arc::new(Int64Array::from(vec![1]))),
    ]);
    let mut stage = world.stage(&table, WriteMode::ReplaceAll).await;
    let changes = stage.replace_schema(&rows.schema()).unwrap();
    assert_eq!(changes.len(), 2, "{changes:?}");
    stage.write(rows).await.unwrap();
    world.publish(&stage.finish().await.unwrap()).await;
    assert_eq!(world.rows(&table).await, ["7|1"]);
}

pub(crate) fn every_type() -> RecordBatch {
    let point = Fields::from(vec![
        Field::new("x", DataType::Float64, true),
        Field::new("label", DataType::Utf8, true),
    ]);
    let points = StructArray::new(
        point,
        vec![
            Arc::new(Float64Array::from(vec![Some(1.5), Some(f64::NAN), None])) as ArrayRef,
            Arc::new(StringArray::from(vec![Some("a"), None, None])),
        ],
        Some(vec![true, true, false].into()),
    );
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![Some(1), None]),
        Some(vec![]),
        None,
    ]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    map.keys().append_value("k");
    map.values().append_value(1);
    map.append(true).unwrap();
    map.append(true).unwrap();
    map.append(false).unwrap();
    let decimals = Decimal128Array::from(vec![Some(12345), Some(-1), None]);
    let uuids = vec![Some([7_u8; 16]), None, Some([9_u8; 16])];
    let uuids =
        FixedSizeBinaryArray::try_from_sparse_iter_with_size(uuids.into_iter(), 16).unwrap();
    let moments = TimestampMicrosecondArray::from(vec![Some(1), None, Some(-1)]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("point", Arc::new(points)),
        ("list", Arc::new(lists)),
        ("map", Arc::new(map.finish())),
        ("price", Arc::new(decimals.with_precision_and_scale(18, 2).unwrap())),
        ("uuid", Arc::new(uuids)),
        ("day", Arc::new(Date32Array::from(vec![Some(0), Some(19_000), None]))),
        ("hour", Arc::new(Time64MicrosecondArray::from(vec![Some(0), Some(1), None]))),
        ("at", Arc::new(moments.clone())),
        ("at_zone", Arc::new(moments.with_timezone("Europe/Berlin"))),
        ("bytes", Arc::new(BinaryArray::from(vec![Some(b"ab".as_ref()), None, Some(b"")]))),
    ];
    let batch = batch(columns);
    let fields: Vec<_> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let field = field.as_ref().clone();
            if field.name() == "uuid" {
                field.with_metadata(storage::uuid_metadata())
            } else {
                field
            }
        })
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().to_vec()).unwrap()
}

#[tokio::test]
async fn every_type_survives_and_equal_rows_are_seen() {
    let world = World::new().await;
    let table = name("t");
    let rows = every_type();
    world.write(&table, WriteMode::Append, rows.clone()).await;
    let first = world.rows(&table).await;
    assert_eq!(first[0].split('|').count(), 12, "{first:?}");
    let again = world.write(&table, upsert(&["id"]), rows.clone()).await;
    assert_eq!(again.merge.unchanged, 3);
    for key in ["flag", "price", "uuid", "day", "hour", "at", "at_zone", "bytes"] {
        let staged = world.write(&table, upsert(&[key, "id"]), rows.clone()).await;
        let nulls = rows.column_by_name(key).unwrap().null_count() as u64;
        assert_eq!((staged.merge.unchanged, staged.merge.inserted), (3 - nulls, nulls), "{key}");
        let mut stage = world.stage(&table, WriteMode::ReplaceAll).await;
        stage.write(rows.clone()).await.unwrap();
        world.publish(&stage.finish().await.unwrap()).await;
    }
    assert_eq!(world.rows(&table).await, first);
    let refused = world.stage(&table, upsert(&["point"])).await.write(rows).await.unwrap_err();
    assert!(refused.to_string().contains("more than one value"), "{refused}");
}

#[tokio::test]
async fn nested_fields_are_added_and_renamed() {
    let world = World::new().await;
    let table = name("t");
    world.write(&table, WriteMode::Append, every_type()).await;
    let mut stage = world.stage(&table, WriteMode::Append).await;
    let rename = SchemaEdit::RenameColumn { from: "point.label".into(), to: "title".into() };
    stage.evolve(&rename).unwrap();
    let add = SchemaEdit::AddColumn {
        name: "point.label".into(),
        kind: DataType::Boolean,
        after: None,
        doc: None,
    };
    stage.evolve(&add).unwrap();
    let staged = stage.finish().await.unwrap();
    assert_eq!(staged.schema_changes[1].column, "point.label");
    world.publish(&staged).await;
    let rows = world.table(&table).await.unwrap();
    let points: Vec<_> = {
        use futures::TryStreamExt;
        rows.scan(&world.lake, Some(&["point"])).await.unwrap().try_collect().await.unwrap()
    };
    assert_eq!(
        crate::world::lines(&points),
        ["NULL", "{x: 1.5, title: a, label: NULL}", "{x: NaN, title: NULL, label: NULL}"]
    );
}

#[tokio::test]
async fn views_are_read_back_and_are_no_tables() {
    let world = World::new().await;
    let view = name("v");
    let definition = storage::ViewDefinition {
        sql: "select 1 as id".into(),
        dialect: "duckdb".into(),
        schema: storage::arrow_schema(&storage::table_schema(&numbers([]).schema()).unwrap())
            .unwrap(),
        default_namespace: "main".into(),
    };
    let options = world.options();
    let staged = world.lake.stage_view(&view, None, &definition, &options).await.unwrap();
    let commit = ledger::Commit::new(options.commit, environment());
    world.ledger.commit(&commit.swing(staged.swing).version(staged.version)).await.unwrap();
    let read = world.lake.open_view(&world.ledger, &environment(), &view).await.unwrap();
    assert_eq!(read, Some(definition));
    assert!(world.table(&view).await.is_none());
}
