//! Differences as text and as JSON.

use project::Node;
use serde_json::{Map, Value, json};

use crate::commands::diff::Difference;
use crate::commands::diff::compare::ColumnPair;
use crate::console::{columns, count};

pub(crate) fn json(node: &Node, found: &Difference) -> Value {
    let column = |column: &ColumnPair| {
        json!({
            "name": column.name,
            "one": column.one,
            "other": column.other,
            "differs": column.differs,
            "match": column.differs.map(|differs| share(found.compared, differs)),
        })
    };
    json!({
        "node": node.id,
        "one": found.labels[0],
        "other": found.labels[1],
        "same": found.is_none(),
        "key": found.key,
        "rows": {"one": found.rows[0], "other": found.rows[1]},
        "shared": found.shared,
        "removed": found.removed,
        "added": found.added,
        "changed": found.changed,
        "compared": found.compared,
        "repeated_keys": found.repeated,
        "columns": found.columns.iter().map(column).collect::<Vec<_>>(),
        "samples": {
            "changed": found.changed_rows,
            "removed": found.removed_rows,
            "added": found.added_rows,
        },
    })
}

/// The share of keys at which a column is the same.
fn share(compared: u64, differs: u64) -> f64 {
    if compared == 0 { 1.0 } else { (compared - differs) as f64 / compared as f64 }
}

pub(crate) fn text(node: &Node, found: &Difference) -> String {
    let [one, other] = &found.labels;
    let mut lines = vec![format!("{}: {one} against {other}", node.name)];
    if found.is_none() {
        let rows = count(found.rows[0]);
        lines.push(format!("  no difference: {rows} rows, {} columns", found.columns.len()));
        return lines.join("\n");
    }
    for column in &found.columns {
        match (&column.one, &column.other) {
            (Some(_), None) => lines.push(format!("  column {} is only in {one}", column.name)),
            (None, Some(_)) => lines.push(format!("  column {} is only in {other}", column.name)),
            (Some(a), Some(b)) if a != b => {
                lines.push(format!("  column {} is {a} in {one} and {b} in {other}", column.name));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    let what = if found.key.is_empty() { "rows" } else { "keys" };
    let number = |number: u64| count(number);
    let mut rows = vec![
        vec![format!("  rows in {one}"), number(found.rows[0])],
        vec![format!("  rows in {other}"), number(found.rows[1])],
        vec![format!("  {what} in both"), number(found.shared)],
        vec![format!("  {what} only in {one}"), number(found.removed)],
        vec![format!("  {what} only in {other}"), number(found.added)],
    ];
    if !found.key.is_empty() {
        rows.push(vec!["  keys whose rows differ".to_owned(), number(found.changed)]);
    }
    if found.repeated > 0 {
        let key = found.key.join(", ");
        rows.push(vec![format!("  keys ({key}) that stand twice"), number(found.repeated)]);
    }
    lines.extend(columns(&rows, &[1]));
    lines.extend(matches(found));
    lines.extend(samples(found));
    if found.key.is_empty() {
        lines.push("no key is known: name one with --key to see which columns differ".to_owned());
    }
    lines.join("\n")
}

fn matches(found: &Difference) -> Vec<String> {
    let differing = found.columns.iter().filter(|column| column.differs.unwrap_or(0) > 0);
    let rows: Vec<Vec<String>> = differing
        .map(|column| {
            let differs = column.differs.unwrap_or(0);
            let percent = share(found.compared, differs) * 100.0;
            vec![
                format!("  column {}", column.name),
                format!("{percent:.1}% match"),
                format!("{} differ", count(differs)),
            ]
        })
        .collect();
    columns(&rows, &[1, 2])
}

fn samples(found: &Difference) -> Vec<String> {
    let [one, other] = &found.labels;
    let mut lines = Vec::new();
    for row in &found.changed_rows {
        let object = |key: &str| row.get(key).and_then(Value::as_object).cloned();
        let changes = object("columns").unwrap_or_default();
        let pairs: Vec<String> = changes
            .iter()
            .map(|(name, pair)| {
                let value = |at: usize| plain(pair.get(at).unwrap_or(&Value::Null));
                format!("{name} {} -> {}", value(0), value(1))
            })
            .collect();
        let key = object("key").unwrap_or_default();
        lines.push(format!("  {}: {}", fields(&key), pairs.join(", ")));
    }
    for (side, rows) in [(one, &found.removed_rows), (other, &found.added_rows)] {
        lines.extend(rows.iter().map(|row| format!("  only in {side}: {}", fields(row))));
    }
    lines
}

fn fields(row: &Map<String, Value>) -> String {
    let pairs: Vec<String> =
        row.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect();
    pairs.join(", ")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
