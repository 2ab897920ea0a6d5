//! Why rows were rejected, from the tables that keep them.

use std::collections::BTreeMap;

use base::TableName;
use compute::{Catalog, Dialect, SessionOptions, output};
use serde_json::Value;

use crate::failure::Failure;
use crate::summary::Summary;
use crate::workplace::Workplace;

/// Reasons that the screen shows of each stream.
const REASONS_MAX: usize = 3;

/// Rows rejected for one reason.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reason {
    /// The table of rejects.
    pub(super) table: String,
    /// The column that did not fit, and how; or what is wrong with the row.
    pub(super) reason: String,
}

/// Rows rejected, by reason.
#[derive(Clone, Debug, Default)]
pub(super) struct Rejected(BTreeMap<Reason, u64>);

impl Rejected {
    /// Adds what a load rejected.
    ///
    /// # Errors
    /// When a table of rejects cannot be read.
    pub(super) async fn add(&mut self, place: &Workplace, load: &Summary) -> Result<(), Failure> {
        let Some(run) = &load.run else { return Ok(()) };
        for report in &load.reports {
            let rejected = report.load.is_some_and(|load| load.rejected > 0);
            if let Some(table) = report.table.as_ref().filter(|_| rejected) {
                self.read(place, &table.rejects(), run.as_str()).await?;
            }
        }
        Ok(())
    }

    async fn read(
        &mut self,
        place: &Workplace,
        table: &TableName,
        run: &str,
    ) -> Result<(), Failure> {
        let catalog = Catalog::of_environment(&place.ledger, &place.lake, &place.environment);
        let options = SessionOptions {
            dialect: Dialect::Postgres,
            business_now: place.clocks.business.now(),
            time_zone: "UTC".to_owned(),
            default_namespace: None,
        };
        let session = place.engine.session(catalog.await?, options);
        let (namespace, name) =
            (table.namespace.replace('"', "\"\""), table.name.replace('"', "\"\""));
        let batches = session
            .rows(&format!(
                "select coalesce(column_name || ': ', '') || reason as reason, \
                 cast(sum(\"rows\") as bigint) as rejected \
                 from \"{namespace}\".\"{name}\" where run_id = '{run}' group by 1"
            ))
            .await?;
        let mut text = Vec::new();
        output::json_lines(&batches, &mut text)?;
        for line in String::from_utf8_lossy(&text).lines() {
            let row: Value = serde_json::from_str(line).unwrap_or_default();
            let reason = row["reason"].as_str().unwrap_or_default().to_owned();
            let reason = Reason { table: table.to_string(), reason };
            *self.0.entry(reason).or_default() += row["rejected"].as_u64().unwrap_or(0);
        }
        Ok(())
    }

    /// The most frequent reasons of each table, and how many further rows it has.
    pub(super) fn shown(&self) -> Vec<(&str, u64, String)> {
        let mut tables: BTreeMap<&str, Vec<(&Reason, u64)>> = BTreeMap::new();
        for (reason, rows) in &self.0 {
            tables.entry(&reason.table).or_default().push((reason, *rows));
        }
        let mut shown = Vec::new();
        for (table, mut reasons) in tables {
            reasons.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
            let further = reasons.split_off(reasons.len().min(REASONS_MAX));
            let lines = reasons.into_iter().map(|(one, rows)| (table, rows, one.reason.clone()));
            shown.extend(lines);
            if !further.is_empty() {
                let rows = further.iter().map(|(_, rows)| rows).sum();
                shown.push((table, rows, format!("{} other reasons", further.len())));
            }
        }
        shown
    }
}
