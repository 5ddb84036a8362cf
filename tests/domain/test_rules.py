"""The rule book on both sides of each of its dates, and the prices that follow from it."""

import hashlib
from datetime import date

import polars as pl
import pytest

from domain.quotes import quotes
from domain.rules import RULES_SHA256, RULES_TEXT, board, trading_rules
from tests.support import frames

BOARDS = {
    "600000.SH": "main",
    "000001.SZ": "main",
    "002594.SZ": "main",
    "300750.SZ": "chinext",
    "301001.SZ": "chinext",
    "302132.SZ": "chinext",
    "688981.SH": "star",
    "689009.SH": "star",
    "510300.SH": "fund",
    "588000.SH": "fund",
    "159915.SZ": "fund",
    "161725.SZ": "fund",
    "184801.SZ": "fund",
    "430047.BJ": "beijing",
    "920002.BJ": "beijing",
    "688981.SZ": "main",
    "300750.SH": "main",
}


def test_boards() -> None:
    frame = pl.DataFrame({"symbol": list(BOARDS)}).with_columns(board=board(pl.col("symbol")))
    assert dict(frame.rows()) == BOARDS


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
    ],
)
def test_price_limits_by_date(symbol: str, session: date, limit: float, limit_st: float) -> None:
    rules = trading_rules(pl.Series([symbol]), session).row(0, named=True)
    assert (rules["limit"], rules["limit_st"]) == (limit, limit_st)


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
def test_stamp_duty_by_date(symbol: str, session: date, duty: float) -> None:
    assert trading_rules(pl.Series([symbol]), session)["duty"].item() == duty


@pytest.mark.parametrize(
    ("symbol", "st", "previous", "factors", "limits"),
    [
        # 9.99 × 1.1 = 10.989 and × 0.9 = 8.991
        ("600000.SH", None, 9.99, (1.0, 1.0), (10.99, 8.99)),
        # 10.05 × 1.1 = 11.055, half up; × 0.9 = 9.045, half up
        ("600000.SH", None, 10.05, (1.0, 1.0), (11.06, 9.05)),
        ("600000.SH", True, 10.0, (1.0, 1.0), (10.5, 9.5)),
        ("300750.SZ", True, 10.0, (1.0, 1.0), (12.0, 8.0)),
        # 2.345 × 1.1 = 2.5795 and × 0.9 = 2.1105, to 0.001
        ("159915.SZ", None, 2.345, (1.0, 1.0), (2.58, 2.111)),
        # ex-date: 10 × 1 / 1.25 = 8
        ("600000.SH", None, 10.0, (1.0, 1.25), (8.8, 7.2)),
        # a factor unknown on either side leaves the close as it is
        ("600000.SH", None, 10.0, (None, 1.25), (11.0, 9.0)),
        ("600000.SH", None, 10.0, (1.5, None), (11.0, 9.0)),
        ("600000.SH", None, None, (1.0, 1.0), (float("inf"), float("-inf"))),
    ],
)
def test_limit_prices(
    symbol: str, st: bool | None, previous: float | None, factors: tuple[float | None, ...], limits: tuple[float, float]
) -> None:
    yesterday, today = date(2025, 1, 2), date(2025, 1, 3)
    bar = {"symbol": symbol, "open": 10.0, "close": 10.0, "adj_factor": factors[1], "is_st": st}
    marks = frames.no_marks()
    if previous is not None:
        row = (symbol, yesterday, yesterday, previous, factors[0])
        marks = pl.DataFrame([row], schema=marks.schema, orient="row")
    day = quotes(today, pl.Series([symbol]), frames.bars(today, [bar]), marks, frames.actions())
    assert (day.limit_up[0], day.limit_down[0]) == limits


def test_a_bars_own_limits_win() -> None:
    today = date(2025, 1, 3)
    bar = {"symbol": "600000.SH", "open": 10.0, "close": 10.0, "limit_up": 10.5}
    row = ("600000.SH", date(2025, 1, 2), date(2025, 1, 2), 10.0, 1.0)
    marks = pl.DataFrame([row], schema=frames.no_marks().schema, orient="row")
    day = quotes(today, pl.Series(["600000.SH"]), frames.bars(today, [bar]), marks, frames.actions())
    assert (day.limit_up[0], day.limit_down[0]) == (10.5, 9.0)


def test_the_hash_is_that_of_the_text() -> None:
    assert hashlib.sha256(RULES_TEXT.encode()).hexdigest() == RULES_SHA256
    assert '["main","2026-07-06",0.1,0.1]' in RULES_TEXT
