"""Small frames for settlement tests: rows as tuples or dicts, everything else filled with the ordinary."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import polars as pl

from countersign.domain.market.quotes import ACTIONS_SCHEMA, LISTINGS_SCHEMA
from countersign.domain.settlement.books import BENCHMARKS_SCHEMA, SIGNALS_SCHEMA, TERMS_SCHEMA
from countersign.models.datasets import BARS, MARKS, NAV, POSITIONS

ORDINARY_TERMS = {
    "universe": "hs300",
    "execution_price": "open",
    "holding_period": 1,
    "initial_capital": 1_000_000,
    "commission_rate": 0.0003,
    "slippage_rate": 0.002,
    "paused": False,
}


def terms(*rows: Mapping[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{**ORDINARY_TERMS, **row} for row in rows], schema=TERMS_SCHEMA)


def bars(session: date, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Bars from rows that have at least symbol, open and close."""
    full = []
    for row in rows:
        prices = [price for price in (row["open"], row["close"]) if price is not None]
        worth = 1e6 * (row["close"] or 0.0)
        guess = {"high": max(prices, default=None), "low": min(prices, default=None), "volume": 1e6, "amount": worth}
        full.append({"session": session, "adj_factor": 1.0, **guess, **row})
    return pl.DataFrame(full, schema=BARS.schema)


def signals(weights: Mapping[str, Mapping[str, float]]) -> pl.DataFrame:
    rows = [(strategy, symbol, weight) for strategy, of in weights.items() for symbol, weight in of.items()]
    return pl.DataFrame(rows, schema=SIGNALS_SCHEMA, orient="row")


def actions(rows: Iterable[tuple[str, float, float]] = ()) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=ACTIONS_SCHEMA, orient="row")


def listings(rows: Iterable[tuple[str, date, int]] = ()) -> pl.DataFrame:
    """Symbols in their first sessions: symbol, day of listing, number of the session from 1."""
    return pl.DataFrame(list(rows), schema=LISTINGS_SCHEMA, orient="row")


def benchmarks(rows: Mapping[str, float | None] | None = None) -> pl.DataFrame:
    return pl.DataFrame(list((rows or {}).items()), schema=BENCHMARKS_SCHEMA, orient="row")


def no_books() -> pl.DataFrame:
    return pl.DataFrame(schema=NAV.schema)


def no_holdings() -> pl.DataFrame:
    return pl.DataFrame(schema=POSITIONS.schema)


def no_marks() -> pl.DataFrame:
    return pl.DataFrame(schema=MARKS.schema)
