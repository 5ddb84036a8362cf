"""Klines as handed in: names, times in every form, and rows that no market could have printed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.external.klines import merge, normalise_klines
from countersign.models.errors import InputError
from countersign.models.klines import market_of, parse_name, series_of
from tests.support.feeds import NOON
from tests.support.klines import SERIES, bars
from tests.support.shared import shared

FOUR = bars((1, 3, 1, 2), (2, 4, 2, 3), (3, 5, 2, 4), (4, 4, 4, 4))
LATER, HOUR = NOON + timedelta(days=1), timedelta(hours=1)


def changed(**columns: Any) -> pl.DataFrame:
    return FOUR.with_columns(**columns)


@pytest.mark.parametrize(
    "said",
    [
        ["2026-05-24 12:00", "2026-05-24 12:15", "2026-05-24 12:30", "2026-05-24 12:45"],
        ["2026-05-24T12:00:00Z", "2026-05-24T12:15:00.000Z", "2026-05-24 12:30:00+00:00", " 2026-05-24 12:45:00 UTC"],
        [1779624000, 1779624900, 1779625800, 1779626700],
        [1779624000000, 1779624900000, 1779625800000, 1779626700000],
        [1779624000000000, 1779624900000000, 1779625800000000, 1779626700000000],
        [1779624000000000000, 1779624900000000000, 1779625800000000000, 1779626700000000000],
        ["1779624000000000", "1779624900000000", "1779625800000000", "1779626700000000"],
        ["1779624000", "1779624900000", "2026-05-24 12:30", "1779626700"],
        [datetime(2026, 5, 24, 12, 15 * n) for n in range(4)],  # noqa: DTZ001 - a zone may be missing
    ],
)
@pytest.mark.parametrize("name", ["opened_at", "date", "timestamp"])
def test_a_time_is_read_in_every_form(said: list[Any], name: str) -> None:
    given_frame = FOUR.drop("opened_at").with_columns(pl.Series(name, said))
    assert normalise_klines(given_frame, SERIES, LATER).equals(FOUR)


def test_other_names_and_another_order_of_columns_are_read() -> None:
    names = {"open": "openPrice", "high": "highestPrice", "low": "lowestPrice", "close": "closePrice"}
    given_frame = FOUR.rename(names | {"volume": "turnoverVol", "opened_at": "date"}).reverse()
    assert normalise_klines(given_frame, SERIES, LATER).equals(FOUR)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pl.concat([FOUR, FOUR.head(1)]), r"opened_at: expected one row .*, got several of 2026-05-24 12:00:00"),
        (changed(low=float("nan")), "low: .*, got nan in row 1"),
        (changed(close=None), "close: .*, got null in row 1"),
        (changed(open=pl.Series([1.0, -2.0, 3.0, 4.0])), "open: .*, got -2.0 in row 2"),
        (changed(open=float("inf")), "open: .*, got inf in row 1"),
        (changed(open=0.0), "open: .*, got 0.0 in row 1"),
        (changed(high=pl.lit("1e400")), "high: .*, got '1e400' in row 1"),
        (changed(high=pl.Series([3.0, 4.0, 1.0, 4.0])), "high: expected prices between low and high, .* 12:30:00 with"),
        (changed(close=9.0), "high: expected prices between low and high, got the bar of .* close 9 .and 3 more"),
        (
            changed(opened_at=FOUR["opened_at"] + timedelta(minutes=7)),
            "opened_at: expected a multiple of 15m, got .*07",
        ),
        (changed(opened_at=FOUR["opened_at"] + timedelta(days=2)), "opened_at: expected times up to now"),
        (
            FOUR[[0, 1, 3]],
            "opened_at: expected a bar every 15m.*, got none between 2026-05-24 12:15:00 and .* 12:45:00",
        ),
        (
            changed(opened_at=pl.Series([NOON + timedelta(hours=n) for n in range(4)])),
            "interval: .* 15m .* 1:00:00 apart",
        ),
        (changed(opened_at=pl.lit("noon")), "opened_at: expected a time .*, got 'noon' in row 1"),
        (changed(opened_at=pl.lit("2026-05-24 12:00:00+08:00")), r"opened_at: .*\(UTC\), .*, got '2026"),
        (changed(opened_at=17796240000000000), "opened_at: .*, got 17796240000000000 in row 1"),
        (changed(opened_at=1.5), "opened_at: .*, got a column of Float64"),
        (changed(opened_at=pl.lit(None, pl.String)), "opened_at: .*, got null in row 1"),
        (changed(trades=1), "trades: expected only the columns .*, got an unknown column"),
        (changed(date=1), "date: expected opened_at once"),
        (FOUR.drop("volume"), "volume: expected a column of klines"),
        (FOUR.clear(), "klines: expected at least one row"),
    ],
)
def test_a_row_that_is_no_kline_is_named(frame: pl.DataFrame, words: str) -> None:
    with pytest.raises(InputError, match=words):
        normalise_klines(frame, SERIES, LATER)


def test_holes_are_let_in_where_they_are_known_of() -> None:
    assert normalise_klines(FOUR[[0, 1, 3]], SERIES, LATER, holes=True).height == 3


def test_the_bar_under_way_is_left_out() -> None:
    assert normalise_klines(FOUR, SERIES, NOON + timedelta(minutes=59)).equals(FOUR.head(3))
    assert normalise_klines(FOUR, SERIES, NOON + timedelta(minutes=60)).equals(FOUR)
    with pytest.raises(InputError, match="opened_at: expected a bar that is over, got one of 2026-05-24 12:00:00"):
        normalise_klines(FOUR.head(1), SERIES, NOON + timedelta(minutes=1))


def test_a_series_is_named_in_one_spelling_and_a_faulty_part_refused() -> None:
    series = series_of(" Binance-Futures", "btc/usdt", "1h")
    assert (series.name, series.market) == ("binance_futures-BTC-USDT-1h", "binance_futures-BTC-USDT")
    assert parse_name(series.name) == series
    assert market_of("binance futures", "BTC", "usdt") == series.market
    for exchange, pair, interval, field in (
        ("bin/../ance", "BTC/USDT", "1h", "exchange"),
        ("binance", "BTC-USDT", "1h", "pair"),
        ("binance", "BTC/USDT/X", "1h", "pair"),
        ("binance", "BTC/USDT", "7m", "interval"),
    ):
        with pytest.raises(InputError, match=f"^{field}: "):
            series_of(exchange, pair, interval)


@given(st.lists(st.integers(0, 20), unique=True), st.lists(st.integers(0, 20), unique=True), st.booleans())
def test_merging_is_a_dictionarys_update(known: list[int], newer: list[int], other: bool) -> None:
    def frame(minutes: list[int], close: float) -> pl.DataFrame:
        opened = pl.Series([NOON + timedelta(minutes=n) for n in sorted(minutes)], dtype=FOUR.schema["opened_at"])
        return pl.DataFrame(
            {"opened_at": opened, "close": [close] * len(minutes)}, schema_overrides={"close": pl.Float64}
        )

    merged = merge(frame(known, 1), frame(newer, 2 if other else 1))
    expected = dict.fromkeys(known, 1.0) | dict.fromkeys(newer, 2.0 if other else 1.0)
    assert [(at, close) for at, close in merged.bars.rows()] == [
        (NOON + timedelta(minutes=n), expected[n]) for n in sorted(expected)
    ]
    assert merged.added.height == len(set(newer) - set(known))
    assert merged.replaced.height == (len(set(newer) & set(known)) if other else 0)


def test_real_bars_are_klines() -> None:
    path = shared("reference/dolphindb-DolphinDBModules/BTC-USDT-SWAP_15min.parquet")
    found = normalise_klines(pl.read_parquet(path), SERIES, LATER)
    assert found.height == 51_203
    assert found["opened_at"][-1] == datetime(2021, 6, 17, 8, 30, tzinfo=UTC)
