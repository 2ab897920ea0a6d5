//! psql: its commands, its questions, its mistakes.

use super::door::Door;

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_psql_list_and_describe() {
    let door = Door::open().await;
    let shown = |text: Vec<u8>| String::from_utf8(text).unwrap();
    for (command, wanted) in [
        ("\\l", "prod"),
        ("\\dn", "shop"),
        ("\\dt", "shop   | orders | table | fiveply"),
        ("\\dt *.*", "crm"),
        ("\\dv", "large_orders"),
        ("\\d", "large_orders"),
        ("\\d orders", "amount    | numeric(12,2)"),
        ("\\d+ orders", "The number on the receipt."),
        ("\\d+ large_orders", "View definition"),
        ("\\d crm.contacts", "Name"),
        ("\\df pg_catalog.lower", "lower"),
        ("\\du", "fiveply"),
        ("\\di", "Did not find any"),
        ("\\dT", "List of data types"),
        ("\\ds", "Did not find any"),
        ("\\dp", "orders"),
        ("\\conninfo", "prod"),
    ] {
        let output = door.psql(&["-c", command]).await;
        let (out, error) = (shown(output.stdout), shown(output.stderr));
        let said = format!("{out}{error}");
        assert!(output.status.success() && !error.contains("ERROR"), "{command}: {error}");
        assert!(said.contains(wanted), "{command} shows no {wanted:?}:\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_and_mistakes_are_told_with_their_state() {
    let door = Door::open().await;
    for (sql, wanted) in [
        ("select 1", "1"),
        ("select 1 as a, 2 as a", "1|2"),
        ("select count(*), sum(amount) from orders", "5000|125000.00"),
        ("select 7/2, 2.5::int from orders limit 1", "3|3"),
        (
            "select id, placed_at, photo, tags from orders where id = 4",
            "4|2026-01-01 00:00:06+00|\\x0004|{new,\"a,b\"}",
        ),
        ("select count(*) from large_orders", "1000"),
        ("table crm.contacts", "1|Ana\n2|"),
        ("select relname from pg_class where relname like 'ord%'", "orders"),
        ("begin; select 1; commit", "BEGIN\n1\nCOMMIT"),
        ("set datestyle = 'ISO'; show datestyle", "SET\nISO, MDY"),
        ("select 'shop.orders'::regclass, 'int4'::regtype", "orders|integer"),
        ("prepare p as select id from orders where id = $1; execute p(3)", "PREPARE\n3"),
        ("explain select 1 from orders", ""),
        (
            "with recursive s(n) as (select 1 union all select n + 1 from s where n < 12000) \
             select count(*), max(n) from s",
            "12000|12000",
        ),
        ("select sum(n) from generate_series(1, 1500000) as s(n)", "1125000750000"),
        ("select count(*) from generate_series(1, 5) s(n), generate_series(1, 5) t(m)", "25"),
    ] {
        let found = door.asked(sql).await;
        assert!(found == wanted || (wanted.is_empty() && !found.is_empty()), "{sql}:\n{found}");
    }
    for (sql, state) in [
        ("select amuont from orders", "42703"),
        ("select * from ordres", "42P01"),
        ("drop table orders", "25006"),
        ("update orders set id = 1", "25006"),
        ("selct 1", "42601"),
        ("begin; select nope; select 1", "42703"),
        ("fetch 1 from nowhere", "34000"),
        ("show nothing", "42704"),
        ("select 1/0", "22012"),
        ("copy orders from stdin", "25006"),
        ("declare c cursor for select 1", "25P01"),
    ] {
        let found = door.asked(sql).await;
        assert!(found.contains(&format!("ERROR:  {state}")), "{sql}:\n{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_reads_one_version_of_everything() {
    let door = Door::open().await;
    let sql = "begin; declare c cursor for select id from orders order by id; fetch 2 from c; \
               move 2 from c; fetch 1 from c; close c; rollback; select 1";
    let wanted = "BEGIN\nDECLARE CURSOR\n1\n2\nMOVE 2\n5\nCLOSE CURSOR\nROLLBACK\n1";
    assert_eq!(door.asked(sql).await, wanted);
}
