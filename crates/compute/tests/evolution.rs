use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Decimal128Array, Int32Array, ListArray, StringArray, StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{ListType, NestedField, PrimitiveType, Schema, StructType, Type};

use crate::by_hand::{ByHand, ask, engine, explain, files_read, longs, options, small, texts};
use compute::EngineOptions;

fn column(id: i32, name: &str, kind: PrimitiveType) -> Arc<NestedField> {
    NestedField::optional(id, name, Type::Primitive(kind)).into()
}

fn schema(fields: Vec<Arc<NestedField>>) -> Schema {
    Schema::builder().with_fields(fields).build().unwrap()
}

#[tokio::test]
async fn old_files_read_right_after_rename_drop_add_and_widening() {
    use PrimitiveType::{Decimal, Int, Long, String as Text};
    let lake = ByHand::new();
    let small_decimal = Decimal { precision: 18, scale: 2 };
    let wide_decimal = Decimal { precision: 20, scale: 2 };
    let mut table = lake
        .table(
            "t",
            schema(vec![
                column(1, "id", Int),
                column(2, "hi", Text),
                column(3, "lo", Text),
                column(4, "d", small_decimal),
            ]),
        )
        .await;
    let decimals = |values: &[i128], precision| -> ArrayRef {
        let array = Decimal128Array::from(values.to_vec());
        Arc::new(array.with_precision_and_scale(precision, 2).unwrap())
    };
    let ids: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    table
        .append(vec![ids, texts(["a", "b"]), texts(["x", "y"]), decimals(&[100, 250], 18)], 10)
        .await;
    table
        .evolve(schema(vec![
            column(1, "id", Long),
            column(2, "customer", Text),
            column(4, "d", wide_decimal),
            column(5, "lo", Long),
            column(6, "note", Text),
        ]))
        .await;
    table
        .append(
            vec![
                longs([3]),
                texts(["c"]),
                decimals(&[12_345_678_901_234_567_890], 20),
                longs([7]),
                texts(["new"]),
            ],
            10,
        )
        .await;
    for filter_while_decoding in [true, false] {
        let engine = engine(EngineOptions { filter_while_decoding, ..small() });
        let session = engine.session(lake.with(&[&table]), options());
        assert_eq!(
            ask(&session, "select id, customer, d, lo, note from t order by id").await,
            "1|a|1.00|∅|∅\n2|b|2.50|∅|∅\n3|c|123456789012345678.90|7|new"
        );
        assert_eq!(ask(&session, "select id from t where customer = 'b'").await, "2");
        assert_eq!(ask(&session, "select id from t where lo is null order by id").await, "1\n2");
        assert_eq!(ask(&session, "select count(lo), sum(lo), max(id) from t").await, "1|7|3");
        assert_eq!(ask(&session, "select id from t where d > 2").await.lines().count(), 2);
        assert_eq!(ask(&session, "select id from t where id < 2").await, "1");
        assert_eq!(ask(&session, "select id from t where note = 'new'").await, "3");
        let plan = explain(&session, "select id from t where note = 'new'").await;
        assert_eq!(files_read(&plan), 1, "files before the column hold only missing notes: {plan}");
    }
}

/// Ids as a new table gets them: level by level.
fn people(inner: [&str; 2]) -> Schema {
    let fields = StructType::new(vec![
        column(4, inner[0], PrimitiveType::String),
        column(5, inner[1], PrimitiveType::Int),
    ]);
    let item = NestedField::list_element(
        6,
        Type::Struct(StructType::new(vec![column(7, inner[1], PrimitiveType::Int)])),
        false,
    );
    schema(vec![
        column(1, "id", PrimitiveType::Long),
        NestedField::optional(2, "person", Type::Struct(fields)).into(),
        NestedField::optional(3, "marks", Type::List(ListType::new(item.into()))).into(),
    ])
}

fn nested(table_schema: &Schema, name: &str, number: i32) -> Vec<ArrayRef> {
    let arrow = schema_to_arrow_schema(table_schema).unwrap();
    let DataType::Struct(person) = arrow.field(1).data_type().clone() else { unreachable!() };
    let DataType::List(item) = arrow.field(2).data_type().clone() else { unreachable!() };
    let DataType::Struct(mark) = item.data_type().clone() else { unreachable!() };
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![number]));
    let names: ArrayRef = Arc::new(StringArray::from(vec![name]));
    let person = StructArray::new(person, vec![names, Arc::clone(&numbers)], None);
    let marks = StructArray::new(mark, vec![numbers], None);
    let marks = ListArray::new(item, OffsetBuffer::from_lengths([1]), Arc::new(marks), None);
    assert_eq!(marks.len(), 1);
    vec![longs([i64::from(number)]), Arc::new(person), Arc::new(marks)]
}

#[tokio::test]
async fn fields_inside_structs_and_lists_follow_their_ids_too() {
    let lake = ByHand::new();
    let before = people(["name", "age"]);
    let after = people(["full_name", "years"]);
    let mut table = lake.table("t", before.clone()).await;
    table.append(nested(&before, "ana", 1), 10).await;
    table.evolve(after.clone()).await;
    table.append(nested(&after, "bo", 2), 10).await;
    let session = engine(small()).session(lake.with(&[&table]), options());
    let sql =
        "select id, person['full_name'], person['years'], marks[1]['years'] from t order by 1";
    assert_eq!(ask(&session, sql).await, "1|ana|1|1\n2|bo|2|2");
    let whole = session.rows("select person from t where person['years'] = 1").await.unwrap();
    let kept = whole.iter().find(|batch| batch.num_rows() > 0).unwrap();
    assert!(format!("{:?}", kept.schema().field(0).data_type()).contains("full_name"));
}
