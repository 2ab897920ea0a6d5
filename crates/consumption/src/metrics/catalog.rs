//! What can be asked: metrics, and what each can be grouped by.

use std::collections::BTreeMap;

use project::Project;
use project::semantics::{DimensionKind, Metric, Semantics};
use serde::Serialize;

use super::plan::{find, format_of};
use super::reach::{Member, candidates};

/// A metric, for people and programs that want to ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MetricInfo {
    /// Its name.
    pub name: String,
    /// A title for people.
    pub label: String,
    /// What it is, in the user's words.
    pub description: String,
    /// `simple`, `ratio`, `derived`, `cumulative`, `conversion`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What is counted.
    pub unit: Option<String>,
    /// How it is shown.
    pub format: Option<String>,
    /// Digits after the point.
    pub decimals: Option<u8>,
    /// Whether it is a part of others and not shown by itself.
    pub hidden: bool,
    /// Its node in the graph.
    pub node: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Metrics it is made of.
    pub inputs: Vec<String>,
    /// Nodes whose rows it counts.
    pub models: Vec<String>,
    /// What it can be grouped and filtered by; `metric_time` comes first.
    pub dimensions: Vec<DimensionInfo>,
}

/// What a metric can be grouped by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DimensionInfo {
    /// Its name in a question.
    pub name: String,
    /// A title for people.
    pub label: Option<String>,
    /// `time`, `categorical` or `entity`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The finest grain of a time.
    pub grain: Option<&'static str>,
    /// What it is, in the user's words.
    pub description: String,
}

/// A question with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SavedQueryInfo {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Metrics.
    pub metrics: Vec<String>,
    /// What they are grouped by.
    pub group_by: Vec<String>,
}

/// Every metric, by name; hidden ones too.
pub fn metrics(project: &Project) -> Vec<MetricInfo> {
    let semantics = &project.semantics;
    semantics.metrics.values().map(|metric| info(project, semantics, metric)).collect()
}

/// Every saved query, by name.
pub fn saved_queries(project: &Project) -> Vec<SavedQueryInfo> {
    let all = project.semantics.saved_queries.values();
    all.map(|query| SavedQueryInfo {
        name: query.name.clone(),
        description: query.description.clone(),
        metrics: query.metrics.clone(),
        group_by: query.group_by.clone(),
    })
    .collect()
}

fn info(project: &Project, semantics: &Semantics, metric: &Metric) -> MetricInfo {
    let format = format_of(metric);
    let node = project.graph.node(&metric.id);
    let mut tables = Vec::new();
    rows_of(semantics, metric, &mut tables);
    let models: Vec<String> = tables
        .iter()
        .filter_map(|(model, _)| semantics.model(model)?.model.as_ref().map(ToString::to_string))
        .collect();
    let owner = node.and_then(|node| node.owner.as_ref()).or_else(|| {
        let first = tables.first().and_then(|(model, _)| semantics.model(model));
        let node = first.and_then(|model| project.graph.node(model.model.as_ref()?));
        node.and_then(|node| node.owner.as_ref())
    });
    MetricInfo {
        name: metric.name.clone(),
        label: metric.label.clone(),
        description: metric.description.clone(),
        kind: metric.kind.word(),
        unit: format.unit,
        format: format.format,
        decimals: format.decimals,
        hidden: metric.hidden,
        node: metric.id.to_string(),
        owner: owner.map(|owner| owner.name.clone()),
        inputs: metric.kind.inputs().iter().map(|input| input.name.clone()).collect(),
        models,
        dimensions: dimensions(semantics, &tables),
    }
}

/// Tables that a metric and its parts count rows of, each once, with the time of each.
fn rows_of<'s>(
    semantics: &'s Semantics,
    metric: &'s Metric,
    found: &mut Vec<(&'s str, Option<&'s str>)>,
) {
    for one in metric.kind.aggregations() {
        let table = (one.model.as_str(), one.time_dimension.as_deref());
        if !found.contains(&table) {
            found.push(table);
        }
    }
    for input in metric.kind.inputs() {
        if let Ok(input) = find(semantics, &input.name) {
            rows_of(semantics, input, found);
        }
    }
}

/// What every table can be grouped by.
fn dimensions(semantics: &Semantics, tables: &[(&str, Option<&str>)]) -> Vec<DimensionInfo> {
    let mut common: Option<BTreeMap<String, DimensionInfo>> = None;
    let mut grains = Vec::new();
    for (name, time) in tables {
        let Some(model) = semantics.model(name) else { continue };
        grains.push(super::keys::own_grain(semantics, name, *time));
        let mut own = BTreeMap::new();
        for candidate in candidates(semantics, model) {
            let (kind, grain, label, description) = match candidate.member {
                Member::Dimension(one) => match one.kind {
                    DimensionKind::Time(grain) => {
                        ("time", Some(grain.word()), one.label.clone(), &one.description)
                    }
                    DimensionKind::Categorical => {
                        ("categorical", None, one.label.clone(), &one.description)
                    }
                },
                Member::Entity(entity) => ("entity", None, None, &entity.description),
            };
            let name = candidate.full_name();
            let description = description.clone();
            own.entry(name.clone()).or_insert(DimensionInfo {
                name,
                label,
                kind,
                grain,
                description,
            });
        }
        common = Some(match common {
            None => own,
            Some(before) => before.into_iter().filter(|(key, _)| own.contains_key(key)).collect(),
        });
    }
    let mut found = Vec::new();
    if let Some(grain) = grains
        .iter()
        .copied()
        .collect::<Option<Vec<_>>>()
        .and_then(|grains| grains.into_iter().max())
    {
        found.push(DimensionInfo {
            name: project::semantics::METRIC_TIME.to_owned(),
            label: None,
            kind: "time",
            grain: Some(grain.word()),
            description: "The time each metric is counted by".to_owned(),
        });
    }
    found.extend(common.unwrap_or_default().into_values());
    found
}
