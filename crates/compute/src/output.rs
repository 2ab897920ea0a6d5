//! Rows as people and programs like them: an aligned table, CSV, JSON lines, a Parquet file.

use std::fmt::Write as _;
use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base::ErrorKind;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::error::QueryError;

/// Columns of text in one cell of a table; the rest is cut off.
const CELL_WIDTH_MAX: usize = 60;
/// What stands for a missing value in a table.
const MISSING: &str = "∅";

/// An aligned table, numbers to the right.
///
/// # Errors
/// When a value has no text.
pub fn table(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<String, QueryError> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let options = FormatOptions::default().with_null(MISSING);
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unwritten("a table", &error))?;
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| cell(&column.value(row).to_string())).collect());
        }
    }
    let header: Vec<String> = schema.fields().iter().map(|field| cell(field.name())).collect();
    let numeric: Vec<bool> =
        schema.fields().iter().map(|field| is_number(field.data_type())).collect();
    let mut widths: Vec<usize> = header.iter().map(|name| width(name)).collect();
    for row in &rows {
        for (wide, text) in widths.iter_mut().zip(row) {
            *wide = (*wide).max(width(text));
        }
    }
    let mut text = String::new();
    push_row(&mut text, &header, &widths, &numeric);
    let rule: Vec<String> = widths.iter().map(|wide| "─".repeat(*wide)).collect();
    let _ = writeln!(text, "{}", rule.join("  "));
    for row in &rows {
        push_row(&mut text, row, &widths, &numeric);
    }
    Ok(text)
}

fn push_row(text: &mut String, row: &[String], widths: &[usize], numeric: &[bool]) {
    let mut line = String::new();
    for ((value, wide), right) in row.iter().zip(widths).zip(numeric) {
        let gap = " ".repeat(wide.saturating_sub(width(value)));
        if !line.is_empty() {
            line.push_str("  ");
        }
        if *right {
            line.push_str(&gap);
            line.push_str(value);
        } else {
            line.push_str(value);
            line.push_str(&gap);
        }
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// One line of at most [`CELL_WIDTH_MAX`] characters; control characters would break the terminal.
fn cell(value: &str) -> String {
    let mut text: String = value
        .chars()
        .flat_map(|letter| {
            let escaped = letter.is_control();
            let shown: Box<dyn Iterator<Item = char>> = if escaped {
                Box::new(letter.escape_default())
            } else {
                Box::new([letter].into_iter())
            };
            shown
        })
        .take(CELL_WIDTH_MAX + 1)
        .collect();
    if width(&text) > CELL_WIDTH_MAX {
        text = text.chars().take(CELL_WIDTH_MAX - 1).chain(['…']).collect();
    }
    text
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// Writes rows as they come, so that a large answer needs no memory and its reader may leave early.
pub enum RowWriter<W: Write + Send> {
    /// Comma-separated values with a header line.
    Csv(Box<arrow::csv::Writer<W>>),
    /// One JSON object per line; missing values are written as null.
    JsonLines(Box<arrow::json::LineDelimitedWriter<W>>),
    /// A Parquet file, compressed.
    Parquet(Box<ArrowWriter<W>>),
}

impl<W: Write + Send> RowWriter<W> {
    /// Comma-separated values; the header is written at once.
    ///
    /// # Errors
    /// When a column is nested, or the writer refuses.
    pub fn csv(schema: &SchemaRef, to: W) -> Result<Self, QueryError> {
        let nested = schema.fields().iter().find(|field| field.data_type().is_nested());
        if let Some(field) = nested {
            return Err(QueryError::project(format!(
                "column \"{}\" is nested, which CSV cannot hold",
                field.name()
            ))
            .help("Write JSON lines or Parquet, or pick fields of the column apart."));
        }
        let mut writer = arrow::csv::WriterBuilder::new().with_header(true).build(to);
        let empty = RecordBatch::new_empty(std::sync::Arc::clone(schema));
        writer.write(&empty).map_err(|error| unwritten("CSV", &error))?;
        Ok(Self::Csv(Box::new(writer)))
    }

    /// JSON lines.
    pub fn json_lines(to: W) -> Self {
        let writer = arrow::json::WriterBuilder::new().with_explicit_nulls(true).build(to);
        Self::JsonLines(Box::new(writer))
    }

    /// A Parquet file.
    ///
    /// # Errors
    /// When the schema cannot be written as Parquet.
    pub fn parquet(schema: &SchemaRef, to: W) -> Result<Self, QueryError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let writer = ArrowWriter::try_new(to, std::sync::Arc::clone(schema), Some(properties))
            .map_err(|error| unwritten("Parquet", &error))?;
        Ok(Self::Parquet(Box::new(writer)))
    }

    /// Writes rows.
    ///
    /// # Errors
    /// When a value has no form in this format, or the writer refuses.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        match self {
            Self::Csv(writer) => writer.write(batch).map_err(|error| unwritten("CSV", &error)),
            Self::JsonLines(writer) => {
                writer.write(batch).map_err(|error| unwritten("JSON", &error))
            }
            Self::Parquet(writer) => {
                writer.write(batch).map_err(|error| unwritten("Parquet", &error))
            }
        }
    }

    /// Writes what must stand at the end.
    ///
    /// # Errors
    /// When the writer refuses.
    pub fn finish(self) -> Result<(), QueryError> {
        match self {
            Self::Csv(_) => Ok(()),
            Self::JsonLines(mut writer) => {
                writer.finish().map_err(|error| unwritten("JSON", &error))
            }
            Self::Parquet(writer) => {
                writer.close().map(|_| ()).map_err(|error| unwritten("Parquet", &error))
            }
        }
    }
}

impl<W: Write + Send> std::fmt::Debug for RowWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let format = match self {
            Self::Csv(_) => "Csv",
            Self::JsonLines(_) => "JsonLines",
            Self::Parquet(_) => "Parquet",
        };
        f.debug_tuple("RowWriter").field(&format).finish()
    }
}

fn write_all<W: Write + Send>(
    mut writer: RowWriter<W>,
    batches: &[RecordBatch],
) -> Result<(), QueryError> {
    for batch in batches {
        writer.write(batch)?;
    }
    writer.finish()
}

/// Comma-separated values with a header line.
///
/// # Errors
/// When a column is nested, or the writer refuses.
pub fn csv(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    to: impl Write + Send,
) -> Result<(), QueryError> {
    write_all(RowWriter::csv(schema, to)?, batches)
}

/// One JSON object per line; missing values are written as null.
///
/// # Errors
/// When a value has no JSON, or the writer refuses.
pub fn json_lines(batches: &[RecordBatch], to: impl Write + Send) -> Result<(), QueryError> {
    write_all(RowWriter::json_lines(to), batches)
}

/// A Parquet file, compressed.
///
/// # Errors
/// When the writer refuses.
pub fn parquet(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    to: impl Write + Send,
) -> Result<(), QueryError> {
    write_all(RowWriter::parquet(schema, to)?, batches)
}

fn unwritten(what: &str, error: &dyn std::fmt::Display) -> QueryError {
    QueryError::new(ErrorKind::Storage, format!("the rows could not be written as {what}"))
        .detail(error.to_string())
}
