//! The days of a backfill among the words that its run is remembered by, so that `retry` can go on.

use std::collections::BTreeMap;

use base::NodeId;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use transformation::BackfillWindow;

/// What such a word begins with.
const PREFIX: &str = "--window=";

/// One word for each node.
pub(crate) fn words(windows: &BTreeMap<NodeId, BackfillWindow>) -> Vec<String> {
    let word = |(node, window): (&NodeId, &BackfillWindow)| {
        let BackfillWindow { column, from, to } = window;
        let written = json!({
            "node": node, "column": column, "from": from.to_rfc3339(), "to": to.to_rfc3339(),
        });
        format!("{PREFIX}{written}")
    };
    windows.iter().map(word).collect()
}

/// What [`words`] wrote down.
pub(crate) fn of_words(words: &[String]) -> BTreeMap<NodeId, BackfillWindow> {
    words.iter().filter_map(|word| window(word.strip_prefix(PREFIX)?)).collect()
}

fn window(text: &str) -> Option<(NodeId, BackfillWindow)> {
    let read: Value = serde_json::from_str(text).ok()?;
    let part = |key: &str| read.get(key).and_then(Value::as_str);
    let moment =
        |key: &str| Some(DateTime::parse_from_rfc3339(part(key)?).ok()?.with_timezone(&Utc));
    let column = part("column")?.to_owned();
    let window = BackfillWindow { column, from: moment("from")?, to: moment("to")? };
    Some((NodeId::new(part("node")?), window))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_come_back_as_they_went() {
        let from = DateTime::parse_from_rfc3339("2026-05-01T00:00:00Z").unwrap().to_utc();
        let window = BackfillWindow {
            column: "day".to_owned(),
            from,
            to: from + chrono::TimeDelta::days(2),
        };
        let windows = BTreeMap::from([(NodeId::new("model.shop.days"), window)]);
        let mut words = words(&windows);
        words.push("--fail-fast".to_owned());
        assert_eq!(of_words(&words), windows);
    }
}
