//! What people do by hand: wrong SQL, wrong names, wrong folders, two commands at once, Ctrl-C.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use testkit::{Fiveply, Folder};

use super::{PROJECT, assert_no_panic, document, fiveply, project, settled};

/// A cross join that a debug build works on for minutes.
const ENDLESS: &str = "with t as (select * from (values (1),(2),(3),(4),(5),(6),(7),(8),(9),(10)) \
    v(x)) select count(*) as n from t a, t b, t c, t d, t e, t f, t g, t h, t i, t j \
    where a.x * b.x * c.x * d.x * e.x * f.x * g.x * h.x * i.x * j.x <> 17";

/// What a user sees of a command that is refused.
fn refused(fiveply: &Fiveply, folder: &Path, arguments: &[&str]) -> String {
    let finished = fiveply.run(arguments).unwrap();
    assert_no_panic(&finished);
    assert_ne!(finished.code, Some(0), "{arguments:?}: {finished:#?}");
    let stderr = settled(&finished.stderr, folder);
    format!("$ fiveply {}\n{stderr}\nexit code {}\n\n", arguments.join(" "), finished.code.unwrap())
}

/// A command that keeps running.
fn start(folder: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_fiveply"))
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn send(child: &Child, signal: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
}

#[test]
fn wrong_queries_are_drawn_in_their_own_text() {
    let (folder, fiveply) = project("");
    fiveply.good(&["build"]).unwrap();
    let mut seen = String::new();
    for sql in [
        "selec 1",
        "",
        "select * from god",
        "select * from main.god",
        "select idd from good",
        "select flor(id) from good",
        "select * from good where id = 'x'",
        "select count(*) from good group by",
        "select sum(id) over (partition by) from good",
        "select 'never closed",
        "drop table good",
        "select 1; select 2",
        "select * from read_csv('/etc/passwd')",
        "copy good to '/tmp/x'",
    ] {
        seen.push_str(&refused(&fiveply, folder.path(), &["query", sql]));
    }
    assert_snapshot!(seen);
}

#[test]
fn queries_nested_without_end_reach_a_named_limit() {
    let (_folder, fiveply) = project("");
    let deep = |open: &str, middle: &str, close: &str, times: usize| {
        format!("select {}{middle}{}", open.repeat(times), close.repeat(times))
    };
    for sql in [
        deep("(", "1", ")", 10_000),
        deep("not ", "true", "", 10_000),
        deep("1+", "1", "", 10_000),
        deep("case when true then ", "1", " end", 5_000),
        deep("abs(", "1", ")", 10_000),
        deep("[", "1", "]", 10_000),
        deep("* from (select ", "1", ")", 5_000),
        deep("(", "1", "", 10_000),
    ] {
        let finished = fiveply.run(&["query", &sql]).unwrap();
        assert_no_panic(&finished);
        let start: String = sql.chars().take(40).collect();
        assert!(matches!(finished.code, Some(1 | 2)), "{start}: {:?}", finished.code);
        assert!(finished.stderr.len() < 100_000, "{start}: {} bytes", finished.stderr.len());
        assert!(finished.stderr.contains("error[E0701]"), "{start}: {}", finished.stderr);
    }
}

#[test]
fn a_cross_join_ends_at_its_time_limit() {
    let (_folder, fiveply) = project("");
    let started = Instant::now();
    let finished = fiveply.run(&["query", "--timeout", "1", ENDLESS]).unwrap();
    assert_no_panic(&finished);
    assert_eq!(finished.code, Some(1));
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert!(finished.stderr.contains("time limit of 1 s"), "{}", finished.stderr);
}

#[test]
fn a_reader_that_leaves_early_ends_the_query() {
    let (folder, _fiveply) = project("");
    let rows = "with t as (select * from (values (1),(2),(3),(4),(5),(6),(7),(8),(9),(10)) v(x)) \
        select a.x, b.x as y from t a, t b, t c, t d, t e, t f, t g, t h, t i, t j";
    for format in ["csv", "json"] {
        let started = Instant::now();
        let mut child = start(folder.path(), &["query", "--format", format, rows]);
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        assert!(!first.is_empty());
        drop(lines);
        let mut complaints = String::new();
        child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{complaints}");
        assert_eq!(complaints, "");
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    }
}

#[test]
fn wrong_arguments_say_what_is_right() {
    let (folder, fiveply) = project("");
    let mut seen = String::new();
    for arguments in [
        &["build", "--select", "foo:bar"] as &[&str],
        &["ls", "--select", "tag:"],
        &["ls", "--resource-type", "modl"],
        &["load", "app"],
        &["retry"],
        &["build", "--vars", "{a"],
        &["build", "--vars", "3"],
        &["build", "--environment", "a\"b"],
        &["ls", "--environment", "../x"],
        &["build", "--bogus"],
        &["bild"],
    ] {
        seen.push_str(&refused(&fiveply, folder.path(), arguments));
    }
    assert_snapshot!(seen);
}

#[test]
fn a_selector_that_fits_nothing_is_a_warning_as_in_dbt() {
    let (_folder, fiveply) = project("");
    let finished = fiveply.good(&["build", "--select", "godo"]).unwrap();
    assert!(finished.stderr.contains("selector \"godo\" fits no node"), "{finished:#?}");
    assert!(finished.stderr.contains("Did you mean \"good\"?"), "{finished:#?}");
    assert!(finished.stderr.contains("nothing to do"), "{finished:#?}");
}

#[test]
fn errors_for_scripts_are_one_json_document() {
    let (_folder, fiveply) = project("-- models/bad.sql --\nselect idd from {{ ref('fine') }}\n");
    let outside = Folder::empty().unwrap();
    for (place, arguments) in [
        (&fiveply, &["query", "selec 1"] as &[&str]),
        (&fiveply, &["build"]),
        (&fiveply, &["build", "--bogus"]),
        (&fiveply, &["bild"]),
        (&fiveply, &["load", "nope"]),
        (&super::fiveply(outside.path()), &["build"]),
        (&super::fiveply(outside.path()), &["parse"]),
        (&super::fiveply(outside.path()), &["query", "select 1"]),
    ] {
        let arguments = [arguments, &["--output", "json"]].concat();
        let finished = place.run(&arguments).unwrap();
        assert_ne!(finished.code, Some(0), "{arguments:?}");
        let document = document(&finished);
        assert_ne!(document["status"], "ok", "{arguments:?}");
        assert!(document["status"].is_string(), "{arguments:?}: {document}");
    }
}

#[test]
fn outside_a_project_every_command_says_where_to_go() {
    let folder = Folder::empty().unwrap();
    let fiveply = fiveply(folder.path());
    for command in ["load", "seed", "run", "test", "build", "compile", "ls", "parse", "retry"] {
        let seen = refused(&fiveply, folder.path(), &[command]);
        assert!(seen.contains("no dbt_project.yml in \"<folder>\""), "{seen}");
        assert!(seen.contains("exit code 2") && seen.contains("help: "), "{seen}");
    }
}

#[test]
fn a_file_in_place_of_the_warehouse_or_the_ledger_is_named() {
    let mut seen = String::new();
    for (blocked, content) in [
        (".fiveply", "x".to_owned()),
        (".fiveply/warehouse", "x".to_owned()),
        (".fiveply/ledger.db", "this is no ledger ".repeat(1_000)),
    ] {
        let folder = Folder::with(&format!("{PROJECT}-- models/a.sql --\nselect 1 as id\n"));
        let folder = folder.unwrap();
        folder.write(blocked, content.as_bytes()).unwrap();
        let fiveply = fiveply(folder.path());
        let text = refused(&fiveply, folder.path(), &["build"]);
        assert!(text.contains("<folder>/.fiveply"), "{blocked}: {text}");
        assert!(text.contains("help: "), "{blocked}: {text}");
        // What lies there may be somebody's only copy.
        assert_eq!(std::fs::read(folder.path().join(blocked)).unwrap(), content.as_bytes());
        seen.push_str(&text);
    }
    assert!(seen.contains("damaged or is not a ledger"), "{seen}");
}

#[test]
fn a_damaged_ledger_is_told_and_left_as_it_is() {
    let (folder, fiveply) = project("");
    fiveply.good(&["build"]).unwrap();
    let path = folder.path().join(".fiveply/ledger.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[4_096..end - 4_096].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    for beside in ["ledger.db-wal", "ledger.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(".fiveply").join(beside));
    }
    for arguments in [&["build"] as &[&str], &["query", "select * from good"], &["retry"]] {
        let seen = refused(&fiveply, folder.path(), arguments);
        assert!(seen.contains("damaged"), "{seen}");
        assert!(seen.contains("help: Restore"), "{seen}");
    }
}

/// A project whose model `slow` works until somebody ends it.
fn slow_project() -> (Folder, Fiveply) {
    let slow = format!("{{{{ config(materialized='table') }}}} {ENDLESS}\n");
    let after = "select * from {{ ref('slow') }}\n";
    project(&format!("-- models/slow.sql --\n{slow}-- models/after.sql --\n{after}"))
}

/// Waits until a build is under way.
fn wait_until_running(fiveply: &Fiveply) {
    let patience = Instant::now();
    loop {
        let finished = fiveply.run(&["debug"]).unwrap();
        if finished.stdout.contains("running") {
            break;
        }
        assert!(patience.elapsed() < Duration::from_secs(30), "it never began: {finished:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    // The run is on record before its first step works.
    std::thread::sleep(Duration::from_secs(1));
}

#[test]
fn of_two_builds_at_once_one_is_told_who_holds_the_node() {
    let (folder, fiveply) = slow_project();
    let mut first = start(folder.path(), &["build", "--select", "slow"]);
    wait_until_running(&fiveply);
    let second = fiveply.run(&["build", "--output", "json"]).unwrap();
    let told = document(&second);
    assert_eq!(second.code, Some(1), "{told}");
    let nodes = told["nodes"].as_array().unwrap();
    let slow = nodes.iter().find(|node| node["node"] == "model.shop.slow").unwrap();
    let message = slow["message"].as_str().unwrap();
    let holder = format!("is being built by process {}", first.id());
    assert!(message.contains(&holder), "{message}");
    let good = nodes.iter().find(|node| node["node"] == "model.shop.good").unwrap();
    assert_eq!(good["status"], "succeeded", "{told}");

    send(&first, "-KILL");
    first.wait().unwrap();
}

#[test]
fn a_signal_ends_a_build_and_retry_goes_on() {
    for signal in ["-INT", "-TERM"] {
        let (folder, fiveply) = slow_project();
        let mut build = start(folder.path(), &["build", "--threads", "2"]);
        wait_until_running(&fiveply);
        let sent = Instant::now();
        send(&build, signal);
        let status = build.wait().unwrap();
        let mut said = String::new();
        build.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(sent.elapsed() < Duration::from_secs(5), "{signal}: {:?}", sent.elapsed());
        assert_eq!(status.code(), Some(1), "{signal}: {said}");
        assert!(said.contains("nothing half-done is published"), "{signal}: {said}");
        assert!(said.contains("cancelled  model.shop.slow"), "{signal}: {said}");

        let quick = "{{ config(materialized='table') }} select 1 as n";
        folder.write("models/slow.sql", quick.as_bytes()).unwrap();
        fiveply.good(&["retry"]).unwrap();
        assert_eq!(fiveply.value("select n from after").unwrap(), 1, "{signal}");
        assert_eq!(fiveply.value("select count(*) from good").unwrap(), 1, "{signal}");
    }
}
