//! dbt's legacy spec: `semantic_models:` with measures, metrics with `type_params`.

use base::Diagnostic;

use super::latest::{
    CALCULATIONS, DIMENSIONS, KINDS, Kind, derived, dimension_kind, entity, non_additive, validity,
};
use super::link::default_expr;
use super::read::{
    MeasureInput, Raw, RawConversion, RawMetric, SemanticText, Source, Spec, function, name_span,
    resource,
};
use super::{Aggregation, Dimension, Percentile, SemanticModel, input};
use crate::node::NodeKind;
use crate::properties::{Facts, facts};
use crate::yaml::{Fields, Value};

/// Reads an item of `semantic_models:`.
pub(super) fn model(text: &SemanticText, raw: &mut Raw, diagnostics: &mut Vec<Diagnostic>) {
    let Some(mut fields) = Fields::open(&text.value, "a semantic model", diagnostics) else {
        return;
    };
    let Some(name) = fields.required_text("name") else { return };
    fields.rename(format!("semantic model \"{name}\""));
    let span = name_span(&mut fields, &text.value);
    let facts = facts(&mut fields);
    let mut own = resource(
        &text.place,
        NodeKind::SemanticModel,
        (&name, span.clone()),
        facts.clone(),
        text.value.to_json(),
    );
    if let Some(model) = fields.required("model")
        && let Some(reference) = model.as_text()
    {
        own.references.push((reference.to_owned(), model.span.clone()));
    }
    fields.entry("label");
    let time_dimension = fields.value("defaults").and_then(|value| {
        let mut inner = Fields::open(value, "\"defaults\"", fields.diagnostics())?;
        let found = inner.text("agg_time_dimension");
        inner.finish_leniently();
        found
    });
    let mut model = SemanticModel {
        id: own.id.clone(),
        name: name.clone(),
        description: facts.description,
        model: None,
        primary_entity: fields.text("primary_entity"),
        time_dimension,
        entities: Vec::new(),
        dimensions: Vec::new(),
        span,
    };
    for item in fields.list("entities") {
        model.entities.extend(entity(item, fields.diagnostics()));
    }
    for item in fields.list("dimensions") {
        model.dimensions.extend(dimension(item, fields.diagnostics()));
    }
    for item in fields.list("measures") {
        measure(text, &model, item, raw, fields.diagnostics());
    }
    fields.finish_leniently();
    raw.models.push((model, own));
}

fn dimension(item: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Dimension> {
    let mut fields = Fields::open(item, "a dimension", diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("dimension \"{name}\""));
    fields.required("type")?;
    let holds = fields.choice("type", DIMENSIONS)?;
    let (mut grain, mut valid) = (None, None);
    if let Some(value) = fields.value("type_params")
        && let Some(mut inner) = Fields::open(value, "\"type_params\"", fields.diagnostics())
    {
        grain = input::grain(&mut inner, "time_granularity");
        valid = validity(&mut inner);
        inner.finish_leniently();
    }
    let dimension = Dimension {
        kind: dimension_kind(holds, grain, &mut fields),
        span: name_span(&mut fields, item),
        expr: fields.text("expr"),
        validity: valid,
        label: fields.text("label"),
        description: fields.text("description").unwrap_or_default(),
        name,
    };
    for accepted in ["is_partition", "config"] {
        fields.entry(accepted);
    }
    fields.finish_leniently();
    Some(dimension)
}

fn measure(
    text: &SemanticText,
    model: &SemanticModel,
    item: &Value,
    raw: &mut Raw,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Some(mut fields) = Fields::open(item, "a measure", diagnostics) else { return };
    let Some(name) = fields.required_text("name") else { return };
    fields.rename(format!("measure \"{name}\""));
    let span = name_span(&mut fields, item);
    let percentile = fields.value("agg_params").and_then(|value| {
        let mut inner = Fields::open(value, "\"agg_params\"", fields.diagnostics())?;
        let at = inner.number("percentile");
        let discrete = inner.boolean("use_discrete_percentile").unwrap_or_default();
        inner.entry("use_approximate_percentile");
        inner.finish_leniently();
        Some(Percentile { at: at?, discrete })
    });
    let Some(function) = function(&mut fields) else { return };
    let aggregation = Aggregation {
        model: model.name.clone(),
        function,
        expr: fields.text("expr").unwrap_or_else(|| default_expr(function, &name)),
        percentile,
        time_dimension: fields.text("agg_time_dimension").or_else(|| model.time_dimension.clone()),
        non_additive: non_additive(&mut fields, "window_choice", "window_groupings"),
        filters: Vec::new(),
        join_to_timespine: false,
        fill_nulls_with: None,
        name: name.clone(),
    };
    let label = fields.text("label");
    let description = fields.text("description");
    if fields.boolean("create_metric").unwrap_or_default() {
        let facts = Facts {
            description: description.unwrap_or_else(|| format!("Measure \"{name}\" as a metric")),
            ..Facts::default()
        };
        let place = &text.place;
        let own = (name.as_str(), span.clone());
        raw.metrics.push(RawMetric {
            resource: resource(place, NodeKind::Metric, own, facts, item.to_json()),
            label,
            filters: Vec::new(),
            time_grain: None,
            hidden: false,
            spec: Spec::Aggregate(Box::new(aggregation.clone())),
        });
    }
    fields.entry("config");
    fields.finish_leniently();
    raw.measures.push((aggregation, span));
}

/// Reads an item of `metrics:` with `type_params`.
pub(super) fn metric(text: &SemanticText, diagnostics: &mut Vec<Diagnostic>) -> Option<RawMetric> {
    let item = &text.value;
    let mut fields = Fields::open(item, "a metric", diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("metric \"{name}\""));
    let span = name_span(&mut fields, item);
    let kind = fields.choice("type", KINDS).unwrap_or(Kind::Simple);
    let spec = fields.value("type_params").and_then(|value| {
        let what = format!("\"type_params\" of {}", fields.what());
        let mut inner = Fields::open(value, what, fields.diagnostics())?;
        let spec = spec(kind, &mut inner);
        for accepted in ["expr", "window", "grain_to_date", "cumulative_type_params", "measure"] {
            inner.entry(accepted);
        }
        inner.finish_leniently();
        spec
    });
    let metric = RawMetric {
        label: fields.text("label"),
        filters: input::filters(&mut fields, "filter"),
        time_grain: input::grain(&mut fields, "time_granularity"),
        hidden: false,
        spec: spec.unwrap_or(Spec::Broken),
        resource: resource(
            &text.place,
            NodeKind::Metric,
            (&name, span),
            facts(&mut fields),
            item.to_json(),
        ),
    };
    fields.finish_leniently();
    Some(metric)
}

fn spec(kind: Kind, fields: &mut Fields<'_, '_>) -> Option<Spec> {
    match kind {
        Kind::Simple => measure_input(fields, "measure").map(Spec::Measure),
        Kind::Ratio => {
            let numerator = input::required_input(fields, "numerator");
            let denominator = input::required_input(fields, "denominator");
            numerator.zip(denominator).map(|(above, below)| Spec::Ratio(above, below))
        }
        Kind::Derived => derived(fields, "metrics"),
        Kind::Cumulative => cumulative(fields),
        Kind::Conversion => conversion(fields),
    }
}

fn cumulative(fields: &mut Fields<'_, '_>) -> Option<Spec> {
    let mut window = input::window(fields, "window");
    let mut grain_to_date = input::grain(fields, "grain_to_date");
    let mut period = super::PeriodAggregation::default();
    let mut source = fields
        .value("measure")
        .is_some()
        .then(|| measure_input(fields, "measure").map(Source::Measure))
        .flatten();
    if let Some(value) = fields.value("cumulative_type_params") {
        let what = "\"cumulative_type_params\"";
        if let Some(mut inner) = Fields::open(value, what, fields.diagnostics()) {
            window = input::window(&mut inner, "window").or(window);
            grain_to_date = input::grain(&mut inner, "grain_to_date").or(grain_to_date);
            period = input::period(&mut inner);
            if source.is_none() {
                source = input::metric_input(&mut inner, "metric").map(Source::Metric);
            }
            inner.entry("metric");
            inner.finish_leniently();
        }
    }
    if source.is_none() {
        fields.required("measure");
    }
    Some(Spec::Cumulative { source: source?, window, grain_to_date, period })
}

fn conversion(fields: &mut Fields<'_, '_>) -> Option<Spec> {
    let value = fields.required("conversion_type_params")?;
    let what = "\"conversion_type_params\"";
    let mut inner = Fields::open(value, what, fields.diagnostics())?;
    let base = measure_input(&mut inner, "base_measure");
    let conversion = measure_input(&mut inner, "conversion_measure");
    let entity = inner.required_text("entity");
    let calculation = inner.choice("calculation", CALCULATIONS).unwrap_or_default();
    let window = input::window(&mut inner, "window");
    let constants = input::constants(&mut inner);
    inner.finish_leniently();
    Some(Spec::Conversion(Box::new(RawConversion {
        base: Source::Measure(base?),
        conversion: Source::Measure(conversion?),
        entity: entity?,
        calculation,
        window,
        constants,
    })))
}

/// A measure below a key: its name, or a mapping.
fn measure_input(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<MeasureInput> {
    let value = fields.required(key)?;
    if let Some(name) = value.as_text() {
        return Some(MeasureInput {
            name: name.to_owned(),
            filters: Vec::new(),
            join_to_timespine: false,
            fill_nulls_with: None,
            span: value.span.clone(),
        });
    }
    let what = format!("\"{key}\" of {}", fields.what());
    let mut inner = Fields::open(value, what, fields.diagnostics())?;
    let name = inner.required_text("name")?;
    let found = MeasureInput {
        filters: input::filters(&mut inner, "filter"),
        join_to_timespine: inner.boolean("join_to_timespine").unwrap_or_default(),
        fill_nulls_with: inner.text("fill_nulls_with"),
        span: name_span(&mut inner, value),
        name,
    };
    inner.entry("alias");
    inner.finish_leniently();
    Some(found)
}
