"""Remarks on imported bars: doubts that prices alone cannot settle."""

from datetime import date
from typing import Any

import polars as pl

from countersign.domain.market.remarks import NO_FACTORS, remarks_on
from tests.support.frames import bars

FIRST, SECOND = date(2025, 1, 2), date(2025, 1, 3)
ROWS = [{"symbol": f"60{n:04}.SH", "open": 9.0, "close": 9 + n / 100, "volume": 1e6 + n} for n in range(40)]
NOTHING = bars(FIRST, [])


def rows(**changed: Any) -> list[dict[str, Any]]:
    return [row | changed for row in ROWS]


def test_ordinary_bars_need_no_remark() -> None:
    assert remarks_on(bars(FIRST, ROWS), NOTHING, has_actions=False) == []


def test_bars_without_factors_and_actions_lose_their_dividends() -> None:
    bare = bars(FIRST, rows(adj_factor=None))
    assert remarks_on(bare, NOTHING, has_actions=False) == [NO_FACTORS]
    assert remarks_on(bare, NOTHING, has_actions=True) == []
    assert remarks_on(pl.concat([bare, bars(SECOND, ROWS[:1])]), NOTHING, has_actions=False) == []


def test_lots_and_thousands_give_a_remark() -> None:
    lots = bars(FIRST, [row | {"volume": row["volume"] / 100, "amount": row["volume"] * row["close"]} for row in ROWS])
    (said,) = remarks_on(lots, NOTHING, has_actions=True)
    assert said.startswith("amount / volume is 100 times the price")
    thousands = bars(FIRST, [row | {"amount": row["volume"] * row["close"] / 1000} for row in ROWS])
    (said,) = remarks_on(thousands, NOTHING, has_actions=True)
    assert said.startswith("amount / volume is 0.001 times the price")


def test_a_copy_of_the_day_before_gives_a_remark() -> None:
    (said,) = remarks_on(bars(SECOND, ROWS), bars(FIRST, ROWS), has_actions=True)
    assert said == (
        "2025-01-03: 40 of 40 tradable symbols repeat the close and volume of the session before;"
        " settlement will be held"
    )
