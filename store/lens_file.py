"""The lens's file: fills one DuckDB file that nobody reads yet. Which file, and when it is shown, is decided elsewhere.

NAV is a table of its own, because one strategy's history is read all the time and lies in as many lake files as there
are sessions. Its rows stand in three levels, all sorted by strategy: the newest sessions, batches of 12 and of 144.
Reading one strategy touches a few thousand rows of each batch, and adding a session never sorts more than a batch.
Strategies are numbered in there: what DuckDB skips rows by is the range of a number, but of a text only its first eight
bytes. The other large datasets stay in the lake, behind views that name their files.
"""

# ruff: noqa: S608 - every name in these queries is a constant of ours, and paths are quoted

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import duckdb
import polars as pl

from models.errors import StoreError
from models.lens import (
    BARS,
    CORRECTIONS,
    EVALUATIONS,
    EXTERNAL_GAPS,
    EXTERNAL_SIGNALS,
    FACTOR_IC,
    FACTOR_VALUES,
    FACTORS,
    INDEX_LEVELS,
    LENS_TABLES,
    NAV,
    ORDERS,
    POSITIONS,
    SETTLEMENTS,
    SIGNALS,
    STRATEGIES,
    LensTable,
)
from store.lens_corrections import SUPERSEDED, add_superseded, create_view
from store.lens_external import External
from store.snapshot import ShownFile, Snapshot

# Count up whenever an existing file can no longer be extended, only made anew.
FORMAT = 5
# Rows that one strategy's batch is found among: smaller groups are read faster, and cost more to list.
ROW_GROUP_SIZE = 16_384
# The oldest format with all we need, so that older clients can read the lens too.
STORAGE_VERSION = "v1.4.0"
# Tables of NAV rows, and how many sessions their batches have.
LEVELS = (("nav_recent", 1), ("nav_batches", 12), ("nav_history", 144))
NUMBER = {"strategy_id": ("INTEGER", "number of the strategy in internal.strategy_ids")}
FIGURES = {name: column for name, column in NAV.columns.items() if name != "strategy"}
# Views over the lake. What a folder says of its files is known before they are opened; of the IC it says now this, now
# that.
VIEWS = (SIGNALS, ORDERS, POSITIONS, EVALUATIONS, BARS, INDEX_LEVELS, FACTOR_IC, FACTOR_VALUES)
BY_SESSION = "hive_partitioning = true, hive_types = {session: DATE}"
PARTITIONS = {
    FACTOR_VALUES.name: "hive_partitioning = true, hive_types = {factor: VARCHAR}",
    FACTOR_IC.name: "hive_partitioning = false",
}
# Where the columns of `signals` are that its lake files do not have.
NOT_IN_THE_LAKE = ("commit_sha", "commit_time", "evidence")
SEAL_KEY = ("strategy", "session", "revision")
INTERNAL = (
    SUPERSEDED,
    *(LensTable(name, "Rows of the view nav", NUMBER | FIGURES) for name, _ in LEVELS),
    LensTable("strategy_ids", "Strategies that have a NAV, numbered", NUMBER | {"strategy": NAV.columns["strategy"]}),
    LensTable(
        "seal",
        "How the signals of disclosed sessions were sealed: columns of the view signals",
        {name: SIGNALS.columns[name] for name in (*SEAL_KEY, *NOT_IN_THE_LAKE)},
    ),
    LensTable(
        "publication",
        "What this file was made from",
        {
            "version": ("VARCHAR", "name of this version"),
            "format": ("INTEGER", "layout of the schema internal"),
            "digest": ("VARCHAR", "hash of all that is settled; equal digests, equal contents"),
            "external_digest": ("VARCHAR", "hash of all that came from outside"),
            "external_through": ("BIGINT", "number of the newest external signal"),
        },
    ),
    LensTable(
        "nav_file",
        "Lake files whose rows the view nav shows",
        {
            "session": ("DATE", "session of the file"),
            "path": ("VARCHAR", "relative to the lake's root"),
            "sha256": ("VARCHAR", "hash of the file"),
        },
    ),
)


@dataclass(frozen=True)
class Held:
    """What an existing lens shows: enough to know what a new one must add."""

    digest: str
    nav_files: frozenset[ShownFile]
    sealed_sessions: frozenset[date]
    external_digest: str = ""
    external_through: int = 0


NOTHING = Held("", frozenset(), frozenset())


def open_read_only(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a published version. The one way to: DuckDB refuses two configurations of a file in one process."""
    return duckdb.connect(path, read_only=True)


def read_held(path: Path) -> Held | None:
    """Read what a lens was made from; None where it cannot be extended (another format, damaged, or no lens)."""
    try:
        with open_read_only(path) as db:
            (layout,) = db.execute("SELECT format FROM internal.publication").fetchall()[0]
            if layout != FORMAT:
                return None
            query = "SELECT digest, external_digest, external_through FROM internal.publication"
            digest, *external = db.execute(query).fetchall()[0]
            files = db.execute("SELECT session, path, sha256 FROM internal.nav_file").fetchall()
            sealed = db.execute("SELECT DISTINCT session FROM internal.seal").fetchall()
    except (duckdb.Error, IndexError):
        return None
    return Held(digest, frozenset(ShownFile(*file) for file in files), frozenset(day for (day,) in sealed), *external)


def fill(
    path: Path,
    version: str,
    snapshot: Snapshot,
    held: Held,
    seals: pl.DataFrame,
    external: External,
    external_rows: Iterable[pl.DataFrame],
) -> int:
    """Bring the file at `path` from `held` to `snapshot`; return how many sessions' NAV came in anew.

    `seals` are those of the sessions disclosed since, `external_rows` the external signals that came since. With `held`
    NOTHING the file must not exist yet. StoreError if a file of the lake is missing or unreadable.
    """
    try:
        with duckdb.connect() as db, _attached(db, path):
            db.begin()
            if held is NOTHING:
                _create(db)
            added = _update_nav(db, snapshot, held)
            add_superseded(db, snapshot.lake, snapshot.superseded)
            _insert(db, "internal.seal", seals)
            for rows in external_rows:
                _insert(db, EXTERNAL_SIGNALS.name, rows)
            _replace_small_tables(db, version, snapshot, external)
            _create_views(db, snapshot)
            _comment(db)
            db.commit()
            db.execute("CHECKPOINT lens")
    except duckdb.Error as error:
        raise StoreError(f"lens {version}: {error}") from error
    return added


@contextmanager
def _attached(db: duckdb.DuckDBPyConnection, path: Path) -> Iterator[None]:
    db.execute(
        f"ATTACH {_quote(str(path))} AS lens (ROW_GROUP_SIZE {ROW_GROUP_SIZE}, STORAGE_VERSION '{STORAGE_VERSION}')"
    )
    db.execute("USE lens")
    yield
    db.execute("USE memory")
    db.execute("DETACH lens")


def _create(db: duckdb.DuckDBPyConnection) -> None:
    db.execute("CREATE SCHEMA internal")
    for table in INTERNAL:
        db.execute(f"CREATE TABLE internal.{_definition(table)}")
    for table in (STRATEGIES, SETTLEMENTS, FACTORS, EXTERNAL_SIGNALS, EXTERNAL_GAPS):
        db.execute(f"CREATE TABLE {_definition(table)}")


def _update_nav(db: duckdb.DuckDBPyConnection, snapshot: Snapshot, held: Held) -> int:
    wanted = frozenset(snapshot.files[NAV.name])
    changed = {file.session for file in wanted ^ held.nav_files}
    for session in changed & {file.session for file in held.nav_files}:
        for level, _ in LEVELS:
            db.execute(f"DELETE FROM internal.{level} WHERE session = ?", [session])
    fresh = sorted(changed & {file.session for file in wanted})
    done = 0
    for level, size in reversed(LEVELS):
        while len(fresh) - done >= size:
            sessions = fresh[done : done + size]
            files = [file for file in snapshot.files[NAV.name] if sessions[0] <= file.session <= sessions[-1]]
            query = _select(NAV, snapshot.lake, [file for file in files if file.session in changed])
            _insert_sorted(db, level, _numbered(db, query))
            done += size
    _merge_full_levels(db)
    newest = LEVELS[0][0]
    db.execute(f"CREATE OR REPLACE TABLE internal.{newest} AS FROM internal.{newest} ORDER BY strategy_id, session")
    return len(fresh)


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


def _replace_small_tables(db: duckdb.DuckDBPyConnection, version: str, snapshot: Snapshot, external: External) -> None:
    nav_files = [(file.session, file.path, file.sha256) for file in snapshot.files[NAV.name]]
    contents = {
        "strategies": snapshot.strategies,
        "settlements": snapshot.settlements,
        "factors": snapshot.factors,
        "external_gaps": external.gaps,
        "internal.nav_file": pl.DataFrame(
            nav_files, schema={"session": pl.Date, "path": pl.String, "sha256": pl.String}, orient="row"
        ),
        "internal.publication": pl.DataFrame(
            {
                "version": [version],
                "format": [FORMAT],
                "digest": [snapshot.digest],
                "external_digest": [external.digest],
                "external_through": [external.through],
            }
        ),
    }
    for table, frame in contents.items():
        db.execute(f"DELETE FROM {table}")
        _insert(db, table, frame)


def _insert(db: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> None:
    db.register("frame", frame.to_arrow())
    db.execute(f"INSERT INTO {table} BY NAME SELECT * FROM frame")
    db.unregister("frame")


def _create_views(db: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    levels = " UNION ALL ".join(f"SELECT * FROM internal.{level}" for level, _ in LEVELS)
    db.execute(
        f"CREATE OR REPLACE VIEW nav AS SELECT strategy, {', '.join(FIGURES)}"
        f" FROM ({levels}) JOIN internal.strategy_ids USING (strategy_id)"
    )
    create_view(db, levels)
    for table in VIEWS:
        query = _select(table, snapshot.lake, snapshot.files[table.name])
        db.execute(f"CREATE OR REPLACE VIEW {table.name} AS {query}")


def _comment(db: duckdb.DuckDBPyConnection) -> None:
    for table in (*LENS_TABLES, *INTERNAL):
        kind = "VIEW" if table in (*VIEWS, NAV, CORRECTIONS) else "TABLE"
        name = f"internal.{table.name}" if table in INTERNAL else table.name
        db.execute(f"COMMENT ON {kind} {name} IS {_quote(table.comment)}")
        for column, (_, comment) in table.columns.items():
            db.execute(f'COMMENT ON COLUMN {name}."{column}" IS {_quote(comment)}')


def _select(table: LensTable, lake: Path, files: Iterable[ShownFile]) -> str:
    """Write the query for the rows of exactly these files. Their folders' names prune them before they are opened."""
    paths = ", ".join(_quote(str(lake / file.path)) for file in files)
    if not paths:
        empty = ", ".join(f'NULL::{sql_type} AS "{name}"' for name, (sql_type, _) in table.columns.items())
        return f"SELECT {empty} WHERE false"
    rows = f"read_parquet([{paths}], {PARTITIONS.get(table.name, BY_SESSION)})"
    if table is SIGNALS:
        rows += f" LEFT JOIN internal.seal USING ({', '.join(SEAL_KEY)})"
    return f"SELECT {', '.join(table.columns)} FROM {rows}"


def _definition(table: LensTable) -> str:
    columns = ", ".join(f'"{name}" {sql_type}' for name, (sql_type, _) in table.columns.items())
    return f"{table.name} ({columns})"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
