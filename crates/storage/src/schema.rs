//! Table schemas in Arrow's words and back.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{
    DataType, Field, FieldRef, Fields, Schema as ArrowSchema, SchemaRef as ArrowSchemaRef,
};
use iceberg::spec::{ListType, MapType, NestedField, PrimitiveType, Schema, StructType, Type};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use crate::{Result, StorageError};

const EXTENSION_NAME_KEY: &str = "ARROW:extension:name";
const UUID_EXTENSION: &str = "arrow.uuid";

/// The Arrow schema in which rows of a table travel: text and binary as views, and of the field
/// metadata only `PARQUET:field_id`, because anything more makes readers wrap columns in casts.
/// Data files embed the same schema with text and binary in their plain forms, for the sake of
/// other engines; whoever reads them as views asks for it.
///
/// # Errors
/// When the schema holds a type that Arrow has no word for.
pub fn arrow_schema(schema: &Schema) -> Result<ArrowSchemaRef> {
    let plain = iceberg::arrow::schema_to_arrow_schema(schema)?;
    let fields: Vec<FieldRef> = plain.fields().iter().map(as_view_field).collect();
    Ok(Arc::new(ArrowSchema::new(fields)))
}

fn as_view_field(field: &FieldRef) -> FieldRef {
    let id = field.metadata().get(PARQUET_FIELD_ID_META_KEY).cloned();
    let metadata = id.map(|id| (PARQUET_FIELD_ID_META_KEY.to_owned(), id)).into_iter().collect();
    let kind = as_view_type(field.data_type());
    Arc::new(Field::new(field.name(), kind, field.is_nullable()).with_metadata(metadata))
}

fn as_view_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::List(element) => DataType::List(as_view_field(element)),
        DataType::Map(entries, sorted) => DataType::Map(as_view_field(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(as_view_field).collect()),
        other => other.clone(),
    }
}

/// The same schema with text and binary in their plain forms, as every reader of files knows them.
pub(crate) fn without_views(schema: &ArrowSchema) -> ArrowSchema {
    let fields: Vec<FieldRef> = schema.fields().iter().map(as_plain_field).collect();
    ArrowSchema::new(fields)
}

fn as_plain_field(field: &FieldRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(as_plain_type(field.data_type())))
}

fn as_plain_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(element) => DataType::List(as_plain_field(element)),
        DataType::Map(entries, sorted) => DataType::Map(as_plain_field(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(as_plain_field).collect()),
        other => other.clone(),
    }
}

/// The field id that a Parquet file or a table schema gave a field.
pub fn field_id(field: &Field) -> Option<i32> {
    field.metadata().get(PARQUET_FIELD_ID_META_KEY)?.parse().ok()
}

/// The schema of a new table for rows of an Arrow schema. Every column may be null: whether rows
/// have gaps is for tests to say, and a required column could never be filled later.
///
/// # Errors
/// When a column has a type that tables cannot hold.
pub fn table_schema(rows: &ArrowSchema) -> Result<Schema> {
    let mut ids = FieldIds { last: 0 };
    let fields = struct_fields("", rows.fields(), &mut ids)?;
    Ok(Schema::builder().with_fields(fields).build()?)
}

/// Hands out field ids that no column of the table ever had.
#[derive(Debug)]
pub(crate) struct FieldIds {
    pub(crate) last: i32,
}

impl FieldIds {
    pub(crate) fn next(&mut self) -> i32 {
        self.last += 1;
        self.last
    }
}

fn struct_fields(path: &str, fields: &Fields, ids: &mut FieldIds) -> Result<Vec<Arc<NestedField>>> {
    // Ids of one level come before those of the next, as other writers do it.
    let own: Vec<i32> = fields.iter().map(|_| ids.next()).collect();
    let mut nested = Vec::with_capacity(fields.len());
    for (field, id) in fields.iter().zip(own) {
        let kind = table_type(&join(path, field.name()), field, ids)?;
        nested.push(Arc::new(NestedField::optional(id, field.name(), kind)));
    }
    Ok(nested)
}

pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The table type that holds an Arrow field, new ids given to what is nested in it.
pub(crate) fn table_type(path: &str, field: &Field, ids: &mut FieldIds) -> Result<Type> {
    let kind = match field.data_type() {
        DataType::Struct(fields) => {
            Type::Struct(StructType::new(struct_fields(path, fields, ids)?))
        }
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => {
            let id = ids.next();
            let kind = table_type(&join(path, "element"), element, ids)?;
            Type::List(ListType::new(Arc::new(NestedField::list_element(id, kind, false))))
        }
        DataType::Map(entries, _) => map_type(path, entries, ids)?,
        DataType::Dictionary(_, values) => {
            table_type(path, &field.clone().with_data_type(values.as_ref().clone()), ids)?
        }
        DataType::RunEndEncoded(_, values) => table_type(path, values, ids)?,
        _ => Type::Primitive(primitive_type(path, field)?),
    };
    Ok(kind)
}

fn map_type(path: &str, entries: &Field, ids: &mut FieldIds) -> Result<Type> {
    let DataType::Struct(pair) = entries.data_type() else {
        return Err(unsupported(path, entries, "cast it to a list of structs"));
    };
    let [key, value] = pair.as_ref() else {
        return Err(unsupported(path, entries, "cast it to a list of structs"));
    };
    let (key_id, value_id) = (ids.next(), ids.next());
    let key = table_type(&join(path, "key"), key, ids)?;
    let value = table_type(&join(path, "value"), value, ids)?;
    Ok(Type::Map(MapType::optional(key_id, key, value_id, value)))
}

fn unsupported(path: &str, field: &Field, advice: &'static str) -> StorageError {
    let (column, found) = (path.to_owned(), field.data_type().to_string());
    StorageError::TypeUnsupported { column, found, advice }
}

fn primitive_type(path: &str, field: &Field) -> Result<PrimitiveType> {
    let kind = match field.data_type() {
        DataType::Boolean => PrimitiveType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 => PrimitiveType::Int,
        DataType::UInt8 | DataType::UInt16 => PrimitiveType::Int,
        DataType::UInt32 | DataType::Int64 => PrimitiveType::Long,
        DataType::UInt64 => PrimitiveType::Decimal { precision: 20, scale: 0 },
        DataType::Float16 | DataType::Float32 => PrimitiveType::Float,
        DataType::Float64 => PrimitiveType::Double,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            let scale = u32::try_from(*scale).ok().filter(|_| *precision <= 38);
            let Some(scale) = scale else {
                return Err(unsupported(path, field, "cast it to decimal(38, s), s not below 0"));
            };
            PrimitiveType::Decimal { precision: u32::from(*precision), scale }
        }
        DataType::Date32 | DataType::Date64 => PrimitiveType::Date,
        DataType::Time32(_) | DataType::Time64(_) => PrimitiveType::Time,
        DataType::Timestamp(_, None) => PrimitiveType::Timestamp,
        DataType::Timestamp(_, Some(_)) => PrimitiveType::Timestamptz,
        // A column of nothing but NULL: text holds whatever comes later.
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
            PrimitiveType::String
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => PrimitiveType::Binary,
        DataType::FixedSizeBinary(16) if is_uuid(field) => PrimitiveType::Uuid,
        DataType::FixedSizeBinary(width) => {
            PrimitiveType::Fixed(u64::try_from(*width).unwrap_or_default())
        }
        DataType::Duration(_) | DataType::Interval(_) => {
            return Err(unsupported(path, field, "cast it to a number of seconds or to text"));
        }
        _ => return Err(unsupported(path, field, "cast it to text")),
    };
    Ok(kind)
}

fn is_uuid(field: &Field) -> bool {
    field.metadata().get(EXTENSION_NAME_KEY).is_some_and(|name| name == UUID_EXTENSION)
}

/// Field metadata that marks sixteen bytes as a UUID.
pub fn uuid_metadata() -> HashMap<String, String> {
    HashMap::from([(EXTENSION_NAME_KEY.to_owned(), UUID_EXTENSION.to_owned())])
}

/// Whether rows of one table type can go into a column of another without loss: Iceberg's
/// promotions, which readers of old files know as well.
pub(crate) fn widens_to(from: &PrimitiveType, to: &PrimitiveType) -> bool {
    match (from, to) {
        (PrimitiveType::Int, PrimitiveType::Long)
        | (PrimitiveType::Float, PrimitiveType::Double) => true,
        (
            PrimitiveType::Decimal { precision, scale },
            PrimitiveType::Decimal { precision: wider, scale: same },
        ) => scale == same && precision <= wider,
        _ => from == to,
    }
}

/// Whether the Arrow type of rows can be turned into a column's type without loss.
pub(crate) fn rows_fit(found: &Field, column: &PrimitiveType) -> bool {
    if matches!(found.data_type(), DataType::Null) {
        return true;
    }
    let (kind, value) = match found.data_type() {
        DataType::Dictionary(_, values) => (values.as_ref(), None),
        DataType::RunEndEncoded(_, values) => (values.data_type(), Some(values)),
        other => (other, None),
    };
    if value.is_some() {
        return rows_fit(&Field::new("value", kind.clone(), true), column);
    }
    let plain =
        Field::new(found.name(), kind.clone(), true).with_metadata(found.metadata().clone());
    let Ok(own) = primitive_type("", &plain) else { return false };
    match (&own, column) {
        // Sixteen bytes without the mark may still be a UUID: the table knows better.
        (PrimitiveType::Fixed(16), PrimitiveType::Uuid) => true,
        (PrimitiveType::Uuid, PrimitiveType::Fixed(16)) => true,
        // Every whole number of these widths has an exact double or decimal.
        (PrimitiveType::Int, PrimitiveType::Double) => true,
        (PrimitiveType::Int, PrimitiveType::Decimal { precision, scale }) => {
            precision.saturating_sub(*scale) >= 10
        }
        (PrimitiveType::Long, PrimitiveType::Decimal { precision, scale }) => {
            precision.saturating_sub(*scale) >= 19
        }
        (
            PrimitiveType::Decimal { precision, scale },
            PrimitiveType::Decimal { precision: wider, scale: finer },
        ) => finer >= scale && wider - finer >= precision.saturating_sub(*scale),
        _ => widens_to(&own, column),
    }
}
