"""NAV in the lens's file: a table of its own, as one strategy's history is spread over a lake file a session.

Its rows are in three levels, all sorted by strategy: the newest sessions, batches of 12 and of 144. Reading one
strategy touches a few thousand rows of each batch, and adding a session never sorts more than a batch. Strategies are
numbered in there: DuckDB skips rows by the range of a number, but of a text by its first eight bytes alone.
"""

# ruff: noqa: S608 - every name in these queries is a constant of ours

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from countersign.models.lens.table import LensTable
from countersign.models.lens.tables import NAV
from countersign.services.publication.lake import select_files
from countersign.services.publication.snapshot import ShownFile, Snapshot

if TYPE_CHECKING:
    import duckdb

# Tables of NAV rows, and how many sessions their batches have.
LEVELS = (("nav_recent", 1), ("nav_batches", 12), ("nav_history", 144))
NUMBER = {"strategy_id": ("INTEGER", "number of the strategy in internal.strategy_ids")}
FIGURES = {name: column for name, column in NAV.columns.items() if name != "strategy"}
NAV_TABLES = (
    *(LensTable(name, "Rows of the view nav", NUMBER | FIGURES) for name, _ in LEVELS),
    LensTable("strategy_ids", "Strategies that have a NAV, numbered", NUMBER | {"strategy": NAV.columns["strategy"]}),
)
# Made anew by every update, to stay sorted.
NEWEST = NAV_TABLES[0]


def update_nav(db: duckdb.DuckDBPyConnection, snapshot: Snapshot, held: frozenset[ShownFile]) -> int:
    """Bring the tables from the files `held` to the snapshot's; return how many sessions came in anew."""
    wanted = frozenset(snapshot.files[NAV.name])
    changed = {file.session for file in wanted ^ held}
    for session in changed & {file.session for file in held}:
        for level, _ in LEVELS:
            db.execute(f"DELETE FROM internal.{level} WHERE session = ?", [session])
    fresh = sorted(changed & {file.session for file in wanted})
    done = 0
    for level, size in reversed(LEVELS):
        while len(fresh) - done >= size:
            sessions = fresh[done : done + size]
            files = [file for file in snapshot.files[NAV.name] if sessions[0] <= file.session <= sessions[-1]]
            query = select_files(NAV, snapshot.lake, [file for file in files if file.session in changed])
            _insert_sorted(db, level, _numbered(db, query))
            done += size
    _merge_full_levels(db)
    newest = f"internal.{NEWEST.name}"
    db.execute(f"CREATE OR REPLACE TABLE {newest} AS FROM {newest} ORDER BY strategy_id, session")
    return len(fresh)


def create_nav_view(db: duckdb.DuckDBPyConnection) -> str:
    """Create the view `nav`, and return the query for its rows by the number of the strategy."""
    levels = " UNION ALL ".join(f"SELECT * FROM internal.{level}" for level, _ in LEVELS)
    db.execute(
        f"CREATE OR REPLACE VIEW nav AS SELECT strategy, {', '.join(FIGURES)}"
        f" FROM ({levels}) JOIN internal.strategy_ids USING (strategy_id)"
    )
    return levels


def _merge_full_levels(db: duckdb.DuckDBPyConnection) -> None:
    for (level, _), (above, size) in pairwise(LEVELS):
        sessions = db.execute(f"SELECT count(DISTINCT session) FROM internal.{level}").fetchall()[0][0]
        if sessions >= size:
            _insert_sorted(db, above, f"SELECT * FROM internal.{level}")
            db.execute(f"DELETE FROM internal.{level}")


def _numbered(db: duckdb.DuckDBPyConnection, query: str) -> str:
    """Number the strategies that `query` brings in, and write the query for its rows with numbers."""
    db.execute(
        "INSERT INTO internal.strategy_ids"
        " SELECT (SELECT count(*) FROM internal.strategy_ids) + row_number() OVER (ORDER BY strategy), strategy"
        f" FROM (SELECT DISTINCT strategy FROM ({query}) ANTI JOIN internal.strategy_ids USING (strategy))"
    )
    return f"SELECT strategy_id, {', '.join(FIGURES)} FROM ({query}) JOIN internal.strategy_ids USING (strategy)"


def _insert_sorted(db: duckdb.DuckDBPyConnection, level: str, query: str) -> None:
    db.execute(f"INSERT INTO internal.{level} FROM ({query}) ORDER BY strategy_id, session")
