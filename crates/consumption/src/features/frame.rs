//! The entity frame: which entities, at which moments.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use base::ErrorKind;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::ConsumptionError;

/// Lines of a CSV file by which the types of its columns are told.
const TYPE_LINES: usize = 10_000;

/// Which entities, at which moments.
#[derive(Clone, Debug)]
pub enum EntityFrame {
    /// Rows that are there already.
    Rows(SchemaRef, Vec<RecordBatch>),
    /// A query of the project's dialect.
    Sql(String),
    /// A model, as `ref('x')` names it.
    Model(String),
}

/// Moments of a text file are UTC's unless they say otherwise.
fn in_utc(schema: &Schema) -> Schema {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Timestamp(_, None) => {
            let kind = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
            Field::new(field.name(), kind, true)
        }
        _ => field.as_ref().clone(),
    };
    Schema::new(schema.fields().iter().map(field).collect::<Vec<Field>>())
}

/// Reads a CSV or Parquet file, by the end of its name.
///
/// # Errors
/// When it is neither, or does not hold what its name says.
pub fn frame_from_file(name: &str, content: Vec<u8>) -> Result<EntityFrame, ConsumptionError> {
    let wrong = |what: String| ConsumptionError::File {
        path: name.to_owned(),
        what,
        kind: ErrorKind::Corrupt,
    };
    let lower = name.to_ascii_lowercase();
    if lower.ends_with(".parquet") {
        let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(content))
            .map_err(|error| wrong(format!("is no Parquet file: {error}")))?;
        let schema = Arc::clone(builder.schema());
        let reader = builder.build().map_err(|error| wrong(error.to_string()))?;
        let rows: Result<Vec<RecordBatch>, _> = reader.collect();
        let rows = rows.map_err(|error| wrong(format!("cannot be read: {error}")))?;
        return Ok(EntityFrame::Rows(schema, rows));
    }
    if !lower.ends_with(".csv") {
        return Err(ConsumptionError::Settings {
            message: format!("\"{name}\" is neither a CSV nor a Parquet file"),
            help: "Write the entities into a .csv or .parquet file, or give --sql.".to_owned(),
        });
    }
    let format = Format::default().with_header(true);
    let (schema, _) = format
        .infer_schema(Cursor::new(&content), Some(TYPE_LINES))
        .map_err(|error| wrong(format!("is no CSV file: {error}")))?;
    let schema: SchemaRef = Arc::new(in_utc(&schema));
    let reader = ReaderBuilder::new(Arc::clone(&schema)).with_header(true);
    let reader = reader.build(Cursor::new(content)).map_err(|error| wrong(error.to_string()))?;
    let rows: Result<Vec<RecordBatch>, _> = reader.collect();
    let rows = rows.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    Ok(EntityFrame::Rows(schema, rows))
}
