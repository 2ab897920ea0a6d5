//! Who may come in, and where to.

use access::Role;

use super::door::Door;

async fn psql(door: &Door, user: &str, password: &str, database: &str) -> Result<String, String> {
    let where_to = format!("user={user} password={password} dbname={database}");
    let output =
        door.psql(&["-d", &where_to, "-Atc", "select current_user, current_database()"]).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_administrator_this_machine_is_trusted() {
    let door = Door::open().await;
    assert_eq!(psql(&door, "ana", "whatever", "prod").await.unwrap(), "ana|prod");
    for alias in ["fiveply", "bazaar", "postgres"] {
        assert_eq!(psql(&door, "ana", "x", alias).await.unwrap(), "ana|prod");
    }
    let error = psql(&door, "ana", "x", "nowhere").await.unwrap_err();
    assert!(error.contains("database \"nowhere\" does not exist"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_administrator_passwords_are_proved_and_roles_hold() {
    let door = Door::open().await;
    door.add_user("root", &[Role::Administer]).await;
    door.add_user("ana", &[Role::Query]).await;
    door.add_user("bob", &[Role::See]).await;
    assert_eq!(psql(&door, "ana", "ana-password", "prod").await.unwrap(), "ana|prod");
    let error = psql(&door, "ana", "wrong", "prod").await.unwrap_err();
    assert!(error.contains("password authentication failed"), "{error}");
    let error = psql(&door, "nobody", "wrong", "prod").await.unwrap_err();
    assert!(error.contains("password authentication failed"), "{error}");
    let error = psql(&door, "bob", "bob-password", "prod").await.unwrap_err();
    assert!(error.contains("may not query"), "{error}");
}
