"""Marks: the newest traded bar of every symbol, for every filler that vendors put where nothing was traded."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.domain.market.rules import Book
from countersign.domain.settlement.marks import newest_marks, next_marks
from countersign.models.datasets import MARKS
from countersign.models.errors import InputError
from tests.support import frames
from tests.support.worlds import world

DAY, NEXT = date(2025, 1, 2), date(2025, 1, 3)


def mark(symbol: str, seen: date, close: float, factor: float | None, session: date = DAY) -> tuple[Any, ...]:
    return symbol, session, seen, close, factor


def marks(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=MARKS.schema, orient="row")


def test_the_newest_traded_bar_counts_and_a_suspended_one_only_says_that_it_is_there() -> None:
    before = marks(
        mark("000001.SZ", DAY, 5.0, 2.0), mark("000002.SZ", DAY, 6.0, 3.0), mark("000004.SZ", DAY, 7.0, None)
    )
    bars = frames.bars(
        NEXT,
        [
            {"symbol": "600000.SH", "open": 1.0, "close": 1.5, "adj_factor": None},
            {"symbol": "000002.SZ", "open": 6.0, "close": 6.5, "adj_factor": None},
            {"symbol": "000001.SZ", "open": 5.0, "close": 5.5, "adj_factor": 2.5, "suspended": True},
            {"symbol": "000004.SZ", "open": None, "close": None, "suspended": True},
            {"symbol": "600001.SH", "open": 3.0, "close": 3.0, "adj_factor": 1.5, "volume": 0.0},
        ],
    )
    assert next_marks(NEXT, before, bars).rows() == [
        mark("000001.SZ", NEXT, 5.0, 2.0, NEXT),
        mark("000002.SZ", NEXT, 6.5, 3.0, NEXT),
        mark("000004.SZ", DAY, 7.0, None, NEXT),
        mark("600000.SH", NEXT, 1.5, None, NEXT),
        mark("600001.SH", NEXT, 3.0, 1.5, NEXT),
    ]
    first_edition = next_marks(NEXT, before, bars, book=Book.FIRST)
    assert first_edition.row(0) == mark("000001.SZ", NEXT, 5.5, 2.5, NEXT)


@pytest.mark.parametrize("bar", [[], [{"symbol": "600000.SH", "open": 10.0, "close": 10.0, "suspended": True}]])
def test_a_payment_without_a_trade_puts_the_mark_on_the_days_basis(bar: list[dict[str, Any]]) -> None:
    before = marks(mark("600000.SH", DAY, 10.0, 2.0))
    # (10 − 1) / (1 + 0.5) = 6; close × factor stays 20.
    (row,) = next_marks(NEXT, before, frames.bars(NEXT, bar), frames.actions([("600000.SH", 1.0, 0.5)])).rows()
    assert row[3:] == (6.0, pytest.approx(20 / 6))


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_marks_from_all_bars_at_once_are_those_carried_from_day_to_day(seed: int) -> None:
    days = world(seed, 6, 1)
    carried = frames.no_marks()
    for day in days:
        carried = next_marks(day.session, carried, day.bars)
    bars = pl.concat(day.bars for day in days)
    columns = ["symbol", "bar_session", "close", "adj_factor"]
    assert newest_marks(bars.lazy()).collect().select(columns).equals(carried.select(columns))


def test_marks_of_the_session_itself_are_refused() -> None:
    with pytest.raises(InputError, match="marks of a session before"):
        next_marks(DAY - timedelta(days=1), marks(mark("600000.SH", DAY, 1.0, 1.0)), frames.bars(DAY, []))
