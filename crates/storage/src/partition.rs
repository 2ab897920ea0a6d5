//! Partitioning: which rows share a data file, by Iceberg's transforms.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, FieldRef, Fields};
use arrow::row::{RowConverter, SortField};
use iceberg::arrow::arrow_primitive_to_literal;
use iceberg::spec::{
    PartitionSpec, Schema, Struct, Transform, Type, UnboundPartitionField, UnboundPartitionSpec,
};
use iceberg::transform::{BoxedTransformFunction, create_transform_function};

use crate::conform::exact_cast;
use crate::schema::field_id;
use crate::{Result, StorageError};

/// One part of a partitioning: a column and what is made of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionField {
    /// The column; dots lead into structs.
    pub column: String,
    /// What is made of its values.
    pub transform: Transform,
}

impl PartitionField {
    /// Rows with equal transformed values share files.
    pub fn new(column: impl Into<String>, transform: Transform) -> Self {
        Self { column: column.into(), transform }
    }

    /// Reads `country`, `day(created_at)`, `bucket(16, id)` or `truncate(4, zip)`.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || StorageError::Mode {
            table: String::new(),
            reason: format!(
                "\"{text}\" is no partitioning; write a column, year(c), month(c), day(c), \
                 hour(c), bucket(16, c), truncate(4, c) or void(c)"
            ),
        };
        let Some((name, rest)) = text.trim().split_once('(') else {
            return Ok(Self::new(text.trim(), Transform::Identity));
        };
        let inside = rest.trim().strip_suffix(')').ok_or_else(wrong)?;
        let parts: Vec<&str> = inside.split(',').map(str::trim).collect();
        let width = |text: &str| text.parse::<u32>().ok().filter(|width| *width > 0);
        let (column, transform) = match (name.trim().to_lowercase().as_str(), parts.as_slice()) {
            ("identity", [column]) => (column, Transform::Identity),
            ("year" | "years", [column]) => (column, Transform::Year),
            ("month" | "months", [column]) => (column, Transform::Month),
            ("day" | "days" | "date", [column]) => (column, Transform::Day),
            ("hour" | "hours", [column]) => (column, Transform::Hour),
            ("void", [column]) => (column, Transform::Void),
            ("bucket", [count, column]) => {
                (column, Transform::Bucket(width(count).ok_or_else(wrong)?))
            }
            ("truncate", [count, column]) => {
                (column, Transform::Truncate(width(count).ok_or_else(wrong)?))
            }
            _ => return Err(wrong()),
        };
        Ok(Self::new(*column, transform))
    }

    fn name(&self) -> String {
        let column = self.column.replace('.', "_");
        match self.transform {
            Transform::Identity => column,
            Transform::Bucket(_) => format!("{column}_bucket"),
            Transform::Truncate(_) => format!("{column}_trunc"),
            Transform::Year => format!("{column}_year"),
            Transform::Month => format!("{column}_month"),
            Transform::Day => format!("{column}_day"),
            Transform::Hour => format!("{column}_hour"),
            Transform::Void | Transform::Unknown => format!("{column}_null"),
        }
    }
}

/// The spec that belongs to these fields, columns resolved by name.
pub(crate) fn unbound_spec(
    table: &str,
    fields: &[PartitionField],
    schema: &Schema,
) -> Result<UnboundPartitionSpec> {
    let mut spec = UnboundPartitionSpec::builder();
    for field in fields {
        let Some(source_id) = schema.field_id_by_name(&field.column) else {
            return Err(StorageError::NoColumn {
                table: table.to_owned(),
                column: field.column.clone(),
                columns: crate::evolve::names(schema.as_struct().fields()),
            });
        };
        spec = spec.add_partition_fields([UnboundPartitionField {
            source_id,
            field_id: None,
            name: field.name(),
            transform: field.transform,
        }])?;
    }
    Ok(spec.build())
}

/// Splits rows by the partition they belong to.
#[derive(Debug)]
pub(crate) struct Partitioner {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    source_id: i32,
    transform: BoxedTransformFunction,
    kind: Type,
    void: bool,
}

impl Partitioner {
    pub(crate) fn new(spec: &PartitionSpec, schema: &Schema) -> Result<Self> {
        let mut parts = Vec::with_capacity(spec.fields().len());
        for field in spec.fields() {
            let Some(source) = schema.field_by_id(field.source_id) else {
                let rule = format!("partition field \"{}\" has no column", field.name);
                return Err(StorageError::Internal(rule));
            };
            parts.push(Part {
                source_id: field.source_id,
                transform: create_transform_function(&field.transform)?,
                kind: field.transform.result_type(&source.field_type)?,
                void: field.transform == Transform::Void,
            });
        }
        Ok(Self { parts })
    }

    /// The rows of each partition, in the order in which the partitions first appear.
    pub(crate) fn split(&self, batch: &RecordBatch) -> Result<Vec<(Struct, RecordBatch)>> {
        if self.parts.is_empty() {
            return Ok(vec![(Struct::empty(), batch.clone())]);
        }
        let mut values = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let source = column_by_id(batch, part.source_id)?;
            values.push(if part.void {
                let kind = iceberg::arrow::type_to_arrow_type(&part.kind)?;
                arrow::array::new_null_array(&kind, batch.num_rows())
            } else {
                part.transform.transform(plain(&source)?)?
            });
        }
        let sort = values.iter().map(|array| SortField::new(array.data_type().clone())).collect();
        let rows = RowConverter::new(sort)?.convert_columns(&values)?;
        let mut places: HashMap<&[u8], usize> = HashMap::new();
        let mut groups: Vec<Vec<u32>> = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let place = *places.entry(row.data()).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[place].push(u32::try_from(index).unwrap_or(u32::MAX));
        }
        groups.into_iter().map(|indices| self.group(batch, &values, indices)).collect()
    }

    fn group(
        &self,
        batch: &RecordBatch,
        values: &[ArrayRef],
        indices: Vec<u32>,
    ) -> Result<(Struct, RecordBatch)> {
        let first = indices.first().copied().unwrap_or(0) as usize;
        let mut literals = Vec::with_capacity(values.len());
        for (part, array) in self.parts.iter().zip(values) {
            let one = array.slice(first, 1);
            literals.push(arrow_primitive_to_literal(&one, &part.kind)?.pop().flatten());
        }
        let rows = if indices.len() == batch.num_rows() {
            batch.clone()
        } else {
            take_record_batch(batch, &UInt32Array::from(indices))?
        };
        Ok((Struct::from_iter(literals), rows))
    }
}

/// The transforms know text and binary only in their plain forms.
fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    let kind = match array.data_type() {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        _ => return Ok(Arc::clone(array)),
    };
    Ok(exact_cast(array, &kind)?)
}

/// A column, or a field inside structs, by its field id.
pub(crate) fn column_by_id(batch: &RecordBatch, id: i32) -> Result<ArrayRef> {
    inner_by_id(batch.schema_ref().fields(), batch.columns(), id)
        .ok_or_else(|| StorageError::Internal(format!("rows without field id {id}")))
}

fn inner_by_id(fields: &Fields, columns: &[ArrayRef], id: i32) -> Option<ArrayRef> {
    fields.iter().zip(columns).find_map(|(field, column): (&FieldRef, &ArrayRef)| {
        if field_id(field) == Some(id) {
            return Some(Arc::clone(column));
        }
        let DataType::Struct(children) = field.data_type() else { return None };
        let inner = column.as_struct();
        let found = inner_by_id(children, inner.columns(), id)?;
        // A NULL struct hides whatever its children hold.
        match inner.nulls() {
            None => Some(found),
            Some(_) => {
                let hidden = arrow::compute::is_null(inner).ok()?;
                arrow::compute::nullif(&found, &hidden).ok()
            }
        }
    })
}
