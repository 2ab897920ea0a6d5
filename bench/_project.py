"""A project in a folder of its own, as a user would write it."""

import shutil

from _measure import FIVEPLY, program

DBT_PROJECT = """name: bench
version: "1.0.0"
config-version: 2
model-paths: [models]
"""


class Project:
    """A fresh project folder."""

    def __init__(self, folder, files):
        shutil.rmtree(folder, ignore_errors=True)
        self.folder = folder
        for path, text in {"dbt_project.yml": DBT_PROJECT, **files}.items():
            path = folder / path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    @property
    def state(self):
        """Ledger and warehouse."""
        return self.folder / ".fiveply"

    def fiveply(self, *words):
        """What one command took."""
        return program([FIVEPLY, *words], self.folder)

    def data_files(self, namespace, table):
        """The data files of a table that was made once: all of them are alive."""
        folders = [self.state / "warehouse" / namespace]
        found = sorted(folders[0].glob(f"{table}-*/data/**/*.parquet"))
        assert found, f"{namespace}.{table} has no data files"
        return [str(path) for path in found]


def ingest(folder, streams):
    """An ingest file over a folder of files; stream name: glob."""
    lines = [f"connection: {{type: files, path: {folder}}}", "streams:"]
    for name, glob in streams.items():
        lines += [f"  - name: {name}", f"    files: {glob}"]
    return "\n".join(lines) + "\n"


def sql_list(paths):
    """Paths as a list in DuckDB's SQL."""
    return "[" + ", ".join(f"'{path}'" for path in paths) + "]"
