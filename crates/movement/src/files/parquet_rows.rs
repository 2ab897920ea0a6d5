//! Parquet files as row batches, and their columns fitted to the stream's schema without loss.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::array::{TimestampMicrosecondArray, new_null_array};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::datatypes::{DataType, TimeUnit};
use base::Files;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use project::ingest::{ColumnType, SchemaChangePolicy};

use super::PendingFile;
use crate::decode::{DecodeRules, Decoded, Drift, NewColumn};
use crate::rejects::Reject;
use crate::schema::{Kind, ServiceColumns, StreamSchema, data_type, kind_of, type_name};

const BATCH_ROWS: usize = 32 * 1024;

/// Rows of a Parquet file.
#[derive(Clone, Debug)]
pub(crate) struct ParquetRows {
    pub(crate) origin: Arc<str>,
    pub(crate) batch: RecordBatch,
    /// Number of the first row, from 1.
    pub(crate) first_row: u64,
    pub(crate) constants: Arc<Vec<(String, String)>>,
}

/// Opens a Parquet file; the error says what is broken and how many rows the footer promises.
pub(super) fn open(
    files: &dyn Files,
    file: &PendingFile,
) -> Result<(ParquetRecordBatchReader, u64), (String, u64)> {
    let handle = files.open(&file.entry.path).map_err(|error| (error.to_string(), 1))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(handle).map_err(|error| (error.to_string(), 1))?;
    let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let reader = builder
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|error| (error.to_string(), rows.max(1)))?;
    Ok((reader, rows))
}

/// The type under which a column of a file is kept.
fn kept_type(found: &DataType) -> DataType {
    match found {
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(38, 0),
        DataType::Float16 | DataType::Float32 => DataType::Float64,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => data_type(ColumnType::Time),
        DataType::Timestamp(_, None) => data_type(ColumnType::Timestamp),
        DataType::Timestamp(_, Some(_)) => data_type(ColumnType::Timestamptz),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, value) => kept_type(value),
        other => other.clone(),
    }
}

/// Fits rows to the schema: columns by name, types where the value stays the same.
pub(crate) fn fit(rows: &ParquetRows, schema: &StreamSchema, rules: &DecodeRules) -> Decoded {
    let count = rows.batch.num_rows();
    let mut fitted = Fitted {
        columns: vec![None; schema.columns.len()],
        good: vec![true; count],
        reasons: Vec::new(),
        drift: Drift::default(),
    };
    for (field, array) in rows.batch.schema_ref().fields().iter().zip(rows.batch.columns()) {
        let name = field.name().as_str();
        if rules.drop.contains(name) {
            continue;
        }
        let name = rules.rename.get(name).map_or(name, String::as_str);
        match schema.place(name) {
            Some(place) => fitted.column(place, array, schema),
            None => fitted.unknown(name, array, rules),
        }
    }
    fitted.finish(rows, schema, rules)
}

struct Fitted {
    columns: Vec<Option<ArrayRef>>,
    good: Vec<bool>,
    /// Row, column and reason of each first problem.
    reasons: Vec<(usize, String, String)>,
    drift: Drift,
}

impl Fitted {
    fn column(&mut self, place: usize, array: &ArrayRef, schema: &StreamSchema) {
        let column = &schema.columns[place];
        let wanted = column.data_type();
        if *array.data_type() == wanted {
            self.columns[place] = Some(Arc::clone(array));
            return;
        }
        let (cast, same) = cast_exactly(array, &wanted);
        for row in 0..array.len() {
            if array.is_valid(row) && !same.as_ref().is_some_and(|same| same.value(row)) {
                let kind = type_name(&column.kind);
                self.bad(
                    row,
                    &column.name,
                    format!("a value of {} does not fit {kind}", array.data_type()),
                );
            }
        }
        self.columns[place] = Some(cast.unwrap_or_else(|| new_null_array(&wanted, array.len())));
    }

    fn unknown(&mut self, name: &str, array: &ArrayRef, rules: &DecodeRules) {
        if array.null_count() == array.len() {
            return;
        }
        let new = NewColumn::of_kind(kind_of(&kept_type(array.data_type())));
        self.drift.unknown.insert(name.to_owned(), new);
        if rules.policy == SchemaChangePolicy::Freeze && !rules.first {
            for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
                self.bad(row, name, "new column, and the stream's schema is frozen".to_owned());
            }
        }
    }

    fn bad(&mut self, row: usize, column: &str, reason: String) {
        if std::mem::replace(&mut self.good[row], false) {
            self.reasons.push((row, column.to_owned(), reason));
        }
    }

    fn finish(self, rows: &ParquetRows, schema: &StreamSchema, rules: &DecodeRules) -> Decoded {
        let count = rows.batch.num_rows();
        let present = self.columns.iter().map(Option::is_some).collect();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.arrow().fields().len());
        for (column, array) in schema.columns.iter().zip(self.columns) {
            let constant = rows.constants.iter().find(|(name, _)| *name == column.name);
            columns.push(match (constant, array) {
                (Some((_, value)), _) => constant_column(value, &column.kind, count),
                (None, Some(array)) => array,
                (None, None) => new_null_array(&column.data_type(), count),
            });
        }
        if schema.service == ServiceColumns::Files {
            let origin = std::iter::repeat_n(rows.origin.as_ref(), count);
            columns.push(Arc::new(StringArray::from_iter_values(origin)));
            let first = i64::try_from(rows.first_row).unwrap_or(i64::MAX);
            let numbers = (0..count as u64).map(|row| first.saturating_add_unsigned(row));
            columns.push(Arc::new(Int64Array::from_iter_values(numbers)));
        }
        let loaded = TimestampMicrosecondArray::from_value(rules.loaded_at_micros, count)
            .with_data_type(data_type(ColumnType::Timestamptz));
        columns.push(Arc::new(loaded));
        let whole = RecordBatch::try_new(Arc::clone(schema.arrow()), columns)
            .expect("every column was cast to its type");
        let good = BooleanArray::from(self.good);
        let kept = filter_record_batch(&whole, &good).expect("the mask has a place for each row");
        let mut drift = self.drift;
        for (name, value) in rows.constants.iter().filter(|(name, _)| schema.place(name).is_none())
        {
            drift.see_letters(name, value);
        }
        let mut rejects: Vec<Reject> = Vec::new();
        for (row, column, reason) in self.reasons {
            let source = row_json(&rows.batch.slice(row, 1));
            let mut reject =
                Reject::row(&rows.origin, rows.first_row + row as u64, &source, reason);
            reject.column = Some(column);
            rejects.push(reject);
        }
        Decoded { rows: kept, rejects, read: count as u64, drift, present }
    }
}

fn constant_column(value: &str, kind: &Kind, count: usize) -> ArrayRef {
    let column = crate::schema::Column {
        name: String::new(),
        kind: kind.clone(),
        declared: true,
        committed: false,
    };
    let mut builder = crate::decode::Builder::new(kind, count);
    let cell = crate::decode::Cell::Letters(value);
    let value = crate::decode::convert(cell, &column).unwrap_or(crate::decode::Value::Null);
    for _ in 0..count {
        builder.append(&value);
    }
    builder.finish()
}

/// Casts, and tells for each row whether casting back gives the same value.
fn cast_exactly(array: &ArrayRef, wanted: &DataType) -> (Option<ArrayRef>, Option<BooleanArray>) {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let nanoseconds = matches!(array.data_type(), DataType::Timestamp(TimeUnit::Nanosecond, _));
    let Ok(cast) = cast_with_options(array, wanted, &options) else { return (None, None) };
    // Text of anything is text; what it came from cannot be told from it.
    if *wanted == DataType::Utf8 && !nanoseconds {
        let same = BooleanArray::from(vec![true; array.len()]);
        return (Some(cast), Some(same));
    }
    let Ok(back) = cast_with_options(&cast, array.data_type(), &options) else {
        return (Some(cast), None);
    };
    let same = not_distinct(&back, array).unwrap_or_else(|_| {
        // Nested values have no kernel that compares them.
        let same = |row: usize| back.slice(row, 1).as_ref() == array.slice(row, 1).as_ref();
        (0..array.len()).map(|row| Some(same(row))).collect()
    });
    (Some(cast), Some(same))
}

fn row_json(row: &RecordBatch) -> Vec<u8> {
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    let written = writer.write(row).and_then(|()| writer.finish());
    let text = writer.into_inner();
    if written.is_ok() { text.trim_ascii_end().to_vec() } else { Vec::new() }
}
