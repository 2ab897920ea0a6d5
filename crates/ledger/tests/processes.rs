//! Several processes on one ledger: this test binary starts itself.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use base::clock::Clocks;
use base::fault::{KILL_VARIABLE, KillPoint};
use base::system::SystemRandomness;
use base::{CommitId, NodeId};
use ledger::{Claim, Commit, Ledger, LedgerError, NewAttempt, NewRun, RunStatus, StepStatus};

use crate::support::{connect, orders, position, prod, signups, swing, version};

const PART: &str = "LEDGER_TEST_PART";
const FILE: &str = "LEDGER_TEST_FILE";
const COMMITS_EACH: u64 = 25;
const PROCESSES: u64 = 4;

fn start(part: &str, path: &Path, kill_at: Option<KillPoint>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "processes::part_of_another_test", "--nocapture"])
        .env(PART, part)
        .env(FILE, path)
        .stdout(Stdio::null());
    if let Some(point) = kill_at {
        command.env(KILL_VARIABLE, point.name());
    }
    command.spawn().unwrap()
}

async fn open(path: &Path) -> Ledger {
    Ledger::open(path, Clocks::system(), Arc::new(SystemRandomness)).await.unwrap()
}

fn node() -> NodeId {
    "model.shop.orders".into()
}

/// What a started process does; nothing when the test command runs this itself.
#[tokio::test]
async fn part_of_another_test() {
    let (Ok(part), Some(path)) = (std::env::var(PART), std::env::var_os(FILE)) else { return };
    let ledger = open(&PathBuf::from(path)).await;
    match part.as_str() {
        "append" => append(&ledger).await,
        "step" => step(&ledger).await,
        other => panic!("{other}"),
    }
}

/// Adds one row per commit and starts again when another process was first.
async fn append(ledger: &Ledger) {
    let mut done = 0;
    while done < COMMITS_EACH {
        let pointer = ledger.pointer(&prod(), &orders()).await.unwrap();
        let location = pointer.map(|pointer| pointer.metadata_location);
        let rows = match &location {
            None => 0,
            Some(location) => {
                let version = ledger.table_version(&prod(), &orders(), location).await.unwrap();
                version.unwrap().account.after
            }
        };
        let new = ledger.randomness().token();
        let commit = Commit::new(ledger.new_commit_id(), prod());
        let commit = commit.swing(swing(&orders(), location.as_deref(), &new));
        let made = version(&commit, &new, rows, 1);
        match ledger.commit(&commit.version(made)).await {
            Ok(_) => done += 1,
            Err(LedgerError::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// One step of a run, from claim to release.
async fn step(ledger: &Ledger) {
    let run = NewRun {
        environment: prod(),
        command: "build".to_owned(),
        arguments: Vec::new(),
        selection: vec![node()],
    };
    let run = ledger.begin_run(&run).await.unwrap();
    let claim = ledger.claim(&prod(), &node(), Some(&run)).await.unwrap();
    let Claim::Granted(lease) = claim else { panic!("{claim:?}") };
    let new = NewAttempt { run: run.clone(), node: node(), environment: prod() };
    let attempt = ledger.begin_attempt(&new).await.unwrap();
    let commit = Commit::new(CommitId::new("the-commit"), prod())
        .attempt(&attempt)
        .lease(lease.clone())
        .swing(swing(&orders(), None, "o1"))
        .position(signups(), None, position(1))
        .end(attempt, ledger::AttemptEnd::succeeded(Some(1)));
    ledger.commit(&commit).await.unwrap();
    ledger.release(&lease).await.unwrap();
    ledger.finish_run(&run, RunStatus::Succeeded).await.unwrap();
}

#[tokio::test]
async fn processes_that_swing_one_pointer_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    // None of them finds a file: they also make it together.
    let started: Vec<Child> = (0..PROCESSES).map(|_| start("append", &path, None)).collect();
    for mut child in started {
        assert!(child.wait().unwrap().success());
    }
    let ledger = open(&path).await;
    let versions = ledger.table_versions(&prod(), &orders()).await.unwrap();
    assert_eq!(versions.len() as u64, PROCESSES * COMMITS_EACH);
    let rows: Vec<u64> = versions.iter().map(|version| version.account.after).collect();
    assert_eq!(rows, (1..=PROCESSES * COMMITS_EACH).collect::<Vec<_>>());
    assert_eq!(broken_links(&path).await, 0);
}

/// Swings that do not start where the one before ended.
async fn broken_links(path: &Path) -> i64 {
    let mut connection = connect(path).await;
    sqlx::query_scalar(concat!(
        "SELECT count(*) FROM (SELECT previous_metadata_location AS previous, ",
        "lag(metadata_location) OVER (ORDER BY sequence) AS before FROM swings) ",
        "WHERE previous IS NOT before"
    ))
    .fetch_one(&mut connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn processes_killed_between_others_leave_a_whole_chain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut started: Vec<Child> = (0..PROCESSES).map(|_| start("append", &path, None)).collect();
    let ledger = open(&path).await;
    let versions = || async { ledger.table_versions(&prod(), &orders()).await.unwrap() };
    for (killed, after) in [(0, 10), (1, 20)] {
        while versions().await.len() < after {
            assert!(started[3].try_wait().unwrap().is_none_or(|status| status.success()));
            tokio::task::yield_now().await;
        }
        started[killed].kill().unwrap();
    }
    let ends: Vec<bool> = started.iter_mut().map(|child| child.wait().unwrap().success()).collect();
    assert_eq!(ends[2..], [true, true]);
    let versions = versions().await;
    assert!(versions.len() as u64 >= 2 * COMMITS_EACH, "{}", versions.len());
    let rows: Vec<u64> = versions.iter().map(|version| version.account.after).collect();
    assert_eq!(rows, (1..=versions.len() as u64).collect::<Vec<_>>());
    assert_eq!(broken_links(&path).await, 0);
    assert_eq!(ledger.health().await.unwrap().problems, [""; 0]);
}

#[tokio::test]
async fn a_process_killed_at_any_step_leaves_all_or_nothing_and_no_lease() {
    use KillPoint::{LeaseClaimed, LeaseReleased, LedgerAfterCommit, LedgerBeforeCommit};
    for (point, happened) in [
        (LeaseClaimed, false),
        (LedgerBeforeCommit, false),
        (LedgerAfterCommit, true),
        (LeaseReleased, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let status = start("step", &path, Some(point)).wait().unwrap();
        assert!(!status.success(), "{point:?} was not passed");

        let ledger = open(&path).await;
        let committed = ledger.committed(&CommitId::new("the-commit")).await.unwrap();
        assert_eq!(committed.is_some(), happened, "{point:?}");
        let pointer = ledger.pointer(&prod(), &orders()).await.unwrap();
        assert_eq!(pointer.is_some(), happened, "{point:?}");
        let found = ledger.position(&prod(), &signups()).await.unwrap();
        assert_eq!(found.is_some(), happened, "{point:?}");

        let interrupted = ledger.interrupt_abandoned_runs().await.unwrap();
        assert_eq!(interrupted.len(), 1, "{point:?}");
        let steps = ledger.steps(&interrupted[0].id).await.unwrap();
        let expected = match point {
            LeaseClaimed => StepStatus::Pending,
            LedgerBeforeCommit => StepStatus::Interrupted,
            _ => StepStatus::Succeeded,
        };
        assert_eq!(steps[0].status, expected, "{point:?}");
        let retry = ledger.steps_to_retry(&interrupted[0].id).await.unwrap();
        assert_eq!(retry.is_empty(), happened, "{point:?}");

        // The dead holder is replaced at once, and the whole step can be done again.
        if !happened {
            step(&ledger).await;
        }
        let claim = ledger.claim(&prod(), &node(), None).await.unwrap();
        assert!(matches!(claim, Claim::Granted(_)), "{point:?}: {claim:?}");
    }
}
