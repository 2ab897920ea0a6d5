//! How a scheduler ends, and what another one finds.

use ledger::FiringStatus;
use project::jobs::{Concurrency, Job};

use crate::bench::{Bench, Deed, job};

#[tokio::test]
async fn what_runs_at_the_end_is_handed_back_and_another_one_goes_on_with_it() {
    let bench = Bench::with(vec![Job { concurrency: Concurrency::Queue, ..job("load") }]).await;
    bench.does("load", Deed::GoesOn);
    bench.business.advance(300);
    let first = bench.start();
    bench.until_last(FiringStatus::Running).await;
    first.halt().await;
    let handed_back = bench.last().await;
    assert_eq!((handed_back.status, handed_back.tries), (FiringStatus::Due, 0));
    assert_eq!(handed_back.takeovers, 0, "nobody died");
    let second = bench.start();
    bench.until("another one to begin", async || bench.begun().len() == 2).await;
    bench.hand.release.notify_one();
    bench.until_last(FiringStatus::Succeeded).await;
    assert_eq!(bench.begun(), ["load 12:05", "load 12:05"]);
    assert_eq!(bench.firings().await.len(), 1);
    second.halt().await;
}

#[tokio::test]
async fn nothing_begins_after_the_end_was_asked_for() {
    let bench = Bench::with(vec![job("load")]).await;
    let running = bench.start();
    running.halt().await;
    bench.business.advance(300);
    assert_eq!(bench.firings().await, Vec::<String>::new());
    let next = bench.start();
    bench.until_last(FiringStatus::Succeeded).await;
    next.halt().await;
    assert_eq!(bench.firings().await, ["12:05 succeeded"]);
}

#[tokio::test]
async fn two_schedulers_carry_each_time_out_once() {
    let bench = Bench::with(vec![Job { concurrency: Concurrency::Parallel, ..job("load") }]).await;
    let (one, other) = (bench.start(), bench.start());
    for _ in 0..12 {
        let before = bench.all().await.len();
        bench.business.advance(300);
        bench.until("the next time", async || bench.all().await.len() == before + 1).await;
    }
    bench.until_last(FiringStatus::Succeeded).await;
    one.halt().await;
    other.halt().await;
    let mut begun = bench.begun();
    begun.sort_unstable();
    begun.dedup();
    assert_eq!((begun.len(), bench.begun().len()), (12, 12));
}
