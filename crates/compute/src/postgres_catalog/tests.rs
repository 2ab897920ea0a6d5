//! The evaluator over a small catalog, asked with what drivers use.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema};
use chrono::{DateTime, Utc};

use super::facts::{TableFacts, columns_of, number_of};
use super::{Activity, Host, PostgresCatalog, Setting};
use crate::error::QueryError;

#[derive(Debug)]
struct Ana;

impl Host for Ana {
    fn user(&self) -> String {
        "ana".to_owned()
    }
    fn database(&self) -> String {
        "prod".to_owned()
    }
    fn databases(&self) -> Vec<String> {
        vec!["prod".to_owned(), "dev".to_owned()]
    }
    fn users(&self) -> Vec<(String, bool)> {
        vec![("ana".to_owned(), false)]
    }
    fn search_path(&self) -> Vec<String> {
        vec!["nowhere".to_owned(), "shop".to_owned()]
    }
    fn process_id(&self) -> i32 {
        7
    }
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
    fn started(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
    fn setting(&self, name: &str) -> Option<String> {
        (name == "jit").then(|| "off".to_owned())
    }
    fn settings(&self) -> Vec<Setting> {
        Vec::new()
    }
    fn set(&self, _: &str, value: &str, _: bool) -> Result<String, QueryError> {
        Ok(value.to_owned())
    }
    fn activity(&self) -> Vec<Activity> {
        Vec::new()
    }
    fn stop(&self, process: i32, _: bool) -> Result<bool, QueryError> {
        Ok(process == 7)
    }
    fn sleep(&self, _: Duration) {}
    fn ended(&self) -> bool {
        false
    }
}

fn catalog() -> Arc<PostgresCatalog> {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("tags", DataType::new_list(DataType::Utf8, true), true),
    ]);
    let table = |namespace: &str, name: &str, view: Option<&str>| {
        let name = base::TableName::new(namespace, name);
        Arc::new(TableFacts {
            oid: number_of("relation", &name),
            key: if view.is_none() { vec![0] } else { Vec::new() },
            name,
            database: "prod".to_owned(),
            view: view.map(str::to_owned),
            columns: columns_of(&schema),
            description: Some("What it is.".to_owned()),
            rows: 12,
            bytes: 0,
        })
    };
    let tables = vec![
        table("crm", "Deals", None),
        table("shop", "orders", None),
        table("shop", "recent", Some("select 1")),
    ];
    Arc::new(PostgresCatalog::of(tables, "prod"))
}

fn asked_with(sql: &str, parameters: &[Option<String>]) -> Result<String, QueryError> {
    let query = catalog().prepare(&Ana, sql, &[])?;
    let query = query.ok_or_else(|| QueryError::internal("the engine's"))?;
    let rows = query.rows(&Ana, parameters)?;
    let line = |row: &super::Row| {
        let cells = row.iter().map(|value| value.written().unwrap_or_else(|| "∅".to_owned()));
        cells.collect::<Vec<_>>().join("|")
    };
    Ok(rows.iter().map(line).collect::<Vec<_>>().join("\n"))
}

#[track_caller]
fn check(sql: &str, wanted: &str) {
    assert_eq!(asked_with(sql, &[]).unwrap(), wanted, "{sql}");
}

#[test]
fn correlated_and_lateral_subqueries_see_the_row_around_them() {
    check(
        "select c.relname, (select count(*) from pg_attribute a where a.attrelid = c.oid) \
         from pg_class c where c.relkind in ('r', 'v') and c.relnamespace = 'shop'::regnamespace \
         order by 1",
        "orders|2\nrecent|2",
    );
    check(
        "select c.relname, l.n from pg_class c cross join lateral \
         (select max(a.attnum) as n from pg_attribute a where a.attrelid = c.oid) l \
         where c.oid = 'shop.orders'::regclass",
        "orders|2",
    );
    check(
        "select n.nspname, array(select relname from pg_class c where c.relnamespace = n.oid \
         and relkind = 'r' order by 1) from pg_namespace n where nspname in ('crm', 'shop') \
         order by 1",
        "crm|{Deals}\nshop|{orders}",
    );
}

#[test]
fn functions_that_give_rows_stand_in_lists_and_in_from() {
    check("select generate_series(1, 3)", "1\n2\n3");
    check("select s.n, s.a from unnest(array['x', 'y']) with ordinality as s(a, n)", "1|x\n2|y");
    check(
        "select (information_schema._pg_expandarray(i.indkey)).n, i.indkey[0], \
         generate_subscripts(i.indkey, 1) from pg_index i \
         where i.indrelid = 'orders'::regclass",
        "1|1|0",
    );
}

#[test]
fn recursion_ends_when_nothing_is_new() {
    check(
        "with recursive r(n) as (select 1 from pg_namespace where nspname = 'shop' \
         union all select n + 1 from r where n < 4) select sum(n), max(n) from r",
        "10|4",
    );
    check(
        "with recursive a as (select 1 as x from pg_namespace where nspname = 'shop' \
         union all select 2), b as (select x from a) select count(*) from b",
        "2",
    );
}

#[test]
fn names_and_numbers_of_things_go_both_ways() {
    check("select 'orders'::regclass, 'crm.\"Deals\"'::regclass", "orders|crm.\"Deals\"");
    check(
        "select 'pg_class'::regclass::oid, 'int4'::regtype, 1009::regtype",
        "1259|integer|text[]",
    );
    check("select to_regclass('nothing') is null, 'shop'::regnamespace::text", "t|shop");
    check(
        "select format_type(atttypid, atttypmod) from pg_attribute \
         where attrelid = 'orders'::regclass order by attnum",
        "bigint\ntext[]",
    );
    let error = asked_with("select 'nothing'::regclass from pg_class", &[]).unwrap_err();
    assert_eq!(error.message, "relation \"nothing\" does not exist");
}

#[test]
fn groups_windows_and_patterns_work_as_in_postgres() {
    check(
        "select relkind, count(*), string_agg(relname, ',' order by relname desc) from pg_class \
         where relname ~ '^(orders|Deals|recent)$' group by relkind having count(*) > 1",
        "r|2|orders,Deals",
    );
    check(
        "select relname, row_number() over (partition by relkind order by relname desc) \
         from pg_class where relname in ('orders', 'Deals') order by 2",
        "orders|1\nDeals|2",
    );
    check("select count(*) from pg_class where relname like 'ord/_rs' escape '/'", "0");
    check(
        "select relname from pg_class where relname operator(pg_catalog.~) '^rec' \
           collate pg_catalog.default",
        "recent",
    );
}

#[test]
fn parameters_take_the_type_of_what_stands_beside_them() {
    let query = catalog()
        .prepare(&Ana, "select 1 from pg_class where oid = any($1) and relname = $2", &[])
        .unwrap()
        .unwrap();
    assert_eq!(query.parameters(), [1028, super::kinds::NAME]);
    let found = asked_with(
        "select relname from pg_class where relname = any($1::text[])",
        &[Some("{orders,nothing}".to_owned())],
    );
    assert_eq!(found.unwrap(), "orders");
}

#[test]
fn only_catalog_statements_are_answered_here() {
    let ours = |sql: &str| catalog().prepare(&Ana, sql, &[]).unwrap().is_some();
    assert!(ours("select 1"));
    assert!(ours("select version(), current_user"));
    assert!(!ours("select * from shop.orders"));
    assert!(!ours("select count(*) from shop.orders o, pg_class c"));
    // What the engine rounds and divides is the engine's.
    assert!(!ours("select 1.5 + 1"));
    assert!(!ours("select round(2.5)"));
    assert!(!ours("delete from pg_class"));
}

#[test]
fn two_hundred_statements_of_a_reflection_take_little() {
    let sql = "select a.attname, format_type(a.atttypid, a.atttypmod), (select d.description \
               from pg_description d where d.objoid = c.oid and d.objsubid = a.attnum) \
               from pg_attribute a join pg_class c on c.oid = a.attrelid \
               join pg_namespace n on n.oid = c.relnamespace \
               where n.nspname = 'shop' and a.attnum > 0 order by c.relname, a.attnum";
    let catalog = catalog();
    for _ in 0..200 {
        let query = catalog.prepare(&Ana, sql, &[]).unwrap().unwrap();
        assert_eq!(query.rows(&Ana, &[]).unwrap().len(), 5);
    }
}
