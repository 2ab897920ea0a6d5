//! Pieces both specs share: filters, windows, inputs of metrics.

use base::{Diagnostic, Span};

use super::filter::bad_grain;
use super::{Filter, Grain, MetricInput, PeriodAggregation, Window};
use crate::codes;
use crate::yaml::{Fields, Value};

/// The conditions below a key: one text or a list of them.
pub(crate) fn filters(fields: &mut Fields<'_, '_>, key: &'static str) -> Vec<Filter> {
    let Some(value) = fields.value(key) else { return Vec::new() };
    let texts = fields.texts(key);
    let spans: Vec<&Span> = match value.as_list() {
        Some(items) => items.iter().map(|item| &item.span).collect(),
        None => vec![&value.span],
    };
    let mut found = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let span = spans.get(index).map_or(&value.span, |span| *span);
        match Filter::read(text, Some(span.clone())) {
            Ok(filter) => found.push(filter),
            Err((message, help)) => fields.diagnostics().push(
                Diagnostic::error(codes::SEMANTIC_SHAPE, message).at(span.clone(), "").help(help),
            ),
        }
    }
    found
}

/// A grain of time below a key.
pub(super) fn grain(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Grain> {
    let text = fields.text(key)?;
    let found = Grain::from_word(&text);
    if found.is_none() {
        let (message, help) = bad_grain(&text);
        let problem = at_key(fields, key, Diagnostic::error(codes::WRONG_VALUE, message));
        fields.diagnostics().push(problem.help(help));
    }
    found
}

/// A window of time below a key.
pub(super) fn window(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<Window> {
    let text = fields.text(key)?;
    let found = Window::read(&text);
    if found.is_none() {
        let message = format!("\"{key}\" of {} is \"{text}\"", fields.what());
        let problem = at_key(fields, key, Diagnostic::error(codes::WRONG_VALUE, message));
        fields.diagnostics().push(problem.help("Write a count and a grain, such as \"28 days\"."));
    }
    found
}

pub(super) fn period(fields: &mut Fields<'_, '_>) -> PeriodAggregation {
    let words = [
        ("first", PeriodAggregation::First),
        ("last", PeriodAggregation::Last),
        ("average", PeriodAggregation::Average),
    ];
    fields.choice("period_agg", &words).unwrap_or_default()
}

/// Points a problem at the value of a key.
pub(super) fn at_key(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    problem: Diagnostic,
) -> Diagnostic {
    let span = fields.value(key).map_or(fields.span(), |value| &value.span).clone();
    problem.at(span, "")
}

/// Another metric below a key: its name, or a mapping.
pub(super) fn metric_input(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<MetricInput> {
    let value = fields.value(key)?;
    let what = format!("\"{key}\" of {}", fields.what());
    one_input(value, what, fields.diagnostics())
}

/// Another metric below a key that must be there.
pub(super) fn required_input(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
) -> Option<MetricInput> {
    fields.required(key)?;
    metric_input(fields, key)
}

pub(super) fn one_input(
    value: &Value,
    what: String,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<MetricInput> {
    if let Some(name) = value.as_text() {
        return Some(MetricInput {
            name: name.to_owned(),
            alias: None,
            filters: Vec::new(),
            offset_window: None,
            offset_to_grain: None,
            span: value.span.clone(),
        });
    }
    let mut fields = Fields::open(value, what, diagnostics)?;
    let name = fields.required_text("name")?;
    let input = MetricInput {
        alias: fields.text("alias"),
        filters: filters(&mut fields, "filter"),
        offset_window: window(&mut fields, "offset_window"),
        offset_to_grain: grain(&mut fields, "offset_to_grain"),
        span: fields.value("name").map_or_else(|| value.span.clone(), |name| name.span.clone()),
        name,
    };
    if input.offset_window.is_some() && input.offset_to_grain.is_some() {
        let message =
            format!("{} has both \"offset_window\" and \"offset_to_grain\"", fields.what());
        let problem = Diagnostic::error(codes::SEMANTIC_SHAPE, message);
        let problem = at_key(&mut fields, "offset_window", problem).help("Keep one of the two.");
        fields.diagnostics().push(problem);
    }
    fields.finish_leniently();
    Some(input)
}

/// Pairs of `base_property` and `conversion_property`.
pub(super) fn constants(fields: &mut Fields<'_, '_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for item in fields.list("constant_properties") {
        let opened = Fields::open(item, "a constant property", fields.diagnostics());
        let Some(mut inner) = opened else { continue };
        let base = inner.required_text("base_property");
        let conversion = inner.required_text("conversion_property");
        inner.finish_leniently();
        found.extend(base.zip(conversion));
    }
    found
}
