//! What a job does when it is late, still running, or fails.

use std::time::Duration;

use chrono::TimeDelta;
use ledger::FiringStatus;
use orchestration::CarriedEnd;
use project::jobs::{CatchUp, Concurrency, Job, Retries};

use crate::bench::{Bench, Deed, job};

fn with(concurrency: Concurrency, catch_up: CatchUp) -> Job {
    Job { concurrency, catch_up, ..job("load") }
}

/// Two times of a job whose first goes on until it is released.
async fn two_times(concurrency: Concurrency) -> (Bench, crate::bench::Running) {
    let bench = Bench::with(vec![with(concurrency, CatchUp::Latest)]).await;
    bench.does("load", Deed::GoesOn);
    bench.business.advance(300);
    let running = bench.start();
    bench.until_last(FiringStatus::Running).await;
    bench.business.advance(300);
    bench.until("the second time to be named", async || bench.all().await.len() == 2).await;
    (bench, running)
}

#[tokio::test]
async fn a_time_that_comes_while_the_job_still_runs_is_skipped_and_says_why() {
    let (bench, running) = two_times(Concurrency::Skip).await;
    bench.until_last(FiringStatus::Skipped).await;
    let message = bench.last().await.message.unwrap();
    assert_eq!(message, "the one before was still running");
    bench.hand.release.notify_one();
    bench
        .until("the first to end", async || {
            bench.firings().await == ["12:05 succeeded", "12:10 skipped"]
        })
        .await;
    assert_eq!(bench.begun(), ["load 12:05"]);
    running.halt().await;
}

#[tokio::test]
async fn a_queue_lets_the_next_one_wait_for_its_turn() {
    let (bench, running) = two_times(Concurrency::Queue).await;
    assert_eq!(bench.begun(), ["load 12:05"]);
    assert_eq!(bench.firings().await, ["12:05 running", "12:10 due"]);
    bench.hand.release.notify_one();
    bench.until("the second to begin", async || bench.begun().len() == 2).await;
    assert_eq!(bench.firings().await, ["12:05 succeeded", "12:10 running"]);
    bench.hand.release.notify_one();
    bench.until_last(FiringStatus::Succeeded).await;
    running.halt().await;
}

#[tokio::test]
async fn parallel_times_run_side_by_side() {
    let (bench, running) = two_times(Concurrency::Parallel).await;
    bench.until("both to run", async || bench.begun().len() == 2).await;
    assert_eq!(bench.firings().await, ["12:05 running", "12:10 running"]);
    bench.hand.release.notify_waiters();
    bench
        .until("both to end", async || {
            bench.firings().await == ["12:05 succeeded", "12:10 succeeded"]
        })
        .await;
    running.halt().await;
}

/// What becomes of the times of an hour in which nobody was there.
async fn after_an_hour(concurrency: Concurrency, catch_up: CatchUp) -> Vec<String> {
    let bench = Bench::with(vec![with(concurrency, catch_up)]).await;
    bench.business.advance(15 * 60);
    bench.business.advance(150);
    let running = bench.start();
    let over = |line: &String| !line.ends_with("due") && !line.ends_with("running");
    bench
        .until("every time to be over", async || {
            let firings = bench.firings().await;
            firings.len() == 3 && firings.iter().all(over)
        })
        .await;
    running.halt().await;
    bench.firings().await
}

#[tokio::test]
async fn times_at_which_nobody_was_there_are_caught_up_as_the_job_says() {
    for concurrency in [Concurrency::Skip, Concurrency::Queue, Concurrency::Parallel] {
        let latest = after_an_hour(concurrency, CatchUp::Latest).await;
        assert_eq!(latest, ["12:05 missed", "12:10 missed", "12:15 succeeded"]);
        let none = after_an_hour(concurrency, CatchUp::None).await;
        assert_eq!(none, ["12:05 missed", "12:10 missed", "12:15 missed"]);
        // All of them, also where one would not begin beside another.
        let all = after_an_hour(concurrency, CatchUp::All).await;
        assert_eq!(all, ["12:05 succeeded", "12:10 succeeded", "12:15 succeeded"]);
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again_after_pauses_that_double_and_then_given_up() {
    let retries = Retries { times: 2, back_off: Duration::from_secs(40) };
    let bench = Bench::with(vec![Job { retries, ..job("load") }]).await;
    bench.does("load", Deed::Ends(CarriedEnd::Failed { may_pass: true }));
    bench.business.advance(300);
    let running = bench.start();
    for (tries, pause) in [(1, 40), (2, 80)] {
        bench
            .until("another try to be planned", async || {
                let all = bench.all().await;
                let planned = all.last().filter(|one| one.status == FiringStatus::Waiting);
                planned.is_some_and(|last| last.tries == tries)
            })
            .await;
        let waiting = bench.last().await;
        let now = base::Clock::now(bench.machine.as_ref());
        assert_eq!(waiting.not_before, Some(now + TimeDelta::seconds(pause)));
        assert_eq!(bench.begun().len(), usize::try_from(tries).unwrap(), "not before its time");
        bench.machine.advance(pause);
    }
    bench.until_last(FiringStatus::Failed).await;
    let last = bench.last().await;
    assert_eq!((last.tries, last.message.as_deref()), (2, Some("it failed")));
    assert_eq!(bench.begun().len(), 3);
    running.halt().await;
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    let retries = Retries { times: 5, back_off: Duration::from_secs(1) };
    let bench = Bench::with(vec![Job { retries, ..job("load") }]).await;
    bench.does("load", Deed::Ends(CarriedEnd::Failed { may_pass: false }));
    bench.business.advance(300);
    let running = bench.start();
    bench.until_last(FiringStatus::Failed).await;
    assert_eq!(bench.begun().len(), 1);
    running.halt().await;
}

#[tokio::test]
async fn what_takes_longer_than_its_timeout_is_stopped_and_failed() {
    let timeout = Some(Duration::from_millis(200));
    let retries = Retries { times: 5, back_off: Duration::from_secs(1) };
    for deed in [Deed::GoesOn, Deed::FailsWhenStopped] {
        let bench = Bench::with(vec![Job { timeout, retries, ..job("load") }]).await;
        bench.does("load", deed);
        bench.business.advance(300);
        let running = bench.start();
        bench.until_last(FiringStatus::Failed).await;
        let message = bench.last().await.message.unwrap();
        assert!(message.starts_with("it took longer than its timeout"), "{deed:?}: {message}");
        running.halt().await;
    }
}
