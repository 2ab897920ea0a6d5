//! `docs/sql-endpoint.md`, carried out: a block of `sql` is given to psql, and the block of `text`
//! after it shows lines of what psql says, in that order, spaces aside.

use super::door::Door;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_about_the_sql_endpoint_says_what_happens() {
    let page = include_str!("../../../../docs/sql-endpoint.md");
    let door = Door::open().await;
    let mut said = String::new();
    let mut carried_out = 0;
    let (mut language, mut block) = (String::new(), String::new());
    for line in page.lines() {
        let Some(word) = line.strip_prefix("```") else {
            block.push_str(line);
            block.push('\n');
            continue;
        };
        match (language.as_str(), word) {
            ("sql", "") => {
                said = shown(&door, block.trim()).await;
                carried_out += 1;
            }
            ("text", "") => compare(&said, &block),
            _ => {}
        }
        language = word.to_owned();
        block.clear();
    }
    assert!(carried_out >= 5);
}

/// What psql says; the query log is written behind the answers, so a question of it is asked until
/// it is there.
async fn shown(door: &Door, sql: &str) -> String {
    loop {
        let output = door.psql(&["-c", sql]).await;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let said = format!("{}{}", text(output.stdout), text(output.stderr));
        if !(sql.contains("query_log") && said.contains("(0 rows)")) {
            return said;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

fn compare(said: &str, shown: &str) {
    let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut left = said.lines().map(plain);
    for wanted in shown.lines().map(plain) {
        let wanted = wanted.trim_end_matches('|').trim_end();
        assert!(
            left.any(|line| line.starts_with(wanted)),
            "the page shows {wanted:?}, but psql says:\n{said}"
        );
    }
}
