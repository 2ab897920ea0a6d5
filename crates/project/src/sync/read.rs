//! From YAML with spans to a sync.

use std::sync::Arc;

use base::{Diagnostic, SourceFile, Span};
use serde_json::Value as Json;

use super::{
    BATCH_ROWS_DEFAULT, CHANGED_SHARE_DEFAULT, Destination, DestinationKind, FieldValue, Guard,
    HttpDestination, LOG_ROWS_DEFAULT, Nulls, OnRemoved, REMOVED_SHARE_DEFAULT,
    SalesforceDestination, SendMethod, SendRequest, SendResults, Sync, SyncField, SyncMode,
};
use crate::codes;
use crate::folder::Documents;
use crate::ingest::{Connection, read::first_line, read::parsed, read::resolve};
use crate::yaml::{Fields, Mapping, Value};

/// Rows in one request at most.
const BATCH_ROWS_MAX: i64 = 10_000;
/// Rows in one request to Salesforce's collections at most.
const SALESFORCE_ROWS_MAX: usize = 200;
/// Header that carries the idempotency key unless the file says otherwise.
const IDEMPOTENCY_HEADER: &str = "Idempotency-Key";

/// Reads every file of `syncs/`. A sync with a problem is left out; the others stay.
pub(crate) fn read_all(
    documents: Documents<'_>,
    connections: Option<&Mapping>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Sync> {
    let found = documents.of("syncs", diagnostics);
    found.iter().filter_map(|(file, value)| read(file, value, connections, diagnostics)).collect()
}

/// Reads one file whose Jinja is rendered already.
pub(crate) fn read(
    file: &Arc<SourceFile>,
    value: &Value,
    connections: Option<&Mapping>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Sync> {
    let errors_before = diagnostics.iter().filter(|problem| problem.is_error()).count();
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned();
    let mut fields = Fields::open(value, format!("sync \"{name}\""), diagnostics)?;
    let modes = [SyncMode::Insert, SyncMode::Update, SyncMode::Upsert, SyncMode::Mirror];
    let modes = modes.map(|mode| (mode.word(), mode));
    let description = fields.text("description").unwrap_or_default();
    let owner = fields.text("owner");
    let tags = fields.texts("tags");
    let meta = fields.value("meta").map_or(Json::Null, Value::to_json);
    let enabled = fields.boolean("enabled").unwrap_or(true);
    let from = fields.required_text("from");
    let from_span = fields.value("from").map_or(value.span.clone(), |from| from.span.clone());
    let filter = fields.text("where");
    fields.required("key");
    let key = fields.texts("key");
    fields.required("fields");
    let mapped = mapped_fields(&mut fields);
    let mode = fields.choice("mode", &modes).unwrap_or_default();
    let nulls = [("send", Nulls::Send), ("omit", Nulls::Omit)];
    let nulls = fields.choice("nulls", &nulls).unwrap_or_default();
    let on_removed = on_removed(&mut fields, mode);
    let guard = guard(&mut fields);
    let log_rows = log_rows(&mut fields);
    let destination = fields.required("destination");
    let destination =
        destination.and_then(|value| read_destination(value, connections, fields.diagnostics()));
    if let Some(destination) = &destination {
        check(destination, &key, mode, &on_removed, &mut fields);
    }
    fields.finish();
    let errors = diagnostics.iter().filter(|problem| problem.is_error()).count();
    if errors != errors_before {
        return None;
    }
    Some(Sync {
        name,
        description,
        owner,
        tags,
        meta,
        enabled,
        from: (from?, from_span),
        filter,
        key,
        fields: mapped,
        nulls,
        mode,
        on_removed,
        guard,
        log_rows,
        destination: destination?,
        file: Arc::clone(file),
        span: first_line(&value.span),
    })
}

fn refuse(fields: &mut Fields<'_, '_>, span: Span, message: String, help: &str) {
    let problem = Diagnostic::error(codes::SYNC_FILE, message).at(span, "").help(help);
    fields.diagnostics().push(problem);
}

fn mapped_fields(fields: &mut Fields<'_, '_>) -> Vec<SyncField> {
    let Some(mapping) = fields.mapping("fields") else { return Vec::new() };
    let mut mapped = Vec::new();
    for entry in &mapping.entries {
        let name = entry.key.clone();
        if entry.value.as_mapping().is_some() {
            let what = format!("field \"{name}\"");
            let opened = Fields::open(&entry.value, what, fields.diagnostics());
            let Some(mut inner) = opened else { continue };
            let constant = inner.entry("value").map(|entry| entry.value.to_json());
            let sql = inner.text("sql");
            let value = constant.map(FieldValue::Constant).or(sql.map(FieldValue::Sql));
            if value.is_none() {
                let message = format!("field \"{name}\" says nothing about its value");
                let help = "Write a column, or {value: …}, or {sql: \"…\"}.";
                refuse(&mut inner, entry.key_span.clone(), message, help);
            }
            inner.finish();
            mapped.extend(value.map(|value| SyncField { name, value }));
        } else if let Some(text) = entry.value.as_text() {
            let text = text.to_owned();
            let value = if text.contains('{') {
                FieldValue::Template(text)
            } else {
                FieldValue::Column(text)
            };
            mapped.push(SyncField { name, value });
        } else {
            let message = format!("field \"{name}\" names no column");
            let help = "Write a column, a text with {row.column}, {value: …} or {sql: \"…\"}.";
            refuse(fields, entry.key_span.clone(), message, help);
        }
    }
    mapped
}

fn on_removed(fields: &mut Fields<'_, '_>, mode: SyncMode) -> OnRemoved {
    let default = if mode == SyncMode::Mirror { OnRemoved::Delete } else { OnRemoved::Ignore };
    let Some(value) = fields.value("on_removed") else { return default };
    match value.as_text() {
        Some("ignore") => return OnRemoved::Ignore,
        Some("delete") => return OnRemoved::Delete,
        Some(_) | None => {}
    }
    if value.as_mapping().is_some()
        && let Some(mut inner) = Fields::open(value, "\"on_removed\"", fields.diagnostics())
    {
        inner.required("set");
        let set = inner.mapping("set").map(|set| {
            set.entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
        });
        inner.finish();
        return set.map_or(default, OnRemoved::Set);
    }
    let message = "\"on_removed\" is no word that is known".to_owned();
    let help = "Write ignore, delete, or {set: {Field: value}}.";
    refuse(fields, value.span.clone(), message, help);
    default
}

fn guard(fields: &mut Fields<'_, '_>) -> Guard {
    let mut guard = Guard { changed: CHANGED_SHARE_DEFAULT, removed: REMOVED_SHARE_DEFAULT };
    if let Some(value) = fields.value("guard")
        && let Some(mut inner) = Fields::open(value, "\"guard\"", fields.diagnostics())
    {
        let expected = "a share such as 30%, or 100% to allow everything";
        guard.changed = parsed(&mut inner, "changed", expected, share).unwrap_or(guard.changed);
        guard.removed = parsed(&mut inner, "removed", expected, share).unwrap_or(guard.removed);
        inner.finish();
    }
    guard
}

fn share(text: &str) -> Option<f64> {
    let percent: f64 = text.trim().strip_suffix('%')?.trim().parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

fn log_rows(fields: &mut Fields<'_, '_>) -> u64 {
    let mut rows = None;
    if let Some(value) = fields.value("log")
        && let Some(mut inner) = Fields::open(value, "\"log\"", fields.diagnostics())
    {
        rows = inner.integer("rows").and_then(|rows| u64::try_from(rows).ok());
        inner.finish();
    }
    rows.unwrap_or(LOG_ROWS_DEFAULT)
}

#[derive(Clone, Copy)]
enum Kind {
    Http,
    Salesforce,
}

fn read_destination(
    value: &Value,
    connections: Option<&Mapping>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Destination> {
    let mut fields = Fields::open(value, "the destination", diagnostics)?;
    fields.required("type")?;
    let kind = fields.choice("type", &[("http", Kind::Http), ("salesforce", Kind::Salesforce)])?;
    let found = fields.required("connection");
    let connection = match found.and_then(|found| resolve(found, connections, &mut fields)) {
        Some(Connection::Rest(rest)) => Some(*rest),
        Some(Connection::Files(_)) => {
            let span = found.map_or(value.span.clone(), |found| found.span.clone());
            let message = "a destination's connection must be of type rest".to_owned();
            refuse(&mut fields, span, message, "Name a connection of type rest.");
            None
        }
        None => None,
    };
    let batch = fields.integer("batch").map(|rows| rows.clamp(1, BATCH_ROWS_MAX));
    let batch = batch.and_then(|rows| usize::try_from(rows).ok());
    let (kind, batch) = match kind {
        Kind::Http => {
            let http = http(&mut fields);
            (http.map(|http| DestinationKind::Http(Box::new(http))), batch.unwrap_or(1))
        }
        Kind::Salesforce => (
            salesforce(&mut fields).map(DestinationKind::Salesforce),
            batch.unwrap_or(BATCH_ROWS_DEFAULT).min(SALESFORCE_ROWS_MAX),
        ),
    };
    fields.finish();
    Some(Destination { connection: connection?, batch, kind: kind? })
}

fn salesforce(fields: &mut Fields<'_, '_>) -> Option<SalesforceDestination> {
    let object = fields.required_text("object");
    let external_id = fields.required_text("external_id");
    let version = fields.text("version").unwrap_or_else(|| "v60.0".to_owned());
    let idempotency_field = fields.text("idempotency_field");
    let external_id = external_id?;
    Some(SalesforceDestination { object: object?, external_id, version, idempotency_field })
}

fn http(fields: &mut Fields<'_, '_>) -> Option<HttpDestination> {
    fields.required("request");
    let request = request(fields, "request");
    let insert = request_of(fields, "insert");
    let update = request_of(fields, "update");
    let delete = request_of(fields, "delete");
    let results = fields.value("results").and_then(|value| results(value, fields.diagnostics()));
    let header = fields.text("idempotency_header");
    Some(HttpDestination {
        request: request?,
        insert,
        update,
        delete,
        results,
        idempotency_header: header.unwrap_or_else(|| IDEMPOTENCY_HEADER.to_owned()),
    })
}

fn request_of(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<SendRequest> {
    request(fields, key)
}

fn request(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<SendRequest> {
    let value = fields.value(key)?;
    let mut inner = Fields::open(value, format!("\"{key}\""), fields.diagnostics())?;
    let methods = [SendMethod::Post, SendMethod::Put, SendMethod::Patch, SendMethod::Delete];
    let methods = methods.map(|method| (method.word(), method));
    let default = if key == "delete" { SendMethod::Delete } else { SendMethod::Post };
    let method = inner.choice("method", &methods).unwrap_or(default);
    let path = inner.required_text("path");
    let mut headers = Vec::new();
    if let Some(mapping) = inner.mapping("headers") {
        for entry in &mapping.entries {
            headers.extend(entry.value.scalar_text().map(|text| (entry.key.clone(), text)));
        }
    }
    let body = inner.value("body").map(Value::to_json);
    inner.finish();
    Some(SendRequest { method, path: path?, headers, body })
}

fn results(value: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<SendResults> {
    let mut fields = Fields::open(value, "\"results\"", diagnostics)?;
    let expected = "a JSONPath such as $.items[*]";
    let path = |text: &str| text.starts_with('$').then(|| text.to_owned());
    fields.required("records");
    let records = parsed(&mut fields, "records", expected, path);
    fields.required("success");
    let success = parsed(&mut fields, "success", expected, path);
    let error = parsed(&mut fields, "error", expected, path);
    let id = parsed(&mut fields, "id", expected, path);
    fields.finish();
    Some(SendResults { records: records?, success: success?, error, id })
}

/// What only the whole file shows.
fn check(
    destination: &Destination,
    key: &[String],
    mode: SyncMode,
    on_removed: &OnRemoved,
    fields: &mut Fields<'_, '_>,
) {
    let span = first_line(fields.span());
    match &destination.kind {
        DestinationKind::Http(http) => {
            if *on_removed == OnRemoved::Delete && http.delete.is_none() {
                let message = "removed rows are to be deleted, and no request says how".to_owned();
                let help = "Add \"delete: {path: …}\" to the destination, or on_removed: ignore.";
                refuse(fields, span.clone(), message, help);
            }
            if destination.batch > 1 {
                let text = http.request.body.as_ref().map(Json::to_string).unwrap_or_default();
                if !text.contains("{rows}") {
                    let message =
                        "\"batch\" sends many rows, and the body has no {rows}".to_owned();
                    let help = "Write body: {items: \"{rows}\"}, or leave \"batch\" out.";
                    refuse(fields, span, message, help);
                }
            }
        }
        DestinationKind::Salesforce(_) => {
            if key.len() > 1 {
                let message = "Salesforce knows a record by one external id".to_owned();
                refuse(fields, span.clone(), message, "Give \"key\" one column.");
            }
            if matches!(mode, SyncMode::Update) {
                let message = "Salesforce's collections cannot update without inserting".to_owned();
                refuse(fields, span, message, "Use mode: upsert or mode: mirror.");
            }
        }
    }
}
