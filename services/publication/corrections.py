"""Corrections in the lens's file: NAV and returns of superseded versions, beside those that count.

A table of its own rather than a view over the lake: a correction may reach through as many files as there are sessions,
and one strategy's history is read all the time. A superseded version never changes, so the table is only added to.
"""

# ruff: noqa: S608 - every name in these queries is a constant of ours

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from countersign.models.lens.table import LensTable
from countersign.models.lens.tables import CORRECTIONS
from countersign.services.publication.snapshot import SupersededFile

if TYPE_CHECKING:
    import duckdb

FIGURES = ("nav", "daily_return", "cumulative_return", "benchmark_return")
ROWS = ("session", "version", *FIGURES)
SUPERSEDED = LensTable(
    "superseded_nav",
    "Rows of the view corrections",
    {
        "strategy_id": ("INTEGER", "number of the strategy in internal.strategy_ids"),
        **{name: CORRECTIONS.columns[name] for name in ROWS},
    },
)
TABLE = f"internal.{SUPERSEDED.name}"
KNOWN = f"SELECT DISTINCT session, version FROM {TABLE}"
FRESH = (
    f"INSERT INTO {TABLE} SELECT strategy_id, {', '.join(ROWS)}"
    " FROM read_parquet($paths, filename = true, hive_partitioning = true, hive_types = {session: DATE})"
    " JOIN fresh USING (filename) JOIN internal.strategy_ids USING (strategy) ORDER BY strategy_id, session, version"
)


def add_superseded(
    db: duckdb.DuckDBPyConnection,
    lake: Path,
    files: Iterable[SupersededFile],
    require: Callable[[Collection[str]], None],
) -> None:
    """Make the table hold the rows of exactly these files; `require` refuses those to be read that are not whole."""
    wanted, held = list(files), set(db.execute(KNOWN).fetchall())
    for key in held - {(file.session, file.version) for file in wanted}:
        db.execute(f"DELETE FROM {TABLE} WHERE session = ? AND version = ?", list(key))
    new = [file for file in wanted if (file.session, file.version) not in held]
    fresh = {str(lake / file.path): file.version for file in new}
    if fresh:
        require({file.path for file in new})
        db.register("fresh", pl.DataFrame({"filename": list(fresh), "version": list(fresh.values())}).to_arrow())
        db.execute(FRESH, {"paths": list(fresh)})
        db.unregister("fresh")


def create_corrections_view(db: duckdb.DuckDBPyConnection, newest: str) -> None:
    """Create the view `corrections`; `newest` is the query for the rows of NAV that count."""
    db.execute(
        f"CREATE OR REPLACE VIEW corrections AS SELECT strategy, {', '.join(f'old.{name}' for name in ROWS)},"
        f" settled_at, (newest.nav - old.nav)::DECIMAL(18,2) AS difference FROM {TABLE} AS old"
        f" JOIN ({newest}) AS newest USING (strategy_id, session)"
        " JOIN internal.strategy_ids USING (strategy_id) JOIN settlements USING (session, version)"
    )
