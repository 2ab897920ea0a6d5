//! dbt's latest spec: annotations on models and columns, simple metrics instead of measures.

use base::{Diagnostic, Span};
use serde_json::{Map, Value as Json};

use super::link::default_expr;
use super::read::{
    Raw, RawConversion, RawMetric, SemanticText, Source, Spec, function, name_span, resource,
};
use super::{
    Aggregation, Calculation, Dimension, DimensionKind, Entity, EntityKind, Grain, NonAdditive,
    Percentile, SemanticModel, TimeSpine, Validity, input,
};
use crate::codes;
use crate::node::NodeKind;
use crate::properties::{Facts, Place, facts};
use crate::yaml::{Fields, Value};

/// Words of entities.
pub(super) const ENTITIES: &[(&str, EntityKind)] = &[
    ("primary", EntityKind::Primary),
    ("unique", EntityKind::Unique),
    ("foreign", EntityKind::Foreign),
    ("natural", EntityKind::Natural),
];

/// What a model's metrics stand on.
#[derive(Clone, Debug)]
pub(super) struct Home {
    pub(super) name: String,
    pub(super) time_dimension: Option<String>,
}

/// Reads a model's annotations.
pub(super) fn model(text: &SemanticText, raw: &mut Raw, diagnostics: &mut Vec<Diagnostic>) {
    let Some(mut fields) = Fields::open(&text.value, "a model", diagnostics) else { return };
    let Some(model_name) = fields.text("name") else { return };
    fields.rename(format!("model \"{model_name}\""));
    let span = name_span(&mut fields, &text.value);
    raw.time_spines.extend(time_spine(&text.place, &model_name, &mut fields));
    let Some(settings) = settings(&mut fields) else {
        if let Some(metrics) = fields.entry("metrics") {
            let message = format!("{} has metrics and is no semantic model", fields.what());
            let problem = Diagnostic::error(codes::SEMANTIC_SHAPE, message)
                .at(metrics.key_span.clone(), "")
                .help("Add \"semantic_model: true\" to the model.");
            fields.diagnostics().push(problem);
        }
        return;
    };
    let name = settings.name.clone().unwrap_or_else(|| model_name.clone());
    let description = fields.text("description").unwrap_or_default();
    let facts = Facts {
        description: description.clone(),
        config: settings.config,
        owner: None,
        span: Some(span.clone()),
    };
    let (entities, dimensions) = members(&mut fields);
    let time_dimension = fields.text("agg_time_dimension");
    let mut own = resource(
        &text.place,
        NodeKind::SemanticModel,
        (&name, span.clone()),
        facts,
        text.value.to_json(),
    );
    own.references.push((format!("ref('{model_name}')"), span.clone()));
    let model = SemanticModel {
        id: own.id.clone(),
        name: name.clone(),
        description,
        model: None,
        primary_entity: fields.text("primary_entity"),
        time_dimension: time_dimension.clone(),
        entities,
        dimensions,
        span,
    };
    raw.models.push((model, own));
    let home = Home { name, time_dimension };
    for item in fields.list("metrics") {
        raw.metrics.extend(metric(&text.place, item, Some(&home), fields.diagnostics()));
    }
}

struct Settings {
    name: Option<String>,
    config: Map<String, Json>,
}

/// `semantic_model: true`, or a mapping; none when the model is not one.
fn settings(fields: &mut Fields<'_, '_>) -> Option<Settings> {
    let value = fields.value("semantic_model")?;
    if value.as_mapping().is_none() {
        let enabled = fields.boolean("semantic_model")?;
        return enabled.then(|| Settings { name: None, config: Map::new() });
    }
    let what = format!("\"semantic_model\" of {}", fields.what());
    let mut inner = Fields::open(value, what, fields.diagnostics())?;
    let mut config = inner.mapping("config").map(crate::yaml::Mapping::to_json).unwrap_or_default();
    if let Some(enabled) = inner.boolean("enabled") {
        config.insert("enabled".to_owned(), enabled.into());
    }
    if let Some(group) = inner.text("group") {
        config.insert("group".to_owned(), group.into());
    }
    let name = inner.text("name");
    inner.finish_leniently();
    Some(Settings { name, config })
}

/// Entities and dimensions on columns and below `derived_semantics`.
fn members(fields: &mut Fields<'_, '_>) -> (Vec<Entity>, Vec<Dimension>) {
    let (mut entities, mut dimensions) = (Vec::new(), Vec::new());
    for item in fields.list("columns") {
        let Some(mut column) = Fields::open(item, "a column", fields.diagnostics()) else {
            continue;
        };
        let Some(name) = column.text("name") else { continue };
        column.rename(format!("column \"{name}\""));
        let span = name_span(&mut column, item);
        entities.extend(column_entity(&name, &span, &mut column));
        dimensions.extend(column_dimension(&name, &span, &mut column));
    }
    if let Some(value) = fields.value("derived_semantics")
        && let Some(mut inner) = Fields::open(value, "\"derived_semantics\"", fields.diagnostics())
    {
        for item in inner.list("entities") {
            entities.extend(entity(item, inner.diagnostics()));
        }
        for item in inner.list("dimensions") {
            dimensions.extend(derived_dimension(item, inner.diagnostics()));
        }
        inner.finish_leniently();
    }
    (entities, dimensions)
}

fn column_entity(column: &str, span: &Span, fields: &mut Fields<'_, '_>) -> Option<Entity> {
    let value = fields.value("entity")?;
    if value.as_text().is_some() {
        let kind = fields.choice("entity", ENTITIES)?;
        let (name, span) = (column.to_owned(), span.clone());
        return Some(Entity { name, kind, expr: None, description: String::new(), span });
    }
    let what = format!("\"entity\" of {}", fields.what());
    let mut inner = Fields::open(value, what, fields.diagnostics())?;
    inner.required("type")?;
    let kind = inner.choice("type", ENTITIES)?;
    let name = inner.text("name").unwrap_or_else(|| column.to_owned());
    let description = inner.text("description").unwrap_or_default();
    for accepted in ["label", "config"] {
        inner.entry(accepted);
    }
    inner.finish_leniently();
    Some(Entity { expr: Some(column.to_owned()), name, kind, description, span: span.clone() })
}

#[derive(Clone, Copy)]
pub(super) enum Holds {
    Category,
    Time,
}

pub(super) const DIMENSIONS: &[(&str, Holds)] =
    &[("categorical", Holds::Category), ("time", Holds::Time)];

/// The dimension's kind; a time without a grain is one of days, said as a problem.
pub(super) fn dimension_kind(
    holds: Holds,
    grain: Option<Grain>,
    fields: &mut Fields<'_, '_>,
) -> DimensionKind {
    match (holds, grain) {
        (Holds::Category, _) => DimensionKind::Categorical,
        (Holds::Time, Some(grain)) => DimensionKind::Time(grain),
        (Holds::Time, None) => {
            let message = format!("{} is a time dimension without a grain", fields.what());
            let problem = Diagnostic::error(codes::SEMANTIC_SHAPE, message)
                .at(fields.span().clone(), "")
                .help("Add \"granularity: day\", or whatever its values are rounded to.");
            fields.diagnostics().push(problem);
            DimensionKind::Time(Grain::Day)
        }
    }
}

fn column_dimension(column: &str, span: &Span, fields: &mut Fields<'_, '_>) -> Option<Dimension> {
    let value = fields.value("dimension")?;
    let grain = input::grain(fields, "granularity");
    let description = fields.text("description").unwrap_or_default();
    if value.as_text().is_some() {
        let holds = fields.choice("dimension", DIMENSIONS)?;
        return Some(Dimension {
            name: column.to_owned(),
            kind: dimension_kind(holds, grain, fields),
            expr: None,
            validity: None,
            label: None,
            description,
            span: span.clone(),
        });
    }
    let what = format!("\"dimension\" of {}", fields.what());
    let mut inner = Fields::open(value, what, fields.diagnostics())?;
    inner.required("type")?;
    let holds = inner.choice("type", DIMENSIONS)?;
    let dimension = Dimension {
        name: inner.text("name").unwrap_or_else(|| column.to_owned()),
        kind: dimension_kind(holds, grain, &mut inner),
        expr: Some(column.to_owned()),
        validity: validity(&mut inner),
        label: inner.text("label"),
        description: inner.text("description").unwrap_or(description),
        span: span.clone(),
    };
    for accepted in ["is_partition", "config"] {
        inner.entry(accepted);
    }
    inner.finish_leniently();
    Some(dimension)
}

/// `validity_params: {is_start: true}`.
pub(super) fn validity(fields: &mut Fields<'_, '_>) -> Option<Validity> {
    let value = fields.value("validity_params")?;
    let mut inner = Fields::open(value, "\"validity_params\"", fields.diagnostics())?;
    let (start, end) = (inner.boolean("is_start"), inner.boolean("is_end"));
    inner.finish_leniently();
    match (start.unwrap_or_default(), end.unwrap_or_default()) {
        (true, _) => Some(Validity::Start),
        (false, true) => Some(Validity::End),
        (false, false) => None,
    }
}

/// An entity with a name of its own.
pub(super) fn entity(item: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Entity> {
    let mut fields = Fields::open(item, "an entity", diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("entity \"{name}\""));
    fields.required("type")?;
    let kind = fields.choice("type", ENTITIES)?;
    let entity = Entity {
        span: name_span(&mut fields, item),
        expr: fields.text("expr"),
        description: fields.text("description").unwrap_or_default(),
        name,
        kind,
    };
    for accepted in ["label", "role", "config"] {
        fields.entry(accepted);
    }
    fields.finish_leniently();
    Some(entity)
}

fn derived_dimension(item: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Dimension> {
    let mut fields = Fields::open(item, "a dimension", diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("dimension \"{name}\""));
    fields.required("type")?;
    let holds = fields.choice("type", DIMENSIONS)?;
    let grain = input::grain(&mut fields, "granularity");
    let dimension = Dimension {
        kind: dimension_kind(holds, grain, &mut fields),
        span: name_span(&mut fields, item),
        expr: fields.required_text("expr"),
        validity: validity(&mut fields),
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

/// `time_spine: {standard_granularity_column: date_day}`, its grain said beside the column.
fn time_spine(place: &Place, model: &str, fields: &mut Fields<'_, '_>) -> Option<TimeSpine> {
    let value = fields.value("time_spine")?;
    let columns = fields.list("columns");
    let what = format!("\"time_spine\" of {}", fields.what());
    let mut inner = Fields::open(value, what, fields.diagnostics())?;
    let column = inner.required_text("standard_granularity_column")?;
    inner.entry("custom_granularities");
    let described = columns.iter().find(|item| {
        let name = item.as_mapping().and_then(|mapping| mapping.get("name"));
        name.and_then(Value::as_text) == Some(&column)
    });
    let grain = described.and_then(|item| {
        let grain = item.as_mapping()?.get("granularity")?.as_text()?;
        Grain::from_word(grain)
    });
    if grain.is_none() {
        let message = format!("time spine column \"{column}\" has no grain");
        let problem = Diagnostic::error(codes::SEMANTIC_SHAPE, message);
        let problem = input::at_key(&mut inner, "standard_granularity_column", problem)
            .help("Describe the column below \"columns:\" with \"granularity: day\".");
        inner.diagnostics().push(problem);
    }
    inner.finish_leniently();
    Some(TimeSpine {
        model: None,
        name: model.to_owned(),
        package: place.package.clone(),
        column,
        grain: grain?,
    })
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Simple,
    Ratio,
    Derived,
    Cumulative,
    Conversion,
}

pub(super) const KINDS: &[(&str, Kind)] = &[
    ("simple", Kind::Simple),
    ("ratio", Kind::Ratio),
    ("derived", Kind::Derived),
    ("cumulative", Kind::Cumulative),
    ("conversion", Kind::Conversion),
];

pub(super) const CALCULATIONS: &[(&str, Calculation)] =
    &[("conversions", Calculation::Conversions), ("conversion_rate", Calculation::ConversionRate)];

/// Reads a metric, inside a model (its home) or at the top of a file.
pub(super) fn metric(
    place: &Place,
    item: &Value,
    home: Option<&Home>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<RawMetric> {
    let mut fields = Fields::open(item, "a metric", diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("metric \"{name}\""));
    let span = name_span(&mut fields, item);
    let kind = fields.choice("type", KINDS).unwrap_or(Kind::Simple);
    let spec = match kind {
        Kind::Simple => simple(&name, home, &mut fields).map(|one| Spec::Aggregate(Box::new(one))),
        Kind::Ratio => {
            let numerator = input::required_input(&mut fields, "numerator");
            let denominator = input::required_input(&mut fields, "denominator");
            numerator.zip(denominator).map(|(above, below)| Spec::Ratio(above, below))
        }
        Kind::Derived => derived(&mut fields, "input_metrics"),
        Kind::Cumulative => {
            input::required_input(&mut fields, "input_metric").map(|metric| Spec::Cumulative {
                source: Source::Metric(metric),
                window: input::window(&mut fields, "window"),
                grain_to_date: input::grain(&mut fields, "grain_to_date"),
                period: input::period(&mut fields),
            })
        }
        Kind::Conversion => conversion(&mut fields),
    };
    let metric = RawMetric {
        label: fields.text("label"),
        filters: input::filters(&mut fields, "filter"),
        time_grain: input::grain(&mut fields, "time_granularity"),
        hidden: fields.boolean("hidden").unwrap_or_default(),
        spec: spec.unwrap_or(Spec::Broken),
        resource: resource(
            place,
            NodeKind::Metric,
            (&name, span),
            facts(&mut fields),
            item.to_json(),
        ),
    };
    fields.finish_leniently();
    Some(metric)
}

fn simple(name: &str, home: Option<&Home>, fields: &mut Fields<'_, '_>) -> Option<Aggregation> {
    for key in ["agg", "expr", "percentile", "percentile_type", "agg_time_dimension"] {
        fields.entry(key);
    }
    for key in ["non_additive_dimension", "join_to_timespine", "fill_nulls_with"] {
        fields.entry(key);
    }
    let Some(home) = home else {
        let message = format!("simple {} belongs to no model", fields.what());
        let problem = Diagnostic::error(codes::SEMANTIC_SHAPE, message)
            .at(fields.span().clone(), "")
            .help("Move it below \"metrics:\" of the model whose rows it counts.");
        fields.diagnostics().push(problem);
        return None;
    };
    let percentile = percentile(fields);
    let function = function(fields)?;
    Some(Aggregation {
        name: name.to_owned(),
        model: home.name.clone(),
        function,
        expr: fields.text("expr").unwrap_or_else(|| default_expr(function, name)),
        percentile,
        time_dimension: fields.text("agg_time_dimension").or_else(|| home.time_dimension.clone()),
        non_additive: non_additive(fields, "window_agg", "group_by"),
        filters: Vec::new(),
        join_to_timespine: fields.boolean("join_to_timespine").unwrap_or_default(),
        fill_nulls_with: fields.text("fill_nulls_with"),
    })
}

fn percentile(fields: &mut Fields<'_, '_>) -> Option<Percentile> {
    let at = fields.number("percentile");
    let discrete = fields.choice("percentile_type", &[("discrete", true), ("continuous", false)]);
    Some(Percentile { at: at?, discrete: discrete.unwrap_or_default() })
}

/// A dimension that a number may not be added up over.
pub(super) fn non_additive(
    fields: &mut Fields<'_, '_>,
    choice: &'static str,
    groups: &'static str,
) -> Option<NonAdditive> {
    let value = fields.value("non_additive_dimension")?;
    let mut inner = Fields::open(value, "\"non_additive_dimension\"", fields.diagnostics())?;
    let found = NonAdditive {
        dimension: inner.required_text("name")?,
        latest: inner.choice(choice, &[("min", false), ("max", true)]).unwrap_or_default(),
        group_by: inner.texts(groups),
    };
    inner.finish_leniently();
    Some(found)
}

/// An expression over the metrics of a list.
pub(super) fn derived(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Spec> {
    let expr = fields.required_text("expr");
    fields.required(key)?;
    let mut inputs = Vec::new();
    for item in fields.list(key) {
        let what = format!("an input of {}", fields.what());
        inputs.extend(input::one_input(item, what, fields.diagnostics()));
    }
    Some(Spec::Derived(expr?, inputs))
}

fn conversion(fields: &mut Fields<'_, '_>) -> Option<Spec> {
    let base = input::required_input(fields, "base_metric");
    let conversion = input::required_input(fields, "conversion_metric");
    let entity = fields.required_text("entity");
    let calculation = fields.choice("calculation", CALCULATIONS).unwrap_or_default();
    let window = input::window(fields, "window");
    let constants = input::constants(fields);
    Some(Spec::Conversion(Box::new(RawConversion {
        base: Source::Metric(base?),
        conversion: Source::Metric(conversion?),
        entity: entity?,
        calculation,
        window,
        constants,
    })))
}
