"""The rule book on both sides of each of its dates, and the prices that follow from it."""

import hashlib
from datetime import date
from typing import Any

import polars as pl
import pytest

from countersign.domain.market import rules
from countersign.domain.market.quotes import quotes
from countersign.domain.market.rules import (
    FIRST_BOOK_SHA256,
    Book,
    book_of,
    free_of_limits,
    rules_sha256,
    rules_text,
    trading_rules,
)
from tests.support import frames


@pytest.mark.parametrize(
    ("symbol", "session", "limit", "limit_st"),
    [
        ("600000.SH", date(2026, 7, 3), 0.10, 0.05),
        ("600000.SH", date(2026, 7, 6), 0.10, 0.10),
        ("300750.SZ", date(2020, 8, 21), 0.10, 0.10),
        ("300750.SZ", date(2020, 8, 24), 0.20, 0.20),
        ("688981.SH", date(2020, 8, 21), 0.20, 0.20),
        ("920002.BJ", date(2025, 1, 2), 0.30, 0.30),
        ("510300.SH", date(2025, 1, 2), 0.10, 0.10),
        # Funds of STAR or ChiNext shares alone; the code alone does not tell on 159xxx.SZ.
        ("588000.SH", date(2020, 8, 24), 0.20, 0.20),
        ("589010.SH", date(2025, 1, 2), 0.20, 0.20),
        ("159915.SZ", date(2020, 8, 21), 0.10, 0.10),
        ("159915.SZ", date(2020, 8, 24), 0.20, 0.20),
        ("159919.SZ", date(2025, 1, 2), 0.10, 0.10),
        ("159918.SZ", date(2025, 1, 2), 0.10, 0.10),
        ("562500.SH", date(2025, 1, 2), 0.10, 0.10),
    ],
)
def test_a_price_limit_is_the_one_in_force_on_its_date(
    symbol: str, session: date, limit: float, limit_st: float
) -> None:
    found = trading_rules(pl.Series([symbol]), session).row(0, named=True)
    assert (found["limit"], found["limit_st"]) == (limit, limit_st)


@pytest.mark.parametrize(
    ("symbol", "listed", "sessions"),
    [
        ("688001.SH", date(2019, 7, 22), 5),
        ("300800.SZ", date(2020, 8, 21), 1),
        ("301001.SZ", date(2020, 8, 24), 5),
        ("603999.SH", date(2023, 4, 7), 1),
        ("603999.SH", date(2023, 4, 10), 5),
        ("001380.SZ", date(2023, 4, 10), 5),
        ("920001.BJ", date(2024, 3, 5), 1),
        ("510300.SH", date(2024, 3, 5), 0),
    ],
)
def test_new_listings_have_no_limit_for_some_sessions(symbol: str, listed: date, sessions: int) -> None:
    ages = pl.DataFrame({"symbol": symbol, "listed": [listed] * 6, "age": range(1, 7)})
    assert len(free_of_limits(ages)) == sessions


@pytest.mark.parametrize(
    ("symbol", "least"),
    [("688001.SH", (1, 200, 200)), ("920001.BJ", (1, 100, 100)), ("600000.SH", (100, 100, 100))],
)
def test_a_board_has_its_lot_and_its_least_order(symbol: str, least: tuple[int, ...]) -> None:
    found = trading_rules(pl.Series([symbol]), date(2025, 1, 2))
    assert found.select("lot", "least_buy", "least_sell").row(0) == least


@pytest.mark.parametrize(
    ("symbol", "session", "duty"),
    [
        ("600000.SH", date(2023, 8, 25), 0.001),
        ("600000.SH", date(2023, 8, 28), 0.0005),
        ("510300.SH", date(2023, 8, 25), 0.0),
        ("159915.SZ", date(2023, 8, 28), 0.0),
        ("430047.BJ", date(2023, 8, 28), 0.0005),
    ],
)
def test_a_stamp_duty_is_the_one_in_force_on_its_date(symbol: str, session: date, duty: float) -> None:
    assert trading_rules(pl.Series([symbol]), session)["duty"].item() == duty


YESTERDAY, TODAY = date(2025, 1, 2), date(2025, 1, 3)


def limits_of(bar: dict[str, Any], close: float | None = 10.0, **known: Any) -> tuple[float, float]:
    marks = frames.no_marks()
    if close is not None:
        marks = pl.DataFrame([(bar["symbol"], YESTERDAY, YESTERDAY, close, 1.0)], schema=marks.schema, orient="row")
    bars = frames.bars(TODAY, [{"open": close or 10.0, "close": close or 10.0, **bar}])
    day = quotes(TODAY, pl.Series([bar["symbol"]]), bars, marks, known.pop("actions", frames.actions()), **known)
    return float(day.limit_up[0]), float(day.limit_down[0])


NONE = (float("inf"), float("-inf"))


@pytest.mark.parametrize(
    ("bar", "close", "expected"),
    [
        ({"symbol": "600000.SH"}, 9.99, (10.99, 8.99)),  # 10.989 and 8.991
        ({"symbol": "600000.SH", "is_st": True}, 10.0, (10.5, 9.5)),
        ({"symbol": "300750.SZ", "is_st": True}, 10.0, (12.0, 8.0)),
        ({"symbol": "159919.SZ"}, 2.345, (2.58, 2.111)),  # 2.5795 and 2.1105, to 0.001
        ({"symbol": "588000.SH"}, 1.0, (1.2, 0.8)),
        ({"symbol": "920001.BJ"}, 10.05, (13.06, 7.04)),
        ({"symbol": "600000.SH", "adj_factor": 1.25}, 10.0, (8.8, 7.2)),  # ex-day: 10 / 1.25 = 8
        ({"symbol": "600000.SH", "adj_factor": None}, 10.0, (11.0, 9.0)),
        ({"symbol": "600000.SH"}, None, NONE),
        ({"symbol": "600000.SH", "limit_up": 10.5}, 10.0, (10.5, 9.0)),
        # As vendors write "none": 0 is nothing known, a price far beyond is no limit.
        ({"symbol": "600000.SH", "limit_up": 0.0, "limit_down": 0.0}, 10.0, (11.0, 9.0)),
        ({"symbol": "600000.SH", "limit_up": 100000.0, "limit_down": 0.01}, 10.0, (100000.0, 0.01)),
    ],
)
def test_the_limits_of_a_bar_equal_those_by_hand(
    bar: dict[str, Any], close: float | None, expected: tuple[float, float]
) -> None:
    assert limits_of(bar, close) == expected


def test_a_fund_that_trades_beyond_10_percent_has_20() -> None:
    fund = {"symbol": "159999.SZ", "open": 1.15, "close": 1.15}
    assert limits_of(fund, 1.0) == (1.2, 0.8)
    assert limits_of(fund | {"open": 1.1, "close": 1.1}, 1.0) == (1.1, 0.9)
    assert limits_of(fund | {"low": 0.85}, 1.0) == (1.2, 0.8)
    assert limits_of({"symbol": "600000.SH", "open": 11.5, "close": 11.5}, 10.0) == (11.0, 9.0)


def test_an_action_of_the_day_moves_the_limits() -> None:
    paid = frames.actions([("600902.SH", 0.123, 0.0)])
    assert limits_of({"symbol": "600902.SH"}, 9.87, actions=paid) == (10.73, 8.78)


def test_a_new_listing_has_no_limit_but_that_of_its_bar() -> None:
    fresh = frames.listings([("301999.SZ", YESTERDAY, 2)])
    assert limits_of({"symbol": "301999.SZ"}, listings=fresh) == NONE
    assert limits_of({"symbol": "301999.SZ", "limit_up": 14.4}, listings=fresh) == (14.4, float("-inf"))
    assert limits_of({"symbol": "301999.SZ"}, listings=frames.listings([("301999.SZ", YESTERDAY, 6)])) == (12.0, 8.0)


def test_the_first_edition_knew_no_listings_ticks_and_20_percent_funds() -> None:
    fresh = frames.listings([("301999.SZ", YESTERDAY, 2)])
    assert limits_of({"symbol": "301999.SZ"}, listings=fresh, book=Book.FIRST) == (12.0, 8.0)
    assert limits_of({"symbol": "588000.SH"}, 1.0, book=Book.FIRST) == (1.1, 0.9)
    paid = frames.actions([("600902.SH", 0.123, 0.0)])
    assert limits_of({"symbol": "600902.SH"}, 9.87, actions=paid, book=Book.FIRST) == (10.86, 8.88)


def test_the_hash_is_that_of_the_rules_in_force() -> None:
    assert hashlib.sha256(rules_text(TODAY).encode()).hexdigest() == rules_sha256(TODAY)
    assert '["main",0.1,0.05]' in rules_text(date(2026, 7, 3))
    assert '["main",0.1,0.1]' in rules_text(date(2026, 7, 6))
    assert book_of(rules_sha256(TODAY), TODAY) is Book.CURRENT
    assert book_of(FIRST_BOOK_SHA256, TODAY) is Book.FIRST
    assert book_of("0" * 64, TODAY) is None


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("PRICE_LIMITS", (date(2027, 1, 4), "main", 0.2, 0.2)),
        ("STAMP_DUTY", (date(2027, 1, 4), 0.0)),
        ("LOTS", (date(2027, 1, 4), "main", 1, 1, 1)),
        ("TICKS", (date(2027, 1, 4), "fund", 2)),
        ("FREE_SESSIONS", (date(2027, 1, 4), "beijing", 5)),
        ("FUND_LIMITS", (date(2027, 1, 4), 0.3, "^510300")),
        ("LIMITS_INWARD", (date(2027, 1, 4), "main")),
        ("DUTY_FREE", (date(2027, 1, 4), "main")),
    ],
)
def test_a_rule_that_starts_later_touches_no_earlier_session(
    table: str, row: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, symbols = date(2026, 12, 31), pl.Series(["600000.SH", "510300.SH", "920001.BJ"])
    text, found = rules_text.__wrapped__(before), trading_rules(symbols, before)
    monkeypatch.setattr(rules, table, (*getattr(rules, table), row))
    rules._by_board.cache_clear()
    assert rules_text.__wrapped__(before) == text
    assert trading_rules(symbols, before).equals(found)
    assert rules_text.__wrapped__(row[0]) != text
