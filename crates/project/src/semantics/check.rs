//! What can only be said once the graph is known: whose rows a semantic model describes, and
//! whether its metrics have a time to be counted by.

use base::Diagnostic;

use super::{Aggregation, DimensionKind, Draft, Metric, Semantics};
use crate::graph::Graph;
use crate::jinja::RefCall;
use crate::node::NodeKind;
use crate::{codes, suggest};

impl Draft {
    /// The semantic layer of a graph.
    pub(crate) fn finish(self, graph: &Graph, diagnostics: &mut Vec<Diagnostic>) -> Semantics {
        let mut semantics = self.semantics;
        semantics.models.retain(|model| graph.node(&model.id).is_some());
        semantics.metrics.retain(|_, metric| graph.node(&metric.id).is_some());
        semantics.saved_queries.retain(|_, query| graph.node(&query.id).is_some());
        for model in &mut semantics.models {
            let parents = graph.parents(&model.id);
            model.model = parents.iter().find(|id| has_rows(graph, id)).cloned();
        }
        for spine in &mut semantics.time_spines {
            let call = RefCall { package: None, name: spine.name.clone(), version: None };
            let found = graph.find_ref(&call, &spine.package).ok();
            spine.model = found.map(|node| node.id.clone());
        }
        semantics.time_spines.retain(|spine| spine.model.is_some());
        for model in &semantics.models {
            twice(model, diagnostics);
        }
        for metric in semantics.metrics.values() {
            for aggregation in metric.kind.aggregations() {
                diagnostics.extend(time_exists(&semantics, metric, aggregation));
                diagnostics.extend(balance_exists(&semantics, metric, aggregation));
            }
        }
        semantics
    }
}

fn has_rows(graph: &Graph, id: &base::NodeId) -> bool {
    graph.node(id).is_some_and(|node| {
        node.relation.is_some()
            && matches!(
                node.kind,
                NodeKind::Model | NodeKind::Seed | NodeKind::Snapshot | NodeKind::Source
            )
    })
}

fn twice(model: &super::SemanticModel, diagnostics: &mut Vec<Diagnostic>) {
    let entities = model.entities.iter().map(|entity| (&entity.name, &entity.span));
    let dimensions = model.dimensions.iter().map(|dimension| (&dimension.name, &dimension.span));
    let mut seen = std::collections::BTreeSet::new();
    for (name, span) in entities.chain(dimensions) {
        if !seen.insert(name) {
            let message = format!("semantic model \"{}\" has \"{name}\" twice", model.name);
            diagnostics.push(
                Diagnostic::error(codes::SEMANTIC_SHAPE, message)
                    .at(span.clone(), "")
                    .help("Give one of them another name."),
            );
        }
    }
}

fn time_exists(
    semantics: &Semantics,
    metric: &Metric,
    aggregation: &Aggregation,
) -> Option<Diagnostic> {
    let model = semantics.model(&aggregation.model)?;
    let name = aggregation.time_dimension.as_ref()?;
    let times: Vec<&str> = model
        .dimensions
        .iter()
        .filter(|dimension| matches!(dimension.kind, DimensionKind::Time(_)))
        .map(|dimension| dimension.name.as_str())
        .collect();
    if times.contains(&name.as_str()) {
        return None;
    }
    let message = format!(
        "metric \"{}\" is counted by \"{name}\", which is no time dimension of \"{}\"",
        metric.name, model.name
    );
    let hint = suggest::did_you_mean(name, times.iter().copied()).unwrap_or_else(|| {
        if times.is_empty() {
            "Mark a column as \"dimension: {type: time}\" with \"granularity: day\".".to_owned()
        } else {
            format!("Its time dimensions are: {}.", times.join(", "))
        }
    });
    let problem = Diagnostic::error(codes::SEMANTIC_MISSING, message);
    Some(problem.at(metric.span.clone(), "").help(hint))
}

fn balance_exists(
    semantics: &Semantics,
    metric: &Metric,
    aggregation: &Aggregation,
) -> Option<Diagnostic> {
    let model = semantics.model(&aggregation.model)?;
    let balance = aggregation.non_additive.as_ref()?;
    let missing = match model.dimension(&balance.dimension) {
        None => Some(&balance.dimension),
        Some(_) => balance.group_by.iter().find(|name| model.entity(name).is_none()),
    }?;
    let message = format!(
        "metric \"{}\" may not be added up over \"{missing}\", which \"{}\" does not have",
        metric.name, model.name
    );
    let dimensions = model.dimensions.iter().map(|one| one.name.as_str());
    let known = dimensions.chain(model.entities.iter().map(|one| one.name.as_str()));
    let hint = suggest::did_you_mean(missing, known)
        .unwrap_or_else(|| "Name a time dimension and entities of the same model.".to_owned());
    let problem = Diagnostic::error(codes::SEMANTIC_MISSING, message);
    Some(problem.at(metric.span.clone(), "").help(hint))
}
