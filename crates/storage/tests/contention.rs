//! Eight processes append to one table while another one keeps replacing it by what it holds: this
//! test binary starts itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{Int64Array, RecordBatch};
use ledger::{Commit, LedgerError};
use storage::{LakeTable, StageOptions, Staged, WriteMode, append_with_retry};

use crate::world::{World, batch, environment, name};

const WRITER: &str = "STORAGE_TEST_WRITER";
const FOLDER: &str = "STORAGE_TEST_FOLDER";
const WRITERS: i64 = 8;
const COMMITS: i64 = 25;
/// Rows of one commit: a commit that is there by half would show.
const ROWS: i64 = 3;
/// Time from one replace to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest pause of a writer between two commits.
const PAUSE_MS_MAX: u64 = 100;

fn start(writer: i64, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "contention::part_of_another_test", "--nocapture"])
        .env(WRITER, writer.to_string())
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a started process does; nothing when the test command runs this itself.
#[tokio::test]
async fn part_of_another_test() {
    let (Ok(writer), Some(folder)) = (std::env::var(WRITER), std::env::var_os(FOLDER)) else {
        return;
    };
    let world = World::in_folder(&PathBuf::from(folder)).await;
    let writer: i64 = writer.parse().unwrap();
    let mut conflicts = 0;
    for number in 0..COMMITS {
        conflicts += append(&world, writer, number).await;
        // Writers that never pause would leave no replace a gap to come through.
        tokio::time::sleep(Duration::from_millis(
            world.ledger.randomness().next_u64() % PAUSE_MS_MAX,
        ))
        .await;
    }
    println!("\nconflicts {conflicts}");
}

fn rows(writer: i64, number: i64) -> RecordBatch {
    let ids = (0..ROWS).map(|row| number * ROWS + row);
    batch(vec![
        ("writer", Arc::new(Int64Array::from_value(writer, ROWS as usize))),
        ("number", Arc::new(Int64Array::from_iter_values(ids))),
    ])
}

/// One commit; returns how often another process was first.
async fn append(world: &World, writer: i64, number: i64) -> u64 {
    let mut stage = world.stage(&name("t"), WriteMode::Append).await;
    stage.write(rows(writer, number)).await.unwrap();
    let staged = stage.finish().await.unwrap();
    let id = staged.version.commit_id.clone();
    let tries = AtomicU64::new(0);
    let commit = |staged: &Staged| {
        tries.fetch_add(1, Ordering::SeqCst);
        staged.into_commit(Commit::new(id.clone(), environment()))
    };
    append_with_retry(&world.lake, &world.ledger, staged, commit).await.unwrap();
    tries.into_inner() - 1
}

/// Replaces the table by its own rows; returns how often another process was first.
async fn replace(world: &World) -> Option<u64> {
    let mut conflicts = 0;
    loop {
        let base = world.table(&name("t")).await?;
        let held = base.rows(&world.lake).await.unwrap();
        let options = StageOptions::new(world.ledger.new_commit_id());
        let id = options.commit.clone();
        let mut stage = world.lake.stage(&environment(), &name("t"), Some(&base), options);
        stage.mode(WriteMode::ReplaceAll).unwrap();
        for batch in held {
            stage.write(batch).await.unwrap();
        }
        let staged = stage.finish().await.unwrap();
        let commit = staged.into_commit(Commit::new(id, environment()));
        match world.ledger.commit(&commit).await {
            Ok(_) => return Some(conflicts),
            Err(LedgerError::Conflict { .. }) => conflicts += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn pairs(world: &World, table: &LakeTable) -> Vec<(i64, i64)> {
    let mut pairs = Vec::new();
    for batch in table.rows(&world.lake).await.unwrap() {
        let column = |name: &str| {
            let column = batch.column_by_name(name).unwrap().as_any();
            column.downcast_ref::<Int64Array>().unwrap().clone()
        };
        let (writers, numbers) = (column("writer"), column("number"));
        pairs.extend(writers.values().iter().copied().zip(numbers.values().iter().copied()));
    }
    pairs
}

#[tokio::test]
async fn processes_that_append_while_another_replaces_lose_and_double_nothing() {
    let world = World::new().await;
    let mut started: Vec<Child> =
        (0..WRITERS).map(|writer| start(writer, world.folder())).collect();
    let begun = Instant::now();
    let mut going_on = || started.iter_mut().any(|child| child.try_wait().unwrap().is_none());
    let (mut replaces, mut replace_conflicts) = (0_u64, 0);
    while going_on() {
        let turn = Instant::now();
        if let Some(conflicts) = replace(&world).await {
            replaces += 1;
            replace_conflicts += conflicts;
        }
        while turn.elapsed() < PAUSE && going_on() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let seconds = begun.elapsed().as_secs();
    let mut conflicts = 0;
    for child in started {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "a writer failed: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let count = text.lines().find_map(|line| line.strip_prefix("conflicts "));
        conflicts += count.unwrap().parse::<u64>().unwrap();
    }
    let table = world.table(&name("t")).await.unwrap();
    let found = pairs(&world, &table).await;
    let distinct: BTreeSet<(i64, i64)> = found.iter().copied().collect();
    let expected: BTreeSet<(i64, i64)> = (0..WRITERS)
        .flat_map(|writer| (0..COMMITS * ROWS).map(move |number| (writer, number)))
        .collect();
    let lost = expected.difference(&distinct).count();
    let duplicated = found.len() - distinct.len();
    println!(
        "contention: {WRITERS} processes × {COMMITS} commits, {replaces} replaces in \
         {seconds} s: lost {lost}, duplicated {duplicated}; conflicts {conflicts} of appends, \
         {replace_conflicts} of replaces"
    );
    assert_eq!((lost, duplicated), (0, 0));
    assert_eq!(distinct, expected, "nothing came that nobody wrote");
    assert!(replaces > 0 && conflicts > 0, "the processes got into each other's way");
    let versions = world.ledger.table_versions(&environment(), &name("t")).await.unwrap();
    assert_eq!(versions.len() as u64, (WRITERS * COMMITS) as u64 + replaces);
    let mut before = 0;
    for version in &versions {
        assert!(version.account.holds(), "{:?}", version.account);
        assert_eq!(version.account.before, before, "each version starts from the one before");
        before = version.account.after;
    }
    assert_eq!(before, table.row_count());
}
