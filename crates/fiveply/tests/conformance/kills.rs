//! Ends a build of the conformance project at its commit steps, then retries: what is there equals
//! an undisturbed build, whatever kind of node was cut off.

use std::collections::BTreeMap;

use base::fault::KillPoint;
use testkit::{Depth, Fiveply, Folder, state};

use super::{copy, here};

/// What hooks and operations write down at each of their runs: a retry is one more.
const LOGS: &[&str] = &["main.run_log", "main.hook_log"];

/// One thread, so that a hit is always the same node.
const BUILD: &[&str] = &["build", "--no-audit", "--threads", "1"];

/// Point and hit, spread over the kinds of nodes: the first, and some that later ones pass.
const SAMPLE: &[(KillPoint, &[u32])] = &[
    (KillPoint::LeaseClaimed, &[1, 16]),
    (KillPoint::DataFilesWritten, &[9]),
    (KillPoint::ManifestsWritten, &[4]),
    (KillPoint::MetadataWritten, &[2, 20]),
    (KillPoint::LedgerBeforeCommit, &[7, 30]),
    (KillPoint::LedgerAfterCommit, &[3, 13, 24]),
    (KillPoint::LeaseReleased, &[11]),
];

fn is_full() -> bool {
    std::env::var_os("FIVEPLY_FULL").is_some()
}

/// Points and hits to try: all of them in a full run.
fn grid() -> Vec<(KillPoint, Vec<u32>)> {
    if is_full() {
        return KillPoint::ALL.iter().map(|point| (*point, (1..200).collect())).collect();
    }
    SAMPLE.iter().map(|(point, hits)| (*point, hits.to_vec())).collect()
}

/// Tables with their rows, without what tells how often something ran.
fn settled(folder: &Folder) -> String {
    let text = state(folder.path(), "dev", Depth::Rows).unwrap();
    let mut kept = String::new();
    let mut skipping = false;
    for line in text.lines() {
        if !line.starts_with("  ") {
            skipping = LOGS.iter().any(|name| line.contains(name));
        }
        if !skipping {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The nodes of a build in the order in which they ended.
fn nodes(stderr: &str) -> Vec<String> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (number, _status, node) = (words.next()?, words.next()?, words.next()?);
        let (at, all) = number.split_once('/')?;
        (at.parse::<u32>().is_ok() && all.parse::<u32>().is_ok()).then(|| node.to_owned())
    };
    stderr.lines().filter_map(line).collect()
}

/// What became of the trials of one build.
#[derive(Default)]
struct Tried {
    tried: u32,
    points: BTreeMap<&'static str, u32>,
    met: BTreeMap<String, u32>,
    wrong: Vec<String>,
}

fn disturb(folder: &Folder, fiveply: &Fiveply, tried: &mut Tried) {
    let before = folder.copy().unwrap();
    let undisturbed = fiveply.run(BUILD).unwrap();
    let (expected, order) = (settled(folder), nodes(&undisturbed.stderr));
    let after = folder.copy().unwrap();
    for (point, hits) in grid() {
        for hit in hits {
            folder.become_like(&before).unwrap();
            let ended = fiveply.ended_at(point, hit, BUILD).unwrap();
            if ended.code.is_some() {
                break;
            }
            let done = nodes(&ended.stderr).len();
            let node = order.get(done).map_or("the end of the run", String::as_str);
            tried.tried += 1;
            *tried.points.entry(point.name()).or_default() += 1;
            *tried.met.entry(node.to_owned()).or_default() += 1;
            let again = fiveply.run(&["retry"]).unwrap();
            let found = settled(folder);
            if found != expected || again.code != undisturbed.code {
                let difference = first_difference(&expected, &found);
                let code = again.code;
                let place = format!("{}:{hit} in {node}", point.name());
                tried.wrong.push(format!("{place}: exit code {code:?}, {difference}"));
            }
        }
    }
    folder.become_like(&after).unwrap();
}

fn first_difference(expected: &str, found: &str) -> String {
    let mut pairs = expected.lines().zip(found.lines().chain(std::iter::repeat("(the end)")));
    let different = pairs.find(|(one, other)| one != other);
    different.map_or_else(
        || "nothing else differs".to_owned(),
        |(one, other)| format!("expected {one}, found {other}"),
    )
}

#[test]
fn builds_of_the_conformance_project_killed_anywhere_end_like_undisturbed_ones_slow() {
    let folder = Folder::empty().unwrap();
    copy(&here().join("project"), folder.path());
    // Snapshots write down when they ran.
    folder.add("-- fiveply.yml --\nclock: \"2026-05-25T12:00:00Z\"\n").unwrap();
    let fiveply = Fiveply::new(env!("CARGO_BIN_EXE_fiveply"), folder.path());
    let mut tried = Tried::default();
    disturb(&folder, &fiveply, &mut tried);
    copy(&here().join("changes/2"), folder.path());
    disturb(&folder, &fiveply, &mut tried);
    let Tried { tried, points, met, wrong } = tried;
    let passed = tried as usize - wrong.len();
    println!("kill points, two builds of the conformance project: {tried} tried, {passed} passed");
    println!("points {points:?}; cut off: {met:?}");
    assert!(tried >= 12, "only {tried} tried");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
