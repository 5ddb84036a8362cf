"""Made-up klines: bars that a market could have printed, the same whenever they are made, around the feed's prices."""

from datetime import timedelta

import polars as pl

from countersign.domain.external.feed_simulation import COINS, SimulatedFeed
from countersign.domain.external.kline_simulation import simulate_klines
from countersign.domain.external.klines import normalise_klines
from tests.support.feeds import NOON
from tests.support.klines import SERIES

QUARTER = SERIES.step
DAY = timedelta(days=1)


def test_they_are_klines_and_one_ends_where_the_next_begins() -> None:
    for coin in COINS:
        bars = simulate_klines(coin, QUARTER, NOON - DAY, NOON)
        assert normalise_klines(bars, SERIES, NOON).equals(bars)
        assert bars.height == 96
        assert bars["close"].head(95).equals(bars["open"].tail(95).rename("close"))


def test_a_bar_is_the_same_whenever_it_is_made() -> None:
    whole = simulate_klines("BTC", QUARTER, NOON - DAY, NOON)
    late = simulate_klines("BTC", QUARTER, NOON - timedelta(minutes=50), NOON - timedelta(minutes=1))
    assert late["opened_at"].to_list() == [NOON - 3 * QUARTER, NOON - 2 * QUARTER]
    assert whole.join(late, on=whole.columns, how="semi").height == 2
    assert simulate_klines("BTC", QUARTER, NOON, NOON).is_empty()


def test_most_signals_of_the_feed_find_their_price_within_the_day() -> None:
    """Without that the sample home would show nothing but expired signals."""
    said = SimulatedFeed().answer({"api_key": "FREE", "interval": "20"}, NOON)["signals"]
    met = []
    for signal in said:
        bars = simulate_klines(signal["coin"], QUARTER, NOON, NOON + DAY)
        low, high = sorted((float(signal["buy_start"]), float(signal["buy_end"])))
        met.append(bars.filter(pl.col("high") >= low, pl.col("low") <= high).height > 0)
    assert len(met) > 5
    assert all(met)
