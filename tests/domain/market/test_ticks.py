"""Ticks: noise, ambiguous prices, and columns that are no raw prices at all."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.market.ticks import to_ticks
from countersign.models.errors import InputError
from tests.support import frames
from tests.support.worlds import STARTS

DAY = STARTS[2]


def bars(symbol: str, *prices: float, **more: Any) -> pl.DataFrame:
    return frames.bars(DAY, [{"symbol": symbol, "open": price, "close": price, **more} for price in prices])


@given(st.lists(st.integers(1, 300_000), min_size=1, max_size=50), st.sampled_from(["600000.SH", "588000.SH"]))
def test_float32_and_the_division_by_a_factor_leave_no_trace(ticks: list[int], symbol: str) -> None:
    per_cny = 1000 if symbol == "588000.SH" else 100
    exact = [tick / per_cny for tick in ticks]
    stored = [float(np.float32(price)) for price in exact]
    divided = [price * 7.654321 / 7.654321 for price in exact]
    assert to_ticks(bars(symbol, *stored))["close"].to_list() == exact
    assert to_ticks(bars(symbol, *divided))["open"].to_list() == exact


def test_prices_stay_null_and_zero() -> None:
    empty = frames.bars(DAY, [{"symbol": "600000.SH", "open": None, "close": 0.0, "high": None, "low": 0.0}])
    assert to_ticks(empty).select("open", "high", "low", "close").row(0) == (None, None, 0.0, 0.0)


@pytest.mark.parametrize(("symbol", "price"), [("600000.SH", 10.005), ("159915.SZ", 1.0005), ("688001.SH", 50.555)])
def test_a_price_between_two_ticks_is_refused_with_its_row(symbol: str, price: float) -> None:
    with pytest.raises(InputError, match=rf"whole ticks .*got {price} in the bar of {symbol} on {DAY}"):
        to_ticks(bars(symbol, price))


def test_adjusted_prices_are_refused_as_a_whole() -> None:
    adjusted = [round(10 + n * 0.1, 2) * 1.2345678 for n in range(20)]
    with pytest.raises(InputError, match=r"raw prices .* as adjusted prices are"):
        to_ticks(bars("600000.SH", *adjusted))


def test_limits_are_ticks_too_and_0_is_none() -> None:
    found = to_ticks(bars("600000.SH", 10.0, limit_up=float(np.float32(11.03)), limit_down=0.0))
    assert found.select("limit_up", "limit_down").row(0) == (11.03, None)
    assert to_ticks(bars("600000.SH", 10.0, limit_up=99999.999, limit_down=None))["limit_up"].item() == 100000.0
