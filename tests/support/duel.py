"""The engine and the slow settlement side by side on the same days, equal row for row or an assertion fails."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import polars as pl

from countersign.domain.settlement.engine import Settled, settle
from countersign.domain.settlement.marks import next_marks
from countersign.models.datasets import NAV, ORDERS, POSITIONS
from tests.support import frames
from tests.support.slow_settlement import Market, settle_one
from tests.support.worlds import Day

MONEY = ("nav", "cash", "market_value", "notional", "commission", "stamp_duty")


def fen_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows with money in integer fen."""
    return [{k: int(v * 100) if k in MONEY else v for k, v in row.items()} for row in frame.iter_rows(named=True)]


def by_strategy(frame: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in fen_rows(frame):
        groups.setdefault(row["strategy"], []).append(row)
    return groups


def slowly(day: Day, before: Settled, marks: pl.DataFrame) -> tuple[list[Any], list[Any], list[Any]]:
    """Orders, positions and NAV rows in the order of the datasets, without the session."""
    market = Market(day.session, day.bars.to_dicts(), marks.to_dicts(), day.actions.to_dicts(), day.listings.to_dicts())
    books, held = by_strategy(before.nav), by_strategy(before.positions)
    returns = dict(day.benchmarks.rows())
    orders, positions, navs = [], [], []
    for term in sorted(day.terms.to_dicts(), key=lambda term: term["strategy"]):
        name = term["strategy"]
        weights = dict(day.signals.filter(pl.col("strategy") == name).select("symbol", "weight").rows()) or None
        book = books.get(name, [None])[0]
        traded, after, row = settle_one(market, term, book, held.get(name, []), weights)
        orders += [{**order, "strategy": name} for order in sorted(traded, key=lambda order: order["symbol"])]
        positions += [{**position, "strategy": name} for position in after]
        navs += [{**row, "strategy": name, "benchmark_return": returns.get(term["universe"])}] if row else []
    return orders, positions, navs


def compare(fast: pl.DataFrame, slow: list[dict[str, Any]], day: Day) -> None:
    rows = fen_rows(fast)
    assert [row.pop("session") for row in rows] == [day.session] * len(slow)
    assert rows == [{name: row[name] for name in fast.columns if name != "session"} for row in slow]


def duel(days: Iterable[Day]) -> Counter[str | None]:
    """Settle the days both ways; the reasons of all orders, None for those filled as wanted."""
    before = Settled(pl.DataFrame(schema=ORDERS.schema), frames.no_holdings(), frames.no_books())
    marks, reasons = frames.no_marks(), Counter[str | None]()
    for day in days:
        fast = settle(
            day.session,
            terms=day.terms,
            books=before.nav,
            holdings=before.positions,
            signals=day.signals,
            bars=day.bars,
            marks=marks,
            actions=day.actions,
            benchmarks=day.benchmarks,
            listings=day.listings,
        )
        for frame, slow, dataset in zip(fast, slowly(day, before, marks), (ORDERS, POSITIONS, NAV), strict=True):
            assert dict(frame.schema) == dataset.schema
            compare(frame, slow, day)
        reasons.update(fast.orders["reason"])
        before, marks = fast, next_marks(day.session, marks, day.bars, day.actions)
    return reasons
