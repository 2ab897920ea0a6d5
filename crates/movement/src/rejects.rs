//! Rows kept aside: why, from where, and what the source gave.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use project::ingest::ColumnType;

use crate::schema::data_type;

/// Bytes of a rejected row that are kept; of a longer one the beginning.
pub const REJECT_SOURCE_BYTES_MAX: usize = 64 * 1024;

/// One row, or one file, that was not loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reject {
    /// Why, in words.
    pub(crate) reason: String,
    /// The column whose value did not fit.
    pub(crate) column: Option<String>,
    /// The file or endpoint.
    pub(crate) origin: Arc<str>,
    /// Line of the file, or number of the record.
    pub(crate) line: Option<u64>,
    /// Where in the source, as JSON.
    pub(crate) position: Option<String>,
    /// What the source gave, or its beginning.
    pub(crate) source: Vec<u8>,
    /// How long it was.
    pub(crate) source_bytes: u64,
    /// Rows of the source this stands for; more than one for a broken file.
    pub(crate) rows: u64,
}

impl Reject {
    /// One row and why it was not loaded.
    pub(crate) fn row(origin: &Arc<str>, line: u64, source: &[u8], reason: String) -> Self {
        let kept = &source[..source.len().min(REJECT_SOURCE_BYTES_MAX)];
        Self {
            reason,
            column: None,
            origin: Arc::clone(origin),
            line: Some(line),
            position: None,
            source: kept.to_vec(),
            source_bytes: source.len() as u64,
            rows: 1,
        }
    }

    /// `file:line: reason`, for an error message.
    pub(crate) fn summary(&self) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        match &self.column {
            Some(column) => format!("{}{line}: column \"{column}\": {}", self.origin, self.reason),
            None => format!("{}{line}: {}", self.origin, self.reason),
        }
    }
}

/// The columns of a rejects table.
pub(crate) fn rejects_schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    Arc::new(Schema::new(vec![
        text("reason"),
        text("column_name"),
        text("file"),
        number("line"),
        text("position"),
        text("source_text"),
        Field::new("source_binary", DataType::Binary, true),
        number("source_bytes"),
        number("rows"),
        text("run_id"),
        Field::new("rejected_at", data_type(ColumnType::Timestamptz), true),
    ]))
}

/// Rejects as rows of their table.
pub(crate) fn rejects_batch(
    rejects: &[Reject],
    run: Option<&str>,
    at_micros: i64,
) -> Result<RecordBatch, ArrowError> {
    let mut texts: [StringBuilder; 6] = std::array::from_fn(|_| StringBuilder::new());
    let mut numbers: [Int64Builder; 3] = std::array::from_fn(|_| Int64Builder::new());
    let mut binary = BinaryBuilder::new();
    let mut times =
        TimestampMicrosecondBuilder::new().with_data_type(data_type(ColumnType::Timestamptz));
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    for reject in rejects {
        let text = std::str::from_utf8(&reject.source).ok();
        texts[0].append_value(&reject.reason);
        texts[1].append_option(reject.column.as_deref());
        texts[2].append_value(reject.origin.as_ref());
        texts[3].append_option(reject.position.as_deref());
        texts[4].append_option(text);
        texts[5].append_option(run);
        numbers[0].append_option(reject.line.map(whole));
        numbers[1].append_value(whole(reject.source_bytes));
        numbers[2].append_value(whole(reject.rows));
        binary.append_option(if text.is_none() { Some(&reject.source) } else { None });
        times.append_value(at_micros);
    }
    let [reason, column, origin, position, source, run] =
        texts.map(|mut builder| Arc::new(builder.finish()) as ArrayRef);
    let [line, bytes, rows] = numbers.map(|mut builder| Arc::new(builder.finish()) as ArrayRef);
    let (binary, times) = (Arc::new(binary.finish()), Arc::new(times.finish()));
    RecordBatch::try_new(
        rejects_schema(),
        vec![reason, column, origin, line, position, source, binary, bytes, rows, run, times],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_kept_as_they_are() {
        let origin: Arc<str> = Arc::from("a.csv");
        let rejects = [
            Reject::row(&origin, 3, b"a\xff", "not UTF-8".to_owned()),
            Reject::row(&origin, 4, b"ab", "x".to_owned()),
        ];
        let batch = rejects_batch(&rejects, Some("r1"), 0).unwrap();
        let shown = arrow::util::pretty::pretty_format_batches(&[batch]).unwrap().to_string();
        insta::assert_snapshot!(shown);
        assert_eq!(rejects[0].summary(), "a.csv:3: not UTF-8");
    }
}
