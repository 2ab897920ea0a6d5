//! From YAML with spans to a source, its connection and its streams.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Diagnostic, SourceFile, Span};

use super::{
    Compression, Connection, CsvStyle, DeclaredColumn, FileFormat, FilesConnection, FilesStream,
    IngestSource, SchemaChangePolicy, Stream, StreamKind, read_rest, scalars,
};
use crate::codes;
use crate::yaml::{Data, Fields, Mapping, Value};

/// Reads one file without named connections. `value` is its content with Jinja already rendered.
pub fn read(
    file: &Arc<SourceFile>,
    value: &Value,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<IngestSource> {
    read_with(file, value, None, diagnostics)
}

/// Reads one file. `value` is its content with Jinja already rendered; `connections` are those of
/// `fiveply.yml`, by name. A stream with a problem is left out; the others stay.
pub fn read_with(
    file: &Arc<SourceFile>,
    value: &Value,
    connections: Option<&Mapping>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<IngestSource> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned();
    let mut fields = Fields::open(value, format!("source \"{name}\""), diagnostics)?;
    let namespace = fields.text("schema").unwrap_or_else(|| name.clone());
    let description = fields.text("description").unwrap_or_default();
    let owner = fields.text("owner");
    let tags = fields.texts("tags");
    let meta = fields.value("meta").map_or(serde_json::Value::Null, Value::to_json);
    let connection = fields.required("connection");
    let connection = connection.and_then(|found| resolve(found, connections, &mut fields));
    let defaults = fields.mapping("defaults").cloned();
    let items = fields.list("streams");
    if items.is_empty() {
        let message = format!("\"{}\" declares no streams", file.path);
        let problem = Diagnostic::warning(codes::INGEST_FILE, message);
        fields.diagnostics().push(problem.at(value.span.clone(), "").help("Add \"streams:\"."));
    }
    let mut streams: Vec<Stream> = Vec::new();
    if let Some(connection) = &connection {
        for item in items {
            let item = with_defaults(item, defaults.as_ref());
            let stream = read_stream(&item, connection, &tags, fields.diagnostics());
            let Some(stream) = stream else { continue };
            match streams.iter().find(|known| known.name == stream.name) {
                Some(known) => {
                    let problem = twice(&stream, known);
                    fields.diagnostics().push(problem);
                }
                None => streams.push(stream),
            }
        }
    }
    let span = value.span.clone();
    fields.finish();
    let file = Arc::clone(file);
    let connection = connection?;
    Some(IngestSource {
        name,
        namespace,
        description,
        owner,
        tags,
        meta,
        connection,
        streams,
        file,
        span,
    })
}

fn twice(stream: &Stream, known: &Stream) -> Diagnostic {
    Diagnostic::error(codes::INGEST_FILE, format!("stream \"{}\" is declared twice", stream.name))
        .at(first_line(&stream.span), "declared again here")
        .also(first_line(&known.span), "first declared here")
        .help("Give one of the two another name.")
}

pub(crate) fn first_line(span: &Span) -> Span {
    let text = span.file.text.get(span.start..span.end).unwrap_or_default();
    let length = text.lines().next().unwrap_or_default().len();
    Span::new(&span.file, span.start..span.start + length)
}

/// The connection itself, or the one of `fiveply.yml` that bears the name.
pub(crate) fn resolve(
    value: &Value,
    connections: Option<&Mapping>,
    fields: &mut Fields<'_, '_>,
) -> Option<Connection> {
    let Some(name) = value.as_text() else {
        return read_connection(value, fields.diagnostics());
    };
    if let Some(found) = connections.and_then(|connections| connections.get(name)) {
        return read_connection(found, fields.diagnostics());
    }
    let known = connections.into_iter().flat_map(|connections| &connections.entries);
    let known: Vec<&str> = known.map(|entry| entry.key.as_str()).collect();
    let message = format!("no connection is named \"{name}\"");
    let problem = Diagnostic::error(codes::INGEST_FILE, message).at(value.span.clone(), "");
    let help = if known.is_empty() {
        "Write it here as {type: files, path: data/x}, or under \"connections:\" in fiveply.yml."
            .to_owned()
    } else {
        format!("fiveply.yml has: {}.", known.join(", "))
    };
    fields.diagnostics().push(problem.help(help));
    None
}

#[derive(Clone, Copy)]
enum ConnectionKind {
    Files,
    Rest,
}

fn read_connection(value: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Connection> {
    let mut fields = Fields::open(value, "the connection", diagnostics)?;
    fields.required("type")?;
    let kinds = [("files", ConnectionKind::Files), ("rest", ConnectionKind::Rest)];
    let connection = match fields.choice("type", &kinds)? {
        ConnectionKind::Files => {
            let path = fields.required_text("path");
            path.map(|path| Connection::Files(FilesConnection { path }))
        }
        ConnectionKind::Rest => {
            read_rest::connection(&mut fields).map(|rest| Connection::Rest(Box::new(rest)))
        }
    };
    fields.finish();
    connection
}

/// The stream's keys, and the defaults for those it does not have.
fn with_defaults(item: &Value, defaults: Option<&Mapping>) -> Value {
    let (Some(own), Some(defaults)) = (item.as_mapping(), defaults) else { return item.clone() };
    let mut merged = own.clone();
    for entry in &defaults.entries {
        if merged.entry(&entry.key).is_none() {
            merged.entries.push(entry.clone());
        }
    }
    Value { data: Data::Mapping(merged), span: item.span.clone() }
}

fn read_stream(
    item: &Value,
    connection: &Connection,
    source_tags: &[String],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Stream> {
    let errors_before = diagnostics.iter().filter(|problem| problem.is_error()).count();
    let mut fields = Fields::open(item, "a stream", diagnostics)?;
    let name = fields.required_text("name")?;
    fields.rename(format!("stream \"{name}\""));
    check_name(&name, &mut fields);
    let policies = [
        ("evolve", SchemaChangePolicy::Evolve),
        ("freeze", SchemaChangePolicy::Freeze),
        ("stop", SchemaChangePolicy::Stop),
    ];
    let mut tags = source_tags.to_vec();
    tags.extend(fields.texts("tags"));
    let kind = match connection {
        Connection::Files(_) => read_files(&mut fields).map(StreamKind::Files),
        Connection::Rest(_) => {
            read_rest::stream(&mut fields).map(|rest| StreamKind::Rest(Box::new(rest)))
        }
    };
    let stream = Stream {
        table: fields.text("table").unwrap_or_else(|| name.clone()),
        description: fields.text("description").unwrap_or_default(),
        owner: fields.text("owner"),
        tags,
        meta: fields.value("meta").map_or(serde_json::Value::Null, Value::to_json),
        columns: columns(&mut fields),
        primary_key: fields.texts("primary_key"),
        schema_change: fields.choice("schema_change", &policies).unwrap_or_default(),
        rename: rename(&mut fields),
        drop: fields.texts("drop"),
        reject_limit: parsed(&mut fields, "reject_limit", "0.1% or a row count", |text| {
            scalars::reject_limit(text)
        })
        .unwrap_or_default(),
        span: item.span.clone(),
        kind: kind?,
        name,
    };
    read_rest::check_keys(&stream, &mut fields);
    fields.finish();
    let errors = diagnostics.iter().filter(|problem| problem.is_error()).count();
    (errors == errors_before).then_some(stream)
}

fn check_name(name: &str, fields: &mut Fields<'_, '_>) {
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '$');
    if name.is_empty() || !name.chars().all(plain) || name.ends_with("__rejects") {
        let message = format!("\"{name}\" does not do as the name of a stream");
        let problem = Diagnostic::error(codes::INGEST_FILE, message)
            .at(first_line(fields.span()), "")
            .help("Use letters, digits and underscores; \"__rejects\" at the end is taken.");
        fields.diagnostics().push(problem);
    }
}

/// A text with a grammar of its own.
pub(crate) fn parsed<T>(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let text = fields.text(key)?;
    let found = parse(&text);
    if found.is_none() {
        let span = fields.value(key).map_or(fields.span(), |value| &value.span).clone();
        let message = format!("\"{key}\" of {} is \"{text}\"", fields.what());
        let problem = Diagnostic::error(codes::WRONG_VALUE, message).at(span, "");
        fields.diagnostics().push(problem.help(format!("Write {expected}.")));
    }
    found
}

fn columns(fields: &mut Fields<'_, '_>) -> Vec<DeclaredColumn> {
    let Some(mapping) = fields.mapping("columns") else { return Vec::new() };
    let mut columns = Vec::new();
    for entry in &mapping.entries {
        let (mut kind, mut description) = (None, String::new());
        let what = format!("column \"{}\"", entry.key);
        if entry.value.as_mapping().is_some() {
            let opened = Fields::open(&entry.value, what, fields.diagnostics());
            let Some(mut column) = opened else { continue };
            description = column.text("description").unwrap_or_default();
            kind = parsed(&mut column, "type", COLUMN_TYPES, scalars::column_type);
            column.finish();
        } else if let Some(text) = entry.value.as_text() {
            kind = scalars::column_type(text);
            if kind.is_none() {
                let message = format!("{what} has no type \"{text}\"");
                let problem = Diagnostic::error(codes::WRONG_VALUE, message)
                    .at(entry.value.span.clone(), "")
                    .help(format!("Write {COLUMN_TYPES}."));
                fields.diagnostics().push(problem);
            }
        }
        let name = entry.key.clone();
        columns.push(DeclaredColumn { name, kind, description, span: entry.key_span.clone() });
    }
    columns
}

const COLUMN_TYPES: &str = "one of boolean, bigint, double, decimal(p,s), date, time, timestamp, \
                            timestamptz, string, json";

fn rename(fields: &mut Fields<'_, '_>) -> BTreeMap<String, String> {
    let Some(mapping) = fields.mapping("rename") else { return BTreeMap::new() };
    let mut renames = BTreeMap::new();
    for entry in &mapping.entries {
        match entry.value.scalar_text() {
            Some(new) => {
                renames.insert(entry.key.clone(), new);
            }
            None => {
                let message = format!("\"rename\" gives \"{}\" no new name", entry.key);
                let problem = Diagnostic::error(codes::WRONG_VALUE, message)
                    .at(entry.key_span.clone(), "")
                    .help("Write old_name: new_name.");
                fields.diagnostics().push(problem);
            }
        }
    }
    renames
}

fn read_files(fields: &mut Fields<'_, '_>) -> Option<FilesStream> {
    fields.required("files");
    let globs = fields.texts("files");
    for glob in &globs {
        if let Err(error) = globset::Glob::new(glob) {
            let message = format!("\"files\" of {} is no glob: {}", fields.what(), error.kind());
            let span = fields.value("files").map_or(fields.span(), |value| &value.span).clone();
            let problem = Diagnostic::error(codes::WRONG_VALUE, message).at(span, "");
            fields.diagnostics().push(problem.help("Write a pattern such as \"**/*.csv\"."));
        }
    }
    let formats = [
        ("csv", FileFormat::Csv),
        ("ndjson", FileFormat::Ndjson),
        ("jsonl", FileFormat::Ndjson),
        ("parquet", FileFormat::Parquet),
    ];
    let compressions = [
        ("auto", Compression::Auto),
        ("none", Compression::None),
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
    ];
    let format = fields.choice("format", &formats);
    let compression = fields.choice("compression", &compressions).unwrap_or_default();
    let hive_partitions = fields.boolean("hive_partitions").unwrap_or_default();
    let csv = match fields.value("csv") {
        Some(value) => csv_style(value, fields.diagnostics()),
        None => CsvStyle::default(),
    };
    (!globs.is_empty()).then_some(FilesStream { globs, format, compression, hive_partitions, csv })
}

fn csv_style(value: &Value, diagnostics: &mut Vec<Diagnostic>) -> CsvStyle {
    let mut style = CsvStyle::default();
    let Some(mut fields) = Fields::open(value, "\"csv\"", diagnostics) else { return style };
    let letter = |text: &str| match text {
        "\\t" | "tab" => Some(b'\t'),
        _ if text.len() == 1 && text.is_ascii() => text.bytes().next(),
        _ => None,
    };
    let one = "one ASCII character, or \"tab\"";
    style.delimiter = parsed(&mut fields, "delimiter", one, letter).unwrap_or(style.delimiter);
    style.quote = parsed(&mut fields, "quote", one, letter).unwrap_or(style.quote);
    style.header = fields.boolean("header").unwrap_or(style.header);
    if fields.value("null_values").is_some() {
        style.null_values = fields.texts("null_values");
    }
    fields.finish();
    style
}
