//! Opening, and what an operator is told when the file cannot be used.

use std::path::Path;
use std::sync::Arc;

use base::ErrorKind;
use base::clock::Clocks;
use base::random::SeededRandomness;
use ledger::{Fault, Ledger, LedgerError};

use crate::support::{House, connect, empty_commit, orders, swing};

async fn open(path: &Path) -> Result<Ledger, LedgerError> {
    Ledger::open(path, Clocks::system(), Arc::new(SeededRandomness::new(1))).await
}

fn fault(error: &LedgerError) -> Fault {
    match error {
        LedgerError::Database { fault, .. } => *fault,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_ledger_is_made_with_its_folder_and_opened_again_with_what_it_held() {
    let house = House::new().await;
    let applied = house.count("SELECT count(*) FROM ledger_migrations").await;
    let commit = empty_commit(&house.ledger).swing(swing(&orders(), None, "o1"));
    house.ledger.commit(&commit).await.unwrap();
    house.ledger.close().await;
    assert!(!house.path().with_extension("db-wal").exists(), "the log was merged");
    let again = open(&house.path()).await.unwrap();
    assert!(again.committed(&commit.id).await.unwrap().is_some());
    assert_eq!(house.count("SELECT count(*) FROM ledger_migrations").await, applied);
}

#[tokio::test]
async fn the_file_is_written_ahead_and_synced_in_full() {
    let house = House::new().await;
    let mut connection = connect(&house.path()).await;
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut connection).await.unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn many_open_a_new_ledger_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut openings = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let path = path.clone();
        openings.spawn(async move { open(&path).await.map(drop) });
    }
    while let Some(opened) = openings.join_next().await {
        opened.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_ledger_of_a_newer_program_is_refused() {
    let house = House::new().await;
    house.meddle("INSERT INTO ledger_migrations VALUES (99, 'later', '2030-01-01')").await;
    let refused = open(&house.path()).await.unwrap_err();
    assert!(matches!(refused, LedgerError::TooNew { found: 99, .. }), "{refused}");
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_catalog_that_pyiceberg_made_becomes_a_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    std::fs::write(&path, b"").unwrap();
    let mut connection = connect(&path).await;
    sqlx::raw_sql(concat!(
        "CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, ",
        "table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, ",
        "metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), ",
        "iceberg_type VARCHAR(5), PRIMARY KEY (catalog_name, table_namespace, table_name));",
        "INSERT INTO iceberg_tables VALUES ('prod', 'main', 'orders', 'o1', NULL, NULL)"
    ))
    .execute(&mut connection)
    .await
    .unwrap();
    let ledger = open(&path).await.unwrap();
    let pointer = ledger.pointer(&"prod".into(), &orders()).await.unwrap().unwrap();
    assert_eq!(pointer.kind, ledger::PointerKind::Table);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let content = b"this is a note, not a database; it is long enough to have a header".repeat(40);
    std::fs::write(&path, &content).unwrap();
    let refused = open(&path).await.unwrap_err();
    assert_eq!(fault(&refused), Fault::Damaged);
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(refused.to_string().contains("is damaged or is not a ledger"), "{refused}");
    assert!(refused.help().unwrap().contains("-wal"));
    assert_eq!(std::fs::read(&path).unwrap(), content);
}

#[tokio::test]
async fn a_folder_in_the_place_of_the_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = open(folder.path()).await.unwrap_err();
    assert_eq!(fault(&refused), Fault::CannotOpen);
    let below_a_file = folder.path().join("file");
    std::fs::write(&below_a_file, b"x").unwrap();
    let refused = open(&below_a_file.join("ledger.db")).await.unwrap_err();
    assert!(refused.to_string().contains("ledger.db"), "{refused}");
    assert_eq!(refused.kind(), ErrorKind::Storage);
}

#[tokio::test]
async fn health_tells_a_sound_file_from_a_damaged_one() {
    let house = House::new().await;
    let health = house.ledger.health().await.unwrap();
    assert!(health.layout >= 2, "{health:?}");
    assert_eq!(health.problems.len(), 0);
    house
        .meddle(
            "INSERT INTO runs (run, environment, command, arguments, selection, status, machine, \
        process, process_started, business_started, business_finished, machine_started, \
        machine_finished) SELECT hex(randomblob(8)), 'prod', 'build', '[]', '[]', \
        'failed', 'm', 1, '', 't', 't', hex(randomblob(8)), 't' FROM generate(2000)"
                .replace(
                    "generate(2000)",
                    "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 \
        FROM n WHERE i < 2000) SELECT i FROM n)",
                )
                .as_str(),
        )
        .await;
    house.ledger.close().await;
    // A stretch of the file is overwritten, as a failing disk would.
    let mut content = std::fs::read(house.path()).unwrap();
    let middle = content.len() / 2 / 4096 * 4096;
    content[middle..middle + 3 * 4096].fill(0xAA);
    std::fs::write(house.path(), content).unwrap();
    // Where the layout itself is hit, opening already says so.
    let told = match open(&house.path()).await {
        Ok(ledger) => match ledger.health().await {
            Ok(health) => !health.problems.is_empty(),
            Err(error) => fault(&error) == Fault::Damaged,
        },
        Err(error) => fault(&error) == Fault::Damaged,
    };
    assert!(told, "the damage was not noticed");
}
