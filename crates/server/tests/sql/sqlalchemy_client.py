import os

import sqlalchemy as sa

url = f"postgresql+psycopg://ana@127.0.0.1:{os.environ['PORT']}/prod"
engine = sa.create_engine(url)


def check(found, wanted):
    assert found == wanted, f"found {found!r}, wanted {wanted!r}"


with engine.connect() as c:
    check(c.dialect.server_version_info[0], 16)
    check(c.dialect.default_schema_name, "shop")
    check(c.scalar(sa.text("select count(*) from shop.orders where id < :n"), {"n": 11}), 10)

inspector = sa.inspect(engine)
schemas = inspector.get_schema_names()
assert {"shop", "crm", "information_schema"} <= set(schemas), schemas
check(inspector.get_table_names(schema="shop"), ["orders"])
check(inspector.get_table_names(), ["orders"])
check(inspector.get_table_names(schema="crm"), ["contacts"])
check(inspector.get_view_names(schema="shop"), ["large_orders"])
check(inspector.get_materialized_view_names(), [])
check(inspector.get_temp_table_names(), [])
check(inspector.has_table("orders"), True)
check(inspector.has_table("orders", schema="crm"), False)
check(inspector.has_table("large_orders", schema="shop"), True)
assert "from shop.orders" in inspector.get_view_definition("large_orders", schema="shop")
columns = inspector.get_columns("orders", schema="shop")
check([column["name"] for column in columns],
      ["id", "customer", "amount", "placed_at", "day", "paid", "score", "tags", "address", "photo"])
check([str(column["type"]) for column in columns],
      ["BIGINT", "TEXT", "NUMERIC(12, 2)", "TIMESTAMP", "DATE", "BOOLEAN", "DOUBLE PRECISION",
       "ARRAY", "JSON", "BYTEA"])
check(columns[3]["type"].timezone, True)
check(columns[0]["comment"], "The number on the receipt.")
check([column["name"] for column in inspector.get_columns("contacts", schema="crm")], ["id", "Name"])
check(inspector.get_pk_constraint("orders", schema="shop")["constrained_columns"], [])
check(inspector.get_foreign_keys("orders", schema="shop"), [])
check(inspector.get_indexes("orders", schema="shop"), [])
check(inspector.get_unique_constraints("orders", schema="shop"), [])
check(inspector.get_check_constraints("orders", schema="shop"), [])
check(inspector.get_table_comment("orders", schema="shop")["text"], "One line for each order.")
check(inspector.get_enums(), [])
check(inspector.get_sequence_names(), [])
for schema in ("shop", "crm", "fiveply"):
    metadata = sa.MetaData()
    metadata.reflect(engine, schema=schema, views=True)
    assert metadata.tables, schema
orders = sa.Table("orders", sa.MetaData(), schema="shop", autoload_with=engine)
with engine.connect() as c:
    statement = sa.select(orders.c.customer, sa.func.sum(orders.c.amount)).where(
        orders.c.id.in_([1, 2, 3])).group_by(orders.c.customer).order_by(orders.c.customer)
    check(len(c.execute(statement).all()), 3)
    with c.begin_nested() if c.in_transaction() else c.begin():
        check(c.scalar(sa.select(sa.func.count()).select_from(orders)), 5000)
