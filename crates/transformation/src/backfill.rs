//! A stretch of time of an incremental model, made anew from the rows that its inputs still hold.

use chrono::{DateTime, SecondsFormat, Utc};
use project::Node;

use crate::TransformationError;

/// The rows of an incremental model that are made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillWindow {
    /// The column that tells the time of a row.
    pub column: String,
    /// The first moment.
    pub from: DateTime<Utc>,
    /// The first moment that no longer belongs to it.
    pub to: DateTime<Utc>,
}

impl BackfillWindow {
    /// The query of the model, built from nothing, of which only the rows of the window are kept.
    /// The condition stands outside: what the model computes over all rows stays as it is.
    pub(crate) fn within(&self, node: &Node, sql: &str) -> Result<String, TransformationError> {
        if node.config.unique_key.is_empty() {
            return Err(TransformationError::Columns {
                message: format!(
                    "model \"{}\" has no unique_key, so rows of a window would be added again",
                    node.name
                ),
                help: format!(
                    "Give it a unique_key, or build it from nothing with `fiveply run --select {} \
                     --full-refresh`.",
                    node.name
                ),
            });
        }
        let column = quoted(&self.column);
        let moment = |at: &DateTime<Utc>| {
            let text = at.to_rfc3339_opts(SecondsFormat::Micros, true);
            text.replace('T', " ").trim_end_matches('Z').to_owned()
        };
        Ok(format!(
            "select * from (\n{}\n) as rows_made_anew where cast({column} as timestamp) >= \
             cast('{}' as timestamp) and cast({column} as timestamp) < cast('{}' as timestamp)",
            sql.trim().trim_end_matches(';'),
            moment(&self.from),
            moment(&self.to),
        ))
    }
}

/// A name that is written as it is where it can be: dialects differ in their quotes.
fn quoted(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
