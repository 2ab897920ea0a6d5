//! Incidents are opened once per cause, and each alert belongs to one process.

use ledger::{IncidentKind, IncidentSeverity, IncidentStatus, NewIncident};

use crate::support::{House, prod};

fn late_rows(targets: &[&str]) -> NewIncident {
    NewIncident {
        environment: prod(),
        cause: "rows_astray:model.shop.orders:2026-05-22".to_owned(),
        kind: IncidentKind::RowsAstray,
        severity: IncidentSeverity::High,
        node: Some("model.shop.orders".into()),
        owner: Some("Ana".to_owned()),
        owner_email: None,
        title: "191 rows were left out".to_owned(),
        run: None,
        day: "2026-05-22".parse().ok(),
        details: serde_json::json!({"rows": 191}),
        began: "2026-05-22T18:11:00Z".parse().unwrap(),
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
    }
}

#[tokio::test]
async fn one_cause_is_one_incident_until_it_is_closed() {
    let house = House::new().await;
    let ledger = &house.ledger;
    let (first, new) = ledger.open_incident(&late_rows(&[])).await.unwrap();
    assert!(new);
    let (again, new) = house.other_handle().await.open_incident(&late_rows(&[])).await.unwrap();
    assert_eq!((again.id.as_str(), new), (first.id.as_str(), false));
    assert_eq!(again.day, first.day);
    assert!(ledger.close_incident(&first.id, "mended", None, &[]).await.unwrap());
    assert!(!ledger.close_incident(&first.id, "mended", None, &[]).await.unwrap());
    let (later, new) = ledger.open_incident(&late_rows(&[])).await.unwrap();
    assert!(new && later.id != first.id);
    let open = ledger.incidents(&prod(), Some(IncidentStatus::Open), 10).await.unwrap();
    assert_eq!(open, std::slice::from_ref(&later));
    assert_eq!(ledger.incidents(&prod(), None, 10).await.unwrap()[0], later, "open ones first");
    let events = ledger.incident_events(&first.id).await.unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["opened", "closed"]);
}

#[tokio::test]
async fn an_alert_belongs_to_whoever_claimed_it_and_comes_back_when_it_is_refused() {
    let house = House::new().await;
    let (ledger, other) = (&house.ledger, house.other_handle().await);
    let (incident, _) = ledger.open_incident(&late_rows(&["http://hook"])).await.unwrap();
    let alert = ledger.claim_alert().await.unwrap().unwrap();
    assert_eq!((alert.state.as_str(), alert.attempt), ("opened", 1));
    assert_eq!(other.claim_alert().await.unwrap(), None, "it is being sent");
    ledger.settle_alert(&alert, Some("answered 503")).await.unwrap();
    assert_eq!(other.claim_alert().await.unwrap(), None, "it waits");
    house.machine.advance(6);
    let again = other.claim_alert().await.unwrap().unwrap();
    assert_eq!((&again.id, again.attempt), (&alert.id, 2), "under the same key");
    // The process ends while it sends: nobody knows whether it arrived.
    house.machine.advance(61);
    let third = ledger.claim_alert().await.unwrap().unwrap();
    assert_eq!((&third.id, third.attempt), (&alert.id, 3));
    ledger.settle_alert(&third, None).await.unwrap();
    house.machine.advance(3_600);
    assert_eq!(other.claim_alert().await.unwrap(), None, "once is enough");
    let targets = ["http://hook".to_owned()];
    ledger.close_incident(&incident.id, "mended", None, &targets).await.unwrap();
    let closing = ledger.claim_alert().await.unwrap().unwrap();
    assert_eq!(closing.state, "closed");
    assert_ne!(closing.id, alert.id);
}
