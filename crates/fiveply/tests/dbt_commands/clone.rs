//! `clone`: tables of another environment without a copy of a row.

use super::SHOP;
use crate::behaviour::Desk;

#[test]
fn tables_of_another_environment_are_pointed_to_and_part_at_the_next_write() {
    let desk = Desk::new("duckdb", SHOP);
    desk.good(&["build", "--target", "prod", "--target-path", "prod-target"]);
    let files = || std::fs::read_dir(desk.folder.path().join(".fiveply")).unwrap().count();
    let before = files();
    let told = desk.good(&["clone", "--state", "prod-target", "--target", "dev"]);
    assert_eq!(told.json["nodes"].as_array().unwrap().len(), 4, "{:#}", told.json);
    assert_eq!(files(), before);
    let rows = |target: &str, sql: &str| desk.rows_of(&["-t", target], sql);
    assert_eq!(rows("dev", "select count(*) from open_orders"), ["2"]);
    assert_eq!(rows("dev", "select count(*) from after"), ["2"]);
    let [prod, dev] = ["prod", "dev"].map(|name| desk.versions(name, "main.open_orders"));
    assert_eq!(dev[0].metadata_location, prod[0].metadata_location, "the same files");
    assert_eq!(dev[0].account.after, 2);

    desk.add("-- seeds/orders.csv --\nid,customer,changed_at\n1,ada,2026-05-01 08:00:00\n");
    desk.good(&["build", "--target", "dev", "--select", "orders", "open_orders"]);
    assert_eq!(rows("dev", "select count(*) from open_orders"), ["1"]);
    assert_eq!(rows("prod", "select count(*) from open_orders"), ["2"]);

    let kept = desk.good(&["clone", "--state", "prod-target", "-s", "open_orders"]);
    assert_eq!(kept.json["nodes"][0]["cloned"], false, "it is here already");
    assert_eq!(rows("dev", "select count(*) from open_orders"), ["1"]);
    desk.good(&["clone", "--state", "prod-target", "-s", "open_orders", "--full-refresh"]);
    assert_eq!(rows("dev", "select count(*) from open_orders"), ["2"]);

    let only = ["clone", "--state", "prod-target", "--resource-type", "snapshot", "--full-refresh"];
    assert_eq!(desk.good(&only).json["nodes"].as_array().unwrap().len(), 1);
    let refused = desk.refused(&["clone"]);
    assert!(refused.contains("--state FOLDER"), "{refused}");
}
