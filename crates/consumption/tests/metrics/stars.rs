//! Random star schemas: what the SQL answers is what a loop over the rows answers, and the parts
//! of what may be added up make the whole.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use consumption::metrics::{MetricQuery, plan};

use super::{Column, Shop, table};

const SHOPS: u64 = 12;
const QUESTIONS: u64 = 10;

/// A small generator of its own, so that a seed makes the same shop everywhere.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % end
    }

    fn maybe(&mut self, end: u64) -> Option<i64> {
        let drawn = self.below(end + 1);
        (drawn < end).then(|| i64::try_from(drawn).unwrap())
    }
}

const YAML: &str = "
version: 2
models:
  - name: facts
    semantic_model: true
    agg_time_dimension: day
    columns:
      - {name: id, entity: {type: primary, name: fact}}
      - {name: thing_id, entity: {type: foreign, name: thing}}
      - {name: day, granularity: day, dimension: {type: time}}
      - {name: kind, dimension: categorical}
    metrics:
      - {name: facts, type: simple, agg: count, expr: '1'}
      - {name: total, type: simple, agg: sum, expr: amount}
      - {name: things, type: simple, agg: count_distinct, expr: thing_id}
      - {name: least, type: simple, agg: min, expr: amount}
      - {name: greatest, type: simple, agg: max, expr: amount}
      - {name: mean, type: simple, agg: average, expr: amount}
      - {name: middle, type: simple, agg: median, expr: amount}
      - {name: week_total, type: cumulative, input_metric: total, window: 7 days}
  - name: things
    semantic_model: true
    columns:
      - {name: thing_id, entity: {type: primary, name: thing}}
      - {name: maker_id, entity: {type: foreign, name: maker}}
      - {name: colour, dimension: categorical}
  - name: makers
    semantic_model: true
    columns:
      - {name: maker_id, entity: {type: primary, name: maker}}
      - {name: region, dimension: categorical}
";

const WORDS: [&str; 3] = ["a", "b", "c"];
const DAYS: [&str; 9] = [
    "2026-01-01",
    "2026-01-02",
    "2026-01-05",
    "2026-01-31",
    "2026-02-01",
    "2026-02-02",
    "2026-02-28",
    "2026-03-01",
    "2026-03-31",
];

type Fact = (Option<i64>, &'static str, Option<&'static str>, Option<i64>);

struct Star {
    /// Thing, day, kind, amount.
    facts: Vec<Fact>,
    /// Maker and colour per thing, by its number.
    things: Vec<(Option<i64>, Option<&'static str>)>,
    regions: Vec<Option<&'static str>>,
}

impl Star {
    fn draw(draw: &mut Draw) -> Self {
        let word = |draw: &mut Draw| draw.maybe(3).map(|at| WORDS[usize::try_from(at).unwrap()]);
        let makers = 1 + draw.below(3);
        let things = 1 + draw.below(6);
        let facts = draw.below(40);
        let regions = (0..makers).map(|_| word(draw)).collect();
        let things: Vec<_> = (0..things).map(|_| (draw.maybe(makers + 1), word(draw))).collect();
        let count = u64::try_from(things.len()).unwrap();
        let facts = (0..facts)
            .map(|_| {
                let day = DAYS[usize::try_from(draw.below(9)).unwrap()];
                // One thing more than there are: a key that leads nowhere.
                (draw.maybe(count + 1), day, word(draw), draw.maybe(20))
            })
            .collect();
        Self { facts, things, regions }
    }

    fn shop(&self, dialect: &str) -> Shop {
        let number = |at: usize| Some(i64::try_from(at).unwrap());
        let facts = table(vec![
            ("id", Column::Numbers((0..self.facts.len()).map(number).collect())),
            ("thing_id", Column::Numbers(self.facts.iter().map(|fact| fact.0).collect())),
            ("day", Column::Days(self.facts.iter().map(|fact| fact.1).collect())),
            ("kind", Column::Texts(self.facts.iter().map(|fact| fact.2).collect())),
            ("amount", Column::Numbers(self.facts.iter().map(|fact| fact.3).collect())),
        ]);
        let things = table(vec![
            ("thing_id", Column::Numbers((0..self.things.len()).map(number).collect())),
            ("maker_id", Column::Numbers(self.things.iter().map(|thing| thing.0).collect())),
            ("colour", Column::Texts(self.things.iter().map(|thing| thing.1).collect())),
        ]);
        let makers = table(vec![
            ("maker_id", Column::Numbers((0..self.regions.len()).map(number).collect())),
            ("region", Column::Texts(self.regions.clone())),
        ]);
        Shop::new(dialect, YAML, vec![("facts", facts), ("things", things), ("makers", makers)])
    }

    /// What a fact is grouped by.
    fn group(&self, fact: usize, key: &str) -> String {
        let (thing, day, kind, _) = self.facts[fact];
        let thing = thing.and_then(|thing| self.things.get(usize::try_from(thing).unwrap()));
        let maker = thing.and_then(|thing| self.regions.get(usize::try_from(thing.0?).unwrap()));
        let text = |word: Option<&str>| word.unwrap_or("∅").to_owned();
        match key {
            "fact__kind" => text(kind),
            "thing__colour" => text(thing.and_then(|thing| thing.1)),
            "thing__maker__region" => text(maker.copied().flatten()),
            "metric_time__day" => day.to_owned(),
            _ => format!("{}-01", &day[..7]),
        }
    }

    /// The naive way: a loop over the rows.
    fn counted(&self, metric: &str, keys: &[String]) -> BTreeMap<Vec<String>, String> {
        let mut groups: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
        for fact in 0..self.facts.len() {
            let group = keys.iter().map(|key| self.group(fact, key)).collect();
            groups.entry(group).or_default().push(fact);
        }
        if keys.is_empty() {
            groups.entry(Vec::new()).or_default();
        }
        groups.into_iter().map(|(group, facts)| (group, self.number(metric, &facts))).collect()
    }

    fn number(&self, metric: &str, facts: &[usize]) -> String {
        let mut amounts: Vec<i64> = facts.iter().filter_map(|fact| self.facts[*fact].3).collect();
        amounts.sort_unstable();
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let float = |number: i64| number as f64;
        let count = i64::try_from(amounts.len()).unwrap();
        let number = match metric {
            "facts" => Some(float(i64::try_from(facts.len()).unwrap())),
            "things" => {
                let things: BTreeSet<i64> =
                    facts.iter().filter_map(|fact| self.facts[*fact].0).collect();
                Some(float(i64::try_from(things.len()).unwrap()))
            }
            _ if amounts.is_empty() => None,
            "total" => Some(float(amounts.iter().sum())),
            "least" => Some(float(amounts[0])),
            "greatest" => Some(float(amounts[amounts.len() - 1])),
            "mean" => Some(float(amounts.iter().sum()) / float(count)),
            _ => {
                let (low, high) = ((amounts.len() - 1) / 2, amounts.len() / 2);
                Some((float(amounts[low]) + float(amounts[high])) / 2.0)
            }
        };
        number.map_or_else(|| "∅".to_owned(), shown)
    }
}

fn shown(number: f64) -> String {
    format!("{number:.6}")
}

/// Rows as texts, the last column a number.
fn read(batches: &[RecordBatch]) -> BTreeMap<Vec<String>, String> {
    let options = FormatOptions::default().with_null("∅");
    let mut rows = BTreeMap::new();
    for batch in batches {
        let last = batch.num_columns() - 1;
        let numbers = arrow::compute::cast(batch.column(last), &DataType::Float64).unwrap();
        let numbers = numbers.as_primitive::<Float64Type>();
        let columns: Vec<_> = batch.columns()[..last]
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        for (row, number) in numbers.iter().enumerate() {
            let group = columns.iter().map(|column| column.value(row).to_string()).collect();
            let number = number.map_or_else(|| "∅".to_owned(), shown);
            assert_eq!(rows.insert(group, number), None, "a group comes twice");
        }
    }
    rows
}

#[test]
fn sql_counts_what_a_loop_over_the_rows_counts() {
    let metrics = ["facts", "total", "things", "least", "greatest", "mean", "middle"];
    let keys = [
        "fact__kind",
        "thing__colour",
        "thing__maker__region",
        "metric_time__day",
        "metric_time__month",
    ];
    for seed in 0..SHOPS {
        let mut draw = Draw(seed + 1);
        let star = Star::draw(&mut draw);
        let dialect = ["postgres", "duckdb"][usize::try_from(seed % 2).unwrap()];
        let shop = star.shop(dialect);
        for _ in 0..QUESTIONS {
            let metric = metrics[usize::try_from(draw.below(7)).unwrap()];
            let group_by: Vec<String> =
                keys.iter().filter(|_| draw.below(3) == 0).map(|key| (*key).to_owned()).collect();
            let query = MetricQuery {
                metrics: vec![metric.to_owned()],
                group_by: group_by.clone(),
                ..MetricQuery::default()
            };
            let sql = plan(&shop.project, &query).unwrap().sql;
            let (found, wanted) = (read(&shop.rows(&sql)), star.counted(metric, &group_by));
            assert_eq!(found, wanted, "seed {seed}: {metric} by {group_by:?}\n{sql}");
        }
    }
}

#[test]
fn parts_make_the_whole_of_what_may_be_added_up() {
    for seed in 100..100 + SHOPS {
        let star = Star::draw(&mut Draw(seed));
        let shop = star.shop("postgres");
        for metric in ["facts", "total"] {
            let whole = star.counted(metric, &[]);
            for key in ["thing__colour", "thing__maker__region", "metric_time__month"] {
                let query = MetricQuery {
                    metrics: vec![metric.to_owned(), "things".to_owned()],
                    group_by: vec![key.to_owned()],
                    ..MetricQuery::default()
                };
                let sql = plan(&shop.project, &query).unwrap().sql;
                let again = format!("select sum({metric}) as again from ({sql}) as parts");
                let found = read(&shop.rows(&again));
                if !star.facts.is_empty() {
                    assert_eq!(found, whole, "seed {seed}: {metric} by {key}\n{sql}");
                }
            }
        }
    }
}
