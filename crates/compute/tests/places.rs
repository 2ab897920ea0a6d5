//! A name that is wrong is drawn where the person wrote it, whatever the statement was rewritten
//! to.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use base::{EnvironmentName, TableName};
use chrono::{TimeZone, Utc};
use compute::{Catalog, Dialect, Session, SessionOptions};

use crate::by_hand::{engine, small};

fn session(dialect: Dialect) -> Session {
    let batch = |names: [&str; 2]| {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        RecordBatch::try_from_iter(names.into_iter().zip([numbers, texts])).unwrap()
    };
    let mut catalog = Catalog::empty(EnvironmentName::new("prod"));
    for (table, names) in [("people", ["id", "name"]), ("orders", ["id", "status"])] {
        let rows = batch(names);
        catalog = catalog.with_batches(TableName::new("main", table), rows.schema(), vec![rows]);
    }
    engine(small()).session(
        catalog,
        SessionOptions {
            dialect,
            business_now: Utc.with_ymd_and_hms(2026, 5, 22, 12, 0, 0).unwrap(),
            time_zone: "UTC".to_owned(),
            default_namespace: Some("main".to_owned()),
        },
    )
}

#[tokio::test]
async fn a_wrong_column_is_drawn_through_every_rewrite() {
    let wrong = [
        "select regexp_extract(nmae, 'a') from people",
        "select id, json_object('a', nmae) from people",
        "select median(nmae) filter (where id > 1) from people",
        "select coalesce(id, 0) as x, x + 1 as y, nmae from people",
        "select * from people natural join orders where nmae = 1",
        "select * rename (id as key) from people where nmae is null",
        "select max(columns('i.*')) from people where nmae = 'a'",
        "select [x + nmae for x in [1, 2]] from people",
        "select * from people pivot (sum(id) for nmae in ('a', 'b'))",
        "from people where nmae in ['a', 'b']",
        "with t as materialized (select id from people) select nmae from t",
        "select id from people where (id, nmae) in ((1, 'a'))",
        "select date_diff('day', nmae, current_date) from people",
        "select k from people left join orders using (id) group by all having nmae > 1",
    ];
    for sql in wrong {
        // One of them has a second name that stands for nothing.
        let sql = sql.replace("select k from", "select id from");
        let error = session(Dialect::Duckdb).prepare(&sql).await.unwrap_err();
        let place = error.span.clone().unwrap_or_else(|| panic!("{sql}: {error:?}"));
        assert_eq!(&sql[place], "nmae", "{sql}: {error:?}");
    }
}

#[tokio::test]
async fn an_ambiguous_column_and_a_wrong_table_are_drawn() {
    for (sql, drawn) in [
        ("select id from people p join orders o on p.id = o.id", "id"),
        ("select 1 from people join ordres using (id)", "ordres"),
        ("select upper(p.nmae) from people p", "p.nmae"),
    ] {
        let error = session(Dialect::Postgres).prepare(sql).await.unwrap_err();
        let place = error.span.clone().unwrap_or_else(|| panic!("{sql}: {error:?}"));
        assert_eq!(&sql[place], drawn, "{sql}: {error:?}");
    }
}
