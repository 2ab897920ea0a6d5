//! Brings rows into a table's shape: incoming rows by column name, rows of older files by field id.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray,
    new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, SchemaRef};
use arrow::error::ArrowError;

use crate::schema::field_id;
use crate::{Result, StorageError};

/// By what a column of the table finds its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matching {
    /// Rows handed in from outside.
    Name,
    /// Rows of a data file: a rename must not lose them, a re-added name must not find old ones.
    FieldId,
}

/// Gives every column of `shape` its values; a column that is nowhere to be found is NULL.
pub(crate) fn conform_batch(
    table: &str,
    batch: &RecordBatch,
    shape: &SchemaRef,
    matching: Matching,
) -> Result<RecordBatch> {
    if batch.schema_ref() == shape {
        return Ok(batch.clone());
    }
    let matching = effective(batch.schema().fields(), matching);
    let mut columns = Vec::with_capacity(shape.fields().len());
    for wanted in shape.fields() {
        let place = find(batch.schema_ref().fields(), wanted, matching);
        let column = match place {
            Some(place) => conform(batch.column(place), wanted, matching)?,
            None => new_null_array(wanted.data_type(), batch.num_rows()),
        };
        if !wanted.is_nullable() && column.null_count() > 0 {
            let (table, column) = (table.to_owned(), wanted.name().clone());
            return Err(StorageError::Required { table, column });
        }
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(shape), columns, &options)?)
}

/// Files of writers that gave no field ids are matched by name.
fn effective(fields: &Fields, matching: Matching) -> Matching {
    match matching {
        Matching::FieldId if fields.iter().any(|field| field_id(field).is_some()) => matching,
        Matching::FieldId | Matching::Name => Matching::Name,
    }
}

/// Where a wanted column lies among others.
pub(crate) fn find(fields: &Fields, wanted: &Field, matching: Matching) -> Option<usize> {
    match matching {
        Matching::Name => fields.iter().position(|field| field.name() == wanted.name()),
        Matching::FieldId => {
            let id = field_id(wanted)?;
            fields.iter().position(|field| field_id(field) == Some(id))
        }
    }
}

fn conform(array: &ArrayRef, wanted: &FieldRef, matching: Matching) -> Result<ArrayRef> {
    if array.data_type() == wanted.data_type() {
        return Ok(Arc::clone(array));
    }
    match (array.data_type(), wanted.data_type()) {
        (DataType::Null, _) => Ok(new_null_array(wanted.data_type(), array.len())),
        (DataType::Dictionary(_, values), _) => {
            conform(&exact_cast(array, values)?, wanted, matching)
        }
        (DataType::RunEndEncoded(_, values), _) => {
            conform(&exact_cast(array, values.data_type())?, wanted, matching)
        }
        (DataType::Struct(found), DataType::Struct(children)) => {
            conform_struct(array.as_struct(), found, children, matching)
        }
        (DataType::List(_), DataType::List(element)) => {
            let list = array.as_list::<i32>();
            let values = conform(list.values(), element, matching)?;
            let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
            Ok(Arc::new(ListArray::try_new(Arc::clone(element), offsets, values, nulls)?))
        }
        (
            DataType::LargeList(inner)
            | DataType::FixedSizeList(inner, _)
            | DataType::ListView(inner)
            | DataType::LargeListView(inner),
            DataType::List(_),
        ) => conform(&exact_cast(array, &DataType::List(Arc::clone(inner)))?, wanted, matching),
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            conform_map(array.as_map(), entries, *sorted, matching)
        }
        _ => Ok(exact_cast(array, wanted.data_type())?),
    }
}

fn conform_struct(
    array: &StructArray,
    found: &Fields,
    children: &Fields,
    matching: Matching,
) -> Result<ArrayRef> {
    let mut columns = Vec::with_capacity(children.len());
    for child in children {
        columns.push(match find(found, child, matching) {
            Some(place) => conform(array.column(place), child, matching)?,
            None => new_null_array(child.data_type(), array.len()),
        });
    }
    let (children, nulls) = (children.clone(), array.nulls().cloned());
    Ok(Arc::new(StructArray::try_new_with_length(children, columns, nulls, array.len())?))
}

fn conform_map(
    array: &MapArray,
    entries: &FieldRef,
    sorted: bool,
    matching: Matching,
) -> Result<ArrayRef> {
    let DataType::Struct(pair) = entries.data_type() else {
        return Err(StorageError::Internal("a map without a pair of entries".to_owned()));
    };
    let [key, value] = pair.as_ref() else {
        return Err(StorageError::Internal("a map without a pair of entries".to_owned()));
    };
    // A map has one key and one value, whatever a writer calls them.
    let columns =
        vec![conform(array.keys(), key, matching)?, conform(array.values(), value, matching)?];
    let inner = StructArray::try_new(pair.clone(), columns, array.entries().nulls().cloned())?;
    let (offsets, nulls) = (array.offsets().clone(), array.nulls().cloned());
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, inner, nulls, sorted)?))
}

/// A cast that fails rather than turn a value into NULL.
pub(crate) fn exact_cast(array: &ArrayRef, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, kind, &options)
}
