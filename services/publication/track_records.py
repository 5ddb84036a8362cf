"""Published strategies: read from the lens, which has settled sessions only.

DuckDB takes nearly as long for one strategy as for sixty-four neighbours: planning the query and unpacking the column
chunks they share takes the time. So strategies are read a block at a time, and blocks are kept as frames, which need a
tenth of the room of the answers.
"""

# ruff: noqa: S608 - every name in these queries is a constant of ours

from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import duckdb
import polars as pl

import countersign.models.lens.tables
from countersign.models import datasets
from countersign.models.datasets import INDEX_LEVELS
from countersign.services.publication.nav import LEVELS
from countersign.store.lake.lake import Lake
from countersign.store.lens.cache import Cache
from countersign.store.lens.reader import Lens

Row = dict[str, Any]

BLOCK = 64
MAX_BYTES = 128 * 1024 * 1024
MAX_FRAMES_BYTES = 32 * 1024 * 1024
LEVELS_OF_INDICES = (
    "SELECT session AS date, close / lag(close) OVER (ORDER BY session) - 1 AS benchmark_return"
    ' FROM index_levels WHERE "index" = ? ORDER BY session'
)
STANDINGS = "SELECT * REPLACE (nav::DOUBLE AS nav) FROM standings"
NUMBERS = "SELECT strategy, strategy_id FROM internal.strategy_ids"
# Columns that versions of a session are compared by.
COMPARED = ("nav", "daily_return", "benchmark_return")
RETURNS = ("daily_return", "cumulative_return", "benchmark_return")
# Money is read as a double: exact to the fen below 10^13, and the number type of JSON.
NAV = " UNION ALL ".join(
    f"SELECT strategy_id, session AS date, nav::DOUBLE AS nav, cash::DOUBLE AS cash, {', '.join(RETURNS)}, event,"
    f" coalesce(detail, '') AS detail FROM internal.{level} WHERE strategy_id BETWEEN $first AND $last"
    for level, _ in LEVELS
)
# Sessions whose newest version is not the first: the first one, and the newest. Versions count up.
FIRST = (
    "SELECT strategy_id, session AS date, max(version) + 1 AS version, arg_min(nav, version)::DOUBLE AS nav,"
    " arg_min_null(daily_return, version) AS daily, arg_min_null(benchmark_return, version) AS benchmark"
    " FROM internal.superseded_nav WHERE strategy_id BETWEEN $first AND $last GROUP BY ALL"
)
VERSIONS = (
    "SELECT version, settled_at, manifest_sha256, commit_sha FROM settlements WHERE session = $session ORDER BY ALL"
)
SUPERSEDED = (
    "SELECT strategy_id, version, nav::DOUBLE AS nav, daily_return, benchmark_return FROM internal.superseded_nav"
    " WHERE session = $session AND strategy_id BETWEEN $first AND $last"
)
OF_SESSION = (
    " JOIN internal.strategy_ids USING (strategy) WHERE session = $session AND strategy_id BETWEEN $first AND $last"
)
POSITIONS = (
    f"SELECT strategy_id, symbol, quantity, close, market_value::DOUBLE AS market_value FROM positions{OF_SESSION}"
)
ORDERS = (
    "SELECT strategy_id, symbol, side, wanted, filled, price, notional::DOUBLE AS notional,"
    f" commission::DOUBLE AS commission, stamp_duty::DOUBLE AS stamp_duty, reason FROM orders{OF_SESSION}"
)

# Views over files of the lake, which are read when they are asked.
IN_THE_LAKE = {POSITIONS: datasets.POSITIONS, ORDERS: datasets.ORDERS}

# The standings of a home where nothing is published yet.
POLARS = {"VARCHAR": pl.String, "DATE": pl.Date, "INTEGER": pl.Int32, "BIGINT": pl.Int64}
NOBODY = pl.DataFrame(
    schema={
        name: POLARS.get(kind, pl.Float64)
        for name, (kind, _) in countersign.models.lens.tables.STANDINGS.columns.items()
    }
)


class First(NamedTuple):
    """First version of a corrected session, NAV in CNY, and the version that counts now."""

    version: int
    nav: float
    daily_return: float | None
    benchmark_return: float | None


@dataclass(frozen=True)
class _Block:
    """Rows of neighbouring strategies, and where each strategy's rows begin and how many there are."""

    frame: pl.DataFrame
    spans: dict[int, tuple[int, int]]

    def of(self, number: int) -> pl.DataFrame:
        return self.frame.slice(*self.spans.get(number, (0, 0)))


class TrackRecords:
    """Reads the published data of single strategies, for any number of threads. StoreError before the first version."""

    def __init__(self, lens: Lens, lake: Lake, max_bytes: int = MAX_BYTES) -> None:
        self._lens, self._lake = lens, lake
        self._known: tuple[str | None, dict[str, int], bool] = (None, {}, False)
        self._frames = Cache[pl.DataFrame](MAX_FRAMES_BYTES, lambda frame: int(frame.estimated_size()))
        self._blocks = Cache[_Block](max_bytes, lambda block: int(block.frame.estimated_size()))

    def nav_history(self, slug: str) -> pl.DataFrame:
        """Return every settled session of a strategy, oldest first; NAV and cash in CNY."""
        with self._lens.read() as (version, db):
            return self._of(version, db, slug, NAV, "date")

    def track_record(self, slug: str) -> tuple[pl.DataFrame, dict[date, First]]:
        """Return the NAV history, and the first versions of corrected sessions."""
        with self._lens.read() as (version, db):
            history = self._of(version, db, slug, NAV, "date")
            if not self._inspect(version, db)[1]:
                return history, {}
            first = self._of(version, db, slug, FIRST, "date")
        return history, {day: First(*was) for day, *was in first.iter_rows()}

    def has_at_hand(self, slug: str) -> bool:
        """Whether `track_record` would answer from memory alone: in less time than a thread takes to begin."""
        version, numbers, corrected = self._known
        n = numbers.get(slug, -1) // BLOCK
        needed = (NAV, FIRST) if corrected else (NAV,)
        return version == self._lens.version and all(self._blocks.find(version, (n, query, None)) for query in needed)

    def session(self, slug: str, session: date) -> tuple[Row, list[Row], list[Row], list[Row]] | None:
        """Return NAV, positions, orders and versions of one settled session; None where the strategy was not in it."""
        with self._lens.read() as (version, db):
            history = self._of(version, db, slug, NAV, "date")
            n = history["date"].search_sorted(session)
            if n == history.height or history["date"][n] != session:
                return None
            positions, orders = (self._of(version, db, slug, query, "symbol", session) for query in (POSITIONS, ORDERS))
            nav = history.row(n, named=True)
            versions = self._versions(version, db, slug, session, nav)
            return nav, positions.to_dicts(), orders.to_dicts(), versions

    def newest_session(self, slug: str) -> date | None:
        """Return the newest settled session of a strategy, None before the first."""
        history = self.nav_history(slug)
        newest: date | None = history["date"][-1] if history.height else None
        return newest

    def standings(self) -> tuple[str, pl.DataFrame]:
        """Return the lens's version and the standings: a row for each strategy with a NAV."""
        with self._lens.read() as (version, db):
            return version, self._frame(version, db, STANDINGS)

    def standing(self, slug: str) -> Row:
        """Return a strategy's standing, by its columns in the lens; empty before it has a NAV."""
        rows = self.standings()[1].filter(pl.col("strategy") == slug).to_dicts()
        return rows[0] if rows else {}

    def benchmark(self, universe: str) -> pl.DataFrame:
        """Return the daily returns of a universe's index: date, benchmark_return (null: the first)."""
        with self._lens.read() as (version, db):
            return self._frame(version, db, LEVELS_OF_INDICES, universe)

    def _frame(self, version: str, db: duckdb.DuckDBPyConnection, query: str, *values: str) -> pl.DataFrame:
        def make() -> pl.DataFrame:
            if query == LEVELS_OF_INDICES:
                self._lake.require(INDEX_LEVELS)
            return pl.DataFrame(db.sql(query, params=list(values)).to_arrow_table()).rechunk()

        return self._frames.get(version, (query, *values), make)

    def _of(
        self,
        version: str,
        db: duckdb.DuckDBPyConnection,
        slug: str,
        query: str,
        order: str,
        session: date | None = None,
    ) -> pl.DataFrame:
        """Return one strategy's rows of a query, in order; no row for a strategy without a NAV."""
        number = self._inspect(version, db)[0].get(slug, -1)
        n = number // BLOCK

        def make() -> _Block:
            if query in IN_THE_LAKE:
                self._lake.require(IN_THE_LAKE[query], session, session)
            return _read(db, query, order, n * BLOCK, session)

        block = self._blocks.get(version, (n, query, session), make)
        return block.of(number)

    def _versions(
        self, version: str, db: duckdb.DuckDBPyConnection, slug: str, session: date, newest: Row
    ) -> list[Row]:
        """List the versions of a session with NAV, in CNY, and returns of each; `newest` is the row that counts."""

        def make() -> _Block:
            return _Block(pl.DataFrame(db.sql(VERSIONS, params={"session": session}).to_arrow_table()), {})

        found = self._blocks.get(version, (VERSIONS, session), make)
        old: dict[int, Row] = {}
        if found.frame.height > 1:
            superseded = self._of(version, db, slug, SUPERSEDED, "version", session)
            old = {row.pop("version"): row for row in superseded.to_dicts()}
        counts = {name: newest[name] for name in COMPARED}
        figures = [old.get(number, counts) for number in found.frame["version"]]
        return [
            row | was | {"difference": round(newest["nav"] - was["nav"], 2)}
            for row, was in zip(found.frame.to_dicts(), figures, strict=True)
        ]

    def _inspect(self, version: str, db: duckdb.DuckDBPyConnection) -> tuple[dict[str, int], bool]:
        """Return the numbers of strategies, and whether anything was ever corrected: read once a version."""
        known, numbers, corrected = self._known
        if known != version:
            numbers = dict(db.execute(NUMBERS).fetchall())
            corrected = bool(db.execute("SELECT 1 FROM internal.superseded_nav LIMIT 1").fetchall())
            self._known = (version, numbers, corrected)
        return numbers, corrected


def _read(db: duckdb.DuckDBPyConnection, query: str, order: str, first: int, session: date | None) -> _Block:
    parameters: dict[str, Any] = {"first": first, "last": first + BLOCK - 1}
    if session is not None:
        parameters["session"] = session
    rows = pl.DataFrame(db.sql(query, params=parameters).to_arrow_table())
    frame = rows.sort("strategy_id", order).rechunk()
    runs = frame["strategy_id"].rle().struct.unnest()
    starts = (runs["len"].cum_sum() - runs["len"]).to_list()
    spans = zip(runs["value"].to_list(), zip(starts, runs["len"].to_list(), strict=True), strict=True)
    return _Block(frame.drop("strategy_id"), dict(spans))
