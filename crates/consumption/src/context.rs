//! What a sync or a feature view works with, and how it reads the tables.

use std::sync::Arc;

use base::{Clocks, EnvironmentName, NodeId, RunId};
use compute::{Catalog, Dialect, Engine, Session, SessionOptions};
use ledger::{Attempt, Claim, Lease, Ledger, NewAttempt};
use project::{Project, Relation};
use storage::Lake;
use tokio_util::sync::CancellationToken;

use crate::ConsumptionError;

/// What a sync or a feature view works with; a cheap clone.
#[derive(Clone, Debug)]
pub struct ConsumptionContext {
    /// The project.
    pub project: Arc<Project>,
    /// What must never be forgotten.
    pub ledger: Ledger,
    /// The tables.
    pub lake: Lake,
    /// Runs queries.
    pub engine: Engine,
    /// Where tables are read.
    pub environment: EnvironmentName,
    /// The dialect of the project's SQL.
    pub dialect: Dialect,
    /// Both clocks.
    pub clocks: Clocks,
    /// Asked to stop when cancelled.
    pub cancel: CancellationToken,
}

impl ConsumptionContext {
    /// A session over the environment as it is now.
    pub(crate) async fn session(&self) -> Result<Session, ConsumptionError> {
        let catalog = Catalog::of_environment(&self.ledger, &self.lake, &self.environment).await?;
        let options = SessionOptions {
            dialect: self.dialect,
            business_now: self.clocks.business.now(),
            time_zone: "UTC".to_owned(),
            default_namespace: Some(self.project.target.schema.clone()),
        };
        Ok(self.engine.session(catalog, options))
    }

    /// Where the rows of the model that a node stands on live.
    pub(crate) fn relation(&self, node: &NodeId) -> Result<Relation, ConsumptionError> {
        let found = self.project.graph.node(node).and_then(|node| node.depends_on.first());
        let parent = found.and_then(|parent| self.project.graph.node(parent));
        match parent.and_then(|parent| parent.relation.clone()) {
            Some(relation) => Ok(relation),
            None => Err(ConsumptionError::NotFound {
                message: format!("\"{node}\" stands on no table"),
                help: "Name a model with rows of its own, as in ref('orders').".to_owned(),
            }),
        }
    }

    /// A name as the dialect quotes it.
    pub(crate) fn quoted(&self, name: &str) -> String {
        match self.dialect {
            Dialect::Bigquery => format!("`{}`", name.replace('`', "\\`")),
            Dialect::Duckdb | Dialect::Postgres => format!("\"{}\"", name.replace('"', "\"\"")),
            // Names without quotes are folded the same way everywhere in this dialect.
            Dialect::Snowflake if is_plain(name) => name.to_owned(),
            Dialect::Snowflake => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// A table's name for SQL.
    pub(crate) fn table(&self, relation: &Relation) -> String {
        format!("{}.{}", self.quoted(&relation.schema), self.quoted(&relation.identifier))
    }

    /// Begins an attempt and takes the node's lease. When somebody else has it, the attempt is
    /// left to the caller to end.
    pub(crate) async fn begin(
        &self,
        run: &RunId,
        node: &NodeId,
    ) -> Result<Attempt, ConsumptionError> {
        let new = NewAttempt {
            run: run.clone(),
            node: node.clone(),
            environment: self.environment.clone(),
        };
        Ok(self.ledger.begin_attempt(&new).await?)
    }

    pub(crate) async fn claim(
        &self,
        run: &RunId,
        node: &NodeId,
    ) -> Result<Lease, ConsumptionError> {
        match self.ledger.claim(&self.environment, node, Some(run)).await? {
            Claim::Granted(lease) => Ok(lease),
            Claim::Held { by, .. } => Err(ConsumptionError::Held { node: node.to_string(), by }),
        }
    }

    /// Refuses to go on after somebody asked to stop.
    pub(crate) fn go_on(&self, node: &NodeId) -> Result<(), ConsumptionError> {
        if self.cancel.is_cancelled() {
            return Err(ConsumptionError::Cancelled { node: node.to_string() });
        }
        Ok(())
    }
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_lowercase() || letter == '_')
        && name.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_')
}
