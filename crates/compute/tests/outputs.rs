use base::EnvironmentName;
use compute::{Catalog, output};

use crate::by_hand::session;

#[tokio::test]
async fn rows_leave_as_table_csv_json_and_parquet() {
    let session = session(Catalog::empty(EnvironmentName::new("prod")));
    let sql = "select * from (values (1, 'a', 1.50, true), (20, null, -3.25, null)) \
               as t(id, word, price, seen)";
    let prepared = session.prepare(sql).await.unwrap();
    let (schema, rows) = (prepared.schema(), session.rows(sql).await.unwrap());
    let table = output::table(&schema, &rows).unwrap();
    assert!(table.starts_with("id  word"), "{table}");
    assert!(table.contains("20  ∅"), "{table}");
    let mut csv = Vec::new();
    output::csv(&schema, &rows, &mut csv).unwrap();
    assert_eq!(String::from_utf8(csv).unwrap().lines().next(), Some("id,word,price,seen"));
    let mut json = Vec::new();
    output::json_lines(&rows, &mut json).unwrap();
    let json = String::from_utf8(json).unwrap();
    assert!(json.starts_with("{\"id\":1,\"word\":\"a\""), "{json}");
    assert!(json.contains("\"word\":null"), "{json}");
    let mut parquet = Vec::new();
    output::parquet(&schema, &rows, &mut parquet).unwrap();
    assert_eq!(&parquet[..4], b"PAR1");
    assert_eq!(&parquet[parquet.len() - 4..], b"PAR1");
}

#[tokio::test]
async fn control_characters_and_long_cells_do_not_break_the_table() {
    let session = session(Catalog::empty(EnvironmentName::new("prod")));
    let sql = "select 'a' || chr(27) || chr(10) || 'b' as odd, repeat('x', 500) as long";
    let rows = session.rows(sql).await.unwrap();
    let table = output::table(&rows[0].schema(), &rows).unwrap();
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(!table.contains('\u{1b}'));
    assert!(table.contains('…'));
}
