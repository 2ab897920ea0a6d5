//! From stretches of text to Arrow batches and rejects. A chunk is decoded on one thread, without
//! I/O; what the schema does not know is reported, and the caller decides by the stream's policy.

mod cell;
mod column;
mod csv;
mod json;
mod literal;
mod rows;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use indexmap::IndexMap;
use project::ingest::{ColumnType, SchemaChangePolicy};

pub(crate) use cell::{Cell, Guess};
pub(crate) use column::{Builder, Value, convert};
pub(crate) use csv::{Record, Scan, Shape, header_names, scan};

use crate::rejects::Reject;
use crate::schema::{Kind, StreamSchema};
use rows::Rows;

/// Values of a new column that are kept to tell a rename from an addition.
const SAMPLE_VALUES_MAX: usize = 64;

/// What does not change from chunk to chunk.
#[derive(Clone, Debug)]
pub(crate) struct DecodeRules {
    /// What to do with what the schema does not know.
    pub(crate) policy: SchemaChangePolicy,
    /// Fields that are not wanted.
    pub(crate) drop: HashSet<String>,
    /// Field of the source and column of the table.
    pub(crate) rename: HashMap<String, String>,
    /// Unquoted CSV values that mean NULL.
    pub(crate) null_values: Vec<String>,
    /// The value of the column that says when a row was loaded.
    pub(crate) loaded_at_micros: i64,
    /// Whether the table has no version yet: then every column is new and no row is rejected for
    /// a type.
    pub(crate) first: bool,
}

/// A stretch of text that holds whole records.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// The file or endpoint.
    pub(crate) origin: Arc<str>,
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// How records are found in them.
    pub(crate) layout: Layout,
    /// Columns whose value is the folder's name.
    pub(crate) constants: Arc<Vec<(String, String)>>,
    /// What was no record; part of the rows read.
    pub(crate) broken: Vec<Reject>,
    /// Whether the source ended inside the last record.
    pub(crate) truncated: bool,
}

/// How records are found in a chunk.
#[derive(Clone, Debug)]
pub(crate) enum Layout {
    /// One JSON object a line.
    Ndjson {
        /// Line of the file that the chunk begins with.
        first_line: u64,
    },
    /// Records that were found already.
    Csv {
        /// Names of the columns.
        header: Arc<Vec<String>>,
        /// Where the records are.
        records: Vec<Record>,
        /// Delimiter and quote.
        shape: Shape,
    },
}

/// What the schema did not know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drift {
    /// Fields without a column and the type of their values.
    pub(crate) unknown: IndexMap<String, NewColumn>,
    /// Columns of no committed table whose type was too narrow.
    pub(crate) misfit: BTreeMap<usize, Guess>,
}

/// A field without a column.
#[derive(Clone, Debug)]
pub(crate) struct NewColumn {
    /// The narrowest type that holds the values seen; none when the file itself gave the type.
    guess: Option<Guess>,
    /// The type the file gave.
    native: Option<Kind>,
    /// Some of its values.
    pub(crate) sample: Vec<String>,
}

impl NewColumn {
    /// A column whose file tells its type.
    pub(crate) fn of_kind(kind: Kind) -> Self {
        Self { guess: None, native: Some(kind), sample: Vec::new() }
    }

    /// The type the column gets.
    pub(crate) fn kind(&self) -> Kind {
        let guessed = || self.guess.map_or(ColumnType::String, Guess::column_type);
        self.native.clone().unwrap_or_else(|| Kind::Typed(guessed()))
    }

    /// Takes what another chunk saw.
    pub(crate) fn merge(&mut self, other: Self) {
        self.guess = match (self.guess, other.guess) {
            (Some(own), Some(other)) => Some(own.merge(other)),
            (own, other) => own.or(other),
        };
        self.native = self.native.take().or(other.native);
        self.sample.extend(other.sample);
    }

    fn see(found: Option<&mut Self>, cell: Cell<'_>) -> Option<Self> {
        let guess = cell.guess()?;
        match found {
            Some(known) => {
                known.guess = Some(known.guess.map_or(guess, |own| own.merge(guess)));
                if known.sample.len() < SAMPLE_VALUES_MAX {
                    known.sample.push(cell.to_text().unwrap_or_default().into_owned());
                }
                None
            }
            None => {
                let text = cell.to_text().unwrap_or_default().into_owned();
                Some(Self { guess: Some(guess), native: None, sample: vec![text] })
            }
        }
    }
}

impl Drift {
    /// Whether the schema knew everything.
    pub(crate) fn is_empty(&self) -> bool {
        self.unknown.is_empty() && self.misfit.is_empty()
    }

    /// A new column whose value is the name of a folder.
    pub(crate) fn see_letters(&mut self, name: &str, value: &str) {
        self.see_unknown(name, Cell::Letters(value));
    }

    /// Takes what another chunk saw.
    pub(crate) fn merge(&mut self, other: Self) {
        for (name, new) in other.unknown {
            match self.unknown.get_mut(&name) {
                Some(known) => known.merge(new),
                None => {
                    self.unknown.insert(name, new);
                }
            }
        }
        for (place, guess) in other.misfit {
            let merged = self.misfit.get(&place).map_or(guess, |known| known.merge(guess));
            self.misfit.insert(place, merged);
        }
    }

    fn see_unknown(&mut self, name: &str, cell: Cell<'_>) {
        let new = NewColumn::see(self.unknown.get_mut(name), cell);
        if let Some(new) = new {
            self.unknown.insert(name.to_owned(), new);
        }
    }

    fn see_misfit(&mut self, place: usize, cell: Cell<'_>) {
        let Some(guess) = cell.guess() else { return };
        let merged = self.misfit.get(&place).map_or(guess, |known| known.merge(guess));
        self.misfit.insert(place, merged);
    }
}

/// What became of a chunk.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// The rows that fit the schema.
    pub(crate) rows: RecordBatch,
    /// The rows that did not.
    pub(crate) rejects: Vec<Reject>,
    /// Rows read, the rejected ones among them.
    pub(crate) read: u64,
    /// What the schema did not know.
    pub(crate) drift: Drift,
    /// Whether each column had a value or a null of its own in some row.
    pub(crate) present: Vec<bool>,
}

/// Decodes a chunk under a schema.
pub(crate) fn decode(chunk: &Chunk, schema: &StreamSchema, rules: &DecodeRules) -> Decoded {
    let mut rows = Rows::new(chunk, schema, rules);
    match &chunk.layout {
        Layout::Ndjson { first_line } => ndjson(chunk, *first_line, &mut rows),
        Layout::Csv { header, records, shape } => csv(chunk, header, records, *shape, &mut rows),
    }
    rows.finish()
}

fn ndjson<'a>(chunk: &'a Chunk, first_line: u64, rows: &mut Rows<'a>) {
    let mut line = first_line;
    let mut at = 0;
    let bytes = chunk.bytes.as_slice();
    while at < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |found| at + found);
        let last = chunk.truncated && end == bytes.len();
        rows.json_line(&bytes[at..end], line, last);
        line += 1;
        at = end + 1;
    }
}

fn csv<'a>(
    chunk: &'a Chunk,
    header: &'a [String],
    records: &[Record],
    shape: Shape,
    rows: &mut Rows<'a>,
) {
    let places = rows.places(header);
    let mut fields = Vec::new();
    for record in records {
        let bytes = &chunk.bytes[record.start..record.end];
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                csv::split(text, shape, &mut fields);
                rows.csv_record(text, record.line, &fields, &places, shape.quote);
            }
            Err(error) => rows.not_text(bytes, record.line, error.valid_up_to()),
        }
    }
}

/// A moment in text, in microseconds; without a zone it is taken as UTC.
pub(crate) fn moment_micros(text: &str) -> Option<i64> {
    match literal::moment(text)? {
        literal::Moment::Local(micros) | literal::Moment::Zoned(micros) => Some(micros),
    }
}
