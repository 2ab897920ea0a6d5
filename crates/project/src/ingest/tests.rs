use std::time::Duration;

use base::{Diagnostic, SourceFile};

use super::{
    Auth, Connection, CursorFormat, Deletes, Incremental, IngestSource, NextPage, RejectLimit,
    SchemaChangePolicy, StreamKind, ValueFrom, read,
};
use crate::yaml;

fn source(path: &str, text: &str) -> (Option<IngestSource>, Vec<Diagnostic>) {
    let file = SourceFile::new(path, text);
    let mut diagnostics = Vec::new();
    let value = yaml::read(&file, &mut diagnostics).expect("the test's file is YAML");
    let source = read(&file, &value, &mut diagnostics);
    (source, diagnostics)
}

/// The examples of the module's documentation, by the name in their first comment.
fn example(path: &str) -> String {
    let documentation = include_str!("../ingest.rs");
    let lines = documentation.lines().filter_map(|line| line.strip_prefix("//!"));
    let lines: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    let first = lines.iter().position(|line| *line == format!("# {path}"));
    let first = first.expect("the example is in the documentation");
    let length = lines[first..].iter().position(|line| *line == "```").expect("its end");
    lines[first..first + length].join("\n")
}

fn good(path: &str) -> IngestSource {
    let (source, diagnostics) = source(path, &example(path));
    assert_eq!(diagnostics, [], "{path}");
    source.expect("a source")
}

#[test]
fn the_documented_file_source_reads_as_it_says() {
    let app = good("ingest/app.yml");
    assert_eq!((app.name.as_str(), app.namespace.as_str()), ("app", "app"));
    let signups = &app.streams[0];
    assert_eq!(app.node_id(signups).as_str(), "stream.app.signups");
    assert_eq!(signups.primary_key, ["user_id"]);
    assert_eq!(signups.schema_change, SchemaChangePolicy::Evolve);
    assert_eq!(signups.reject_limit, RejectLimit::Share(0.001));
    assert_eq!(signups.rename["plan_tier"], "plan");
    let StreamKind::Files(nps) = &app.streams[1].kind else { panic!("files") };
    assert_eq!(nps.csv.null_values, ["", "NA"]);
}

#[test]
fn the_documented_vendors_read_as_they_say() {
    let billing = good("ingest/billing.yml");
    let StreamKind::Rest(payments) = &billing.streams[0].kind else { panic!("rest") };
    let page = payments.paginate.as_ref().expect("pages");
    let NextPage::Cursor { from, param } = &page.next else { panic!("cursor") };
    assert_eq!((from, param.as_str()), (&ValueFrom::Last("id".to_owned()), "starting_after"));
    let changes = payments.changes.as_ref().expect("changes");
    assert_eq!(changes.retention, Some(Duration::from_secs(30 * 86_400)));
    let Incremental::Field { format, .. } = &changes.incremental else { panic!("field") };
    assert_eq!(*format, CursorFormat::Unix);

    let crm = good("ingest/crm.yml");
    let Connection::Rest(connection) = &crm.connection else { panic!("rest") };
    let Auth::Oauth2 { base_url, .. } = &connection.auth else { panic!("oauth2") };
    assert_eq!(base_url.as_deref(), Some("$.instance_url"));
    let StreamKind::Rest(opportunities) = &crm.streams[0].kind else { panic!("rest") };
    let Some(Deletes::Endpoint { key, .. }) = &opportunities.deletes else { panic!("deletes") };
    assert_eq!(key["Id"], "$.id");

    let support = good("ingest/support.yml");
    let StreamKind::Rest(tickets) = &support.streams[0].kind else { panic!("rest") };
    let first = vec![("start_time".to_owned(), "0".to_owned())];
    assert_eq!(tickets.incremental, Some(Incremental::Opaque { first }));
}

#[test]
fn a_broken_stream_is_reported_and_does_not_hide_the_others() {
    let text = "connection: {type: files, path: data}\nstreams:\n  \
                - {name: bad, files: '*.csv', reject_limit: lots, colums: {}}\n  \
                - {name: good, files: '*.csv'}\n  - {name: good, files: 'b/*.csv'}\n";
    let (source, diagnostics) = source("ingest/app.yml", text);
    let names: Vec<String> =
        source.expect("a source").streams.into_iter().map(|stream| stream.name).collect();
    assert_eq!(names, ["good"]);
    let messages: Vec<&str> = diagnostics.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "\"reject_limit\" of stream \"bad\" is \"lots\"",
            "stream \"bad\" has no key \"colums\"",
            "stream \"good\" is declared twice",
        ]
    );
}

#[test]
fn deletions_without_a_key_are_refused() {
    let text = "connection: {type: rest, url: 'http://x'}\nstreams:\n  - name: a\n    \
                request: {path: /a}\n    deletes: missing\n";
    let (_, diagnostics) = source("ingest/a.yml", text);
    assert_eq!(diagnostics[0].message, "stream \"a\" has \"deletes\" and no \"primary_key\"");
}
