//! What every published version was made from: the meaning of its node's code and settings, so
//! that a later build can tell what would come out the same. Microbatch models remember here which
//! of their periods were ever computed.

use std::collections::{BTreeMap, BTreeSet};

use base::{EnvironmentName, InputVersion, NodeId, RunId, TableName};
use chrono::{DateTime, Utc};

use crate::records::Record;
use crate::transaction::sql;
use crate::words::moment;
use crate::{Ledger, LedgerError, PointerKind, Tested};

pub(crate) const MEANINGS: &str = "
-- What the published version of a node was made from; a test: what it passed on.
CREATE TABLE node_meanings (
    environment TEXT NOT NULL,
    node TEXT NOT NULL,
    metadata_location TEXT,
    text TEXT NOT NULL,
    code TEXT NOT NULL,
    settings TEXT NOT NULL,
    contract TEXT NOT NULL,
    moving TEXT NOT NULL,
    inputs TEXT NOT NULL,
    made_at TEXT NOT NULL,
    PRIMARY KEY (environment, node)
) STRICT;

-- Periods of microbatch models that were computed and published, newest last.
CREATE TABLE intervals (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    environment TEXT NOT NULL,
    node TEXT NOT NULL,
    metadata_location TEXT NOT NULL,
    interval_start TEXT NOT NULL,
    interval_end TEXT NOT NULL,
    code TEXT NOT NULL,
    run TEXT,
    from_nothing INTEGER NOT NULL,
    business_time TEXT NOT NULL
) STRICT;
CREATE INDEX intervals_by_node ON intervals (environment, node, sequence);
";

/// What the published version of a node was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeMeaning {
    /// The version's metadata file; none for a test.
    pub metadata_location: Option<String>,
    /// Digest of the text that the node compiled to: the same text means the same.
    pub text: String,
    /// Digest of what the text means.
    pub code: String,
    /// Digest of the settings that matter.
    pub settings: String,
    /// Digest of the contract.
    pub contract: String,
    /// Functions in it whose answer moves by itself.
    pub moving: Vec<String>,
    /// The metadata files that it was made from, or passed on, by table.
    pub inputs: BTreeMap<String, String>,
    /// When it was made, by the business clock.
    pub made_at: DateTime<Utc>,
}

/// Where a table or view stands now, and where its version came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentVersion {
    /// The table or view.
    pub table: TableName,
    /// Which of the two it is.
    pub kind: PointerKind,
    /// Its metadata file.
    pub metadata_location: String,
    /// Its snapshot.
    pub snapshot_id: Option<i64>,
    /// The node that made it, when that is known.
    pub node: Option<NodeId>,
    /// The run that made it.
    pub run: Option<RunId>,
    /// The versions it was computed from; none when the ledger does not know the version.
    pub inputs: Option<Vec<InputVersion>>,
    /// Rows it holds.
    pub rows: Option<u64>,
    /// What tests said.
    pub tested: Option<Tested>,
    /// When it was made, by the business clock.
    pub made_at: Option<DateTime<Utc>>,
}

fn read_present(record: &Record) -> Result<PresentVersion, LedgerError> {
    let kind = record.maybe_text("iceberg_type")?;
    let tested = match record.maybe_text("tested")? {
        Some(_) => Some(record.word("tested")?),
        None => None,
    };
    Ok(PresentVersion {
        table: record.table()?,
        kind: if kind.as_deref() == Some("VIEW") { PointerKind::View } else { PointerKind::Table },
        metadata_location: record.text("metadata_location")?,
        snapshot_id: record.maybe_number("snapshot_id")?,
        node: record.maybe_node()?,
        run: record.maybe_run()?,
        inputs: record.maybe_json("inputs")?,
        rows: record.maybe_count("rows_after")?,
        tested,
        made_at: record.maybe_time("business_time")?,
    })
}

fn read_meaning(record: &Record) -> Result<(NodeId, NodeMeaning), LedgerError> {
    let meaning = NodeMeaning {
        metadata_location: record.maybe_text("metadata_location")?,
        text: record.text("text")?,
        code: record.text("code")?,
        settings: record.text("settings")?,
        contract: record.text("contract")?,
        moving: record.json("moving")?,
        inputs: record.json("inputs")?,
        made_at: record.time("made_at")?,
    };
    Ok((NodeId::new(record.text("node")?), meaning))
}

impl Ledger {
    /// What each node's published version was made from.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn meanings(
        &self,
        environment: &EnvironmentName,
    ) -> Result<BTreeMap<NodeId, NodeMeaning>, LedgerError> {
        let statement = sql("SELECT * FROM node_meanings WHERE environment = ?");
        let statement = statement.bind(environment.as_str().to_owned());
        self.rows(statement).await?.iter().map(read_meaning).collect()
    }

    /// Keeps what versions were made from, all in one transaction.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn keep_meanings(
        &self,
        environment: &EnvironmentName,
        meanings: &BTreeMap<NodeId, NodeMeaning>,
    ) -> Result<(), LedgerError> {
        if meanings.is_empty() {
            return Ok(());
        }
        let json = |value: serde_json::Result<String>| value.unwrap_or_default();
        let mut write = self.write().await?;
        for (node, meaning) in meanings {
            let statement = sql(concat!(
                "INSERT INTO node_meanings (environment, node, metadata_location, text, code, ",
                "settings, contract, moving, inputs, made_at) ",
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (environment, node) ",
                "DO UPDATE SET metadata_location = excluded.metadata_location, ",
                "text = excluded.text, code = excluded.code, settings = excluded.settings, ",
                "contract = excluded.contract, moving = excluded.moving, ",
                "inputs = excluded.inputs, made_at = excluded.made_at"
            ));
            let statement = statement
                .bind(environment.as_str().to_owned())
                .bind(node.as_str().to_owned())
                .bind(meaning.metadata_location.clone())
                .bind(meaning.text.clone())
                .bind(meaning.code.clone())
                .bind(meaning.settings.clone())
                .bind(meaning.contract.clone())
                .bind(json(serde_json::to_string(&meaning.moving)))
                .bind(json(serde_json::to_string(&meaning.inputs)))
                .bind(moment(meaning.made_at));
            write.execute(statement).await?;
        }
        write.commit().await
    }

    /// Every table and view of an environment with where its version came from, by name.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn present_versions(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<PresentVersion>, LedgerError> {
        let statement = sql(concat!(
            "SELECT p.table_namespace AS namespace, p.table_name AS name, p.metadata_location, ",
            "p.iceberg_type, v.snapshot_id, a.node, a.run, a.inputs, v.rows_after, v.tested, ",
            "v.business_time FROM iceberg_tables p LEFT JOIN table_versions v ",
            "ON v.environment = p.catalog_name AND v.namespace = p.table_namespace ",
            "AND v.name = p.table_name AND v.metadata_location = p.metadata_location ",
            "LEFT JOIN row_accounts a ON a.sequence = v.account ",
            "WHERE p.catalog_name = ? AND p.metadata_location IS NOT NULL ",
            "ORDER BY p.table_namespace, p.table_name"
        ));
        let statement = statement.bind(environment.as_str().to_owned());
        self.rows(statement).await?.iter().map(read_present).collect()
    }
}

impl Ledger {
    /// How far an environment has moved: it grows with each pointer that swings.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn environment_sequence(
        &self,
        environment: &EnvironmentName,
    ) -> Result<i64, LedgerError> {
        let statement =
            sql("SELECT coalesce(max(sequence), 0) AS last FROM swings WHERE environment = ?");
        let record = self.row(statement.bind(environment.as_str().to_owned())).await?;
        record.map_or(Ok(0), |record| record.number("last"))
    }

    /// The metadata files that an environment's names ever pointed to.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn ever_pointed_to(
        &self,
        environment: &EnvironmentName,
    ) -> Result<BTreeSet<String>, LedgerError> {
        let statement = sql(concat!(
            "SELECT DISTINCT metadata_location FROM swings ",
            "WHERE environment = ? AND metadata_location IS NOT NULL"
        ));
        let records = self.rows(statement.bind(environment.as_str().to_owned())).await?;
        records.iter().map(|record| record.text("metadata_location")).collect()
    }

    /// Forgets the positions, meanings and intervals of an environment that holds no table. Its
    /// versions, runs and accounts stay.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn forget_environment(
        &self,
        environment: &EnvironmentName,
    ) -> Result<(), LedgerError> {
        let mut write = self.write().await?;
        for statement in [
            "DELETE FROM positions WHERE environment = ?",
            "DELETE FROM node_meanings WHERE environment = ?",
            "DELETE FROM intervals WHERE environment = ?",
        ] {
            write.execute(sql(statement).bind(environment.as_str().to_owned())).await?;
        }
        write.commit().await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use base::clock::Clocks;
    use base::random::SeededRandomness;

    use super::*;
    use crate::{Commit, Swing, TableVersion};

    #[tokio::test]
    async fn a_meaning_is_kept_once_and_a_version_knows_where_it_came_from() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let randomness = Arc::new(SeededRandomness::new(3));
        let ledger = Ledger::open(&path, Clocks::system(), randomness).await.unwrap();
        let (prod, orders) = (EnvironmentName::new("prod"), TableName::new("main", "orders"));
        let mut commit = Commit::new(ledger.new_commit_id(), "prod").node("model.shop.a".into());
        let now = ledger.clocks().business.now();
        let mut version = TableVersion::new(orders.clone(), "a/1.json", commit.id.clone(), now);
        version.snapshot_id = Some(7);
        commit = commit.swing(Swing::create(orders.clone(), PointerKind::Table, "a/1.json"));
        ledger.commit(&commit.version(version)).await.unwrap();
        let present = ledger.present_versions(&prod).await.unwrap();
        assert_eq!((present.len(), present[0].snapshot_id), (1, Some(7)));
        assert_eq!(present[0].node, Some("model.shop.a".into()));

        let mut meaning = NodeMeaning { text: "x".to_owned(), ..NodeMeaning::default() };
        for code in ["one", "two"] {
            code.clone_into(&mut meaning.code);
            let all = BTreeMap::from([(NodeId::new("model.shop.a"), meaning.clone())]);
            ledger.keep_meanings(&prod, &all).await.unwrap();
        }
        let kept = ledger.meanings(&prod).await.unwrap();
        assert_eq!(kept.values().collect::<Vec<_>>(), [&meaning]);
        assert!(ledger.meanings(&"dev".into()).await.unwrap().is_empty());
    }
}
