"""Queries of the lens over files of the lake."""

# ruff: noqa: S608 - every name in these queries is a constant of ours, and paths are quoted

from collections.abc import Iterable
from pathlib import Path

from countersign.models.lens.factors import FACTOR_IC, FACTOR_VALUES
from countersign.models.lens.table import LensTable
from countersign.models.lens.tables import SIGNALS
from countersign.services.publication.snapshot import ShownFile

# Folder names give some columns before files are opened; the IC's folders do so in two ways.
BY_SESSION = "hive_partitioning = true, hive_types = {session: DATE}"
PARTITIONS = {
    FACTOR_VALUES.name: "hive_partitioning = true, hive_types = {factor: VARCHAR}",
    FACTOR_IC.name: "hive_partitioning = false",
}
# Sources of the columns of `signals` that its lake files do not have.
NOT_IN_THE_LAKE = ("commit_sha", "commit_time", "evidence")
SEAL_KEY = ("strategy", "session", "revision")


def select_files(table: LensTable, lake: Path, files: Iterable[ShownFile]) -> str:
    """Write the query for the rows of exactly these files. Their folders' names prune them before they are opened."""
    paths = ", ".join(quote(f"{lake}/{file.path}") for file in files)
    if not paths:
        empty = ", ".join(f'NULL::{sql_type} AS "{name}"' for name, (sql_type, _) in table.columns.items())
        return f"SELECT {empty} WHERE false"
    rows = f"read_parquet([{paths}], {PARTITIONS.get(table.name, BY_SESSION)})"
    if table is SIGNALS:
        rows += f" LEFT JOIN internal.seal USING ({', '.join(SEAL_KEY)})"
    return f"SELECT {', '.join(table.columns)} FROM {rows}"


def quote(text: str) -> str:
    """Write a text as SQL."""
    return "'" + text.replace("'", "''") + "'"
