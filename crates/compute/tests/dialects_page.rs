//! `docs/sql.md` says what is true: each expression gives what its table shows, each refusal says
//! what its table says.

use base::EnvironmentName;
use chrono::{TimeZone, Utc};
use compute::{Catalog, Dialect, Session, SessionOptions};

use crate::by_hand::{engine, small};
use crate::differential::ours;

const PAGE: &str = include_str!("../../../docs/sql.md");

fn session(dialect: Dialect) -> Session {
    engine(small()).session(
        Catalog::empty(EnvironmentName::new("prod")),
        SessionOptions {
            dialect,
            business_now: Utc.with_ymd_and_hms(2026, 5, 22, 12, 0, 0).unwrap(),
            time_zone: "UTC".to_owned(),
            default_namespace: Some("main".to_owned()),
        },
    )
}

/// The rows of the table under a heading; code without its marks.
fn table(heading: &str) -> Vec<Vec<String>> {
    let section = PAGE.split(&format!("## {heading}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        // A code cell may hold a bar only when it is escaped, which no row here needs.
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    })
    .collect()
}

#[tokio::test]
async fn every_expression_of_the_page_gives_what_it_shows() {
    let rows = table("What the dialect decides");
    assert!(rows.len() > 15, "{rows:?}");
    for row in rows {
        for (dialect, shown) in [(Dialect::Duckdb, &row[1]), (Dialect::Postgres, &row[2])] {
            if shown.is_empty() {
                continue;
            }
            let sql = format!("select cast({} as varchar) as x", row[0]);
            let (_, rows) = ours(&session(dialect), &sql).await.unwrap();
            let plain = |text: &str| text.trim_end_matches(".0").to_owned();
            assert_eq!(plain(&rows[0][0]), plain(shown), "[{dialect}] {}", row[0]);
        }
    }
}

#[tokio::test]
async fn every_refusal_of_the_page_says_what_to_write_instead() {
    let rows = table("What is refused, and what to write instead");
    assert!(rows.len() >= 10, "{rows:?}");
    for row in rows {
        let dialect: Dialect = row[1].parse().unwrap();
        let refused = session(dialect).prepare(&row[0]).await.unwrap_err();
        assert_eq!(refused.help.as_deref(), Some(row[2].as_str()), "{}: {refused:?}", row[0]);
        assert_eq!(refused.kind, base::ErrorKind::Unsupported, "{}", row[0]);
    }
}
