//! What is noticed by itself, and told once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::accounts::company::Company;

/// A webhook on a port of its own.
struct Hook {
    url: String,
    taken: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Hook {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let taken: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let kept = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream);
                let (mut key, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) <= 2 {
                        break;
                    }
                    let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                    match name.to_ascii_lowercase().as_str() {
                        "idempotency-key" => key = value.trim().to_owned(),
                        "content-length" => length = value.trim().parse().unwrap(),
                        _ => {}
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                kept.lock().unwrap().push((key, serde_json::from_slice(&body).unwrap()));
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { url, taken }
    }

    fn taken(&self) -> Vec<(String, Value)> {
        self.taken.lock().unwrap().clone()
    }
}

fn open_incidents(company: &Company) -> Vec<Value> {
    let finished = company.fiveply.run(&["incident", "list", "--output", "json"]).unwrap();
    let document: Value = serde_json::from_str(&finished.stdout).unwrap();
    document["incidents"].as_array().unwrap().clone()
}

/// An incident of rows that are missing on the way, noticed by two processes at once and told by
/// one of them; gone after `mend`.
pub(crate) fn assert_noticed(company: &Company, hop: &str, owner: &str, day: &str) {
    let hook = Hook::start();
    let settings = company.folder.path().join("fiveply.yml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("{text}\nalerts: {{webhook: \"{}\"}}\n", hook.url)).unwrap();
    let watch = || company.fiveply.good(&["incident", "watch", "--quiet"]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(watch);
        scope.spawn(watch);
    });
    let open = open_incidents(company);
    let astray: Vec<&Value> =
        open.iter().filter(|incident| incident["kind"] == "rows_astray").collect();
    let [astray] = astray.as_slice() else { panic!("{open:#?}") };
    assert_eq!((&astray["node"], &astray["owner"]), (&hop.into(), &owner.into()));
    assert_eq!(astray["day"], day);
    let told = |event: &str| {
        let taken = hook.taken();
        let of_incident = taken.iter().filter(|(_, told)| told["incident"] == astray["id"]);
        of_incident.filter(|(_, told)| told["event"] == event).count()
    };
    assert_eq!(told("incident.opened"), 1, "{:#?}", hook.taken());
    let mends: Vec<String> = hook
        .taken()
        .iter()
        .filter_map(|(_, message)| Some(message["mend"].as_str()?.to_owned()))
        .collect();
    let [mend] = mends.as_slice() else { panic!("{mends:?}") };
    let words: Vec<&str> = mend.split_whitespace().skip(1).collect();
    company.fiveply.good(&words).unwrap();
    watch();
    watch();
    assert_eq!((told("incident.opened"), told("incident.closed")), (1, 1), "{:#?}", hook.taken());
    let left = open_incidents(company);
    assert!(left.iter().all(|incident| incident["kind"] != "rows_astray"), "{left:#?}");
    let keys: std::collections::BTreeSet<String> =
        hook.taken().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), hook.taken().len(), "each message has a key of its own");
}
