//! `fiveply plan`: what a build in an environment would make, what it would reuse, whose columns
//! change under whom.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Arc;

use arrow::datatypes::Schema;
use base::{EnvironmentName, NodeId};
use ledger::PointerKind;
use project::{Node, NodeKind};
use serde::Serialize;
use serde_json::json;

use crate::arguments::{Common, PlanArguments};
use crate::changed::{self, Changes, Reason};
use crate::commands::selected;
use crate::console::{Console, Ink, columns, things};
use crate::failure::Failure;
use crate::planned;
use crate::workplace::{self, Workplace};

/// A column that is not what it was.
#[derive(Debug, Serialize)]
struct ColumnChange {
    node: NodeId,
    column: String,
    /// `added`, `removed` or `retyped`.
    change: &'static str,
    from: Option<String>,
    to: Option<String>,
    /// Whether whoever reads the column must know.
    breaking: bool,
}

/// What a build would do.
struct Plan {
    environment: EnvironmentName,
    /// How far the environment has moved.
    standing: i64,
    changes: Changes,
    columns: Vec<ColumnChange>,
    /// What reads something that is built, and is no model.
    consumers: Vec<NodeId>,
    /// Tables whose node the project has no more.
    gone: Vec<String>,
}

pub(crate) async fn run(
    common: &Common,
    arguments: &PlanArguments,
    console: &Console,
) -> Result<ExitCode, Failure> {
    let mut common = common.clone();
    if let Some(name) = &arguments.environment_name {
        common.environment = Some(name.clone());
    }
    let opened = workplace::open_project(&common, &[], console)?;
    let place = Workplace::open(opened, None).await?;
    let ids = selected(&place.project, &arguments.selection)?;
    let plan = Plan::make(&place, &ids).await?;
    if console.json {
        console.print(&plan.json().to_string())?;
    } else {
        console.print(plan.text(&place, console).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Plan {
    async fn make(place: &Workplace, ids: &[NodeId]) -> Result<Self, Failure> {
        let graph = &place.project.graph;
        let standing = place.ledger.environment_sequence(&place.environment).await?;
        let changes = changed::of_selection(place, ids).await?;
        let built: BTreeSet<NodeId> = changes
            .stale
            .keys()
            .filter(|id| graph.node(id).is_some_and(|node| node.kind.is_referable()))
            .cloned()
            .collect();
        let mut consumers: BTreeSet<NodeId> = BTreeSet::new();
        for id in &built {
            let below = graph.descendants(id, None);
            let reads = |id: &&NodeId| graph.node(id).is_some_and(is_consumer);
            consumers.extend(below.iter().filter(reads).cloned());
        }
        let columns = column_changes(place, &built).await?;
        let nodes: BTreeSet<_> = graph.nodes.keys().chain(graph.disabled.keys()).collect();
        let present = place.ledger.present_versions(&place.environment).await?;
        let gone = present.iter().filter(|version| {
            version.node.as_ref().is_some_and(|node| {
                let built = ["model.", "seed.", "snapshot."];
                built.iter().any(|kind| node.as_str().starts_with(kind)) && !nodes.contains(node)
            })
        });
        Ok(Self {
            environment: place.environment.clone(),
            standing,
            columns,
            consumers: consumers.into_iter().collect(),
            gone: gone.map(|version| version.table.to_string()).collect(),
            changes,
        })
    }

    fn json(&self) -> serde_json::Value {
        let build: Vec<_> = self
            .changes
            .stale
            .keys()
            .map(|node| json!({"node": node, "reasons": self.changes.json(node)}))
            .collect();
        json!({
            "environment": self.environment,
            "standing": self.standing,
            "build": build,
            "reuse": self.changes.reused,
            "columns": self.columns,
            "consumers": self.consumers,
            "gone": self.gone,
        })
    }

    fn text(&self, place: &Workplace, console: &Console) -> String {
        let graph = &place.project.graph;
        let kind = |id: &NodeId| graph.node(id).map(|node| node.kind);
        let is_test = |id: &&NodeId| matches!(kind(id), Some(NodeKind::Test | NodeKind::UnitTest));
        let tests = self.changes.stale.keys().filter(is_test).count();
        let mut lines = vec![format!(
            "{}: {} to build, {} to run, {} reused",
            self.environment,
            things((self.changes.stale.len() - tests) as u64, "node"),
            things(tests as u64, "test"),
            self.changes.reused.len()
        )];
        let of_project = |id: &NodeId| {
            let reasons = self.changes.stale.get(id).map(Vec::as_slice).unwrap_or_default();
            reasons.iter().any(|one| one.is_of_project() || *one == Reason::New)
        };
        let mut rows = Vec::new();
        for id in graph.order() {
            if !self.changes.stale.contains_key(id) || is_test(&id) {
                continue;
            }
            let mark = if of_project(id) { "changed" } else { "follows" };
            rows.push(vec![format!("  {mark}"), id.to_string(), self.changes.words(id)]);
        }
        lines.extend(columns(&rows, &[]));
        for change in &self.columns {
            let types = match (&change.from, &change.to) {
                (Some(from), Some(to)) => format!(" from {from} to {to}"),
                _ => String::new(),
            };
            let line =
                format!("  column {}.{} is {}{types}", change.node, change.column, change.change);
            lines.push(match change.breaking {
                true => console.paint(Ink::Bad, &format!("{line} (breaking)")),
                false => line,
            });
        }
        lines.extend(self.consumers.iter().map(|node| format!("  touches {node}")));
        let gone = self.gone.iter();
        lines.extend(gone.map(|table| format!("  {table} has no node in the project any more")));
        lines.push(format!("{} stands at {}", self.environment, self.standing));
        lines.join("\n")
    }
}

fn is_consumer(node: &Node) -> bool {
    node.kind.is_activation()
        || matches!(
            node.kind,
            NodeKind::Exposure | NodeKind::Metric | NodeKind::SavedQuery | NodeKind::Dashboard
        )
}

/// Columns that nodes would have, against those that they have.
async fn column_changes(
    place: &Workplace,
    built: &BTreeSet<NodeId>,
) -> Result<Vec<ColumnChange>, Failure> {
    let planned = planned::plan(place, built).await?;
    let mut found = Vec::new();
    for id in built {
        let Some(node) = place.project.graph.node(id) else { continue };
        let Some(after) = planned.schemas.get(id).filter(|_| node.kind == NodeKind::Model) else {
            continue;
        };
        let Some(relation) = &node.relation else { continue };
        let pointer = place.ledger.pointer(&place.environment, &relation.table()).await?;
        let Some(pointer) = pointer else { continue };
        let before = match pointer.kind {
            PointerKind::Table => {
                let table = place.lake.read(&pointer.metadata_location).await?;
                Arc::clone(table.arrow_schema())
            }
            PointerKind::View => place.lake.read_view(&pointer.metadata_location).await?.schema,
        };
        compare(id, &before, after, &mut found);
    }
    Ok(found)
}

fn compare(node: &NodeId, before: &Schema, after: &Schema, found: &mut Vec<ColumnChange>) {
    let types = |schema: &Schema| -> BTreeMap<String, String> {
        let fields = schema.fields().iter();
        fields.map(|field| (field.name().clone(), plain(field.data_type()))).collect()
    };
    let (before, after) = (types(before), types(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (from, to) = (before.get(name).cloned(), after.get(name).cloned());
        let change = match (&from, &to) {
            (None, Some(_)) => "added",
            (Some(_), None) => "removed",
            (Some(from), Some(to)) if from != to => "retyped",
            (Some(_), Some(_)) | (None, None) => continue,
        };
        let breaking = change != "added";
        found.push(ColumnChange {
            node: node.clone(),
            column: name.clone(),
            change,
            from,
            to,
            breaking,
        });
    }
}

/// A type as it is stored: how text and times lie in memory makes no difference.
pub(crate) fn plain(data_type: &arrow::datatypes::DataType) -> String {
    use arrow::datatypes::DataType;
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".to_owned(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => "Int32".to_owned(),
        DataType::UInt32 | DataType::UInt64 => "Int64".to_owned(),
        DataType::Timestamp(_, zone) => match zone {
            Some(_) => "timestamptz".to_owned(),
            None => "timestamp".to_owned(),
        },
        other => other.to_string(),
    }
}
