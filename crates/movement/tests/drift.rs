//! What happens when the shape of the data changes.

use base::ErrorKind;

use crate::house::House;

async fn first(house: &House) {
    house.write("a.ndjson", "{\"id\":1,\"plan\":\"pro\"}\n{\"id\":2,\"plan\":\"free\"}\n");
    house.load_files("files: '*.ndjson'").await.unwrap();
}

#[tokio::test]
async fn evolve_adds_the_column_and_records_it() {
    let house = House::new().await;
    first(&house).await;
    house.write(
        "b.ndjson",
        "{\"id\":3,\"plan\":\"pro\"}\n{\"id\":4,\"plan\":\"pro\",\"seats\":5}\n",
    );
    let outcome = house.load_files("files: '*.ndjson'").await.unwrap();
    let changes: Vec<String> = outcome
        .schema_changes
        .iter()
        .map(|change| format!("{} {}", change.kind.as_str(), change.column))
        .collect();
    assert_eq!(changes, ["column_added seats"]);
    let recorded = house.context.ledger;
    let table = base::TableName::new("app", "rows");
    let recorded = recorded.schema_changes(&house.context.environment, &table).await.unwrap();
    assert_eq!(recorded.len(), 1);
}

#[tokio::test]
async fn freeze_rejects_the_row_and_stop_ends_the_stream() {
    let house = House::new().await;
    first(&house).await;
    house.write("b.ndjson", "{\"id\":3}\n{\"id\":4,\"seats\":5}\n");
    let stopped = house.load_files("files: '*.ndjson', schema_change: stop").await.unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Data);
    insta::assert_snapshot!(stopped);
    let frozen = "files: '*.ndjson', schema_change: freeze, reject_limit: 5";
    let outcome = house.load_files(frozen).await.unwrap();
    assert_eq!((outcome.account.inserted, outcome.account.rejected), (1, 1));
    assert_eq!(house.columns("rows").await, "id: Int64, plan: Utf8View");
}

#[tokio::test]
async fn a_renamed_column_is_proposed_and_one_line_mends_it() {
    let house = House::new().await;
    first(&house).await;
    house.write("b.ndjson", "{\"id\":3,\"plan_tier\":\"pro\"}\n");
    let outcome = house.load_files("files: '*.ndjson'").await.unwrap();
    assert_eq!(outcome.renames.len(), 1);
    assert_eq!(outcome.renames[0].mapping(), "rename: {plan_tier: plan}");
    house.write("c.ndjson", "{\"id\":4,\"plan_tier\":\"free\"}\n");
    let mended = "files: '*.ndjson', rename: {plan_tier: plan}";
    house.load_files(mended).await.unwrap();
    let rows = house.rows("rows", &["id", "plan"]).await;
    assert_eq!(rows, ["1 | pro", "2 | free", "3 | pro", "4 | free"]);
    assert_eq!(house.columns("rows").await, "id: Int64, plan: Utf8View");
}

#[tokio::test]
async fn a_column_renamed_in_the_table_keeps_its_rows() {
    let house = House::new().await;
    first(&house).await;
    house.write("b.ndjson", "{\"id\":3,\"plan\":\"pro\"}\n");
    let outcome = house.load_files("files: '*.ndjson', rename: {plan: tier}").await.unwrap();
    assert_eq!(outcome.schema_changes.len(), 1);
    assert_eq!(house.rows("rows", &["id", "tier"]).await, ["1 | pro", "2 | free", "3 | pro"]);
}

#[tokio::test]
async fn types_widen_while_no_row_holds_them() {
    let house = House::new().await;
    let mut text = String::new();
    for id in 0..60_000 {
        text.push_str(&format!("{{\"id\":{id},\"pad\":\"{id:>60}\"}}\n"));
    }
    // The last line is beyond every sample.
    text.push_str("{\"id\":0.5,\"pad\":\"x\",\"late\":true}\n");
    house.write("a.ndjson", text);
    let outcome = house.load_files("files: '*.ndjson'").await.unwrap();
    assert_eq!((outcome.rows, outcome.batches), (60_001, 1));
    assert_eq!(house.columns("rows").await, "id: Float64, pad: Utf8View, late: Boolean");
}
