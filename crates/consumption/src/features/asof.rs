//! The join of features to moments, without a range join: each feature row is offered once, in any
//! order, and finds by binary search the first entity row that may use it. What a row offers there
//! holds for all later ones of the same key too, unless something newer is offered to them; one
//! pass over each key at the end carries it on.

use std::collections::HashMap;
use std::ops::Range;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{interleave, take_record_batch};
use arrow::datatypes::SchemaRef;

use crate::ConsumptionError;

/// Kept rows beyond which those that are no longer the newest are thrown away.
const KEPT_ROWS_SLACK: usize = 262_144;

/// What decides which of two rows is the newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    event: i64,
    created: i64,
}

/// A feature row that is kept.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    rank: Rank,
    batch: u32,
    row: u32,
}

/// When a row may be used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    /// Microseconds after which a row is too old; none for never.
    pub(super) ttl_us: Option<i64>,
    /// Whether a row counts only from the moment it was made.
    pub(super) from_created: bool,
}

/// One feature row's place in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'k> {
    /// Its key; none matches nothing.
    pub(super) key: Option<&'k [u8]>,
    /// When it became true; none was never true.
    pub(super) event: Option<i64>,
    /// When it was made.
    pub(super) created: Option<i64>,
}

/// Entity rows that wait for the features of one view.
#[derive(Debug)]
pub(super) struct AsofJoin {
    rules: Rules,
    schema: SchemaRef,
    keys: HashMap<Box<[u8]>, Range<usize>>,
    /// Moments in the order of keys, then time.
    times: Vec<i64>,
    /// The entity row of each moment.
    rows: Vec<usize>,
    best: Vec<Option<Candidate>>,
    kept: Vec<RecordBatch>,
    kept_rows: usize,
    row_count: usize,
}

/// An entity row's encoded key and its moment; either may be absent.
pub(super) type Entity = (Option<Box<[u8]>>, Option<i64>);

impl AsofJoin {
    /// Takes the entity rows' keys and moments; a row without one of them gets no features.
    pub(super) fn new(schema: SchemaRef, rules: Rules, entities: &[Entity]) -> Self {
        let mut order: Vec<(&[u8], i64, usize)> = entities
            .iter()
            .enumerate()
            .filter_map(|(row, (key, time))| Some((key.as_deref()?, (*time)?, row)))
            .collect();
        order.sort_unstable();
        let mut keys: HashMap<Box<[u8]>, Range<usize>> = HashMap::new();
        let mut start = 0;
        for group in order.chunk_by(|left, right| left.0 == right.0) {
            keys.insert(group[0].0.into(), start..start + group.len());
            start += group.len();
        }
        let times: Vec<i64> = order.iter().map(|(_, time, _)| *time).collect();
        let rows = order.iter().map(|(_, _, row)| *row).collect();
        let best = vec![None; times.len()];
        let row_count = entities.len();
        Self { rules, schema, keys, times, rows, best, kept: Vec::new(), kept_rows: 0, row_count }
    }

    /// Offers feature rows; `features` holds their values in the same order.
    pub(super) fn offer(
        &mut self,
        moments: &[Moment<'_>],
        features: &RecordBatch,
    ) -> Result<(), ConsumptionError> {
        let batch = u32::try_from(self.kept.len()).unwrap_or(u32::MAX);
        let mut winners: Vec<u32> = Vec::new();
        for (row, moment) in (0_u32..).zip(moments) {
            let (Some(key), Some(event)) = (moment.key, moment.event) else { continue };
            let Some(range) = self.keys.get(key).cloned() else { continue };
            let created = moment.created.unwrap_or(i64::MIN);
            let usable_from = if self.rules.from_created { event.max(created) } else { event };
            let later = self.times[range.clone()].partition_point(|time| *time < usable_from);
            let slot = range.start + later;
            if slot == range.end {
                continue;
            }
            let rank = Rank { event, created };
            if self.best[slot].is_none_or(|best| best.rank < rank) {
                let kept_row = u32::try_from(winners.len()).unwrap_or(u32::MAX);
                self.best[slot] = Some(Candidate { rank, batch, row: kept_row });
                winners.push(row);
            }
        }
        if winners.is_empty() {
            return Ok(());
        }
        self.kept_rows += winners.len();
        self.kept.push(take_record_batch(features, &UInt32Array::from(winners))?);
        if self.kept_rows > 2 * self.times.len() + KEPT_ROWS_SLACK {
            self.throw_away()?;
        }
        Ok(())
    }

    /// Keeps the rows that are still the newest somewhere, and no others.
    fn throw_away(&mut self) -> Result<(), ConsumptionError> {
        let mut places = Vec::new();
        for candidate in self.best.iter_mut().flatten() {
            places.push((candidate.batch as usize, candidate.row as usize));
            candidate.batch = 0;
            candidate.row = u32::try_from(places.len() - 1).unwrap_or(u32::MAX);
        }
        let columns = gathered(&self.schema, &self.kept, &places)?;
        self.kept_rows = places.len();
        self.kept = vec![RecordBatch::try_new(SchemaRef::clone(&self.schema), columns)?];
        Ok(())
    }

    /// The features of every entity row, in the order of the entity rows.
    pub(super) fn finish(mut self) -> Result<Vec<ArrayRef>, ConsumptionError> {
        // The last batch is one row without values, for entity rows that found nothing.
        let nothing: Vec<ArrayRef> =
            self.schema.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
        let none = (self.kept.len(), 0);
        self.kept.push(RecordBatch::try_new(SchemaRef::clone(&self.schema), nothing)?);
        let mut places = vec![none; self.row_count];
        for range in self.keys.values() {
            let mut newest: Option<Candidate> = None;
            for slot in range.clone() {
                if let Some(offered) = self.best[slot]
                    && newest.is_none_or(|newest| newest.rank < offered.rank)
                {
                    newest = Some(offered);
                }
                let fresh = newest.filter(|found| self.is_fresh(found.rank.event, slot));
                if let Some(found) = fresh {
                    places[self.rows[slot]] = (found.batch as usize, found.row as usize);
                }
            }
        }
        gathered(&self.schema, &self.kept, &places)
    }

    fn is_fresh(&self, event: i64, slot: usize) -> bool {
        self.rules.ttl_us.is_none_or(|ttl| event >= self.times[slot].saturating_sub(ttl))
    }
}

fn gathered(
    schema: &SchemaRef,
    batches: &[RecordBatch],
    places: &[(usize, usize)],
) -> Result<Vec<ArrayRef>, ConsumptionError> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for column in 0..schema.fields().len() {
        let parts: Vec<&dyn arrow::array::Array> =
            batches.iter().map(|batch| batch.column(column).as_ref()).collect();
        columns.push(interleave(&parts, places)?);
    }
    Ok(columns)
}
