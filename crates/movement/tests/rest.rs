//! Endpoints: pages, cursors, patience, deletions; and the demo's three vendors as they stand.

use base::{ErrorKind, LoadAccount};

use crate::house::House;
use crate::server::{Server, ok, refused};

fn yaml(server: &Server, stream: &str) -> String {
    format!(
        "connection: {{type: rest, url: '{}', retries: 2}}\nstreams:\n  - {{name: rows, \
         request: {{path: /rows}}, records: '$.data[*]', {stream}}}\n",
        server.url
    )
}

#[tokio::test]
async fn pages_follow_the_last_record_and_an_incremental_load_looks_back() {
    let (house, server) = (House::new().await, Server::start().await);
    let stream = "primary_key: id, \
                  paginate: {cursor: '{last.id}', param: after, \
                             stop: {path: $.more, equals: false}}, \
                  incremental: {field: at, param: since, format: unix, look_back: 10s}";
    server.say("/rows", ok(r#"{"data":[{"id":1,"at":1000},{"id":2,"at":1200}],"more":true}"#));
    server.say("/rows", ok(r#"{"data":[{"id":3,"at":1100}],"more":false}"#));
    let first = house.load(&yaml(&server, stream)).await.unwrap();
    assert_eq!(first.account, LoadAccount { read: 3, inserted: 3, ..Default::default() });
    assert_eq!(server.asked(), ["/rows", "/rows?after=2"]);
    server.say("/rows", ok(r#"{"data":[{"id":2,"at":1200},{"id":3,"at":1300}],"more":false}"#));
    let second = house.load(&yaml(&server, stream)).await.unwrap();
    assert_eq!(server.asked(), ["/rows?since=1190"]);
    let expected = LoadAccount { read: 2, updated: 1, unchanged: 1, ..Default::default() };
    assert_eq!(second.account, expected);
    assert_eq!(house.rows("rows", &["id", "at"]).await, ["1 | 1000", "2 | 1200", "3 | 1300"]);
}

#[tokio::test]
async fn the_page_cursor_is_kept_and_deletions_take_rows_away() {
    let (house, server) = (House::new().await, Server::start().await);
    let stream = "primary_key: id, \
                  paginate: {cursor: $.after, param: cursor, stop: {path: $.end, equals: true}}, \
                  incremental: {opaque: true, first: {start: 0}}, \
                  deletes: {when: {path: $.status, equals: gone}}";
    server.say("/rows", ok(r#"{"data":[{"id":1,"status":"a"}],"after":"c1","end":false}"#));
    server.say("/rows", ok(r#"{"data":[{"id":2,"status":"a"}],"after":"c2","end":true}"#));
    house.load(&yaml(&server, stream)).await.unwrap();
    assert_eq!(server.asked(), ["/rows?start=0", "/rows?start=0&cursor=c1"]);
    let page =
        r#"{"data":[{"id":1,"status":"gone"},{"id":9,"status":"gone"}],"after":"c3","end":true}"#;
    server.say("/rows", ok(page));
    let outcome = house.load(&yaml(&server, stream)).await.unwrap();
    assert_eq!(server.asked(), ["/rows?cursor=c2"]);
    assert_eq!((outcome.account.deleted, outcome.account.unchanged), (1, 1));
    assert_eq!(house.rows("rows", &["id"]).await, ["2"]);
}

#[tokio::test]
async fn faults_pass_patience_is_kept_and_refusals_are_named() {
    let (house, server) = (House::new().await, Server::start().await);
    server.say("/rows", refused("500 Oops", ""));
    server.say("/rows", refused("429 Slow Down", "retry-after: 0\r\n"));
    server.say("/rows", ok("{\"data\":"));
    server.say("/rows", ok(r#"{"data":[{"id":1}]}"#));
    let outcome = house.load(&yaml(&server, "primary_key: id")).await.unwrap();
    assert_eq!((outcome.rows, server.asked().len()), (1, 4));
    server.say("/rows", refused("401 Unauthorized", ""));
    let denied = house.load(&yaml(&server, "primary_key: id")).await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Denied);
    let lost = house.load(&yaml(&server, "primary_key: id")).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn types_stay_open_until_the_first_batch_is_published() {
    let (house, server) = (House::new().await, Server::start().await);
    let stream = "primary_key: id, paginate: {cursor: '{last.id}', param: after, \
                  stop: {path: $.more, equals: false}}";
    for _ in 0..2 {
        server.say("/rows", ok(r#"{"data":[{"id":1,"x":1}],"more":true}"#));
        server.say("/rows", ok(r#"{"data":[{"id":2,"x":0.5,"y":"z"}],"more":false}"#));
    }
    let outcome = house.load(&yaml(&server, stream)).await.unwrap();
    assert_eq!(outcome.account, LoadAccount { read: 2, inserted: 2, ..Default::default() });
    assert_eq!(house.rows("rows", &["id", "x", "y"]).await, ["1 | 1.0 | ∅", "2 | 0.5 | z"]);
}

#[tokio::test]
async fn a_whole_read_without_a_key_replaces_the_table() {
    let (house, server) = (House::new().await, Server::start().await);
    let stream = "paginate: {page: {param: page, size: 2}}";
    server.say("/rows", ok(r#"{"data":[{"id":1},{"id":2}]}"#));
    server.say("/rows", ok(r#"{"data":[{"id":3}]}"#));
    house.load(&yaml(&server, stream)).await.unwrap();
    assert_eq!(server.asked(), ["/rows?page=1", "/rows?page=2"]);
    server.say("/rows", ok(r#"{"data":[{"id":4}]}"#));
    let outcome = house.load(&yaml(&server, stream)).await.unwrap();
    assert_eq!((outcome.account.inserted, outcome.rows), (1, 1));
    // A later page brings another type and a new column.
    for _ in 0..2 {
        server.say("/rows", ok(r#"{"data":[{"id":5,"x":1},{"id":6,"x":1}]}"#));
        server.say("/rows", ok(r#"{"data":[{"id":7,"x":2,"late":true}]}"#));
    }
    let outcome = house.load(&yaml(&server, stream)).await.unwrap();
    assert_eq!((outcome.account.inserted, outcome.rows), (3, 3));
    assert_eq!(house.rows("rows", &["id", "late"]).await, ["5 | ∅", "6 | ∅", "7 | true"]);
    server.say("/rows", ok(r#"{"data":[]}"#));
    let outcome = house.load(&yaml(&server, stream)).await.unwrap();
    assert_eq!(outcome.rows, 0);
}
