//! `selectors.yml`: selections under a name.

use std::collections::BTreeMap;

use base::{Diagnostic, Severity, Span};
use serde_json::Value as Json;

use crate::folder::Folder;
use crate::graph::METHODS;
use crate::jinja::Renderer;
use crate::{codes, suggest, templates, yaml};

/// The selectors by name, and the one that holds when a command selects nothing.
pub(crate) fn read(
    folder: Folder<'_>,
    renderer: &Renderer,
    diagnostics: &mut Vec<Diagnostic>,
) -> (BTreeMap<String, Json>, Option<String>) {
    let (mut found, mut default) = (BTreeMap::new(), None);
    if !folder.exists("selectors.yml") {
        return (found, default);
    }
    let read = folder.read("selectors.yml", diagnostics);
    let Some(mut value) = read.and_then(|file| yaml::read(&file, diagnostics)) else {
        return (found, default);
    };
    templates::render(&mut value, renderer, "", &[], Severity::Error, diagnostics);
    let written = value.to_json();
    let items = value.as_mapping().and_then(|mapping| mapping.get("selectors")?.as_list());
    let spans: BTreeMap<String, &Span> = items
        .into_iter()
        .flatten()
        .filter_map(|item| Some((item.as_mapping()?.get("name")?.scalar_text()?, &item.span)))
        .collect();
    let listed = written.get("selectors").and_then(Json::as_array);
    for selector in listed.into_iter().flatten() {
        let Some(name) = selector.get("name").and_then(Json::as_str) else { continue };
        if selector.get("default").and_then(Json::as_bool) == Some(true) {
            default = Some(name.to_owned());
        }
        let definition = selector.get("definition").cloned().unwrap_or_default();
        let span = spans.get(name).copied().unwrap_or(&value.span);
        diagnostics.extend(check(name, &definition, span));
        found.insert(name.to_owned(), definition);
    }
    (found, default)
}

/// What is wrong with a definition whoever uses it.
fn check(name: &str, definition: &Json, span: &Span) -> Option<Diagnostic> {
    if definition.is_null() {
        let message = format!("selector \"{name}\" has no definition");
        let problem = Diagnostic::error(codes::MISSING_KEY, message).at(span.clone(), "");
        return Some(problem.help("Add \"definition:\" with a method and a value, or a text."));
    }
    let unknown = unknown_method(definition)?;
    let message =
        format!("selector \"{name}\" uses the method \"{unknown}\", which does not exist");
    let help = suggest::did_you_mean(&unknown, METHODS.iter().copied())
        .unwrap_or_else(|| format!("Methods are: {}.", METHODS.join(", ")));
    Some(Diagnostic::error(codes::SELECTOR_METHOD, message).at(span.clone(), "").help(help))
}

fn unknown_method(definition: &Json) -> Option<String> {
    match definition {
        Json::Object(fields) => {
            let method = fields.get("method").and_then(Json::as_str).map(|method| {
                // `config.materialized` is the method config.
                method.split('.').next().unwrap_or(method).to_owned()
            });
            let own = method.filter(|own| own != "selector" && !METHODS.contains(&own.as_str()));
            own.or_else(|| fields.values().find_map(unknown_method))
        }
        Json::Array(items) => items.iter().find_map(unknown_method),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    }
}
