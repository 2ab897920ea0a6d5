//! Views, tables and ephemeral models, in both dialects.

use super::Desk;

const SHOP: &str = r#"
-- models/raw_orders.sql --
{{ config(materialized='table') }}
select * from (values (1, 'ann', 10), (2, 'bob', 20), (3, 'ann', 30)) as o(id, customer, amount)
-- models/orders.sql --
select id, customer, amount from {{ ref('raw_orders') }} where amount > 10
-- models/totals.sql --
{{ config(materialized='ephemeral') }}
select customer, sum(amount) as total from {{ ref('orders') }} group by customer
-- models/best.sql --
{{ config(materialized='table') }}
with ranked as (select * from {{ ref('totals') }})
select customer, total from ranked order by total desc limit 1
"#;

#[test]
fn views_tables_and_ephemeral_models_become_what_they_say() {
    for dialect in ["duckdb", "postgres"] {
        let desk = Desk::new(dialect, SHOP);
        let told = desk.good(&["run"]);
        assert_eq!(told.statuses(), ["best succeeded", "orders succeeded", "raw_orders succeeded"]);
        assert_eq!(told.node("best")["rows"], 1);
        assert!(told.node("orders")["rows"].is_null(), "a view has no rows of its own");
        assert_eq!(desk.rows("select customer, total from best"), ["ann 30"]);
        assert_eq!(desk.rows("select id from main.orders order by id"), ["2", "3"]);
        // A view sees what is published below it; a table stays until it is built again.
        let raw = SHOP.replace("(3, 'ann', 30)", "(3, 'ann', 30), (4, 'cid', 90)");
        desk.add(&raw);
        desk.good(&["run", "--select", "raw_orders"]);
        let both = "select (select count(*) from orders), (select customer from best)";
        assert_eq!(desk.rows(both), ["3 ann"]);
        desk.good(&["run", "--select", "best"]);
        assert_eq!(desk.rows("select customer, total from best"), ["cid 90"]);
    }
}

#[test]
fn a_model_may_switch_between_view_table_and_incremental() {
    let desk = Desk::new("duckdb", "");
    let model = |materialized: &str, value: u32| {
        desk.add(&format!(
            "-- models/a.sql --\n{{{{ config(materialized='{materialized}') }}}}\n\
             select {value} as v\n-- models/reader.sql --\nselect v from {{{{ ref('a') }}}}\n"
        ));
    };
    let mut value = 0;
    for materialized in ["view", "table", "view", "incremental", "view", "table", "incremental"] {
        value += 1;
        model(materialized, value);
        desk.good(&["build", "--full-refresh"]);
        let seen = desk.rows("select (select v from a), (select v from reader)");
        assert_eq!(seen, [format!("{value} {value}")], "{materialized}");
    }
    // An incremental model over a view of that name starts from nothing, without being told to.
    model("view", 20);
    desk.good(&["run"]);
    model("incremental", 21);
    desk.good(&["run"]);
    assert_eq!(desk.rows("select v from a"), ["21"]);
}

#[test]
fn a_table_is_replaced_as_a_whole_and_its_columns_with_it() {
    let desk = Desk::new("postgres", "");
    let model = |sql: &str| {
        desk.add(&format!("-- models/a.sql --\n{{{{ config(materialized='table') }}}}\n{sql}\n"));
    };
    model("select 1 as id, 'x' as word");
    desk.good(&["run"]);
    model("select 'one' as id, 2.5 as amount, cast('2026-05-22' as date) as day");
    desk.good(&["run"]);
    assert_eq!(desk.rows("select id, amount, day from a"), ["one 2.5 2026-05-22"]);
    model("select 'one' as id, 2.5 as amount where 1 = 0");
    desk.good(&["run"]);
    assert_eq!(desk.rows("select count(*), count(id), count(amount) from a"), ["0 0 0"]);
    let versions = desk.versions("prod", "main.a");
    let rows: Vec<u64> = versions.iter().map(|version| version.account.after).collect();
    assert_eq!(rows, [1, 1, 0], "every version and its account is kept");
}

#[test]
fn rows_with_nulls_are_the_same_rows_to_except_and_intersect() {
    let desk = Desk::new(
        "duckdb",
        "-- dbt_project.yml --\nname: shop\nmodels: {shop: {+materialized: table}}\n\
         -- models/l.sql --\nselect * from (values (1, 'a'), (2, null)) as t(id, word)\n\
         -- models/r.sql --\nselect * from (values (1, 'a'), (2, null)) as t(id, word)\n",
    );
    desk.good(&["run"]);
    assert!(desk.rows("select * from l except select * from r").is_empty());
    let both = desk.rows("select * from (select * from l intersect select * from r) order by 1");
    assert_eq!(both, ["1 a", "2 -"]);
    let gone = "select id from l where not exists (select 1 from r where r.word = l.word)";
    assert_eq!(desk.rows(gone), ["2"], "elsewhere NULL equals nothing");
}

#[test]
fn a_model_that_does_not_plan_points_into_the_users_file() {
    let desk = Desk::new("duckdb", SHOP);
    desk.add(
        "-- models/orders.sql --\nselect id, customer,\n  amont from {{ ref('raw_orders') }}\n\
         -- models/apart.sql --\nselect 1 as one\n",
    );
    let told = desk.bad(&["run"]);
    assert_eq!(
        told.statuses(),
        ["apart succeeded", "best skipped", "orders failed", "raw_orders succeeded"]
    );
    assert!(told.stderr.contains("models/orders.sql:2:3"), "{}", told.stderr);
    assert!(told.stderr.contains("amount"), "the near name is offered: {}", told.stderr);
    assert!(told.message("best").contains("orders"), "{}", told.message("best"));
}
