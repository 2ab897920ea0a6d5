use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use base::{EnvironmentName, ErrorKind, TableName};
use compute::{Catalog, Dialect, Session, ViewText};
use ledger::PointerKind;

use crate::by_hand::{ByHand, ask, engine, longs, options, session, small, try_ask};

fn batch(name: &str, values: &[i64]) -> (Arc<Schema>, Vec<RecordBatch>) {
    let schema = Arc::new(Schema::new(vec![Field::new(name, DataType::Int64, true)]));
    let rows = RecordBatch::try_new(Arc::clone(&schema), vec![longs(values.iter().copied())]);
    (schema, vec![rows.unwrap()])
}

fn memory() -> Catalog {
    let (schema, rows) = batch("amount", &[1, 2, 3]);
    Catalog::empty(EnvironmentName::new("prod"))
        .with_batches(TableName::new("shop", "orders"), Arc::clone(&schema), rows.clone())
        .with_batches(TableName::new("crm", "people"), schema, rows)
}

fn view(sql: &str) -> ViewText {
    ViewText {
        sql: sql.to_owned(),
        dialect: Dialect::Duckdb,
        default_namespace: Some("shop".to_owned()),
    }
}

async fn refusal(session: &Session, sql: &str) -> compute::QueryError {
    try_ask(session, sql).await.expect_err(sql)
}

#[tokio::test]
async fn a_table_has_three_spellings() {
    let session = session(memory());
    for name in ["orders", "shop.orders", "\"prod\".\"shop\".\"orders\"", "SHOP.Orders"] {
        assert_eq!(ask(&session, &format!("select sum(amount) from {name}")).await, "6", "{name}");
    }
}

#[tokio::test]
async fn an_unknown_table_is_marked_and_a_near_one_offered() {
    let session = session(memory());
    let sql = "select 1\nfrom shop.ordres o join crm.people using (amount)";
    let error = refusal(&session, sql).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.message, "table \"shop.ordres\" does not exist");
    assert_eq!(error.help.as_deref(), Some("Did you mean \"shop.orders\"?"));
    assert_eq!(&sql[error.span.unwrap()], "shop.ordres");
    let error = refusal(&session, "select * from people").await;
    assert_eq!(error.help.as_deref(), Some("Did you mean \"crm.people\"?"));
    let error = refusal(&session, "select * from dev.shop.orders").await;
    assert_eq!(error.message, "environment \"dev\" is not open in this session");
}

#[tokio::test]
async fn an_unknown_column_is_marked_and_a_near_one_offered() {
    let session = session(memory());
    for sql in ["select amuont from orders", "select 'é',\n sum(o.amuont) from orders o"] {
        let error = refusal(&session, sql).await;
        assert_eq!(error.kind(), ErrorKind::Project);
        assert!(error.message.starts_with("column \"amuont\" does not exist"), "{error:?}");
        assert_eq!(error.help.as_deref(), Some("Did you mean \"amount\"?"), "{error:?}");
        assert!(sql[error.span.unwrap()].ends_with("amuont"), "{sql}");
    }
}

#[tokio::test]
async fn only_queries_are_let_in() {
    let session = session(memory());
    for sql in [
        "create table x as select 1",
        "drop table orders",
        "insert into orders values (1)",
        "delete from orders",
        "update orders set amount = 1",
        "copy orders to '/tmp/x.csv'",
        "set datafusion.execution.batch_size = 1",
        "create external table t stored as csv location '/etc/passwd'",
        "select * from read_csv('/etc/passwd')",
        "select read_text('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * into other from orders",
        "explain delete from orders",
        "select 1; select 2",
        "",
    ] {
        let error = refusal(&session, sql).await;
        let kind = error.kind();
        assert!(matches!(kind, ErrorKind::Project | ErrorKind::NotFound), "{sql}: {error:?}");
    }
    assert_eq!(ask(&session, "values (1), (2)").await, "1\n2");
    assert_eq!(ask(&session, "with t as (select 4 as x) select x from t").await, "4");
    assert!(ask(&session, "explain select * from orders").await.contains("orders"));
}

#[tokio::test]
async fn the_information_schema_describes_what_the_session_sees() {
    let session = session(memory());
    let sql = "select table_schema, table_name from information_schema.tables \
               where table_schema <> 'information_schema' order by 1";
    assert_eq!(ask(&session, sql).await, "crm|people\nshop|orders");
    let sql = "select column_name from information_schema.columns where table_name = 'orders'";
    assert_eq!(ask(&session, sql).await, "amount");
}

#[tokio::test]
async fn semi_and_anti_joins_answer_right_behind_the_fence() {
    let session = session(memory());
    for (sql, answer) in [
        ("select count(*) from orders where amount in (select amount from crm.people)", "3"),
        ("select count(*) from orders where amount not in (select amount from crm.people)", "0"),
        (
            "select count(*) from orders o where not exists \
          (select 1 from crm.people p where p.amount = o.amount + 1)",
            "1",
        ),
        ("select count(*) from orders where amount not in (select 2 union all select null)", "0"),
        (
            "select sum(amount) from orders o where exists \
          (select 1 from crm.people p where p.amount = o.amount and p.amount > 1)",
            "5",
        ),
    ] {
        assert_eq!(ask(&session, sql).await, answer, "{sql}");
    }
}

#[tokio::test]
async fn now_is_the_business_clock() {
    let session = session(memory());
    let sql = "select current_date::varchar, extract(year from now()), extract(hour from now())";
    assert_eq!(ask(&session, sql).await, "2031-05-06|2031|7");
}

#[tokio::test]
async fn a_staged_version_stands_in_for_the_published_one() {
    use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};
    let lake = ByHand::new();
    let fields = vec![NestedField::optional(1, "id", Type::Primitive(PrimitiveType::Long)).into()];
    let schema = Schema::builder().with_fields(fields).build().unwrap();
    let mut table = lake.table("orders", schema).await;
    let empty = table.location.clone();
    table.append(vec![longs(0..3)], 10).await;
    let published = lake.with(&[&table]);
    table.append(vec![longs(3..5)], 10).await;
    let name = TableName::new("shop", "orders");
    let staged = published.clone().with_version(name.clone(), &table.location, PointerKind::Table);
    let engine = engine(small());
    let before = engine.session(published.clone(), options());
    let after = engine.session(staged, options());
    let at_first = engine.session(
        published.clone().with_version(name.clone(), empty, PointerKind::Table),
        options(),
    );
    assert_eq!(ask(&before, "select count(*) from orders").await, "3");
    assert_eq!(ask(&after, "select count(*), max(id) from orders").await, "5|4");
    assert_eq!(ask(&at_first, "select count(*), max(id) from orders").await, "0|∅");
    let (schema, rows) = batch("id", &[7]);
    let mocked = engine.session(published.with_batches(name, schema, rows), options());
    assert_eq!(ask(&mocked, "select max(id) from orders").await, "7");
    let inputs = after.prepare("select 1 from orders limit 1").await.unwrap().inputs();
    assert_eq!((inputs.len(), inputs[0].rows, inputs[0].snapshot_id.is_some()), (1, 5, true));
}

#[tokio::test]
async fn a_view_reads_where_its_reader_stands() {
    let catalog = memory()
        .with_view(
            TableName::new("shop", "big"),
            view("select amount from orders where amount > 1"),
        )
        .with_view(
            TableName::new("crm", "sums"),
            view("select sum(b.amount) as total from \"dev\".\"shop\".\"big\" b"),
        );
    let open = session(catalog);
    let prepared = open.prepare("select total from crm.sums").await.unwrap();
    assert_eq!(ask(&open, "select total from crm.sums").await, "5");
    let inputs: Vec<String> = prepared.inputs().iter().map(|read| read.table.to_string()).collect();
    assert_eq!(inputs, ["shop.orders"], "views are looked through");
}

#[tokio::test]
async fn a_view_over_a_renamed_table_or_itself_says_so() {
    let (schema, rows) = batch("amount", &[1]);
    let catalog = memory()
        .with_view(TableName::new("shop", "big"), view("select amount from orders"))
        .without(&TableName::new("shop", "orders"))
        .with_batches(TableName::new("shop", "orders_v2"), schema, rows)
        .with_view(TableName::new("shop", "snake"), view("select * from shop.tail"))
        .with_view(TableName::new("shop", "tail"), view("select * from shop.snake"));
    let open = session(catalog);
    let error = refusal(&open, "select * from shop.big").await;
    assert!(error.message.contains("view \"shop.big\""), "{error:?}");
    assert!(error.message.contains("table \"shop.orders\" does not exist"), "{error:?}");
    assert_eq!(error.span, None, "the place is in the view's SQL, not in the reader's");
    let error = refusal(&open, "select * from snake").await;
    assert!(error.message.contains("reads itself"), "{error:?}");
}

#[tokio::test]
async fn faults_in_data_are_told_apart_from_faults_in_sql() {
    let session = session(memory());
    let error = refusal(&session, "select 1 % (amount - amount) from orders").await;
    assert_eq!(error.kind(), ErrorKind::Data, "{error:?}");
    let error = refusal(&session, "select no_such_function(amount) from orders").await;
    assert_eq!(error.kind(), ErrorKind::Project, "{error:?}");
}
