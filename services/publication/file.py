"""The lens's file: fills one DuckDB file that nobody reads yet. `services/publication/publish.py` names and publishes
it.

NAV, corrections and external signals are tables in it, extended from version to version (`services.publication.nav` and
its neighbours). The other large datasets stay in the lake, behind views that name their files.
"""

# ruff: noqa: S608 - every name in these queries is a constant of ours, and paths are quoted

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from countersign.models.errors import StoreError
from countersign.models.lens.external import EXTERNAL_GAPS
from countersign.models.lens.factors import FACTOR_IC, FACTOR_VALUES
from countersign.models.lens.table import LensTable
from countersign.models.lens.tables import (
    BARS,
    CLAIMS,
    CORRECTIONS,
    EVALUATIONS,
    INDEX_LEVELS,
    LENS_TABLES,
    NAV,
    ORDERS,
    POSITIONS,
    SIGNALS,
)
from countersign.services.publication.corrections import SUPERSEDED, add_superseded, create_corrections_view
from countersign.services.publication.external import OUTCOMES, ROWS, External, News, create_external_views, put_news
from countersign.services.publication.external import VIEWS as EXTERNAL_VIEWS
from countersign.services.publication.lake import quote, select_files
from countersign.services.publication.nav import LEVELS, NAV_TABLES, NEWEST, create_nav_view, update_nav
from countersign.services.publication.seals import SEALS
from countersign.services.publication.snapshot import ShownFile, Snapshot
from countersign.services.publication.standings import replace_standings
from countersign.store.lens.versions import open_read_only

if TYPE_CHECKING:
    import duckdb

# Count up whenever an existing file can no longer be extended, only made anew.
FORMAT = 8
# Rows that one strategy's batch is found among: smaller groups are read faster, and cost more to list.
ROW_GROUP_SIZE = 16_384
# The oldest format with all we need, so that older clients can read the lens too.
STORAGE_VERSION = "v1.4.0"
# Views over the lake.
VIEWS = (SIGNALS, ORDERS, POSITIONS, EVALUATIONS, BARS, INDEX_LEVELS, FACTOR_IC, FACTOR_VALUES)
NAV_FILE, EVALUATION_FILE = (
    LensTable(
        f"{name}_file",
        "The committed files of the lake that rows were taken from",
        {
            "session": ("DATE", "session of the file"),
            "path": ("VARCHAR", "relative to the lake's root"),
            "sha256": ("VARCHAR", "hash of the file"),
        },
    )
    for name in ("nav", "evaluation")
)
INTERNAL = (
    SUPERSEDED,
    *NAV_TABLES,
    SEALS,
    ROWS,
    OUTCOMES,
    LensTable(
        "publication",
        "What this file was made from",
        {
            "version": ("VARCHAR", "name of this version"),
            "format": ("INTEGER", "layout of the schema internal"),
            "digest": ("VARCHAR", "hash of all that is settled; equal digests, equal contents"),
            "external_digest": ("VARCHAR", "hash of all that came from outside"),
            "external_through": ("BIGINT", "number of the newest external signal"),
            "outcomes_through": ("BIGINT", "number of the newest change of their outcomes"),
        },
    ),
    NAV_FILE,
    EVALUATION_FILE,
)


@dataclass(frozen=True)
class LensContents:
    """Contents of an existing lens: enough to find the rows that a new one must add."""

    digest: str
    nav_files: frozenset[ShownFile]
    evaluation_files: frozenset[ShownFile]
    sealed_sessions: frozenset[date]
    external_digest: str = ""
    external_through: int = 0
    outcomes_through: int = 0


NOTHING = LensContents("", frozenset(), frozenset(), frozenset())


def read_contents(path: Path) -> LensContents | None:
    """Read the contents of a lens; None if it cannot be extended (another format, damaged, or no lens)."""
    import duckdb  # noqa: PLC0415 - a tenth of a second, which `status` need not pay

    try:
        with open_read_only(path) as db:
            (layout,) = db.execute("SELECT format FROM internal.publication").fetchall()[0]
            if layout != FORMAT:
                return None
            query = "SELECT digest, external_digest, external_through, outcomes_through FROM internal.publication"
            digest, *external = db.execute(query).fetchall()[0]
            nav, evaluations = (
                frozenset(
                    ShownFile(*file) for file in db.execute(f"SELECT session, path, sha256 FROM {table}").fetchall()
                )
                for table in ("internal.nav_file", "internal.evaluation_file")
            )
            sealed = db.execute("SELECT DISTINCT session FROM internal.seal").fetchall()
    except (duckdb.Error, IndexError):
        return None
    return LensContents(digest, nav, evaluations, frozenset(day for (day,) in sealed), *external)


def fill(
    path: Path,
    version: str,
    snapshot: Snapshot,
    held: LensContents,
    seals: pl.DataFrame,
    external: External,
    news: News,
    require: Callable[[Collection[str]], None],
) -> int:
    """Bring the file at `path` from `held` to `snapshot`; return how many sessions' NAV came in anew.

    `seals` are those of the sessions disclosed since, `news` the external signals since. `require` refuses files of
    the lake that are not whole, by their paths. With `held` NOTHING the file must not exist yet. StoreError if a file
    of the lake is missing or unreadable.
    """
    import duckdb  # noqa: PLC0415 - as above

    try:
        with duckdb.connect() as db, _attached(db, path):
            db.begin()
            if held is NOTHING:
                _create(db)
            added = update_nav(db, snapshot, held.nav_files)
            add_superseded(db, snapshot.lake, snapshot.superseded, require)
            _insert(db, "internal.seal", seals)
            put_news(db, news)
            _replace_small_tables(db, version, snapshot, external)
            _create_views(db, snapshot)
            _update_standings(db, snapshot, held)
            _comment(db, new=held is NOTHING)
            db.commit()
            db.execute("CHECKPOINT lens")
    except duckdb.Error as error:
        raise StoreError(f"lens {version}: {error}") from error
    return added


@contextmanager
def _attached(db: duckdb.DuckDBPyConnection, path: Path) -> Iterator[None]:
    db.execute(
        f"ATTACH {quote(str(path))} AS lens (ROW_GROUP_SIZE {ROW_GROUP_SIZE}, STORAGE_VERSION '{STORAGE_VERSION}')"
    )
    db.execute("USE lens")
    yield
    db.execute("USE memory")
    db.execute("DETACH lens")


def _create(db: duckdb.DuckDBPyConnection) -> None:
    db.execute("CREATE SCHEMA internal")
    for table in INTERNAL:
        db.execute(f"CREATE TABLE internal.{_definition(table)}")
    for table in LENS_TABLES:
        if not _is_view(table):
            db.execute(f"CREATE TABLE {_definition(table)}")


def _replace_small_tables(db: duckdb.DuckDBPyConnection, version: str, snapshot: Snapshot, external: External) -> None:
    from countersign.domain.evaluation.claimed_performance import tabulate  # noqa: PLC0415 - brings NumPy in

    nav, evaluations = (
        pl.DataFrame(snapshot.files[kind.name], schema=table.frame_schema(), orient="row")
        for kind, table in ((NAV, NAV_FILE), (EVALUATIONS, EVALUATION_FILE))
    )
    contents = {
        **snapshot.tables,
        CLAIMS.name: tabulate(snapshot.tables[CLAIMS.name]),
        EXTERNAL_GAPS.name: external.gaps,
        f"internal.{NAV_FILE.name}": nav,
        f"internal.{EVALUATION_FILE.name}": evaluations,
        "internal.publication": pl.DataFrame(
            {
                "version": [version],
                "format": [FORMAT],
                "digest": [snapshot.digest],
                "external_digest": [external.digest],
                "external_through": [external.through],
                "outcomes_through": [external.outcomes_through],
            }
        ),
    }
    for table, frame in contents.items():
        db.execute(f"DELETE FROM {table}")
        _insert(db, table, frame)


def _update_standings(db: duckdb.DuckDBPyConnection, snapshot: Snapshot, held: LensContents) -> None:
    files = snapshot.files[EVALUATIONS.name]
    changed = {file.session for file in frozenset(files) ^ held.evaluation_files}
    newest = max((file.session for file in files), default=None)

    def read(sessions: Collection[date]) -> str:
        return select_files(EVALUATIONS, snapshot.lake, [file for file in files if file.session in sessions])

    replace_standings(db, [level for level, _ in LEVELS], newest, changed, read)


def _insert(db: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> None:
    db.register("frame", frame.to_arrow())
    db.execute(f"INSERT INTO {table} BY NAME SELECT * FROM frame")
    db.unregister("frame")


def _create_views(db: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    create_corrections_view(db, create_nav_view(db))
    create_external_views(db)
    for table in VIEWS:
        query = select_files(table, snapshot.lake, snapshot.files[table.name])
        db.execute(f"CREATE OR REPLACE VIEW {table.name} AS {query}")


def _comment(db: duckdb.DuckDBPyConnection, *, new: bool) -> None:
    """Comment tables and views: in a `new` file all of them, later those made anew, which is half the time."""
    for table in (*LENS_TABLES, *INTERNAL):
        is_view = _is_view(table)
        if not (new or is_view or table is NEWEST):
            continue
        name = f"internal.{table.name}" if table in INTERNAL else table.name
        db.execute(f"COMMENT ON {'VIEW' if is_view else 'TABLE'} {name} IS {quote(table.comment)}")
        for column, (_, comment) in table.columns.items():
            db.execute(f'COMMENT ON COLUMN {name}."{column}" IS {quote(comment)}')


def _is_view(table: LensTable) -> bool:
    return table in (*VIEWS, NAV, CORRECTIONS) or table.name in EXTERNAL_VIEWS


def _definition(table: LensTable) -> str:
    columns = ", ".join(f'"{name}" {sql_type}' for name, (sql_type, _) in table.columns.items())
    return f"{table.name} ({columns})"
