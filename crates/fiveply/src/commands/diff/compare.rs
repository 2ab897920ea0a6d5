//! Compares two versions with one aggregation by key, which spills when it outgrows its memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use arrow::datatypes::{DataType, Schema};
use base::TableName;
use compute::{Catalog, Session, output};
use serde_json::{Map, Value};

use crate::commands::diff::{Side, session_over};
use crate::commands::plan::plain;
use crate::failure::Failure;
use crate::workplace::Workplace;

/// The namespace under which both versions are seen.
const NAMESPACE: &str = "fiveply_diff";

/// A column that both versions have, or only one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnPair {
    pub(crate) name: String,
    /// Its type in the one, if it is there.
    pub(crate) one: Option<String>,
    /// Its type in the other.
    pub(crate) other: Option<String>,
    /// Keys at which it differs; none when it was not compared.
    pub(crate) differs: Option<u64>,
}

/// What differs.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) labels: [String; 2],
    pub(crate) key: Vec<String>,
    pub(crate) columns: Vec<ColumnPair>,
    pub(crate) rows: [u64; 2],
    /// Keys in both; without a key, rows in both.
    pub(crate) shared: u64,
    /// Keys, or rows, of the one alone.
    pub(crate) removed: u64,
    /// Keys, or rows, of the other alone.
    pub(crate) added: u64,
    /// Keys that stand several times in one of them, so that their rows cannot be compared.
    pub(crate) repeated: u64,
    /// Keys whose rows were compared.
    pub(crate) compared: u64,
    /// Keys whose rows differ.
    pub(crate) changed: u64,
    pub(crate) changed_rows: Vec<Map<String, Value>>,
    pub(crate) removed_rows: Vec<Map<String, Value>>,
    pub(crate) added_rows: Vec<Map<String, Value>>,
}

impl Difference {
    /// Whether both are the same: columns, types and rows.
    pub(crate) fn is_none(&self) -> bool {
        let same = |column: &ColumnPair| column.one == column.other;
        self.columns.iter().all(same)
            && self.rows[0] == self.rows[1]
            && self.removed + self.added + self.changed + self.repeated == 0
    }
}

/// Two versions side by side.
pub(crate) struct Pair {
    labels: [String; 2],
    session: Session,
    key: Vec<String>,
    columns: Vec<ColumnPair>,
    /// Columns to compare, as each side writes them.
    values: Vec<BothWays>,
    sample: usize,
}

/// How one column is written on each side.
struct BothWays {
    name: String,
    one: String,
    other: String,
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Pair {
    /// Puts both side by side.
    ///
    /// # Errors
    /// When the key names a column that one of them does not have.
    pub(crate) fn new(
        place: &Workplace,
        one: Side,
        other: Side,
        key: Vec<String>,
        sample: usize,
    ) -> Result<Self, Failure> {
        let catalog = Catalog::empty(place.environment.clone())
            .with_query(TableName::new(NAMESPACE, "one"), &one.rows)
            .with_query(TableName::new(NAMESPACE, "other"), &other.rows);
        let session = session_over(place, catalog);
        let (left, right) = (one.rows.schema(), other.rows.schema());
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        let mut names: Vec<&String> = left.fields().iter().map(|field| field.name()).collect();
        let more = right.fields().iter().map(|field| field.name());
        names.extend(more.filter(|name| column(&left, name).is_none()));
        for name in names {
            let (a, b) = (column(&left, name), column(&right, name));
            let types = (a.map(|found| plain(found.1)), b.map(|found| plain(found.1)));
            if let (Some(a), Some(b)) = (a, b) {
                values.extend(BothWays::of(a, b));
            }
            let (one, other) = types;
            columns.push(ColumnPair { name: name.clone(), one, other, differs: None });
        }
        let mut found = Vec::new();
        for name in &key {
            let known = values.iter().find(|value| value.name.eq_ignore_ascii_case(name));
            let Some(known) = known else {
                return Err(Failure::usage(format!(
                    "key column \"{name}\" is not in both versions"
                ))
                .help("Name columns that both have: --key COLUMN,COLUMN."));
            };
            found.push(known.name.clone());
        }
        Ok(Self { labels: [one.label, other.label], session, key: found, columns, values, sample })
    }

    /// Compares them.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub(crate) async fn compare(self) -> Result<Difference, Failure> {
        let keyed = !self.key.is_empty();
        let (pairs, compared) = self.pairs();
        let mut stats = String::from(
            "select coalesce(sum(n_one), 0) as rows_one, coalesce(sum(n_other), 0) as rows_other",
        );
        let parts: &[(&str, &str)] = match keyed {
            true => &[
                ("shared", "count(*) filter (where n_one > 0 and n_other > 0)"),
                ("removed", "count(*) filter (where n_other = 0)"),
                ("added", "count(*) filter (where n_one = 0)"),
                ("repeated", "count(*) filter (where n_one > 1 or n_other > 1)"),
                ("compared", "count(*) filter (where n_one = 1 and n_other = 1)"),
            ],
            false => &[
                ("shared", "coalesce(sum(least(n_one, n_other)), 0)"),
                ("removed", "coalesce(sum(greatest(n_one - n_other, 0)), 0)"),
                ("added", "coalesce(sum(greatest(n_other - n_one, 0)), 0)"),
            ],
        };
        for (name, expression) in parts {
            let _ = write!(stats, ", {expression} as {name}");
        }
        let differs = |at: &usize| format!("(a_{at} is distinct from b_{at})");
        let any: Vec<String> = compared.keys().map(differs).collect();
        let any = match any.is_empty() {
            true => "false".to_owned(),
            false => format!("n_one = 1 and n_other = 1 and ({})", any.join(" or ")),
        };
        let _ = write!(stats, ", count(*) filter (where {any}) as changed");
        for at in compared.keys() {
            let one = format!("n_one = 1 and n_other = 1 and {}", differs(at));
            let _ = write!(stats, ", count(*) filter (where {one}) as d_{at}");
        }
        let row = self.rows(&format!("{pairs} {stats} from pairs")).await?.pop();
        let row = row.unwrap_or_default();
        let number = |name: &str| row.get(name).and_then(as_count).unwrap_or(0);
        let mut found = Difference {
            labels: self.labels.clone(),
            key: self.key.clone(),
            columns: self.columns.clone(),
            rows: [number("rows_one"), number("rows_other")],
            shared: number("shared"),
            removed: number("removed"),
            added: number("added"),
            repeated: number("repeated"),
            compared: number("compared"),
            changed: number("changed"),
            ..Difference::default()
        };
        for (at, name) in &compared {
            let pair = found.columns.iter_mut().find(|column| column.name == *name);
            if let Some(pair) = pair {
                pair.differs = Some(number(&format!("d_{at}")));
            }
        }
        if self.sample > 0 {
            self.samples(&pairs, &compared, &any, &mut found).await?;
        }
        Ok(found)
    }

    /// Rows by key with the values of both sides, and the columns compared by their number.
    fn pairs(&self) -> (String, BTreeMap<usize, String>) {
        let keyed = !self.key.is_empty();
        let is_key = |value: &&BothWays| !keyed || self.key.contains(&value.name);
        let keys: Vec<&BothWays> = self.values.iter().filter(is_key).collect();
        let others: Vec<&BothWays> = self.values.iter().filter(|value| !is_key(value)).collect();
        let side = |number: u8, table: &str| {
            let written = |value: &BothWays| match number {
                1 => value.one.clone(),
                _ => value.other.clone(),
            };
            let keys = keys.iter().enumerate();
            let keys = keys.map(|(at, value)| format!("{} as k_{at}", written(value)));
            let values = others.iter().enumerate();
            let values = values.map(|(at, value)| format!("{} as c_{at}", written(value)));
            let mut all: Vec<String> = keys.chain(values).collect();
            all.push(format!("{number} as side"));
            format!("select {} from {NAMESPACE}.{table}", all.join(", "))
        };
        let mut picked: Vec<String> = (0..keys.len()).map(|at| format!("k_{at}")).collect();
        let group = match picked.is_empty() {
            true => String::new(),
            false => format!(" group by {}", picked.join(", ")),
        };
        picked.push("count(*) filter (where side = 1) as n_one".to_owned());
        picked.push("count(*) filter (where side = 2) as n_other".to_owned());
        for at in 0..others.len() {
            picked.push(format!("max(c_{at}) filter (where side = 1) as a_{at}"));
            picked.push(format!("max(c_{at}) filter (where side = 2) as b_{at}"));
        }
        let text = format!(
            "with sides as ({} union all {}), pairs as (select {} from sides{group})",
            side(1, "one"),
            side(2, "other"),
            picked.join(", ")
        );
        let named = others.iter().enumerate().map(|(at, value)| (at, value.name.clone()));
        (text, named.collect())
    }

    async fn samples(
        &self,
        pairs: &str,
        compared: &BTreeMap<usize, String>,
        any: &str,
        found: &mut Difference,
    ) -> Result<(), Failure> {
        let keyed = !self.key.is_empty();
        let keys: Vec<&BothWays> =
            self.values.iter().filter(|value| !keyed || self.key.contains(&value.name)).collect();
        let named: Vec<String> = keys
            .iter()
            .enumerate()
            .map(|(at, value)| format!("k_{at} as {}", quoted(&value.name)))
            .collect();
        let order: Vec<String> = (0..keys.len()).map(|at| format!("k_{at}")).collect();
        let (named, order, limit) = (named.join(", "), order.join(", "), self.sample);
        let alone = |condition: &str| {
            format!(
                "{pairs} select {named} from pairs where {condition} order by {order} limit {limit}"
            )
        };
        if keys.is_empty() {
            return Ok(());
        }
        if found.removed > 0 {
            found.removed_rows = self.rows(&alone("n_one > n_other and n_other = 0")).await?;
        }
        if found.added > 0 {
            found.added_rows = self.rows(&alone("n_other > n_one and n_one = 0")).await?;
        }
        if found.changed > 0 {
            let mut all = vec![named];
            for at in compared.keys() {
                all.push(format!("a_{at}, b_{at}, (a_{at} is distinct from b_{at}) as d_{at}"));
            }
            let all = all.join(", ");
            let sql = format!(
                "{pairs} select {all} from pairs where {any} order by {order} limit {limit}"
            );
            let rows = self.rows(&sql).await?;
            found.changed_rows = rows.into_iter().map(|row| only_changes(row, compared)).collect();
        }
        Ok(())
    }

    async fn rows(&self, sql: &str) -> Result<Vec<Map<String, Value>>, Failure> {
        let batches = self.session.rows(sql).await?;
        let mut text = Vec::new();
        output::json_lines(&batches, &mut text)?;
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let read = lines.map(serde_json::from_slice::<Map<String, Value>>);
        read.collect::<Result<_, _>>()
            .map_err(|error| Failure::usage(format!("a row could not be shown: {error}")))
    }
}

/// The key, and under each column that differs the pair of its values.
fn only_changes(
    mut row: Map<String, Value>,
    compared: &BTreeMap<usize, String>,
) -> Map<String, Value> {
    let mut changes = Map::new();
    for (at, name) in compared {
        let (one, other) = (row.remove(&format!("a_{at}")), row.remove(&format!("b_{at}")));
        if row.remove(&format!("d_{at}")) == Some(Value::Bool(true)) {
            let pair = vec![one.unwrap_or_default(), other.unwrap_or_default()];
            changes.insert(name.clone(), Value::Array(pair));
        }
    }
    let mut shown = Map::new();
    shown.insert("key".to_owned(), Value::Object(row));
    shown.insert("columns".to_owned(), Value::Object(changes));
    shown
}

impl BothWays {
    /// None for a column whose values cannot be put in an order.
    fn of(one: (&str, &DataType), other: (&str, &DataType)) -> Option<Self> {
        if one.1.is_nested() || other.1.is_nested() {
            return None;
        }
        let boolean = *one.1 == DataType::Boolean || *other.1 == DataType::Boolean;
        let as_text = boolean || plain(one.1) != plain(other.1);
        let written = |name: &str| match as_text {
            true => format!("cast({} as text)", quoted(name)),
            false => quoted(name),
        };
        let name = one.0.to_owned();
        Some(Self { name, one: written(one.0), other: written(other.0) })
    }
}

fn column<'s>(schema: &'s Schema, name: &str) -> Option<(&'s str, &'s DataType)> {
    let exact = schema.fields().iter().find(|field| field.name() == name);
    let found = exact
        .or_else(|| schema.fields().iter().find(|field| field.name().eq_ignore_ascii_case(name)));
    found.map(|field| (field.name().as_str(), field.data_type()))
}

/// A count, however the engine typed a sum.
fn as_count(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
