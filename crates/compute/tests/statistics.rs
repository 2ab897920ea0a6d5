use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use iceberg::spec::{
    Literal, NestedField, PrimitiveType, Schema, Transform, Type, UnboundPartitionSpec,
};

use crate::by_hand::{ByHand, ask, explain, files_read, longs, session, texts};

fn column(id: i32, name: &str, kind: PrimitiveType) -> Arc<NestedField> {
    NestedField::optional(id, name, Type::Primitive(kind)).into()
}

fn schema(fields: Vec<Arc<NestedField>>) -> Schema {
    Schema::builder().with_fields(fields).build().unwrap()
}

fn floats(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

#[tokio::test]
async fn not_a_number_is_neither_pruned_nor_taken_for_a_constant() {
    let lake = ByHand::new();
    let mut table = lake
        .table(
            "t",
            schema(vec![
                column(1, "id", PrimitiveType::Long),
                column(2, "f", PrimitiveType::Double),
            ]),
        )
        .await;
    table.append(vec![longs(0..3), floats(&[1.0, f64::NAN, 1.0])], 10).await;
    table.append(vec![longs(3..5), floats(&[-0.5, 2.0])], 10).await;
    let session = session(lake.with(&[&table]));
    assert_eq!(ask(&session, "select id from t where f = 1 order by id").await, "0\n2");
    assert_eq!(ask(&session, "select count(*) from t where isnan(f)").await, "1");
    assert_eq!(ask(&session, "select id from t where f > 1.5 order by id").await, "1\n4");
    assert_eq!(ask(&session, "select max(f), min(f) from t").await, "NaN|-0.5");
    assert_eq!(ask(&session, "select f from t where id = 1").await, "NaN");
}

#[tokio::test]
async fn counts_and_whole_number_extremes_come_from_manifests() {
    let lake = ByHand::new();
    let mut table = lake
        .table(
            "t",
            schema(vec![
                column(1, "id", PrimitiveType::Long),
                column(2, "name", PrimitiveType::String),
            ]),
        )
        .await;
    let long_name = "z".repeat(200);
    table.append(vec![longs([5, 9]), texts(["a", &long_name])], 10).await;
    table.append(vec![longs([1]), texts(["b"])], 10).await;
    let session = session(lake.with(&[&table]));
    let plan = explain(&session, "select count(*), min(id), max(id), count(name) from t").await;
    assert_eq!(files_read(&plan), 0, "{plan}");
    let answer = ask(&session, "select count(*), min(id), max(id), count(name) from t").await;
    assert_eq!(answer, "3|1|9|3");
    // A writer may cut the bounds of text short, so they are no answer.
    assert_eq!(ask(&session, "select max(name) from t").await, long_name);
}

#[tokio::test]
async fn files_outside_a_filter_are_left_out_by_bounds_and_by_partition() {
    let lake = ByHand::new();
    let fields = schema(vec![
        column(1, "id", PrimitiveType::Long),
        column(2, "country", PrimitiveType::String),
    ]);
    let spec = UnboundPartitionSpec::builder()
        .add_partition_field(2, "country".to_owned(), Transform::Identity)
        .unwrap()
        .build();
    let mut table = lake.partitioned("t", fields, Some(spec)).await;
    for (part, country) in ["be", "de", "fr"].into_iter().enumerate() {
        let start = part as i64 * 10;
        let columns = vec![longs(start..start + 10), texts([country; 10])];
        table.append_part(columns, Literal::string(country)).await;
    }
    let session = session(lake.with(&[&table]));
    for (filter, files) in [
        ("country = 'de'", 1),
        ("country in ('be', 'fr')", 2),
        ("id >= 25", 1),
        ("id between 8 and 12", 2),
        ("country = 'de' or id = 0", 2),
        ("country is null", 0),
        ("country like 'f%'", 1),
        ("id + 1 > 0", 3),
    ] {
        let plan = explain(&session, &format!("select * from t where {filter}")).await;
        assert_eq!(files_read(&plan), files, "{filter}: {plan}");
    }
    assert_eq!(ask(&session, "select count(*) from t where country = 'de'").await, "10");
}
