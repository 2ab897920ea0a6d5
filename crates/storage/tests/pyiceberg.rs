//! Leaves a warehouse with one table for each kind of change, and has PyIceberg read it through
//! the ledger file.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::DataType;
use base::TableName;
use serde_json::{Value, json};
use storage::{PartitionField, RewritePolicy, SchemaEdit, Transform, WriteMode};

use crate::changes::every_type;
use crate::world::{World, batch, delete, environment, name, numbers, upsert, words};

const READS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pyiceberg_reads.py");
const WRITES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pyiceberg_writes.py");

#[tokio::test]
async fn pyiceberg_reads_the_same_rows_after_each_kind_of_change() {
    let world = World::new().await;
    let mut tables = serde_json::Map::new();
    write_simple(&world, &mut tables).await;
    write_keyed(&world, &mut tables).await;
    write_evolved(&world, &mut tables).await;
    write_partitioned(&world, &mut tables).await;
    write_view(&world).await;
    let expectations = json!({"environment": "prod", "tables": tables});
    let path = world.folder().join("expectations.json");
    write_file(&path, &expectations.to_string());
    let ledger = world.folder().join("ledger.db");
    run(READS, &[&ledger, &path]);
}

/// What another engine wrote is read right, counted right, and changed further.
#[tokio::test]
async fn what_pyiceberg_wrote_is_read_and_changed_further() {
    let mut world = World::new().await;
    let (appended, deleted, partitioned) = (name("appended"), name("deleted"), name("partitioned"));
    world.write(&appended, WriteMode::Append, words(&[(1, "one")])).await;
    let rows: Vec<(i64, &str)> = (0..40).map(|id| (id, "word")).collect();
    world.write(&deleted, WriteMode::Append, words(&rows)).await;
    let mut options = world.options();
    options.rewrite = RewritePolicy { small_file_bytes: 0, deleted_percent: 90 };
    let mut stage = world.stage_with(&deleted, delete(&["id"]), options).await;
    stage.write(numbers([0, 1])).await.unwrap();
    world.publish(&stage.finish().await.unwrap()).await;
    let mut options = world.options();
    options.partition = Some(vec![PartitionField::new("word", Transform::Identity)]);
    let mut stage = world.stage_with(&partitioned, WriteMode::Append, options).await;
    stage.write(words(&[(1, "one"), (51, "old")])).await.unwrap();
    world.publish(&stage.finish().await.unwrap()).await;
    run(WRITES, &[&world.folder().join("ledger.db")]);
    world.reopen().await;
    assert_eq!(world.rows(&appended).await, ["1|one", "50|fifty", "51|fifty-one"]);
    assert_eq!(world.table(&appended).await.unwrap().commit_id(), None, "a foreign version");
    assert_eq!(world.rows(&deleted).await.len(), 40 - 2 - 1 + 1);
    for table in [&appended, &deleted, &partitioned] {
        let before = world.table(table).await.unwrap().row_count();
        let rows = words(&[(51, "changed"), (60, "new")]);
        let staged = world.write(table, upsert(&["id"]), rows).await;
        assert_eq!((staged.merge.updated, staged.merge.inserted), (1, 1), "{table}");
        // Two rows of the partitioned table had the key; one row has it now.
        let doubled = u64::from(table == &partitioned);
        assert_eq!(staged.account.after, before + 1 - doubled);
    }
    assert_eq!(world.rows(&partitioned).await, ["1|one", "50|fifty", "51|changed", "60|new"]);
}

fn run(script: &str, arguments: &[&Path]) {
    let Ok(python) = std::env::var("FIVEPLY_PYTHON") else {
        panic!(
            "FIVEPLY_PYTHON is not set; make a Python environment with \
             `pip install 'pyiceberg[sql-sqlite,pyarrow]'` and name its interpreter"
        );
    };
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
}

fn write_file(path: &Path, content: &str) {
    use base::Files;
    base::system::SystemFiles.write_new(path, content.as_bytes()).unwrap();
}

type Tables = serde_json::Map<String, Value>;

async fn expect(world: &World, tables: &mut Tables, name: &TableName, filters: Value) {
    let table = world.table(name).await.unwrap();
    let files = table.files(&world.lake).await.unwrap();
    let mut versions = Vec::new();
    // The youngest versions, and the first.
    let history = table.versions();
    let told = history.iter().rev().take(4).chain(history.first());
    for version in told {
        let old = table.at_snapshot(version.snapshot_id).unwrap();
        let rows = world.rows_of(&old).await;
        versions.push(json!({"snapshot_id": version.snapshot_id, "rows": rows}));
    }
    let schema = serde_json::to_value(table.schema().as_ref()).unwrap();
    let spec = table.partition_spec().fields().iter();
    let partitioning: Vec<_> =
        spec.map(|field| json!([field.name, field.transform.to_string()])).collect();
    let records: u64 = files.data().iter().map(|file| file.record_count()).sum();
    tables.insert(
        name.to_string(),
        json!({
            "rows": world.rows_of(&table).await,
            "schema": schema["fields"],
            "partitioning": partitioning,
            "data_files": files.data().len(),
            "delete_files": files.position_deletes().len(),
            "records": records,
            "commit_id": table.commit_id(),
            "versions": versions,
            "filters": filters,
        }),
    );
}

async fn write_simple(world: &World, tables: &mut Tables) {
    let table = name("appended");
    for (id, word) in [(1, "one"), (2, "two"), (3, "three")] {
        world.write(&table, WriteMode::Append, words(&[(id, word)])).await;
    }
    let filters = json!([{"filter": "id = 2", "rows": ["2|two"], "files": 1},
        {"filter": "word > 'zzz'", "rows": [], "files": 0}]);
    expect(world, tables, &table, filters).await;
    let table = name("replaced");
    world.write(&table, WriteMode::Append, words(&[(1, "one"), (2, "two")])).await;
    world.write(&table, WriteMode::ReplaceAll, words(&[(3, "three")])).await;
    expect(world, tables, &table, json!([])).await;
    let table = name("emptied");
    world.write(&table, WriteMode::Append, words(&[(1, "one")])).await;
    world.write(&table, WriteMode::ReplaceAll, words(&[])).await;
    expect(world, tables, &table, json!([])).await;
    let table = name("every_type");
    world.write(&table, WriteMode::Append, every_type()).await;
    expect(world, tables, &table, json!([])).await;
    let table = name("many_commits");
    for id in 0..40 {
        world.write(&table, WriteMode::Append, numbers([id])).await;
    }
    let open = world.table(&table).await.unwrap();
    assert_eq!(open.files(&world.lake).await.unwrap().data().len(), 40);
    let filters = json!([{"filter": "id = 7", "rows": ["7"], "files": 1}]);
    expect(world, tables, &table, filters).await;
}

async fn write_keyed(world: &World, tables: &mut Tables) {
    let table = name("upserted_small");
    world.write(&table, WriteMode::Append, words(&[(1, "one"), (2, "two")])).await;
    world.write(&table, upsert(&["id"]), words(&[(2, "zwei"), (3, "drei")])).await;
    expect(world, tables, &table, json!([])).await;
    let table = name("upserted");
    let rows: Vec<(i64, String)> = (0..2_000).map(|id| (id, format!("word {id}"))).collect();
    let rows: Vec<(i64, &str)> = rows.iter().map(|(id, word)| (*id, word.as_str())).collect();
    world.write(&table, WriteMode::Append, words(&rows)).await;
    for round in 0..2_i64 {
        let mut options = world.options();
        options.rewrite = RewritePolicy { small_file_bytes: 0, ..RewritePolicy::default() };
        let mut stage = world.stage_with(&table, upsert(&["id"]), options).await;
        stage
            .write(words(&[(7, "seven"), (1_000 + round, "round"), (9_000, "new")]))
            .await
            .unwrap();
        stage.delete(numbers([3 + round])).await.unwrap();
        world.publish(&stage.finish().await.unwrap()).await;
    }
    let open = world.table(&table).await.unwrap();
    assert_eq!(open.files(&world.lake).await.unwrap().position_deletes().len(), 1);
    expect(world, tables, &table, json!([])).await;
    let table = name("deleted");
    world.write(&table, WriteMode::Append, numbers(0..100)).await;
    world.write(&table, delete(&["id"]), numbers(10..95)).await;
    expect(world, tables, &table, json!([])).await;
}

async fn write_evolved(world: &World, tables: &mut Tables) {
    let table = name("evolved");
    let rows = batch(vec![
        ("id", Arc::new(arrow::array::Int32Array::from(vec![1, 2])) as ArrayRef),
        ("word", Arc::new(StringArray::from(vec!["one", "two"]))),
        ("gone", Arc::new(StringArray::from(vec!["a", "b"]))),
    ]);
    world.write(&table, WriteMode::Append, rows).await;
    let add = |name: &str, kind: DataType| SchemaEdit::AddColumn {
        name: name.into(),
        kind,
        after: Some("id".into()),
        doc: Some("added later".into()),
    };
    let edits = [
        SchemaEdit::RenameColumn { from: "word".into(), to: "text".into() },
        SchemaEdit::WidenColumn { name: "id".into(), kind: DataType::Int64 },
        SchemaEdit::DropColumn { name: "gone".into() },
        add("gone", DataType::Int64),
    ];
    for edit in edits {
        let mut stage = world.stage(&table, WriteMode::Append).await;
        stage.evolve(&edit).unwrap();
        world.publish(&stage.finish().await.unwrap()).await;
    }
    let rows = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1 << 40])) as ArrayRef),
        ("text", Arc::new(StringArray::from(vec!["three"]))),
        ("gone", Arc::new(Int64Array::from(vec![3]))),
    ]);
    world.write(&table, WriteMode::Append, rows).await;
    // PyIceberg does not know that a file older than a column holds none of its values.
    let filters = json!([{"filter": "gone = 3", "rows": ["1099511627776|3|three"], "files": 2}]);
    expect(world, tables, &table, filters).await;
    let table = name("evolved_nested");
    world.write(&table, WriteMode::Append, every_type()).await;
    let mut stage = world.stage(&table, WriteMode::Append).await;
    let rename = SchemaEdit::RenameColumn { from: "point.label".into(), to: "title".into() };
    stage.evolve(&rename).unwrap();
    stage.evolve(&add_nested()).unwrap();
    world.publish(&stage.finish().await.unwrap()).await;
    expect(world, tables, &table, json!([])).await;
}

fn add_nested() -> SchemaEdit {
    let name = "point.label".into();
    SchemaEdit::AddColumn { name, kind: DataType::Boolean, after: None, doc: None }
}

async fn write_partitioned(world: &World, tables: &mut Tables) {
    let hours = 24 * 3_600 * 1_000_000_i64;
    for (suffix, column, transform) in [
        ("identity", "word", Transform::Identity),
        ("bucket", "id", Transform::Bucket(4)),
        ("bucket_text", "word", Transform::Bucket(4)),
        ("truncate", "word", Transform::Truncate(1)),
        ("truncate_number", "id", Transform::Truncate(10)),
        ("year", "at", Transform::Year),
        ("month", "at", Transform::Month),
        ("day", "at", Transform::Day),
        ("day_of_date", "day", Transform::Day),
        ("hour", "at", Transform::Hour),
        ("void", "at", Transform::Void),
    ] {
        let table = name(&format!("by_{suffix}"));
        let at = [0, hours, hours + 1, -1].map(|at| at + 19_700 * hours);
        let rows = batch(vec![
            ("id", Arc::new(Int64Array::from(vec![Some(1), Some(12), Some(-5), None])) as ArrayRef),
            ("word", Arc::new(StringArray::from(vec![Some("ab"), Some("ac"), None, Some("é")]))),
            ("at", Arc::new(TimestampMicrosecondArray::from(at.to_vec()))),
            ("day", Arc::new(Date32Array::from(vec![Some(0), Some(-1), Some(19_000), None]))),
        ]);
        let mut options = world.options();
        options.partition = Some(vec![PartitionField::new(column, transform)]);
        let mut stage = world.stage_with(&table, WriteMode::Append, options).await;
        stage.write(rows.clone()).await.unwrap();
        let open = world.publish(&stage.finish().await.unwrap()).await;
        let replaced = world.write(&table, WriteMode::ReplacePartitions, rows).await;
        assert_eq!((replaced.account.removed, replaced.account.after), (4, 4), "{suffix}");
        let all = world.rows_of(&open).await;
        let of = |start: &str| -> Vec<String> {
            all.iter().filter(|row| row.starts_with(start)).cloned().collect()
        };
        let filters = json!([
            {"filter": "id = 12", "rows": of("12|"), "files": 1},
            {"filter": "word = 'ab'", "rows": of("1|"), "files": 1},
            {"filter": "at = '2023-12-09T00:00:00'", "rows": of("1|"), "files": 1},
        ]);
        let filters = if transform == Transform::Void { json!([]) } else { filters };
        expect(world, tables, &table, filters).await;
    }
}

async fn write_view(world: &World) {
    let definition = storage::ViewDefinition {
        sql: "select id from main.appended".into(),
        dialect: "duckdb".into(),
        schema: numbers([]).schema(),
        default_namespace: "main".into(),
    };
    let options = world.options();
    let view = name("a_view");
    let staged = world.lake.stage_view(&view, None, &definition, &options).await.unwrap();
    let commit = ledger::Commit::new(options.commit, environment());
    world.ledger.commit(&commit.swing(staged.swing).version(staged.version)).await.unwrap();
}
