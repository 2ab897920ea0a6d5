use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use base::{InputVersion, LoadAccount, TableAccount, TableName};
use ledger::{
    AccountFilter, AttemptEnd, Commit, LedgerError, NewAttempt, NewRun, PointerKind, SchemaChange,
    SchemaChangeKind, StepStatus, Swing, TableVersion, TestRecord, TestStatus, Tested,
};

use crate::support::{
    House, customers, empty_commit, orders, position, prod, signups, swing, version,
};

#[tokio::test]
async fn a_commit_moves_pointers_position_and_account_together() {
    let house = House::new().await;
    let load = LoadAccount { read: 5, inserted: 4, rejected: 1, ..LoadAccount::default() };
    let commit = empty_commit(&house.ledger)
        .swing(swing(&orders(), None, "o1"))
        .swing(swing(&orders().rejects(), None, "r1"))
        .position(signups(), None, position(5))
        .schema_changes([SchemaChange {
            table: orders(),
            kind: SchemaChangeKind::ColumnAdded,
            column: "amount".to_owned(),
            from: None,
            to: Some("decimal(38, 2)".to_owned()),
        }]);
    let loaded = TableVersion {
        load: Some(load),
        snapshot_id: Some(11),
        node: Some("stream.app.signups".into()),
        ..version(&commit, "o1", 0, 4)
    };
    let rejected = version(&commit, "r1", 0, 1);
    let commit = commit.version(loaded.clone()).version(rejected);
    let committed = house.ledger.commit(&commit).await.unwrap();
    assert!(!committed.repeated);

    let pointers = house.ledger.pointers(&prod()).await.unwrap();
    let names: Vec<_> =
        pointers.iter().map(|p| (p.table.to_string(), p.metadata_location.as_str())).collect();
    assert_eq!(
        names,
        [("main.orders".to_owned(), "o1"), ("main.orders__rejects".to_owned(), "r1")]
    );
    let found = house.ledger.position(&prod(), &signups()).await.unwrap();
    assert_eq!(found, Some(position(5)));
    let versions = house.ledger.table_versions(&prod(), &orders()).await.unwrap();
    assert_eq!(versions, [loaded]);
    let filter = AccountFilter { table: Some(orders()), ..AccountFilter::default() };
    let accounts = house.ledger.accounts(&filter).await.unwrap();
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].load, Some(load));
    let changes = house.ledger.schema_changes(&prod(), &orders()).await.unwrap();
    assert_eq!(changes[0].change.to.as_deref(), Some("decimal(38, 2)"));
    assert_eq!(changes[0].node, Some("stream.app.signups".into()));
    assert_eq!(house.ledger.environments().await.unwrap(), [prod()]);
}

#[tokio::test]
async fn a_stale_pointer_is_told_and_nothing_of_its_commit_stays() {
    let house = House::new().await;
    let first = empty_commit(&house.ledger).swing(swing(&orders(), None, "o1")).swing(swing(
        &customers(),
        None,
        "c1",
    ));
    house.ledger.commit(&first).await.unwrap();
    let other = empty_commit(&house.ledger).swing(swing(&customers(), Some("c1"), "c2"));
    house.ledger.commit(&other).await.unwrap();

    // The first swing fits, the second one is stale.
    let stale = empty_commit(&house.ledger)
        .swing(swing(&orders(), Some("o1"), "o2"))
        .swing(swing(&customers(), Some("c1"), "c3"))
        .position(signups(), None, position(1));
    let refused = house.ledger.commit(&stale).await.unwrap_err();
    let LedgerError::Conflict { table, expected, found } = &refused else { panic!("{refused}") };
    assert_eq!((table, expected.as_deref()), (&customers(), Some("c1")));
    assert_eq!(found.as_deref(), Some("c2"));
    assert_eq!(
        refused.to_string(),
        "table \"main.customers\" was changed by another writer: expected \"c1\", found \"c2\""
    );
    let pointer = house.ledger.pointer(&prod(), &orders()).await.unwrap().unwrap();
    assert_eq!(pointer.metadata_location, "o1");
    assert_eq!(house.ledger.position(&prod(), &signups()).await.unwrap(), None);
    assert_eq!(house.ledger.committed(&stale.id).await.unwrap(), None);
    assert_eq!(house.count("SELECT count(*) FROM swings").await, 3);
}

#[tokio::test]
async fn a_name_is_created_once_and_dropped_once() {
    let house = House::new().await;
    let create = |location: &str| {
        empty_commit(&house.ledger).swing(Swing::create(orders(), PointerKind::Table, location))
    };
    house.ledger.commit(&create("o1")).await.unwrap();
    let again = house.ledger.commit(&create("o2")).await.unwrap_err();
    assert!(matches!(again, LedgerError::Conflict { expected: None, .. }), "{again}");

    let drop_it =
        || empty_commit(&house.ledger).swing(Swing::drop(orders(), PointerKind::Table, "o1"));
    house.ledger.commit(&drop_it()).await.unwrap();
    let gone = house.ledger.commit(&drop_it()).await.unwrap_err();
    assert!(matches!(gone, LedgerError::Conflict { found: None, .. }), "{gone}");
    house.ledger.commit(&create("o3")).await.unwrap();
}

#[tokio::test]
async fn a_pointer_may_be_checked_without_being_moved() {
    let house = House::new().await;
    let first = empty_commit(&house.ledger).swing(swing(&orders(), None, "o1"));
    house.ledger.commit(&first).await.unwrap();
    let moves = |from: &str, number| {
        let expected = (number > 1).then(|| position(number - 1));
        empty_commit(&house.ledger).swing(swing(&orders(), Some(from), from)).position(
            signups(),
            expected,
            position(number),
        )
    };
    house.ledger.commit(&moves("o1", 1)).await.unwrap();
    let stale = house.ledger.commit(&moves("o0", 2)).await.unwrap_err();
    assert!(matches!(stale, LedgerError::Conflict { .. }), "{stale}");
    let absent = Swing { expected: None, new: None, ..swing(&customers(), None, "") };
    house.ledger.commit(&empty_commit(&house.ledger).swing(absent)).await.unwrap();
    let pointer = house.ledger.pointer(&prod(), &orders()).await.unwrap().unwrap();
    assert_eq!(pointer.previous_metadata_location, None);
    assert_eq!(house.count("SELECT count(*) FROM swings").await, 1);
}

#[tokio::test]
async fn environments_do_not_see_each_other() {
    let house = House::new().await;
    house
        .ledger
        .commit(&empty_commit(&house.ledger).swing(swing(&orders(), None, "o1")))
        .await
        .unwrap();
    let copy = Commit::new(house.ledger.new_commit_id(), "dev_ana")
        .swing(swing(&orders(), None, "o1"))
        .position(signups(), None, position(1));
    house.ledger.commit(&copy).await.unwrap();
    let dev = "dev_ana".into();
    let changed = Commit::new(house.ledger.new_commit_id(), "dev_ana").swing(swing(
        &orders(),
        Some("o1"),
        "o2",
    ));
    house.ledger.commit(&changed).await.unwrap();
    let location = |pointer: Option<ledger::Pointer>| pointer.unwrap().metadata_location;
    assert_eq!(location(house.ledger.pointer(&prod(), &orders()).await.unwrap()), "o1");
    assert_eq!(location(house.ledger.pointer(&dev, &orders()).await.unwrap()), "o2");
    assert_eq!(house.ledger.position(&prod(), &signups()).await.unwrap(), None);
}

#[tokio::test]
async fn a_position_moves_only_from_where_the_commit_read_it() {
    let house = House::new().await;
    let from =
        |expected, new| empty_commit(&house.ledger).position(signups(), expected, position(new));
    house.ledger.commit(&from(None, 1)).await.unwrap();
    let lost = house.ledger.commit(&from(None, 2)).await.unwrap_err();
    assert!(matches!(lost, LedgerError::PositionMoved { .. }), "{lost}");
    let lost = house.ledger.commit(&from(Some(position(7)), 8)).await.unwrap_err();
    assert_eq!(
        lost.to_string(),
        "position of stream \"app.signups\" was moved by another writer: expected \
         {\"cursor\":7}, found {\"cursor\":1}"
    );
    house.ledger.commit(&from(Some(position(1)), 2)).await.unwrap();
    let all = house.ledger.positions(&prod()).await.unwrap();
    assert_eq!(all, [(signups(), position(2))]);
}

#[tokio::test]
async fn a_commit_repeated_with_its_id_happens_once() {
    let house = House::new().await;
    let commit = empty_commit(&house.ledger).swing(swing(&orders(), None, "o1")).position(
        signups(),
        None,
        position(1),
    );
    let commit = {
        let version = version(&commit, "o1", 0, 3);
        commit.version(version)
    };
    let first = house.ledger.commit(&commit).await.unwrap();
    house.machine.advance(60);
    let second = house.ledger.commit(&commit).await.unwrap();
    assert!(second.repeated);
    assert_eq!((second.sequence, second.committed_at), (first.sequence, first.committed_at));
    let looked_up = house.ledger.committed(&commit.id).await.unwrap();
    assert_eq!(looked_up, Some(second));
    assert_eq!(house.count("SELECT count(*) FROM row_accounts").await, 1);
}

#[tokio::test]
async fn a_run_publishes_all_its_tables_at_its_end() {
    let house = House::new().await;
    let ledger = &house.ledger;
    let nodes = ["model.shop.customers", "model.shop.orders"];
    let run = NewRun {
        environment: prod(),
        command: "build".to_owned(),
        arguments: vec!["--publish".to_owned(), "run".to_owned()],
        selection: nodes.iter().map(|node| (*node).into()).collect(),
    };
    let run = ledger.begin_run(&run).await.unwrap();
    let mut commit = empty_commit(ledger)
        .run(run.clone())
        .swing(swing(&customers(), None, "c1"))
        .swing(swing(&orders(), None, "o1"));
    for node in nodes {
        let new = NewAttempt { run: run.clone(), node: node.into(), environment: prod() };
        let attempt = ledger.begin_attempt(&new).await.unwrap();
        let claim = ledger.claim(&prod(), &node.into(), Some(&run)).await.unwrap();
        let ledger::Claim::Granted(lease) = claim else { panic!("{claim:?}") };
        commit = commit.lease(lease).end(attempt, AttemptEnd::succeeded(Some(3)));
    }
    let upstream = TableVersion {
        snapshot_id: Some(1),
        node: Some(nodes[0].into()),
        tested: Tested::Passed,
        ..version(&commit, "c1", 0, 3)
    };
    // It reads a version that only this commit makes known.
    let downstream = TableVersion {
        snapshot_id: Some(2),
        node: Some(nodes[1].into()),
        inputs: vec![InputVersion { table: customers(), snapshot_id: Some(1), rows: 3 }],
        ..version(&commit, "o1", 0, 3)
    };
    let commit = commit.version(upstream).version(downstream);
    ledger.commit(&commit).await.unwrap();
    let steps = ledger.steps(&run).await.unwrap();
    assert!(steps.iter().all(|step| step.status == StepStatus::Succeeded));
    let filter = AccountFilter { node: Some(nodes[1].into()), ..AccountFilter::default() };
    let accounts = ledger.accounts(&filter).await.unwrap();
    assert_eq!(accounts[0].run, Some(run));
    assert_eq!(accounts[0].inputs[0].rows, 3);
}

#[tokio::test]
async fn a_run_that_lost_one_lease_publishes_nothing() {
    let house = House::new().await;
    let ledger = &house.ledger;
    let mut commit = empty_commit(ledger).swing(swing(&customers(), None, "c1")).swing(swing(
        &orders(),
        None,
        "o1",
    ));
    for node in ["model.shop.customers", "model.shop.orders"] {
        let claim = ledger.claim(&prod(), &node.into(), None).await.unwrap();
        let ledger::Claim::Granted(lease) = claim else { panic!("{claim:?}") };
        commit = commit.lease(lease);
    }
    ledger.release(&commit.leases[1]).await.unwrap();
    let lost = ledger.commit(&commit).await.unwrap_err();
    assert!(matches!(lost, LedgerError::LeaseLost { .. }), "{lost}");
    assert_eq!(ledger.pointers(&prod()).await.unwrap(), []);
}

#[tokio::test]
async fn one_table_swung_twice_in_a_commit_keeps_its_chain() {
    let house = House::new().await;
    let commit = empty_commit(&house.ledger).swing(swing(&orders(), None, "o1")).swing(swing(
        &orders(),
        Some("o1"),
        "o2",
    ));
    let (first, second) = (version(&commit, "o1", 0, 2), version(&commit, "o2", 2, 1));
    house.ledger.commit(&commit.version(first).version(second)).await.unwrap();
    let pointer = house.ledger.pointer(&prod(), &orders()).await.unwrap().unwrap();
    assert_eq!(pointer.metadata_location, "o2");
    assert_eq!(pointer.previous_metadata_location.as_deref(), Some("o1"));
}

#[tokio::test]
async fn a_version_nobody_points_to_is_refused() {
    let house = House::new().await;
    let commit = empty_commit(&house.ledger).swing(swing(&orders(), None, "o1"));
    let mut astray = version(&commit, "o1", 0, 1);
    astray.metadata_location = "o2".to_owned();
    let refused = house.ledger.commit(&commit.clone().version(astray)).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Malformed { .. }), "{refused}");

    let mut of_another = version(&commit, "o1", 0, 1);
    of_another.commit_id = house.ledger.new_commit_id();
    let refused = house.ledger.commit(&commit.version(of_another)).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Malformed { .. }), "{refused}");
}

#[tokio::test]
async fn a_version_of_another_engine_is_recorded_without_a_swing() {
    let house = House::new().await;
    let first = empty_commit(&house.ledger).swing(swing(&orders(), None, "o1"));
    let made = version(&first, "o1", 0, 2);
    house.ledger.commit(&first.version(made.clone())).await.unwrap();
    house.meddle("UPDATE iceberg_tables SET metadata_location = 'spark'").await;

    let next = empty_commit(&house.ledger).swing(swing(&orders(), Some("spark"), "o2"));
    let foreign = TableVersion {
        metadata_location: "spark".to_owned(),
        account: TableAccount { before: 2, inserted: 5, after: 7, ..TableAccount::default() },
        foreign: true,
        ..made
    };
    let ours = version(&next, "o2", 7, 1);
    house.ledger.commit(&next.version(foreign.clone()).version(ours)).await.unwrap();
    // Another writer noticed it too.
    house.ledger.commit(&empty_commit(&house.ledger).version(foreign)).await.unwrap();
    let versions = house.ledger.table_versions(&prod(), &orders()).await.unwrap();
    let foreign: Vec<bool> = versions.iter().map(|version| version.foreign).collect();
    assert_eq!(foreign, [false, true, false]);
}

#[tokio::test]
async fn a_view_takes_the_place_of_a_table_and_is_no_table_to_others() {
    let house = House::new().await;
    let first = empty_commit(&house.ledger).swing(swing(&orders(), None, "o1"));
    let made = version(&first, "o1", 0, 9);
    house.ledger.commit(&first.version(made)).await.unwrap();
    let commit =
        empty_commit(&house.ledger).swing(Swing::replace(orders(), PointerKind::View, "o1", "v1"));
    let view = version(&commit, "v1", 0, 0);
    house.ledger.commit(&commit.version(view)).await.unwrap();
    let pointer = house.ledger.pointer(&prod(), &orders()).await.unwrap().unwrap();
    assert_eq!(pointer.kind, PointerKind::View);
    let views = "SELECT count(*) FROM iceberg_tables WHERE iceberg_type = 'VIEW'";
    assert_eq!(house.count(views).await, 1);
    let namespaces = "SELECT count(*) FROM iceberg_namespace_properties \
                      WHERE catalog_name = 'prod' AND namespace = 'main'";
    assert_eq!(house.count(namespaces).await, 1);
}

#[tokio::test]
async fn test_results_stay_when_nothing_is_published() {
    let house = House::new().await;
    let run = "run-1".into();
    let failed = TestRecord {
        run: Some(run),
        table: Some(orders()),
        metadata_location: Some("staged".to_owned()),
        failures: Some(2),
        sample: Some(serde_json::json!([{ "user_id": 7 }])),
        duration_ms: Some(12),
        ..TestRecord::new("prod", "test.shop.unique_orders", TestStatus::Failed)
    };
    house.ledger.record_tests(std::slice::from_ref(&failed)).await.unwrap();
    house.business.advance(86_400);
    let passed = TestRecord::new("prod", "test.shop.unique_orders", TestStatus::Passed);
    house.ledger.record_test(&passed).await.unwrap();
    let of_run = house.ledger.test_results(&"run-1".into()).await.unwrap();
    assert_eq!(of_run.len(), 1);
    assert_eq!(of_run[0].test, failed);
    let node = "test.shop.unique_orders".into();
    let history = house.ledger.test_history(&prod(), &node, 10).await.unwrap();
    let statuses: Vec<_> = history.iter().map(|result| result.test.status).collect();
    assert_eq!(statuses, [TestStatus::Passed, TestStatus::Failed]);
}

#[tokio::test]
async fn a_commit_dropped_halfway_happens_or_not_and_the_ledger_goes_on() {
    let house = House::new().await;
    let ledger = &house.ledger;
    let mut location: Option<String> = None;
    let (mut happened, mut did_not) = (0, 0);
    for polls in 0..120_u32 {
        let new = format!("o{polls}");
        let commit = empty_commit(ledger).swing(swing(&orders(), location.as_deref(), &new));
        let mut polls_left = polls % 40;
        {
            let mut committing = pin!(ledger.commit(&commit));
            poll_fn(|context| {
                if polls_left == 0 || committing.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                polls_left -= 1;
                Poll::Pending
            })
            .await;
        }
        // The next transaction queues behind whatever the dropped one still does.
        ledger.record_test(&TestRecord::new("prod", "test.a", TestStatus::Passed)).await.unwrap();
        let committed = ledger.committed(&commit.id).await.unwrap().is_some();
        let pointer = ledger.pointer(&prod(), &orders()).await.unwrap();
        let found = pointer.map(|pointer| pointer.metadata_location);
        if committed {
            location = Some(new);
            happened += 1;
        } else {
            did_not += 1;
        }
        assert_eq!(found, location, "after {polls} polls");
    }
    assert!(did_not > 0 && happened > 0, "{happened} happened, {did_not} did not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_two_handles_commit_side_by_side() {
    let house = House::new().await;
    let other = house.other_handle().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let ledger = if number % 2 == 0 { house.ledger.clone() } else { other.clone() };
        tasks.spawn(async move {
            let table = TableName::new("main", format!("table_{number}"));
            let mut last: Option<String> = None;
            for round in 0..10 {
                let new = format!("{number}-{round}");
                let commit = empty_commit(&ledger).swing(swing(&table, last.as_deref(), &new));
                ledger.commit(&commit).await.unwrap();
                last = Some(new);
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert_eq!(house.count("SELECT count(*) FROM swings").await, 80);
    let ends = house.ledger.pointers(&prod()).await.unwrap();
    assert!(ends.iter().all(|pointer| pointer.metadata_location.ends_with("-9")));
}

#[tokio::test]
async fn every_change_of_a_pointer_counts_whoever_makes_it_and_nothing_else_does() {
    let house = House::new().await;
    let generation = async || house.ledger.pointer_generation(&prod()).await.unwrap();
    assert_eq!(generation().await, 0);
    let made = empty_commit(&house.ledger).swing(swing(&orders(), None, "o1"));
    let first = version(&made, "o1", 0, 1);
    let made = made.version(first);
    house.ledger.commit(&made).await.unwrap();
    assert_eq!(generation().await, 1);
    let nothing = empty_commit(&house.ledger).position(signups(), None, position(5));
    house.ledger.commit(&nothing).await.unwrap();
    assert_eq!(generation().await, 1);
    // Another client of the catalog.
    house.meddle("update iceberg_tables set metadata_location = 'o2'").await;
    assert_eq!(generation().await, 2);
    house.meddle("delete from iceberg_tables").await;
    assert_eq!(generation().await, 3);
    let other = base::EnvironmentName::new("dev");
    assert_eq!(house.ledger.pointer_generation(&other).await.unwrap(), 0);
}
