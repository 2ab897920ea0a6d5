use base::{ErrorKind, NodeId, RunId};
use ledger::{AttemptEnd, LedgerError, NewAttempt, NewRun, RunStatus, StepStatus};

use crate::support::{House, empty_commit, orders, prod, swing};

fn node(name: &str) -> NodeId {
    NodeId::new(format!("model.shop.{name}"))
}

async fn begun(house: &House, names: &[&str]) -> RunId {
    let run = NewRun {
        environment: prod(),
        command: "build".to_owned(),
        arguments: vec!["--select".to_owned(), "orders+".to_owned()],
        selection: names.iter().map(|name| node(name)).collect(),
    };
    house.ledger.begin_run(&run).await.unwrap()
}

fn step(run: &RunId, name: &str) -> NewAttempt {
    NewAttempt { run: run.clone(), node: node(name), environment: prod() }
}

#[tokio::test]
async fn a_run_remembers_its_steps_in_both_times() {
    let house = House::new().await;
    let ledger = &house.ledger;
    let run = begun(&house, &["b", "a", "c"]).await;
    let attempt = ledger.begin_attempt(&step(&run, "b")).await.unwrap();
    assert_eq!(attempt.number, 1);
    house.machine.advance(2);
    let end = AttemptEnd::failed(ErrorKind::Data, "test \"unique\" found 2 rows");
    ledger.finish_attempt(&attempt, &end).await.unwrap();
    let again = ledger.begin_attempt(&step(&run, "b")).await.unwrap();
    assert_eq!(again.number, 2);
    ledger.finish_attempt(&again, &AttemptEnd::succeeded(Some(10))).await.unwrap();
    // An answer of the first attempt that comes late says nothing about the step.
    ledger.finish_attempt(&attempt, &end).await.unwrap();
    let failing = ledger.begin_attempt(&step(&run, "a")).await.unwrap();
    ledger.finish_attempt(&failing, &end).await.unwrap();
    ledger.skip_step(&step(&run, "c"), StepStatus::Skipped, "\"a\" failed").await.unwrap();
    house.business.advance(60);
    ledger.finish_run(&run, RunStatus::Failed).await.unwrap();

    let steps = ledger.steps(&run).await.unwrap();
    let told: Vec<_> =
        steps.iter().map(|step| (step.node.as_str(), step.status, step.attempts)).collect();
    assert_eq!(
        told,
        [
            ("model.shop.b", StepStatus::Succeeded, 2),
            ("model.shop.a", StepStatus::Failed, 1),
            ("model.shop.c", StepStatus::Skipped, 0),
        ]
    );
    assert_eq!(steps[0].rows, Some(10));
    assert_eq!(steps[1].error_kind, Some(ErrorKind::Data));
    assert_eq!(steps[0].machine_started.unwrap().to_rfc3339(), "2026-11-22T12:00:00+00:00");
    assert_eq!(steps[0].machine_finished.unwrap().to_rfc3339(), "2026-11-22T12:00:02+00:00");
    assert_eq!(ledger.steps_to_retry(&run).await.unwrap(), [node("a"), node("c")]);
    let attempts = ledger.attempts(&run, &node("b")).await.unwrap();
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0].end, end);
    assert_eq!(&attempts[0].process, ledger.process());

    let record = ledger.latest_run(Some(&prod())).await.unwrap().unwrap();
    assert_eq!((record.id, record.status), (run, RunStatus::Failed));
    assert_eq!(record.arguments, ["--select", "orders+"]);
    assert_eq!(record.business_finished.unwrap().to_rfc3339(), "2026-05-25T08:31:00+00:00");
}

#[tokio::test]
async fn an_attempt_that_ends_in_a_commit_ends_with_it_or_not_at_all() {
    let house = House::new().await;
    let ledger = &house.ledger;
    let run = begun(&house, &["a"]).await;
    let attempt = ledger.begin_attempt(&step(&run, "a")).await.unwrap();
    let commit = |expected| {
        empty_commit(ledger)
            .attempt(&attempt)
            .swing(swing(&orders(), expected, "o1"))
            .end(attempt.clone(), AttemptEnd::succeeded(Some(1)))
    };
    ledger.commit(&commit(Some("stale"))).await.unwrap_err();
    assert_eq!(ledger.steps(&run).await.unwrap()[0].status, StepStatus::Running);
    ledger.commit(&commit(None)).await.unwrap();
    assert_eq!(ledger.steps(&run).await.unwrap()[0].status, StepStatus::Succeeded);
}

#[tokio::test]
async fn a_run_whose_process_is_gone_is_marked_and_the_living_are_left_alone() {
    let house = House::new().await;
    let ledger = &house.ledger;
    let gone = begun(&house, &["a", "b"]).await;
    ledger.begin_attempt(&step(&gone, "a")).await.unwrap();
    house.meddle("UPDATE runs SET process_started = '1'").await;
    let living = begun(&house, &["a"]).await;
    let interrupted = ledger.interrupt_abandoned_runs().await.unwrap();
    let ids: Vec<_> = interrupted.iter().map(|run| (&run.id, run.status)).collect();
    assert_eq!(ids, [(&gone, RunStatus::Interrupted)]);
    assert_eq!(ledger.run(&living).await.unwrap().unwrap().status, RunStatus::Running);
    assert_eq!(ledger.steps_to_retry(&gone).await.unwrap(), [node("a"), node("b")]);
    let attempts = ledger.attempts(&gone, &node("a")).await.unwrap();
    assert_eq!(attempts[0].end.status, StepStatus::Interrupted);
    assert_eq!(ledger.interrupt_abandoned_runs().await.unwrap(), []);
}

#[tokio::test]
async fn a_run_elsewhere_counts_as_gone_only_after_a_long_silence() {
    let house = House::new().await;
    let ledger = &house.ledger;
    let run = begun(&house, &["a"]).await;
    let elsewhere = "UPDATE runs SET machine = 'elsewhere/boot'";
    house.meddle(elsewhere).await;
    house.machine.advance(290);
    assert_eq!(ledger.interrupt_abandoned_runs().await.unwrap(), []);
    ledger.claim(&prod(), &node("a"), Some(&run)).await.unwrap();
    house.machine.advance(320);
    assert_eq!(ledger.interrupt_abandoned_runs().await.unwrap(), []);
    house.machine.advance(20);
    assert_eq!(ledger.interrupt_abandoned_runs().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_never_begun_is_named() {
    let house = House::new().await;
    let unknown = RunId::new("r-0");
    let missing = house.ledger.begin_attempt(&step(&unknown, "a")).await.unwrap_err();
    assert_eq!(missing.to_string(), "run \"r-0\" is not in the ledger");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let missing = house.ledger.finish_run(&unknown, RunStatus::Failed).await.unwrap_err();
    assert!(matches!(missing, LedgerError::RunNotFound { .. }));
    let attempt = ledger::Attempt { run: unknown, node: node("a"), number: 3 };
    let end = AttemptEnd::succeeded(None);
    let missing = house.ledger.finish_attempt(&attempt, &end).await.unwrap_err();
    assert!(missing.to_string().starts_with("attempt 3 of node"), "{missing}");
}
