//! What happens around the nodes of a run: the project's hooks at its start and end, and the files
//! it leaves for other tools.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base::{EnvironmentName, NodeId, RunId, TableName};
use ledger::{PresentVersion, StepStatus};
use project::jinja::Relation;
use project::{Node, NodeKind};
use serde_json::json;
use transformation::{BuildOptions, Invocation, StepReport, Workshop};

use crate::arguments::RunArguments;
use crate::artifacts::Artifacts;
use crate::commands::Verb;
use crate::console::Console;
use crate::failure::Failure;
use crate::state;
use crate::workplace::Workplace;

/// What happens around the nodes of one run.
pub(crate) struct Around<'a> {
    pub(crate) place: &'a Workplace,
    pub(crate) verb: Verb,
    pub(crate) run: &'a RunId,
    pub(crate) invocation: &'a Invocation,
    pub(crate) target: &'a Path,
    pub(crate) console: &'a Console,
}

/// The files that a command leaves.
pub(crate) fn artifacts<'a>(
    place: &'a Workplace,
    folder: PathBuf,
    which: &'a str,
    invocation: &Invocation,
    id: String,
) -> Artifacts<'a> {
    Artifacts {
        project: &place.project,
        folder,
        which,
        invocation: id,
        arguments: invocation.arguments.clone(),
        compiled: BTreeMap::new(),
        finished: place.clocks.machine.now(),
        elapsed: Duration::ZERO,
        no_ops: Vec::new(),
    }
}

/// Parents that are not built here and are read where the state has them.
///
/// # Errors
/// When there is no state.
pub(crate) async fn deferred(
    place: &Workplace,
    arguments: &RunArguments,
    chosen: &BTreeSet<NodeId>,
) -> Result<BTreeMap<NodeId, Relation>, Failure> {
    let folder = arguments.defer_state.as_ref().or(arguments.selection.state.as_ref());
    let Some(folder) = folder else {
        return Err(Failure::usage("--defer needs a state")
            .help("Name a folder that holds an earlier command's manifest.json: --state FOLDER."));
    };
    let pointers = place.ledger.pointers(&place.environment).await?;
    let existing: BTreeSet<TableName> = pointers.into_iter().map(|pointer| pointer.table).collect();
    let exists = |node: &Node| {
        node.relation.as_ref().is_some_and(|relation| existing.contains(&relation.table()))
    };
    state::deferred(&place.project, folder, chosen, exists, arguments.favor_state)
}

/// What another environment shows of all nodes that are not carried out here, under the names that
/// they have here, and under its own.
///
/// # Errors
/// When the other environment holds nothing.
pub(crate) async fn beneath(
    place: &Workplace,
    other: &str,
    chosen: &BTreeSet<NodeId>,
) -> Result<Vec<PresentVersion>, Failure> {
    let other = EnvironmentName::new(other);
    crate::commands::environment::known(place, &other).await?;
    let graph = &place.project.graph;
    let table = |node: &NodeId| graph.node(node)?.relation.as_ref().map(project::Relation::table);
    let built: BTreeSet<TableName> = chosen.iter().filter_map(table).collect();
    let mut found = Vec::new();
    for version in place.ledger.present_versions(&other).await? {
        let here = version.node.as_ref().and_then(table);
        if let Some(here) = here.filter(|here| *here != version.table && !built.contains(here)) {
            found.push(PresentVersion { table: here, ..version.clone() });
        }
        if !built.contains(&version.table) {
            found.push(version);
        }
    }
    Ok(found)
}

impl Around<'_> {
    fn artifacts(&self) -> Artifacts<'_> {
        let id = self.run.as_str().to_owned();
        artifacts(self.place, self.target.to_path_buf(), self.verb.word(), self.invocation, id)
    }

    /// Writes what the run leaves.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn leave(
        &self,
        reports: &[StepReport],
        compiled: BTreeMap<NodeId, String>,
        nodes: &[NodeId],
        elapsed: Duration,
    ) -> Result<(), Failure> {
        let mut artifacts = self.artifacts();
        if self.verb == Verb::Build {
            let passed = |id: &&NodeId| {
                let node = self.place.project.graph.node(id);
                node.is_some_and(|node| {
                    matches!(node.kind, NodeKind::Exposure | NodeKind::SavedQuery)
                })
            };
            artifacts.no_ops = nodes.iter().filter(passed).cloned().collect();
        }
        (artifacts.compiled, artifacts.elapsed) = (compiled, elapsed);
        artifacts.write(reports)
    }

    /// The hooks of the run's end, which see what became of each node.
    pub(crate) async fn at_the_end(
        &self,
        reports: &[StepReport],
        full_refresh: bool,
    ) -> Vec<StepReport> {
        let graph = &self.place.project.graph;
        let good = reports.iter().filter(|report| report.is_good());
        let tests = reports.iter().flat_map(|report| &report.tests);
        let tests = tests.filter(|test| !test.holds_back()).map(|test| &test.node);
        let done = good.map(|report| &report.node).chain(tests);
        let schemas: BTreeSet<&str> = done
            .filter_map(|id| graph.node(id))
            .filter(|node| {
                let stored = node.test.as_ref().map(|test| test.store_failures == Some(true));
                stored.unwrap_or(node.kind.is_referable())
            })
            .filter_map(|node| Some(node.relation.as_ref()?.schema.as_str()))
            .collect();
        let environment = self.place.environment.as_str();
        let pairs: Vec<_> = schemas.iter().map(|schema| json!([environment, schema])).collect();
        let mut invocation = self.invocation.clone();
        let results = self.artifacts().for_hooks(reports);
        for (name, value) in [
            ("schemas", json!(schemas)),
            ("database_schemas", json!(pairs)),
            ("results", json!(results)),
        ] {
            invocation.extra.insert(name.to_owned(), value);
        }
        let options = BuildOptions { full_refresh, publish_at_end: false };
        let workshop = Workshop::new(self.place.tools(), self.run.clone(), options);
        Box::pin(self.operations(&workshop.called(invocation), "on-run-end")).await
    }

    /// Carries out the hooks of one moment, one after the other; the first failure ends them.
    pub(crate) async fn operations(&self, workshop: &Workshop, moment: &str) -> Vec<StepReport> {
        let graph = &self.place.project.graph;
        let operations = graph.nodes.values().filter(|node| node.kind == NodeKind::Operation);
        let mut hooks: Vec<&Node> =
            operations.filter(|node| node.tags.iter().any(|tag| tag == moment)).collect();
        // Packages first, the root project last, each in its own order.
        hooks.sort_by_key(|node| {
            let number = node.name.rsplit('-').next().and_then(|text| text.parse::<usize>().ok());
            (node.package == graph.root_package, node.package.clone(), number)
        });
        let mut reports = Vec::new();
        for hook in hooks {
            let started = Instant::now();
            let mut report = StepReport::new(&hook.id, StepStatus::Succeeded);
            if let Err(error) = workshop.operation(&hook.id).await {
                report.status = StepStatus::Failed;
                report.message = Some(error.to_string());
                report.error_kind = Some(error.kind());
                report.diagnostics = error.diagnostics();
                self.console.complain(&format!("hook {} failed: {error}", hook.id));
                for diagnostic in &report.diagnostics {
                    self.console.complain(&crate::draw::draw(diagnostic, self.console.colours));
                }
            }
            report.duration = started.elapsed();
            let failed = !report.is_good();
            reports.push(report);
            if failed {
                break;
            }
        }
        reports
    }
}
