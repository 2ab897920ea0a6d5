//! From YAML with spans to entities, views and services.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Diagnostic, SourceFile, Span};
use serde_json::Value as Json;

use super::{Entity, Feature, FeatureService, FeatureType, FeatureView, Features};
use crate::folder::Documents;
use crate::ingest::read::{first_line, parsed};
use crate::ingest::scalars;
use crate::yaml::{Fields, Value};
use crate::{codes, suggest};

const TYPES: &str = "one of int32, int64, float, double, string, bool, timestamp";

/// Reads every file of `features/`. What has a problem is left out; the rest stays.
pub(crate) fn read_all(documents: Documents<'_>, diagnostics: &mut Vec<Diagnostic>) -> Features {
    let found = documents.of("features", diagnostics);
    read(&found, diagnostics)
}

/// Reads files whose Jinja is rendered already: entities first, views and services of any file
/// may name those of another.
pub(crate) fn read(
    documents: &[(Arc<SourceFile>, Value)],
    diagnostics: &mut Vec<Diagnostic>,
) -> Features {
    let mut features = Features::default();
    let mut entities: BTreeMap<String, Entity> = BTreeMap::new();
    let mut views = Vec::new();
    let mut services = Vec::new();
    for (file, value) in documents {
        let what = format!("\"{}\"", file.path);
        let Some(mut fields) = Fields::open(value, what, diagnostics) else { continue };
        for item in fields.list("entities") {
            if let Some(entity) = entity(item, fields.diagnostics()) {
                entities.insert(entity.name.clone(), entity);
            }
        }
        views.extend(fields.list("feature_views").iter().map(|item| (file, item)));
        services.extend(fields.list("feature_services"));
        fields.finish();
    }
    for (file, item) in views {
        let Some(view) = view(file, item, &entities, diagnostics) else { continue };
        if features.view(&view.name).is_some() {
            let message = format!("feature view \"{}\" is declared twice", view.name);
            diagnostics.push(wrong(&view.span, message).help("Give one of them another name."));
        } else {
            features.views.push(view);
        }
    }
    for item in services {
        features.services.extend(service(item, &features, diagnostics));
    }
    features.entities = entities.into_values().collect();
    features
}

fn wrong(span: &Span, message: String) -> Diagnostic {
    Diagnostic::error(codes::FEATURE_FILE, message).at(span.clone(), "")
}

fn entity(item: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Entity> {
    let mut fields = Fields::open(item, "an entity", diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("entity \"{name}\""));
    let mut join_keys = fields.texts("join_keys");
    join_keys.extend(fields.text("join_key"));
    if join_keys.is_empty() {
        join_keys.push(name.clone());
    }
    let description = fields.text("description").unwrap_or_default();
    // Feast's users write it; the type is the column's here.
    fields.text("value_type");
    fields.finish();
    Some(Entity { name, join_keys, description, span: first_line(&item.span) })
}

fn view(
    file: &Arc<SourceFile>,
    item: &Value,
    entities: &BTreeMap<String, Entity>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<FeatureView> {
    let errors_before = diagnostics.iter().filter(|problem| problem.is_error()).count();
    let mut fields = Fields::open(item, "a feature view", diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("feature view \"{name}\""));
    let description = fields.text("description").unwrap_or_default();
    let owner = fields.text("owner");
    let tags = fields.texts("tags");
    let meta = fields.value("meta").map_or(Json::Null, Value::to_json);
    let source = fields.required_text("source");
    let source_span = fields.value("source").map_or(item.span.clone(), |found| found.span.clone());
    let timestamp = either(&mut fields, "timestamp", "timestamp_field");
    if timestamp.is_none() {
        fields.required("timestamp");
    }
    let created = either(&mut fields, "created_timestamp", "created_timestamp_column");
    let ttl = parsed(&mut fields, "ttl", "a time such as 7d or 12h", scalars::duration);
    let online = fields.boolean("online").unwrap_or(true);
    fields.required("entities");
    let join_keys = join_keys(&mut fields, entities);
    fields.required("features");
    let listed = listed_features(&mut fields);
    fields.finish();
    let errors = diagnostics.iter().filter(|problem| problem.is_error()).count();
    if errors != errors_before {
        return None;
    }
    Some(FeatureView {
        name,
        description,
        owner,
        tags,
        meta,
        join_keys,
        source: (source?, source_span),
        timestamp: timestamp?,
        created_timestamp: created,
        ttl: ttl.filter(|ttl| !ttl.is_zero()),
        online,
        features: listed,
        file: Arc::clone(file),
        span: first_line(&item.span),
    })
}

/// A key by our word or by Feast's.
fn either(fields: &mut Fields<'_, '_>, ours: &'static str, theirs: &'static str) -> Option<String> {
    let found = fields.text(ours);
    let other = fields.text(theirs);
    found.or(other)
}

fn join_keys(fields: &mut Fields<'_, '_>, entities: &BTreeMap<String, Entity>) -> Vec<String> {
    let span = fields.value("entities").map_or(fields.span().clone(), |value| value.span.clone());
    let mut keys: Vec<String> = Vec::new();
    for name in fields.texts("entities") {
        let Some(entity) = entities.get(&name) else {
            let message = format!("{} names no entity with \"{name}\"", fields.what());
            let known = entities.keys().map(String::as_str);
            let hint = suggest::did_you_mean(&name, known)
                .unwrap_or_else(|| "Declare it under \"entities:\".".to_owned());
            fields.diagnostics().push(wrong(&span, message).help(hint));
            continue;
        };
        let new = entity.join_keys.iter().filter(|key| !keys.contains(key)).cloned();
        keys.extend(new.collect::<Vec<String>>());
    }
    keys
}

fn listed_features(fields: &mut Fields<'_, '_>) -> Vec<Feature> {
    let mut listed = Vec::new();
    let Some(value) = fields.value("features") else { return listed };
    if let Some(items) = value.as_list() {
        for item in items {
            let opened = Fields::open(item, "a feature", fields.diagnostics());
            let Some(mut inner) = opened else { continue };
            let name = inner.required_text("name");
            listed.extend(name.and_then(|name| feature(&mut inner, name)));
            inner.finish();
        }
        return listed;
    }
    let Some(mapping) = fields.mapping("features") else { return listed };
    for entry in &mapping.entries {
        let name = entry.key.clone();
        if entry.value.as_mapping().is_some() {
            let what = format!("feature \"{name}\"");
            let opened = Fields::open(&entry.value, what, fields.diagnostics());
            let Some(mut inner) = opened else { continue };
            listed.extend(feature(&mut inner, name));
            inner.finish();
        } else {
            let kind = entry.value.as_text().and_then(feature_type);
            if kind.is_none() {
                let message = format!("feature \"{name}\" has no type that is known");
                let problem = wrong(&entry.value.span, message).help(format!("Write {TYPES}."));
                fields.diagnostics().push(problem);
            }
            let description = String::new();
            listed.extend(kind.map(|kind| Feature { name, kind, description }));
        }
    }
    listed
}

fn feature(fields: &mut Fields<'_, '_>, name: String) -> Option<Feature> {
    let ours = parsed(fields, "type", TYPES, feature_type);
    let theirs = parsed(fields, "dtype", TYPES, feature_type);
    let description = fields.text("description").unwrap_or_default();
    if ours.or(theirs).is_none() {
        fields.required("type");
    }
    Some(Feature { name, kind: ours.or(theirs)?, description })
}

fn feature_type(text: &str) -> Option<FeatureType> {
    Some(match text.trim().to_ascii_lowercase().as_str() {
        "int32" => FeatureType::Int32,
        "int64" | "int" | "bigint" => FeatureType::Int64,
        "float32" | "float" => FeatureType::Float32,
        "float64" | "double" => FeatureType::Float64,
        "string" | "text" => FeatureType::String,
        "bool" | "boolean" => FeatureType::Bool,
        "timestamp" | "unixtimestamp" | "unix_timestamp" => FeatureType::Timestamp,
        _ => return None,
    })
}

fn service(
    item: &Value,
    features: &Features,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<FeatureService> {
    let mut fields = Fields::open(item, "a feature service", diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("feature service \"{name}\""));
    let description = fields.text("description").unwrap_or_default();
    let owner = fields.text("owner");
    fields.required("features");
    let span = first_line(&item.span);
    let mut chosen = Vec::new();
    for text in fields.texts("features") {
        let (view, feature) = match text.split_once(':') {
            Some((view, feature)) => (view, Some(feature)),
            None => (text.as_str(), None),
        };
        let found = features.view(view).map(|found| {
            let wanted = |one: &&Feature| feature.is_none_or(|feature| one.name == feature);
            found.features.iter().filter(wanted).map(|one| (view.to_owned(), one.name.clone()))
        });
        let found: Vec<(String, String)> = found.into_iter().flatten().collect();
        if found.is_empty() {
            let message = format!("{} asks for \"{text}\", which is no feature", fields.what());
            let hint = "Write a view, or view:feature, of those that are declared.";
            fields.diagnostics().push(wrong(&span, message).help(hint));
        }
        chosen.extend(found);
    }
    fields.finish();
    Some(FeatureService { name, description, owner, features: chosen, span })
}
