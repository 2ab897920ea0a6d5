//! `sources:` blocks, one entry per table.

use base::{Diagnostic, Span};
use serde_json::Map;

use super::{ColumnPatch, Facts, Place, TestDeclaration, columns, facts, tests};
use crate::config;
use crate::node::{Freshness, SourceFacts};
use crate::yaml::{Fields, Value};

/// A table of a source.
#[derive(Clone, Debug)]
pub(crate) struct SourceTable {
    pub(crate) place: Place,
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) schema: Option<String>,
    pub(crate) identifier: Option<String>,
    pub(crate) facts: Facts,
    pub(crate) source: SourceFacts,
    pub(crate) tests: Vec<TestDeclaration>,
    pub(crate) columns: Vec<ColumnPatch>,
}

pub(super) fn read(
    place: &Place,
    item: &Value,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<SourceTable> {
    let mut found = Vec::new();
    let Some(mut fields) = Fields::open(item, "a source", diagnostics) else { return found };
    let Some(name) = fields.required_text("name") else { return found };
    fields.rename(format!("source \"{name}\""));
    let schema = fields.text("schema");
    let outer = facts(&mut fields);
    let mut source = SourceFacts {
        source: name,
        source_description: outer.description.clone(),
        loader: fields.text("loader").unwrap_or_default(),
        ..SourceFacts::default()
    };
    arrival(&mut fields, &outer, &mut source);
    for accepted in ["database", "quoting", "overrides", "data_tests", "tests"] {
        fields.entry(accepted);
    }
    for item in fields.list("tables") {
        let inner = fields.diagnostics();
        found.extend(table(place, schema.as_ref(), &outer, &source, item, inner));
    }
    fields.finish_leniently();
    found
}

fn table(
    place: &Place,
    schema: Option<&String>,
    outer: &Facts,
    source: &SourceFacts,
    item: &Value,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<SourceTable> {
    let what = format!("a table of source \"{}\"", source.source);
    let mut fields = Fields::open(item, what, diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("table \"{name}\" of source \"{}\"", source.source));
    let span = fields.value("name").map_or_else(|| item.span.clone(), |name| name.span.clone());
    let mut inner = facts(&mut fields);
    let mut merged = outer.config.clone();
    config::merge(&mut merged, &inner.config);
    inner.config = merged;
    inner.owner = inner.owner.or_else(|| outer.owner.clone());
    let mut source = source.clone();
    arrival(&mut fields, &inner, &mut source);
    let columns = columns(&mut fields);
    let tests = tests(&mut fields, None);
    let identifier = fields.text("identifier");
    for accepted in ["loader", "quoting", "external", "docs"] {
        fields.entry(accepted);
    }
    fields.finish_leniently();
    Some(SourceTable {
        place: place.clone(),
        schema: schema.cloned(),
        facts: inner,
        name,
        span,
        identifier,
        source,
        tests,
        columns,
    })
}

/// When rows arrived and how fresh they must be; also accepted inside `config:`.
fn arrival(fields: &mut Fields<'_, '_>, facts: &Facts, source: &mut SourceFacts) {
    let configured =
        |key: &str| facts.config.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    if let Some(field) = fields.text("loaded_at_field").or_else(|| configured("loaded_at_field")) {
        source.loaded_at_field = Some(field);
    }
    if let Some(query) = fields.text("loaded_at_query").or_else(|| configured("loaded_at_query")) {
        source.loaded_at_query = Some(query);
    }
    match fields.entry("freshness").map(|entry| &entry.value) {
        // `freshness: null` on a table takes the source's away.
        Some(value) if value.is_null() => source.freshness = None,
        Some(value) => {
            let freshness = freshness(value, source.freshness.take(), fields.diagnostics());
            source.freshness = freshness;
        }
        None => match facts.config.get("freshness") {
            Some(serde_json::Value::Object(written)) => {
                source.freshness = Some(freshness_of_json(written));
            }
            Some(serde_json::Value::Null) => source.freshness = None,
            _ => {}
        },
    }
}

fn freshness(
    value: &Value,
    outer: Option<Freshness>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Freshness> {
    let mut fields = Fields::open(value, "\"freshness\"", diagnostics)?;
    let mut freshness = outer.unwrap_or_default();
    if let Some((minutes, written)) = minutes(&mut fields, "warn_after") {
        freshness.warn_after_minutes = Some(minutes);
        freshness.written[0] = Some(written);
    }
    if let Some((minutes, written)) = minutes(&mut fields, "error_after") {
        freshness.error_after_minutes = Some(minutes);
        freshness.written[1] = Some(written);
    }
    if let Some(filter) = fields.text("filter") {
        freshness.filter = Some(filter);
    }
    fields.finish_leniently();
    Some(freshness)
}

const PERIODS: &[(&str, i64)] =
    &[("minute", 1), ("minutes", 1), ("hour", 60), ("hours", 60), ("day", 1440), ("days", 1440)];

/// A count and a period as written.
type Written = (i64, &'static str);

fn minutes(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<(i64, Written)> {
    let value = fields.value(key)?;
    let mut inner = Fields::open(value, format!("\"{key}\""), fields.diagnostics())?;
    let count = inner.required("count").and_then(|_| inner.integer("count"));
    let period = inner.required("period").and_then(|_| inner.choice("period", PERIODS));
    inner.finish_leniently();
    let (count, period) = (count?, period?);
    Some((count.checked_mul(period)?, (count, word(period))))
}

/// dbt's word for so many minutes.
fn word(minutes: i64) -> &'static str {
    PERIODS.iter().find(|(_, factor)| *factor == minutes).map_or("minute", |(word, _)| word)
}

fn freshness_of_json(written: &Map<String, serde_json::Value>) -> Freshness {
    let minutes = |key: &str| {
        let inner = written.get(key)?;
        let period = inner.get("period")?.as_str()?;
        let (_, factor) = PERIODS.iter().find(|(word, _)| *word == period)?;
        let count = inner.get("count")?.as_i64()?;
        Some((count.checked_mul(*factor)?, (count, word(*factor))))
    };
    let (warn, error) = (minutes("warn_after"), minutes("error_after"));
    Freshness {
        warn_after_minutes: warn.map(|(minutes, _)| minutes),
        error_after_minutes: error.map(|(minutes, _)| minutes),
        written: [warn.map(|(_, written)| written), error.map(|(_, written)| written)],
        filter: written.get("filter").and_then(|value| value.as_str()).map(str::to_owned),
    }
}
