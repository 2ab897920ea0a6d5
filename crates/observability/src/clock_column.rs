//! Which column of a table tells the time of a row, and how it travels from hop to hop.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field};
use base::NodeId;
use compute::{How, Lineage};
use project::{Node, NodeKind};
use serde_json::Value;
use transformation::Tools;

use crate::ObservabilityError;
use crate::scene::{Scene, name};

/// Words in names of columns that tell when a row last changed, or what is still to come.
const AFTERTHOUGHTS: &[&str] = &[
    "updated", "modified", "modstamp", "loaded", "deleted", "closed", "close", "cancel", "last",
    "until", "end", "ended", "expire", "expires", "expired", "due", "birth", "valid", "seen",
    "synced", "fiveply",
];
/// Words in names of columns that tell when something happened.
const EVENTS: &[&str] = &[
    "event", "created", "occurred", "happened", "signed", "ordered", "answered", "placed",
    "received", "started", "paid", "sent",
];

/// The column that tells the time of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimeColumn {
    pub(crate) name: String,
    /// Whether it has days only.
    pub(crate) days_only: bool,
    /// It as a timestamp, in our own queries.
    pub(crate) expression: String,
    /// Parents from whose columns it comes: the ones that give the rows.
    pub(crate) from: Vec<NodeId>,
    /// Whether it is the day of the run and not of the row, as in tables that keep a history.
    pub(crate) of_run: bool,
}

/// The time column of every node on the way to `target`, led back from the number's own.
pub(crate) fn time_columns(
    scene: &Scene,
    target: &NodeId,
    wanted: Option<&str>,
) -> BTreeMap<NodeId, TimeColumn> {
    let mut names: BTreeMap<NodeId, String> = BTreeMap::new();
    let mut found = BTreeMap::new();
    if let Some(wanted) = wanted {
        names.insert(target.clone(), wanted.to_owned());
    }
    let above = scene.graph().ancestors(target, None);
    for id in scene.nodes.iter().rev().filter(|id| *id == target || above.contains(*id)) {
        let Some(column) = names.get(id).cloned().or_else(|| own_choice(scene, id)) else {
            continue;
        };
        let Some(time) = describe(scene, id, &column) else { continue };
        for (parent, column) in origins(scene, id, &column) {
            names.entry(parent).or_insert(column);
        }
        found.insert(id.clone(), time);
    }
    found
}

/// The columns of parents that a column comes from.
pub(crate) fn origins(scene: &Scene, id: &NodeId, column: &str) -> Vec<(NodeId, String)> {
    let Some(lineage) = scene.lineage.get(id) else { return Vec::new() };
    let Some(found) = lineage.column(column) else { return Vec::new() };
    let near = found.origins.iter().filter(|origin| origin.how <= How::Cast);
    let mut origins: Vec<_> = near.collect();
    if origins.is_empty() {
        origins = found.origins.iter().filter(|origin| origin.how == How::Computed).collect();
    }
    let parent = |table| scene.graph().node_of_table(table).map(|node| node.id.clone());
    let origins = origins.into_iter();
    origins.filter_map(|origin| Some((parent(&origin.table)?, origin.column.clone()))).collect()
}

fn describe(scene: &Scene, id: &NodeId, column: &str) -> Option<TimeColumn> {
    let schema = scene.schema(id)?;
    let field = schema.fields().iter().find(|field| field.name() == column)?;
    let plain = name(column);
    let (days_only, expression) = match field.data_type() {
        DataType::Date32 | DataType::Date64 => (true, format!("cast({plain} as timestamp)")),
        DataType::Timestamp(_, _) => (false, format!("cast({plain} as timestamp)")),
        kind if kind.is_integer() => {
            // Seconds or milliseconds since 1970: no moment of this century is both.
            let seconds =
                format!("case when {plain} > 100000000000 then {plain} / 1000 else {plain} end");
            (false, format!("cast(to_timestamp({seconds}) as timestamp)"))
        }
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
            (false, format!("cast({plain} as timestamp)"))
        }
        _ => return None,
    };
    let mut from: Vec<NodeId> =
        origins(scene, id, column).into_iter().map(|(parent, _)| parent).collect();
    from.sort();
    from.dedup();
    let is_model = scene.node(id).is_some_and(|node| node.kind == NodeKind::Model);
    let of_run = is_model && from.is_empty() && scene.lineage.contains_key(id);
    Some(TimeColumn { name: column.to_owned(), days_only, expression, from, of_run })
}

/// The column that the user named, else the likeliest.
fn own_choice(scene: &Scene, id: &NodeId) -> Option<String> {
    let node = scene.node(id)?;
    let schema = scene.schema(id)?;
    if let Some(named) = named_by_user(node)
        && schema.column_with_name(&named).is_some()
    {
        return Some(named);
    }
    let lineage = scene.lineage.get(id);
    let scored = schema.fields().iter().enumerate().filter_map(|(place, field)| {
        let score = score(node, lineage, field)?;
        Some((score, std::cmp::Reverse(place), field.name().clone()))
    });
    scored.max().map(|(_, _, name)| name)
}

fn named_by_user(node: &Node) -> Option<String> {
    let of_meta = node.meta.get("time_column").and_then(Value::as_str).map(str::to_owned);
    node.config.event_time.clone().or(of_meta)
}

fn score(node: &Node, lineage: Option<&Lineage>, field: &Field) -> Option<i32> {
    let timestamp = match field.data_type() {
        DataType::Date32 | DataType::Date64 => 0,
        DataType::Timestamp(_, _) => 2,
        _ => return None,
    };
    if node.config.unique_key.iter().any(|key| key == field.name()) {
        return Some(100);
    }
    let lower = field.name().to_lowercase();
    let words: Vec<&str> = lower.split(['_', '.', ' ', '-']).collect();
    let has = |list: &[&str]| {
        words.iter().any(|word| list.contains(word))
            || list.iter().any(|word| word.len() > 5 && lower.contains(word))
    };
    let mut score = timestamp;
    if has(AFTERTHOUGHTS) {
        score -= 20;
    }
    if has(EVENTS) {
        score += 5;
    }
    let found = lineage.and_then(|lineage| lineage.column(field.name()));
    let how = found.and_then(|found| found.origins.iter().map(|origin| origin.how).min());
    match (lineage, how) {
        (Some(_), None) => score -= 10,
        (Some(_), Some(How::Computed)) => score -= 4,
        (Some(_), Some(How::Aggregated)) => score -= 12,
        _ => {}
    }
    Some(score)
}

/// The time columns of a node and of every model below it that takes its rows over, for a
/// backfill.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn time_columns_below(
    tools: &Tools,
    node: &NodeId,
    wanted: Option<&str>,
) -> Result<BTreeMap<NodeId, String>, ObservabilityError> {
    let graph = &tools.project.graph;
    let below = graph.descendants(node, None);
    let models = below.into_iter().filter(|id| {
        graph.node(id).is_some_and(|node| node.kind == NodeKind::Model && !node.is_ephemeral())
    });
    let mut targets: Vec<NodeId> = models.collect();
    targets.push(node.clone());
    let scene = Scene::open(tools, &targets).await?;
    let mut found = BTreeMap::new();
    let own = wanted.map(str::to_owned).or_else(|| own_choice(&scene, node));
    let Some(own) = own.filter(|own| describe(&scene, node, own).is_some_and(|own| !own.of_run))
    else {
        return Ok(found);
    };
    found.insert(node.clone(), own);
    for id in &scene.nodes {
        let Some(choice) = own_choice(&scene, id).filter(|_| id != node) else { continue };
        let leads = origins(&scene, id, &choice);
        if leads.iter().any(|(parent, column)| found.get(parent) == Some(column)) {
            found.insert(id.clone(), choice);
        }
    }
    Ok(found)
}
