//! What manifests tell about files, in DataFusion's words, with the care each claim deserves.
//!
//! Per file, bounds are called exact, because pruning looks at no others; they may be loose. For
//! the table, `min()` and `max()` would be answered from bounds that are called exact, so there
//! only bounds that hold to the bit may be.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics};
use iceberg::spec::{
    DataFile, Datum, Literal, ManifestMetadata, PartitionSpec, PrimitiveLiteral,
    Schema as TableSchema, Transform,
};

use super::schema::field_id;

/// Bytes guessed for a text or binary value, relative to its compressed size.
const TEXT_EXPANSION: usize = 3;

/// Statistics of one file, in the order of the scan schema.
pub(super) fn file_statistics(
    schema: &Schema,
    file: &DataFile,
    written_under: &ManifestMetadata,
) -> Statistics {
    let rows = usize::try_from(file.record_count()).unwrap_or(usize::MAX);
    let constants = partition_constants(written_under.partition_spec(), file);
    let columns: Vec<ColumnStatistics> = schema
        .fields()
        .iter()
        .map(|field| match field_id(field) {
            Some(id) => {
                column_statistics(field, id, rows, file, written_under.schema(), &constants)
            }
            None => ColumnStatistics::new_unknown(),
        })
        .collect();
    let bytes = columns.iter().fold(Precision::Inexact(0), |sum, column| match column.byte_size {
        Precision::Absent => sum,
        size => sum.add(&size),
    });
    Statistics {
        num_rows: Precision::Exact(rows),
        total_byte_size: bytes,
        column_statistics: columns,
    }
}

fn column_statistics(
    field: &Field,
    id: i32,
    rows: usize,
    file: &DataFile,
    written_under: &TableSchema,
    constants: &HashMap<i32, PrimitiveLiteral>,
) -> ColumnStatistics {
    let mut column = ColumnStatistics::new_unknown();
    column.byte_size = byte_size(field.data_type(), id, rows, file);
    if field.data_type().is_nested() {
        return column;
    }
    if let Some(nulls) = file.null_value_counts().get(&id) {
        column.null_count = Precision::Exact(usize::try_from(*nulls).unwrap_or(usize::MAX));
    } else if written_under.field_by_id(id).is_none() {
        // The column came after this file: all its values are missing, and a filter on it skips it.
        column.null_count = Precision::Exact(rows);
        return column;
    }
    // Bounds leave NaN out. With one in the file they would turn a constant column, or a pruned
    // one, into a wrong answer.
    if field.data_type().is_floating() && file.nan_value_counts().get(&id) != Some(&0) {
        return column;
    }
    let bound = |bounds: &HashMap<i32, Datum>| {
        bounds
            .get(&id)
            .map(Datum::literal)
            .or_else(|| constants.get(&id))
            .and_then(|literal| scalar(literal, field.data_type()))
            .map_or(Precision::Absent, Precision::Exact)
    };
    column.min_value = bound(file.lower_bounds());
    column.max_value = bound(file.upper_bounds());
    column
}

fn byte_size(data_type: &DataType, id: i32, rows: usize, file: &DataFile) -> Precision<usize> {
    match data_type.primitive_width() {
        Some(width) => Precision::Inexact(width.saturating_mul(rows)),
        None => file.column_sizes().get(&id).map_or(Precision::Absent, |size| {
            let size = usize::try_from(*size).unwrap_or(usize::MAX);
            Precision::Inexact(size.saturating_mul(TEXT_EXPANSION))
        }),
    }
}

/// Float columns of a file that are not known to be free of NaN, by name.
pub(super) fn maybe_nan(
    schema: &Schema,
    file: &DataFile,
    written_under: &ManifestMetadata,
) -> Vec<String> {
    schema
        .fields()
        .iter()
        .filter(|field| field.data_type().is_floating())
        .filter(|field| {
            let Some(id) = field_id(field) else { return true };
            let came_later = written_under.schema().field_by_id(id).is_none();
            !came_later && file.nan_value_counts().get(&id) != Some(&0)
        })
        .map(|field| field.name().clone())
        .collect()
}

/// Columns that hold one value in the whole file, because the table is partitioned by them.
fn partition_constants(spec: &PartitionSpec, file: &DataFile) -> HashMap<i32, PrimitiveLiteral> {
    spec.fields()
        .iter()
        .zip(file.partition().iter())
        .filter(|(field, _)| field.transform == Transform::Identity)
        .filter_map(|(field, value)| match value {
            Some(Literal::Primitive(literal)) => Some((field.source_id, literal.clone())),
            _ => None,
        })
        .collect()
}

/// An Iceberg value under a column's present type; none when it cannot be told exactly.
fn scalar(literal: &PrimitiveLiteral, data_type: &DataType) -> Option<ScalarValue> {
    use PrimitiveLiteral as L;
    Some(match (data_type, literal) {
        (DataType::Boolean, L::Boolean(value)) => ScalarValue::Boolean(Some(*value)),
        (DataType::Int32, L::Int(value)) => ScalarValue::Int32(Some(*value)),
        (DataType::Int64, L::Int(value)) => ScalarValue::Int64(Some(i64::from(*value))),
        (DataType::Int64, L::Long(value)) => ScalarValue::Int64(Some(*value)),
        (DataType::Float32, L::Float(value)) => ScalarValue::Float32(Some(value.0)),
        (DataType::Float64, L::Float(value)) => ScalarValue::Float64(Some(f64::from(value.0))),
        (DataType::Float64, L::Double(value)) => ScalarValue::Float64(Some(value.0)),
        (DataType::Date32, L::Int(value)) => ScalarValue::Date32(Some(*value)),
        (DataType::Time64(TimeUnit::Microsecond), L::Long(value)) => {
            ScalarValue::Time64Microsecond(Some(*value))
        }
        (DataType::Timestamp(TimeUnit::Microsecond, zone), L::Long(value)) => {
            ScalarValue::TimestampMicrosecond(Some(*value), zone.clone())
        }
        (DataType::Timestamp(TimeUnit::Nanosecond, zone), L::Long(value)) => {
            ScalarValue::TimestampNanosecond(Some(*value), zone.clone())
        }
        (DataType::Decimal128(precision, scale), L::Int128(value)) => {
            ScalarValue::Decimal128(Some(*value), *precision, *scale)
        }
        (DataType::Utf8View, L::String(value)) => ScalarValue::Utf8View(Some(value.clone())),
        (DataType::BinaryView, L::Binary(value)) => ScalarValue::BinaryView(Some(value.clone())),
        (DataType::FixedSizeBinary(16), L::UInt128(value)) => {
            ScalarValue::FixedSizeBinary(16, Some(value.to_be_bytes().to_vec()))
        }
        _ => return None,
    })
}

/// Statistics of the files that a scan reads, with `deleted` of their rows gone.
pub(super) fn scan_statistics(
    schema: &Schema,
    files: &[Arc<Statistics>],
    deleted: Option<usize>,
) -> Result<Statistics> {
    let mut merged = Statistics::try_merge_iter(files.iter().map(AsRef::as_ref), schema)?;
    for (field, column) in schema.fields().iter().zip(&mut merged.column_statistics) {
        if deleted.is_some() || bounds_are_loose(field.data_type()) {
            // Null counts of all files still hold when only the bounds are loose.
            let nulls = column.null_count;
            *column = std::mem::take(column).to_inexact();
            if deleted.is_none() {
                column.null_count = nulls;
            }
        }
    }
    if let (Some(deleted), Precision::Exact(rows)) = (deleted, merged.num_rows) {
        merged.num_rows = Precision::Exact(rows.saturating_sub(deleted));
    }
    Ok(merged)
}

/// Text and binary bounds may be cut short, and those of floats say nothing of NaN.
fn bounds_are_loose(data_type: &DataType) -> bool {
    data_type.is_floating()
        || matches!(
            data_type,
            DataType::Utf8
                | DataType::Utf8View
                | DataType::LargeUtf8
                | DataType::Binary
                | DataType::BinaryView
                | DataType::LargeBinary
        )
}
