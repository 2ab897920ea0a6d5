//! The Arrow schema under which a table is read.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use iceberg::arrow::schema_to_arrow_schema;

/// Key under which Parquet and Iceberg keep a column's field id.
pub(crate) const FIELD_ID: &str = "PARQUET:field_id";

/// Turns an Iceberg schema into the one that scans speak.
///
/// Text and binary columns become views, which is how DataFusion reads them fastest. Of the field
/// metadata only the field id stays: any other entry would make a table's field unequal to its
/// file's and put a cast, which no statistics pass, over every column.
pub(crate) fn scan_schema(schema: &iceberg::spec::Schema) -> iceberg::Result<SchemaRef> {
    let arrow = schema_to_arrow_schema(schema)?;
    let fields: Vec<Field> = arrow.fields().iter().map(|field| as_scanned(field)).collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// The field id that a Parquet or Iceberg field carries.
pub(crate) fn field_id(field: &Field) -> Option<i32> {
    field.metadata().get(FIELD_ID).and_then(|id| id.parse().ok())
}

fn as_scanned(field: &Field) -> Field {
    let metadata: HashMap<String, String> = field
        .metadata()
        .get(FIELD_ID)
        .map(|id| HashMap::from([(FIELD_ID.to_owned(), id.clone())]))
        .unwrap_or_default();
    Field::new(field.name(), scanned_type(field.data_type()), field.is_nullable())
        .with_metadata(metadata)
}

fn scanned_type(data_type: &DataType) -> DataType {
    let scanned = |field: &FieldRef| Arc::new(as_scanned(field));
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(scanned).collect::<Fields>())
        }
        DataType::List(item) => DataType::List(scanned(item)),
        DataType::LargeList(item) => DataType::LargeList(scanned(item)),
        DataType::Map(entries, sorted) => DataType::Map(scanned(entries), *sorted),
        other => other.clone(),
    }
}

/// A schema as it leaves a query: field ids belong to the tables that were read, not to the answer.
pub(crate) fn without_metadata(schema: &Schema) -> SchemaRef {
    let bare = |field: &FieldRef| {
        Field::new(field.name(), bare_type(field.data_type()), field.is_nullable())
    };
    Arc::new(Schema::new(schema.fields().iter().map(bare).collect::<Vec<_>>()))
}

fn bare_type(data_type: &DataType) -> DataType {
    let bare = |field: &FieldRef| {
        Arc::new(Field::new(field.name(), bare_type(field.data_type()), field.is_nullable()))
    };
    match data_type {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(bare).collect::<Fields>()),
        DataType::List(item) => DataType::List(bare(item)),
        DataType::LargeList(item) => DataType::LargeList(bare(item)),
        DataType::Map(entries, sorted) => DataType::Map(bare(entries), *sorted),
        other => other.clone(),
    }
}
