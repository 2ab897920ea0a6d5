//! From names to parts: measures and metrics find what they are made of, or it is said what is
//! missing.

use std::collections::{BTreeMap, BTreeSet};

use base::{Diagnostic, NodeId, Span};
use serde_json::Value as Json;

use super::read::{MeasureInput, Raw, RawConversion, RawMetric, Source, Spec};
use super::{
    AggregateFunction, Aggregation, Conversion, Filter, FilterItem, Metric, MetricInput,
    MetricKind, SavedQuery, SemanticModel, Semantics,
};
use crate::node::NodeKind;
use crate::properties::{Facts, Place};
use crate::{codes, suggest};

/// Something declared in YAML that becomes a node.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) id: NodeId,
    pub(crate) kind: NodeKind,
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) facts: Facts,
    pub(crate) written: Json,
    /// `ref(...)` expressions it stands on.
    pub(crate) references: Vec<(String, Span)>,
    /// Nodes it stands on.
    pub(crate) depends_on: Vec<NodeId>,
}

/// The semantic layer before the graph is known, and the nodes it makes.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) semantics: Semantics,
    pub(crate) resources: Vec<Resource>,
}

/// Metrics that are made of each other this deep are taken for a circle.
const DEPTH_MAX: usize = 100;

/// Finds every part by its name.
pub(super) fn link(raw: Raw, diagnostics: &mut Vec<Diagnostic>) -> Draft {
    let mut measures: BTreeMap<&str, &Aggregation> = BTreeMap::new();
    for (measure, span) in &raw.measures {
        if measures.insert(&measure.name, measure).is_some() {
            let message = format!("measure \"{}\" is declared twice", measure.name);
            diagnostics.push(
                Diagnostic::error(codes::SEMANTIC_SHAPE, message)
                    .at(span.clone(), "")
                    .help("Metrics name measures without their model: rename one of the two."),
            );
        }
    }
    let mut metrics: BTreeMap<&str, &RawMetric> = BTreeMap::new();
    for metric in &raw.metrics {
        metrics.entry(&metric.resource.name).or_insert(metric);
    }
    let models: BTreeMap<&str, &NodeId> =
        raw.models.iter().map(|(model, _)| (model.name.as_str(), &model.id)).collect();
    let circular = BTreeSet::new();
    let mut linker = Linker { measures, metrics, models, circular, diagnostics };
    linker.check_cycles();
    let mut draft = Draft::default();
    for metric in &raw.metrics {
        let (linked, depends_on) = linker.metric(metric);
        let mut resource = metric.resource.clone();
        resource.depends_on = depends_on;
        draft.resources.push(resource);
        if let Some(linked) = linked {
            draft.semantics.metrics.entry(linked.name.clone()).or_insert(linked);
        }
    }
    for (query, resource) in &raw.saved_queries {
        let mut resource = resource.clone();
        resource.depends_on = linker.saved_query(query);
        draft.resources.push(resource);
        draft.semantics.saved_queries.insert(query.name.clone(), query.clone());
    }
    for (model, resource) in raw.models {
        draft.resources.push(resource);
        draft.semantics.models.push(model);
    }
    draft.semantics.time_spines = raw.time_spines;
    draft.semantics.time_spines.sort_by_key(|spine| spine.grain);
    names_exist(&draft.semantics, diagnostics);
    draft
}

struct Linker<'r, 'd> {
    measures: BTreeMap<&'r str, &'r Aggregation>,
    metrics: BTreeMap<&'r str, &'r RawMetric>,
    models: BTreeMap<&'r str, &'r NodeId>,
    /// Metrics that are made of themselves, which was said.
    circular: BTreeSet<&'r str>,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl<'r> Linker<'r, '_> {
    fn metric(&mut self, raw: &'r RawMetric) -> (Option<Metric>, Vec<NodeId>) {
        let mut depends_on = BTreeSet::new();
        let kind = self.kind(raw, &mut depends_on);
        let resource = &raw.resource;
        let metric = kind.map(|kind| Metric {
            id: resource.id.clone(),
            name: resource.name.clone(),
            label: raw.label.clone().unwrap_or_else(|| resource.name.clone()),
            description: resource.facts.description.clone(),
            kind,
            filters: raw.filters.clone(),
            time_grain: raw.time_grain,
            hidden: raw.hidden,
            meta: crate::config::meta(&resource.facts.config),
            span: resource.span.clone(),
        });
        (metric, depends_on.into_iter().collect())
    }

    fn kind(&mut self, raw: &'r RawMetric, parents: &mut BTreeSet<NodeId>) -> Option<MetricKind> {
        match &raw.spec {
            Spec::Broken => None,
            Spec::Aggregate(aggregation) => {
                parents.extend(self.models.get(aggregation.model.as_str()).map(|id| (*id).clone()));
                Some(MetricKind::Simple(aggregation.clone()))
            }
            Spec::Measure(input) => {
                let aggregation = self.measure(raw, input, parents)?;
                Some(MetricKind::Simple(Box::new(aggregation)))
            }
            Spec::Ratio(above, below) => {
                let numerator = self.input(raw, above, parents);
                let denominator = self.input(raw, below, parents);
                let (numerator, denominator) = numerator.zip(denominator)?;
                Some(MetricKind::Ratio { numerator, denominator })
            }
            Spec::Derived(expr, inputs) => {
                let found: Vec<MetricInput> =
                    inputs.iter().filter_map(|input| self.input(raw, input, parents)).collect();
                let whole = found.len() == inputs.len() && !inputs.is_empty();
                whole.then(|| MetricKind::Derived { expr: expr.clone(), inputs: found })
            }
            Spec::Cumulative { source, window, grain_to_date, period } => {
                let aggregation = self.source(raw, source, parents)?;
                Some(MetricKind::Cumulative {
                    aggregation: Box::new(aggregation),
                    window: *window,
                    grain_to_date: *grain_to_date,
                    period: *period,
                })
            }
            Spec::Conversion(both) => {
                let RawConversion { base, conversion, entity, calculation, window, constants } =
                    both.as_ref();
                let base = self.source(raw, base, parents);
                let conversion = self.source(raw, conversion, parents);
                let (base, conversion) = base.zip(conversion)?;
                Some(MetricKind::Conversion(Box::new(Conversion {
                    base,
                    conversion,
                    entity: entity.clone(),
                    calculation: *calculation,
                    window: *window,
                    constants: constants.clone(),
                })))
            }
        }
    }

    fn measure(
        &mut self,
        raw: &RawMetric,
        input: &MeasureInput,
        parents: &mut BTreeSet<NodeId>,
    ) -> Option<Aggregation> {
        let Some(found) = self.measures.get(input.name.as_str()) else {
            let known: Vec<&str> = self.measures.keys().copied().collect();
            self.missing(raw, "measure", &input.name, &input.span, &known);
            return None;
        };
        parents.extend(self.models.get(found.model.as_str()).map(|id| (*id).clone()));
        let mut aggregation = (*found).clone();
        aggregation.filters.extend(input.filters.clone());
        aggregation.join_to_timespine |= input.join_to_timespine;
        aggregation.fill_nulls_with.clone_from(&input.fill_nulls_with);
        Some(aggregation)
    }

    fn source(
        &mut self,
        raw: &RawMetric,
        source: &Source,
        parents: &mut BTreeSet<NodeId>,
    ) -> Option<Aggregation> {
        let input = match source {
            Source::Measure(input) => return self.measure(raw, input, parents),
            Source::Metric(input) => self.input(raw, input, parents)?,
        };
        let simple = *self.metrics.get(input.name.as_str())?;
        let mut aggregation = match &simple.spec {
            Spec::Aggregate(aggregation) => aggregation.as_ref().clone(),
            Spec::Measure(measure) => self.measure(raw, measure, &mut BTreeSet::new())?,
            Spec::Broken => return None,
            Spec::Ratio(..) | Spec::Derived(..) | Spec::Cumulative { .. } | Spec::Conversion(_) => {
                let message = format!(
                    "metric \"{}\" is made of \"{}\", which is not simple",
                    raw.resource.name, input.name
                );
                self.diagnostics.push(
                    Diagnostic::error(codes::SEMANTIC_SHAPE, message)
                        .at(input.span.clone(), "")
                        .help("Only rows can be added up over time: name a simple metric."),
                );
                return None;
            }
        };
        let filters: Vec<Filter> = simple.filters.iter().chain(&input.filters).cloned().collect();
        aggregation.filters.extend(filters);
        Some(aggregation)
    }

    fn input(
        &mut self,
        raw: &RawMetric,
        input: &MetricInput,
        parents: &mut BTreeSet<NodeId>,
    ) -> Option<MetricInput> {
        let Some(found) = self.metrics.get(input.name.as_str()) else {
            if !self.circular.contains(input.name.as_str()) {
                let known: Vec<&str> = self.metrics.keys().copied().collect();
                self.missing(raw, "metric", &input.name, &input.span, &known);
            }
            return None;
        };
        parents.insert(found.resource.id.clone());
        (!matches!(found.spec, Spec::Broken)).then(|| input.clone())
    }

    fn missing(&mut self, raw: &RawMetric, what: &str, name: &str, span: &Span, known: &[&str]) {
        let message = format!(
            "metric \"{}\" is made of {what} \"{name}\", which does not exist",
            raw.resource.name
        );
        let hint = suggest::did_you_mean(name, known.iter().copied())
            .unwrap_or_else(|| format!("Declare the {what}, or correct the name."));
        self.diagnostics.push(
            Diagnostic::error(codes::SEMANTIC_MISSING, message).at(span.clone(), "").help(hint),
        );
    }

    fn saved_query(&mut self, query: &SavedQuery) -> Vec<NodeId> {
        let mut parents = BTreeSet::new();
        for name in &query.metrics {
            if let Some(found) = self.metrics.get(name.as_str()) {
                parents.insert(found.resource.id.clone());
                continue;
            }
            let message = format!(
                "saved query \"{}\" asks for metric \"{name}\", which does not exist",
                query.name
            );
            let hint = suggest::did_you_mean(name, self.metrics.keys().copied())
                .unwrap_or_else(|| "Declare the metric, or correct the name.".to_owned());
            self.diagnostics.push(
                Diagnostic::error(codes::SEMANTIC_MISSING, message)
                    .at(query.span.clone(), "")
                    .help(hint),
            );
        }
        parents.into_iter().collect()
    }

    /// Metrics that are made of themselves; they are taken out, so that nothing runs in circles.
    fn check_cycles(&mut self) {
        let mut circular: Vec<&str> = Vec::new();
        let names: Vec<&str> = self.metrics.keys().copied().collect();
        for name in names {
            let mut path = vec![name];
            if let Some(circle) = self.circle(&mut path)
                && !circular.contains(&name)
            {
                circular.extend(circle.iter().copied());
                let Some(metric) = self.metrics.get(name) else { continue };
                let message =
                    format!("metrics are made of each other in a circle: {}", circle.join(" -> "));
                self.diagnostics.push(
                    Diagnostic::error(codes::SEMANTIC_CYCLE, message)
                        .at(metric.resource.span.clone(), "")
                        .help("Take one of these inputs out."),
                );
            }
        }
        for name in circular {
            self.metrics.remove(name);
            self.circular.insert(name);
        }
    }

    fn circle(&self, path: &mut Vec<&'r str>) -> Option<Vec<&'r str>> {
        let (first, last) = (*path.first()?, *path.last()?);
        if path.len() > DEPTH_MAX {
            return None;
        }
        let metric: &'r RawMetric = self.metrics.get(last)?;
        let inputs: Vec<&'r MetricInput> = match &metric.spec {
            Spec::Ratio(above, below) => vec![above, below],
            Spec::Derived(_, inputs) => inputs.iter().collect(),
            Spec::Cumulative { source: Source::Metric(one), .. } => vec![one],
            Spec::Aggregate(_)
            | Spec::Measure(_)
            | Spec::Cumulative { .. }
            | Spec::Conversion(_)
            | Spec::Broken => Vec::new(),
        };
        for input in inputs {
            if input.name == first {
                path.push(first);
                return Some(path.clone());
            }
            if path.contains(&input.name.as_str()) {
                continue;
            }
            path.push(&input.name);
            if let Some(found) = self.circle(path) {
                return Some(found);
            }
            path.pop();
        }
        None
    }
}

/// Every name in a filter is that of an entity, a dimension or a metric.
fn names_exist(semantics: &Semantics, diagnostics: &mut Vec<Diagnostic>) {
    let own = |model: &SemanticModel| -> Vec<String> {
        let entities = model.entities.iter().map(|entity| entity.name.clone());
        let dimensions = model.dimensions.iter().map(|dimension| dimension.name.clone());
        entities.chain(dimensions).chain(model.primary_entity.clone()).collect()
    };
    let known: BTreeSet<String> = semantics.models.iter().flat_map(own).collect();
    let mut filters: Vec<(&str, &Filter)> = Vec::new();
    for metric in semantics.metrics.values() {
        let inputs = metric.kind.inputs();
        let of_inputs = inputs.iter().flat_map(|input| &input.filters);
        let aggregations = metric.kind.aggregations();
        let of_rows = aggregations.iter().flat_map(|one| &one.filters);
        let all = metric.filters.iter().chain(of_inputs).chain(of_rows);
        filters.extend(all.map(|filter| (metric.name.as_str(), filter)));
    }
    for query in semantics.saved_queries.values() {
        filters.extend(query.filters.iter().map(|filter| (query.name.as_str(), filter)));
    }
    for (owner, filter) in filters {
        for item in filter.items() {
            diagnostics.extend(unknown_part(semantics, &known, owner, filter, item));
        }
    }
}

fn unknown_part(
    semantics: &Semantics,
    known: &BTreeSet<String>,
    owner: &str,
    filter: &Filter,
    item: &FilterItem,
) -> Option<Diagnostic> {
    let (name, hint) = match item {
        FilterItem::Metric { name, .. } => {
            if semantics.metrics.contains_key(name) {
                return None;
            }
            let known = semantics.metrics.keys().map(String::as_str);
            (name.clone(), suggest::did_you_mean(name, known))
        }
        FilterItem::Name { name, .. } => {
            let mut parts: Vec<&str> = name.split("__").collect();
            if parts.len() > 1 && parts.last().is_some_and(|last| is_grain(last)) {
                parts.pop();
            }
            if parts.first() == Some(&super::METRIC_TIME) {
                return None;
            }
            let missing = *parts.iter().find(|part| !known.contains(**part))?;
            let hint = suggest::did_you_mean(missing, known.iter().map(String::as_str));
            (missing.to_owned(), hint)
        }
    };
    let message = format!("the filter of \"{owner}\" names \"{name}\", which does not exist");
    let hint = hint.unwrap_or_else(|| {
        "Write it as {{ Dimension('entity__dimension') }} with declared names.".to_owned()
    });
    let problem = Diagnostic::error(codes::SEMANTIC_MISSING, message).help(hint);
    Some(match &filter.span {
        Some(span) => problem.at(span.clone(), ""),
        None => problem,
    })
}

fn is_grain(word: &str) -> bool {
    super::Grain::from_word(word).is_some()
}

/// What `count` counts when nothing is said.
pub(super) fn default_expr(function: AggregateFunction, name: &str) -> String {
    match function {
        AggregateFunction::Count => "1".to_owned(),
        AggregateFunction::Sum
        | AggregateFunction::SumBoolean
        | AggregateFunction::CountDistinct
        | AggregateFunction::Average
        | AggregateFunction::Min
        | AggregateFunction::Max
        | AggregateFunction::Median
        | AggregateFunction::Percentile => name.to_owned(),
    }
}
