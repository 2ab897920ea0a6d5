//! Positions: how far each stream was read in each environment.

use base::{EnvironmentName, Position, StreamName};

use crate::transaction::{Statement, Write, sql};
use crate::words::moment;
use crate::{Commit, Ledger, LedgerError, PositionMove};

fn select(environment: &EnvironmentName, stream: &StreamName) -> Statement<'static> {
    sql("SELECT position FROM positions WHERE environment = ? AND source = ? AND stream = ?")
        .bind(environment.as_str().to_owned())
        .bind(stream.source.clone())
        .bind(stream.stream.clone())
}

impl Ledger {
    /// How far a stream was read; none when it never was.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn position(
        &self,
        environment: &EnvironmentName,
        stream: &StreamName,
    ) -> Result<Option<Position>, LedgerError> {
        let record = self.row(select(environment, stream)).await?;
        record.map(|record| record.json("position")).transpose()
    }

    /// Every position of an environment, by source and stream.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn positions(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<(StreamName, Position)>, LedgerError> {
        let statement = sql(concat!(
            "SELECT source, stream, position FROM positions WHERE environment = ? ",
            "ORDER BY source, stream"
        ));
        let records = self.rows(statement.bind(environment.as_str().to_owned())).await?;
        records
            .iter()
            .map(|record| {
                let stream = StreamName::new(record.text("source")?, record.text("stream")?);
                Ok((stream, record.json("position")?))
            })
            .collect()
    }
}

impl Write<'_> {
    /// Moves one position, if it still is what the move expects.
    pub(crate) async fn move_position(
        &mut self,
        commit: &Commit,
        position: &PositionMove,
    ) -> Result<(), LedgerError> {
        let found = self.row(select(&commit.environment, &position.stream)).await?;
        let found = found.map(|record| record.text("position")).transpose()?;
        let expected = position.expected.as_ref().map(written);
        if !same(found.as_deref(), expected.as_deref()) {
            return Err(LedgerError::PositionMoved {
                stream: position.stream.clone(),
                expected: expected.unwrap_or_else(|| "none".to_owned()),
                found: found.unwrap_or_else(|| "none".to_owned()),
            });
        }
        let statement = sql(concat!(
            "INSERT INTO positions (environment, source, stream, position, commit_id, ",
            "business_time, machine_time) VALUES (?, ?, ?, ?, ?, ?, ?) ",
            "ON CONFLICT (environment, source, stream) DO UPDATE SET ",
            "position = excluded.position, commit_id = excluded.commit_id, ",
            "business_time = excluded.business_time, machine_time = excluded.machine_time"
        ));
        let statement = statement
            .bind(commit.environment.as_str().to_owned())
            .bind(position.stream.source.clone())
            .bind(position.stream.stream.clone())
            .bind(written(&position.new))
            .bind(commit.id.as_str().to_owned())
            .bind(moment(self.ledger.clocks().business.now()))
            .bind(moment(self.ledger.clocks().machine.now()));
        let touched = self.execute(statement).await?;
        assert_eq!(touched, 1, "the primary key of positions names one row");
        Ok(())
    }
}

fn written(position: &Position) -> String {
    position.as_json().to_string()
}

/// Whether two stored positions are the same document. The order of keys does not count; the texts
/// are compared first because a fraction may change its last digit on each way through JSON.
fn same(found: Option<&str>, expected: Option<&str>) -> bool {
    if found == expected {
        return true;
    }
    let (Some(found), Some(expected)) = (found, expected) else { return false };
    let document = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    document(found).is_some_and(|found| document(expected) == Some(found))
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn positions_are_compared_as_documents() {
        assert!(same(None, None));
        assert!(same(Some(r#"{"a":1,"b":[2]}"#), Some(r#"{"b":[2],"a":1}"#)));
        assert!(!same(Some(r#"{"a":1}"#), Some(r#"{"a":2}"#)));
        assert!(!same(Some("null"), None));
        assert!(same(Some("0.1"), Some("0.1")));
    }
}
