"""What is published of strategies: read from the lens, where only settled sessions stand."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import duckdb

Row = dict[str, Any]

FIGURES = (
    "SELECT strategy, count(*) AS trading_days, max(session) AS latest_date, max_by(nav, session) AS nav,"
    " max_by(cumulative_return, session) AS total_return, max_by(daily_return, session) AS daily_return"
    " FROM nav WHERE strategy IN (SELECT unnest(?)) GROUP BY strategy"
)
NAV_HISTORY = (
    "SELECT session AS date, nav, daily_return, cumulative_return, benchmark_return"
    " FROM nav WHERE strategy = ? ORDER BY session"
)
AUDIT = (
    "SELECT session AS date, event AS type, coalesce(detail, '') AS detail"
    " FROM nav WHERE strategy = ? ORDER BY session DESC LIMIT ? OFFSET ?"
)
NAV = (
    "SELECT session AS date, nav AS reported_nav, cash, daily_return, cumulative_return, benchmark_return, event,"
    " coalesce(detail, '') AS detail FROM nav WHERE strategy = ? AND session = ?"
)
POSITIONS = (
    "SELECT symbol, quantity, close, market_value FROM positions WHERE strategy = ? AND session = ? ORDER BY symbol"
)
ORDERS = (
    "SELECT symbol, side, wanted, filled, price, notional, commission, stamp_duty, reason"
    " FROM orders WHERE strategy = ? AND session = ? ORDER BY symbol"
)


def read_figures(lens: duckdb.DuckDBPyConnection, slugs: Sequence[str]) -> dict[str, Row]:
    """Return where each of these strategies stands after its newest settled session; those without one are missing."""
    return {row.pop("strategy"): row for row in _rows(lens, FIGURES, list(slugs))} if slugs else {}


def read_nav_history(lens: duckdb.DuckDBPyConnection, slug: str) -> list[Row]:
    """Return every settled session of a strategy, oldest first; NAV in CNY."""
    return _rows(lens, NAV_HISTORY, slug)


def read_audit(lens: duckdb.DuckDBPyConnection, slug: str, limit: int, offset: int) -> tuple[list[Row], int]:
    """Return what the settled sessions were, newest first, and how many there are in all."""
    total = lens.execute("SELECT count(*) FROM nav WHERE strategy = ?", [slug]).fetchall()[0][0]
    return _rows(lens, AUDIT, slug, limit, offset), total


def newest_session(lens: duckdb.DuckDBPyConnection, slug: str) -> date | None:
    """Return the newest settled session of a strategy, None before the first."""
    found: date | None = lens.execute("SELECT max(session) FROM nav WHERE strategy = ?", [slug]).fetchall()[0][0]
    return found


def read_session(lens: duckdb.DuckDBPyConnection, slug: str, session: date) -> tuple[Row, list[Row], list[Row]] | None:
    """Return NAV, positions and orders of one settled session; None where the strategy was not settled in it."""
    found = _rows(lens, NAV, slug, session)
    if not found:
        return None
    return found[0], _rows(lens, POSITIONS, slug, session), _rows(lens, ORDERS, slug, session)


def _rows(lens: duckdb.DuckDBPyConnection, query: str, *parameters: Any) -> list[Row]:
    cursor = lens.execute(query, parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
