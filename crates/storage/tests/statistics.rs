//! What manifests say about files: bounds, counts and partitions.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use iceberg::spec::{Datum, Literal, PrimitiveLiteral};
use iceberg::transform::create_transform_function;
use storage::{DataFileEntry, PartitionField, Transform, WriteMode};

use crate::world::{World, batch, delete, name};

fn id_of(file: &DataFileEntry, column: &str) -> i32 {
    file.manifest_schema().field_id_by_name(column).unwrap()
}

#[tokio::test]
async fn bounds_and_counts_are_those_of_the_rows() {
    let world = World::new().await;
    let table = name("t");
    let long = "x".repeat(100);
    let decimals = Decimal128Array::from(vec![Some(-5), Some(700), None]);
    let wide = Decimal128Array::from(vec![Some(-(10_i128.pow(30))), Some(1), None]);
    let rows = batch(vec![
        ("n", Arc::new(Int32Array::from(vec![Some(3), None, Some(-7)])) as ArrayRef),
        ("f", Arc::new(Float64Array::from(vec![Some(1.5), Some(f64::NAN), Some(-0.5)]))),
        ("s", Arc::new(StringArray::from(vec![Some("a"), Some(long.as_str()), None]))),
        ("d", Arc::new(decimals.with_precision_and_scale(9, 2).unwrap())),
        ("w", Arc::new(wide.with_precision_and_scale(38, 0).unwrap())),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(5), Some(-5), None]))),
        ("nothing", Arc::new(Int64Array::from(vec![None, None, None]))),
    ]);
    world.write(&table, WriteMode::Append, rows).await;
    let files = world.table(&table).await.unwrap().files(&world.lake).await.unwrap();
    let file = &files.data()[0];
    let low = |column: &str| file.lower_bounds().get(&id_of(file, column)).cloned();
    let high = |column: &str| file.upper_bounds().get(&id_of(file, column)).cloned();
    assert_eq!((low("n"), high("n")), (Some(Datum::int(-7)), Some(Datum::int(3))));
    assert_eq!((low("f"), high("f")), (Some(Datum::double(-0.5)), Some(Datum::double(1.5))));
    let wide = |bound: Option<Datum>| bound.unwrap().literal().clone();
    assert_eq!(wide(low("d")), PrimitiveLiteral::Int128(-5));
    assert_eq!(wide(high("d")), PrimitiveLiteral::Int128(700));
    assert_eq!(wide(low("w")), PrimitiveLiteral::Int128(-(10_i128.pow(30))));
    let moment = Datum::timestamp_micros;
    assert_eq!((low("at"), high("at")), (Some(moment(-5)), Some(moment(5))));
    assert_eq!((low("nothing"), high("nothing")), (None, None));
    assert_eq!(low("s"), Some(Datum::string("a")));
    // A long text is cut and rounded up, so that the bound still lies above it.
    let Some(PrimitiveLiteral::String(top)) = high("s").map(|top| top.literal().clone()) else {
        panic!("no upper bound of text");
    };
    assert!(top > long && top.len() <= 64, "{top}");
    let count = |counts: &std::collections::HashMap<i32, u64>, column: &str| {
        counts.get(&id_of(file, column)).copied()
    };
    assert_eq!(count(file.null_counts(), "n"), Some(1));
    assert_eq!(count(file.null_counts(), "nothing"), Some(3));
    assert_eq!(count(file.nan_counts(), "f"), Some(1));
    assert_eq!(count(file.value_counts(), "s"), Some(3));
    assert!(count(file.column_sizes(), "s").unwrap() > 0);
    assert_eq!(file.split_offsets(), Some([4].as_slice()));
}

#[tokio::test]
async fn keys_beyond_every_bound_open_no_file() {
    let world = World::new().await;
    let table = name("t");
    for start in [0, 1_000, 2_000] {
        world.write(&table, WriteMode::Append, crate::world::numbers(start..start + 100)).await;
    }
    let open = world.table(&table).await.unwrap();
    let files = open.files(&world.lake).await.unwrap();
    // A file that is opened although it cannot hold the key would be missed.
    for file in &files.data()[1..] {
        let path = file.path().strip_prefix("file://").unwrap();
        use base::Files;
        base::system::SystemFiles.remove(std::path::Path::new(path)).unwrap();
    }
    let first = files.data()[0].lower_bounds().values().next().cloned();
    let PrimitiveLiteral::Long(first) = first.unwrap().literal().clone() else { panic!("no long") };
    let mut stage = world.stage(&table, delete(&["id"])).await;
    stage.write(crate::world::numbers([first + 5, 500, 9_999])).await.unwrap();
    let staged = stage.finish().await.unwrap();
    assert_eq!((staged.merge.deleted, staged.merge.unchanged), (1, 2));
}

/// One row per file after partitioning by a row number too, so that each value is seen.
fn samples() -> RecordBatch {
    let at = [0, 1, -1, 1_700_000_000_000_000, -62_135_596_800_000_000];
    let decimals = Decimal128Array::from(vec![0, 1065, -1065, 99_999, -1]);
    batch(vec![
        ("row", Arc::new(Int64Array::from_iter_values(0..5)) as ArrayRef),
        ("i", Arc::new(Int32Array::from(vec![0, 1, -1, i32::MAX, -2_147_483_600]))),
        ("l", Arc::new(Int64Array::from(vec![0, 34, -34, i64::MAX, -12]))),
        ("s", Arc::new(StringArray::from(vec!["", "iceberg", "é", "日本語", "a b"]))),
        ("d", Arc::new(decimals.with_precision_and_scale(9, 2).unwrap())),
        ("day", Arc::new(Date32Array::from(vec![0, 1, -1, 17_486, -719_162]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(at.to_vec()))),
    ])
}

fn datum(rows: &RecordBatch, column: &str, row: usize) -> Datum {
    use arrow::array::AsArray;
    use arrow::datatypes as kinds;
    let array = rows.column_by_name(column).unwrap();
    match column {
        "i" => Datum::int(array.as_primitive::<kinds::Int32Type>().value(row)),
        "l" => Datum::long(array.as_primitive::<kinds::Int64Type>().value(row)),
        "s" => Datum::string(array.as_string::<i32>().value(row)),
        "day" => Datum::date(array.as_primitive::<kinds::Date32Type>().value(row)),
        "at" => {
            let value = array.as_primitive::<kinds::TimestampMicrosecondType>().value(row);
            Datum::timestamp_micros(value)
        }
        "d" => {
            let value = array.as_primitive::<kinds::Decimal128Type>().value(row);
            let kind = iceberg::spec::PrimitiveType::Decimal { precision: 9, scale: 2 };
            Datum::try_from_bytes(&value.to_be_bytes(), kind).unwrap()
        }
        other => panic!("no sample column {other}"),
    }
}

#[tokio::test]
async fn partitions_are_those_of_icebergs_own_transforms() {
    let world = World::new().await;
    let cases = [
        ("i", vec![Transform::Identity, Transform::Bucket(16), Transform::Truncate(10)]),
        ("l", vec![Transform::Identity, Transform::Bucket(7), Transform::Truncate(10)]),
        ("s", vec![Transform::Identity, Transform::Bucket(16), Transform::Truncate(2)]),
        ("d", vec![Transform::Identity, Transform::Bucket(16), Transform::Truncate(50)]),
        ("day", vec![Transform::Bucket(5), Transform::Year, Transform::Month, Transform::Day]),
        ("at", vec![Transform::Year, Transform::Month, Transform::Day, Transform::Hour]),
        ("at", vec![Transform::Bucket(5), Transform::Void]),
    ];
    let rows = samples();
    for (column, transforms) in cases {
        for transform in transforms {
            let table =
                name(&format!("{column}_{}", transform.to_string().replace(['[', ']'], "_")));
            let mut options = world.options();
            options.partition = Some(vec![
                PartitionField::new("row", Transform::Identity),
                PartitionField::new(column, transform),
            ]);
            let mut stage = world.stage_with(&table, WriteMode::Append, options).await;
            stage.write(rows.clone()).await.unwrap();
            let staged = stage.finish().await.unwrap();
            let files = staged.table.files(&world.lake).await.unwrap();
            assert_eq!(files.data().len(), rows.num_rows());
            for file in files.data() {
                let mut values = file.partition().iter();
                let Some(Some(Literal::Primitive(PrimitiveLiteral::Long(row)))) = values.next()
                else {
                    panic!("no row number in {:?}", file.partition());
                };
                let row = usize::try_from(*row).unwrap();
                let function = create_transform_function(&transform).unwrap();
                let expected = function.transform_literal(&datum(&rows, column, row)).unwrap();
                let found = values.next().flatten().and_then(Literal::as_primitive_literal);
                let expected = expected.map(|datum| datum.literal().clone());
                assert_eq!(found, expected, "{transform} of {column}, row {row}");
            }
        }
    }
}

#[test]
fn partitionings_are_read_as_people_write_them() {
    let read = |text: &str| PartitionField::parse(text).unwrap();
    assert_eq!(read("country"), PartitionField::new("country", Transform::Identity));
    assert_eq!(read("day(created_at)"), PartitionField::new("created_at", Transform::Day));
    assert_eq!(read("bucket(16, id)"), PartitionField::new("id", Transform::Bucket(16)));
    assert_eq!(read(" truncate( 4 , zip ) "), PartitionField::new("zip", Transform::Truncate(4)));
    for wrong in ["bucket(0, id)", "bucket(id)", "week(at)", "day(at"] {
        assert!(PartitionField::parse(wrong).is_err(), "{wrong}");
    }
}
