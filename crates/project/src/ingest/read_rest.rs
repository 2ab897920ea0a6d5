//! The REST half of a source's file.

use std::time::Duration;

use base::{Diagnostic, Secret};
use indexmap::IndexMap;

use super::read::{first_line, parsed};
use super::{
    Auth, Changes, Condition, ConditionTest, CursorFormat, Deletes, ErrorAction, ErrorRule,
    FeedOrder, Incremental, KeyPlace, Method, NextPage, Paginate, Request, RestConnection,
    RestStream, Stream, StreamKind, ValueFrom, scalars,
};
use crate::codes;
use crate::yaml::{Data, Fields, Value};

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
const RETRIES_DEFAULT: u32 = 5;
const RETRIES_MAX: i64 = 100;

pub(super) fn connection(fields: &mut Fields<'_, '_>) -> Option<RestConnection> {
    let url = fields.required_text("url");
    let auth = match fields.value("auth") {
        Some(value) => auth(value, fields.diagnostics()),
        None => Some(Auth::None),
    };
    let headers = texts_by_name(fields, "headers");
    let timeout = parsed(fields, "timeout", "a time such as 30s", scalars::duration);
    let mut rate = None;
    if let Some(value) = fields.value("limits")
        && let Some(mut limits) = Fields::open(value, "\"limits\"", fields.diagnostics())
    {
        rate = parsed(&mut limits, "rate", "requests in a time, such as 25/s", scalars::rate);
        limits.finish();
    }
    let retries = fields.integer("retries").map(|retries| retries.clamp(0, RETRIES_MAX));
    let errors = error_rules(fields);
    Some(RestConnection {
        url: url?.trim_end_matches('/').to_owned(),
        auth: auth?,
        headers,
        timeout: timeout.unwrap_or(TIMEOUT_DEFAULT),
        rate,
        retries: retries.and_then(|number| u32::try_from(number).ok()).unwrap_or(RETRIES_DEFAULT),
        errors,
    })
}

#[derive(Clone, Copy)]
enum AuthKind {
    None,
    Bearer,
    Basic,
    ApiKey,
    Oauth2,
}

fn auth(value: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Auth> {
    let mut fields = Fields::open(value, "\"auth\"", diagnostics)?;
    fields.required("type")?;
    let kinds = [
        ("none", AuthKind::None),
        ("bearer", AuthKind::Bearer),
        ("basic", AuthKind::Basic),
        ("api_key", AuthKind::ApiKey),
        ("oauth2", AuthKind::Oauth2),
    ];
    let secret = |fields: &mut Fields<'_, '_>, key| fields.required_text(key).map(Secret::new);
    let auth = match fields.choice("type", &kinds)? {
        AuthKind::None => Some(Auth::None),
        AuthKind::Bearer => secret(&mut fields, "token").map(|token| Auth::Bearer { token }),
        AuthKind::Basic => {
            let user = fields.required_text("user");
            let password = fields.text("password").unwrap_or_default();
            user.map(|user| Auth::Basic { user, password: Secret::new(password) })
        }
        AuthKind::ApiKey => {
            let places = [("header", KeyPlace::Header), ("query", KeyPlace::Query)];
            let place = fields.choice("in", &places).unwrap_or(KeyPlace::Header);
            let name = fields.required_text("name");
            let value = secret(&mut fields, "value");
            name.zip(value).map(|(name, value)| Auth::ApiKey { place, name, value })
        }
        AuthKind::Oauth2 => {
            let token_url = fields.required_text("token_url");
            let client_id = fields.required_text("client_id");
            let client_secret = secret(&mut fields, "client_secret");
            let scope = fields.text("scope");
            let base_url = json_path(&mut fields, "base_url");
            token_url.zip(client_id).zip(client_secret).map(
                |((token_url, client_id), client_secret)| Auth::Oauth2 {
                    token_url,
                    client_id,
                    client_secret,
                    scope,
                    base_url,
                },
            )
        }
    };
    fields.finish();
    auth
}

fn error_rules(fields: &mut Fields<'_, '_>) -> Vec<ErrorRule> {
    let actions = [
        ("retry", ErrorAction::Retry),
        ("rate_limited", ErrorAction::RateLimited),
        ("skip", ErrorAction::Skip),
        ("lost", ErrorAction::Lost),
        ("stop", ErrorAction::Stop),
    ];
    let mut rules = Vec::new();
    for item in fields.list("errors") {
        let Some(mut rule) = Fields::open(item, "a rule of \"errors\"", fields.diagnostics())
        else {
            continue;
        };
        let status = rule.integer("status").and_then(|status| u16::try_from(status).ok());
        let contains = rule.text("contains");
        rule.required("then");
        let then = rule.choice("then", &actions);
        rule.finish();
        rules.extend(then.map(|then| ErrorRule { status, contains, then }));
    }
    rules
}

pub(super) fn stream(fields: &mut Fields<'_, '_>) -> Option<RestStream> {
    let request = fields.required("request");
    let request = request.and_then(|value| read_request(value, fields.diagnostics()));
    let records = json_path(fields, "records").unwrap_or_else(|| "$[*]".to_owned());
    let paginate = paginate(fields);
    let incremental = incremental(fields);
    let deletes = fields.value("deletes").and_then(|value| deletes(value, fields.diagnostics()));
    let changes = fields.value("changes").and_then(|value| changes(value, fields.diagnostics()));
    Some(RestStream { request: request?, records, paginate, incremental, deletes, changes })
}

/// What only the whole stream shows: deletions and changes are matched by key.
pub(super) fn check_keys(stream: &Stream, fields: &mut Fields<'_, '_>) {
    let StreamKind::Rest(rest) = &stream.kind else { return };
    let mut missing = |problem: &str| {
        let message = format!("{} has {problem}", fields.what());
        let problem = Diagnostic::error(codes::INGEST_FILE, message)
            .at(first_line(fields.span()), "")
            .help("Add \"primary_key:\" with the column that names a record.");
        fields.diagnostics().push(problem);
    };
    if stream.primary_key.is_empty() && rest.deletes.is_some() {
        missing("\"deletes\" and no \"primary_key\"");
    }
    if stream.primary_key.is_empty() && rest.changes.is_some() {
        missing("\"changes\" and no \"primary_key\"");
    }
    if let Some(Deletes::Endpoint { key, .. }) = &rest.deletes
        && !stream.primary_key.iter().all(|column| key.contains_key(column))
    {
        missing("\"deletes\" whose \"key\" does not name every column of \"primary_key\"");
    }
    if let Some(Incremental::Opaque { .. }) = &rest.incremental
        && !rest.paginate.as_ref().is_some_and(|paginate| {
            matches!(paginate.next, NextPage::Cursor { .. } | NextPage::Url(_))
        })
    {
        missing("\"incremental: {opaque: true}\" without a page cursor to keep");
    }
}

fn texts_by_name(fields: &mut Fields<'_, '_>, key: &'static str) -> IndexMap<String, String> {
    pairs(fields, key).into_iter().collect()
}

/// Names and values in order; a list gives its name several times.
fn pairs(fields: &mut Fields<'_, '_>, key: &'static str) -> Vec<(String, String)> {
    let Some(mapping) = fields.mapping(key) else { return Vec::new() };
    let mut pairs = Vec::new();
    for entry in &mapping.entries {
        let items = entry.value.as_list().unwrap_or(std::slice::from_ref(&entry.value));
        for item in items {
            let text = match item.data {
                // YAML's `true`, not Python's `True`, is what servers understand.
                Data::Bool(flag) => Some(flag.to_string()),
                Data::Null
                | Data::Integer(_)
                | Data::Float(_)
                | Data::Text(_)
                | Data::List(_)
                | Data::Mapping(_) => item.scalar_text(),
            };
            pairs.extend(text.map(|text| (entry.key.clone(), text)));
        }
    }
    pairs
}

fn read_request(value: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Request> {
    let mut fields = Fields::open(value, "\"request\"", diagnostics)?;
    let methods = [("GET", Method::Get), ("POST", Method::Post)];
    let method = fields.choice("method", &methods).unwrap_or_default();
    let path = fields.required_text("path");
    let params = pairs(&mut fields, "params");
    let headers = texts_by_name(&mut fields, "headers");
    let body = fields.value("body").map(Value::to_json);
    fields.finish();
    Some(Request { method, path: path?, params, headers, body })
}

fn json_path(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<String> {
    parsed(fields, key, "a JSONPath such as $.data[*]", |text| {
        text.starts_with('$').then(|| text.to_owned())
    })
}

fn value_from(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<ValueFrom> {
    let expected = "a JSONPath such as $.next, or {last.id}, {first.id} or {header.Link}";
    parsed(fields, key, expected, |text| {
        if text.starts_with('$') {
            return Some(ValueFrom::Body(text.to_owned()));
        }
        let inside = text.strip_prefix('{')?.strip_suffix('}')?;
        let (word, name) = inside.split_once('.')?;
        match word {
            "last" => Some(ValueFrom::Last(name.to_owned())),
            "first" => Some(ValueFrom::First(name.to_owned())),
            "header" => Some(ValueFrom::Header(name.to_owned())),
            _ => None,
        }
    })
}

fn size(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<u64> {
    fields.integer(key).and_then(|number| u64::try_from(number).ok())
}

fn paginate(fields: &mut Fields<'_, '_>) -> Option<Paginate> {
    let value = fields.value("paginate")?;
    let mut fields = Fields::open(value, "\"paginate\"", fields.diagnostics())?;
    let next = next_page(&mut fields);
    let stop = fields.value("stop").and_then(|value| condition(value, fields.diagnostics()));
    if next.is_none() {
        let problem = Diagnostic::error(codes::INGEST_FILE, "\"paginate\" names no next page")
            .at(first_line(fields.span()), "")
            .help("Add one of: next_url, cursor with param, offset, page.");
        fields.diagnostics().push(problem);
    }
    fields.finish();
    Some(Paginate { next: next?, stop })
}

fn next_page(fields: &mut Fields<'_, '_>) -> Option<NextPage> {
    let address = value_from(fields, "next_url");
    let cursor = value_from(fields, "cursor");
    let (offset, page) = (fields.value("offset"), fields.value("page"));
    if let Some(address) = address {
        return Some(NextPage::Url(address));
    }
    if let Some(from) = cursor {
        let param = fields.required_text("param")?;
        return Some(NextPage::Cursor { from, param });
    }
    if let Some(value) = offset {
        let mut offset = Fields::open(value, "\"offset\"", fields.diagnostics())?;
        offset.required("size");
        let next = NextPage::Offset {
            param: offset.text("param").unwrap_or_else(|| "offset".to_owned()),
            size: size(&mut offset, "size").filter(|size| *size > 0)?,
            size_param: offset.text("size_param"),
        };
        offset.finish();
        return Some(next);
    }
    let mut page = Fields::open(page?, "\"page\"", fields.diagnostics())?;
    let next = NextPage::Page {
        param: page.text("param").unwrap_or_else(|| "page".to_owned()),
        first: size(&mut page, "first").unwrap_or(1),
        size: size(&mut page, "size"),
        size_param: page.text("size_param"),
    };
    page.finish();
    Some(next)
}

fn condition(value: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Condition> {
    let mut fields = Fields::open(value, "the condition", diagnostics)?;
    fields.required("path");
    let path = json_path(&mut fields, "path");
    let ends_with = fields.text("ends_with");
    let equals = fields.entry("equals").map(|entry| entry.value.to_json());
    let test = equals.map(ConditionTest::Equals).or(ends_with.map(ConditionTest::EndsWith));
    if test.is_none() {
        let problem = Diagnostic::error(codes::INGEST_FILE, "the condition asks for nothing")
            .at(first_line(fields.span()), "")
            .help("Add \"equals:\" or \"ends_with:\".");
        fields.diagnostics().push(problem);
    }
    fields.finish();
    Some(Condition { path: path?, test: test? })
}

fn incremental(fields: &mut Fields<'_, '_>) -> Option<Incremental> {
    let value = fields.value("incremental")?;
    let mut fields = Fields::open(value, "\"incremental\"", fields.diagnostics())?;
    if fields.boolean("opaque") == Some(true) {
        let first = pairs(&mut fields, "first");
        fields.finish();
        return Some(Incremental::Opaque { first });
    }
    let field = fields.required_text("field");
    let param = fields.text("param");
    let format = fields.text("format").map(cursor_format).unwrap_or_default();
    let start = fields.text("start");
    let look_back = parsed(&mut fields, "look_back", "a time such as 5m", scalars::duration);
    let look_back = look_back.unwrap_or_default();
    fields.finish();
    Some(Incremental::Field { field: field?, param, format, start, look_back })
}

fn cursor_format(text: String) -> CursorFormat {
    match text.as_str() {
        "unix" => CursorFormat::Unix,
        "unix_ms" => CursorFormat::UnixMs,
        "rfc3339" => CursorFormat::Rfc3339,
        "date" => CursorFormat::Date,
        "verbatim" => CursorFormat::Verbatim,
        _ => CursorFormat::Strftime(text),
    }
}

fn deletes(value: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Deletes> {
    if value.as_text() == Some("missing") {
        return Some(Deletes::Missing);
    }
    let mut fields = Fields::open(value, "\"deletes\"", diagnostics)?;
    if let Some(when) = fields.value("when") {
        let condition = condition(when, fields.diagnostics());
        fields.finish();
        return condition.map(Deletes::When);
    }
    let request = fields.required("request");
    let request = request.and_then(|value| read_request(value, fields.diagnostics()));
    let records = json_path(&mut fields, "records").unwrap_or_else(|| "$[*]".to_owned());
    let paginate = paginate(&mut fields);
    fields.required("key");
    let key = texts_by_name(&mut fields, "key");
    fields.finish();
    Some(Deletes::Endpoint { request: Box::new(request?), records, paginate, key })
}

fn changes(value: &Value, diagnostics: &mut Vec<Diagnostic>) -> Option<Changes> {
    let mut fields = Fields::open(value, "\"changes\"", diagnostics)?;
    let request = fields.required("request");
    let request = request.and_then(|value| read_request(value, fields.diagnostics()));
    let records = json_path(&mut fields, "records").unwrap_or_else(|| "$[*]".to_owned());
    let record = json_path(&mut fields, "record");
    let orders = [("asc", FeedOrder::Asc), ("desc", FeedOrder::Desc)];
    let order = fields.choice("order", &orders).unwrap_or_default();
    fields.required("incremental");
    let incremental = incremental(&mut fields);
    let paginate = paginate(&mut fields);
    let mut deletes = None;
    if let Some(value) = fields.value("deletes")
        && let Some(mut inner) = Fields::open(value, "\"deletes\"", fields.diagnostics())
    {
        let when = inner.required("when");
        deletes = when.and_then(|when| condition(when, inner.diagnostics()));
        inner.finish();
    }
    let retention = parsed(&mut fields, "retention", "a time such as 30d", scalars::duration);
    fields.finish();
    Some(Changes {
        request: request?,
        records,
        record,
        order,
        incremental: incremental?,
        paginate,
        deletes,
        retention,
    })
}
