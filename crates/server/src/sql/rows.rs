//! Rows on their way to a client, from either side, as many at a time as it asks for.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use compute::RowStream;
use compute::postgres_catalog::{Oid, Row};
use futures::StreamExt;

use super::cells::Cell;
use super::error::SqlError;

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutColumn {
    pub(super) name: String,
    pub(super) kind: Oid,
    pub(super) modifier: i32,
}

/// Where rows come from; what was taken does not come again.
#[derive(Debug)]
pub(super) enum Source {
    /// Rows that are all there.
    Rows(VecDeque<Row>),
    /// Rows that the engine makes as they are asked for, and what is left of a batch.
    Stream { stream: Box<RowStream>, left: Option<RecordBatch> },
}

/// Some rows.
#[derive(Debug)]
pub(super) enum Chunk {
    Rows(Vec<Row>),
    Batch(RecordBatch),
}

impl Source {
    pub(super) fn of_stream(stream: RowStream) -> Self {
        Self::Stream { stream: Box::new(stream), left: None }
    }

    /// At most so many rows; none at the end.
    pub(super) async fn next(&mut self, most: usize) -> Result<Option<Chunk>, SqlError> {
        match self {
            Self::Rows(rows) if rows.is_empty() => Ok(None),
            Self::Rows(rows) => {
                let taken = most.min(rows.len());
                Ok(Some(Chunk::Rows(rows.drain(..taken).collect())))
            }
            Self::Stream { stream, left } => {
                let batch = loop {
                    let next = match left.take() {
                        Some(batch) => Some(batch),
                        None => stream.next().await.transpose()?,
                    };
                    match next {
                        None => return Ok(None),
                        Some(batch) if batch.num_rows() == 0 => {}
                        Some(batch) => break batch,
                    }
                };
                if batch.num_rows() <= most {
                    return Ok(Some(Chunk::Batch(batch)));
                }
                *left = Some(batch.slice(most, batch.num_rows() - most));
                Ok(Some(Chunk::Batch(batch.slice(0, most))))
            }
        }
    }
}

impl Chunk {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Batch(batch) => batch.num_rows(),
        }
    }

    /// The values of one row.
    pub(super) fn cells(&self, row: usize) -> impl Iterator<Item = Cell<'_>> {
        let (rows, batch) = match self {
            Self::Rows(rows) => (rows.get(row).map(|row| row.iter()), None),
            Self::Batch(batch) => (None, Some(batch.columns().iter())),
        };
        let values = rows.into_iter().flatten().map(Cell::of_value);
        let arrays = batch.into_iter().flatten().map(move |array| Cell::of_array(array, row));
        values.chain(arrays)
    }
}
