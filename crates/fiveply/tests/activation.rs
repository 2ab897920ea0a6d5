//! Syncs by the real binary: what is sent, what is kept back, and what a kill at any step leaves.

pub(crate) mod server;

use std::collections::{BTreeMap, BTreeSet};

use base::fault::KillPoint;
use serde_json::{Value, json};
use testkit::{Fiveply, Folder};

use server::{Asked, Server};

fn binary(folder: &Folder) -> Fiveply {
    Fiveply::new(env!("CARGO_BIN_EXE_fiveply"), folder.path())
}

/// A seed that is sent, and the address of whoever receives it.
fn shop(sync: &str) -> Folder {
    let text = format!(
        r#"
-- dbt_project.yml --
name: shop
version: "1.0.0"
config-version: 2
-- fiveply.yml --
clock: "2026-05-25T12:00:00Z"
-- seeds/people.csv --
id,name,plan
1,Ada,free
2,Bob,free
3,Cem,team
4,Dua,team
-- syncs/people.yml --
owner: Growth
from: ref('people')
key: id
{sync}
"#
    );
    Folder::with(&text).unwrap()
}

fn connection(server: &Server) -> String {
    let auth = "{type: bearer, token: very-secret-token}";
    format!("{{type: rest, url: \"{}\", auth: {auth}}}", server.url())
}

fn per_row(server: &Server, more: &str) -> Folder {
    shop(&format!(
        "fields: {{name: name, plan: plan}}\n{more}\ndestination:\n  type: http\n  \
         connection: {}\n  \
         request: {{method: PUT, path: \"/people/{{key.id}}\"}}\n  \
         delete: {{path: \"/people/{{key.id}}\"}}\n",
        connection(server)
    ))
}

fn seed(folder: &Folder, rows: &str) {
    folder.write("seeds/people.csv", format!("id,name,plan\n{rows}").as_bytes()).unwrap();
    binary(folder).good(&["--quiet", "seed"]).unwrap();
}

/// Runs the sync and gives its account.
fn send(folder: &Folder, more: &[&str]) -> (Option<i32>, Value) {
    let mut arguments = vec!["sync", "run", "people", "--output", "json"];
    arguments.extend(more);
    let finished = binary(folder).run(&arguments).unwrap();
    let document: Value = serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("{error}: {finished:#?}"));
    let sync = document["syncs"][0].clone();
    (finished.code, if sync.is_null() { document } else { sync })
}

fn counts(report: &Value) -> [u64; 6] {
    ["inserted", "updated", "deleted", "unchanged", "failed", "held"]
        .map(|name| report["counts"][name].as_u64().unwrap_or_else(|| panic!("{report}")))
}

fn lines(asked: &[Asked]) -> Vec<String> {
    asked.iter().map(|one| format!("{} {} {}", one.method, one.path, one.body)).collect()
}

#[test]
fn only_what_differs_from_what_was_acknowledged_is_sent() {
    let server = Server::start(|_| (200, json!({}), Vec::new()));
    let folder = per_row(&server, "mode: mirror\nguard: {removed: 30%}");
    binary(&folder).good(&["--quiet", "seed"]).unwrap();
    let (code, dry) = send(&folder, &["--dry-run"]);
    assert_eq!((code, dry["dry_runs"][0]["counts"]["inserted"].as_u64()), (Some(0), Some(4)));
    assert_eq!(server.taken().len(), 0, "a dry run sends nothing");
    let (code, report) = send(&folder, &[]);
    assert_eq!((code, counts(&report)), (Some(0), [4, 0, 0, 0, 0, 0]));
    let first = server.taken();
    let expected = r#"PUT /people/1 {"name":"Ada","plan":"free"}"#;
    assert_eq!(lines(&first)[0], expected);
    let keys: BTreeSet<String> = first.iter().map(|one| one.header("idempotency-key")).collect();
    assert_eq!(keys.len(), 4, "every delivery has a key of its own");
    assert_eq!(counts(&send(&folder, &[]).1), [0, 0, 0, 4, 0, 0]);
    assert_eq!(server.taken().len(), 0);
    seed(&folder, "1,Ada,team\n2,Bob,free\n3,Cem,team\n5,Eda,free\n");
    let (code, report) = send(&folder, &[]);
    assert_eq!((code, counts(&report)), (Some(0), [1, 1, 1, 2, 0, 0]), "{report}");
    let sent = lines(&server.taken());
    let expected = [
        r#"PUT /people/1 {"name":"Ada","plan":"team"}"#,
        r#"PUT /people/5 {"name":"Eda","plan":"free"}"#,
        "DELETE /people/4 ",
    ];
    assert_eq!(sent, expected);
    // A row that comes back is new, and its delivery is another one.
    seed(&folder, "1,Ada,team\n2,Bob,free\n3,Cem,team\n4,Dua,team\n5,Eda,free\n");
    assert_eq!(counts(&send(&folder, &[]).1), [1, 0, 0, 4, 0, 0]);
    let again = server.taken();
    assert!(!keys.contains(&again[0].header("idempotency-key")));
}

#[test]
fn refused_rows_are_tried_again_with_the_data_of_then() {
    let server = Server::start(|asked: &Asked| match asked.path.as_str() {
        "/people/3" if !asked.body.contains("solo") => {
            let said = json!({"error": "plan is not known, very-secret-token"});
            (422, said, Vec::new())
        }
        _ => (200, json!({"id": "x"}), Vec::new()),
    });
    let folder = per_row(&server, "");
    binary(&folder).good(&["--quiet", "seed"]).unwrap();
    let (code, report) = send(&folder, &[]);
    assert_eq!((code, counts(&report)), (Some(0), [3, 0, 0, 0, 1, 0]));
    assert_eq!(report["status"], "warned");
    let log = ["sync", "log", "people", "--outcome", "refused", "--output", "json"];
    let log: Value = serde_json::from_str(&binary(&folder).good(&log).unwrap().stdout).unwrap();
    let entry = &log["entries"][0];
    assert_eq!((&entry["key"], &entry["http_status"]), (&json!("[3]"), &json!(422)));
    assert_eq!(entry["request"]["path"], "/people/3");
    let text = log.to_string();
    assert!(text.contains("plan is not known, ***") && !text.contains("very-secret"), "{text}");
    let first = server.taken();
    seed(&folder, "1,Ada,free\n2,Bob,free\n3,Cem,solo\n4,Dua,team\n");
    assert_eq!(counts(&send(&folder, &[]).1), [1, 0, 0, 3, 0, 0]);
    let second = server.taken();
    assert_eq!(lines(&second), [r#"PUT /people/3 {"name":"Cem","plan":"solo"}"#]);
    let key = |asked: &[Asked]| {
        let found = asked.iter().find(|one| one.path == "/people/3");
        found.unwrap().header("idempotency-key")
    };
    assert_ne!(key(&first), key(&second));
}

#[test]
fn the_guard_stops_before_anything_is_sent() {
    let server = Server::start(|_| (200, json!({}), Vec::new()));
    let folder = per_row(&server, "mode: mirror\nguard: {changed: 40%, removed: 10%}");
    binary(&folder).good(&["--quiet", "seed"]).unwrap();
    send(&folder, &[]);
    server.taken();
    seed(&folder, "1,Ada,x\n2,Bob,x\n3,Cem,team\n4,Dua,team\n");
    let (code, report) = send(&folder, &[]);
    let message = report["message"].as_str().unwrap();
    assert_eq!(code, Some(1));
    assert!(message.contains("would change 2 of 4 rows (50%)"), "{message}");
    assert_eq!(server.taken().len(), 0);
    let dry = binary(&folder).good(&["sync", "run", "people", "--dry-run"]).unwrap();
    assert!(dry.stdout.contains("guard: sync \"people\" would change"), "{}", dry.stdout);
    assert_eq!(counts(&send(&folder, &["--confirm"]).1), [0, 2, 0, 2, 0, 0]);
    seed(&folder, "1,Ada,x\n2,Bob,x\n3,Cem,team\n");
    let (_, report) = send(&folder, &[]);
    assert!(report["message"].as_str().unwrap().contains("would remove 1 of 4"), "{report}");
    // `retry` asks again, and is told again.
    assert_eq!(binary(&folder).run(&["retry"]).unwrap().code, Some(1));
}

#[test]
fn a_batch_that_is_refused_is_halved_until_the_row_at_fault_stands_alone() {
    let server = Server::start(|asked: &Asked| {
        if asked.number == 1 {
            return (429, json!({}), vec![("Retry-After".to_owned(), "0".to_owned())]);
        }
        let status = if asked.body.contains("\"Cem\"") { 400 } else { 200 };
        (status, json!({"said": status}), Vec::new())
    });
    let folder = shop(&format!(
        "fields: {{id: id, label: \"{{row.name}} on {{row.plan}}\", name: name}}\n\
         on_removed: {{set: {{gone: true}}}}\nguard: {{removed: 100%}}\ndestination:\n  \
         type: http\n  \
         connection: {}\n  request: {{path: /batch, body: {{items: \"{{rows}}\"}}}}\n  batch: 10\n",
        connection(&server)
    ));
    binary(&folder).good(&["--quiet", "seed"]).unwrap();
    let (code, report) = send(&folder, &[]);
    assert_eq!((code, counts(&report)), (Some(0), [3, 0, 0, 0, 1, 0]), "{report}");
    let asked = server.taken();
    let whole = r#"POST /batch {"items":[{"id":1,"label":"Ada on free","name":"Ada"},"#;
    assert!(lines(&asked)[0].starts_with(whole), "{}", lines(&asked)[0]);
    assert_eq!(asked.len(), 6, "429, whole, two halves, two quarters");
    assert_eq!(asked[0].header("idempotency-key"), asked[1].header("idempotency-key"));
    seed(&folder, "2,Bob,free\n3,Dee,team\n4,Dua,team\n");
    assert_eq!(counts(&send(&folder, &[]).1), [1, 0, 1, 2, 0, 0]);
    let sent = lines(&server.taken());
    assert_eq!(sent[1], r#"POST /batch {"items":[{"gone":true}]}"#);
}

#[test]
fn a_key_that_does_not_name_a_row_ends_the_run_before_anything_is_sent() {
    let server = Server::start(|_| (200, json!({}), Vec::new()));
    let folder = per_row(&server, "");
    for (rows, said) in [
        ("1,Ada,free\n1,Bob,free\n", "two rows have the key [1]"),
        ("1,Ada,free\n,Bob,free\n", "a row has no key (id)"),
    ] {
        seed(&folder, rows);
        let (code, report) = send(&folder, &[]);
        let message = report["message"].as_str().unwrap();
        assert!(code == Some(1) && message.contains(said), "{message}");
    }
    assert_eq!(server.taken().len(), 0);
}

/// What the CRM took, per account: key of the delivery and health, in order.
fn taken_by_crm(folder: &Folder) -> BTreeMap<String, Vec<(String, String)>> {
    let text = std::fs::read_to_string(folder.path().join(".demo-crm.ndjson")).unwrap_or_default();
    let mut taken: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    for line in lines {
        let outcome = line["outcome"].as_str().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if matches!(outcome, "created" | "updated") {
            let sent = (text(&line["idempotency_key"]), text(&line["record"]["Health_Status__c"]));
            taken.entry(text(&line["external_id"])).or_default().push(sent);
        }
    }
    taken
}

#[test]
fn a_sync_killed_at_any_step_takes_every_row_to_the_crm_once() {
    let folder = Folder::empty().unwrap();
    let fiveply = binary(&folder);
    fiveply.good(&["demo", "--generate", "--scale", "0.005", "--dir", "."]).unwrap();
    fiveply.good(&["--quiet", "load"]).unwrap();
    fiveply.good(&["--quiet", "build"]).unwrap();
    let path = folder.path().join("syncs/account_health.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let small = text.replace("  object: Account", "  batch: 7\n  object: Account");
    std::fs::write(&path, small).unwrap();
    let accounts = fiveply.value("select count(*) from main.dim_accounts").unwrap();
    let accounts = usize::try_from(accounts.as_u64().unwrap()).unwrap();
    assert!(accounts > 14, "the company has {accounts} accounts: too few for three batches");
    let before = folder.copy().unwrap();
    let sync = ["sync", "run", "account_health"];
    let (mut met, mut tried) = (BTreeSet::new(), 0);
    for point in [
        KillPoint::LeaseClaimed,
        KillPoint::BatchRead,
        KillPoint::LedgerBeforeCommit,
        KillPoint::LedgerAfterCommit,
        KillPoint::DestinationAnswered,
        KillPoint::LeaseReleased,
    ] {
        for hit in [1, 2, 5] {
            folder.become_like(&before).unwrap();
            if !fiveply.killed_at(point, hit, &sync).unwrap() {
                break;
            }
            tried += 1;
            met.insert(point.name());
            let place = format!("{}:{hit}", point.name());
            fiveply.good(&["retry"]).unwrap();
            // The accounts that were locked at the first try.
            fiveply.good(&sync).unwrap();
            let last = fiveply.good(&["sync", "run", "account_health", "--output", "json"]);
            let last: Value = serde_json::from_str(&last.unwrap().stdout).unwrap();
            let unchanged = last["syncs"][0]["counts"]["unchanged"].as_u64().unwrap();
            assert_eq!(unchanged, accounts as u64, "{place}: {last}");
            let taken = taken_by_crm(&folder);
            assert_eq!(taken.len(), accounts, "{place}");
            let twice = taken.iter().find(|(_, sent)| sent.len() != 1);
            assert!(twice.is_none(), "{place}: {twice:?}");
        }
    }
    println!("kill points, sync: {tried} point x hit tried, met {met:?}");
    assert_eq!(met.len(), 6, "{met:?}");
}
