//! A commit whose row accounts do not add up is refused, whichever number is wrong.

use base::random::SeededRandomness;
use base::{InputVersion, LoadAccount, Randomness, TableAccount};
use ledger::{AccountFilter, LedgerError, TableVersion};

use crate::support::{House, customers, empty_commit, orders, prod, swing, version};

fn below(randomness: &SeededRandomness, bound: u64) -> u64 {
    randomness.next_u64() % bound
}

fn true_load(randomness: &SeededRandomness) -> LoadAccount {
    let number = || below(randomness, 1_000);
    let mut load = LoadAccount {
        read: 0,
        inserted: number(),
        updated: number(),
        deleted: number(),
        unchanged: number(),
        deduplicated: number(),
        late: number(),
        rejected: number(),
    };
    load.read = load.accounted();
    load
}

fn true_account(randomness: &SeededRandomness, before: u64) -> TableAccount {
    let inserted = below(randomness, 1_000);
    let deleted = below(randomness, before + 1);
    let removed = below(randomness, before - deleted + 1);
    TableAccount {
        before,
        inserted,
        deleted,
        removed,
        after: before + inserted - deleted - removed,
    }
}

/// The account with one of its numbers off by one.
fn spoiled(version: &TableVersion, which: u64) -> TableVersion {
    let mut version = version.clone();
    let load = version.load.as_mut().unwrap();
    let account = &mut version.account;
    let number = match which {
        0 => &mut load.read,
        1 => &mut load.inserted,
        2 => &mut load.updated,
        3 => &mut load.deleted,
        4 => &mut load.unchanged,
        5 => &mut load.deduplicated,
        6 => &mut load.late,
        7 => &mut load.rejected,
        8 => &mut account.before,
        9 => &mut account.inserted,
        10 => &mut account.deleted,
        11 => &mut account.removed,
        _ => &mut account.after,
    };
    *number += 1;
    version
}

#[tokio::test]
async fn every_true_account_is_kept_and_every_spoiled_one_is_refused() {
    let house = House::new().await;
    let randomness = SeededRandomness::new(42);
    let (mut rows, mut location) = (0, None::<String>);
    for round in 0..40_u64 {
        let new = format!("o{round}");
        let commit = empty_commit(&house.ledger).swing(swing(&orders(), location.as_deref(), &new));
        let right = TableVersion {
            account: true_account(&randomness, rows),
            load: Some(true_load(&randomness)),
            ..version(&commit, &new, 0, 0)
        };
        let wrong = commit.clone().version(spoiled(&right, round % 13));
        let refused = house.ledger.commit(&wrong).await.unwrap_err();
        assert!(matches!(refused, LedgerError::AccountBroken { .. }), "{round}: {refused}");
        let pointer = house.ledger.pointer(&prod(), &orders()).await.unwrap();
        assert_eq!(pointer.map(|pointer| pointer.metadata_location), location);

        house.ledger.commit(&commit.version(right.clone())).await.unwrap();
        rows = right.account.after;
        location = Some(new);
    }
    let accounts = house.ledger.accounts(&AccountFilter::default()).await.unwrap();
    assert_eq!(accounts.len(), 40);
    for pair in accounts.windows(2) {
        assert_eq!(pair[0].account.unwrap().after, pair[1].account.unwrap().before);
    }
}

#[tokio::test]
async fn a_chain_of_versions_cannot_lose_rows_between_two_links() {
    let house = House::new().await;
    let first = empty_commit(&house.ledger).swing(swing(&orders(), None, "o1"));
    let made = version(&first, "o1", 0, 10);
    house.ledger.commit(&first.version(made)).await.unwrap();
    let next = empty_commit(&house.ledger).swing(swing(&orders(), Some("o1"), "o2"));
    // Its own equation holds, but it starts from nine rows where there are ten.
    let short = version(&next, "o2", 9, 1);
    let refused = house.ledger.commit(&next.version(short)).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "row account of table \"main.orders\" does not hold: it starts from 9 rows, but the \
         version it replaces holds 10"
    );
}

#[tokio::test]
async fn a_model_must_have_read_all_rows_of_its_inputs() {
    let house = House::new().await;
    let first = empty_commit(&house.ledger).swing(swing(&customers(), None, "c1"));
    let made = TableVersion { snapshot_id: Some(5), ..version(&first, "c1", 0, 10) };
    house.ledger.commit(&first.version(made)).await.unwrap();
    let read = |snapshot_id, rows| {
        let next = empty_commit(&house.ledger).swing(swing(&orders(), None, "o1"));
        let inputs = vec![InputVersion { table: customers(), snapshot_id, rows }];
        let made = TableVersion { inputs, ..version(&next, "o1", 0, 1) };
        next.version(made)
    };
    let refused = house.ledger.commit(&read(Some(5), 9)).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "row account of table \"main.orders\" does not hold: 9 rows of input \"main.customers\" \
         were read, but its version 5 holds 10"
    );
    let refused = house.ledger.commit(&read(None, 3)).await.unwrap_err();
    assert!(matches!(refused, LedgerError::AccountBroken { .. }), "{refused}");
    house.ledger.commit(&read(Some(5), 10)).await.unwrap();
}

#[tokio::test]
async fn a_load_without_a_version_is_counted_once() {
    let house = House::new().await;
    let load = LoadAccount { read: 2, unchanged: 2, ..LoadAccount::default() };
    let commit = empty_commit(&house.ledger).node("stream.app.signups".into()).load(orders(), load);
    house.ledger.commit(&commit).await.unwrap();
    let accounts = house.ledger.accounts(&AccountFilter::default()).await.unwrap();
    assert_eq!((accounts[0].load, accounts[0].account), (Some(load), None));

    let commit = empty_commit(&house.ledger).swing(swing(&orders(), None, "o1"));
    let made = TableVersion { load: Some(load), ..version(&commit, "o1", 0, 0) };
    let twice = commit.version(made).load(orders(), load);
    let refused = house.ledger.commit(&twice).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Malformed { .. }), "{refused}");

    let lost = LoadAccount { read: 3, ..load };
    let commit = empty_commit(&house.ledger).load(orders(), lost);
    let refused = house.ledger.commit(&commit).await.unwrap_err();
    assert!(refused.to_string().contains("3 changes were read"), "{refused}");
}
