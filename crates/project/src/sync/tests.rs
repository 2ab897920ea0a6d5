use base::SourceFile;

use super::read::read;
use super::*;
use crate::yaml;

fn read_text(text: &str) -> (Option<Sync>, Vec<String>) {
    let file = SourceFile::new("syncs/health.yml", text);
    let mut diagnostics = Vec::new();
    let value = yaml::read(&file, &mut diagnostics).unwrap();
    let sync = read(&file, &value, None, &mut diagnostics);
    (sync, diagnostics.into_iter().map(|problem| problem.message).collect())
}

const CRM: &str = r#"
owner: Customer success
from: ref('health')
key: account_id
fields:
  Health__c: health_status
  Label__c: "{row.name} today"
  Source__c: {value: fiveply}
  Pipeline__c: {sql: "round(pipeline)"}
mode: mirror
guard: {changed: 30%}
destination:
  type: salesforce
  connection: {type: rest, url: "http://127.0.0.1:1"}
  object: Account
  external_id: Ext__c
"#;

#[test]
fn a_sync_to_salesforce_is_read_with_its_defaults() {
    let (sync, problems) = read_text(CRM);
    assert_eq!(problems, [""; 0]);
    let sync = sync.unwrap();
    assert_eq!((sync.name.as_str(), sync.mode), ("health", SyncMode::Mirror));
    assert_eq!(sync.on_removed, OnRemoved::Delete);
    assert_eq!(sync.fields[1].value, FieldValue::Template("{row.name} today".to_owned()));
    assert_eq!(sync.fields[2].value, FieldValue::Constant("fiveply".into()));
    assert!((sync.guard.changed - 0.3).abs() < f64::EPSILON);
    assert_eq!(sync.destination.batch, BATCH_ROWS_DEFAULT);
    assert_eq!(sync.node_id("shop").as_str(), "sync.shop.health");
}

#[test]
fn a_request_per_row_and_one_per_batch_are_read() {
    let (sync, problems) = read_text(
        r#"
from: ref('health')
key: [account_id, day]
fields: {status: health_status}
on_removed: {set: {active: false}}
destination:
  type: http
  connection: {type: rest, url: "http://127.0.0.1:1"}
  batch: 50
  request: {method: PUT, path: /accounts, body: {items: "{rows}"}}
  results: {records: "$.items[*]", success: $.ok}
"#,
    );
    assert_eq!(problems, [""; 0]);
    let sync = sync.unwrap();
    assert_eq!(sync.on_removed, OnRemoved::Set(vec![("active".to_owned(), false.into())]));
    let DestinationKind::Http(http) = &sync.destination.kind else { panic!("{sync:?}") };
    assert_eq!((sync.destination.batch, http.request.method), (50, SendMethod::Put));
}

#[test]
fn what_is_wrong_with_a_sync_is_told_together() {
    let (sync, problems) = read_text(
        r#"
from: ref('health')
key: [a, b]
fields: {status: {}, other: [1]}
mode: update
guard: {changed: lots}
on_removed: burn
destination:
  type: salesforce
  connection: {type: rest, url: "http://127.0.0.1:1"}
  external_id: Ext__c
"#,
    );
    assert!(sync.is_none());
    for expected in [
        "field \"status\" says nothing about its value",
        "field \"other\" names no column",
        "\"on_removed\" is no word that is known",
        "\"changed\" of \"guard\" is \"lots\"",
        "the destination has no \"object\"",
    ] {
        assert!(problems.iter().any(|found| found == expected), "{expected}: {problems:#?}");
    }
}
