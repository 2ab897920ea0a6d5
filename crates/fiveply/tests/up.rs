//! `fiveply up` as its users meet it: doors, jobs on time, files that change, a clean end, and
//! kills at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::clock::Clocks;
use base::random::{Randomness, SeededRandomness};
use base::system::SystemRandomness;
use base::{EnvironmentName, NodeId};
use chrono::{DateTime, TimeDelta, Utc};
use ledger::{FiringCause, FiringRecord, FiringStatus, Ledger, RunRecord, StepStatus};
use orchestration::Calendar;
use serde_json::{Value, json};
use testkit::{Fiveply, Folder, Http, Up};

use crate::activation::server::{Asked, Server};

/// How long a server may take to do what a test waits for.
const PATIENCE: Duration = Duration::from_secs(240);

/// Streams, seeds, models and tests, and a schedule that keeps a server busy.
const SHOP: &str = r#"
-- dbt_project.yml --
name: shop
version: "1.0.0"
config-version: 2
models:
  shop:
    +materialized: table
-- ingest/app.yml --
connection: {type: files, path: data}
streams:
  - {name: orders, files: "orders/*.ndjson", primary_key: order_id}
-- data/orders/1.ndjson --
{"order_id":1,"country":"de","amount":10}
{"order_id":2,"country":"fr","amount":32}
-- seeds/countries.csv --
code,name
de,Germany
fr,France
-- models/stg_orders.sql --
select order_id, country, amount from {{ source('app', 'orders') }}
-- models/by_country.sql --
select c.name, sum(o.amount) as amount
from {{ ref('stg_orders') }} o join {{ ref('countries') }} c on c.code = o.country
group by 1
-- models/total.sql --
select sum(amount) as amount from {{ ref('by_country') }}
-- models/properties.yml --
version: 2
models:
  - name: stg_orders
    columns:
      - name: order_id
        data_tests: [unique, not_null]
-- jobs/busy.yml --
jobs:
  - name: everything
    schedule: {cron: "*/5 * * * * *"}
    concurrency: queue
    catch_up: all
    retries: {times: 5, back_off: 100ms}
  - name: total
    schedule: {cron: "2-59/5 * * * * *"}
    select: [+total]
    exclude: ["resource_type:stream"]
    concurrency: queue
    catch_up: all
    retries: {times: 5, back_off: 100ms}
"#;

fn is_full() -> bool {
    std::env::var_os("FIVEPLY_FULL").is_some()
}

fn binary(folder: &Folder) -> Fiveply {
    Fiveply::new(env!("CARGO_BIN_EXE_fiveply"), folder.path())
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "{what} did not come to pass in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn wait_for_job(http: &Http, job: &str) -> Value {
    let path = format!("/api/v1/jobs/{job}");
    let mut last = Value::Null;
    wait_until("the end of the job", || {
        last = http.get(&path).unwrap().json().unwrap()["last"].clone();
        !matches!(last["status"].as_str(), None | Some("due" | "running" | "waiting"))
    });
    last
}

#[test]
fn a_job_asked_for_at_the_door_loads_builds_tests_and_is_remembered() {
    let folder = Folder::with(SHOP).unwrap();
    let fiveply = binary(&folder);
    let up = fiveply.up(&["--no-schedule"]).unwrap();
    let http = up.http();
    assert_eq!(http.get("/api/v1/health").unwrap().json().unwrap()["status"], "ok");
    let fired = http.post("/api/v1/jobs/everything/run", &json!({})).unwrap();
    assert_eq!(fired.status, 200, "{}", fired.body);
    let last = wait_for_job(&http, "everything");
    assert_eq!(last["status"], "succeeded", "{last}");
    assert_eq!(last["started_by"], "local");
    let missing = http.post("/api/v1/jobs/evrything/run", &json!({})).unwrap();
    assert_eq!(missing.status, 404);
    assert!(missing.json().unwrap()["error"]["help"].as_str().unwrap().contains("everything"));
    let body = json!({"command": "build", "select": ["total"]});
    let started = http.post("/api/v1/runs", &body).unwrap().json().unwrap();
    assert!(started["run"].is_string(), "{started}");
    up.stop().unwrap();
    assert_eq!(fiveply.value("select amount from main.total").unwrap(), json!(42));
    let ledger = Book::open(folder.path());
    let run = ledger.run_of(&last);
    assert_eq!(run.job.as_deref(), Some("everything"));
    assert_eq!(run.logical_time.map(|time| json!(time)).as_ref(), Some(&last["logical_time"]));
}

#[test]
fn files_that_change_are_read_again_and_broken_ones_are_not_used() {
    let folder = Folder::with(SHOP).unwrap();
    let up = binary(&folder).up(&["--no-schedule"]).unwrap();
    let http = up.http();
    let jobs = || http.get("/api/v1/jobs").unwrap().json().unwrap().as_array().unwrap().len();
    let problems = || http.get("/api/v1/project").unwrap().json().unwrap()["problems"].clone();
    assert_eq!((jobs(), problems()), (2, json!([])));
    folder.add("-- jobs/more.yml --\njobs:\n- {name: more, schedule: '@daily'}\n").unwrap();
    wait_until("the new job", || jobs() == 3);
    folder.add("-- jobs/more.yml --\njobs:\n- {name: more, schedule: '@dayly'}\n").unwrap();
    wait_until("the problem", || problems() != json!([]));
    let said = &problems()[0];
    assert_eq!(said["code"], "E0151", "{said}");
    assert!(said["location"].as_str().unwrap().starts_with("jobs/more.yml:2"), "{said}");
    assert_eq!(jobs(), 3);
    folder.add("-- jobs/more.yml --\njobs: []\n").unwrap();
    wait_until("the mended file", || problems() == json!([]) && jobs() == 2);
    up.stop().unwrap();
}

#[test]
fn a_clock_of_the_project_runs_on_while_a_server_does_and_then_stands() {
    let folder = Folder::with(SHOP).unwrap();
    folder.add("-- fiveply.yml --\nclock: {now: 2026-05-25T23:59:59Z, speed: 60}\n").unwrap();
    let fiveply = binary(&folder);
    let first: DateTime<Utc> = "2026-05-25T23:59:59Z".parse().unwrap();
    let now = || {
        let said = fiveply.good(&["--output", "json", "debug"]).unwrap().stdout;
        let said: Value = serde_json::from_str(&said).unwrap();
        said["business clock"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap()
    };
    assert_eq!(now(), first);
    let up = fiveply.up(&["--no-schedule"]).unwrap();
    wait_until("a minute of business", || now() > first + TimeDelta::minutes(1));
    up.stop().unwrap();
    let book = Book::open(folder.path());
    let setting = format!("{first} x60");
    wait_until("the clock to stand", || !book.clock_runs(&setting));
    let (one, two) = (now(), now());
    assert!(one == two && one > first, "{one} and {two}");
}

#[test]
fn a_port_that_is_taken_and_doors_without_an_administrator_are_refused() {
    let folder = Folder::with(SHOP).unwrap();
    let fiveply = binary(&folder);
    let up = fiveply.up(&["--no-schedule"]).unwrap();
    let port = up.url().rsplit(':').next().unwrap();
    let refused = fiveply.run(&["up", "--port", port]).unwrap();
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("Another process listens there"), "{}", refused.stderr);
    let refused = fiveply.run(&["up", "--port", "0", "--host", "0.0.0.0"]).unwrap();
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("fiveply user add"), "{}", refused.stderr);
    fiveply.good(&["user", "add", "ana", "--role", "administer"]).unwrap();
    let open = fiveply.up(&["--host", "0.0.0.0", "--no-schedule"]).unwrap();
    assert_eq!(open.http().get("/api/v1/project").unwrap().status, 401);
    open.stop().unwrap();
    up.stop().unwrap();
}

/// Kills a server again and again at random moments, each time after new orders came. Returns how
/// often it was killed at work on a firing.
fn kill_again_and_again(folder: &Folder, book: &Book, kills: u32, seed: u64) -> u32 {
    let fiveply = binary(folder);
    let randomness = SeededRandomness::new(seed);
    let mut at_work = 0;
    for kill in 0..kills {
        let number = seed * 1_000 + u64::from(kill);
        let order = format!("{{\"order_id\":{number},\"country\":\"de\",\"amount\":1}}\n");
        folder.write(format!("data/orders/{number}.ndjson"), order.as_bytes()).unwrap();
        let up = fiveply.up(&[]).unwrap();
        std::thread::sleep(Duration::from_millis(100 + randomness.next_u64() % 1_400));
        up.kill().unwrap();
        let open = book.open_firings();
        at_work += u32::from(open.iter().any(|one| one.status == FiringStatus::Running));
    }
    at_work
}

#[test]
fn a_server_killed_at_any_moment_runs_no_step_twice_and_loses_none() {
    let crm = Server::start(|_| (200, json!({}), Vec::new()));
    let folder = Folder::with(SHOP).unwrap();
    folder.add(&sync_to(&crm)).unwrap();
    let fiveply = binary(&folder);
    fiveply.good(&["job", "run", "everything"]).unwrap();
    let book = Book::open(folder.path());
    for seed in if is_full() { 1..6 } else { 1..2 } {
        let before = book.scheduled().len();
        let at_work = kill_again_and_again(&folder, &book, 20, seed);
        let due_while_killed = book.scheduled().len();
        let up = fiveply.up(&[]).unwrap();
        wait_until("the schedule to go on", || {
            let scheduled = book.scheduled();
            let ended = scheduled.iter().filter(|one| one.status == FiringStatus::Succeeded);
            ended.count() > due_while_killed.max(before + 1)
        });
        up.stop().unwrap();
        drain(&fiveply, &book);
        let figures = book.every_due_step_ran_once();
        println!("20 random kills of up, seed {seed}: {at_work} met it at work; {figures}");
        assert!(at_work > 0, "seed {seed} met no work");
    }
    let germany = "select amount from main.by_country where name = 'Germany'";
    let germany = fiveply.value(germany).unwrap();
    let sent = what_the_crm_met(&crm.taken());
    println!("the CRM met {} states of rows in {} requests", sent.states, sent.requests);
    assert_eq!(sent.last["/countries/Germany"], json!({"amount": germany}));
    assert_eq!(sent.last["/countries/France"], json!({"amount": 32}));
}

/// The totals of each country, sent on by every firing of the job that takes everything.
fn sync_to(crm: &Server) -> String {
    format!(
        "-- syncs/countries.yml --\nowner: Sales\nfrom: ref('by_country')\nkey: name\n\
         fields: {{amount: amount}}\ndestination:\n  type: http\n  \
         connection: {{type: rest, url: \"{}\"}}\n  \
         request: {{method: PUT, path: \"/countries/{{key.name}}\"}}\n",
        crm.url()
    )
}

/// What a CRM was sent.
struct Met {
    requests: usize,
    /// Different contents of rows.
    states: usize,
    /// The last content of each row.
    last: BTreeMap<String, Value>,
}

/// A total only grows, so the same content of a row is the same delivery: it carries the same
/// idempotency key whenever it comes again, and no other content carries that key.
fn what_the_crm_met(asked: &[Asked]) -> Met {
    let mut key_of: BTreeMap<(&str, &str), String> = BTreeMap::new();
    let mut content_of: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    let mut last = BTreeMap::new();
    for one in asked {
        let (content, key) =
            ((one.path.as_str(), one.body.as_str()), one.header("idempotency-key"));
        assert!(!key.is_empty(), "{one:?}");
        let first = key_of.entry(content).or_insert_with(|| key.clone());
        assert_eq!(*first, key, "{content:?} came under two keys");
        let first = content_of.entry(key).or_insert(content);
        assert_eq!(*first, content, "two contents came under one key");
        last.insert(one.path.clone(), serde_json::from_str(&one.body).unwrap());
    }
    Met { requests: asked.len(), states: key_of.len(), last }
}

#[test]
fn two_servers_on_one_ledger_run_every_due_step_once() {
    let folder = Folder::with(SHOP).unwrap();
    let fiveply = binary(&folder);
    let book_of = || Book::open(folder.path());
    let first = fiveply.up(&[]).unwrap();
    let second = fiveply.up(&[]).unwrap();
    let (book, since) = (book_of(), Instant::now());
    let long = if is_full() { Duration::from_secs(120) } else { Duration::from_secs(12) };
    wait_until("enough firings", || since.elapsed() >= long && book.scheduled().len() >= 4);
    first.stop().unwrap();
    second.stop().unwrap();
    drain(&fiveply, &book);
    let figures = book.every_due_step_ran_once();
    println!("two servers for {} s: {figures}", long.as_secs());
}

/// Lets a server without a schedule carry out what is still due.
fn drain(fiveply: &Fiveply, book: &Book) {
    let up: Up = fiveply.up(&["--no-schedule"]).unwrap();
    wait_until("the end of what was due", || book.open_firings().is_empty());
    up.stop().unwrap();
}

/// What the ledger says, asked by a test.
pub(crate) struct Book {
    runtime: tokio::runtime::Runtime,
    ledger: Ledger,
    environment: EnvironmentName,
}

/// What was counted.
struct Figures {
    firings: usize,
    runs: usize,
    steps: usize,
    cut_off: usize,
    processes: usize,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { firings, runs, steps, cut_off, processes } = self;
        write!(
            f,
            "{firings} firings in {runs} runs by {processes} processes, {steps} steps succeeded \
             once each, {cut_off} attempts were cut off and repeated"
        )
    }
}

impl Book {
    pub(crate) fn open(folder: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let path = folder.join(".fiveply/ledger.db");
        let opened = Ledger::open(&path, Clocks::system(), Arc::new(SystemRandomness));
        let ledger = runtime.block_on(opened).unwrap();
        Self { runtime, ledger, environment: "prod".into() }
    }

    fn firings(&self) -> Vec<FiringRecord> {
        let asked = self.ledger.firings(&self.environment, None, 100_000);
        self.runtime.block_on(asked).unwrap()
    }

    pub(crate) fn open_firings(&self) -> Vec<FiringRecord> {
        self.runtime.block_on(self.ledger.open_firings(&self.environment)).unwrap()
    }

    fn scheduled(&self) -> Vec<FiringRecord> {
        let mut firings = self.firings();
        firings.retain(|firing| firing.cause == FiringCause::Schedule);
        firings
    }

    fn clock_runs(&self, setting: &str) -> bool {
        let clock = self.runtime.block_on(self.ledger.business_clock(setting)).unwrap();
        clock.is_some_and(|clock| clock.runs(self.ledger.clocks().machine.now()))
    }

    fn run_of(&self, firing: &Value) -> RunRecord {
        let run = firing["run"].as_str().unwrap().into();
        self.runtime.block_on(self.ledger.run(&run)).unwrap().unwrap()
    }

    /// Each time of each schedule came once, each ended well, and in all runs of a firing together
    /// each of its nodes succeeded exactly once.
    fn every_due_step_ran_once(&self) -> Figures {
        let firings = self.scheduled();
        for (job, cron) in [("everything", "*/5 * * * * *"), ("total", "2-59/5 * * * * *")] {
            let times: BTreeSet<DateTime<Utc>> =
                firings.iter().filter(|one| one.job == job).map(|one| one.logical_time).collect();
            let (first, last) = (times.first().unwrap(), times.last().unwrap());
            let calendar = Calendar::of(cron, "UTC").unwrap();
            let named = calendar.between(*first - TimeDelta::seconds(1), *last, usize::MAX);
            assert_eq!(times.into_iter().collect::<Vec<_>>(), named, "times of {job}");
        }
        let runs = self.runtime.block_on(self.ledger.runs(None, 100_000)).unwrap();
        let mut figures =
            Figures { firings: firings.len(), runs: 0, steps: 0, cut_off: 0, processes: 0 };
        let mut processes = BTreeSet::new();
        for firing in &firings {
            let place = format!("{} at {}", firing.job, firing.logical_time);
            assert_eq!(firing.status, FiringStatus::Succeeded, "{place}: {:?}", firing.message);
            let mut succeeded: BTreeMap<NodeId, usize> = BTreeMap::new();
            let mut wanted: BTreeSet<NodeId> = BTreeSet::new();
            let own = |run: &&RunRecord| {
                run.job.as_ref() == Some(&firing.job)
                    && run.logical_time == Some(firing.logical_time)
            };
            for run in runs.iter().filter(own) {
                figures.runs += 1;
                processes.insert(run.process.process);
                wanted.extend(
                    run.selection.iter().filter(|id| !id.as_str().starts_with("test.")).cloned(),
                );
                for node in &run.selection {
                    let asked = self.ledger.attempts(&run.id, node);
                    for attempt in self.runtime.block_on(asked).unwrap() {
                        match attempt.end.status {
                            StepStatus::Succeeded | StepStatus::Warned => {
                                *succeeded.entry(node.clone()).or_default() += 1;
                            }
                            _ => figures.cut_off += 1,
                        }
                    }
                }
            }
            succeeded.retain(|node, _| !node.as_str().starts_with("test."));
            let once: BTreeMap<NodeId, usize> = wanted.into_iter().map(|id| (id, 1)).collect();
            assert_eq!(succeeded, once, "{place}");
            figures.steps += succeeded.len();
        }
        figures.processes = processes.len();
        figures
    }
}
