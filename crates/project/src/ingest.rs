//! Typed `ingest/*.yml` files. (The grammar of connections and streams grows here.)

use std::sync::Arc;

use base::{Diagnostic, SourceFile, Span};

use crate::codes;
use crate::yaml::{Fields, Value};

/// One file in `ingest/`: the file's name is the source and its namespace.
#[derive(Clone, Debug)]
pub struct IngestSource {
    /// The source's name.
    pub name: String,
    /// Its streams.
    pub streams: Vec<Stream>,
}

/// One table, topic, endpoint or file set of a source.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The stream's name; also that of its table.
    pub name: String,
    /// What it holds.
    pub description: String,
    /// Where it is declared.
    pub span: Span,
}

/// Reads one file. `value` is its content with Jinja already rendered.
pub fn read(
    file: &Arc<SourceFile>,
    value: &Value,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<IngestSource> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned();
    let mut fields = Fields::open(value, format!("source \"{name}\""), diagnostics)?;
    let mut streams = Vec::new();
    for item in fields.list("streams") {
        if let Some(text) = item.as_text() {
            let name = text.to_owned();
            streams.push(Stream { name, description: String::new(), span: item.span.clone() });
            continue;
        }
        let Some(mut stream) = Fields::open(item, "a stream", fields.diagnostics()) else {
            continue;
        };
        let description = stream.text("description").unwrap_or_default();
        if let Some(name) = stream.required_text("name") {
            streams.push(Stream { name, description, span: item.span.clone() });
        }
    }
    if streams.is_empty() {
        let message = format!("\"{}\" declares no streams", file.path);
        let problem = Diagnostic::warning(codes::INGEST_FILE, message);
        fields.diagnostics().push(problem.at(value.span.clone(), "").help("Add \"streams:\"."));
    }
    Some(IngestSource { name, streams })
}
