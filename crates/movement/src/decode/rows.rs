//! Rows on their way into columns: each is read whole, checked whole, and then either appended to
//! every column or kept aside.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use base::limits::TEXT_LINE_BYTES_MAX;
use project::ingest::{ColumnType, SchemaChangePolicy};

use super::csv::Field;
use super::json::members;
use super::{Builder, Cell, Chunk, DecodeRules, Decoded, Drift, Layout, Value, convert};
use crate::rejects::Reject;
use crate::schema::{ServiceColumns, StreamSchema, data_type, type_name};

/// Letters of a value that an error message shows.
const SHOWN_VALUE_LETTERS_MAX: usize = 60;
/// Bytes of a JSON line, guessed, to size the columns.
const LINE_BYTES_GUESS: usize = 120;

/// Where a field of the source goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Column(usize),
    Unknown(String),
    Dropped,
}

pub(super) struct Rows<'a> {
    chunk: &'a Chunk,
    schema: &'a StreamSchema,
    rules: &'a DecodeRules,
    builders: Vec<Builder>,
    lines: Vec<i64>,
    cells: Vec<Cell<'a>>,
    /// Empty between rows; keeps the allocation.
    scratch: Vec<Value<'static>>,
    constants: Vec<(usize, &'a str)>,
    present: Vec<bool>,
    rejects: Vec<Reject>,
    drift: Drift,
    read: u64,
    /// Targets of JSON names, found once.
    targets: HashMap<String, Target>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(chunk: &'a Chunk, schema: &'a StreamSchema, rules: &'a DecodeRules) -> Self {
        let rows = match &chunk.layout {
            Layout::Ndjson { .. } => chunk.bytes.len() / LINE_BYTES_GUESS + 1,
            Layout::Csv { records, .. } => records.len(),
        };
        let builders =
            schema.columns.iter().map(|column| Builder::new(&column.kind, rows)).collect();
        let mut made = Self {
            chunk,
            schema,
            rules,
            builders,
            lines: Vec::with_capacity(rows),
            cells: vec![Cell::Absent; schema.columns.len()],
            scratch: Vec::with_capacity(schema.columns.len()),
            constants: Vec::new(),
            present: vec![false; schema.columns.len()],
            rejects: chunk.broken.clone(),
            drift: Drift::default(),
            read: chunk.broken.iter().map(|reject| reject.rows).sum(),
            targets: HashMap::new(),
        };
        for (name, value) in chunk.constants.iter() {
            match made.target(name) {
                Target::Column(place) => made.constants.push((place, value)),
                Target::Unknown(name) => made.drift.see_unknown(&name, Cell::Letters(value)),
                Target::Dropped => {}
            }
        }
        made
    }

    fn target(&self, name: &str) -> Target {
        if self.rules.drop.contains(name) {
            return Target::Dropped;
        }
        let name = self.rules.rename.get(name).map_or(name, String::as_str);
        match self.schema.place(name) {
            Some(place) => Target::Column(place),
            None => Target::Unknown(name.to_owned()),
        }
    }

    pub(super) fn places(&self, header: &[String]) -> Vec<Target> {
        header.iter().map(|name| self.target(name)).collect()
    }

    pub(super) fn json_line(&mut self, bytes: &'a [u8], line: u64, truncated: bool) {
        if bytes.len() > TEXT_LINE_BYTES_MAX {
            return self.too_long(bytes, line);
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return self.not_text(bytes, line, error.valid_up_to()),
        };
        if text.trim_ascii().is_empty() {
            return;
        }
        self.read += 1;
        self.cells.fill(Cell::Absent);
        let mut unknown: Vec<(String, Cell<'a>)> = Vec::new();
        let mut expected = 0;
        let result = members(text, |name, cell| {
            // Lines of one file mostly have the same members in the same order.
            let column = self.schema.columns.get(expected);
            let place = match column {
                Some(column) if column.name == name && !self.renamed(&name) => expected,
                _ => match self.known_target(&name) {
                    Target::Column(place) => place,
                    Target::Dropped => return,
                    Target::Unknown(name) => {
                        unknown.push((name, cell));
                        return;
                    }
                },
            };
            self.cells[place] = cell;
            expected = place + 1;
        });
        if let Err(problem) = result {
            let reason = if problem.ended && truncated {
                "the file ends inside this record".to_owned()
            } else {
                format!("not JSON: expected {} at byte {}", problem.expected, problem.at + 1)
            };
            let reject = Reject::row(&self.chunk.origin, line, bytes, reason);
            self.rejects.push(reject);
            return;
        }
        self.finish_row(bytes, line, &unknown);
    }

    fn renamed(&self, name: &str) -> bool {
        !self.rules.rename.is_empty() && self.rules.rename.contains_key(name)
            || !self.rules.drop.is_empty() && self.rules.drop.contains(name)
    }

    fn known_target(&mut self, name: &str) -> Target {
        if let Some(known) = self.targets.get(name) {
            return known.clone();
        }
        let target = self.target(name);
        self.targets.insert(name.to_owned(), target.clone());
        target
    }

    fn too_long(&mut self, bytes: &[u8], line: u64) {
        self.read += 1;
        let length = bytes.len();
        let reason = format!(
            "the line has {length} bytes, more than the {TEXT_LINE_BYTES_MAX} a line may have"
        );
        self.rejects.push(Reject::row(&self.chunk.origin, line, bytes, reason));
    }

    pub(super) fn not_text(&mut self, bytes: &[u8], line: u64, at: usize) {
        self.read += 1;
        let reason = format!("not UTF-8: byte {} is no part of a letter", at + 1);
        self.rejects.push(Reject::row(&self.chunk.origin, line, bytes, reason));
    }

    pub(super) fn csv_record(
        &mut self,
        text: &'a str,
        line: u64,
        fields: &[Field],
        places: &[Target],
        quote: u8,
    ) {
        if text.is_empty() {
            return;
        }
        self.read += 1;
        if fields.len() != places.len() {
            let reason = format!("{} values, and the header names {}", fields.len(), places.len());
            let bytes = text.as_bytes();
            self.rejects.push(Reject::row(&self.chunk.origin, line, bytes, reason));
            return;
        }
        // Doubled quotes are rare: rows that have them are unfolded apart.
        if fields.iter().any(|field| field.doubled) {
            self.unfolded_record(text, line, fields, places, quote);
            return;
        }
        self.cells.fill(Cell::Absent);
        let mut unknown = Vec::new();
        for (field, target) in fields.iter().zip(places) {
            let cell = self.csv_cell(&text[field.start..field.end], field.quoted);
            self.place(target, cell, &mut unknown);
        }
        self.finish_row(text.as_bytes(), line, &unknown);
    }

    fn place(&mut self, target: &Target, cell: Cell<'a>, unknown: &mut Vec<(String, Cell<'a>)>) {
        match target {
            Target::Column(place) => self.cells[*place] = cell,
            Target::Unknown(name) => unknown.push((name.clone(), cell)),
            Target::Dropped => {}
        }
    }

    fn csv_cell(&self, letters: &'a str, quoted: bool) -> Cell<'a> {
        let null = !quoted && self.rules.null_values.iter().any(|null| null == letters);
        if null { Cell::Null } else { Cell::Letters(letters) }
    }

    fn unfolded_record(
        &mut self,
        text: &'a str,
        line: u64,
        fields: &[Field],
        places: &[Target],
        quote: u8,
    ) {
        let quote = char::from(quote).to_string();
        let doubled = quote.repeat(2);
        let unfolded: Vec<Option<String>> = fields
            .iter()
            .map(|field| {
                let letters = &text[field.start..field.end];
                field.doubled.then(|| letters.replace(&doubled, &quote))
            })
            .collect();
        let mut cells: Vec<Cell<'_>> = vec![Cell::Absent; self.cells.len()];
        let mut unknown = Vec::new();
        for ((field, target), letters) in fields.iter().zip(places).zip(&unfolded) {
            let cell = match letters {
                Some(letters) => Cell::Letters(letters),
                None => self.csv_cell(&text[field.start..field.end], field.quoted),
            };
            match target {
                Target::Column(place) => cells[*place] = cell,
                Target::Unknown(name) => unknown.push((name.clone(), cell)),
                Target::Dropped => {}
            }
        }
        self.take_row(text.as_bytes(), line, &mut cells, &unknown);
    }

    fn finish_row(&mut self, source: &[u8], line: u64, unknown: &[(String, Cell<'a>)]) {
        let mut cells = std::mem::take(&mut self.cells);
        self.take_row(source, line, &mut cells, unknown);
        self.cells = cells;
    }

    /// Appends the row to every column, or keeps it aside.
    fn take_row<'b>(
        &mut self,
        source: &[u8],
        line: u64,
        cells: &mut [Cell<'b>],
        unknown: &[(String, Cell<'b>)],
    ) where
        'a: 'b,
    {
        for (place, value) in &self.constants {
            cells[*place] = Cell::Letters(value);
        }
        let mut first_problem = None;
        for (name, cell) in unknown.iter().filter(|(_, cell)| cell.holds_value()) {
            self.drift.see_unknown(name, *cell);
            if self.rules.policy == SchemaChangePolicy::Freeze && !self.rules.first {
                let reason = "new column, and the stream's schema is frozen".to_owned();
                first_problem.get_or_insert((name.clone(), reason));
            }
        }
        let mut values: Vec<Value<'b>> = recycled(std::mem::take(&mut self.scratch));
        for (place, cell) in cells.iter().enumerate() {
            self.present[place] |= *cell != Cell::Absent;
            let column = &self.schema.columns[place];
            match convert(*cell, column) {
                Some(value) => values.push(value),
                None => {
                    if !column.declared && !column.committed {
                        self.drift.see_misfit(place, *cell);
                    }
                    let reason = misfit_reason(*cell, &type_name(&column.kind));
                    first_problem.get_or_insert((column.name.clone(), reason));
                    values.push(Value::Null);
                }
            }
        }
        if let Some((column, reason)) = first_problem {
            let mut reject = Reject::row(&self.chunk.origin, line, source, reason);
            reject.column = Some(column);
            self.rejects.push(reject);
            self.scratch = recycled(values);
            return;
        }
        for (builder, value) in self.builders.iter_mut().zip(&values) {
            builder.append(value);
        }
        self.scratch = recycled(values);
        self.lines.push(i64::try_from(line).unwrap_or(i64::MAX));
    }

    pub(super) fn finish(self) -> Decoded {
        let rows = self.lines.len();
        let mut columns: Vec<ArrayRef> = self.builders.into_iter().map(Builder::finish).collect();
        let loaded = TimestampMicrosecondArray::from_value(self.rules.loaded_at_micros, rows)
            .with_data_type(data_type(ColumnType::Timestamptz));
        if self.schema.service == ServiceColumns::Files {
            let origin = std::iter::repeat_n(self.chunk.origin.as_ref(), rows);
            columns.push(Arc::new(StringArray::from_iter_values(origin)));
            columns.push(Arc::new(Int64Array::from(self.lines)));
        }
        columns.push(Arc::new(loaded));
        let rows = RecordBatch::try_new(Arc::clone(self.schema.arrow()), columns)
            .expect("every builder has the type and the rows of its column");
        Decoded {
            rows,
            rejects: self.rejects,
            read: self.read,
            drift: self.drift,
            present: self.present,
        }
    }
}

/// The same allocation for values of another lifetime: collecting an emptied vector in place keeps
/// its memory.
fn recycled<'to>(mut values: Vec<Value<'_>>) -> Vec<Value<'to>> {
    values.clear();
    values.into_iter().map(|_| Value::Null).collect()
}

fn misfit_reason(cell: Cell<'_>, kind: &str) -> String {
    let Some(text) = cell.to_text() else {
        return "a string with a wrong escape".to_owned();
    };
    let mut shown: String = text.chars().take(SHOWN_VALUE_LETTERS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("\"{shown}\" does not fit {kind}")
}
