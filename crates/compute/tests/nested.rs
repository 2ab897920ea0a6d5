//! Nested columns of tables: filters on their parts keep the right rows, whatever the scan says.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Array, Int32Builder, MapBuilder, MapFieldNames, StringArray, StringBuilder,
    StructArray,
};
use arrow::datatypes::DataType;
use compute::EngineOptions;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::{MapType, NestedField, PrimitiveType, Schema, StructType, Type};

use crate::by_hand::{ByHand, ask, engine, longs, options, small};

const ROWS: i32 = 1_000;

fn schema() -> Schema {
    let primitive = |id, name: &str, kind| NestedField::optional(id, name, Type::Primitive(kind));
    let person = StructType::new(vec![
        primitive(4, "name", PrimitiveType::String).into(),
        primitive(5, "age", PrimitiveType::Int).into(),
    ]);
    let key = NestedField::map_key_element(6, Type::Primitive(PrimitiveType::String));
    let value = NestedField::map_value_element(7, Type::Primitive(PrimitiveType::Int), false);
    let traits = MapType::new(key.into(), value.into());
    Schema::builder()
        .with_fields(vec![
            primitive(1, "id", PrimitiveType::Long).into(),
            NestedField::optional(2, "person", Type::Struct(person)).into(),
            NestedField::optional(3, "traits", Type::Map(traits)).into(),
        ])
        .build()
        .unwrap()
}

fn columns(schema: &Schema) -> Vec<ArrayRef> {
    let arrow = schema_to_arrow_schema(schema).unwrap();
    let DataType::Struct(fields) = arrow.field(1).data_type().clone() else { unreachable!() };
    let DataType::Map(entries, _) = arrow.field(2).data_type().clone() else { unreachable!() };
    let DataType::Struct(parts) = entries.data_type().clone() else { unreachable!() };
    let names: ArrayRef =
        Arc::new((0..ROWS).map(|n| Some(format!("p{n}"))).collect::<StringArray>());
    let ages: ArrayRef = Arc::new((0..ROWS).map(|n| n % 10).collect::<Int32Array>());
    let person = StructArray::new(fields, vec![names, ages], None);
    let field_names = MapFieldNames {
        entry: entries.name().clone(),
        key: parts[0].name().clone(),
        value: parts[1].name().clone(),
    };
    let mut traits = MapBuilder::new(Some(field_names), StringBuilder::new(), Int32Builder::new())
        .with_keys_field(Arc::clone(&parts[0]))
        .with_values_field(Arc::clone(&parts[1]));
    for n in 0..ROWS {
        traits.keys().append_value("size");
        traits.values().append_value(n % 4);
        traits.append(true).unwrap();
    }
    vec![longs(0..i64::from(ROWS)), Arc::new(person), Arc::new(traits.finish())]
}

#[tokio::test]
async fn filters_on_parts_of_nested_columns_are_carried_out() {
    let lake = ByHand::new();
    let schema = schema();
    let mut table = lake.table("people", schema.clone()).await;
    let file = table.append(columns(&schema), 100).await;
    for deleted in [false, true] {
        if deleted {
            table.delete(&file, &[7], false).await;
        }
        for filter_while_decoding in [true, false] {
            let engine = engine(EngineOptions { filter_while_decoding, ..small() });
            let session = engine.session(lake.with(&[&table]), options());
            for (condition, rows) in [
                ("person['age'] = 3", 100),
                ("person['age'] = 3 and id < 500", 50),
                ("person['name'] = 'p12'", 1),
                ("person['name'] = 'p12' or person['age'] = 11", 1),
                ("person is null", 0),
                ("traits['size'] = 2", 250),
                ("traits['size'] = 2 and person['age'] = 4 and id >= 0", 50),
                ("traits['none'] is null and id < 5", 5),
            ] {
                let query = format!("select count(*) from people where {condition}");
                assert_eq!(ask(&session, &query).await, rows.to_string(), "{condition}");
            }
            let first = "select id from people where person['age'] = 3 order by id limit 2";
            assert_eq!(ask(&session, first).await, "3\n13");
        }
    }
}
