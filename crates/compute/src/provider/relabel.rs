//! Gives a nested array the names of another type of the same shape, without touching a value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, GenericListArray, MapArray, OffsetSizeTrait};
use arrow::array::{RecordBatch, RecordBatchOptions, StructArray, make_array};
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use arrow::error::ArrowError;

use crate::error::QueryError;

/// Rebuilds `array` under `target`, which differs from its type in names and metadata only.
pub(crate) fn relabel(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    match target {
        DataType::Struct(fields) => {
            let Some(held) = array.as_struct_opt() else { return Err(mismatch(array, target)) };
            if held.num_columns() != fields.len() {
                return Err(mismatch(array, target));
            }
            let children = held
                .columns()
                .iter()
                .zip(fields)
                .map(|(child, field)| relabel(child, field.data_type()))
                .collect::<Result<Vec<_>, _>>()?;
            if children.is_empty() {
                return Ok(Arc::clone(array));
            }
            let renamed = StructArray::try_new(fields.clone(), children, held.nulls().cloned())?;
            Ok(Arc::new(renamed))
        }
        DataType::List(item) => relabel_list::<i32>(array, item, target),
        DataType::LargeList(item) => relabel_list::<i64>(array, item, target),
        DataType::Map(entries, sorted) => {
            let Some(held) = array.as_map_opt() else { return Err(mismatch(array, target)) };
            let inner: ArrayRef = Arc::new(held.entries().clone());
            let inner = relabel(&inner, entries.data_type())?;
            let renamed = MapArray::try_new(
                Arc::clone(entries),
                held.offsets().clone(),
                inner.as_struct().clone(),
                held.nulls().cloned(),
                *sorted,
            )?;
            Ok(Arc::new(renamed))
        }
        _ => Ok(make_array(array.to_data())),
    }
}

fn relabel_list<O: OffsetSizeTrait>(
    array: &ArrayRef,
    item: &FieldRef,
    target: &DataType,
) -> Result<ArrayRef, ArrowError> {
    let Some(held) = array.as_any().downcast_ref::<GenericListArray<O>>() else {
        return Err(mismatch(array, target));
    };
    let values = relabel(held.values(), item.data_type())?;
    let renamed = GenericListArray::<O>::try_new(
        Arc::clone(item),
        held.offsets().clone(),
        values,
        held.nulls().cloned(),
    )?;
    Ok(Arc::new(renamed))
}

fn mismatch(array: &ArrayRef, target: &DataType) -> ArrowError {
    ArrowError::SchemaError(format!("{} does not have the shape of {target}", array.data_type()))
}

/// A batch under a schema of the same shape: other names, no metadata.
pub(crate) fn relabelled(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, QueryError> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| relabel(column, field.data_type()))
        .collect::<Result<Vec<_>, _>>();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    columns
        .and_then(|columns| {
            RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        })
        .map_err(|error| QueryError::internal(format!("rows differ from their plan: {error}")))
}
