use std::time::Duration;

use base::{EnvironmentName, ErrorKind};
use compute::{Catalog, EngineOptions};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::by_hand::{engine, options, small, try_ask};

fn nothing() -> Catalog {
    Catalog::empty(EnvironmentName::new("prod"))
}

/// Queries that never end by themselves, each in a loop of another kind.
const RUNAWAYS: &[&str] = &[
    "select count(*) from generate_series(1, 3000000) a(x), generate_series(1, 3000000) b(y)",
    "select count(*) from generate_series(1, 3000000) a(x) \
     join generate_series(1, 3000000) b(y) on x + y < 0",
    "select count(*) from generate_series(1, 200000) a(x) \
     join generate_series(1, 200000) b(y) on x % 1 = y % 1 and x + y < 0",
    "select sum(x) from generate_series(1, 9000000000000) a(x)",
    "with recursive t as (select 1 as x union all select x from t) select count(*) from t",
    "select count(*) from generate_series(1, 400000) a(x) where not exists \
     (select 1 from generate_series(1, 400000) b(y) where a.x % 1 = b.y % 1)",
    "select count(*) from generate_series(1, 400000) a(x) where exists \
     (select 1 from generate_series(1, 400000) b(y) where a.x % 2 = b.y % 2)",
    "select count(*) from (select unnest(range(1, 1000 + x % 2)) \
     from generate_series(1, 100000000) a(x))",
];

#[tokio::test]
async fn the_time_limit_ends_runaway_joins() {
    let limit = Duration::from_millis(400);
    let engine = engine(EngineOptions { time_limit: Some(limit), ..small() });
    for sql in RUNAWAYS {
        let started = tokio::time::Instant::now();
        let error = try_ask(&engine.session(nothing(), options()), sql).await.unwrap_err();
        let took = started.elapsed();
        assert_eq!(error.kind(), ErrorKind::Limit, "{sql}: {error:?}");
        assert!(error.message.contains("0.4 s"), "{error:?}");
        assert!(took < Duration::from_secs(2), "{sql} took {took:?}");
    }
    // The threads are free again: a small query gets its turn at once.
    let answer = try_ask(&engine.session(nothing(), options()), "select 1").await;
    assert_eq!(answer.as_deref(), Ok("1"));
}

#[tokio::test]
async fn cancelling_ends_a_runaway_join_and_frees_its_threads() {
    let engine = engine(EngineOptions { threads: 1, ..small() });
    let session = engine.session(nothing(), options());
    for sql in RUNAWAYS {
        let cancel = CancellationToken::new();
        let prepared = session.prepare(sql).await.unwrap();
        let mut rows = session.stream(&prepared, cancel.clone()).await.unwrap();
        let canceller = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            cancel.cancel();
        };
        let (row, ()) = tokio::join!(rows.next(), canceller);
        assert_eq!(row.unwrap().unwrap_err().kind(), ErrorKind::Cancelled, "{sql}");
        assert!(rows.next().await.is_none());
        // One thread: another query is answered only when the first has really stopped.
        let answer = tokio::time::timeout(Duration::from_secs(2), try_ask(&session, "select 2"));
        assert_eq!(answer.await.expect(sql).as_deref(), Ok("2"));
    }
}

#[tokio::test]
async fn dropping_the_rows_ends_the_query() {
    let engine = engine(EngineOptions { threads: 1, ..small() });
    let session = engine.session(nothing(), options());
    let prepared = session.prepare(RUNAWAYS[1]).await.unwrap();
    let rows = session.stream(&prepared, CancellationToken::new()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(rows);
    let answer = tokio::time::timeout(Duration::from_secs(2), try_ask(&session, "select 3"));
    assert_eq!(answer.await.unwrap().as_deref(), Ok("3"));
}

#[tokio::test]
async fn a_sort_larger_than_memory_spills_and_gives_every_row() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(EngineOptions {
        memory_bytes: 20 * 1024 * 1024,
        spill_folder: Some(folder.path().join("spill")),
        ..small()
    });
    let session = engine.session(nothing(), options());
    let sql = "select count(*), sum(rank) from (select row_number() over (order by word) as rank \
               from (select md5(x::varchar) || md5((x + 1)::varchar) as word \
                     from generate_series(1, 250000) a(x)))";
    let plan = try_ask(&session, &format!("explain analyze {sql}")).await.unwrap();
    let spilled = |part: &str| part.starts_with(|digit: char| ('1'..='9').contains(&digit));
    assert!(plan.split("spill_count=").skip(1).any(spilled), "nothing was spilled: {plan}");
    let answer = try_ask(&session, sql).await.unwrap();
    assert_eq!(answer, format!("250000|{}", 250_000_u64 * 250_001 / 2));
}

#[tokio::test]
async fn a_query_that_cannot_spill_names_the_limit_and_how_to_raise_it() {
    let engine = engine(EngineOptions { memory_bytes: 2 * 1024 * 1024, ..small() });
    let session = engine.session(nothing(), options());
    let sql = "select count(*) from generate_series(1, 2000000) a(x) \
               join generate_series(1, 2000000) b(y) on x = y";
    let error = try_ask(&session, sql).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error:?}");
    assert!(error.message.contains("memory limit of 2 MiB"), "{error:?}");
    assert!(error.help.unwrap().contains("Raise"));
}

#[tokio::test]
async fn deep_expressions_are_refused_and_long_ones_planned() {
    let session = engine(small()).session(nothing(), options());
    let chain = |length: usize| format!("select {}", vec!["1"; length].join(" + "));
    let error = try_ask(&session, &chain(100_000)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{}", error.message);
    assert_eq!(try_ask(&session, &chain(1_000)).await.as_deref(), Ok("1000"));
    let nested = format!("select {}1{}", "(".repeat(50_000), ")".repeat(50_000));
    assert_eq!(try_ask(&session, &nested).await.unwrap_err().kind(), ErrorKind::Limit);
    let cases =
        format!("select {}1{}", "case when true then 1 else ".repeat(9_000), " end".repeat(9_000));
    assert_eq!(try_ask(&session, &cases).await.unwrap_err().kind(), ErrorKind::Limit);
}
