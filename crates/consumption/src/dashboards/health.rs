//! How fresh a tile's tables are, and what tests upstream say.

use std::collections::{BTreeMap, BTreeSet};

use base::{InputVersion, NodeId};
use ledger::{TestResult, TestStatus};
use project::NodeKind;

use super::{Freshness, Health, HealthProblem, HealthStatus, TableFreshness};
use crate::{ConsumptionContext, ConsumptionError};

/// What the ledger knows, read once for a whole dashboard.
#[derive(Debug, Default)]
pub(super) struct Known {
    results: BTreeMap<NodeId, TestResult>,
    locations: BTreeMap<base::TableName, String>,
}

impl Known {
    pub(super) async fn read(context: &ConsumptionContext) -> Result<Self, ConsumptionError> {
        let mut known = Self::default();
        for result in context.ledger.latest_test_results(&context.environment).await? {
            known.results.insert(result.test.node.clone(), result);
        }
        for pointer in context.ledger.pointers(&context.environment).await? {
            known.locations.insert(pointer.table, pointer.metadata_location);
        }
        Ok(known)
    }

    /// Results of tests on any node that these stand on.
    pub(super) fn health(&self, context: &ConsumptionContext, parents: &[NodeId]) -> Health {
        let graph = &context.project.graph;
        let mut upstream: BTreeSet<NodeId> = parents.iter().cloned().collect();
        for parent in parents {
            upstream.extend(graph.ancestors(parent, None));
        }
        let tests: BTreeSet<&NodeId> = upstream
            .iter()
            .flat_map(|id| graph.children(id))
            .filter(|id| graph.node(id).is_some_and(|node| node.kind == NodeKind::Test))
            .collect();
        let mut health = Health::default();
        for id in tests {
            let Some(result) = self.results.get(id) else { continue };
            let status = match result.test.status {
                TestStatus::Skipped => continue,
                TestStatus::Passed => HealthStatus::Passed,
                TestStatus::Warned => HealthStatus::Warned,
                TestStatus::Failed | TestStatus::Errored => HealthStatus::Failed,
            };
            health.tests += 1;
            health.status = health.status.max(status);
            if status > HealthStatus::Passed {
                health.problems.push(self.problem(context, result));
            }
        }
        health.problems.sort_by_key(|problem| (problem.status == "warned", problem.node.clone()));
        health
    }

    fn problem(&self, context: &ConsumptionContext, result: &TestResult) -> HealthProblem {
        let graph = &context.project.graph;
        let test = graph.node(&result.test.node);
        let attached = test.and_then(|node| node.test.as_ref()?.attached.clone());
        let judged = attached.as_ref().or_else(|| test.and_then(|node| node.depends_on.first()));
        let owner = judged.and_then(|id| graph.node(id)).and_then(|node| node.owner.as_ref());
        HealthProblem {
            node: result.test.node.to_string(),
            table: result.test.table.as_ref().map(ToString::to_string),
            status: result.test.status.as_str(),
            failures: result.test.failures,
            message: result.test.message.clone(),
            owner: owner.map(|owner| owner.name.clone()),
            at: result.business_time,
        }
    }

    /// When the versions that were read had been published.
    pub(super) async fn freshness(
        &self,
        context: &ConsumptionContext,
        inputs: &[InputVersion],
    ) -> Result<Freshness, ConsumptionError> {
        let mut freshness = Freshness::default();
        for input in inputs {
            let mut published_at = None;
            if let Some(location) = self.locations.get(&input.table) {
                let (ledger, environment) = (&context.ledger, &context.environment);
                let version = ledger.table_version(environment, &input.table, location).await?;
                published_at = version.map(|version| version.business_time);
            }
            let node = context.project.graph.node_of_table(&input.table);
            freshness.as_of = freshness.as_of.max(published_at);
            freshness.tables.push(TableFreshness {
                table: input.table.to_string(),
                node: node.map(|node| node.id.to_string()),
                published_at,
                rows: input.rows,
            });
        }
        Ok(freshness)
    }
}
