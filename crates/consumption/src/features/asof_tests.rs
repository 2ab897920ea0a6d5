//! The join against its definition, row by row.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use proptest::prelude::*;

use super::asof::{AsofJoin, Entity, Moment, Rules};

#[derive(Clone, Debug)]
struct Row {
    key: u8,
    event: i64,
    created: Option<i64>,
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("value", DataType::Int64, true)]))
}

/// The newest row, by event and then by making, that may be used at a moment.
fn by_definition(rows: &[Row], key: u8, time: i64, rules: Rules) -> Option<(i64, i64)> {
    let usable = rows.iter().filter(|row| {
        row.key == key
            && row.event <= time
            && rules.ttl_us.is_none_or(|ttl| row.event >= time - ttl)
            && (!rules.from_created || row.created.unwrap_or(i64::MIN) <= time)
    });
    usable.map(|row| (row.event, row.created.unwrap_or(i64::MIN))).max()
}

fn joined(rows: &[Row], entities: &[(u8, i64)], rules: Rules) -> Vec<Option<i64>> {
    let frame: Vec<Entity> =
        entities.iter().map(|(key, time)| (Some(vec![*key].into()), Some(*time))).collect();
    let mut join = AsofJoin::new(schema(), rules, &frame);
    for (number, part) in rows.chunks(3).enumerate() {
        let keys: Vec<[u8; 1]> = part.iter().map(|row| [row.key]).collect();
        let moments: Vec<Moment<'_>> = part
            .iter()
            .zip(&keys)
            .map(|(row, key)| Moment {
                key: Some(key),
                event: Some(row.event),
                created: row.created,
            })
            .collect();
        let first = i64::try_from(number * 3).unwrap();
        let places = Int64Array::from_iter_values(first..first + part.len() as i64);
        let batch = RecordBatch::try_new(schema(), vec![Arc::new(places)]).unwrap();
        join.offer(&moments, &batch).unwrap();
    }
    let columns = join.finish().unwrap();
    columns[0].as_primitive::<Int64Type>().iter().collect()
}

proptest! {
    #[test]
    fn every_row_gets_what_the_definition_says(
        rows in prop::collection::vec(
            (0_u8..3, 0_i64..20, prop::option::of(0_i64..25)), 0..40),
        entities in prop::collection::vec((0_u8..4, -2_i64..24), 0..30),
        ttl in prop::option::of(0_i64..8),
        from_created in any::<bool>(),
    ) {
        let rows: Vec<Row> =
            rows.into_iter().map(|(key, event, created)| Row { key, event, created }).collect();
        let rules = Rules { ttl_us: ttl, from_created };
        let found = joined(&rows, &entities, rules);
        prop_assert_eq!(found.len(), entities.len());
        for ((key, time), place) in entities.iter().zip(found) {
            let got = place.map(|place| {
                let row = &rows[usize::try_from(place).unwrap()];
                assert_eq!(row.key, *key);
                (row.event, row.created.unwrap_or(i64::MIN))
            });
            // The newest event decides before its age does: an older one never stands in for it.
            prop_assert_eq!(got, by_definition(&rows, *key, *time, rules));
        }
    }
}

#[test]
fn both_ends_of_the_ttl_count_and_repeated_rows_stay() {
    let row = |event, created| Row { key: 1, event, created };
    let rows = [row(100, Some(1)), row(100, Some(2)), row(50, None)];
    let rules = Rules { ttl_us: Some(10), from_created: false };
    let entities = [(1, 100), (1, 110), (1, 111), (1, 99), (9, 100), (1, 100)];
    let found = joined(&rows, &entities, rules);
    assert_eq!(found, [Some(1), Some(1), None, None, None, Some(1)]);
}
