"""What is published of strategies: read from the lens, where only settled sessions stand.

DuckDB takes nearly as long for one strategy as for sixty-four neighbours: what takes the time is to plan the query and
to unpack the column chunks they share. So strategies are read a block at a time, and blocks are kept as frames, which
need a tenth of the room of what is answered from them.
"""

# ruff: noqa: S608 - every name in these queries is a constant of ours

from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import polars as pl

import models.lens
from store.cache import Cache
from store.lens_file import LEVELS
from store.lens_reader import Lens

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
RETURNS = ("daily_return", "cumulative_return", "benchmark_return")
# Money is read as a double: exact to the fen below 10^13, and what JSON has.
NAV = " UNION ALL ".join(
    f"SELECT strategy_id, session AS date, nav::DOUBLE AS nav, cash::DOUBLE AS cash, {', '.join(RETURNS)}, event,"
    f" coalesce(detail, '') AS detail FROM internal.{level} WHERE strategy_id BETWEEN $first AND $last"
    for level, _ in LEVELS
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


# The standings of a home where nothing is published yet.
POLARS = {"VARCHAR": pl.String, "DATE": pl.Date, "INTEGER": pl.Int32, "BIGINT": pl.Int64}
NOBODY = pl.DataFrame(
    schema={name: POLARS.get(kind, pl.Float64) for name, (kind, _) in models.lens.STANDINGS.columns.items()}
)


@dataclass(frozen=True)
class _Block:
    """Rows of neighbouring strategies, and where each strategy's rows begin and how many there are."""

    frame: pl.DataFrame
    spans: dict[int, tuple[int, int]]

    def of(self, number: int) -> pl.DataFrame:
        return self.frame.slice(*self.spans.get(number, (0, 0)))


class Published:
    """Reads what is published of single strategies, for any number of threads. StoreError before the first version."""

    def __init__(self, lens: Lens, max_bytes: int = MAX_BYTES) -> None:
        self._lens = lens
        self._numbers: tuple[str | None, dict[str, int]] = (None, {})
        self._frames = Cache[pl.DataFrame](MAX_FRAMES_BYTES, lambda frame: int(frame.estimated_size()))
        self._blocks = Cache[_Block](max_bytes, lambda block: int(block.frame.estimated_size()))

    def nav_history(self, slug: str) -> pl.DataFrame:
        """Return every settled session of a strategy, oldest first; NAV and cash in CNY."""
        with self._lens.read() as (version, db):
            return self._of(version, db, slug, NAV, "date")

    def session(self, slug: str, session: date) -> tuple[Row, list[Row], list[Row]] | None:
        """Return NAV, positions and orders of one settled session; None where the strategy was not settled in it."""
        with self._lens.read() as (version, db):
            history = self._of(version, db, slug, NAV, "date")
            n = history["date"].search_sorted(session)
            if n == history.height or history["date"][n] != session:
                return None
            positions, orders = (self._of(version, db, slug, query, "symbol", session) for query in (POSITIONS, ORDERS))
            return history.row(n, named=True), positions.to_dicts(), orders.to_dicts()

    def newest_session(self, slug: str) -> date | None:
        """Return the newest settled session of a strategy, None before the first."""
        history = self.nav_history(slug)
        newest: date | None = history["date"][-1] if history.height else None
        return newest

    def standings(self) -> tuple[str, pl.DataFrame]:
        """Return where every strategy with a NAV stands, a row each, and the version that says so."""
        with self._lens.read() as (version, db):
            return version, self._frame(version, db, STANDINGS)

    def standing(self, slug: str) -> Row:
        """Return where a strategy stands, by its columns in the lens; nothing before it has a NAV."""
        rows = self.standings()[1].filter(pl.col("strategy") == slug).to_dicts()
        return rows[0] if rows else {}

    def benchmark(self, universe: str) -> pl.DataFrame:
        """Return the daily returns of a universe's index: date, benchmark_return (null: the first)."""
        with self._lens.read() as (version, db):
            return self._frame(version, db, LEVELS_OF_INDICES, universe)

    def _frame(self, version: str, db: duckdb.DuckDBPyConnection, query: str, *values: str) -> pl.DataFrame:
        frame = self._frames.find(version, (query, *values))
        if frame is None:
            frame = pl.DataFrame(db.sql(query, params=list(values)).to_arrow_table()).rechunk()
            self._frames.keep(version, (query, *values), frame)
        return frame

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
        number = self._number(version, db, slug)
        key = (number // BLOCK, query, session)
        block = self._blocks.find(version, key)
        if block is None:
            block = _read(db, query, order, number // BLOCK * BLOCK, session)
            self._blocks.keep(version, key, block)
        return block.of(number)

    def _number(self, version: str, db: duckdb.DuckDBPyConnection, slug: str) -> int:
        known, numbers = self._numbers
        if known != version:
            numbers = dict(db.execute(NUMBERS).fetchall())
            self._numbers = (version, numbers)
        return numbers.get(slug, -1)


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
