//! Jinja inside YAML values: rendered in place, problems reported where the value stands.

use base::{Diagnostic, Severity};

use crate::codes;
use crate::jinja::Renderer;
use crate::yaml::{self, Data, Value};

/// Keys of dbt_project.yml whose values are rendered later, when the node runs, or never.
pub(crate) const LATE_IN_PROJECT: &[&str] = &[
    "vars",
    "on-run-start",
    "on-run-end",
    "query-comment",
    "pre-hook",
    "pre_hook",
    "post-hook",
    "post_hook",
    "+pre-hook",
    "+pre_hook",
    "+post-hook",
    "+post_hook",
];

/// Keys of properties files whose values are rendered later, when the node runs, or never.
pub(crate) const LATE_IN_PROPERTIES: &[&str] = &[
    "pre-hook",
    "pre_hook",
    "post-hook",
    "post_hook",
    "description",
    "tests",
    "data_tests",
    "docs",
    "depends_on",
    "model",
    "given",
    "expect",
    "overrides",
    "filter",
    "where",
    "expr",
    "type_params",
    "measures",
    "dimensions",
    "query_params",
];

/// Keys of `dashboards/*.yml` whose values are rendered when a tile is shown.
pub(crate) const LATE_IN_DASHBOARDS: &[&str] = &["sql", "where"];

/// Renders every text below `value` that holds Jinja, except below `late` keys.
pub(crate) fn render(
    value: &mut Value,
    renderer: &Renderer,
    package: &str,
    late: &[&str],
    severity: Severity,
    diagnostics: &mut Vec<Diagnostic>,
) {
    match &mut value.data {
        Data::Null | Data::Bool(_) | Data::Integer(_) | Data::Float(_) => {}
        Data::List(items) => {
            for item in items {
                render(item, renderer, package, late, severity, diagnostics);
            }
        }
        Data::Mapping(mapping) => {
            for entry in &mut mapping.entries {
                if !late.contains(&entry.key.as_str()) {
                    render(&mut entry.value, renderer, package, late, severity, diagnostics);
                }
            }
        }
        Data::Text(text) if holds_jinja(text) => {
            match renderer.render_value(&text.as_str().into(), package, &value.span) {
                Ok(json) => value.data = from_json(json, &value.span),
                Err(mut problem) => {
                    problem.severity = severity;
                    let note = "This stands in a YAML file, where vars, env_var and target are \
                                known and ref and source are not.";
                    let unplaced = problem.primary.is_none();
                    let problem = problem.note(note);
                    diagnostics.push(if unplaced {
                        problem.at(value.span.clone(), "")
                    } else {
                        problem
                    });
                }
            }
        }
        Data::Text(_) => {}
    }
}

/// Whether a text can hold Jinja at all.
pub(crate) fn holds_jinja(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

fn from_json(json: serde_json::Value, span: &base::Span) -> Data {
    let value = |json| Value { data: from_json(json, span), span: span.clone() };
    match json {
        serde_json::Value::Null => Data::Null,
        serde_json::Value::Bool(value) => Data::Bool(value),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map_or_else(|| Data::Float(number.as_f64().unwrap_or_default()), Data::Integer),
        serde_json::Value::String(text) => Data::Text(text),
        serde_json::Value::Array(items) => Data::List(items.into_iter().map(value).collect()),
        serde_json::Value::Object(fields) => Data::Mapping(yaml::Mapping {
            entries: fields
                .into_iter()
                .map(|(key, json)| yaml::Entry { key, key_span: span.clone(), value: value(json) })
                .collect(),
        }),
    }
}

/// A problem that is no fault of the template itself.
pub(crate) fn unreadable(path: &str, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error(codes::FILE_UNREADABLE, format!("\"{path}\" was not read: {error}"))
        .help("Check that the file is there and that you may read it.")
}
