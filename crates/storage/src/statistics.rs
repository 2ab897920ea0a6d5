//! Column statistics of data files, from Parquet footers: sizes, counts and bounds by field id.

use std::collections::HashMap;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Fields, Float32Type, Float64Type};
use iceberg::spec::{Datum, PrimitiveType, Schema, Type};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use crate::Result;
use crate::schema::field_id;

/// What a manifest entry says about the columns of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct ColumnStatistics {
    pub(crate) sizes: HashMap<i32, u64>,
    pub(crate) values: HashMap<i32, u64>,
    pub(crate) nulls: HashMap<i32, u64>,
    pub(crate) lower: HashMap<i32, Datum>,
    pub(crate) upper: HashMap<i32, Datum>,
}

/// The field id that the writer of a file gave a leaf column.
pub(crate) fn leaf_field_id(column: &ColumnChunkMetaData) -> Option<i32> {
    let info = column.column_descr().self_type().get_basic_info();
    info.has_id().then(|| info.id())
}

/// Statistics of a whole file.
pub(crate) fn of_file(metadata: &ParquetMetaData, schema: &Schema) -> Result<ColumnStatistics> {
    let mut found = ColumnStatistics::default();
    // A row group whose bounds are missing leaves the column without bounds.
    let mut unbounded: Vec<i32> = Vec::new();
    for group in metadata.row_groups() {
        for column in group.columns() {
            let Some(id) = leaf_field_id(column) else { continue };
            let size = u64::try_from(column.compressed_size()).unwrap_or(0);
            *found.sizes.entry(id).or_default() += size;
            *found.values.entry(id).or_default() += u64::try_from(column.num_values()).unwrap_or(0);
            if column.column_descr().max_rep_level() > 0 {
                continue;
            }
            let Some(kind) = primitive(schema, id) else { continue };
            let nulls = column.statistics().and_then(Statistics::null_count_opt);
            if let Some(nulls) = nulls {
                *found.nulls.entry(id).or_default() += nulls;
            }
            match bounds(kind, column.statistics())? {
                Some((low, high)) => {
                    keep(&mut found.lower, id, low, |new, old| new < old);
                    keep(&mut found.upper, id, high, |new, old| new > old);
                }
                None if nulls == u64::try_from(column.num_values()).ok() => {}
                None => unbounded.push(id),
            }
        }
    }
    for id in unbounded {
        found.lower.remove(&id);
        found.upper.remove(&id);
    }
    Ok(found)
}

fn primitive(schema: &Schema, id: i32) -> Option<&PrimitiveType> {
    match schema.field_by_id(id)?.field_type.as_ref() {
        Type::Primitive(kind) => Some(kind),
        Type::Struct(_) | Type::List(_) | Type::Map(_) => None,
    }
}

fn keep(into: &mut HashMap<i32, Datum>, id: i32, new: Datum, better: fn(&Datum, &Datum) -> bool) {
    match into.get(&id) {
        Some(old) if !better(&new, old) => {}
        _ => {
            into.insert(id, new);
        }
    }
}

/// Bounds of one column of one row group, in the table's type; widened columns of older files too.
pub(crate) fn of_group(
    group: &RowGroupMetaData,
    id: i32,
    kind: &PrimitiveType,
) -> Result<Option<(Datum, Datum)>> {
    let column = group.columns().iter().find(|column| leaf_field_id(column) == Some(id));
    bounds(kind, column.and_then(ColumnChunkMetaData::statistics))
}

/// Lower and upper bound. Text may be cut, which leaves the bounds loose and never wrong.
fn bounds(kind: &PrimitiveType, found: Option<&Statistics>) -> Result<Option<(Datum, Datum)>> {
    let Some(found) = found else { return Ok(None) };
    if let (Some(low), Some(high)) = (found.min_bytes_opt(), found.max_bytes_opt()) {
        let (low, high) = (datum(kind, found, low)?, datum(kind, found, high)?);
        return Ok(low.zip(high));
    }
    Ok(None)
}

fn datum(kind: &PrimitiveType, found: &Statistics, bytes: &[u8]) -> Result<Option<Datum>> {
    let bytes = match (kind, found) {
        // Parquet keeps numbers little-endian, Iceberg's decimals are big-endian.
        (PrimitiveType::Decimal { .. }, Statistics::Int32(_) | Statistics::Int64(_)) => {
            bytes.iter().rev().copied().collect()
        }
        (PrimitiveType::Long, Statistics::Int32(_))
        | (PrimitiveType::Double, Statistics::Float(_)) => bytes.to_vec(),
        (PrimitiveType::Int | PrimitiveType::Date, Statistics::Int32(_))
        | (
            PrimitiveType::Long
            | PrimitiveType::Time
            | PrimitiveType::Timestamp
            | PrimitiveType::Timestamptz
            | PrimitiveType::TimestampNs
            | PrimitiveType::TimestamptzNs,
            Statistics::Int64(_),
        )
        | (PrimitiveType::Boolean, Statistics::Boolean(_))
        | (PrimitiveType::Float, Statistics::Float(_))
        | (PrimitiveType::Double, Statistics::Double(_))
        | (PrimitiveType::String | PrimitiveType::Binary, Statistics::ByteArray(_))
        | (
            PrimitiveType::Decimal { .. } | PrimitiveType::Uuid | PrimitiveType::Fixed(_),
            Statistics::FixedLenByteArray(_),
        ) => bytes.to_vec(),
        _ => return Ok(None),
    };
    if *kind == PrimitiveType::String && std::str::from_utf8(&bytes).is_err() {
        return Ok(None);
    }
    Ok(Some(Datum::try_from_bytes(&bytes, kind.clone())?))
}

/// Counts NaN values by field id. A bound says nothing about them, so readers must know.
pub(crate) fn count_nans(fields: &Fields, columns: &[ArrayRef], into: &mut HashMap<i32, u64>) {
    for (field, column) in fields.iter().zip(columns) {
        let count = match field.data_type() {
            DataType::Float32 => nans(column.as_primitive::<Float32Type>(), |value| value.is_nan()),
            DataType::Float64 => nans(column.as_primitive::<Float64Type>(), |value| value.is_nan()),
            DataType::Struct(children) => {
                count_nans(children, column.as_struct().columns(), into);
                continue;
            }
            _ => continue,
        };
        if let Some(id) = field_id(field) {
            *into.entry(id).or_default() += count;
        }
    }
}

fn nans<T: arrow::datatypes::ArrowPrimitiveType>(
    array: &arrow::array::PrimitiveArray<T>,
    is_nan: impl Fn(T::Native) -> bool,
) -> u64 {
    array.iter().flatten().filter(|value| is_nan(*value)).count() as u64
}
