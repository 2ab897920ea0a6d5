//! Drivers: each program checks by itself what its users rely on.

use std::path::PathBuf;

use tokio::process::Command;

use super::door::Door;

#[tokio::test(flavor = "multi_thread")]
async fn psycopg_asks_with_parameters_cursors_copies_and_pipelines() {
    let door = Door::open().await;
    assert_eq!(door.python("ask_psycopg.py", include_str!("psycopg_client.py")).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlalchemy_connects_inspects_and_reflects() {
    let door = Door::open().await;
    assert_eq!(door.python("ask_sqlalchemy.py", include_str!("sqlalchemy_client.py")).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn asyncpg_reads_binary_values_of_every_type() {
    let door = Door::open().await;
    assert_eq!(door.python("ask_asyncpg.py", include_str!("asyncpg_client.py")).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_other_drivers_send_are_answered() {
    let door = Door::open().await;
    assert_eq!(door.python("recorded.py", include_str!("recorded_client.py")).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn node_asks_with_parameters_and_cursors() {
    let packages = std::env::var_os("FIVEPLY_NODE_PACKAGES")
        .map(PathBuf::from)
        .expect("FIVEPLY_NODE_PACKAGES is not set; run the tests with `cargo xtask test`");
    let node = std::env::var_os("FIVEPLY_NODE").map(PathBuf::from);
    let door = Door::open().await;
    let mut command = Command::new(node.unwrap_or_else(|| "node".into()));
    command.env("NODE_PATH", packages.join("node_modules"));
    assert_eq!(door.client(command, "client.cjs", include_str!("node_client.cjs")).await, "");
}
