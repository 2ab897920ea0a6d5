"""Reads a warehouse with PyIceberg and compares it with what the test that wrote it expects.

usage: pyiceberg_reads.py LEDGER EXPECTATIONS

The ledger is opened as a SqlCatalog. Rows travel as text, one line a row, values joined by "|", in
the form in which the test prints them.
"""

import datetime
import json
import sys
import uuid
from decimal import Decimal

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog


def text(value, kind):
    if value is None:
        return "NULL"
    if pa.types.is_struct(kind):
        items = ((field.name, text(value[field.name], field.type)) for field in kind)
        return "{" + ", ".join(f"{name}: {item}" for name, item in items) + "}"
    if pa.types.is_map(kind):
        items = ((text(key, kind.key_type), text(item, kind.item_type)) for key, item in value)
        return "{" + ", ".join(f"{key}: {item}" for key, item in items) + "}"
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return "NaN" if value != value else repr(value)
        case int() | str() | Decimal():
            return str(value)
        case uuid.UUID() | bytes():
            return value.hex if isinstance(value, uuid.UUID) else value.hex()
        case datetime.datetime():
            return value.isoformat().replace("+00:00", "Z")
        case datetime.date() | datetime.time():
            return value.isoformat()
        case list():
            return "[" + ", ".join(text(item, kind.value_type) for item in value) + "]"
    raise TypeError(f"no text for {type(value)}")


def lines(table):
    fields = list(table.schema)
    rows = table.to_pylist()
    return sorted("|".join(text(row[field.name], field.type) for field in fields) for row in rows)


def schema(found):
    document = json.loads(found.model_dump_json())
    return without(document["fields"], {"doc", "initial-default", "write-default"})


def without(document, keys):
    if isinstance(document, dict):
        return {key: without(item, keys) for key, item in document.items() if key not in keys}
    if isinstance(document, list):
        return [without(item, keys) for item in document]
    if isinstance(document, str):
        return document.replace(" ", "")
    return document


class Check:
    def __init__(self):
        self.wrong = []
        self.count = 0

    def same(self, what, found, expected):
        self.count += 1
        if found != expected:
            found, expected = str(found)[:2000], str(expected)[:2000]
            self.wrong.append(f"{what}\n  found    {found}\n  expected {expected}")


def check_table(check, catalog, name, expected):
    table = catalog.load_table(name)
    check.same(f"{name}: rows", lines(table.scan().to_arrow()), expected["rows"])
    wanted = without(expected["schema"], {"doc", "initial-default", "write-default"})
    check.same(f"{name}: schema", schema(table.schema()), wanted)
    spec = [[field.name, str(field.transform)] for field in table.spec().fields]
    check.same(f"{name}: partitioning", spec, expected["partitioning"])
    tasks = list(table.scan().plan_files())
    check.same(f"{name}: data files", len(tasks), expected["data_files"])
    deletes = {delete.file_path for task in tasks for delete in task.delete_files}
    check.same(f"{name}: delete files", len(deletes), expected["delete_files"])
    summary = table.current_snapshot().summary
    check.same(f"{name}: commit id", summary["fiveply.commit-id"], expected["commit_id"])
    check.same(f"{name}: total-records", int(summary["total-records"]), expected["records"])
    check.same(f"{name}: gc.enabled", table.properties["gc.enabled"], "false")
    for version in expected["versions"]:
        scan = table.scan(snapshot_id=version["snapshot_id"])
        what = f"{name}: version {version['snapshot_id']}"
        check.same(what, lines(scan.to_arrow()), version["rows"])
    for wanted in expected["filters"]:
        scan = table.scan(row_filter=wanted["filter"])
        what = f"{name}: where {wanted['filter']}"
        check.same(what, lines(scan.to_arrow()), wanted["rows"])
        check.same(f"{what}: files", len(list(scan.plan_files())), wanted["files"])


def main():
    ledger, expectations = sys.argv[1:]
    with open(expectations, encoding="utf-8") as file:
        expected = json.load(file)
    catalog = SqlCatalog(
        expected["environment"], uri=f"sqlite:///{ledger}", init_catalog_tables="false"
    )
    check = Check()
    listed = sorted(".".join(name) for name in catalog.list_tables("main"))
    check.same("tables listed", listed, sorted(expected["tables"]))
    for name, table in expected["tables"].items():
        try:
            check_table(check, catalog, name, table)
        except Exception as error:  # noqa: BLE001  every table is looked at
            check.wrong.append(f"{name}: {type(error).__name__}: {error}")
    for wrong in check.wrong:
        print(wrong)
    print(f"{check.count} comparisons, {len(check.wrong)} differ")
    sys.exit(1 if check.wrong else 0)


main()
