"""The engines a user would pick instead, as workers: one JSON line in, one out.

    python _peers.py duckdb      {"execute": sql}, {"run": sql}, {"answer": true}
    python _peers.py polars      {"load": [files], "to": file}

An empty question is answered when the engine has started.
"""

import json
import sys


class Duckdb:
    """`run` keeps the rows as Arrow, so that making Python objects of them is not measured."""

    def __init__(self):
        import duckdb

        self.connection = duckdb.connect()
        self.kept = None

    def answer(self, asked):
        if "execute" in asked:
            self.connection.execute(asked["execute"])
            return {}
        if "run" in asked:
            self.kept = self.connection.sql(asked["run"]).to_arrow_table()
            return {"rows": self.kept.num_rows}
        text = lambda value: None if value is None else str(value)  # noqa: E731
        columns = [column.to_pylist() for column in self.kept.columns]
        return {"values": [[text(value) for value in row] for row in zip(*columns)]}


class Polars:
    def __init__(self):
        import polars

        self.polars = polars

    def answer(self, asked):
        frame = self.polars.scan_ndjson(asked["load"])
        frame.sink_parquet(asked["to"], compression="zstd")
        return {}


def main():
    peer = {"duckdb": Duckdb, "polars": Polars}[sys.argv[1]]()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = peer.answer(asked) if asked else {}
        except Exception as error:  # the benchmark says it and ends
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
