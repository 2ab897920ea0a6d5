//! `selectors.yml`: selections under a name.

use std::collections::BTreeMap;

use base::{Diagnostic, Severity};
use serde_json::Value as Json;

use crate::folder::Folder;
use crate::jinja::Renderer;
use crate::{templates, yaml};

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
    let listed = written.get("selectors").and_then(Json::as_array);
    for selector in listed.into_iter().flatten() {
        let Some(name) = selector.get("name").and_then(Json::as_str) else { continue };
        if selector.get("default").and_then(Json::as_bool) == Some(true) {
            default = Some(name.to_owned());
        }
        let definition = selector.get("definition").cloned().unwrap_or_default();
        found.insert(name.to_owned(), definition);
    }
    (found, default)
}
