use base::NodeId;
use base::limits::LEASE_SECONDS;
use ledger::{Claim, Lease, Ledger, LedgerError};

use crate::support::{House, empty_commit, orders, prod, swing};

fn node() -> NodeId {
    "model.shop.orders".into()
}

async fn granted(ledger: &Ledger) -> Lease {
    match ledger.claim(&prod(), &node(), None).await.unwrap() {
        Claim::Granted(lease) => lease,
        held @ Claim::Held { .. } => panic!("{held:?}"),
    }
}

async fn held_by(ledger: &Ledger) -> Option<String> {
    match ledger.claim(&prod(), &node(), None).await.unwrap() {
        Claim::Granted(_) => None,
        Claim::Held { by, .. } => Some(by),
    }
}

#[tokio::test]
async fn a_node_has_one_holder_and_its_token_grows() {
    let house = House::new().await;
    let other = house.other_handle().await;
    let first = granted(&house.ledger).await;
    let by = held_by(&other).await.unwrap();
    assert!(by.starts_with(&format!("process {} on", std::process::id())), "{by}");
    house.ledger.release(&first).await.unwrap();
    let second = granted(&other).await;
    assert!(second.token > first.token);
    // A late release by the first holder takes nothing from the second.
    house.ledger.release(&first).await.unwrap();
    assert!(held_by(&house.ledger).await.is_some());
}

#[tokio::test]
async fn a_dead_holder_on_this_machine_is_replaced_at_once() {
    let house = House::new().await;
    let first = granted(&house.ledger).await;
    house.meddle("UPDATE leases SET process_started = '1'").await;
    let second = granted(&house.ledger).await;
    assert_eq!(second.token, first.token + 1);
}

#[tokio::test]
async fn a_holder_elsewhere_is_replaced_after_thirty_seconds() {
    let house = House::new().await;
    granted(&house.ledger).await;
    house.meddle("UPDATE leases SET machine = 'elsewhere/boot', process_started = '1'").await;
    house.machine.advance(LEASE_SECONDS - 1);
    assert!(held_by(&house.ledger).await.unwrap().contains("\"elsewhere\""));
    house.machine.advance(1);
    assert_eq!(held_by(&house.ledger).await, None);
}

#[tokio::test]
async fn a_renewed_lease_lasts_and_a_lost_one_cannot_be_renewed() {
    let house = House::new().await;
    let other = house.other_handle().await;
    let lease = granted(&house.ledger).await;
    house.machine.advance(LEASE_SECONDS - 1);
    house.ledger.renew(&lease).await.unwrap();
    house.machine.advance(LEASE_SECONDS - 1);
    assert!(held_by(&other).await.is_some());
    house.machine.advance(1);
    // It ran out, but nobody took it: its holder may still go on.
    house.ledger.renew(&lease).await.unwrap();
    house.machine.advance(LEASE_SECONDS);
    granted(&other).await;
    let lost = house.ledger.renew(&lease).await.unwrap_err();
    assert!(matches!(lost, LedgerError::LeaseLost { token: 1, .. }), "{lost}");
}

#[tokio::test]
async fn a_holder_that_slept_too_long_publishes_nothing() {
    let house = House::new().await;
    let other = house.other_handle().await;
    let slow = granted(&house.ledger).await;
    house.machine.advance(LEASE_SECONDS);
    let quick = granted(&other).await;
    let of_slow = empty_commit(&house.ledger).lease(slow).swing(swing(&orders(), None, "slow"));
    let lost = house.ledger.commit(&of_slow).await.unwrap_err();
    assert_eq!(
        lost.to_string().split(", token 2").next().unwrap(),
        "lease of node \"model.shop.orders\" in environment \"prod\" was lost: token 1 is no \
         longer the holder's"
    );
    let of_quick = empty_commit(&other).lease(quick).swing(swing(&orders(), None, "quick"));
    other.commit(&of_quick).await.unwrap();
    let pointer = house.ledger.pointer(&prod(), &orders()).await.unwrap().unwrap();
    assert_eq!(pointer.metadata_location, "quick");
}
