//! Decides from bounds alone that a file or row group cannot hold any of the incoming keys.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray,
    Int32Array, Int64Array, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, FieldRef};
use arrow::row::{RowConverter, SortField};
use iceberg::spec::{Datum, PrimitiveLiteral, PrimitiveType};
use parquet::file::metadata::RowGroupMetaData;

use crate::Result;
use crate::conform::exact_cast;
use crate::fileset::DataFileEntry;
use crate::keyed::KeyedRows;
use crate::schema::field_id;
use crate::statistics::of_group;

/// Keys decoded at a time while their column values are collected.
const DECODE_ROWS: usize = 65_536;

/// The sorted values of each key column.
#[derive(Debug)]
pub(crate) struct KeyBounds {
    columns: Vec<ColumnValues>,
}

#[derive(Debug)]
struct ColumnValues {
    id: i32,
    field: FieldRef,
    kind: PrimitiveType,
    converter: RowConverter,
    sorted: Vec<Box<[u8]>>,
    /// How many values the last sorting left.
    distinct: usize,
}

impl KeyBounds {
    pub(crate) fn new(keyed: &KeyedRows, schema: &iceberg::spec::Schema) -> Result<Self> {
        let mut columns = Vec::new();
        let mut places = Vec::new();
        for (place, field) in keyed.key_shape().fields().iter().enumerate() {
            // Bounds say nothing about NaN, so they cannot rule a floating key out.
            if field.data_type().is_floating() {
                continue;
            }
            let Some(id) = field_id(field) else { continue };
            let kind = schema.field_by_id(id).and_then(|f| f.field_type.as_primitive_type());
            let Some(kind) = kind.cloned() else { continue };
            let converter = RowConverter::new(vec![SortField::new(field.data_type().clone())])?;
            let field = Arc::clone(field);
            columns.push(ColumnValues {
                id,
                field,
                kind,
                converter,
                sorted: Vec::new(),
                distinct: 0,
            });
            places.push(place);
        }
        let keys: Vec<&[u8]> = keyed.keys().collect();
        for chunk in keys.chunks(DECODE_ROWS) {
            let decoded = keyed.decode(chunk.iter().copied())?;
            for (column, place) in columns.iter_mut().zip(&places) {
                let rows = column.converter.convert_columns(&[Arc::clone(&decoded[*place])])?;
                column.sorted.extend(rows.iter().map(|row| Box::from(row.data())));
                // Few distinct values stay few, many are not sorted anew for each chunk.
                if column.sorted.len() > 2 * column.distinct + DECODE_ROWS {
                    column.sort();
                }
            }
        }
        columns.iter_mut().for_each(ColumnValues::sort);
        Ok(Self { columns })
    }

    /// Whether a file may hold a key.
    pub(crate) fn may_be_in_file(&self, file: &DataFileEntry) -> Result<bool> {
        for column in &self.columns {
            if file.manifest_schema().field_by_id(column.id).is_none() {
                // The column came after the file: every key in it is NULL.
                return Ok(false);
            }
            let low = file.lower_bounds().get(&column.id);
            let high = file.upper_bounds().get(&column.id);
            if let (Some(low), Some(high)) = (low, high)
                && !column.any_between(low, high)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a row group may hold a key.
    pub(crate) fn may_be_in_group(&self, group: &RowGroupMetaData) -> Result<bool> {
        for column in &self.columns {
            if let Some((low, high)) = of_group(group, column.id, &column.kind)?
                && !column.any_between(&low, &high)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl ColumnValues {
    fn sort(&mut self) {
        self.sorted.sort_unstable();
        self.sorted.dedup();
        self.distinct = self.sorted.len();
    }

    fn any_between(&self, low: &Datum, high: &Datum) -> Result<bool> {
        let (Some(low), Some(high)) = (self.encode(low)?, self.encode(high)?) else {
            return Ok(true);
        };
        let first = self.sorted.partition_point(|value| value.as_ref() < low.as_ref());
        Ok(self.sorted.get(first).is_some_and(|value| value.as_ref() <= high.as_ref()))
    }

    fn encode(&self, bound: &Datum) -> Result<Option<Box<[u8]>>> {
        let Some(array) = as_array(bound, self.field.data_type())? else { return Ok(None) };
        let rows = self.converter.convert_columns(&[array])?;
        Ok(Some(rows.row(0).data().into()))
    }
}

/// A bound as an array of one value, in the type the table has now.
fn as_array(bound: &Datum, kind: &DataType) -> Result<Option<ArrayRef>> {
    let array: ArrayRef = match (bound.data_type(), bound.literal()) {
        (PrimitiveType::Boolean, PrimitiveLiteral::Boolean(value)) => {
            Arc::new(BooleanArray::from(vec![*value]))
        }
        (PrimitiveType::Date, PrimitiveLiteral::Int(value)) => {
            Arc::new(Date32Array::from(vec![*value]))
        }
        (_, PrimitiveLiteral::Int(value)) => Arc::new(Int32Array::from(vec![*value])),
        (PrimitiveType::Time, PrimitiveLiteral::Long(value)) => {
            Arc::new(Time64MicrosecondArray::from(vec![*value]))
        }
        (PrimitiveType::Timestamp, PrimitiveLiteral::Long(value)) => {
            Arc::new(TimestampMicrosecondArray::from(vec![*value]))
        }
        (PrimitiveType::Timestamptz, PrimitiveLiteral::Long(value)) => {
            Arc::new(TimestampMicrosecondArray::from(vec![*value]).with_timezone("+00:00"))
        }
        (PrimitiveType::Long, PrimitiveLiteral::Long(value)) => {
            Arc::new(Int64Array::from(vec![*value]))
        }
        (PrimitiveType::String, PrimitiveLiteral::String(value)) => {
            Arc::new(StringArray::from(vec![value.as_str()]))
        }
        (PrimitiveType::Binary, PrimitiveLiteral::Binary(value)) => {
            Arc::new(BinaryArray::from(vec![value.as_slice()]))
        }
        (PrimitiveType::Fixed(_), PrimitiveLiteral::Binary(value)) => {
            Arc::new(FixedSizeBinaryArray::try_from_iter(std::iter::once(value))?)
        }
        (PrimitiveType::Uuid, PrimitiveLiteral::UInt128(value)) => {
            let bytes = std::iter::once(value.to_be_bytes());
            Arc::new(FixedSizeBinaryArray::try_from_iter(bytes)?)
        }
        (PrimitiveType::Decimal { precision, scale }, PrimitiveLiteral::Int128(value)) => {
            let (Ok(precision), Ok(scale)) = (u8::try_from(*precision), i8::try_from(*scale))
            else {
                return Ok(None);
            };
            let array = Decimal128Array::from(vec![*value]);
            Arc::new(array.with_precision_and_scale(precision, scale)?)
        }
        _ => return Ok(None),
    };
    if array.data_type() == kind { Ok(Some(array)) } else { Ok(Some(exact_cast(&array, kind)?)) }
}
