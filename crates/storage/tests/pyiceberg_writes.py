"""Appends to and deletes from tables with PyIceberg, as another engine would.

usage: pyiceberg_writes.py LEDGER
"""

import sys

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

catalog = SqlCatalog("prod", uri=f"sqlite:///{sys.argv[1]}", init_catalog_tables="false")
rows = pa.table({"id": pa.array([50, 51], pa.int64()), "word": ["fifty", "fifty-one"]})
catalog.load_table("main.appended").append(rows)
catalog.load_table("main.deleted").append(rows)
catalog.load_table("main.deleted").delete("id = 5 or id = 50")
catalog.load_table("main.partitioned").append(rows)
