//! From YAML to drafts: which spec a text is written in, and what both have in common.

use base::{Diagnostic, NodeId, Span};
use serde_json::Value as Json;

use super::link::{Draft, Resource};
use super::{
    AggregateFunction, Aggregation, Calculation, Filter, Grain, MetricInput, PeriodAggregation,
    SavedQuery, SemanticModel, TimeSpine, Window, input, latest, legacy, link,
};
use crate::node::NodeKind;
use crate::properties::{Facts, Place, facts};
use crate::yaml::{Fields, Value};

/// What a text declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextKind {
    /// A model with annotations, in the latest spec.
    Model,
    /// An item of `semantic_models:`.
    SemanticModel,
    /// An item of `metrics:`.
    Metric,
    /// An item of `saved_queries:`.
    SavedQuery,
}

/// An item of a properties file that belongs to the semantic layer.
#[derive(Clone, Debug)]
pub(crate) struct SemanticText {
    pub(crate) place: Place,
    pub(crate) kind: TextKind,
    pub(crate) value: Value,
}

/// Keys of a model that make it a matter of the semantic layer.
const MODEL_KEYS: &[&str] =
    &["semantic_model", "metrics", "derived_semantics", "agg_time_dimension", "time_spine"];

impl SemanticText {
    /// A model's item, if it has anything to say here.
    pub(crate) fn of_model(place: &Place, item: &Value) -> Option<Self> {
        let mapping = item.as_mapping()?;
        let annotated = MODEL_KEYS.iter().any(|key| mapping.get(key).is_some());
        annotated.then(|| Self { place: place.clone(), kind: TextKind::Model, value: item.clone() })
    }
}

/// Everything read, by name only.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) models: Vec<(SemanticModel, Resource)>,
    pub(super) measures: Vec<(Aggregation, Span)>,
    pub(super) metrics: Vec<RawMetric>,
    pub(super) saved_queries: Vec<(SavedQuery, Resource)>,
    pub(super) time_spines: Vec<TimeSpine>,
}

/// A metric whose parts are names yet.
#[derive(Debug)]
pub(super) struct RawMetric {
    pub(super) resource: Resource,
    pub(super) label: Option<String>,
    pub(super) filters: Vec<Filter>,
    pub(super) time_grain: Option<Grain>,
    pub(super) hidden: bool,
    pub(super) spec: Spec,
}

/// How a metric is said to come about.
#[derive(Debug)]
pub(super) enum Spec {
    /// A simple metric of the latest spec.
    Aggregate(Box<Aggregation>),
    /// A simple metric of the legacy spec.
    Measure(MeasureInput),
    /// One over another.
    Ratio(MetricInput, MetricInput),
    /// An expression over others.
    Derived(String, Vec<MetricInput>),
    /// Added up over time.
    Cumulative {
        source: Source,
        window: Option<Window>,
        grain_to_date: Option<Grain>,
        period: PeriodAggregation,
    },
    /// One event that leads to another.
    Conversion(Box<RawConversion>),
    /// It could not be read; what is wrong was said.
    Broken,
}

/// A conversion whose parts are names yet.
#[derive(Debug)]
pub(super) struct RawConversion {
    pub(super) base: Source,
    pub(super) conversion: Source,
    pub(super) entity: String,
    pub(super) calculation: Calculation,
    pub(super) window: Option<Window>,
    pub(super) constants: Vec<(String, String)>,
}

/// Where the rows of a cumulative or conversion metric come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A measure of the legacy spec.
    Measure(MeasureInput),
    /// A simple metric.
    Metric(MetricInput),
}

/// A measure that a metric is made of.
#[derive(Debug)]
pub(super) struct MeasureInput {
    pub(super) name: String,
    pub(super) filters: Vec<Filter>,
    pub(super) join_to_timespine: bool,
    pub(super) fill_nulls_with: Option<String>,
    pub(super) span: Span,
}

/// Reads the texts of all packages.
pub(crate) fn draft<'t>(
    texts: impl Iterator<Item = &'t SemanticText>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Draft {
    let mut raw = Raw::default();
    for text in texts {
        match text.kind {
            TextKind::Model => latest::model(text, &mut raw, diagnostics),
            TextKind::SemanticModel => legacy::model(text, &mut raw, diagnostics),
            TextKind::Metric => {
                let mapping = text.value.as_mapping();
                let old = mapping.is_some_and(|mapping| mapping.get("type_params").is_some());
                let metric = if old {
                    legacy::metric(text, diagnostics)
                } else {
                    latest::metric(&text.place, &text.value, None, diagnostics)
                };
                raw.metrics.extend(metric);
            }
            TextKind::SavedQuery => raw.saved_queries.extend(saved_query(text, diagnostics)),
        }
    }
    link::link(raw, diagnostics)
}

/// The node of something that is declared in YAML.
pub(super) fn resource(
    place: &Place,
    kind: NodeKind,
    (name, span): (&str, Span),
    facts: Facts,
    written: Json,
) -> Resource {
    let id = NodeId::new(format!("{}.{}.{name}", kind.word(), place.package));
    Resource {
        id,
        kind,
        place: place.clone(),
        name: name.to_owned(),
        span,
        facts,
        written,
        references: Vec::new(),
        depends_on: Vec::new(),
    }
}

/// The place of a name.
pub(super) fn name_span(fields: &mut Fields<'_, '_>, item: &Value) -> Span {
    fields.value("name").map_or_else(|| item.span.clone(), |name| name.span.clone())
}

/// How rows become one number, as `agg` says.
pub(super) fn function(fields: &mut Fields<'_, '_>) -> Option<AggregateFunction> {
    fields.required("agg")?;
    fields.choice("agg", AggregateFunction::WORDS)
}

fn saved_query(
    text: &SemanticText,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(SavedQuery, Resource)> {
    let mut fields = Fields::open(&text.value, "a saved query", diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("saved query \"{name}\""));
    let span = name_span(&mut fields, &text.value);
    let facts = facts(&mut fields);
    let label = fields.text("label");
    for accepted in ["exports", "cache"] {
        fields.entry(accepted);
    }
    let value = fields.required("query_params")?;
    let what = format!("\"query_params\" of {}", fields.what());
    let mut inner = Fields::open(value, what, fields.diagnostics())?;
    let resource = resource(
        &text.place,
        NodeKind::SavedQuery,
        (&name, span.clone()),
        facts.clone(),
        text.value.to_json(),
    );
    let query = SavedQuery {
        id: resource.id.clone(),
        label,
        description: facts.description,
        metrics: inner.texts("metrics"),
        group_by: inner.texts("group_by"),
        filters: input::filters(&mut inner, "where"),
        order_by: inner.texts("order_by"),
        limit: inner.integer("limit").and_then(|limit| u64::try_from(limit).ok()),
        span,
        name,
    };
    inner.finish_leniently();
    fields.finish_leniently();
    Some((query, resource))
}
